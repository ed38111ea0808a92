# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""This server itself as provider: it signs with keys of its own and delivers.

Nothing here talks to the outside: keys are made, named and rotated by functions, and whether a
domain is verified is for its DNS to say, which the caller asks.  Sources: RFC 6376 (DKIM), RFC 8301
(RSA of 2048 bits), RFC 8463 (Ed25519), M3AAWG's advice on rotation.
"""

import base64
import datetime
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from odoo.addons.emboux_core.dns.expected import DkimKey, ExpectedRecord, MailService
from odoo.addons.emboux_core.dns.expected import expected_records as records_of

from .base import Provider, Registration, Relay

RSA, ED25519 = "rsa", "ed25519"
ROTATE_AFTER = datetime.timedelta(days=180)
#: How long a key that no longer signs stays in DNS: mail may be queued for five days and is
#: checked again when it is forwarded.
OVERLAP = datetime.timedelta(days=14)
_RSA_BITS = 2048


@dataclass(frozen=True)
class SigningKey:
    """A key with its private half (PKCS #8 in PEM), to be stored where only the signer reads."""

    public: DkimKey
    private_pem: str = field(repr=False)


@dataclass(frozen=True)
class KeyLife:
    """A stored key in time; ``retired``: the day on which it ceased to sign, None while it may."""

    selector: str
    key_type: str
    made: datetime.date
    retired: datetime.date | None = None


@dataclass(frozen=True)
class Plan:
    """What a rotation wants done, each part safe to repeat.

    ``make``: key types of which a new key is due. ``sign``: selectors to sign with, one for each
    type. ``retire``: selectors that sign no more from today. ``publish``: selectors that have to
    be in DNS. ``remove``: selectors whose keys may be forgotten and taken out of DNS.
    """

    make: tuple[str, ...]
    sign: tuple[str, ...]
    retire: tuple[str, ...]
    publish: tuple[str, ...]
    remove: tuple[str, ...]


def selector_for(key_type: str, day: datetime.date, taken: Collection[str] = ()) -> str:
    """A selector such as ``rsa-20260301``, or ``rsa-20260301-2`` when that one is taken.

    The day makes each key's name its own, so that an old and a new one are in DNS side by side.
    """
    base = f"{key_type}-{day:%Y%m%d}"
    selector, number = base, 1
    while selector in taken:
        number += 1
        selector = f"{base}-{number}"
    return selector


def generate(key_type: str, selector: str) -> SigningKey:
    """A new key.  ``key_type``: ``rsa`` (2048 bits) or ``ed25519``.

    :raises ValueError: another type.
    """
    if key_type == RSA:
        private = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    elif key_type == ED25519:
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        raise ValueError(f"There is no DKIM key type {key_type}: choose rsa or ed25519.")
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    # not by public_part: to read a key back from PEM is to check its primes, half the work again
    return SigningKey(_public_part(selector, private.public_key()), pem)


def public_part(selector: str, private_pem: str) -> DkimKey:
    """What DNS has to say of a private key.

    :raises ValueError: it is no private key in PEM, of another type, or RSA under 1024 bits
        (RFC 8301); the message holds nothing of it.
    """
    try:
        private = serialization.load_pem_private_key(private_pem.encode(), password=None)
    except (ValueError, TypeError):  # cryptography's own words could quote the key
        raise ValueError("This is not an unencrypted private key in PEM.") from None
    except Exception:  # UnsupportedAlgorithm, and what OpenSSL may think of
        raise ValueError("This private key is of a kind that cannot be read.") from None
    return _public_part(selector, private.public_key())


def _public_part(selector: str, public) -> DkimKey:
    if isinstance(public, ed25519.Ed25519PublicKey):
        octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return DkimKey(selector, ED25519, base64.b64encode(octets).decode())
    if not isinstance(public, rsa.RSAPublicKey):
        raise ValueError("DKIM knows keys of RSA and Ed25519 alone.")
    if public.key_size < 1024:
        raise ValueError("An RSA key for DKIM needs 1024 bits at least, better 2048.")
    octets = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return DkimKey(selector, RSA, base64.b64encode(octets).decode())


def plan(
    keys: Iterable[KeyLife],
    today: datetime.date,
    found: Collection[str],
    *,
    types: tuple[str, ...] = (RSA, ED25519),
    rotate_after: datetime.timedelta = ROTATE_AFTER,
    overlap: datetime.timedelta = OVERLAP,
) -> Plan:
    """What to do today.  ``found``: selectors whose right record was seen in DNS.

    ``keys`` of the same day come in the order in which they were made.

    A new key signs once it was seen in DNS; until then the old one goes on, and no further one is
    made. What ceased to sign stays published for ``overlap``. With no key in DNS at all the oldest
    usable one of the first type signs, because it is the one that others may have seen. Keys of
    the other types come beside it: one of them that is not in DNS would add a signature which
    nobody can verify, so it does not sign.
    """
    lives = sorted(keys, key=lambda life: life.made)
    make, sign, retire, publish, remove = [], [], [], [], []
    for key_type in types:
        usable = [life for life in lives if life.key_type == key_type and life.retired is None]
        if not usable:
            make.append(key_type)
            continue
        seen = [life for life in usable if life.selector in found]
        if seen:
            signing = seen[-1]
        elif key_type == types[0]:
            signing = usable[0]
        else:
            continue
        sign.append(signing.selector)
        retire += [life.selector for life in usable[: usable.index(signing)]]
        # while a newer one is not seen yet, another would only be one more to publish
        if signing is usable[-1] and today - signing.made >= rotate_after:
            make.append(key_type)
    for life in lives:
        # a type that is no longer wanted ceases to sign as well
        if life.retired is None and life.key_type not in types:
            retire.append(life.selector)
        gone = life.retired is not None and today - life.retired >= overlap
        (remove if gone else publish).append(life.selector)
    return Plan(tuple(make), tuple(sign), tuple(retire), tuple(publish), tuple(remove))


@dataclass(frozen=True)
class Finding:
    """What the domain's DNS was found to say: a state of ``Registration`` and a sentence."""

    state: str
    reason: str


class OwnServer(Provider):
    """Signs and delivers here; only the domain's DNS is consulted.

    ``keys`` gives the public keys that a domain has to publish, none for a domain that has none.
    ``look`` compares the records with the DNS now; ``last`` is what was found the last time.
    ``spf``: mechanisms for this server, such as ``a:mail.example``. Errors are those of the
    callables; there are none of its own.
    """

    def __init__(
        self,
        keys: Callable[[str], tuple[DkimKey, ...]],
        look: Callable[[str, tuple[ExpectedRecord, ...]], Finding],
        last: Callable[[str], Finding],
        spf: tuple[str, ...] = (),
    ):
        self._keys, self._look, self._last, self._spf = keys, look, last, spf

    def check(self) -> str:
        return "This server signs and delivers itself; no key is needed."

    def register(self, name: str, parent: str | None = None) -> Registration:
        """There is nowhere to register: the caller has made the keys, or the parent's serve."""
        return self._registration(name, self._last(name), () if parent else self._keys(name))

    def verify(self, name: str) -> Registration:
        keys = self._keys(name)
        return self._registration(name, self._look(name, _records(name, keys)), keys)

    def status(self, name: str) -> Registration | None:
        keys = self._keys(name)
        return self._registration(name, self._last(name), keys) if keys else None

    def delete(self, name: str) -> None:
        """The keys go with the caller's rows."""

    def relay(self) -> Relay | None:
        return None

    def ensure_credential(self, name: str, password: str = "") -> None:
        return None

    def delete_credential(self, name: str) -> None:
        """There is none."""

    def _registration(self, name: str, finding: Finding, keys: tuple[DkimKey, ...]) -> Registration:
        return Registration(name, finding.state, finding.reason, _records(name, keys), self._spf)


def _records(name: str, keys: tuple[DkimKey, ...]) -> tuple[ExpectedRecord, ...]:
    found = records_of(name, MailService(dkim=keys))
    return tuple(record for record in found if record.key.startswith("dkim:"))
