# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What is on a mox server: who has which names and addresses."""

import hashlib
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..addresses import AddressError, normalise_domain
from ..net.errors import NotAuthorised, Refused, Unreachable
from .base import AliasSpec, ListRules
from .mox_api import MoxApi, MoxNo

ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_REMEMBERED = 10.0  # seconds: a comparison asks for each domain by itself


def account_name(email: str) -> str:
    """The name of a new account: no other address has the same, and it is safe as a folder, which
    mox does not check."""
    local, _at, domain = email.rpartition("@")
    name = f"{local}_{domain}"  # a domain has no _, so the last one is ours
    if ACCOUNT_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(email.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^a-z0-9.-]', '-', local).strip('.-') or 'box'}-{digest}_{domain}"


@dataclass(frozen=True)
class Names:
    """Who has the names of a domain: local part to account, "" for the catch-all, and to list."""

    accounts: dict[str, str]
    lists: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Person:
    """An account: its settings, the address that it is known by, and its other ones."""

    account: str
    config: dict[str, Any]
    email: str
    others: tuple[str, ...]


class MoxDirectory:
    """Looks things up.  The whole configuration is remembered some seconds, until ``forget``."""

    def __init__(self, api: MoxApi):
        self.api = api
        self._lock = threading.Lock()
        self._config_read: tuple[float, dict[str, Any]] | None = None
        self._static_read: tuple[float, str] | None = None

    def forget(self) -> None:
        """Something was changed."""
        with self._lock:
            self._config_read = None

    def accounts(self) -> tuple[list[str], list[str]]:
        """The names of all accounts, and of those that may not log in."""
        found = as_list(self.api.ask("Accounts"))
        if found and isinstance(found[0], str):  # an older one
            return found, []
        return (as_list(found[0]), as_list(found[1])) if found else ([], [])

    def account(self, name: str) -> dict[str, Any]:
        """Its settings."""
        return (as_rows(as_list(self.api.ask("Account", name))[:1]) or [{}])[0]

    def domain(self, name: str) -> dict[str, Any] | None:
        """Its settings, None if it is not here."""
        try:
            return as_dict(self.api.ask("DomainConfig", name))
        except MoxNo as error:
            if error.says("no such domain", "unknown domain"):
                return None
            raise

    def stored_name(self, name: str) -> str:
        """The name by which the calls that save settings know a domain: Unicode alone."""
        if "xn--" not in name:
            return name
        found = as_dict(self.api.ask("Domain", name))
        return str(found.get("Unicode") or name)

    def names(self, domain: str) -> Names:
        """:raises Refused: the domain is not here."""
        try:
            found = self.api.ask("DomainLocalparts", domain)
        except MoxNo as error:
            if error.says("no such domain", "unknown domain"):
                raise Refused(f"The domain {domain} is not on this mox.") from None
            raise
        # an older one knows no lists
        accounts, lists = (as_list(found) + [None] * 2)[:2] if isinstance(found, list) else (
            found, None)
        return Names(
            {local: as_text(account) for local, account in as_dict(accounts).items()},
            {local: as_dict(row) for local, row in as_dict(lists).items()},
        )

    def account_of(self, address: str) -> str | None:
        """Which account has exactly this address, None for none."""
        return self.accounts_of([address]).get(address)

    def accounts_of(self, addresses: Iterable[str]) -> dict[str, str]:
        """Address to the account that has exactly it; without those that no account has."""
        found: dict[str, str] = {}
        for domain, those in _by_domain(addresses).items():
            try:
                names = self.names(domain)
            except Refused as error:
                if isinstance(error, (MoxNo, NotAuthorised)):
                    raise
                continue
            found |= {
                address: names.accounts[local] for local, address in those.items()
                if local in names.accounts
            }
        return found

    def config(self) -> dict[str, Any]:
        """The whole configuration, at most some seconds old; domains by their A-labels."""
        with self._lock:
            read = self._config_read
        if read is None or time.monotonic() - read[0] > _REMEMBERED:
            found = as_dict(self.api.ask("Config"))
            read = time.monotonic(), {
                "Domains": {a_label(name): as_dict(row)
                            for name, row in as_dict(found.get("Domains")).items()},
                "Accounts": {name: as_dict(row)
                             for name, row in as_dict(found.get("Accounts")).items()},
            }
            with self._lock:
                self._config_read = read
        return read[1]

    def static(self) -> str:
        """The file ``mox.conf``, at most some seconds old; no call changes it."""
        read = self._static_read
        if read is None or time.monotonic() - read[0] > _REMEMBERED:
            _path, _dynamic, text, _rest = as_list(self.api.ask("ConfigFiles"))
            self._static_read = read = time.monotonic(), as_text(text)
        return read[1]

    def default_quota(self) -> int:
        """Bytes that an account without a quota of its own may hold; 0 for no limit."""
        found = re.search(r"(?m)^QuotaMessageSize: (\d+)$", self.static())
        return int(found[1]) if found else 0

    def quota_of(self, config: dict[str, Any]) -> int:
        """Bytes that the account with these settings may hold; 0 for no limit, which for mox is a
        negative number, and 0 the server's default (``QuotaMessageSize`` in its ``config.go``)."""
        return max(int(config.get("QuotaMessageSize") or 0) or self.default_quota(), 0)

    def reports(self) -> set[str]:
        """All addresses that reports go to."""
        return {address for name, row in self.config()["Domains"].items()
                for address in reports_of(name, row)}

    def lists(self, domain: str) -> list[AliasSpec]:
        """The lists of a domain."""
        rows = as_dict(as_dict(self.config()["Domains"].get(domain)).get("Aliases"))
        return [
            AliasSpec(f"{local}@{domain}", tuple(members(as_dict(row))), rules_of(as_dict(row)))
            for local, row in rows.items()
        ]

    def lists_with(self, addresses: set[str]) -> list[AliasSpec]:
        """The lists that one of these is a member of."""
        return [one for domain in self.config()["Domains"] for one in self.lists(domain)
                if addresses & set(one.destinations)]

    def holder(self, address: str) -> str:
        """Whose own address this is: an account or a list as a phrase, "" for nobody's.

        An address of reports is nobody's own: mox makes and removes it by itself.
        """
        config = self.config()
        local, _at, domain = address.rpartition("@")
        if local in as_dict(as_dict(config["Domains"].get(domain)).get("Aliases")):
            return f"the alias {address}"
        for account, row in config["Accounts"].items():
            if address in destinations(row):
                email = next((p.email for p in self.people() if p.account == account), address)
                return f"the mailbox {email} (account {account})"
        return ""

    def people(self) -> Iterable[Person]:
        """The accounts that have an address, in the order of their names."""
        reports = self.reports()
        for account, config in sorted(self.config()["Accounts"].items()):
            own = [address for address in destinations(config)
                   if address not in reports and not address.startswith(("@", "postmaster@"))]
            if own:
                email, *others = sorted(own, key=_likely(account, config.get("Domain")))
                yield Person(account, config, email, tuple(others))


def _by_domain(addresses: Iterable[str]) -> dict[str, dict[str, str]]:
    """Domain to local part to address."""
    found: dict[str, dict[str, str]] = {}
    for address in addresses:
        local, _at, domain = address.rpartition("@")
        found.setdefault(domain, {})[local] = address
    return found


def _likely(account: str, home: str | None):
    """Sort addresses of an account by how likely it is known by them: one that we named it after,
    one that has its name, one in its domain, the shortest."""

    def key(address: str) -> tuple[bool, bool, bool, int, str]:
        local, _at, domain = address.rpartition("@")
        return (account_name(address) != account, local != account, domain != home,
                len(address), address)

    return key


def destinations(config: dict[str, Any]) -> list[str]:
    """The addresses of an account, "@domain" for a catch-all."""
    return [a_label(address) for address in as_dict(config.get("Destinations"))]


def members(row: dict[str, Any]) -> list[str]:
    """The addresses of a list."""
    return [a_label(as_text(address)) for address in as_list(row.get("Addresses"))]


def a_label(name: str) -> str:
    """A domain or address with the domain in A-labels: mox shows names of other letters as people
    read them."""
    local, at, domain = name.rpartition("@")
    try:
        return f"{local}{at}{normalise_domain(domain)}"
    except AddressError:
        return name  # such as localhost


def reports_of(name: str, config: dict[str, Any]) -> set[str]:
    """The addresses of a domain that reports go to: mox makes and removes them by itself."""
    rows = (as_dict(config.get(section)) for section in ("DMARC", "TLSRPT"))
    return {
        a_label(f"{row['Localpart']}@{row.get('Domain') or name}")
        for row in rows if row.get("Localpart")
    }


def rules_of(row: dict[str, Any]) -> ListRules:
    return ListRules(bool(row.get("PostPublic")), bool(row.get("ListMembers")),
                     bool(row.get("AllowMsgFrom")))


def as_list(value: Any) -> list[Any]:
    """mox gives null for an empty list."""
    if value is not None and not isinstance(value, list):
        raise Unreachable("It did not answer as mox does: there is no list where one should be.")
    return value or []


def as_rows(value: Any) -> list[dict[str, Any]]:
    return [as_dict(row) for row in as_list(value)]


def as_text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreachable("It did not answer as mox does: there is no text where one should be.")
    return value


def as_dict(value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise Unreachable("It did not answer as mox does: there is no object where one should be.")
    return value or {}
