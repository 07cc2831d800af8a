using CsCheck;
using Xunit;

namespace Lotse.Tests;

public class ByteTextTests
{
    [Fact]
    public void Any_bytes_survive_decoding_and_encoding() =>
        Gen.Byte.Array.Sample(bytes => ByteText.Encode(ByteText.Decode(bytes)).SequenceEqual(bytes));

    [Fact]
    public void Any_escaped_text_can_be_read_back() =>
        Gen.Byte.Array.Sample(bytes =>
        {
            var text = ByteText.Decode(bytes);
            return ByteText.Unescape(ByteText.Escape(text)) == text;
        });

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("\x1b[31mred", @"\x1b[31mred")]
    [InlineData("a\nb\tc\\d", @"a\nb\tc\\d")]
    [InlineData("\u202egpj.exe\u009b", @"\u202egpj.exe\u009b")]
    [InlineData("😀", "😀")]
    public void Foreign_text_is_shown_without_control(string foreign, string shown) => Assert.Equal(shown, ByteText.Escape(foreign));

    // Not as inline data: an attribute cannot hold a lone surrogate.
    [Fact]
    public void A_byte_that_is_not_utf8_is_shown_as_hex() => Assert.Equal(@"ümlaut\xff", ByteText.Escape(ByteText.Decode([.. "ümlaut"u8, 0xff])));
}
