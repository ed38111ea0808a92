"""Replaces record sets of a zone by an update signed with TSIG (RFC 2136), needs dnspython.

Standard input: the TSIG secret on the first line, then records in the format of a zone file.
Every record set that occurs there takes the place of the one of that name and type.
"""

import argparse
import sys

import dns.name
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import dns.zonefile


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--zone", required=True)
    parser.add_argument("--key", required=True, help="the name of the TSIG key")
    parser.add_argument("--ttl", type=int, default=60, help="of records that give none")
    arguments = parser.parse_args()
    secret = sys.stdin.readline().strip()
    zone = dns.name.from_text(arguments.zone)
    sets = dns.zonefile.read_rrsets(
        sys.stdin.read(), origin=zone, rdclass=None, default_ttl=arguments.ttl, relativize=False)
    update = dns.update.UpdateMessage(
        zone,
        keyring=dns.tsigkeyring.from_text({arguments.key: secret}),
        keyalgorithm="hmac-sha256",
    )
    for rrset in sets:
        update.replace(rrset.name, rrset)
    answer = dns.query.tcp(update, arguments.server, port=arguments.port, timeout=10)
    if answer.rcode() != dns.rcode.NOERROR:
        sys.exit(f"The update was refused: {dns.rcode.to_text(answer.rcode())}")


if __name__ == "__main__":
    main()
