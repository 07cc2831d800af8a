using System.Text;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>Bounces in the words of many mail servers: who was not reached, by whose word, and the finding that this is.</summary>
public class BounceTests
{
    public static TheoryData<string, string, string, string, string, string> Bounces() => new()
    {
        {
            "Exim", "From: Mail Delivery System <Mailer-Daemon@mx.example>\nTo: me@x.example\nSubject: Mail delivery failed: returning message to sender\nX-Failed-Recipients: you@y.example\n",
            "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  you@y.example\n    host mx.y.example [192.0.2.7]\n    SMTP error from remote mail server after end of data:\n    550 5.7.1 rejected per DMARC policy of x.example\n\n------ This is a copy of the message, including all the headers. ------\n\nReturn-path: <me@x.example>\nSubject: 250 ok\n",
            "you@y.example", "550 5.7.1 rejected per DMARC policy of x.example", "mx.y.example"
        },
        {
            "qmail", "From: MAILER-DAEMON@mx.example\nTo: me@x.example\nSubject: failure notice\n",
            "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<you@y.example>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.1.1 <you@y.example>... User unknown\nGiving up on 192.0.2.7.\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <me@x.example>\n",
            "you@y.example", "550 5.1.1 <you@y.example>... User unknown Giving up on 192.0.2.7.", ""
        },
        {
            "Gmail, in words", "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nTo: me@gmail.com\nSubject: Delivery Status Notification (Failure)\n",
            "Delivery to the following recipient failed permanently:\n\n     you@y.example\n\nTechnical details of permanent failure:\nGoogle tried to deliver your message, but it was rejected by the server for the recipient domain y.example by mx.y.example. [192.0.2.7].\n\nThe error that the other server returned was:\n550-5.7.26 Unauthenticated email from x.example is not accepted due to\n550 5.7.26 domain's DMARC policy.\n\n----- Original message -----\n\nFrom: me@gmail.com\n",
            "you@y.example", "550-5.7.26 Unauthenticated email from x.example is not accepted due to 550 5.7.26 domain's DMARC policy.", "mx.y.example"
        },
        {
            "Yahoo", "From: MAILER-DAEMON@yahoo.com\nTo: me@yahoo.com\nSubject: Failure Notice\n",
            "Sorry, we were unable to deliver your message to the following address.\n\n<you@y.example>:\nRemote host said: 554 5.7.9 Message not accepted for policy reasons. [BODY]\n\n--- Below this line is a copy of the message.\n",
            "you@y.example", "554 5.7.9 Message not accepted for policy reasons. [BODY]", ""
        },
        {
            "Exchange, without a server's words", "From: System Administrator <postmaster@corp.example>\nTo: me@x.example\nSubject: Undeliverable: lunch\n",
            "Your message\n\n  To:      you@corp.example\n  Subject: lunch\n  Sent:    Mon, 1 Jun 2026 08:00:00 -0000\n\ndid not reach the following recipient(s):\n\nyou@corp.example on Mon, 1 Jun 2026 08:00:01 -0000\n    The recipient name is not recognized\n",
            "you@corp.example", "The recipient name is not recognized", ""
        },
        {
            "Exchange, as a page", "From: postmaster@corp.example\nTo: me@x.example\nSubject: Undeliverable: lunch\nContent-Type: text/html; charset=utf-8\n",
            "<html><body><p><b>Delivery has failed to these recipients or groups:</b></p><p><a href=\"mailto:you@corp.example\">you@corp.example</a><br>The address could not be found.</p><p>Remote server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found'</p></body></html>",
            "you@corp.example", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found'", ""
        },
        {
            "DragonFly's agent", "From: MAILER-DAEMON <>\nTo: me@x.example\nSubject: Mail delivery failed\n",
            "This is the DragonFly Mail Agent v0.13 at mx.example.\n\nThere was an error delivering your mail to <you@y.example>.\n\nmx.y.example [192.0.2.7] did not like our RCPT TO:\n550 5.7.23 SPF validation failed\n\nMessage headers follow.\n\nTo: <you@y.example>\n",
            "you@y.example", "550 5.7.23 SPF validation failed", ""
        },
        {
            "sendmail", "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>\nTo: me@x.example\nSubject: Returned mail: see transcript for details\n",
            "   ----- The following addresses had permanent fatal errors -----\n<you@y.example>\n    (reason: 550 5.1.1 <you@y.example>... User unknown)\n\n   ----- Transcript of session follows -----\n... while talking to mx.y.example.:\n>>> DATA\n<<< 550 5.1.1 <you@y.example>... User unknown\n",
            "you@y.example", "550 5.1.1 <you@y.example>... User unknown)", "mx.y.example"
        },
        {
            "a delay", "From: Mail Delivery System <Mailer-Daemon@mx.example>\nTo: me@x.example\nSubject: Warning: message delayed 24 hours\nX-Failed-Recipients: you@y.example\n",
            "The address to which the message has not yet been delivered is:\n\n  you@y.example\n    host mx.y.example [192.0.2.7]: 451 4.4.3 DNS lookup failure\n",
            "you@y.example", "451 4.4.3 DNS lookup failure", "mx.y.example"
        },
    };

    [Theory]
    [MemberData(nameof(Bounces))]
    public void Says_who_was_not_reached_and_why(string who, string head, string body, string recipient, string words, string host)
    {
        Assert.NotEmpty(who);
        var failure = Assert.Single(MessageHeaders.Read(Encoding.UTF8.GetBytes($"Return-Path: <>\n{head}\n{body}"))!.Failures);
        Assert.Equal((recipient, words, host), (failure.Recipient, failure.Words, failure.Host));
        Assert.Equal(who == "a delay" ? "delayed" : "failed", failure.Action);
    }

    [Theory]
    [InlineData("From: you@y.example\nTo: me@x.example\nSubject: Re: lunch\n", "The shop said 550 euros.\n")]
    [InlineData("From: you@y.example\nTo: me@x.example\nSubject: what went wrong\n", "I got: 550 5.7.1 rejected, from other@z.example.\n")]
    public void A_letter_is_no_bounce(string head, string body) => Assert.Empty(MessageHeaders.Read(Encoding.UTF8.GetBytes($"Return-Path: <you@y.example>\n{head}\n{body}"))!.Failures);

    [Fact]
    public void Fields_without_words_take_them_from_the_text()
    {
        const string Text = "Return-Path: <>\nFrom: postmaster@mx.example\nTo: me@x.example\nSubject: failure\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\n<you@y.example>: host mx.y.example said: 550 5.1.1 no such user\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; <you@y.example>\nAction: failed\nStatus: 5.1.1 (bad mailbox)\n\n--b--\n";
        var failure = Assert.Single(MessageHeaders.Read(Encoding.UTF8.GetBytes(Text))!.Failures);
        Assert.Equal(("you@y.example", "5.1.1", "550 5.1.1 no such user", "mx.y.example"), (failure.Recipient, failure.Status, failure.Words, failure.Host));
    }
}
