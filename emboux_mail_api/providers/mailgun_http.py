# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Calls to Mailgun's HTTP API: basic authentication, multipart forms and its rate limit.

Sources: documentation.mailgun.com (API overview, response codes, Domains) and, for what
``X-RateLimit-Reset`` counts, Mailgun's own Go client.
"""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

import requests
from requests.auth import HTTPBasicAuth
from urllib3.filepost import encode_multipart_formdata

from odoo.addons.emboux_core.net.answers import Fields, Unfit
from odoo.addons.emboux_core.net.errors import NotAuthorised
from odoo.addons.emboux_core.net.http import Answer, HttpClient, check_url

_KEY = re.compile(r"[\x21-\x7e]+")
_USER = "api"
_MAX_WAIT_SECONDS = 24 * 3600  # seconds that a limit may ask for
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


class MailgunHttp(HttpClient):
    """``HttpClient`` as Mailgun wants it.

    All of Mailgun's calls that are made here name what they change, so that a second one finds
    the first one's work: a POST may be repeated although Mailgun knows no ``Idempotency-Key``.
    """

    def __init__(self, url: str, key: str, **options):
        super().__init__(url, key, **options)
        self._boundary = secrets.token_hex(16)
        self._session.hooks["response"].append(_read_limit)

    def form(self, method: str, path: str, fields: Mapping[str, str | tuple[str, ...]]) -> Answer:
        """Send ``fields`` as multipart/form-data, a tuple as a field that is there repeatedly."""
        pairs = [
            (name, value)
            for name, values in fields.items()
            for value in ((values,) if isinstance(values, str) else values)
        ]
        body, _content_type = encode_multipart_formdata(pairs, self._boundary)
        return self.call(method, path, body=body)

    def _prepare(self, method, path, query, body, _headers, _once) -> requests.PreparedRequest:
        url = check_url(self._url, self._allow_private)
        if not _KEY.fullmatch(self._key):
            raise NotAuthorised("There is no usable API key: copy it again from Mailgun.")
        headers = {}
        if body is not None:
            headers["Content-Type"] = f"multipart/form-data; boundary={self._boundary}"
        return self._session.prepare_request(
            requests.Request(
                method,
                f"{url}{path}",
                params=query,
                headers=headers,
                data=body,
                auth=HTTPBasicAuth(_USER, self._key),
            )  # fmt: skip
        )

    def _try(self, prepared, attempt):
        made = super()._try(prepared, attempt)
        if made.status == 429 and made.wait is None:
            try:
                wait = Fields.parse(made.body).number("retry-seconds", 0, _MAX_WAIT_SECONDS)
            except Unfit:
                return made
            made = replace(made, wait=float(wait))
        return made


def _read_limit(response: requests.Response, *_args, **_options) -> None:
    """Say in ``Retry-After`` what ``X-RateLimit-Reset`` says, which is in seconds since 1970."""
    reset = response.headers.get("X-RateLimit-Reset", "").strip()
    if response.status_code != 429 or "Retry-After" in response.headers:
        return
    if _SECONDS.fullmatch(reset):
        wait = float(reset) - time.time()
        if wait <= _MAX_WAIT_SECONDS:
            response.headers["Retry-After"] = str(max(0, round(wait + 0.5)))
