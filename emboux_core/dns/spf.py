# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Read an SPF record as strictly as receivers do, and follow it as they do (RFC 7208).

Neither pyspf nor checkdmarc does this for us: both query DNS themselves, blocking and by the
system's resolver, and evaluate one address or the record alone.  The tests use them as a second
opinion.
"""

import contextlib
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

MAX_LOOKUPS = 10
MAX_VOID_LOOKUPS = 2
MAX_MX_HOSTS = 10
PASS, FAIL, SOFTFAIL, NEUTRAL, PERMERROR = "pass", "fail", "softfail", "neutral", "permerror"
UNDECIDED = ""  # DNS did not say, or only a receiver can

_RESULTS = {"+": PASS, "-": FAIL, "~": SOFTFAIL, "?": NEUTRAL}
_COUNTED = frozenset({"include", "a", "mx", "ptr", "exists"})
_MAX_QUESTIONS = 100  # of DNS, for one record
_MAX_NETWORKS = 50  # that an include of ours may stand for
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(.*)", re.I | re.S)  # RFC 7208 12
_MECHANISM = re.compile(r"([-+~?]?)([a-z][a-z0-9._-]*)(.*)", re.I | re.S)
_CIDR = re.compile(r"(?P<rest>.*?)(?:/(?P<four>[0-9]+))?(?://(?P<six>[0-9]+))?", re.S)
_MACRO = re.compile(r"%(?:[%_-]|\{([a-z])([0-9]*)(r?)([-.+,/_=]*)\})", re.I)
_TOP_LABEL = re.compile(r"[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9]", re.I)
# What was clearly meant as an SPF record, with stray blanks, quotes or bytes.
_LOOKS_SO = re.compile(
    r"(?:[\s\"'\u200b\ufeff]|\\[0-9]{3}|\\x[0-9a-f]{2})*v\s*=\s*spf1(?![a-z0-9.])", re.I
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: (name, type) to presentation values, () for none or no such name; raises LookupFailed.
Look = Callable[[str, str], Awaitable[tuple[str, ...]]]


class LookupFailed(Exception):
    """Raised by a ``Look`` when DNS gave no answer now; ``str()`` says whose."""


class SpfError(Exception):
    """What receivers answer with permerror (RFC 7208 2.6.7); ``str()`` is a sentence."""


@dataclass(frozen=True)
class Mechanism:
    """``qualifier`` is one of ``+-~?``; ``domain`` is a domain-spec, "" for the current domain;
    ``network`` is that of ip4 and ip6, with the host's bits cleared.
    """

    text: str
    qualifier: str
    name: str
    domain: str = ""
    prefix4: int = 32
    prefix6: int = 128
    network: Network | None = None


@dataclass(frozen=True)
class Record:
    """The mechanisms in order, and the domain-spec of ``redirect=``, "" for none."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""


@dataclass(frozen=True)
class SpfFinding:
    """``lookups`` and ``voids`` of a sender that nothing matches, as far as counted; ``error``: why
    receivers say permerror, one sentence, or "". ``complete``: DNS answered for every part.
    ``results``: each wanted mechanism with what receivers say of mail from there.
    """

    lookups: int
    voids: int
    error: str = ""
    complete: bool = True
    results: dict[str, str] = field(default_factory=dict)


def is_spf(text: str) -> bool:
    """Whether a TXT is an SPF record: ``v=spf1`` alone or before a space (RFC 7208 4.5)."""
    return text.lower().split(" ", 1)[0] == "v=spf1"


def looks_like_spf(text: str) -> bool:
    """Whether a TXT, which is none, was meant as an SPF record."""
    return not is_spf(text) and bool(_LOOKS_SO.match(text))


def split(record: str) -> list[str]:
    """Return the terms of a record; nothing but SP separates them (RFC 7208 4.6.1)."""
    return [term for term in record.split(" ") if term][1:]


def identity(term: str) -> tuple[str, str]:
    """Return (qualifier, mechanism) with what does not matter taken out (RFC 7208 4.6.1, 4.6.2)."""
    qualifier, rest = (term[0], term[1:]) if term[:1] in "+-~?" and term else ("+", term)
    rest = rest.lower().removesuffix(".")
    name, colon, argument = rest.partition(":")
    if name in ("ip4", "ip6"):
        with contextlib.suppress(ValueError):
            argument = str(ipaddress.ip_network(argument, strict=False))
    return qualifier, f"{name}{colon}{argument}"


def parse(record: str, domain: str) -> Record:
    """Read the SPF record of ``domain`` by the grammar (RFC 7208 12).

    :raises SpfError: one error anywhere, and receivers use none of it (4.6).
    """
    mechanisms: list[Mechanism] = []
    once: dict[str, str] = {}
    for term in split(record):
        _refuse_strange_characters(term, domain)
        modifier = _MODIFIER.fullmatch(term)
        if not modifier:
            mechanisms.append(_mechanism(term, domain))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name not in ("redirect", "exp"):
            _check_macros(value, term, domain)  # unknown ones are ignored, however often (6)
            continue
        if name in once:
            raise SpfError(
                f"The SPF record of {domain} has {name}= twice, for which receivers use none of it "
                "(RFC 7208 6): keep one."
            )
        _check_domain(value, term, domain)
        once[name] = value
    return Record(tuple(mechanisms), once.get("redirect", ""))


def _wrong(term: str, domain: str, what: str) -> SpfError:
    glued = re.search(r"[-+~?]all$", term, re.I)
    if glued and glued.start():
        what = f'a space is missing in front of "{glued[0]}"'
    return SpfError(f'The SPF record of {domain} has "{term}": {what}.')


def _refuse_strange_characters(term: str, domain: str) -> None:
    for character in term:
        if not "!" <= character <= "~":
            kind = {"\t": "a tab", "\xa0": "a no-break space"}.get(
                character, f"the character U+{ord(character):04X}"
            )
            raise SpfError(
                f"The SPF record of {domain} has {kind}, for which receivers use none of it: write "
                "plain spaces between its terms, and nothing but ASCII (RFC 7208 4.6.1)."
            )


def _mechanism(term: str, domain: str) -> Mechanism:
    found = _MECHANISM.fullmatch(term)
    if not found:
        raise _unknown(term, domain)
    qualifier, name, rest = found[1] or "+", found[2].lower(), found[3]
    if name == "all":
        if rest:
            raise _wrong(term, domain, "nothing may stand behind all (RFC 7208 5.1)")
        return Mechanism(term, qualifier, name)
    if name in ("ip4", "ip6"):
        return Mechanism(term, qualifier, name, network=_network(name, rest, term, domain))
    if name not in _COUNTED or rest[:1] not in ("", ":", "/"):
        raise _unknown(term, domain)
    prefix4, prefix6 = 32, 128
    if name in ("a", "mx"):
        cidr = _CIDR.fullmatch(rest)
        rest = cidr["rest"]
        prefix4 = _prefix(cidr["four"], 32, term, domain)
        prefix6 = _prefix(cidr["six"], 128, term, domain)
    target = ""
    if rest:
        target = rest[1:]
        if rest[0] != ":":
            raise _wrong(term, domain, f"{name} takes no prefix length like that (RFC 7208 5.6)")
        _check_domain(target, term, domain)
    elif name in ("include", "exists"):
        raise _wrong(term, domain, "it is without a domain (RFC 7208 5.2, 5.7)")
    return Mechanism(term, qualifier, name, target, prefix4, prefix6)


def _unknown(term: str, domain: str) -> SpfError:
    return _wrong(
        term, domain, "it is an unknown term, for which receivers use none of the record (RFC 7208 "
        "4.6); correct it or take it out"
    )  # fmt: skip


def _network(name: str, rest: str, term: str, domain: str) -> Network:
    version, longest = (4, 32) if name == "ip4" else (6, 128)
    address, slash, length = rest[1:].partition("/")
    prefix = _prefix(length if slash else None, longest, term, domain)
    try:
        if rest[:1] != ":" or "%" in address:
            raise ValueError
        kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
        return kind((address, prefix), strict=False)
    except ValueError:
        raise _wrong(
            term, domain, f"{name} takes an IPv{version} address, and perhaps a slash and 0 to "
            f"{longest} (RFC 7208 5.6)"
        ) from None  # fmt: skip


def _prefix(text: str | None, longest: int, term: str, domain: str) -> int:
    if text is None:
        return longest
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", text) or int(text) > longest:
        raise _wrong(term, domain, f"its prefix length is not one of 0 to {longest} (RFC 7208 5.6)")
    return int(text)


def _check_domain(spec: str, term: str, domain: str) -> None:
    """:raises SpfError: ``spec`` is no domain-spec (RFC 7208 7.1)."""
    _check_macros(spec, term, domain)
    if not spec:
        raise _wrong(term, domain, "it is without a domain (RFC 7208 7.1)")
    if any(found.end() == len(spec) for found in _MACRO.finditer(spec)):
        return
    head, dot, top = spec.removesuffix(".").rpartition(".")
    if not dot or not _TOP_LABEL.fullmatch(top):
        raise _wrong(
            term, domain, f'"{spec}" is not the whole name of a domain, such as mail.example.com '
            "(RFC 7208 7.1)"
        )  # fmt: skip


def _check_macros(text: str, term: str, domain: str) -> None:
    """:raises SpfError: a "%" that begins no macro which may stand here (RFC 7208 7.1, 7.2)."""
    rest = _MACRO.sub("", text)
    letters = [found for found in _MACRO.finditer(text) if found[1]]
    for found in letters:
        zero = found[2] and not found[2].strip("0")
        if found[1].lower() not in "slodiphv" or zero:
            raise _wrong(term, domain, f'"{found[0]}" is no macro that may stand here')
    if "%" in rest:
        raise _wrong(term, domain, 'its "%" begins no macro (RFC 7208 7.1)')


async def follow(record: str, domain: str, look: Look, wanted: Iterable[str] = ()) -> SpfFinding:
    """Follow ``record``, the SPF record of ``domain``, as receivers do.

    Counted is the worst case, a sender that no mechanism matches, so that every term is evaluated.
    For each mechanism of ``wanted``, such as ``include:spf.example``, it is found out what
    receivers say of mail from there: where the mechanism itself stands, behind whatever includes
    and redirects, or else what matches its addresses.

    :param look: asked for TXT, A, AAAA and MX, for at most a hundred in all, each once.
    """
    look = _remember(look)
    counter = _Walk(look)
    error = ""
    try:
        await counter.check(record, (_name(domain),))
    except SpfError as reason:
        error = str(reason)
    results = {term: await _result(record, domain, look, term) for term in wanted}
    return SpfFinding(counter.lookups, counter.voids, error, not counter.failed, results)


def syntax_error(record: str, domain: str) -> str:
    """Return why receivers would ignore this record, as a sentence, or "".

    Seen is the record alone: its grammar, and more than ten look-ups without those of its includes
    (RFC 7208 4.6.4).
    """
    try:
        counted = 0
        parsed = parse(record, domain)
        for mechanism in parsed.mechanisms:
            if mechanism.name == "all":
                return ""
            counted += mechanism.name in _COUNTED
            if counted > MAX_LOOKUPS:
                raise _too_many(domain)
        if parsed.redirect and counted == MAX_LOOKUPS:
            raise _too_many(domain)
    except SpfError as error:
        return str(error)
    return ""


def _too_many(domain: str) -> SpfError:
    return SpfError(
        f"The SPF record of {domain} needs more than {MAX_LOOKUPS} DNS look-ups, so that "
        "receivers ignore it (RFC 7208 4.6.4): remove includes that are no longer used."
    )


def _remember(look: Look) -> Look:
    """Ask each question once, and a bounded number: strangers write these records."""
    known: dict[tuple[str, str], tuple[str, ...] | LookupFailed] = {}

    async def ask(name: str, rdtype: str) -> tuple[str, ...]:
        key = (name, rdtype)
        if key not in known:
            if len(known) >= _MAX_QUESTIONS:
                raise LookupFailed(f"{name} was not asked any more: too many questions.")
            try:
                known[key] = await look(name, rdtype)
            except LookupFailed as error:
                known[key] = error
        answer = known[key]
        if isinstance(answer, LookupFailed):
            raise answer
        return answer

    return ask


async def _result(record: str, domain: str, look: Look, wanted: str) -> str:
    """Return what receivers say of mail from where the mechanism ``wanted`` means."""
    said, mixed = await _said(_Walk(look, symbol=wanted), record, domain)
    if said == PASS and not mixed:
        return PASS
    networks = await _networks(wanted, domain, look)
    for network in networks:
        of_network, _ = await _said(_Walk(look, network=network), record, domain)
        if of_network == UNDECIDED and said == PASS:
            continue
        if of_network != PASS:
            return of_network
    return PASS if networks else said


async def _said(walk: "_Walk", record: str, domain: str) -> tuple[str, bool]:
    """Return the result, and whether anything that does not pass came before it."""
    try:
        result = await walk.check(record, (_name(domain),))
    except SpfError:
        result = PERMERROR
    if result != PASS and (walk.failed or walk.vague):
        result = UNDECIDED
    return result, walk.mixed


async def _networks(wanted: str, domain: str, look: Look) -> tuple[Network, ...]:
    """Return the addresses that a mechanism of ours means; () when nobody can list them."""
    gatherer = _Gatherer(look)
    try:
        await gatherer.check(f"v=spf1 {wanted}", (_name(domain),))
    except SpfError:
        return ()
    whole = not (gatherer.failed or gatherer.vague or gatherer.mixed)
    return tuple(gatherer.networks) if whole and len(gatherer.networks) <= _MAX_NETWORKS else ()


class _Walk:
    """One evaluation by a receiver (RFC 7208 4), of a sender of whom it is known that the mechanism
    ``symbol`` matches it, or its ``network``; of one that nothing matches without both.
    """

    def __init__(self, look: Look, symbol: str = "", network: Network | None = None):
        self.look = look
        self.symbol = identity(symbol)[1]
        self.network = network
        self.lookups = 0
        self.voids = 0
        self.failed = False  # DNS did not answer for some part
        self.vague = False  # some part depends on what only a receiver knows
        self.mixed = False  # something that does not pass came first

    async def check(self, record: str, path: tuple[str, ...]) -> str:
        """Return the result for one record; ``path`` holds the domains that led here, ours first.

        :raises SpfError: permerror.
        """
        parsed = parse(record, path[-1])
        for mechanism in parsed.mechanisms:
            if await self.matches(mechanism, path):
                return _RESULTS[mechanism.qualifier]
            self.mixed |= mechanism.qualifier != "+"
        if parsed.redirect:  # which counts only where nothing matches, all included (6.1)
            self.count(path)
            return await self.follow(parsed.redirect, path, "redirect=")
        return NEUTRAL

    async def matches(self, mechanism: Mechanism, path: tuple[str, ...]) -> bool:
        if mechanism.name == "all":
            return True
        same = bool(self.symbol) and identity(mechanism.text)[1] == self.symbol
        if mechanism.network:
            return same or self.covers([mechanism.network])
        self.count(path)
        if mechanism.name == "include":
            result = await self.follow(mechanism.domain, path, "include:", enter=not same)
            return same or result == PASS
        if mechanism.name == "ptr":
            self.vague |= self.network is not None  # reverse names are not looked up here
            return same
        target = self.expand(mechanism.domain, path) if mechanism.domain else path[-1]
        if target is None:
            return same
        try:
            return await self.probe(mechanism, target, path) or same
        except LookupFailed:
            self.failed = True
            return same

    def covers(self, networks: list[Network]) -> bool:
        mine = self.network
        return mine is not None and any(
            mine.version == one.version and mine.subnet_of(one) for one in networks
        )

    def count(self, path: tuple[str, ...]) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _too_many(path[0])

    def void(self, path: tuple[str, ...]) -> None:
        self.voids += 1
        if self.voids > MAX_VOID_LOOKUPS:
            raise SpfError(
                f"The SPF record of {path[0]} names more than {MAX_VOID_LOOKUPS} hosts that do "
                "not exist, so that receivers may ignore it (RFC 7208 4.6.4): remove them."
            )

    async def probe(self, mechanism: Mechanism, target: str, path: tuple[str, ...]) -> bool:
        """Whether an a, mx or exists term matches; finds out whether it is a void look-up.

        :raises LookupFailed: DNS did not answer.
        """
        hosts = [target]
        if mechanism.name == "mx":
            values = await self.look(target, "MX")
            if not values:
                self.void(path)
            if len(values) > MAX_MX_HOSTS:
                raise SpfError(
                    f"The SPF record of {path[-1]} has {mechanism.text}, and {target} more than "
                    f"{MAX_MX_HOSTS} MX, for which receivers ignore it (RFC 7208 4.6.4)."
                )
            hosts = [host for host in (_name(value.split()[-1]) for value in values) if host]
            if not self.wants_addresses():
                return False
        found: list[str] = []
        for host in hosts:
            found += await self.addresses(host, mechanism.name)
        if not found and mechanism.name != "mx":
            self.void(path)
        if mechanism.name == "exists":
            return bool(found) and bool(self.symbol or self.network)
        return self.covers([_with_prefix(one, mechanism) for one in found])

    def wants_addresses(self) -> bool:
        return self.network is not None

    async def addresses(self, host: str, name: str) -> list[str]:
        found = list(await self.look(host, "A"))
        if name != "exists" and (self.wants_addresses() or not found):
            found += await self.look(host, "AAAA")
        return found

    async def follow(
        self, spec: str, path: tuple[str, ...], how: str, enter: bool = True
    ) -> str:
        """Return the result of another domain's record; without ``enter`` it only has to be one."""
        target = self.expand(spec, path)
        if target is None:
            return NEUTRAL
        name = _name(target)
        if name in path:
            raise SpfError(f"The SPF record of {path[-1]} leads back to {name}: remove the loop.")
        try:
            values = await self.look(name, "TXT")
        except LookupFailed:
            self.failed = True
            return NEUTRAL
        if not values:
            self.void(path)
        records = [value for value in values if is_spf(value)]
        if len(records) != 1:
            raise SpfError(
                f"The SPF record of {path[-1]} has {how}{name}, which has "
                f"{'no SPF record' if not records else 'more than one SPF record'}: remove it."
            )
        if not enter:
            parse(records[0], name)
            return PASS
        return await self.check(records[0], (*path, name))

    def expand(self, spec: str, path: tuple[str, ...]) -> str | None:
        """Return the name that a domain-spec gives for this sender; None if nobody here knows it:
        counted all the same, but there is no one name to ask (RFC 7208 7).
        """
        values = {"d": path[-1], "o": path[0]}
        network = self.network
        if network is not None and network.num_addresses == 1:
            address = network.network_address
            four = address.version == 4
            dotted = str(address) if four else ".".join(address.exploded.replace(":", ""))
            values |= {"i": dotted, "v": "in-addr" if four else "ip6"}
        name = ""
        end = 0
        for found in _MACRO.finditer(spec):
            name += spec[end : found.start()]
            end = found.end()
            if not found[1]:
                name += {"%%": "%", "%_": " ", "%-": "%20"}[found[0]]
                continue
            value = values.get(found[1].lower())
            if value is None:
                self.vague = True
                return None
            name += _transformed(value, found)
        name += spec[end:]
        while len(name) > 253 and "." in name:
            name = name.partition(".")[2]
        return name


class _Gatherer(_Walk):
    """Gathers the addresses that a record lets pass, instead of looking for one among them."""

    def __init__(self, look: Look):
        super().__init__(look)
        self.networks: dict[Network, None] = {}

    async def matches(self, mechanism: Mechanism, path: tuple[str, ...]) -> bool:
        self.vague |= mechanism.name in ("exists", "ptr")
        return await super().matches(mechanism, path)

    async def check(self, record: str, path: tuple[str, ...]) -> str:
        result = await super().check(record, path)
        if result == PASS:
            self.vague = True  # it passes everybody
        return result

    def covers(self, networks: list[Network]) -> bool:
        self.networks |= dict.fromkeys(networks)
        return False

    def wants_addresses(self) -> bool:
        return True


def _transformed(value: str, macro: re.Match) -> str:
    """Return a macro's value, split, reversed and cut as it says (RFC 7208 7.3)."""
    parts = re.split(f"[{re.escape(macro[4] or '.')}]", value)
    if macro[3]:
        parts.reverse()
    number = macro[2].lstrip("0")
    if number and len(number) < 4:  # there are fewer labels than a thousand
        parts = parts[-int(number) :]
    text = ".".join(parts)
    return quote(text, safe="") if macro[1].isupper() else text


def _with_prefix(address: str, mechanism: Mechanism) -> Network:
    ip = ipaddress.ip_address(address)
    prefix = mechanism.prefix4 if ip.version == 4 else mechanism.prefix6
    return ipaddress.ip_network((ip, prefix), strict=False)


def _name(domain: str) -> str:
    return domain.lower().removesuffix(".")
