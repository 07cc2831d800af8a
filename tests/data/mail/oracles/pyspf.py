#!/usr/bin/python3
"""SPF by pyspf (Debian's python3-spf): one JSON object a line in, {"ip","helo","from"}, one out. Argument: the port of the
name server on loopback. pyspf is the reference implementation of openspf's suite."""
import json
import sys

import dns.resolver
import spf

resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], int(sys.argv[1]), 5
resolver.use_search_by_default = False
dns.resolver.default_resolver = resolver
for line in sys.stdin:
    case = json.loads(line)
    query = spf.query(i=case["ip"], s=case["from"], h=case["helo"], receiver="unknown", strict=True, timeout=5, querytime=20)
    result = query.check()
    print(json.dumps({"result": result[0], "words": str(result[2])}), flush=True)
