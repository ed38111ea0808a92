# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Public suffixes, under which many register names, such as co.uk (publicsuffix.org).

The list comes with the package ``publicsuffixlist``; nothing is fetched.
"""

from publicsuffixlist import PublicSuffixList

from .addresses import AddressError

_LIST = PublicSuffixList()


def refuse_public_suffix(name: str) -> None:
    """``name`` is an A-label.

    :raises AddressError: it is a public suffix, so it cannot be a mail domain of anybody's.
    """
    if _LIST.is_public(name):
        raise AddressError(
            f'"{name}" is a public suffix, under which many people register names: give your own '
            f"domain below it, such as example.{name}."
        )


def is_public_suffix(name: str) -> bool:
    """Whether people register names below this A-label name."""
    return _LIST.is_public(name)


def registered_domain(name: str) -> str:
    """Return the part of an A-label name that somebody has registered; a public suffix itself."""
    return _LIST.privatesuffix(name) or name
