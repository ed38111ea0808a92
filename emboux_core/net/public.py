# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Which addresses are on the public internet: naming a server must not give access to our own
network."""

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: holds an IPv4 address
# What Python 3.11 considers global, though no server on the internet has it: IPv4-compatible, local
# NAT64 (RFC 8215), segment routing, documentation (RFC 9637), the 6to4 relay.
_RESERVED = tuple(
    ipaddress.ip_network(text)
    for text in ("::/96", "64:ff9b:1::/48", "5f00::/16", "3fff::/20", "192.88.99.0/24")
)


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, embedded IPv4 addresses looked through."""
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        embedded = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded:
            return is_public(str(embedded))
        if ip.is_site_local:
            return False
    reserved = any(ip in network for network in _RESERVED if network.version == ip.version)
    return ip.is_global and not ip.is_multicast and not reserved
