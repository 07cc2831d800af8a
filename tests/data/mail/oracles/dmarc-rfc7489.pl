#!/usr/bin/perl
# DMARC by Mail::DMARC (Debian's libmail-dmarc-perl), which follows RFC 7489 and the public suffix list. One JSON object a
# line in: {"from","spf_domain","spf","dkim":[{"domain","result"}]}, one out: {"result","disposition"}.
# Argument: the port of the name server on loopback.
use strict;
use warnings;
use JSON::PP;
use Mail::DMARC::PurePerl;
use Net::DNS::Resolver;

my $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $ARGV[0], recurse => 1, dnsrch => 0, defnames => 0);
$resolver->udp_timeout(5);
local $SIG{__WARN__} = sub { };
$| = 1;
while (my $line = <STDIN>) {
    my $case = decode_json($line);
    my $dmarc = Mail::DMARC::PurePerl->new;
    $dmarc->config->{report_store}{auto_save} = 0;
    $dmarc->set_resolver($resolver);
    $dmarc->source_ip('192.0.2.1');
    $dmarc->envelope_to('receiver.com');
    $dmarc->envelope_from($case->{spf_domain});
    $dmarc->header_from($case->{from});
    $dmarc->spf({ domain => $case->{spf_domain}, scope => 'mfrom', result => $case->{spf} });
    $dmarc->dkim([map { { domain => $_->{domain}, selector => 's', result => $_->{result} } } @{ $case->{dkim} }]);
    my $result = eval { $dmarc->validate } or do { print encode_json({ result => 'none', disposition => 'none' }), "\n"; next };
    my ($word, $disposition) = ($result->result, lc $result->disposition);

    # Where section 6.6.3 says that DMARC is not applied, it leaves its first guess, "fail", and says why beside it.
    my @why = map { ref $_ ? ($_->comment // '') : '' } @{ ref $result->reason eq 'ARRAY' ? $result->reason : [] };
    $word = 'none' if $word eq 'fail' && grep { /too many policies|no valid rua|parse error/ } @why;
    print encode_json({ result => $word, disposition => $disposition }), "\n";
}
