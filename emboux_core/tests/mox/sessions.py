# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Who has logged in to the stand-in, and how often somebody asks."""

import base64
import http.cookies
import random
import secrets
import time

from .docs import Failure

_LOGIN, _SESSION = "webadminlogin", "webadminsession"
_MORE_THAN = 10  # sessions make the oldest go
_PER_MINUTE, _PER_HOUR = 1000, 5000
_FAILED_PER_MINUTE = 10
_ATTRIBUTES = "Path=/admin/; {}HttpOnly; SameSite=Strict"


def _token(count: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(count)).decode().rstrip("=")


class Refused(Exception):
    """A request without a session that is any good."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


class Sessions:
    """In memory only, as the real one keeps those of administrators."""

    def __init__(self, password: str, old: bool, attempted):
        self.password, self.old, self._attempted = password, old, attempted
        self.tokens: dict[str, str] = {}  # session to CSRF token, the oldest use first

    @staticmethod
    def _cookie(headers, name):
        """``http.cookies`` takes the quotes off; the space inside them is part of the value."""
        cookies = http.cookies.SimpleCookie()
        cookies.load(headers.get("Cookie") or "")
        return cookies[name].value if name in cookies else None

    def prepare(self):
        """Return a token and the header that keeps it for the login."""
        token = _token(8)
        kept = _ATTRIBUTES.format("Max-Age=30; ")
        return token, [("Set-Cookie", f"{_LOGIN}={token}; {kept}")]

    def login(self, headers, token, password):
        cookie = self._cookie(headers, _LOGIN)
        if not cookie or cookie != token:
            raise Failure("user:error", "missing login token cookie")
        if password != self.password:
            self._attempted("badcreds")
            raise Failure("user:loginFailed", "invalid credentials")
        self._attempted("ok")
        if len(self.tokens) > _MORE_THAN:
            # the earlier generation means the oldest, and takes any
            del self.tokens[random.choice(list(self.tokens)) if self.old else next(
                iter(self.tokens))]
        session, csrf = _token(16), _token(16)
        self.tokens[session] = csrf
        kept = _ATTRIBUTES.format("")
        gone = _ATTRIBUTES.format("Max-Age=0; ")
        account = "" if self.old else "%28admin%29"
        return csrf, [("Set-Cookie", f'{_SESSION}="{session} {account}"; {kept}'),
                      ("Set-Cookie", f"{_LOGIN}=; {gone}")]  # fmt: skip

    def check(self, headers) -> str:
        """Return the session of a request."""
        csrf = headers.get("X-Mox-Csrf")
        if not csrf:
            raise Refused("user:noAuth", "missing required csrf header")
        cookie = self._cookie(headers, _SESSION)
        if cookie is None:
            where = "" if self.old else ' for "admin" web interface'
            raise Refused("user:noAuth", f"no session{where}")
        session, space, _account = cookie.partition(" ")
        if not space:
            raise Refused("user:badAuth", "malformed session")
        if session not in self.tokens:
            reason = "" if self.old else " (due to server restart or 10 new admin sessions)"
            raise Refused("user:badAuth", f"unknown session{reason}")
        if self.tokens[session] != csrf:
            raise Refused("user:badAuth", "mismatch between csrf and session tokens")
        self.tokens[session] = self.tokens.pop(session)
        return session

    def logout(self, session):
        del self.tokens[session]
        gone = _ATTRIBUTES.format("Max-Age=0; ")
        return [("Set-Cookie", f"{_SESSION}=; {gone}")]


class Limits:
    """Requests in a minute and an hour of the clock, and logins that failed."""

    def __init__(self, clock=time.time):
        self.clock = clock
        self._counts: dict[tuple[str, int], int] = {}

    def _over(self, name, length, limit, add=1) -> bool:
        window = (name, int(self.clock() // length))
        self._counts = {one: count for one, count in self._counts.items()
                        if one[0] != name or one == window}  # fmt: skip
        count = self._counts.get(window, 0) + add
        if count <= limit:
            self._counts[window] = count
        return count > limit

    def too_many_requests(self) -> bool:
        return self._over("minute", 60, _PER_MINUTE) or self._over("hour", 3600, _PER_HOUR)

    def failed(self) -> None:
        self._over("failed", 60, _FAILED_PER_MINUTE)

    def too_many_failures(self) -> bool:
        """The eleventh does not get through, nor does anybody with a good session."""
        return self._over("failed", 60, _FAILED_PER_MINUTE - 1, 0)

    def succeeded(self) -> None:
        self._counts = {one: n for one, n in self._counts.items() if one[0] != "failed"}
