"""Count the DNS look-ups that a receiver needs for an SPF record (RFC 7208 4.6.4).

Counted is the worst case: a sender that no mechanism matches, so that every term is evaluated.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .judge import is_spf

MAX_LOOKUPS = 10
MAX_VOID_LOOKUPS = 2
_COUNTED = {"include", "a", "mx", "ptr", "exists"}
_FREE = {"all", "ip4", "ip6"}
_MECHANISM = re.compile(r"[-+~?]?(?P<name>[a-z0-9]+)(?::(?P<domain>[^\s/]*))?(?:/\S*)?", re.I)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9._-]*)=(?P<value>\S*)", re.I)

Txt = Callable[[str], Awaitable[tuple[str, ...]]]
Exists = Callable[[str, str], Awaitable[bool]]


class LookupFailed(Exception):
    """Raised by the ``txt`` function when DNS gave no answer now; ``str()`` says whose."""


@dataclass(frozen=True)
class SpfCount:
    """``lookups`` and ``voids`` as far as counted; ``error`` is one sentence, or "" if the record
    is within the limits; ``complete`` is False when DNS did not answer for some part.
    """

    lookups: int
    voids: int
    error: str = ""
    complete: bool = True


async def count_lookups(
    record: str, domain: str, txt: Txt, exists: Exists | None = None
) -> SpfCount:
    """Count the look-ups of ``record``, the SPF record of ``domain``.

    :param txt: returns the TXT values of a name, ``()`` when it has none or does not exist; raises
        LookupFailed when that could not be found out. Never called for more than 10 names.
    :param exists: whether a name has addresses (``"a"``) or exchangers (``"mx"``), for the limit
        on void look-ups; without it these count as found. Raises LookupFailed likewise.
    """
    counter = _Counter(txt, exists)
    try:
        await counter.walk(record, (_name(domain),))
    except _PermError as error:
        return SpfCount(counter.lookups, counter.voids, str(error), not counter.failed)
    return SpfCount(counter.lookups, counter.voids, "", not counter.failed)


class _PermError(Exception):
    """What a receiver would answer with PermError (RFC 7208 2.6.7)."""


class _Counter:
    def __init__(self, txt: Txt, exists: Exists | None):
        self.txt = txt
        self.exists = exists
        self.lookups = 0
        self.voids = 0
        self.failed = False

    async def walk(self, record: str, path: tuple[str, ...]) -> None:
        """Visit the terms of one record; ``path`` holds the domains that led here, ours first."""
        redirect = None
        for term in record.split()[1:]:
            modifier = _MODIFIER.fullmatch(term)
            if modifier:
                if modifier["name"].lower() == "redirect":
                    redirect = modifier["value"]
                continue
            found = _MECHANISM.fullmatch(term)
            name = found["name"].lower() if found else ""
            if not found or name not in _COUNTED | _FREE:
                raise _PermError(f'The SPF record of {path[-1]} has an unknown term "{term}".')
            if name == "all":
                return  # nothing after it is evaluated, redirect included (RFC 7208 5.1, 6.1)
            if name in _FREE:
                continue
            self.count(path)
            if name in ("include", "exists") and not found["domain"]:
                raise _PermError(f'The SPF record of {path[-1]} has "{term}" without a domain.')
            if name == "include":
                await self.follow(found["domain"], path, "include:")
            elif name != "ptr":
                await self.probe(found["domain"] or path[-1], "mx" if name == "mx" else "a", path)
        if redirect is not None:
            self.count(path)
            await self.follow(redirect, path, "redirect=")

    def count(self, path: tuple[str, ...]) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _PermError(
                f"The SPF record of {path[0]} needs more than {MAX_LOOKUPS} DNS look-ups, so that "
                "receivers ignore it (RFC 7208 4.6.4): remove includes that are no longer used."
            )

    async def probe(self, target: str, kind: str, path: tuple[str, ...]) -> None:
        """Find out whether an a, mx or exists term would be a void look-up."""
        if self.exists is None or "%" in target:
            return
        try:
            found = await self.exists(_name(target), kind)
        except LookupFailed:
            self.failed = True
            return
        if not found:
            self.void(path)

    def void(self, path: tuple[str, ...]) -> None:
        self.voids += 1
        if self.voids > MAX_VOID_LOOKUPS:
            raise _PermError(
                f"The SPF record of {path[0]} names more than {MAX_VOID_LOOKUPS} hosts that do "
                "not exist, so that receivers may ignore it (RFC 7208 4.6.4): remove them."
            )

    async def follow(self, target: str, path: tuple[str, ...], how: str) -> None:
        if "%" in target:
            return  # a macro depends on the sender: counted, but there is no one name to ask
        name = _name(target)
        if name in path:
            raise _PermError(f"The SPF record of {path[-1]} leads back to {name}: remove the loop.")
        try:
            values = await self.txt(name)
        except LookupFailed:
            self.failed = True
            return
        if not values:
            self.void(path)
        records = [value for value in values if is_spf(value)]
        if len(records) != 1:
            raise _PermError(
                f"The SPF record of {path[-1]} has {how}{name}, which has "
                f"{'no SPF record' if not records else 'more than one SPF record'}: remove it."
            )
        await self.walk(records[0], (*path, name))


def _name(domain: str) -> str:
    return domain.lower().removesuffix(".")
