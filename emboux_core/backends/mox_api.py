# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""An API of a mox server: one session, calls by position, its errors as ours.  This is the
admin's; that of an account is in ``mox_account.py``.

Protocol: "sherpa", JSON over POST, where an error too comes with HTTP 200.  Described for mox
v0.0.17 (2026-08-19); what an older one takes is read from its own description, ``_docs``.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..net.answers import printable
from ..net.errors import Busy, NotAuthorised, Refused, UnknownOutcome, Unreachable
from ..net.guard import Timeouts
from ..net.http import Answer, HttpClient

_ROOT = re.compile(r"https?://[^/]+", re.IGNORECASE)
_LIMIT = 64 * 1024 * 1024  # bytes: the whole configuration of 50,000 accounts
_SPARE = 2.0  # seconds after the full minute or hour, should the clocks differ


class MoxNo(Refused):
    """mox refused: ``code`` of its protocol, ``said`` in its own words."""

    def __init__(self, function: str, code: str, said: str):
        super().__init__(f"mox answers {function} with: {said or code}")
        self.code, self.said = code, said

    def says(self, *parts: str) -> bool:
        """Whether its words contain one of these: there are no codes for what is meant here."""
        return any(part in self.said for part in parts)


class _SessionLost(Exception):
    """mox was restarted, or ten others have logged in since: the call was not made."""


@dataclass(frozen=True)
class _Session:
    cookie: str
    csrf: str


class MoxApi:
    """The admin API below ``url``, the address of mox's admin pages, which is ``/admin`` unless it
    has a path.  Thread-safe.

    ``clock``: UTC seconds, because mox counts calls in minutes and hours of the clock.
    """

    #: What the names of its two cookies begin with.
    _cookies = "webadmin"
    _unknown = "There is no password: enter that of mox's admin pages."
    _not_accepted = (
        "mox does not accept the password. Enter the one of its admin pages; after ten failures in "
        "a minute it locks this machine out."
    )

    def __init__(
        self,
        url: str,
        password: str,
        *,
        allow_private: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self._password = (password or "").strip()
        self._places = [
            HttpClient(
                place, None, base="/api", allow_private=allow_private, timeouts=timeouts,
                ca_file=ca_file, limit=_LIMIT,
            )
            for place in self._addresses((url or "").strip().rstrip("/"))
        ]  # fmt: skip
        self._http = self._places[0]
        self._clock = clock
        self._lock = threading.RLock()
        self._session: _Session | None = None
        self._functions: dict[str, tuple[str, ...]] = {}
        self._busy_until = 0.0
        self._was_busy = False

    def _addresses(self, url: str) -> list[str]:
        """Where the pages of this API may be, below which it is."""
        return [f"{url}/admin" if _ROOT.fullmatch(url) else url]

    def _credentials(self) -> tuple[str, ...]:
        return (self._password,)

    # -- calls -----------------------------------------------------------------------------

    def ask(self, function: str, *params: Any) -> Any:
        """What the function returns; asked a second time if the connection was lost."""
        for last in (False, True):
            try:
                return self._call(function, params)
            except UnknownOutcome as error:
                if last:
                    # nothing is changed by a question
                    raise Unreachable(str(error)) from None
        return None

    def change(self, function: str, *params: Any, secret: str = "") -> Any:
        """As ``ask``, once.

        ``secret``: a parameter that its error must not repeat.
        :raises MoxNo: it refused.
        """
        try:
            return self._call(function, params)
        except MoxNo as error:
            if not secret or secret not in error.said:
                raise
            code = error.code
        # not within the handler: the new error would keep the one with the secret as its context
        raise MoxNo(function, code, "its reason repeats a secret")

    def knows(self, function: str) -> bool:
        """Whether this mox has the function."""
        return function in self._described()

    def parameters(self, function: str) -> tuple[str, ...]:
        """The types of its parameters, ``int64`` or ``[]string`` for instance."""
        return self._described().get(function, ())

    def _described(self) -> dict[str, tuple[str, ...]]:
        if not self._functions:
            docs = self.ask("_docs")
            try:
                self._functions = {
                    function["Name"]: tuple(
                        "".join(param["Typewords"]) for param in function["Params"] or ()
                    )
                    for function in docs["Functions"]
                }
            except (KeyError, TypeError):
                raise Unreachable("It does not describe its functions as mox does.") from None
        return self._functions

    # -- session ---------------------------------------------------------------------------

    def _call(self, function: str, params: tuple[Any, ...]) -> Any:
        session = self._session or self._log_in(None)
        try:
            return self._post(function, params, session)
        except _SessionLost:
            session = self._log_in(session)
        try:
            return self._post(function, params, session)
        except _SessionLost:
            # once more would cost a second and count as a failed log-in
            raise Unreachable("mox does not accept the session that it has just given.") from None

    def _log_in(self, lost: _Session | None) -> _Session:
        """A new session, unless another thread has made one since ``lost``."""
        with self._lock:
            if self._session is not None and self._session is not lost:
                return self._session
            self._session, self._functions = None, {}
            if not self._password:
                raise NotAuthorised(self._unknown)
            answer = self._look_for_it()
            token = self._result("LoginPrep", answer)
            before, after = f"{self._cookies}login", f"{self._cookies}session"
            cookie = answer.cookies.get(before, "")
            answer = self._send(
                "Login", (token, *self._credentials()), {"Cookie": f"{before}={cookie}"}
            )
            csrf = self._result("Login", answer)
            cookie = answer.cookies.get(after, "")
            if not cookie or not isinstance(csrf, str) or not re.fullmatch(r"[\x21-\x7e]+", csrf):
                raise Unreachable("It does not log in as mox does: check the address.")
            self._session = _Session(f"{after}={cookie}", csrf)
            return self._session

    def _look_for_it(self) -> Answer:
        """Begin to log in, at the first place where there is such an API."""
        for place in self._places:
            self._http = place
            answer = self._send("LoginPrep", (), {})
            if answer.status != 404:
                break
        return answer

    def _post(self, function: str, params: tuple[Any, ...], session: _Session) -> Any:
        headers = {"Cookie": session.cookie, "x-mox-csrf": session.csrf}
        return self._result(function, self._send(function, params, headers))

    def _send(self, function: str, params: tuple[Any, ...], headers: dict[str, str]) -> Answer:
        now = self._clock()
        if now < self._busy_until:
            raise self._busy(self._busy_until - now)
        answer = self._http.call(
            "POST", f"/{function}", body=json.dumps({"params": params}).encode(), headers=headers,
            once=True,
        )
        if answer.status == 429:
            with self._lock:
                # else another call that was under way has been told so already
                if self._busy_until <= now:
                    # 1,000 calls in a minute of the clock, and 5,000 in an hour
                    period = 3600 if self._was_busy else 60
                    self._was_busy = True
                    self._busy_until = now - now % period + period + _SPARE
            raise self._busy(self._busy_until - now)
        self._was_busy = False
        return answer

    def _busy(self, wait: float) -> Busy:
        return Busy(
            "mox takes no more calls from here for now: its limit is 1,000 in a minute and 5,000 "
            f"in an hour. It goes on in {wait:.0f} s.", wait,
        )

    def _result(self, function: str, answer: Answer) -> Any:
        try:
            said = json.loads(answer.body)
        # also a list in a list in a list
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or not ({"result", "error"} & set(said)):
            raise UnknownOutcome(
                f"It did not answer as mox does ({answer.status}): check the address."
            )
        error = said.get("error")
        if error is None:
            return said.get("result")
        if not isinstance(error, dict) or not isinstance(error.get("code"), str):
            raise UnknownOutcome("It answers with an error of another shape than mox's.")
        code, words = printable(error["code"], 50), printable(str(error.get("message") or ""))
        if code in ("user:noAuth", "user:badAuth"):
            raise _SessionLost
        if "too many authentication attempts" in words:
            raise Busy("mox takes no log-in from here for now, because too many failed.", 60.0)
        if code == "user:loginFailed":
            raise NotAuthorised(self._not_accepted)
        if code == "sherpa:badFunction":
            raise MoxNo(function, code, f"it is too old and has no {function}")
        if code.startswith("sherpa:"):
            raise MoxNo(function, code, f"{words} (its version is not known here)")
        raise MoxNo(function, code, words)

