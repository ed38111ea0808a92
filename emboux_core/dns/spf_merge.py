# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Insert mechanisms into somebody's SPF record and remove them again, leaving all else as it is.

RFC 7208. Pure, no network.
"""

import re
from collections.abc import Iterable

from .spf import identity, syntax_error


def terms(text: str) -> tuple[str, ...]:
    """Return the mechanisms of an SPF record or of a part of one, without ``all`` and modifiers."""
    found = (term for term in text.split() if term.lower() != "v=spf1" and "=" not in term)
    return tuple(term for term in found if identity(term)[1] != "all")


def same(one: str, other: str) -> bool:
    """Whether two terms mean the same."""
    return identity(one) == identity(other)


def holds(record: str, term: str) -> bool:
    """Whether a record has this mechanism, in front of its ``all``."""
    for other in record.split()[1:]:
        if identity(other)[1] == "all":
            return False
        if same(other, term):
            return True
    return False


def merge(record: str, wanted: Iterable[str], unwanted: Iterable[str] = ()) -> str:
    """Return ``record`` with the mechanisms ``wanted`` and without those ``unwanted``.

    What is missing goes in front of ``all`` or ``redirect=``, at the end without them; order,
    spelling and qualifiers of all else stay.
    """
    drop = {identity(term) for term in unwanted}
    version, *pieces = re.findall(r"\s*\S+", record)
    kept = [version] + [piece for piece in pieces if identity(piece.strip()) not in drop]
    names = [identity(piece.strip())[1] for piece in kept]
    place = next(
        (i for i, name in enumerate(names) if name == "all" or name.startswith("redirect=")),
        len(kept),
    )
    present = "".join(kept)
    missing = [f" {term}" for term in dict.fromkeys(wanted) if not holds(present, term)]
    return "".join((*kept[:place], *missing, *kept[place:]))


def fault(record: str, name: str) -> str:
    """Return why receivers would ignore this record of ``name``, as a sentence, or "".

    Seen is the record alone, see ``spf.syntax_error``.
    """
    return syntax_error(record, name)
