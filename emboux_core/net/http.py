# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Calls to the JSON API of a mail platform: checked addresses, deadlines and bounded repeats."""

import email.utils
import logging
import random
import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import urlencode, urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import SSLError as TlsError

from ..addresses import AddressError, normalise_domain
from .answers import printable
from .errors import BackendError, NotAuthorised, Refused, UnknownOutcome, Unreachable
from .guard import Attempt, Timeouts, exchange, guarded_session

_logger = logging.getLogger(__name__)

TRIES = 3
MAX_RESPONSE_BYTES = 8 * 1024 * 1024  # bytes
MAX_PAUSE = 10.0  # seconds between two tries; a longer Retry-After is left to the caller
_FIRST_PAUSE = 0.5  # seconds, doubled with each try
_REPEATED = {429, 502, 503, 504}
_NOT_TAKEN = {429, 503}  # sent before any work began
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
_KEY = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Answer:
    """``status`` 200-299 or 400-499, the body as it came, and the cookies, name to value, quotes
    included."""

    status: int
    body: bytes = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Try:
    """What became of one try: an answer, or why there is none."""

    status: int = 0
    body: bytes = field(default=b"", repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    redirected_to: str = ""
    wait: float | None = None  # seconds that the server asks for
    problem: str = ""
    sent: bool = True
    repeatable: bool = True


def check_url(url: str, allow_private: bool = False) -> str:
    """The URL without a slash at its end.

    :raises Refused: it is none of https, or has something in it that an address of an API has not.
    """
    url = (url or "").strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = normalise_domain(host)
    except (ValueError, AddressError):
        raise Refused("The address is not a URL: give one such as https://mail.example.") from None
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise Refused(
            "The address may hold no user name, password, query or fragment: give the start of "
            "the URL alone, such as https://mail.example."
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_private):
        raise Refused("The address has to begin with https://, so that nobody reads the key.")
    host = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path) or port == 0:
        raise Refused("The address is not a URL: give one such as https://mail.example.")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


class _Bearer(requests.auth.AuthBase):
    """Keeps the key out of headers that a session would show, and of ``repr``."""

    def __init__(self, key: str):
        self._key = key

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class HttpClient:
    """Calls below ``url``, as the holder of ``key``, or without one.

    ``base``: path that is added to the URL, unless it ends in it. ``ca_file``: certificates of
    authorities to trust instead of the usual ones. ``limit``: bytes of an answer. ``sleep``
    (seconds) and ``jitter`` (a number from 0 to 1) are for tests. A wrong URL or key is refused by
    the first call, not here.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        base: str = "",
        allow_private: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        ca_file: str | None = None,
        limit: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        self._url, self._base = url, base
        self._key = key if key is None else key.strip()
        self._allow_private = allow_private
        self._timeouts, self._limit = timeouts, limit
        self._sleep, self._jitter = sleep, jitter
        self._session = guarded_session(ca_file, Accept="application/json")

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> Answer:
        """Send a request, three times at most, and return the answer that says yes or no.

        ``path`` is percent-encoded already. A POST carries an ``Idempotency-Key``, the same
        in all tries, so it may be repeated like the other methods. ``once``: for a server that
        knows no such key; then 429 is an answer like others.

        :raises BackendError: one of the three failures, for whatever is neither 2xx nor 4xx, and
            for 429; for a change of which an earlier try may have been done also for answers
            that say nothing about it.
        """
        prepared = self._prepare(method, path, query, body, headers or {}, once)
        changes = method != "GET"
        deadline = self._timeouts.deadline()
        lost = False  # a try of this change may have been done
        for number in range(1, TRIES + 1):
            attempt = Attempt(
                deadline, self._timeouts, self._most(), self._allow_private,
                plain=prepared.url.startswith("http:"),
            )  # fmt: skip
            made = self._try(prepared, attempt)
            if attempt.refusal:
                raise (UnknownOutcome if lost else Refused)(attempt.refusal)
            if once and made.status == 429:
                return Answer(429, made.body)
            if made.status in _REPEATED or not made.status:
                unknown = made.sent if not made.status else made.status not in _NOT_TAKEN
                lost = lost or (changes and unknown)
            pause = None if once else self._pause(number, made)
            if pause is None or time.monotonic() + pause >= deadline:
                break
            _logger.info(
                "%s at %s: %s, again in %.1f s", method, _origin(prepared.url),
                made.problem or made.status, pause,
            )  # fmt: skip
            self._sleep(pause)
        return self._final(made, changes, lost)

    def _prepare(self, method, path, query, body, headers, once) -> requests.PreparedRequest:
        url = check_url(self._url, self._allow_private)
        if self._key is not None and not _KEY.fullmatch(self._key):
            raise NotAuthorised("There is no usable key: copy it again from the platform.")
        headers = dict(headers)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if method == "POST" and not once:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        url = f"{url.removesuffix(self._base)}{self._base}{path}"
        if query:
            url += f"?{urlencode(query)}"
        auth = _Bearer(self._key) if self._key else None
        return self._session.prepare_request(
            requests.Request(method, url, headers=headers, data=body, auth=auth)
        )

    def _try(self, prepared: requests.PreparedRequest, attempt: Attempt) -> _Try:
        try:
            response, body = exchange(self._session, prepared, attempt)
        except (requests.RequestException, HTTPError, HTTPException, OSError) as error:
            # as text, because errors of requests carry the request and with it the key
            return _Try(
                problem=self._why(error, attempt),
                sent=attempt.sent,
                repeatable=not (attempt.oversize or _of_kind(error, ssl.SSLCertVerificationError)),
            )
        return _Try(
            response.status_code, body, _cookies(response), response.redirected_to,
            _retry_after(response.headers.get("Retry-After", "")),
        )  # fmt: skip

    def _why(self, error: BaseException, attempt: Attempt) -> str:
        where = _origin(check_url(self._url, self._allow_private))
        if attempt.oversize:
            return f"Its answer is longer than {self._most() // 1024**2} MiB."
        if attempt.sent:
            if time.monotonic() >= attempt.deadline:
                return f"No whole answer came within {self._timeouts.total:g} s."
            if _of_kind(error, TimeoutError):
                return f"Nothing more came within {self._timeouts.read:g} s."
            return "The connection ended before the answer was complete."
        if _of_kind(error, (socket.gaierror, UnicodeError)):
            return f"The name in {where} cannot be resolved: check the address."
        if certificate := _of_kind(error, ssl.SSLCertVerificationError):
            reason = printable(certificate.verify_message)
            return f"The certificate of {where} is not accepted: {reason}."
        if _of_kind(error, TimeoutError):
            return f"No connection to {where} within {self._timeouts.connect:g} s."
        if _of_kind(error, ConnectionRefusedError):
            return f"Nothing takes connections at {where}."
        if _of_kind(error, (ssl.SSLError, TlsError)):
            return f"No connection over TLS came about with {where}."
        return f"No connection to {where} came about."

    def _most(self) -> int:
        """Bytes of an answer."""
        return self._limit or MAX_RESPONSE_BYTES

    def _pause(self, number: int, made: _Try) -> float | None:
        """Seconds before the next try, None when there is to be none."""
        if number == TRIES or (made.status and made.status not in _REPEATED):
            return None
        if not made.repeatable or (made.wait or 0) > MAX_PAUSE:
            return None
        pause = _FIRST_PAUSE * 2 ** (number - 1) * (0.5 + self._jitter() / 2)
        return max(made.wait or 0, min(pause, MAX_PAUSE))

    def _final(self, made: _Try, changes: bool, lost: bool) -> Answer:
        """The answer, if it says yes or no."""
        status = made.status
        if 200 <= status < 300 or (400 <= status < 500 and status != 429):
            if lost and status in (401, 403):
                raise UnknownOutcome(
                    "An answer got lost, and then the key was not accepted any more."
                )
            return Answer(status, made.body, made.cookies)
        if 300 <= status < 400 and not lost:
            target = _origin(made.redirected_to)
            hint = f" to {target}: if that is right, enter it as the address" if target else ""
            raise Refused(f"It redirects ({status}){hint}. Redirections are not followed.")
        if status in _NOT_TAKEN:
            later = f" It asks to be left alone for {made.wait:.0f} s." if made.wait else ""
            problem = f"It is too busy to take the call ({status}).{later}"
        else:
            problem = made.problem or f"It answered with {status}, which is an error of its own."
        kind: type[BackendError] = Unreachable
        if lost or (changes and status not in _NOT_TAKEN and made.sent):
            kind = UnknownOutcome
        raise kind(problem)


def _origin(url: str) -> str:
    """Scheme, host and port of a URL as far as they can be shown, or an empty string."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = parts.hostname or ""
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in ("http", "https") or len(host) > 253 or not _HOST.fullmatch(host):
        return ""
    return f"{parts.scheme}://{host}{port}"


def _cookies(response: requests.Response) -> dict[str, str]:
    """As they are to be sent back; the session itself keeps none."""
    lines = response.raw.headers.getlist("Set-Cookie")
    pairs = (line.split(";")[0].partition("=") for line in lines)
    return {name.strip(): value.strip() for name, _equals, value in pairs}


def _retry_after(text: str) -> float | None:
    """Seconds from now that a ``Retry-After`` means (RFC 9110, 10.2.3), None if nothing."""
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _of_kind(error: BaseException | None, kind) -> BaseException | None:
    """The first error of this kind among an error and its causes, as libraries wrap them."""
    waiting, seen = [error], set()
    while waiting:
        error = waiting.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        if isinstance(error, kind):
            return error
        waiting += [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
    return None
