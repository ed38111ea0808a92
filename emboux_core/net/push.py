# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that a mail server hands to an Odoo by HTTP: what both sides agree upon.

One POST of a form (``multipart/form-data``) with a file ``message`` for each message: as it was
received, with a ``Delivered-To`` for each address that it was sent to.  Each is signed by itself as
Standard Webhooks say, with a secret of the mailbox' own; ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature`` are headers of its part.  Those that come together are filed together, which
spares Odoo a third of the work, and have an answer each:
``{"messages": [{"status": 200, "sentence": "Taken."}]}``, in the order of the form.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException

import requests
from urllib3.exceptions import HTTPError

from .answers import Fields, Unfit, printable
from .guard import Attempt, Timeouts, exchange, guarded_session

PATH = "/emboux/inbound/"
FIELD = "message"  # of the form
TOLERANCE = 300  # seconds between the clocks of both sides
TIMEOUTS = Timeouts(connect=5.0, read=120.0, total=150.0)
_PREFIX = "whsec_"
_MAX_ANSWER = 64 * 1024  # bytes


def new_secret() -> str:
    """32 random bytes, in Base64 with its prefix."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def path_of(number: int) -> str:
    """Below an Odoo's URL: where mail for the mailbox of this number there is taken."""
    return f"{PATH}{number}"


def signed(secret: str, number: str, body: bytes, now: float | None = None) -> dict[str, str]:
    """The three headers.  ``number``: the same whenever this message is handed over."""
    moment = str(int(time.time() if now is None else now))
    return {
        "webhook-id": number,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{_signature(secret, number, moment, body)}",
    }


def is_secret(text: str) -> bool:
    """Whether it can sign: the prefix, and Base64 of 24 to 64 bytes (Standard Webhooks)."""
    try:
        return text.startswith(_PREFIX) and 24 <= len(_key_of(text)) <= 64
    except binascii.Error:
        return False


def is_signed(
    secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None
) -> bool:
    """Whether the secret signed this, not long ago."""
    number, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    now = time.time() if now is None else now
    if not (moment.isascii() and moment.isdigit()) or abs(now - int(moment[:12])) > TOLERANCE:
        return False
    given = [
        value for version, _comma, value in
        (part.partition(",") for part in headers.get("webhook-signature", "").split())
        if version == "v1" and value.isascii()
    ]  # fmt: skip
    expected = _signature(secret, number, moment, body)
    return any(hmac.compare_digest(expected, value) for value in given)


def _key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)


def _signature(secret: str, number: str, moment: str, body: bytes) -> str:
    content = f"{number}.{moment}.".encode() + body
    digest = hmac.new(_key_of(secret), content, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


@dataclass(frozen=True)
class Outcome:
    """Of one message.  ``status``: as of HTTP, 0 where no answer came; ``sentence``: what was said,
    or went wrong."""

    status: int
    sentence: str


@dataclass(frozen=True)
class Message:
    """``number``: the same whenever this message is handed over."""

    number: str
    body: bytes


class Pusher:
    """Hands mail over; for one thread at a time, because it keeps its connections."""

    def __init__(self, timeouts: Timeouts = TIMEOUTS, ca_file: str | None = None):
        self._timeouts = timeouts
        self._session = guarded_session(ca_file)

    def push(
        self, url: str, secret: str, messages: Sequence[Message], *,
        allow_private: bool = False, headers: Mapping[str, str] | None = None,
    ) -> list[Outcome]:
        """Once, without a repeat: whoever has the messages tries again later.  Raises nothing."""
        attempt = Attempt(
            self._timeouts.deadline(), self._timeouts, _MAX_ANSWER, allow_private,
            plain=url.startswith("http:"),
        )  # fmt: skip
        files = [
            (FIELD, (f"{number}.eml", message.body, "message/rfc822",
                     signed(secret, message.number, message.body)))
            for number, message in enumerate(messages, 1)
        ]  # fmt: skip
        try:
            request = self._session.prepare_request(
                requests.Request("POST", url, files=files, headers=headers))
            answer, text = exchange(self._session, request, attempt)
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            # its name alone: the error has the request, and with it the signature
            what = attempt.refusal or f"Odoo did not answer ({type(error).__name__})."
            return [Outcome(0, what)] * len(messages)
        if answer.status_code != 200:
            plain = answer.headers.get("Content-Type", "").startswith("text/plain")
            said = printable(text[:300].decode(errors="replace")) if plain else ""
            return [Outcome(answer.status_code, said)] * len(messages)
        try:
            outcomes = [
                Outcome(row.number("status", 100, 599), row.any_text("sentence"))
                for row in Fields.parse(text).objects("messages")
            ]
            if len(outcomes) != len(messages):
                raise Unfit("the answer is for other messages")
        except Unfit as error:
            return [Outcome(0, f"Odoo's answer is none: {error}.")] * len(messages)
        return outcomes
