"""The DNS as others see it: the host's addresses, their names, MX servers, lists of spammers.

It needs dnspython, Debian's package ``python3-dnspython``.
"""

import ipaddress
import socket

from .findings import bad, good, note

PACKAGES = ("python3-dnspython",)
#: Whose answer is known to mean something: addresses in 127.0.0.0/8 but those of 127.255.255.0/24,
#: by which Spamhaus says that it does not answer who asks by a public resolver.
BLOCKLISTS = ("zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com")
#: Addresses that something between translates (RFC 1918, 6598, 4193).
TRANSLATED = tuple(map(ipaddress.ip_network, (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
NO_ANSWER = ipaddress.ip_network("127.255.255.0/24")


class Names:
    """Asks the machine's resolver, or ``server`` (``address`` or ``address:port``)."""

    def __init__(self, server=None, seconds=5.0):
        import dns.resolver  # installed by then, which this file cannot know

        self._dns = dns
        self._resolver = dns.resolver.Resolver(configure=server is None)
        self._resolver.lifetime = seconds
        if server:
            address, _colon, port = server.partition(":")
            self._resolver.nameservers, self._resolver.port = [address], int(port or 53)

    def ask(self, name, kind):
        """The records as text; empty where there are none.

        :raises OSError: no server answers.
        """
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (self._dns.resolver.NXDOMAIN, self._dns.resolver.NoAnswer):
            return []
        except self._dns.exception.DNSException as failed:
            raise OSError(f"the DNS does not answer about {name}: {failed}") from None
        return [record.to_text() for record in answer]

    def addresses(self, host):
        return [ipaddress.ip_address(text) for kind in ("A", "AAAA")
                for text in self.ask(host, kind)]

    def reverse(self, address):
        return [name.rstrip(".").lower() for name in self.ask(address.reverse_pointer, "PTR")]

    def mail_servers(self, domain):
        found = [text.split() for text in self.ask(domain, "MX")]
        return [name.rstrip(".") for _preference, name in sorted(found, key=lambda mx: int(mx[0]))]


def sending_addresses():
    """This machine's addresses towards the internet: those that other mail servers will see, unless
    something between translates them."""
    found = []
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((elsewhere, 9))  # of UDP: nothing is sent
            except OSError:
                continue
            found.append(ipaddress.ip_address(probe.getsockname()[0]))
    return [address for address in found if not address.is_loopback]


def check(names, host, sending, blocklists=BLOCKLISTS):
    """Forward, reverse, and whether the addresses are on a list.

    :param sending: the addresses from which this machine reaches others.
    """
    try:
        addresses = names.addresses(host)
    except OSError as failed:
        return [bad(f"{failed}.", "See /etc/resolv.conf: a mail host needs a resolver that works.",
                    True)]
    if not addresses:
        return [bad(f"The DNS has no address for {host}.",
                    f"Add an A record (and AAAA, where this machine has IPv6) for {host} where its "
                    f"zone is hosted.")]
    found = [good(f"{host} has the address {', '.join(map(str, addresses))}.")]
    for address in sending:
        found += _sent_from(address, host, addresses)
    for address in addresses:
        found.append(_reverse(names, address, host))
        for blocklist in blocklists:
            found.append(_listed(names, address, blocklist))
    return found


def _sent_from(address, host, addresses):
    if address in addresses:
        return []
    same = [known for known in addresses if known.version == address.version]
    if any(address in network for network in TRANSLATED):
        return [note(f"This machine's own address is {address}, a private one: it is taken that "
                     f"{known} is translated to it.") for known in same[:1]]
    if not same:
        kind = "AAAA" if address.version == 6 else "A"
        return [bad(f"This machine reaches others from {address}, and {host} has no {kind} record.",
                    f"Add {host} {kind} {address}, and the reverse name; or turn "
                    f"IPv{address.version} off on this machine: others refuse mail from an address "
                    f"without a name.")]
    return [bad(f"{host} leads to {same[0]}, but this machine reaches others from {address}.",
                "Correct the record, or use the machine that it leads to.")]


def _reverse(names, address, host):
    try:
        known = names.reverse(address)
    except OSError as failed:
        return note(f"{failed}.", "Run this again when the DNS works.")
    if host in known:
        return good(f"{address} has the name {host} (PTR).")
    has = f"the name {', '.join(known)}" if known else "no name"
    return bad(f"{address} has {has} (PTR), not {host}.",
               f"Have whoever gave you the address set its reverse name to {host}: many servers "
               f"refuse mail from an address whose name does not lead back to it.")


def _listed(names, address, blocklist):
    reverse = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    try:
        answers = [ipaddress.ip_address(text) for text in names.ask(f"{reverse}.{blocklist}", "A")]
    except OSError:
        return note(f"{blocklist} was not asked about {address}: it does not answer.")
    if any(answer in NO_ANSWER for answer in answers):
        return note(f"{blocklist} answers nobody who asks by this resolver.",
                    "Use a resolver of your own on this machine (unbound), which they do answer.")
    if any(answer.is_loopback for answer in answers):
        return bad(f"{address} is on the blocklist {blocklist}.",
                   "Look the address up on its web site, which says why and how to get off; or "
                   "have another address given to you.")
    return good(f"{address} is not on {blocklist}.")
