# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The interface between Emboux' domains and who carries and signs their outgoing mail.

A provider is told what should be (*ensure*), so each call may be repeated: after a lost answer, by
Odoo's own retry of a transaction, by a cron.  Names are A-labels in lower case.

Errors are those of ``emboux_core.backends.base``, each a plain sentence without a secret:
``Refused`` (no, and it will say so again), ``NotAuthorised`` (the key is not accepted),
``Unreachable`` (nothing was changed, repeat it), ``UnknownOutcome`` (it may have been done, repeat
it to be sure).  Every method that talks to the outside raises one of them and nothing else.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from odoo.addons.emboux_core.dns.expected import ExpectedRecord

PENDING, VERIFIED, FAILED = "pending", "verified", "failed"
IMPLICIT, STARTTLS = "implicit", "starttls"


@dataclass(frozen=True)
class Registration:
    """A domain as its provider has it.

    ``state``: ``pending``, ``verified`` (it may send) or ``failed`` (it will not become verified
    by waiting). ``reason``: one sentence for a person. ``records``: what the domain's DNS must
    have for this provider, without SPF. ``spf``: mechanisms that the domain's SPF record must
    authorise, such as ``include:mailgun.org``; merging them into one record is up to the caller.
    """

    name: str
    state: str
    reason: str
    records: tuple[ExpectedRecord, ...] = ()
    spf: tuple[str, ...] = ()


@dataclass(frozen=True)
class Credential:
    """What Postfix says at the relay for one domain (SASL PLAIN or LOGIN)."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Relay:
    """Where Postfix hands mail over.

    ``host`` without trailing dot; ``tls``: ``implicit`` (TLS from the first byte, Postfix'
    ``smtp_tls_wrappermode``) or ``starttls``, which then is required.
    """

    host: str
    port: int
    tls: str


class Provider(ABC):
    """Who carries and signs mail.  No instance holds state that a second one would need."""

    @abstractmethod
    def check(self) -> str:
        """Prove that the key is good.  Returns a sentence that says what was found."""

    @abstractmethod
    def register(self, name: str, parent: str | None = None) -> Registration:
        """Register the domain at the provider, with its events reported to us.

        One of ours that is there already is no error.  ``parent``: the verified domain with whose
        DKIM identity (d=parent) the mail of ``name`` is signed; None when ``name`` has its own.

        :raises Refused: also when somebody else has it there.
        """

    @abstractmethod
    def verify(self, name: str) -> Registration:
        """Ask the provider to look at the DNS now.

        Not for polling a verified domain: some providers unverify it until they have looked.

        :raises Refused: also when the domain is not registered.
        """

    @abstractmethod
    def status(self, name: str) -> Registration | None:
        """What the provider says of its own accord; None when it has no such domain."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove the domain and all that belongs to it; it is no error if there is none."""

    @abstractmethod
    def relay(self) -> Relay | None:
        """Where mail leaves; None when this server delivers it itself.  No call to the outside."""

    @abstractmethod
    def ensure_credential(self, name: str, password: str = "") -> Credential | None:
        """Make the domain have its SMTP credential with this password.

        None where the account's one serves all.  A password cannot be read back, so a caller that
        wants to repeat the call after a crash makes one with ``new_password``, stores it and gives
        it here; without it there is a new one each time, and an older one stops working.
        """

    def has_credential(self, name: str) -> bool:
        """Whether the domain has its SMTP credential; True where the account's one serves all."""
        return True

    @abstractmethod
    def delete_credential(self, name: str) -> None:
        """Remove the domain's credential; one that is not there is no error."""
