# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that a mail server hands to an Odoo by HTTP: what both sides agree upon.

One POST of a form (``multipart/form-data``) with a file ``message`` for each message: as it was
received, with a ``Delivered-To`` for each address that it was sent to.  Each is signed by itself
(``signature.py``) with a secret of the mailbox' own, in headers of its part.  Those that come
together are filed together, which spares Odoo a third of the work, and have an answer each:
``{"messages": [{"status": 200, "sentence": "Taken."}]}``, in the order of the form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException

import requests
from urllib3.exceptions import HTTPError

from .answers import Fields, Unfit, printable
from .guard import Attempt, Timeouts, exchange, guarded_session
from .signature import signed

PATH = "/emboux/inbound/"
FIELD = "message"  # of the form
TIMEOUTS = Timeouts(connect=5.0, read=120.0, total=150.0)
_MAX_ANSWER = 64 * 1024  # bytes


def path_of(number: int) -> str:
    """Below an Odoo's URL: where mail for the mailbox of this number there is taken."""
    return f"{PATH}{number}"


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
