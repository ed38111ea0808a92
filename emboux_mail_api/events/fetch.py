# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One GET over HTTPS, guarded: bounded in time and size, no redirections, no proxy, no repeats."""

import time
from http.client import HTTPException

import requests
from urllib3.exceptions import HTTPError

from odoo.addons.emboux_core.net.guard import Attempt, Timeouts, exchange, guarded_session

_TIMEOUTS = Timeouts(connect=3.0, read=5.0, total=8.0)


class FetchFailed(Exception):
    """There was no whole answer; ``str()`` is why, in words."""


class Fetcher:
    """``allow_private`` and ``ca_file`` (authorities to trust instead of the usual ones) are for
    tests and for an installation's own hands, never for what somebody sends."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        ca_file: str | None = None,
        timeouts: Timeouts = _TIMEOUTS,
    ):
        self._allow_private, self._ca_file, self._timeouts = allow_private, ca_file, timeouts

    def get(self, url: str, limit: int) -> tuple[int, bytes]:
        """Status and body.  A redirection is answered as what it is, with its 3xx.

        :param limit: bytes of the whole answer, head and body.
        :raises FetchFailed:
        """
        if not url.startswith("https://"):
            raise FetchFailed("Nothing is fetched but by https.")
        attempt = Attempt(
            time.monotonic() + self._timeouts.total, self._timeouts, limit, self._allow_private
        )
        try:
            # a session of its own each time: nothing that one server sets reaches another
            with guarded_session(self._ca_file) as session:
                prepared = session.prepare_request(requests.Request("GET", url))
                response, body = exchange(session, prepared, attempt)
        except (requests.RequestException, HTTPError, HTTPException, OSError) as error:
            raise FetchFailed(self._why(error, attempt)) from error
        return response.status_code, body

    def _why(self, error: BaseException, attempt: Attempt) -> str:
        if attempt.refusal:
            return attempt.refusal
        if attempt.oversize:
            return f"The answer is longer than {attempt.limit} bytes."
        if time.monotonic() >= attempt.deadline:
            return f"No whole answer came within {self._timeouts.total:g} s."
        return f"No answer came about ({type(error).__name__})."
