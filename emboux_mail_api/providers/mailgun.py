# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mailgun, over its HTTP API.  Source: documentation.mailgun.com, API reference.

Domains: POST and GET /v4/domains, PUT /v4/domains/{name}/verify, DELETE /v3/domains/{name};
webhooks: /v3/domains/{name}/webhooks; SMTP credentials: /v3/domains/{name}/credentials.
"""

import random
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from odoo.addons.emboux_core.net.answers import Fields, Unfit
from odoo.addons.emboux_core.net.errors import (
    BackendError,
    NotAuthorised,
    Refused,
    UnknownOutcome,
    Unreachable,
)
from odoo.addons.emboux_core.net.guard import Timeouts
from odoo.addons.emboux_core.net.http import Answer

from .base import IMPLICIT, Credential, Provider, Registration, Relay
from .mailgun_answers import credentials_of, domain_of, sentence_of, webhooks_of
from .mailgun_http import MailgunHttp

#: What Mailgun tells us about: the names that its webhooks have.
EVENTS = ("permanent_fail", "temporary_fail", "complained", "unsubscribed")
_REGIONS = {
    "us": ("https://api.mailgun.net", "smtp.mailgun.org"),
    "eu": ("https://api.eu.mailgun.net", "smtp.eu.mailgun.org"),
}
_MAX_URLS = 3  # of one webhook
_LOGINS, _MOST_LOGINS = 100, 1000  # of a page, and looked through
_LOGIN = "emboux"  # local part, so that a login of the customer's own stays what it is
_PASSWORD = re.compile(r"[\x21-\x7e]{5,32}")

T = TypeVar("T")


class _No(Refused):
    """Mailgun refused in its own words; the caller may know better what they mean."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def new_password() -> str:
    """A password of 32 characters, the most that Mailgun takes, of 192 random bits."""
    return secrets.token_urlsafe(24)


class Mailgun(Provider):
    """The account of ``key`` in ``region`` (``us`` or ``eu``; domains of one are not in the other).

    ``webhook_url``: where Mailgun reports events, empty for nowhere. ``url``, ``smtp_host``: in
    place of the region's. ``allow_private``: also addresses that are not public, and http to this
    machine itself. ``sleep`` and ``jitter`` are for tests. A wrong key is refused by the first
    call, not here.
    """

    def __init__(
        self,
        key: str,
        *,
        region: str = "us",
        webhook_url: str = "",
        url: str = "",
        smtp_host: str = "",
        allow_private: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        ca_file: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        api, smtp = _REGIONS[region]
        self._key = (key or "").strip()
        self._region = region
        self._webhook_url = webhook_url
        self._relay = Relay(smtp_host or smtp, 465, IMPLICIT)
        self._http = MailgunHttp(
            url or api, key, allow_private=allow_private, timeouts=timeouts,
            ca_file=ca_file, sleep=sleep, jitter=jitter,
        )  # fmt: skip

    def check(self) -> str:
        total = self._ask("/v4/domains", lambda page: page.number("total_count"), {"limit": 1})
        domains = "1 domain" if total == 1 else f"{total} domains"
        return f"Mailgun ({self._region.upper()}) answers, and this key reaches {domains}."

    # -- domains -------------------------------------------------------------------------

    def register(self, name: str, parent: str | None = None) -> Registration:
        """Mailgun signs with the DKIM key of the domain's root in the same account, or its own."""
        fields = {
            "name": name,
            "dkim_key_size": "2048",
            "force_dkim_authority": "false" if parent else "true",
        }
        made = True
        try:
            found = self._change("POST", "/v4/domains", lambda a: domain_of(a, name), fields)
        except _No as error:
            if error.status not in (400, 409):
                raise
            made = False
            found = self._existing(name, error)
        try:
            self._ensure_webhooks(name)
        except Refused as refusal:
            if made:
                self._take_back(name, refusal)
            raise
        except Unreachable as error:
            if made:
                raise UnknownOutcome(str(error)) from None
            raise
        return found

    def _existing(self, name: str, conflict: _No) -> Registration:
        # Mailgun's wording for a taken name is not documented, and does not matter
        found = self.status(name)
        if found is None:
            words = str(conflict).rstrip(".")
            raise Refused(f"{words}. It is not among the domains of this Mailgun account.")
        return found

    def _take_back(self, name: str, refusal: Refused) -> None:
        """Leave nothing behind of what was refused."""
        try:
            self.delete(name)
        except BackendError:
            raise UnknownOutcome(f"{refusal} Mailgun has the domain nevertheless.") from None

    def verify(self, name: str) -> Registration:
        path = f"{_domain(4, name)}/verify"
        try:
            return self._change("PUT", path, lambda answer: domain_of(answer, name), {})
        except _No as error:
            if error.status != 404:
                raise
        raise _not_there(name)

    def status(self, name: str) -> Registration | None:
        try:
            return self._ask(_domain(4, name), lambda answer: domain_of(answer, name))
        except _No as error:
            if error.status != 404:
                raise
        return None

    def delete(self, name: str) -> None:
        """The credential goes first: a login must not outlive its domain."""
        self.delete_credential(name)
        self._delete(_domain(3, name))

    # -- webhooks ------------------------------------------------------------------------

    def _ensure_webhooks(self, name: str) -> None:
        """Add ours; a URL that a person has set beside it stays."""
        if not self._webhook_url:
            return
        path = f"{_domain(3, name)}/webhooks"
        try:
            found = self._ask(path, webhooks_of)
        except _No as error:
            if error.status != 404:
                raise
            # Mailgun says of itself that what is new may not be everywhere at once
            raise UnknownOutcome(
                f"Mailgun has taken {name}, but does not know it everywhere yet."
            ) from None
        for event in EVENTS:
            urls = found.get(event, ())
            if self._webhook_url in urls:
                continue
            if len(urls) >= _MAX_URLS:
                raise Refused(
                    f"The webhook {event} of {name} has {_MAX_URLS} URLs at Mailgun, and there "
                    "is no room for ours: remove one of them there."
                )
            self._put_webhook(path, event, (*urls, self._webhook_url))

    def _put_webhook(self, path: str, event: str, urls: tuple[str, ...]) -> None:
        def put() -> None:
            self._change("PUT", f"{path}/{event}", _said, {"url": urls})

        if len(urls) > 1:
            return put()
        try:
            return self._change("POST", path, _said, {"id": event, "url": urls})
        except _No as error:
            if error.status not in (400, 409):
                raise
            conflict = error
        try:
            return put()  # an earlier call of ours may have got through
        except _No as error:
            if error.status not in (400, 404):
                raise
        raise Refused(str(conflict))

    # -- SMTP ----------------------------------------------------------------------------

    def relay(self) -> Relay:
        return self._relay

    def ensure_credential(self, name: str, password: str = "") -> Credential:
        """:raises ValueError: a password that is not 5 to 32 visible characters of ASCII."""
        password = password or new_password()
        if not _PASSWORD.fullmatch(password):
            raise ValueError("Mailgun takes passwords of 5 to 32 visible characters of ASCII.")
        login = f"{_LOGIN}@{name}"
        path = f"{_domain(3, name)}/credentials"

        def put() -> Credential | None:
            """None when there is none yet."""
            fields = {"password": password}
            try:
                self._change("PUT", f"{path}/{_LOGIN}", _said, fields, password)
            except _No as error:
                if error.status != 404:
                    raise
                return None
            return Credential(login, password)

        # an answer that it is not there is clear, one that it is there already is not documented
        if found := put():
            return found
        try:
            fields = {"login": login, "password": password}
            self._change("POST", path, _said, fields, password)
            return Credential(login, password)
        except _No as error:
            if error.status == 404:
                raise _not_there(name) from None
            if error.status not in (400, 409):
                raise
            conflict = error
        if found := put():
            return found
        raise Refused(str(conflict))

    def has_credential(self, name: str) -> bool:
        """Source: GET /v3/domains/{name}/credentials, a page of logins in full."""
        path, seen = f"{_domain(3, name)}/credentials", 0
        while True:
            logins, total = self._ask(path, credentials_of, {"skip": seen, "limit": _LOGINS})
            if f"{_LOGIN}@{name}" in logins:
                return True
            seen += len(logins)
            if not logins or seen >= min(total, _MOST_LOGINS):
                return False

    def delete_credential(self, name: str) -> None:
        self._delete(f"{_domain(3, name)}/credentials/{_LOGIN}")

    # -- calls ---------------------------------------------------------------------------

    def _ask(
        self, path: str, read: Callable[[Fields], T], query: Mapping[str, str | int] | None = None
    ) -> T:
        return self._read(self._http.call("GET", path, query=query), read, Unreachable)

    def _change(
        self,
        method: str,
        path: str,
        read: Callable[[Fields], T],
        fields: Mapping[str, str | tuple[str, ...]],
        secret: str = "",
    ) -> T:
        return self._read(self._http.form(method, path, fields), read, UnknownOutcome, secret)

    def _delete(self, path: str) -> None:
        try:
            self._read(self._http.call("DELETE", path), _said, UnknownOutcome)
        except _No as error:
            if error.status != 404:
                raise

    def _read(
        self,
        answer: Answer,
        read: Callable[[Fields], T],
        otherwise: type[BackendError],
        secret: str = "",
    ) -> T:
        """:raises _No: Mailgun refused; its sentence is kept unless it repeats a secret."""
        if answer.status >= 400:
            raise self._refusal(answer, secret)
        try:
            if answer.status not in (200, 201):
                raise Unfit(f"the status is {answer.status}")
            return read(Fields.parse(answer.body))
        except Unfit as error:
            problem = f"It did not answer as Mailgun does: {error}."
        raise otherwise(problem)

    def _refusal(self, answer: Answer, secret: str) -> Refused:
        sentence = sentence_of(answer.body)
        if any(hidden and hidden in sentence for hidden in (self._key, secret)):
            sentence = f"Mailgun's reason ({answer.status}) repeats a secret and is not shown."
        words = f" ({sentence.rstrip('.')})" if sentence else ""
        if answer.status in (401, 403):
            return NotAuthorised(
                f"Mailgun does not accept the API key, or it may not do this{words}. Make a key "
                "with the role Admin in the account of this region and enter it here."
            )
        if not sentence:
            # Mailgun itself says that a 404 without JSON is an address that does not exist
            return Refused(
                f"It answered with {answer.status}, but not as Mailgun does: check the address."
            )
        return _No(answer.status, sentence)


def _domain(version: int, name: str) -> str:
    return f"/v{version}/domains/{quote(name, safe='')}"


def _said(answer: Fields) -> None:
    """A change is confirmed by a message, which an unrelated page at this address lacks."""
    answer.any_text("message")


def _not_there(name: str) -> Refused:
    return Refused(f"Mailgun does not have the domain {name}: register it first.")
