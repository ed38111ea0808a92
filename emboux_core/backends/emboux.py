# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""An Emboux platform somewhere else, over its REST API."""

import json
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from ..dns.expected import MailService
from ..net.answers import Fields, Unfit
from ..net.errors import BackendError, NotAuthorised, Refused, UnknownOutcome, Unreachable
from ..net.guard import Timeouts
from ..net.http import Answer, HttpClient
from .base import AliasSpec, Backend, DomainSpec, DomainStatus, MailboxSpec, Room, Usage, UsagePage
from .emboux_answers import (
    alias_of,
    assert_same,
    changes_of,
    domain_of,
    domain_status_of,
    mailbox_of,
    room_of,
    rows_of,
    rules_as_json,
    sentence_of,
    service_of,
    verification_of,
)

BASE = "/emboux/v1"
_PAGE = 200  # rows; the platform gives no more
_MAX_PAGES = 5000
_MAX_LIST_SECONDS = 600  # seconds
_USAGE_PAGE = 1000  # rows
_MAX_USAGE_PAGES = 100  # what is beyond comes with the next question

T = TypeVar("T")


class _No(Refused):
    """The platform refused in its own words; the caller may know better what they mean."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class EmbouxBackend(Backend):
    """The API at ``url``, with or without ``/emboux/v1``, as the holder of ``key``.

    ``allow_private``: also addresses that are not public, and http to this machine itself.
    ``ca_file``: certificates of authorities to trust instead of the usual ones. ``sleep`` and
    ``jitter`` are for tests. A wrong URL or key is refused by the first call, not here.
    """

    transactional: ClassVar[bool] = False
    at_once: ClassVar[int] = 2
    pushes: ClassVar[bool] = True
    rules: ClassVar[bool] = True
    renames: ClassVar[bool] = True
    verifies_domains: ClassVar[bool] = True
    names_hosts: ClassVar[bool] = True

    def __init__(
        self,
        url: str,
        key: str,
        *,
        allow_private: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        ca_file: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        self._key = (key or "").strip()
        self._http = HttpClient(
            url, self._key, base=BASE, allow_private=allow_private, timeouts=timeouts,
            ca_file=ca_file, sleep=sleep, jitter=jitter,
        )  # fmt: skip

    def check(self) -> str:
        version = self._call("GET", "/health", lambda health: health.text("version", length=50))
        total = self._call("GET", "/domains/", lambda page: page.number("total"), {"limit": 1})
        domains = "1 domain" if total == 1 else f"{total} domains"
        return f"Emboux {version} answers, and this key reaches {domains}."

    # -- domains -------------------------------------------------------------------------

    def ensure_domain(self, domain: DomainSpec) -> MailService:
        """An unrequested parent stays: the platform assigns one to a new domain itself."""

        def read(fields: Fields) -> tuple[DomainSpec, MailService]:
            found = domain_of(fields)
            assert_same(found.name, domain.name)
            return found, service_of(fields.object("service"), domain.name)

        path = _path("domains", domain.name)
        made = True
        try:
            found, service = self._call("POST", "/domains/", read, body={"name": domain.name})
        except _No as error:
            if error.status != 409:
                raise
            made = False
            found, service = self._existing(path, read, error)
        changed = made
        try:
            for difference in _differences(found, domain):
                service = self._align(path, read, difference) or service
                changed = True
        except Refused as refusal:
            if made:
                self._take_back(domain.name, refusal)
            raise
        except Unreachable as error:
            if changed:
                raise UnknownOutcome(str(error)) from None
            raise
        return service

    def _align(self, path, read, difference: "_Difference") -> MailService | None:
        try:
            _found, service = self._call(
                "PUT", f"{path}/{difference.verb}", read, body=difference.body
            )
        except _No as error:
            if error.status != 403:
                raise
            if difference.wanted:
                raise Refused(f"{difference.what} takes a master key. ({error})") from None
            return None
        return service

    def _existing(self, path, read, conflict: _No) -> tuple[DomainSpec, MailService]:
        try:
            return self._call("GET", path, read)
        except _No as error:
            if error.status != 404:
                raise
        # somebody else's, or a limit is reached: the platform's sentence says which
        raise Refused(f"{conflict} It is not among the domains that this key reaches.")

    def _take_back(self, name: str, refusal: Refused) -> None:
        """Leave nothing behind of what was refused."""
        try:
            self.delete_domain(name)
        except BackendError:
            raise UnknownOutcome(f"{refusal} The domain was made nevertheless.") from None

    def domain_status(
        self, name: str, records: bool = False, look: bool = False
    ) -> DomainStatus | None:
        path = _path("domains", name)
        try:
            seen = None
            if records or look:
                method, what = ("POST", "verify") if look else ("GET", "verify-status")
                seen = self._call(
                    method, f"{path}/{what}", lambda fields: verification_of(fields, name)
                )
            # last: what it wants in the DNS may only be known after the look
            return self._call("GET", path, lambda fields: domain_status_of(fields, name, seen))
        except _No as error:
            if error.status != 404:
                raise
            return None

    def delete_domain(self, name: str) -> None:
        self._delete(_path("domains", name))

    def domains(self) -> Iterable[DomainSpec]:
        return self._list("/domains/", {}, domain_of)

    # -- mailboxes and aliases -----------------------------------------------------------

    def ensure_mailbox(self, mailbox: MailboxSpec) -> None:
        wish: dict[str, Any] = {
            "display_name": mailbox.display_name,
            "quota": mailbox.quota,
            "suspended": mailbox.suspended,
            "send_as_domain": mailbox.send_as_domain,
        }
        secrets = {}
        if mailbox.password_hash:
            secrets["password_hash"] = mailbox.password_hash
        elif mailbox.password:
            secrets["password"] = mailbox.password

        def read(fields: Fields) -> None:
            found = mailbox_of(fields)
            assert_same(found.email, mailbox.email)
            assert_same(found.suspended, mailbox.suspended)
            assert_same(found.send_as_domain, mailbox.send_as_domain)

        # changes are more frequent than new mailboxes, so the first call is that of a change
        path = _path("users", mailbox.email)
        service = {"push_url": mailbox.push_url, **rules_as_json(mailbox.rules)}
        if mailbox.push_secret:
            service["push_secret"] = mailbox.push_secret
        if mailbox.service_password_hash:
            service["service_password_hash"] = mailbox.service_password_hash
        withheld = (mailbox.push_url, mailbox.push_secret, mailbox.service_password_hash)

        def call(method: str, path: str, **more: Any) -> None:
            body = {**more, **wish, **secrets}
            self._call(
                method, path, read, body=body,
                secrets=(*secrets.values(), *filter(None, withheld)),
            )

        try:
            return call("PUT", path, **service)
        except _No as error:
            if error.status != 404:
                raise
        try:
            call("POST", "/users/", email=mailbox.email)
            return call("PUT", path, **service) if any(service.values()) else None
        except _No as error:
            if error.status == 404:
                raise _no_domain(mailbox.email) from None
            if error.status != 409:
                raise
            conflict = error
        try:
            # an earlier call of ours may have got through meanwhile
            return call("PUT", path, **service)
        except _No as error:
            if error.status != 404:
                raise
        raise Refused(str(conflict))

    def rename_mailbox(self, email: str, address: str, keep: bool) -> None:
        def read(fields: Fields) -> None:
            assert_same(mailbox_of(fields).email, address)

        body = {"email": address, "keep": keep}
        try:
            return self._call("PUT", f"{_path('users', email)}/address", read, body=body)
        except _No as error:
            if error.status != 404:
                raise
            refusal = error
        try:
            # an earlier call of ours may have got through
            return self._call("GET", _path("users", address), read)
        except _No as error:
            if error.status != 404:
                raise
        raise refusal

    def delete_mailbox(self, email: str) -> None:
        self._delete(_path("users", email))

    def mailboxes(self, domain: str) -> Iterable[MailboxSpec]:
        return self._list("/users/", {"domain": domain}, rows_of(mailbox_of, "email", domain))

    def ensure_alias(self, alias: AliasSpec) -> tuple[str, ...]:
        body = {"address": alias.address, "destinations": list(alias.destinations)}
        try:
            self._call(
                "POST", "/aliases/",
                lambda fields: assert_same(alias_of(fields).address, alias.address), body=body,
            )  # fmt: skip
        except _No as error:
            if error.status != 404:
                raise
            raise _no_domain(alias.address) from None
        return ()

    def delete_alias(self, address: str) -> None:
        self._delete(_path("aliases", address))

    def aliases(self, domain: str) -> Iterable[AliasSpec]:
        return self._list("/aliases/", {"domain": domain}, rows_of(alias_of, "address", domain))

    def room_to_send(self, domain: str, login: str) -> Room | None:
        query = {"login": login}
        return self._call("GET", f"{_path('domains', domain)}/outbound", room_of, query)

    def usage(self, since: str = "") -> UsagePage:
        """A cursor that the platform cannot read, because it is another platform's, asks for
        everything."""
        sizes: dict[str, Usage] = {}
        cursor, seen = since, {since}
        for _page in range(_MAX_USAGE_PAGES):
            query: dict[str, str | int] = {"limit": _USAGE_PAGE}
            if cursor:
                query["since"] = cursor
            try:
                changes, cursor, more = self._call(
                    "GET", "/api-keys/self/usage", changes_of, query
                )
            except _No as error:
                if error.status == 422 and since and cursor == since:
                    return self.usage()
                raise
            for email, usage in changes:
                sizes.pop(email, None)
                if usage:
                    sizes[email] = usage
            if not more:
                break
            if cursor in seen:
                raise Unreachable("Its list of changes goes round in a circle.")
            seen.add(cursor)
        return UsagePage(cursor, tuple(sizes.values()))

    # -- calls ---------------------------------------------------------------------------

    def _call(
        self,
        method: str,
        path: str,
        read: Callable[[Fields], T],
        query: Mapping[str, str | int] | None = None,
        body: Any = None,
        secrets: tuple[str, ...] = (),
    ) -> T:
        """Returns what ``read`` makes of the answer.

        :raises _No: the platform refused, with its sentence unless that repeats a secret.
        """
        sent = None if body is None else json.dumps(body).encode()
        answer = self._http.call(method, path, query=query, body=sent)
        if answer.status >= 400:
            raise _refusal(answer, (self._key, *secrets))
        try:
            if answer.status not in (200, 201):
                raise Unfit(f"the status is {answer.status}")
            return read(Fields.parse(answer.body))
        except Unfit as error:
            problem = f"It did not answer as an Emboux platform does: {error}."
        raise (Unreachable if method == "GET" else UnknownOutcome)(problem)

    def _delete(self, path: str) -> None:
        answer = self._http.call("DELETE", path)
        if answer.status == 204:
            return
        if answer.status < 400:
            # a page of something else at this address must not pass for success
            raise UnknownOutcome("It did not answer as an Emboux platform does.")
        refusal = _refusal(answer, (self._key,))
        if not isinstance(refusal, _No) or refusal.status != 404:
            raise refusal

    def _list(self, path: str, query: Mapping[str, str], row: Callable[[Fields], T]) -> list[T]:
        def read(page: Fields) -> tuple[list[T], str | None]:
            return [row(fields) for fields in page.objects("items")], page.text_or_none("next")

        end = time.monotonic() + _MAX_LIST_SECONDS
        found: list[T] = []
        seen: set[str] = set()
        following: dict[str, str] = {}
        for _page in range(_MAX_PAGES):
            rows, cursor = self._call("GET", path, read, {"limit": _PAGE, **query, **following})
            found += rows
            if cursor is None:
                return found
            if not rows or cursor in seen or time.monotonic() > end:
                break
            seen.add(cursor)
            following = {"cursor": cursor}
        raise Unreachable("Its list does not come to an end.")


@dataclass(frozen=True)
class _Difference:
    """A call that brings a domain to its desired state; all of them need a master key.

    ``wished``: set explicitly.  A default does not overrule the operator, whose decisions a
    customer's Odoo need not know.
    """

    verb: str
    what: str
    body: dict[str, Any] | None = None
    wanted: bool = True


def _differences(found: DomainSpec, wish: DomainSpec) -> Iterable[_Difference]:
    """The parent comes first: it may be refused, while all else is still as it was."""
    parent = wish.parent or found.parent
    if (parent, wish.wildcard) != (found.parent, found.wildcard):
        yield _Difference(
            "parent",
            f"Setting the parent or the wildcard mode of {wish.name}",
            {"parent": parent, "wildcard": wish.wildcard},
            wanted=wish.wildcard or parent != found.parent,
        )
    if wish.suspended != found.suspended:
        verb, what = ("suspend", "Suspending") if wish.suspended else ("activate", "Activating")
        yield _Difference(verb, f"{what} {wish.name}")


def _path(collection: str, name: str) -> str:
    return f"/{collection}/{quote(name, safe='')}"


def _no_domain(address: str) -> Refused:
    name = address.rpartition("@")[2]
    return Refused(f"The domain {name} is not among those that this key reaches.")


def _refusal(answer: Answer, secrets: tuple[str, ...]) -> Refused:
    sentence = sentence_of(answer.body)
    ours = bool(sentence)
    if any(secret and secret in sentence for secret in secrets):
        sentence = f"Its reason ({answer.status}) repeats a secret and is not shown."
    if answer.status == 401:
        return NotAuthorised(
            f"It does not accept the key{f' ({sentence})' if sentence else ''}. Make a new key on "
            "the platform and enter it here."
        )
    if not ours and answer.status == 404:
        # Odoo's answer for every page while its database is down
        return Unreachable(
            "It answered with 404, but not as an Emboux platform does: its database is away, or "
            "the address is not right."
        )
    if not ours:
        return Refused(
            f"It answered with {answer.status}, but not as an Emboux platform does: check the "
            "address."
        )
    return _No(answer.status, sentence)
