# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How a request becomes a call of an operation, and its result or error an answer in JSON."""

import hashlib
import hmac
import logging
import re
import threading
import time
import uuid
from contextlib import nullcontext
from functools import cache

import psycopg2
from psycopg2.pool import PoolError
from pydantic import TypeAdapter
from pydantic import ValidationError as Unfit
from werkzeug.exceptions import HTTPException

from odoo import http
from odoo.exceptions import AccessDenied, AccessError, ConcurrencyError, MissingError, UserError
from odoo.exceptions import ValidationError as InvalidRecord
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ...api_errors import MASTER_REQUIRED, READ_ONLY, ApiError, invalid, not_found, too_many
from . import throttle
from .locks import end_with_transaction, hold_lock, take_lock
from .operation import BASE, FORM, OPERATIONS
from .types import LARGEST, Address, AliasAddress, DomainName, Line, Recipient, problems

_logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PATH_TYPES = {
    "name": TypeAdapter(DomainName),
    "email": TypeAdapter(Address),
    "address": TypeAdapter(AliasAddress),
    "recipient": TypeAdapter(Recipient),
    "key_id": TypeAdapter(int),
    "id": TypeAdapter(int),
    "webhook_id": TypeAdapter(int),
    "delivery_id": TypeAdapter(int),
    "queued_id": TypeAdapter(int),
    "rule_id": TypeAdapter(int),
    "recipient_domain": TypeAdapter(DomainName),
    "token": TypeAdapter(Line),
}
#: An invalid name in the path is 404; where it is only a question, 422.
_ASKED_ABOUT = {"recipient"}


class ApiDispatcher(http.Dispatcher):
    """JSON in, JSON out, for routes of ``type="emboux"``."""

    routing_type = "emboux"

    def __init__(self, request):
        super().__init__(request)
        wished = request.httprequest.headers.get("X-Request-ID", "")
        self.request_id = wished if _REQUEST_ID.fullmatch(wished) else uuid.uuid4().hex
        self.operation = None
        self.started = time.monotonic()

    @classmethod
    def is_compatible_with(cls, request):
        return True

    def dispatch(self, endpoint, args):
        self.operation = OPERATIONS.get(endpoint.routing.get("emboux_operation"))
        try:
            if self.operation is None:  # documents, and unknown paths
                return endpoint(**args)
            return self._call(endpoint, args)
        except UserError as error:
            raise as_api_error(error) from error

    def _call(self, endpoint, args):
        operation, key = self.operation, self.request.emboux_key
        if self.request.httprequest.method not in _methods(operation):
            raise wrong_method(self.request.httprequest.path)
        if key:
            _assert_allowed(operation, key)
            throttle.assert_rate(key, self.request.env)
        if (LARGEST.keys() & set(operation.path_parameters)
                and self.request.httprequest.path in _literal_paths()):
            # GET /messages/send is no message of the number "send"
            raise wrong_method(self.request.httprequest.path)
        arguments = _path_arguments(args)
        if operation.query.model_fields:
            arguments["query"] = self._query(operation)
        elif self.request.httprequest.args:
            raise invalid("query", "this operation takes no parameters")
        if operation.body:
            arguments["body"] = self._body(operation)
        if replay := self._replay():
            return replay
        with throttle.single_bulk(key) if operation.bulk else nullcontext():
            return self._do(endpoint, arguments)

    def _do(self, endpoint, arguments):
        env = self.request.env
        end = self._lock_key()
        try:
            response = self._answer_to(endpoint, arguments)
        except BaseException:
            end()
            raise
        end_with_transaction(env, end)  # from now on others find the answer
        return response

    def _answer_to(self, endpoint, arguments):
        operation = self.operation
        if operation.prepare and (name := operation.prepare(self.request.env, arguments)):
            take_lock(self.request.env, name)
        if replay := self._begin_idempotent():
            return replay
        self._assert_unchanged(endpoint, arguments)
        result = endpoint(**arguments)
        status = operation.status
        if isinstance(result, tuple):
            status, result = result
        if operation.out and not isinstance(result, operation.out):
            raise TypeError(f"{operation.name} answered {type(result)}, not {operation.out}")
        body = result.model_dump_json(by_alias=True) if result is not None else ""
        response = self._answer(status, body)
        if result is not None and (operation.current or operation.method == "GET"):
            response.headers["ETag"] = etag(result)
        self._end_idempotent(status, result)
        # let the database's constraints fail now, where errors become responses
        self.request.env.cr.flush()
        return response

    # -- the request ---------------------------------------------------------------------

    def _query(self, operation):
        given = self.request.httprequest.args.to_dict()
        try:
            return operation.query.model_validate(given)
        except Unfit as error:
            raise ApiError(422, problems(error)) from error

    def _body(self, operation):
        sent = self.request.httprequest
        as_form = operation.files and sent.mimetype == FORM
        if not as_form and sent.mimetype not in operation.accepts:
            raise ApiError(415, "Send JSON, with the header Content-Type: application/json")
        with throttle.bounded_body(sent, self.request.env):
            data = sent.form.get("message", "") if as_form else sent.get_data()
        try:
            body = operation.body.model_validate_json(data, strict=True)
        except Unfit as error:
            raise ApiError(422, problems(error)) from error
        if as_form:
            body._files = [file for _name, file in sent.files.items(multi=True)]
        return body

    def _assert_unchanged(self, endpoint, arguments):
        """``If-Match``: the resource must not have changed since the client read it (RFC 9110,
        13.1.1)."""
        wanted = self.request.httprequest.headers.get("If-Match")
        if not self.operation.current or not wanted or wanted.strip() == "*":
            return
        controller = endpoint.func.__self__
        show = getattr(controller, self.operation.current)
        path = {name: arguments[name] for name in self.operation.path_parameters}
        seen = {part.strip() for part in wanted.split(",")}
        if etag(show.original_endpoint(controller, **path)) not in seen:
            raise ApiError(412, "It has changed since you read it. Read it again, then decide.")

    # -- idempotency --------------------------------------------------------------

    _idempotent = None

    def _replay(self):
        """The stored response to this ``Idempotency-Key``, before any work is done; or None."""
        if not self._idempotency_key():
            return None
        return self._answer_again(self._register()._find_answer(*self._named()))

    def _lock_key(self):
        """Let one request with an ``Idempotency-Key`` come after the other, if the register's row
        cannot do it: what an operation commits before its answer is there ends the row's lock.

        Returns what lets the next one in.
        """
        if not self.operation.commits or not self._idempotency_key():
            return lambda: None
        return hold_lock(self.request.env, "answer to {} {}".format(*self._named()))

    def _begin_idempotent(self):
        """Reserve the ``Idempotency-Key``; returns the response of a faster request, or None."""
        if not self._idempotency_key():
            return None
        if self.operation.commits:
            return self._replay()  # its row comes along with the answer: never an empty one
        self._idempotent = self._register()._reserve(*self._named(), self._fingerprint())
        return self._answer_again(self._idempotent)

    def _idempotency_key(self):
        wished = self.request.httprequest.headers.get("Idempotency-Key")
        if self.operation.method != "POST" or not self.request.emboux_key or wished is None:
            return None
        if not _IDEMPOTENCY_KEY.fullmatch(wished):
            raise invalid("Idempotency-Key", "it is 1 to 255 visible ASCII characters")
        return wished

    def _register(self):
        # as superuser: the register of answers is nobody's
        return self.request.env["emboux.idempotency"].sudo()

    def _named(self):
        return self.request.emboux_key.id, self._idempotency_key()

    def _fingerprint(self):
        """Of the request, keyed with the secret that is not stored: it may hold a password."""
        sent = self.request.httprequest
        parts = [sent.method.encode(), sent.full_path.encode()]
        if sent.mimetype == FORM:
            parts.append(sent.form.get("message", "").encode())
            for name, file in sent.files.items(multi=True):
                file.stream.seek(0)
                parts += [f"{name} {file.filename} {file.mimetype}".encode(),
                          hashlib.file_digest(file.stream, "sha256").digest()]
                file.stream.seek(0)
        else:
            parts.append(sent.get_data())
        secret = self.request.emboux_key.token.encode()
        return hmac.new(secret, b"\0".join(parts), hashlib.sha256).hexdigest()

    def _answer_again(self, earlier):
        if not earlier.status:
            return None
        if earlier.fingerprint != self._fingerprint():
            raise invalid("Idempotency-Key", "it was used for another request; choose a new one")
        response = self._answer(earlier.status, earlier.body or "")
        response.headers["Idempotency-Replayed"] = "true"
        return response

    def _end_idempotent(self, status, result):
        if self.operation.commits and self._idempotency_key():
            begun = self._register()._reserve(*self._named(), self._fingerprint())
            self._idempotent = None if begun.status else begun
        if self._idempotent is not None:
            kept = result
            if kept is not None and hasattr(kept, "without_secret"):
                kept = kept.without_secret()
            self._idempotent._store_answer(
                status, kept.model_dump_json() if kept is not None else ""
            )

    # -- the answer ----------------------------------------------------------------------

    def _answer(self, status, body):
        headers = [("Cache-Control", "no-store")]
        if body:
            headers.append(("Content-Type", "application/json"))
        response = http.Response(body, status=status, headers=headers)
        if not body:
            response.headers.remove("Content-Type")
        return response

    def post_dispatch(self, response):
        """No session is ever saved: the key is checked with each request."""
        response.headers["X-Request-ID"] = self.request_id
        self._log(response.status_code)

    def handle_error(self, exc):
        error = as_api_error(exc, self.request_id)
        response = error.get_response()
        response.headers["X-Request-ID"] = self.request_id
        response.headers["Cache-Control"] = "no-store"
        self._log(error.code)
        return response

    def _log(self, status):
        key = getattr(self.request, "emboux_key", None)
        _logger.info(
            "%s %s: %s, key %s, request %s, %s statements, %.0f ms",
            self.request.httprequest.method,
            self.operation.path if self.operation else "-",
            status,
            key.id if key else "-",
            self.request_id,
            getattr(threading.current_thread(), "query_count", "-"),  # Odoo's own count
            1000 * (time.monotonic() - self.started),
        )


def as_api_error(exc, request_id=""):
    """The answer to an exception; the models' sentences are passed on, nothing else is."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, HTTPException):
        return ApiError(exc.code or 500, exc.description or exc.name)
    if isinstance(exc, (AccessError, AccessDenied)):
        return ApiError(403, "This key may not do that")
    if isinstance(exc, MissingError):
        return not_found()
    if isinstance(exc, InvalidRecord):
        if isinstance(exc.__cause__, psycopg2.errors.UniqueViolation):
            return ApiError(409, str(exc).removeprefix("The operation cannot be completed: "))
        return invalid(None, str(exc))
    if isinstance(exc, UserError):
        # a plain one means a conflict with the current state
        pause = getattr(exc, "retry_after", None)
        return ApiError(409 if type(exc) is UserError else exc.http_status, str(exc),
                        {"Retry-After": str(pause)} if pause else None)
    if isinstance(exc, (*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY, ConcurrencyError)):
        return too_many("The same data is being changed by another request. Repeat the request.", 1)
    if isinstance(exc, PoolError):
        return too_many("The server is busy just now. Repeat the request.", 1)
    if isinstance(exc, (psycopg2.OperationalError, psycopg2.InterfaceError)):
        return ApiError(
            503, "The database is unavailable. Repeat the request.", {"Retry-After": "5"}
        )
    return ApiError(500, f"Internal error. Tell the operator this request: {request_id}")


def etag(shown):
    """A strong validator of what the client may change (RFC 9110, 8.8.3)."""
    kept = shown.model_dump_json(exclude=set(shown.volatile) or None)
    return f'"{hashlib.sha256(kept.encode()).hexdigest()[:32]}"'


def wrong_method(path):
    """405 with the allowed methods, or 404 for an unknown path."""
    here = [op for op in OPERATIONS.values() if _matches(op, path)]
    literal = [op for op in here if not op.path_parameters]
    allowed = sorted({method for op in literal or here for method in _methods(op)})
    if not allowed:
        return not_found()
    return ApiError(405, f"Here you can use {', '.join(allowed)}", {"Allow": ", ".join(allowed)})


@cache
def _literal_paths():
    return {BASE + operation.path for operation in OPERATIONS.values()
            if not operation.path_parameters}


def _matches(operation, path):
    pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(operation.path.rstrip("/")))
    return re.fullmatch(f"/emboux/v1{pattern}/?", path)


def _methods(operation):
    return ("GET", "HEAD") if operation.method == "GET" else (operation.method,)


def _assert_allowed(operation, key):
    if operation.role == "master" and key.role != "master":
        raise ApiError(403, MASTER_REQUIRED)
    if operation.writes and key.read_only:
        raise ApiError(403, READ_ONLY)
    if operation.area and key.area != "all" and key.area != operation.area:
        raise ApiError(403, f"This key reaches {key.area} only")
    if key.area == "metrics":
        raise ApiError(403, "This key reaches metrics only")
    if operation.role == "master" and operation.area is None:
        # otherwise it could create a key that reaches everything
        if key.area != "all":
            raise ApiError(403, f"This key reaches {key.area} only")
        if key.domain_name:
            raise ApiError(403, "This key reaches one domain only")


def _path_arguments(args):
    parsed = {}
    for name, text in args.items():
        try:
            parsed[name] = _PATH_TYPES[name].validate_python(text)
        except Unfit as error:
            if name in _ASKED_ABOUT:
                raise ApiError(422, [{**problem, "field": name} for problem in problems(error)]
                               ) from error
            raise not_found() from error
        if name in LARGEST and not 0 < parsed[name] <= LARGEST[name]:
            raise not_found()
    return parsed

