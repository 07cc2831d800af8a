using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Lotse.Linux;

namespace Lotse.Cli;

/// <summary>The output could not be written: the reader has gone, or the disk is full.</summary>
internal sealed class OutputLostException(int errno) : Exception
{
    public int ErrorNumber => errno;
}

/// <summary>
/// Standard output or error, buffered, written by write(2). Not System.Console: on a terminal that first sends an
/// escape sequence, which breaks programs that read us through a pseudo-terminal, and it costs start-up time.
/// </summary>
internal sealed class Output : IDisposable
{
    private readonly int descriptor;
    private readonly MemoryStream? memory;
    private byte[] buffer = GC.AllocateUninitializedArray<byte>(16384);
    private int used;

    /// <summary>Writes to a descriptor of this process.</summary>
    public Output(int descriptor)
    {
        this.descriptor = descriptor;
        IsTerminal = Descriptor.IsTerminal(descriptor);
    }

    /// <summary>Writes to memory, for tests.</summary>
    public Output(MemoryStream memory) => (descriptor, this.memory) = (-1, memory);

    /// <summary>Whether a person reads it.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Whether escape sequences for bold and colours may be written.</summary>
    public bool Colour { get; set; }

    /// <summary>Writes bytes as they are.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > buffer.Length - used)
        {
            Flush();
            if (bytes.Length > buffer.Length)
            {
                buffer = new byte[bytes.Length];
            }
        }

        bytes.CopyTo(buffer.AsSpan(used));
        used += bytes.Length;
    }

    /// <summary>Writes text as UTF-8. Foreign text must have gone through <see cref="ByteText.Escape"/>.</summary>
    public void Write(ReadOnlySpan<char> text)
    {
        var most = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (most > buffer.Length - used)
        {
            Flush();
            if (most > buffer.Length)
            {
                buffer = new byte[most];
            }
        }

        used += Encoding.UTF8.GetBytes(text, buffer.AsSpan(used));
    }

    /// <summary>Writes text and a newline.</summary>
    public void Line(ReadOnlySpan<char> text = default)
    {
        Write(text);
        Write("\n"u8);
    }

    /// <summary>Writes an interpolated string and a newline, piece by piece: no string is built, no buffer is rented.</summary>
    public void Line([InterpolatedStringHandlerArgument("")] ref Pieces pieces)
    {
        _ = pieces;
        Write("\n"u8);
    }

    /// <summary>Writes text in bold where that is possible; bold never carries meaning alone.</summary>
    public void Bold(ReadOnlySpan<char> text)
    {
        Write(Colour ? "\e[1m"u8 : default);
        Write(text);
        Write(Colour ? "\e[0m"u8 : default);
    }

    private void Spaces(int count)
    {
        for (; count > 0; count--)
        {
            Write(" "u8);
        }
    }

    /// <summary>Hands everything to the system.</summary>
    /// <exception cref="OutputLostException">The system did not take it.</exception>
    public void Flush()
    {
        var rest = buffer.AsSpan(0, used);
        used = 0;
        if (memory is not null)
        {
            memory.Write(rest);
        }
        else if (Descriptor.WriteAll(descriptor, rest) is var errno and not 0)
        {
            throw new OutputLostException(errno);
        }
    }

    /// <summary>Does not flush: what is lost must be seen, so <see cref="Flush"/> is called by name.</summary>
    public void Dispose() => memory?.Dispose();

    /// <summary>
    /// Takes the pieces of an interpolated string. The ordinary way rents arrays from a pool whose first use measures
    /// how fast the processor tells its number: a third of a millisecond, more than the listing of a small machine.
    /// </summary>
    [InterpolatedStringHandler]
    public readonly ref struct Pieces(int literalLength, int formattedCount, Output output)
    {
        /// <summary>The length of our own words and the number of values; not needed, the buffer grows.</summary>
        public int Expected { get; } = literalLength + (formattedCount * 8);

        public void AppendLiteral(string literal) => output.Write(literal);

        public void AppendFormatted(string? text, int alignment = 0)
        {
            var length = text?.Length ?? 0;
            output.Spaces(alignment - length);
            output.Write(text);
            output.Spaces(-alignment - length);
        }

        public void AppendFormatted(Text text) => output.Write(text.ToString());

        public void AppendFormatted<T>(T value, int alignment = 0, string? format = null)
            where T : IFormattable => AppendFormatted(value.ToString(format, CultureInfo.InvariantCulture), alignment);
    }
}
