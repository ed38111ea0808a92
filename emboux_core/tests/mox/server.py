# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The stand-in's HTTP server: the protocol around the calls, and the faults that tests order.

    with MoxServer() as mox:
        mox.config.AccountAdd("alice", "alice@localhost")  # as if somebody else had done it
        mox.faults.cut_after("AddressAdd")
        ...
        mox.calls  # [("LoginPrep", []), ("Login", [...]), ...]
"""

import threading
import time

from . import faults, sherpa
from .config import Config
from .docs import BadParams, Docs, Failure, user_error
from .front import Front
from .hooks import Hooks
from .queue import Queue
from .records import Records
from .reports import Reports
from .sessions import Limits, Refused, Sessions
from .webapi import WebApi

_LOGIN = ("LoginPrep", "Login")
_VERSIONS = {"new": "v0.0.17", "old": "v0.0.11"}
_PREFIX, _WEB_PREFIX = "/admin/api/", "/webapi/v0/"


class MoxServer(Front):
    """``generation`` is "new" (v0.0.17) or "old" (April 2024, before aliases).

    ``bad_auth_s`` is how long a request with a bad session waits: one second in the real one.
    """

    def __init__(self, generation: str = "new", password: str = "moxadmin",  # noqa: S107
                 rate_limits: bool = False, bad_auth_s: float = 0):  # fmt: skip
        super().__init__()
        self.generation, self.password = generation, password
        self.bad_auth_s = bad_auth_s
        self.lock = threading.RLock()
        self.docs = Docs(generation)
        self.queue, self.hooks = Queue(self, self.docs), Hooks(self, self.docs)
        self.webapi, self.reports = WebApi(self), Reports(self, self.docs)
        self.records = Records(self, self.docs)
        self.config = Config(self, self.docs, generation)
        self.limits = Limits() if rate_limits else None
        self._sessions = Sessions(password, generation == "old", self._attempted)
        self._parts = (self.config, self.queue, self.hooks, self.reports, self.records, self)

    def forget_sessions(self) -> None:
        """As after a restart."""
        with self.lock:
            self._sessions.tokens.clear()

    def forget_account(self, account: str) -> None:
        """What a removal does before it is refused."""
        self.queue.QueueFail(self.docs.make("Filter", Account=account))
        self.hooks.HookCancel(self.docs.make("HookFilter", Account=account))
        self.webapi.forget(account)

    def _attempted(self, result):
        known = result == "ok"
        self.reports.put_attempt("(admin)" if known else "-", result, Protocol="webadmin",
                                 AuthMech="weblogin")  # fmt: skip

    # the protocol

    def serve(self, handler, path, body):
        if self.limits and self.limits.too_many_requests():
            handler.reply(429, {}, faults.TOO_MANY)
        elif path.startswith(_PREFIX) and path != _PREFIX:
            self._serve_call(handler, path.removeprefix(_PREFIX), body)
        elif path.startswith(_WEB_PREFIX):
            self._serve_webapi(handler, path.removeprefix(_WEB_PREFIX), body)
        elif path == "/admin/" and handler.command in ("GET", "HEAD"):
            handler.reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<title>Mox</title>")
        elif path == "/admin/":
            handler.reply(405, {}, b"405 - method not allowed - use get\n")
        else:
            handler.reply(404, {}, b"404 page not found\n")

    def _serve_webapi(self, handler, method, body):
        if self.faults.before(handler, method):
            return
        if handler.command == "GET":
            handler.reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<title>Call</title>")
            return
        if handler.command != "POST":
            handler.reply(405, {}, b"405 - method not allowed - use get or post\n")
            return
        with self.lock:
            status, headers, text = self.webapi.answer(method, handler.headers, body)
        if self.faults.take("cut_after", method)[0]:
            faults.reset(handler)
        else:
            handler.reply(status, headers, text)

    def _serve_call(self, handler, function, body):
        if handler.command != "POST":
            handler.reply(405, {}, b"405 - method not allowed - use post\n")
            return
        with self.lock:
            self.note_call(function, body)
        if self.faults.before(handler, function):
            return
        with self.lock:
            reply = self._call(handler.headers, function, body)
        if self.faults.take("cut_after", function)[0]:
            faults.reset(handler)
            return
        if reply is None:
            handler.reply(429, {}, faults.TOO_MANY)
            return
        status, value, cookies, waits = reply
        if waits:
            time.sleep(self.bad_auth_s)
        handler.reply_json(status, value, cookies)

    def _call(self, headers, function, body):
        """Return status, value, further headers and whether to wait; None for too often."""
        session = None
        if function not in _LOGIN:
            if self.limits and self.limits.too_many_failures():
                return None
            try:
                session = self._sessions.check(headers)
            except Refused as error:
                bad = error.code == "user:badAuth"
                if self.limits and bad:
                    self.limits.failed()
                shown = {"code": error.code, "message": error.message}
                return 200, {"error": shown}, (), bad
            if self.limits:
                self.limits.succeeded()
        cookies: list[tuple[str, str]] = []
        try:
            result = self._result(headers, function, body, session, cookies)
        except Failure as error:
            status = 404 if error.code == "sherpa:badFunction" else 200
            shown = {"code": error.code, "message": error.message}
            waits = error.code == "user:loginFailed"
            return status, {"result": None, "error": shown}, (), waits
        return 200, {"result": result}, cookies, False

    def _result(self, headers, function, body, session, cookies):
        if function != "_docs" and function not in self.docs.functions:
            raise Failure("sherpa:badFunction", f'function "{function}" does not exist')
        sherpa.check_type(headers.get("Content-Type"))
        params = sherpa.params(function, body)
        wanted = [] if function == "_docs" else self.docs.functions[function]["Params"]
        try:
            if len(params) != len(wanted):
                count = f"got {len(params)}, want {len(wanted)}"
                raise BadParams(f"bad number of parameters: {count}")
            if function == "_docs":
                return {**self.docs.shown(), "Version": _VERSIONS[self.generation]}
            try:
                arguments = self.docs.arguments(function, params)
            except BadParams as error:
                raise BadParams(f"parsing parameters: {error}") from None
        except BadParams as error:
            raise Failure("sherpa:badParams", f'function "{function}": {error}') from None
        if function in (*_LOGIN, "Logout"):
            return self._log(headers, function, arguments, session, cookies)
        return self._find(function)(*arguments)

    def _log(self, headers, function, arguments, session, cookies):
        """The three that have to do with sessions; the answer carries a cookie."""
        if function == "LoginPrep":
            result, added = self._sessions.prepare()
        elif function == "Logout":
            result, added = None, self._sessions.logout(session)
        else:
            result, added = self._login(headers, *arguments)
        cookies += added
        return result

    def _login(self, headers, token, password):
        if self.limits and self.limits.too_many_failures():
            raise user_error("too many authentication attempts")
        try:
            answer = self._sessions.login(headers, token, password)
        except Failure as error:
            if self.limits and error.code == "user:loginFailed":
                self.limits.failed()
            raise
        if self.limits:
            self.limits.succeeded()
        return answer

    def _find(self, function):
        for part in self._parts:
            call = getattr(part, function, None)
            if call:
                return call
        raise Failure("server:error", f"the stand-in does not do {function}")

    # calls that are about the program

    def Version(self):
        return _VERSIONS[self.generation], "linux", "amd64"

    def ConfigFiles(self):
        """Of the texts only the parts that a client looks for."""
        static = "Postmaster:\n\tAccount: mox\n\tMailbox: Inbox\n"
        if self.config.default_quota:
            static = f"QuotaMessageSize: {self.config.default_quota}\n{static}"
        return "config/mox.conf", "config/domains.conf", static, "Domains:\n"

    def CheckUpdatesEnabled(self):
        return False

    def Transports(self):
        return self.config.transports or None

    def TLSPublicKeys(self, _account):
        return []

    def Config(self):
        state = self.config.state
        domains = {name: self.config.shown_domain(name) for name in state.domains}
        accounts = {name: self.config.Account(name)[0] for name in state.accounts}
        zones = [zone["Unicode"] or zone["ASCII"] for zone in state.monitored]
        return self.docs.make("Dynamic", Domains=domains, Accounts=accounts, Routes=state.routes,
                              MonitorDNSBLs=zones or None,
                              MonitorDNSBLZones=state.monitored or None)  # fmt: skip

