# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Following aliases from address to address, level by level.

Plain Python: where the mail of an address goes next is for the caller to say.
"""

from collections.abc import Callable, Iterable, Iterator

MAX_DEPTH = 10  # levels; Postfix' own limit is higher


class TooDeep(Exception):
    """Mail would pass through more than ``MAX_DEPTH`` levels."""


def follow(
    addresses: Iterable[str], step: Callable[[set[str]], Iterable[str]]
) -> Iterator[set[str]]:
    """Yield the addresses that mail reaches, each once: these ones, then where their mail goes, ...

    ``step`` takes addresses without tags, and returns where their mail goes next: nowhere where it
    ends.  It is called when the next level is asked for.

    :raises TooDeep: after the last level.
    """
    seen: set[str] = set()
    level = {without_tag(address) for address in addresses}
    for _depth in range(MAX_DEPTH):
        yield level
        seen |= level
        level = {without_tag(address) for address in step(level)} - seen
        if not level:
            return
    yield level
    raise TooDeep


def without_tag(address: str) -> str:
    """Return the address of the mailbox that one with a tag after + reaches."""
    local, _at, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
