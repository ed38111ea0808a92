# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Calls to Amazon's APIs through boto3: deadlines, bounded repeats, errors in words."""

import contextlib
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from odoo.addons.emboux_core.net.answers import printable
from odoo.addons.emboux_core.net.errors import (
    BackendError,
    NotAuthorised,
    Refused,
    UnknownOutcome,
    Unreachable,
)
from odoo.addons.emboux_core.net.guard import Timeouts
from odoo.addons.emboux_core.net.http import check_url

TRIES = 3
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_NOT_AUTHORISED = {
    "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
    "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
    "MissingAuthenticationToken", "NotAuthorized", "OptInRequired",
    "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_BUSY = {"TooManyRequestsException", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
_NOT_TAKEN = (429, 503)  # said before the work began
_SERVICES = ("sesv2", "sns")
#: Whether an attempt of the current call may have been carried out.
_LOST: ContextVar[list[bool]] = ContextVar("lost")


class AwsRefused(Refused):
    """Amazon refused; ``code`` is its name for why, such as ``NotFoundException``."""

    def __init__(self, code: str, sentence: str):
        super().__init__(sentence)
        self.code = code


class AwsCalls:
    """SES and SNS as the holder of an access key; the clients are made by the first call."""

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        region: str,
        endpoint: str,
        allow_private: bool,
        timeouts: Timeouts,
    ):
        self._access_key, self._secret_key = (access_key or "").strip(), (secret_key or "").strip()
        self._region = region
        self._endpoint, self._allow_private = endpoint, allow_private
        self._timeouts = timeouts
        self._clients: dict[str, Any] = {}

    def call(
        self, service: str, operation: str, parameters: Mapping[str, Any], *, changes: bool
    ) -> dict[str, Any]:
        """The answer without its metadata.  ``operation`` is boto3's name of it.

        :raises BackendError: ``AwsRefused`` or another of the failures.
        """
        if time.monotonic() >= self._timeouts.until:
            raise Unreachable("There was no time left to ask Amazon.")
        client = self._client(service)
        failure: BackendError | None = None
        with _watching() as lost:
            try:
                answer = getattr(client, operation)(**parameters)
            except ClientError as error:
                failure = self._refusal(error, changes, lost)
            except BotoCoreError as error:
                failure = self._failure(error, changes, lost)
            except (AttributeError, LookupError, TypeError, ValueError):
                # boto3's own parser stumbles over JSON of another shape
                kind = UnknownOutcome if changes else Unreachable
                failure = kind("It did not answer as Amazon does: the JSON has another shape.")
        if failure:
            raise failure  # here, so that it does not carry boto3's error and what is in it
        # boto3 makes an empty answer of a page of something else; Amazon's have a number each
        if not answer.pop("ResponseMetadata", {}).get("RequestId"):
            kind = UnknownOutcome if changes else Unreachable
            raise kind("It did not answer as Amazon does: check the address.")
        return answer

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            if not re.fullmatch(r"[A-Z0-9]{16,128}", self._access_key) or not self._secret_key:
                raise NotAuthorised("There is no usable access key: copy it again from Amazon.")
            if not _REGION.fullmatch(self._region):
                raise Refused("The region is none of Amazon's: give one such as eu-west-1.")
            endpoint = check_url(self._endpoint, self._allow_private) if self._endpoint else None
            # somebody waits: no retries, whose pauses cannot be interrupted
            left = self._timeouts.until - time.monotonic()
            client = boto3.session.Session(
                aws_access_key_id=self._access_key,
                aws_secret_access_key=self._secret_key,
                region_name=self._region,
            ).client(
                service,
                endpoint_url=endpoint,
                config=Config(
                    connect_timeout=self._timeouts.connect,
                    read_timeout=min(self._timeouts.read, max(1, left)),
                    retries={
                        "total_max_attempts": TRIES if left == math.inf else 1,
                        "mode": "standard",
                    },
                    proxies={},  # neither from the environment nor from elsewhere
                    ignore_configured_endpoint_urls=True,
                ),
            )
            client.meta.events.register(f"needs-retry.{service}", _note)
            self._clients[service] = client
        return self._clients[service]

    def _refusal(self, error: ClientError, changes: bool, lost: list[bool]) -> BackendError:
        said = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = printable(str(said.get("Code", "")), 100)
        if status in _NOT_TAKEN or code in _BUSY:
            kind = UnknownOutcome if changes and any(lost) else Unreachable
            return kind(f"Amazon is too busy to take the call ({status}).")
        if status >= 500:
            kind = UnknownOutcome if changes else Unreachable
            return kind(f"Amazon answered with {status}, which is an error of its own.")
        if code in _NOT_AUTHORISED or status in (401, 403):
            if changes and any(lost):
                return UnknownOutcome("An answer got lost, and now the access key is not accepted.")
            return NotAuthorised(
                f"Amazon does not accept the access key for this ({code or status}): check the "
                "key, its region and its permissions for SES and SNS."
            )
        sentence = printable(str(said.get("Message", "")))
        if not 400 <= status < 500 or not sentence or not re.fullmatch(r"[A-Za-z]+", code):
            return Refused(f"It answered with {status}, but not as Amazon does: check the address.")
        if self._secret_key in sentence or self._access_key in sentence:
            sentence = f"Amazon's reason ({code}) repeats a secret and is not shown."
        return AwsRefused(code, sentence)

    def _failure(self, error: BotoCoreError, changes: bool, lost: list[bool]) -> BackendError:
        """In words, because errors of boto3 may carry the request with them."""
        if isinstance(error, EndpointConnectionError | ConnectTimeoutError | SSLError):
            kind = UnknownOutcome if changes and any(lost) else Unreachable
            return kind(f"No connection to Amazon in {self._region} came about.")
        kind = UnknownOutcome if changes else Unreachable
        if isinstance(error, ReadTimeoutError):
            return kind(f"Nothing more came from Amazon within {self._timeouts.read:g} s.")
        if type(error).__name__ == "ParamValidationError":
            return Refused("Amazon's rules do not allow such a name or setting.")
        return kind(f"No usable answer came from Amazon ({type(error).__name__}).")


@contextlib.contextmanager
def _watching() -> Iterator[list[bool]]:
    lost: list[bool] = []
    token = _LOST.set(lost)
    try:
        yield lost
    finally:
        _LOST.reset(token)


def _note(response=None, caught_exception=None, **_event) -> None:
    """After each attempt: may it have been carried out?  boto3 reports the last one only."""
    lost = _LOST.get(None)
    if lost is None:
        return
    if caught_exception is not None:
        never = (EndpointConnectionError, ConnectTimeoutError, SSLError)
        lost.append(not isinstance(caught_exception, never))
    elif response is not None:
        status = response[0].status_code
        lost.append(status >= 500 and status not in _NOT_TAKEN)
