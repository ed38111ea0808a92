# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The interface between Emboux' records and a mail platform, and its value objects.

A backend is told what should be (*ensure*), never what to change, so that a call may be
repeated: after a lost answer, by Odoo's own retry of a transaction, by a cron.  Names are
A-labels, addresses are normalised, sizes are bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar

from ..dns.expected import ExpectedRecord, MailService
from ..dns.judge import Verdict

if TYPE_CHECKING:
    from .mox_server import MoxServer


@dataclass(frozen=True)
class DomainSpec:
    """The desired state of a domain.

    ``record``: the id of its row, for the backend that is this database, where several may claim a
    name.  It is not part of the state.
    """

    name: str
    suspended: bool = False
    parent: str | None = None
    wildcard: bool = False
    record: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class MailboxRules:
    """What becomes of a mailbox' mail besides: forwarding, and a reply while somebody is away.

    ``forward_keep``: whether forwarded mail stays in the mailbox, too.  ``vacation_from`` and
    ``vacation_until``: the first and the last day of the reply, None for now and for ever.  An
    empty ``vacation_subject`` is made of the sender's.  ``vacation_days``: after how many days a
    person is replied to again (RFC 5230).
    """

    forward_to: tuple[str, ...] = ()
    forward_keep: bool = True
    vacation_on: bool = False
    vacation_subject: str = ""
    vacation_text: str = field(default="", repr=False)
    vacation_from: date | None = None
    vacation_until: date | None = None
    vacation_days: int = 7


@dataclass(frozen=True)
class MailboxSpec:
    """The desired state of a mailbox.

    ``password`` and ``password_hash`` (argon2id in PHC format) are None unless the password is to
    change.  A backend that can take the hash needs nothing else; it alone is there when an earlier
    call is repeated.  ``service_password_hash`` is that of a second password, which only the Odoo
    knows that sends through the mailbox; None leaves it as it is.  ``push_url``: where its mail is
    handed to an Odoo, signed with ``push_secret`` (``net/push.py``); empty where it is kept.
    ``rules``: None leaves them as they are, or, of what is there, says that nobody knows.
    """

    email: str
    quota: int = 0  # bytes, 0 means no limit
    suspended: bool = False
    send_as_domain: bool = False
    display_name: str = ""
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    service_password_hash: str | None = field(default=None, repr=False)
    push_url: str = ""
    push_secret: str | None = field(default=None, repr=False)
    rules: MailboxRules | None = None


@dataclass(frozen=True)
class ListRules:
    """Who may use an alias of several mailboxes, where the platform knows a difference.

    ``open``: anyone may write to it, else its members alone. ``shows_members``: each may see who
    the others are. ``send_as``: each may send with its address as the sender.
    """

    open: bool = True
    shows_members: bool = False
    send_as: bool = True


@dataclass(frozen=True)
class AliasSpec:
    """The desired state of an alias; ``address`` is ``@domain`` for a catch-all.

    ``rules``: None where the platform has none, or they do not matter.
    """

    address: str
    destinations: tuple[str, ...]
    rules: ListRules | None = None


@dataclass(frozen=True)
class Usage:
    """What a mailbox holds.  ``messages`` is None where the platform does not count them."""

    email: str
    size: int  # bytes
    messages: int | None


@dataclass(frozen=True)
class UsagePage:
    """The mailboxes whose use changed since a cursor, and the cursor for the next question."""

    cursor: str
    rows: tuple[Usage, ...]


@dataclass(frozen=True)
class Room:
    """How much a domain may still send now, of what the platform counts: recipients or messages.

    ``again``: aware UTC time when there is more, None where nobody knows.  ``per_day``: what it may
    send in a day, 0 for no limit of the day.
    """

    left: int
    again: datetime | None = None
    per_day: int = 0


@dataclass(frozen=True)
class DomainStatus:
    """The status of a domain at a platform that verifies domains itself; its word is final.

    ``state``: ``pending``, ``verified``, ``failed`` or ``suspended``, with ``reason`` as one
    sentence, empty where it gave none. ``owned``: it takes the domain's mail. ``records`` with a
    verdict for each, and ``asked`` (whom it asked of the DNS, as a sentence); both are empty where
    they were not wanted.
    """

    name: str
    state: str
    owned: bool
    service: MailService
    reason: str = ""
    records: tuple[ExpectedRecord, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    asked: str = ""


class Backend(ABC):
    """A mail platform.  Each method raises ``Refused``, ``Unreachable`` or ``UnknownOutcome``.

    Implementations hold no state that a second instance would need, and give every call
    to the outside a deadline.
    """

    #: The caller's database transaction is the change: no call leaves the machine.
    transactional: ClassVar[bool]

    #: Whether it can hand a mailbox' mail to an Odoo.
    pushes: ClassVar[bool] = False

    #: Whether its ``MailService`` says where mail programs connect: then nobody else does.
    names_hosts: ClassVar[bool] = False

    #: What its administrator may look at and do beside domains and mailboxes (``mox_server.py``);
    #: None where that is done elsewhere.
    server: "MoxServer | None" = None

    #: Whether an alias can have ``ListRules``.
    lists: ClassVar[bool] = False

    #: Whether a mailbox can have ``MailboxRules``.
    rules: ClassVar[bool] = False

    #: Whether a mailbox can get another address.
    renames: ClassVar[bool] = False

    #: Whether it takes the hash of a password.  Else one that did not get through at once has to be
    #: set again: it is stored nowhere.
    takes_hashes: ClassVar[bool] = True

    #: How many calls it is sent at a time when many are due.
    at_once: ClassVar[int] = 1

    #: Whether a mailbox may be let send as any address of its domain (``send_as_domain``).
    sends_as_domain: ClassVar[bool] = True

    #: Whether a suspended mailbox still gets its mail: then it is log-ins alone that are refused.
    suspended_receives: ClassVar[bool] = False

    #: Whether the platform itself says which of its domains are verified (``standing``): then
    #: nobody else does.
    verifies_domains: ClassVar[bool] = False

    @abstractmethod
    def check(self) -> str:
        """Prove that the platform can be used.  Returns a sentence that says what was found."""

    @abstractmethod
    def ensure_domain(self, domain: DomainSpec) -> MailService:
        """Create or update the domain.  Returns what its DNS has to say."""

    def domain_status(
        self, name: str, records: bool = False, look: bool = False
    ) -> DomainStatus | None:
        """What the platform says of a domain, None where it has none of this name for us.

        ``records``: with its records and verdicts. ``look``: it shall look at the DNS now, which
        may take 30 seconds; else it may give what it saw a minute ago. For those that ``judge``.
        """
        raise NotImplementedError

    @abstractmethod
    def delete_domain(self, name: str) -> None:
        """Remove the domain; it is no error if there is none."""

    @abstractmethod
    def ensure_mailbox(self, mailbox: MailboxSpec) -> None:
        """Create or update the mailbox; its domain has to exist."""

    def rename_mailbox(self, email: str, address: str, keep: bool) -> None:
        """Give the mailbox another address of its domain; it is no error if it has it already.

        Whatever led to it leads there. ``keep``: the former address becomes an alias. For those
        that ``renames``; where each call is a transaction of the caller there is nothing to do.
        """
        raise NotImplementedError

    @abstractmethod
    def delete_mailbox(self, email: str) -> None:
        """Remove the mailbox; it is no error if there is none."""

    @abstractmethod
    def ensure_alias(self, alias: AliasSpec) -> tuple[str, ...]:
        """Create or update the alias or catch-all; its domain has to exist.

        Returns the destinations that it left out: another one leads to the same mailbox, and the
        platform would deliver twice.
        """

    @abstractmethod
    def delete_alias(self, address: str) -> None:
        """Remove the alias; it is no error if there is none."""

    @abstractmethod
    def domains(self) -> Iterable[DomainSpec]:
        """The domains that exist, for the comparison with the records."""

    @abstractmethod
    def mailboxes(self, domain: str) -> Iterable[MailboxSpec]:
        """The domain's mailboxes, without passwords."""

    @abstractmethod
    def aliases(self, domain: str) -> Iterable[AliasSpec]:
        """The domain's aliases and catch-all."""

    def room_to_send(self, domain: str, login: str) -> Room | None:
        """How much this mailbox may still send for the domain, None for no limit."""
        return None

    @abstractmethod
    def usage(self, since: str = "") -> UsagePage:
        """What changed since the cursor of an earlier page, or everything."""
