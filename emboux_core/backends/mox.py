# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A mox server, over its admin API.

A mailbox is an account of mox: the account that has its address.  An account may have further
addresses; those are aliases here.  Nothing is changed before it was looked at: mox has no codes for
"exists" and "not found", and a change that it refuses can leave something behind.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any, ClassVar

from ..dns.expected import MailService
from ..net.errors import BackendError, Refused, UnknownOutcome, Unreachable
from ..net.guard import Timeouts
from .base import AliasSpec, Backend, DomainSpec, ListRules, MailboxSpec, Room, Usage, UsagePage
from .mox_api import MoxApi, MoxNo
from .mox_directory import (
    MoxDirectory,
    Names,
    account_name,
    as_dict,
    as_list,
    as_rows,
    as_text,
    destinations,
    members,
    reports_of,
    rules_of,
)
from .mox_dns import Section, advised, sections_of, service_of
from .mox_server import MoxServer

_logger = logging.getLogger(__name__)

_LOGIN_DISABLED = "This mailbox is suspended."
_USAGE_ACCOUNTS = 300  # asked at a time: each is a call, of which there are 1,000 in a minute
_REPORTS = {"DMARC": "DomainDMARCAddressSave", "TLSRPT": "DomainTLSRPTAddressSave"}
_A_DAY = 1000  # messages that an account may send unless it is set (``SendLimitReached`` in mox)
_NO_LIMIT = -1  # bytes, as mox has it: its 0 is the server's default
_OLDER = "This mox is too old for that: update it."


class MoxBackend(Backend):
    """The mox whose admin pages are at ``url``, as its administrator.

    ``account``: who gets the reports on new domains; empty for mox's own postmaster.
    ``allow_private``, ``ca_file``: see ``EmbouxBackend``.  A wrong URL or password is refused by
    the first call, not here.
    """

    transactional: ClassVar[bool] = False
    at_once: ClassVar[int] = 3
    lists: ClassVar[bool] = True
    names_hosts: ClassVar[bool] = True
    takes_hashes: ClassVar[bool] = False
    sends_as_domain: ClassVar[bool] = False
    suspended_receives: ClassVar[bool] = True

    def __init__(
        self,
        url: str,
        password: str,
        account: str = "",
        *,
        allow_private: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self.api = MoxApi(
            url, password, allow_private=allow_private, timeouts=timeouts, ca_file=ca_file,
            clock=clock,
        )
        self._there = MoxDirectory(self.api)
        self.server = MoxServer(self._there)
        self._account = (account or "").strip()

    def check(self) -> str:
        accounts, _disabled = self._there.accounts()
        domains = len(as_list(self.api.ask("Domains")))
        home = self._home()
        if home not in accounts:
            raise Refused(f"There is no account {home} on this mox to get the reports on domains.")
        version = "mox of before July 2024"
        if self.api.knows("Version"):
            version = f"mox {as_list(self.api.ask('Version'))[0]}"
        counts = f"{domains} domain{'s' * (domains != 1)} and {len(accounts)} account" + (
            "s" * (len(accounts) != 1))
        quota = self._there.default_quota()
        limit = f" A mailbox without a quota of its own holds {quota // 2**20} MB." * bool(quota)
        return f"{version} answers. It has {counts}; reports on domains go to {home}.{limit}"

    # -- domains -------------------------------------------------------------------------

    def ensure_domain(self, domain: DomainSpec) -> MailService:
        if domain.wildcard or domain.parent:
            raise Refused(
                "mox signs each domain with a key of its own, so it has no wildcard parents: add "
                f"{domain.name} as a domain like any other."
            )
        config = self._there.domain(domain.name)
        if config is None:
            self._add_domain(domain.name)
        if bool(config and config.get("Disabled")) != domain.suspended:
            self._needs("DomainDisabledSave")
            self._save("DomainDisabledSave", domain.name, domain.suspended)
        return self._service(domain.name)

    def _add_domain(self, name: str) -> None:
        first = (False,) if len(self.api.parameters("DomainAdd")) == 4 else ()
        try:
            self._change("DomainAdd", *first, name, self._home(), "")
        except MoxNo as error:
            if error.says("config error"):
                self._heal()
            raise
        # mox would send mail programs to mail.<name>; here all of a server's domains have one host
        self._save("DomainClientSettingsDomainSave", name, "")

    def _service(self, name: str) -> MailService:
        try:
            lines = self.api.ask("DomainRecords", name)
        except MoxNo as error:
            # the DNS of a new domain may not answer at all yet
            if error.code != "server:error":
                raise
            lines = advised(name, as_dict(self.api.ask("CheckDomain", name)))
        clients = as_dict(self.api.ask("ClientConfigsDomain", name)).get("Entries")
        return service_of(name, map(as_text, as_list(lines)), as_rows(clients))

    def checked(self, name: str) -> tuple[Section, ...]:
        """mox's own check of the domain, which may take 30 seconds."""
        return sections_of(as_dict(self.api.ask("CheckDomain", name)))

    def delete_domain(self, name: str) -> None:
        config = self._there.domain(name)
        if config is None:
            return
        names, home = self._there.names(name), self._home()
        people = sorted(local for local, account in names.accounts.items()
                        if local and account != home and local != "postmaster")
        if people:
            shown = ", ".join(f"{local}@{name}" for local in people[:3])
            raise Refused(f"{name} still has mailboxes: {shown}. Delete those first.")
        for local in names.lists:
            self._change("AliasRemove", local, name)
        self._leave_lists({f"{local}@{name}" for local in names.accounts if local})
        for section, function in _REPORTS.items():
            if config.get(section):
                self._save(function, name, "", "", "", "")
        reports = reports_of(name, config)
        for local in names.accounts:
            if f"{local}@{name}" not in reports:
                self._change("AddressRemove", f"{local}@{name}")
        self._change("DomainRemove", name)

    def domains(self) -> Iterable[DomainSpec]:
        for row in as_rows(self.api.ask("Domains")):
            # an older one gives the names alone
            name = as_text(as_dict(row.get("Domain") or row).get("ASCII"))
            yield DomainSpec(name, suspended=bool(row.get("Disabled")))

    # -- mailboxes -----------------------------------------------------------------------

    def ensure_mailbox(self, mailbox: MailboxSpec) -> None:
        local, _at, domain = mailbox.email.rpartition("@")
        names = self._there.names(domain)
        if local in names.lists:
            raise Refused(f"{mailbox.email} is an alias on this mox. Delete that first.")
        account = names.accounts.get(local)
        if mailbox.send_as_domain:
            raise Refused(
                "mox lets a mailbox send from its own addresses alone; as the catch-all of "
                f"{domain} it may also send from any that nobody has."
            )
        if mailbox.push_url:
            raise Refused(
                "mox hands mail to an Odoo by its webhooks: set them up on the mailbox instead."
            )
        now = {}
        if account is None:
            account = account_name(mailbox.email)
            self._add_account(account, mailbox.email)
        else:
            now = self._there.account(account)
            self._assert_own(mailbox.email, account, now)
        if mailbox.password:
            self._change("SetPassword", account, mailbox.password, secret=mailbox.password)
        self._settle(account, mailbox, now)
        if mailbox.password_hash and not mailbox.password:
            raise Refused(
                f"{mailbox.email} is there, but its password is not set: Odoo stores no "
                "passwords of mox and could not pass this one on. Set the password again."
            )

    def _add_account(self, account: str, email: str) -> None:
        try:
            self._change("AccountAdd", account, email)
        except MoxNo as error:
            if error.says("account already present"):
                raise Refused(
                    f"There is an account {account} on this mox already, without the address "
                    f"{email}. Rename or delete that one first."
                ) from None
            raise

    def _assert_own(self, email: str, account: str, config: dict[str, Any]) -> None:
        """mox gives each domain addresses of an account that is somebody else's: what is done to
        the mailbox would be done to that one."""
        if email not in destinations(config):
            raise Refused(
                f"{email} gets reports on a domain on this mox. Choose another address, or "
                "another one for the reports first."
            )
        if email.startswith("postmaster@") and account == self._home():
            raise Refused(f"{email} is an address of the account {account} on this mox, which gets "
                          "the reports on domains.")

    def _settle(self, account: str, mailbox: MailboxSpec, now: dict[str, Any]) -> None:
        """Quota, and whether one may log in; ``now``: the account's settings, none if it is new."""
        if mailbox.quota != self._there.quota_of(now):
            # all of them together: what nobody asked for stays as it is
            settings = [
                now.get("MaxOutgoingMessagesPerDay", 0), now.get("MaxFirstTimeRecipientsPerDay", 0),
                mailbox.quota or _NO_LIMIT, not now.get("NoFirstTimeSenderDelay", False),
            ]
            if len(self.api.parameters("AccountSettingsSave")) == 6:
                settings.append(now.get("NoCustomPassword", True))
            self._change("AccountSettingsSave", account, *settings)
        if bool(now.get("LoginDisabled")) != mailbox.suspended:
            self._needs("AccountLoginDisabledSave")
            self._change(
                "AccountLoginDisabledSave", account, _LOGIN_DISABLED if mailbox.suspended else ""
            )

    def delete_mailbox(self, email: str) -> None:
        local, _at, domain = email.rpartition("@")
        if self._there.domain(domain) is None:
            return
        account = self._there.names(domain).accounts.get(local)
        if account is None:
            return
        config = self._there.account(account)
        others = set(destinations(config)) - {email} - self._there.reports()
        # a refused removal has already failed its queued mail: what stands in the way goes first
        self._leave_lists({email})
        if account == self._home() or any(not a.startswith(("@", "postmaster@")) for a in others):
            # the account is more than this mailbox
            self._change("AddressRemove", email)
            return
        # mox keeps an account that gets reports: from now on the one for all domains gets them, at
        # the address that the domains' records name
        for name, row in self._there.config()["Domains"].items():
            for section, function in _REPORTS.items():
                report = as_dict(row.get(section))
                if report.get("Account") == account:
                    self._save(function, name, report.get("Localpart") or "",
                               report.get("Domain") or "", self._home(),
                               report.get("Mailbox") or "")
        self._change("AccountRemove", account)

    def mailboxes(self, domain: str) -> Iterable[MailboxSpec]:
        for person in self._there.people():
            if person.email.rpartition("@")[2] == domain:
                yield MailboxSpec(
                    person.email, quota=self._there.quota_of(person.config),
                    suspended=bool(person.config.get("LoginDisabled")),
                )

    # -- aliases -------------------------------------------------------------------------

    def ensure_alias(self, alias: AliasSpec) -> tuple[str, ...]:
        local, _at, domain = alias.address.rpartition("@")
        names = self._there.names(domain)
        if not local:
            self._ensure_catch_all(alias, names)
            return ()
        alias, left_out = self._one_of_each(alias)
        if self.api.knows("AliasAdd"):
            self._ensure_list(alias, names)
        else:
            self._ensure_address(alias, names)
        return left_out

    def _one_of_each(self, alias: AliasSpec) -> tuple[AliasSpec, tuple[str, ...]]:
        """The alias with the first address of each account alone, and the other ones: to an account
        with two addresses in a list mox delivers twice."""
        if len(alias.destinations) < 2:
            return alias, ()
        accounts = self._there.accounts_of(alias.destinations)
        first: dict[str, str] = {}
        for address in alias.destinations:
            first.setdefault(accounts.get(address, address), address)
        left_out = tuple(a for a in alias.destinations if a not in first.values())
        return replace(alias, destinations=tuple(first.values())), left_out

    def _ensure_list(self, alias: AliasSpec, names: Names) -> None:
        local, _at, domain = alias.address.rpartition("@")
        if local in names.lists:
            self._change_list(alias, names.lists[local])
            return
        rules = alias.rules or ListRules()
        if local in names.accounts:
            leads_to = self._leads_to(alias.address, names.accounts[local])
            if not leads_to:
                raise Refused(f"{alias.address} is the address of a mailbox on this mox.")
            if leads_to == alias.destinations and rules.open and rules.send_as:
                return  # a further address is that already
            self._release_address(alias)
        self._list_change(alias, "AliasAdd", local, domain, {
            "Addresses": list(alias.destinations), "PostPublic": rules.open,
            "ListMembers": rules.shows_members, "AllowMsgFrom": rules.send_as,
        })

    def _release_address(self, alias: AliasSpec) -> None:
        """Take an address from its account, so that there may be a list of that name.

        :raises Refused: there could not be; nothing was changed.
        """
        there = self._there.accounts_of(alias.destinations)
        for address in alias.destinations:
            if address not in there or address == alias.address:
                raise self._not_here(address)
        if lists := self._there.lists_with({alias.address}):
            raise Refused(
                f"{alias.address} is a member of {lists[0].address} on this mox, where a member "
                "cannot be an alias of its own. Take it out of that one first."
            )
        self._change("AddressRemove", alias.address)

    def _ensure_catch_all(self, alias: AliasSpec, names: Names) -> None:
        if len(alias.destinations) != 1:
            raise Refused("On mox one mailbox gets what is for addresses that do not exist.")
        account = self._there.account_of(alias.destinations[0])
        if account is None:
            raise self._not_here(alias.destinations[0])
        if names.accounts.get("") not in (None, account):
            self._change("AddressRemove", alias.address)
        if names.accounts.get("") != account:
            self._change("AddressAdd", alias.address, account)

    def _ensure_address(self, alias: AliasSpec, names: Names) -> None:
        """A mox without lists: a further address of the account."""
        local = alias.address.rpartition("@")[0]
        if len(alias.destinations) != 1:
            raise Refused(f"{alias.address} has several members. {_OLDER}")
        account = self._there.account_of(alias.destinations[0])
        if account is None:
            raise self._not_here(alias.destinations[0])
        there = names.accounts.get(local)
        if there not in (None, account):
            if self._leads_to(alias.address, there) == ():
                raise Refused(f"{alias.address} is the address of a mailbox on this mox.")
            self._change("AddressRemove", alias.address)
        if there != account:
            self._change("AddressAdd", alias.address, account)

    def _change_list(self, alias: AliasSpec, there: dict[str, Any]) -> None:
        local, _at, domain = alias.address.rpartition("@")
        now = members(there)
        if new := [address for address in alias.destinations if address not in now]:
            self._list_change(alias, "AliasAddressesAdd", local, domain, new)
        if gone := [address for address in now if address not in alias.destinations]:
            self._list_change(alias, "AliasAddressesRemove", local, domain, gone)
        if alias.rules and alias.rules != rules_of(there):
            self._change("AliasUpdate", local, domain, alias.rules.open,
                         alias.rules.shows_members, alias.rules.send_as)

    def _list_change(self, alias: AliasSpec, function: str, *params: Any) -> None:
        try:
            self._change(function, *params)
        except MoxNo as error:
            if error.says("config error"):
                self._heal()
            if error.says("non-existent address", "unknown domain"):
                for address in alias.destinations:
                    if self._there.account_of(address) is None:
                        raise self._not_here(address) from None
            raise

    def _not_here(self, address: str) -> Refused:
        return Refused(
            f"mox delivers aliases to its own mailboxes alone, and {address} is none of them. "
            "For somebody outside, let the mailbox forward."
        )

    def _leads_to(self, address: str, account: str) -> tuple[str, ...]:
        """The mailbox of which this is a further address, () where it is the mailbox' own."""
        for person in self._there.people():
            if person.account == account and address in person.others:
                return (person.email,)
        return ()

    def delete_alias(self, address: str) -> None:
        local, _at, domain = address.rpartition("@")
        if self._there.domain(domain) is None:
            return
        names = self._there.names(domain)
        if local in names.lists:
            self._change("AliasRemove", local, domain)
        elif local in names.accounts and (
            not local or self._leads_to(address, names.accounts[local])
        ):
            self._leave_lists({address})
            self._change("AddressRemove", address)

    def aliases(self, domain: str) -> Iterable[AliasSpec]:
        here = f"@{domain}"
        yield from self._there.lists(domain)
        for person in self._there.people():
            caught = [here] if here in destinations(person.config) else []
            for address in [*(a for a in person.others if a.endswith(here)), *caught]:
                yield AliasSpec(address, (person.email,))

    def _leave_lists(self, addresses: set[str]) -> None:
        """Take addresses that go out of all lists, which else hold them back.

        :raises Refused: of one of these they are the only members.
        """
        there = self._there.lists_with(addresses)
        for one in there:
            if not set(one.destinations) - addresses:
                raise Refused(
                    f"{', '.join(one.destinations)} is the only member of {one.address}. Delete "
                    "that alias first, or give it another member."
                )
        for one in there:
            local, _at, domain = one.address.rpartition("@")
            self._change(
                "AliasAddressesRemove", local, domain, sorted(addresses & set(one.destinations)))

    # -- use -----------------------------------------------------------------------------

    def usage(self, since: str = "") -> UsagePage:
        """Some accounts after those of ``since``, and then from the first again: mox has no list of
        changes, and gives the size of one account at a time."""
        primary = {person.account: person.email for person in self._there.people()}
        names = sorted(primary)
        after = [name for name in names if name > since.removeprefix("after:")]
        chosen = (after or names)[:_USAGE_ACCOUNTS]
        rows = []
        for name in chosen:
            try:
                found = as_list(self.api.ask("Account", name))
            except MoxNo:
                continue  # it has just been deleted
            if len(found) != 2 or not isinstance(found[1], int):
                raise Unreachable("It did not answer as mox does: an account has no size.")
            rows.append(Usage(primary[name], found[1], None))
        whole = len(chosen) == len(after or names)
        return UsagePage("after:" if whole else f"after:{chosen[-1]}", tuple(rows))

    def room_to_send(self, domain: str, login: str) -> Room | None:
        """Of the messages that mox lets an account send in 24 hours, once for each recipient.

        mox does not tell its count, but it lists what it still knows: what it has forgotten, and
        how many of the recipients are new, it says when it refuses.
        """
        account = self._there.account_of(login)
        if account is None:
            return None
        most = int(self._there.account(account).get("MaxOutgoingMessagesPerDay") or _A_DAY)
        sent = self.server.sent_lately(account)
        left = max(most - len(sent), 0)
        if left:
            return Room(left, per_day=most)
        # when there is room for one again
        again = sent[most - 1] + timedelta(hours=24)
        return Room(0, again.replace(tzinfo=UTC), most)

    # -- what is there -------------------------------------------------------------------

    def _change(self, function: str, *params: Any, secret: str = "") -> Any:
        self._there.forget()
        try:
            return self.api.change(function, *params, secret=secret)
        except MoxNo as error:
            if error.code == "server:error" and not error.says(
                "no such", "absent", "does not exist", "needs at least", "config error",
            ):
                # of mox's own making: it may pass
                raise UnknownOutcome(str(error)) from None
            raise

    def _save(self, function: str, domain: str, *params: Any) -> None:
        """Change a setting of a domain."""
        self._change(function, self._there.stored_name(domain), *params)

    def _heal(self) -> None:
        """After a refused change mox may go on with a configuration that is half changed, until the
        next change: make one that changes nothing."""
        try:
            for name, row in self._there.config()["Domains"].items():
                self._save("DomainDescriptionSave", name, row.get("Description") or "")
                return
        except BackendError as error:
            # why the change was refused is what people need to read
            _logger.warning("mox may run on a half-changed configuration until its next change: %s",
                            error)

    def _needs(self, function: str) -> None:
        if not self.api.knows(function):
            raise Refused(_OLDER)

    def _home(self) -> str:
        """The account that gets reports on domains."""
        if not self._account:
            found = re.search(
                r"(?m)^Postmaster:\n(?:\t.*\n)*?\tAccount: (\S+)$", self._there.static())
            if not found:
                raise Refused("Name the account of mox that is to get the reports on domains.")
            self._account = found[1]
        return self._account
