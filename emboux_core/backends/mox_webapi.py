# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""mox's interface for programs that send and read mail, ``/webapi/v0/METHOD``.

Form over POST, with the address and password of a mailbox (Basic).  200 is JSON, or bytes; 400 is
``{"Code": ..., "Message": ...}``; all else is text.  Described for mox v0.0.17 (2026-08-19).

A unique return path for each recipient (FromID) is no option of a call: mox makes one where the
address that logs in is among the account's ``FromIDLoginAddresses`` (``mox_account.py``).
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from ..net.answers import Fields, Unfit, printable
from ..net.errors import Busy, NotAuthorised, Refused, UnknownOutcome, Unreachable
from ..net.guard import Timeouts
from ..net.http import Answer, HttpClient
from .mox_account import root_of
from .mox_compose import NotCarried, fields_of
from .mox_rows import time_of

MAX_MESSAGE = 128 * 1024 * 1024  # bytes: mox's own limit is 100 MiB, in SMTP too
_MAX_REQUEST = 9 * 1024 * 1024  # bytes: Go's net/http takes 10 MiB of a form that are no files
_PAUSE = 60.0  # seconds without a call after a password that was wrong: ten in a minute lock us out
_SPARE = 2.0  # seconds after the full minute, should the clocks differ
_LATER = 3600.0  # seconds; a day's limits are those of the last 24 hours
_LIMITS = {
    "messageLimitReached": "The mailbox has sent as many messages in a day as mox allows it.",
    "recipientLimitReached":
        "The mailbox has written to as many new people in a day as mox allows it.",
    "domainDisabled": "The domain is switched off on mox.",
}
_WORDS = {
    "badFrom": "The mailbox may not send with this sender",
    "badAddress": "An address is wrong",
    "malformedMessageID": "The Message-ID is none",
    "messageTooLarge": "The message is too large",
    "noRecipients": "There is no recipient",
    "missingBody": "There is no text",
    "messageNotFound": "There is no such message",
}


@dataclass(frozen=True)
class Submission:
    """One recipient of a message that mox has taken; ``from_id`` is "" without a return path of its
    own."""

    address: str
    number: int  # in mox's queue
    from_id: str


@dataclass(frozen=True)
class Suppressed:
    """An address that mox does not send to, as it was written and as mox compares it (without tags
    and dots); ``since``: naive UTC."""

    address: str
    base: str
    reason: str
    manual: bool
    since: datetime


class MoxWebApi:
    """Sends and reads as the mailbox ``email``, on the mox whose admin pages are at ``url``.
    Thread-safe.

    ``clock``: UTC seconds, because mox counts calls in minutes of the clock.
    """

    def __init__(
        self,
        url: str,
        email: str,
        password: str,
        *,
        allow_private: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self._login = base64.b64encode(f"{email}:{password}".encode()).decode()
        self._known = bool(password)
        self._http = HttpClient(
            root_of(url), None, base="/webapi/v0", allow_private=allow_private, timeouts=timeouts,
            ca_file=ca_file, limit=MAX_MESSAGE,
        )  # fmt: skip
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._why = Unreachable("")

    def send(
        self, message: EmailMessage, recipients: Sequence[str],
        extra: Mapping[str, str] | None = None,
    ) -> tuple[Submission, ...]:
        """Put the message into mox's queue for these recipients; once, without a repeat.

        ``extra``: comes back with each event about it.
        :raises NotCarried: mox would make another message of it; nothing was sent.
        :raises UnknownOutcome: it may have been sent.
        """
        fields = fields_of(message, recipients) | {"Extra": dict(extra or {})}
        answer = self._call("Send", fields)
        try:
            said = Fields.parse(answer.body)
            sent = tuple(
                Submission(row.text("Address"), row.number("QueueMsgID"), row.text("FromID"))
                for row in said.objects("Submissions")
            )
            if said.text("MessageID") != fields["MessageID"] or len(sent) != len(set(recipients)):
                raise Unfit("it is about another message")
        except Unfit as error:
            raise UnknownOutcome(f"It did not answer as mox does: {error}.") from None
        return sent

    def raw(self, number: int) -> bytes:
        """A message of the mailbox as mox has stored it, with the header fields that it adds.

        ``number``: ``Meta.MsgID`` of its event.
        """
        try:
            return self._call("MessageRawGet", {"MsgID": number}).body
        except UnknownOutcome as error:
            # nothing is changed by a question
            raise Unreachable(str(error)) from None

    # -- addresses that mox does not send to -----------------------------------------------

    def suppressed(self) -> tuple[Suppressed, ...]:
        """To whom mox sends nothing more for this mailbox' account."""
        try:
            body = self._call("SuppressionList", {}).body
            return tuple(
                Suppressed(
                    row.any_text("OriginalAddress"), row.any_text("BaseAddress"),
                    row.any_text("Reason"), row.flag("Manual"), time_of(row.any_text("Created")),
                )
                for row in Fields.parse(body).objects("Suppressions")
            )
        except (Unfit, UnknownOutcome) as error:
            # nothing is changed by a question
            raise Unreachable(f"It did not answer as mox does: {error}.") from None

    def suppress(self, address: str, reason: str) -> None:
        """Send nothing to the address; no error if it is so already."""
        self._unless(
            "not unique", "SuppressionAdd",
            {"EmailAddress": address, "Manual": True, "Reason": reason})

    def allow(self, address: str) -> None:
        """Send to the address again; no error if it is so already."""
        self._unless("absent", "SuppressionRemove", {"EmailAddress": address})

    def _unless(self, words: str, method: str, request: Mapping[str, Any]) -> None:
        """There is no code for what is so already."""
        try:
            self._call(method, request)
        except Refused as error:
            if words not in str(error):
                raise

    # -- calls -----------------------------------------------------------------------------

    def _call(self, method: str, request: Mapping[str, Any]) -> Answer:
        if not self._known:
            raise NotAuthorised("Odoo does not know the password of this mailbox.")
        with self._lock:
            if self._clock() < self._not_before:
                raise self._why
        text = json.dumps(request)
        if len(text) > _MAX_REQUEST:
            raise NotCarried("It is too large for mox's HTTP API.")
        body, kind = encode_multipart_formdata({"request": text})
        answer = self._http.call(
            "POST", f"/{method}", body=body, once=True,
            headers={"Content-Type": kind, "Authorization": f"Basic {self._login}"},
        )
        if answer.status == 200:
            return answer
        error = self._error(method, answer)
        if isinstance(error, (Busy, NotAuthorised)) and answer.status in (401, 429):
            wait = error.wait if isinstance(error, Busy) else _PAUSE
            with self._lock:
                self._not_before, self._why = self._clock() + wait, error
        raise error

    def _error(self, method: str, answer: Answer) -> Exception:
        said = printable(answer.body[:500].decode(errors="replace"))
        if answer.status == 429:
            now = self._clock()
            return Busy(
                "mox takes no more calls from here for now: its limit is 1,000 in a minute, and "
                "ten wrong passwords.", 60 - now % 60 + _SPARE,
            )
        if answer.status == 401:
            if "login is disabled" in said:
                return NotAuthorised("The mailbox may not log in: it is suspended on mox.")
            return NotAuthorised(
                "mox does not accept the password of the mailbox that Odoo has. Renew Odoo's "
                "outgoing server, which sets another one."
            )
        if answer.status == 404:
            return Refused(
                f"There is no mox's HTTP API with {method} at this address: switch WebAPIHTTPS on "
                "in the listener of its configuration that has the admin pages."
            )
        if answer.status != 400:
            return UnknownOutcome(f"It did not answer as mox does ({answer.status}).")
        try:
            refusal = Fields.parse(answer.body)
            code, words = refusal.any_text("Code"), refusal.any_text("Message")
        except Unfit as error:
            return UnknownOutcome(f"It did not answer as mox does: {error}.")
        return _meaning(method, code, words)


def _meaning(method: str, code: str, words: str) -> Exception:
    """What an error of its protocol means for whoever called."""
    if code in _LIMITS:
        return Busy(_LIMITS[code], _LATER)
    if code == "server":
        # in Send all of these come before it is in the queue
        return Unreachable(f"mox failed at {method}: {words}")
    if code == "sentOverQuota":
        return UnknownOutcome(f"mox says that it has sent the message, but: {words}")
    if code in _WORDS:
        return Refused(f"{_WORDS[code]}: {words}")
    return Refused(f"mox answers {method} with: {words or code}")
