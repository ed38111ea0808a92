# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Names of domains and addresses, as mox reads and writes them."""

import contextlib
import ipaddress
import re
import unicodedata

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"


class BadName(Exception):
    pass


def domain(text: str) -> dict[str, str]:
    """``{"ASCII", "Unicode"}``; the latter is empty when both are the same."""
    if text.endswith("."):
        raise BadName("dns name has trailing dot")
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(text)
        raise BadName("ip address while name required")
    shown, wire = [], []
    for label in unicodedata.normalize("NFKC", text).lower().split("."):
        bad = re.search(r"[^a-z0-9\-\u0080-\U0010ffff]", label)
        if bad:
            raise BadName(f"idna: to ascii: idna: disallowed rune U+{ord(bad[0]):04X}")
        try:
            plain = label[4:].encode().decode("punycode") if label[:4] == "xn--" else label
        except UnicodeError:
            raise BadName(f'idna: to ascii: idna: invalid label "{label[4:]}"') from None
        if plain.startswith("-") or plain.endswith("-") or plain != label and plain.isascii():
            raise BadName(f'idna: to ascii: idna: invalid label "{plain}"')
        shown.append(plain)
        wire.append(plain if plain.isascii() else "xn--" + plain.encode("punycode").decode())
    ascii_name, unicode_name = ".".join(wire), ".".join(shown)
    return {"ASCII": ascii_name, "Unicode": "" if ascii_name == unicode_name else unicode_name}


def shown(name: dict[str, str]) -> str:
    """The name by which mox keeps a domain."""
    return name["Unicode"] or name["ASCII"]


def _cut_localpart(text: str) -> tuple[str, str]:
    """The localpart without quotes, and what follows it."""
    if text.startswith('"'):
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if not quoted:
            raise BadName('invalid localpart: expected "')
        return re.sub(r"\\(.)", r"\1", quoted[1]), text[quoted.end() :]
    taken = re.match(rf"{_ATOM}+(\.{_ATOM}+)*", text)
    rest = text[taken.end() if taken else 0 :]
    if taken and not rest.startswith("."):
        return taken[0], rest
    rest = rest[1:] if taken else rest
    if not rest:
        raise BadName("invalid localpart: need at least one char for atom")
    raise BadName(f"invalid localpart: expected at least one char for atom, got char {rest[0]}")


def localpart(text: str) -> str:
    part, rest = _cut_localpart(text)
    if rest:
        raise BadName(f'invalid localpart: remaining after localpart: "{rest}"')
    return part


def address(text: str) -> tuple[str, dict[str, str]]:
    """``(localpart, domain)``."""
    try:
        part, rest = _cut_localpart(text)
        if not rest.startswith("@"):
            raise BadName("expected @")
        return part, domain(rest[1:])
    except BadName as error:
        raise BadName(f"invalid email address: {error}") from None


def quoted(part: str) -> str:
    if re.fullmatch(rf"{_ATOM}+(\.{_ATOM}+)*", part):
        return part
    return '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'


def packed(part: str, domain_name: str) -> str:
    return f"{quoted(part)}@{domain_name}"
