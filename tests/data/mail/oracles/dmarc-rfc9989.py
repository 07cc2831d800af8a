#!/usr/bin/python3
"""DMARC written down from the text of RFC 9989 alone (sections 3.2.13, 4.7, 4.8, 4.10, 5.3), as a second opinion: one JSON
object a line in, {"from","spf_domain","spf","dkim":[{"domain","result"}]}, one out, {"result","disposition","record"}.
Argument: the port of the name server on loopback. It shares nothing with the program under test."""
import json
import re
import sys

import dns.resolver

ask = dns.resolver.Resolver(configure=False)
ask.nameservers, ask.port, ask.lifetime = ["127.0.0.1"], int(sys.argv[1]), 5
POLICIES = ["none", "quarantine", "reject"]


def texts(name):
    try:
        return [b"".join(r.strings).decode("utf-8", "replace") for r in ask.resolve(name, "TXT", search=False)]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []


def exists(name, kind="A"):
    try:
        ask.resolve(name, kind, search=False)
    except dns.resolver.NXDOMAIN:
        # RFC 8020 section 1.1: at the end of an alias it is the target that does not exist
        return kind == "A" and exists(name, "CNAME")
    except dns.resolver.NoAnswer:
        pass
    return True


def parse(text):
    parts = text.split(";")
    if not re.fullmatch(r"[ \t]*v[ \t]*=[ \t]*DMARC1[ \t]*", parts[0]):
        return None
    tags = {}
    for part in parts[1:]:
        m = re.fullmatch(r"[ \t]*([A-Za-z]+)[ \t]*=(.*)", part)
        if m and m[1].lower() not in tags:
            tags[m[1].lower()] = m[2].strip(" \t")
    return tags


def record_at(name):
    # steps 2 and 6: what does not begin with the version is discarded, several are all discarded
    records = [r for r in map(parse, texts("_dmarc." + name)) if r is not None]
    return records[0] if len(records) == 1 else None


def psd(record):
    return record.get("psd", "u").lower()


def walk(domain):
    found, labels = [], domain.split(".")
    while labels:
        name = ".".join(labels)
        record = record_at(name)
        if record is not None:
            found.append((name, record))
            if psd(record) in ("y", "n"):
                break
        # step 4: eight labels and more are cut to seven, else one goes
        labels = labels[1:] if len(labels) < 8 else labels[-7:]
    return found


def organization(domain, found):
    for name, record in found:
        if psd(record) == "n":
            return name
        if psd(record) == "y" and name != domain:
            return ".".join(domain.split(".")[-(name.count(".") + 2):])
    return found[-1][0] if found else domain


def has_address(record):
    return any(re.fullmatch(r"mailto:[^@,!\s]+@[^@,!\s]+(![0-9]+[kmgt]?)?", u.strip(), re.I) for u in record.get("rua", "").split(","))


def evaluate(case):
    author = case["from"]
    found = walk(author)
    org = organization(author, found)
    by_name = dict(found)
    if author in by_name:
        where = author
    elif org in by_name:
        where = org
    else:
        where = next((n for n, r in found if psd(r) == "y"), None)
    if where is None:
        return {"result": "none", "disposition": "none", "record": None}
    record = by_name[where]
    good = lambda tag: record.get(tag, "none").lower() in POLICIES
    if not (good("p") and good("sp") and good("np")):
        if not has_address(record):
            return {"result": "none", "disposition": "none", "record": None}
        policy = "none"
    elif where == author:
        policy = record.get("p", "none").lower()
    else:
        policy = record.get("sp", record.get("p", "none")).lower()
        if "np" in record and not exists(author):
            policy = record["np"].lower()
    if record.get("t", "n").lower() == "y" and policy != "none":
        policy = POLICIES[POLICIES.index(policy) - 1]

    def aligned(domain, strict):
        if domain == author:
            return True
        return not strict and organization(domain, walk(domain)) == org

    passed = case["spf"] == "pass" and aligned(case["spf_domain"], record.get("aspf", "r").lower() == "s")
    for leg in case["dkim"]:
        passed = passed or (leg["result"] == "pass" and aligned(leg["domain"], record.get("adkim", "r").lower() == "s"))
    return {"result": "pass" if passed else "fail", "disposition": "none" if passed else policy, "record": where}


for line in sys.stdin:
    print(json.dumps(evaluate(json.loads(line))), flush=True)
