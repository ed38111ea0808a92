# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""moto's server for SES and SNS on loopback, with what moto 5.2 lacks of SES' version 2.

Of SES' version 2 moto has identities and configuration sets.  Added in front of it, from the API
reference: event destinations, the two PUTs on an identity, GetAccount, the refusal of an identity
that is there already (moto puts a new one in its place), and in GetEmailIdentity the DKIM tokens
and a verification that tests can set.  All else goes through to moto, SNS too.

    server = SesServer().start()
    server.identity("a.example", "SUCCESS", verified=True)
    server.fault(reply(500))         # in place of the next call
    ...
    server.url, server.seen, server.stop()
"""

import io
import json
import re
import threading
from collections import deque
from urllib.parse import unquote

import werkzeug.serving
import werkzeug.test
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

run_wsgi_app = werkzeug.test.run_wsgi_app
ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
TOKENS = ["gm3xmcnyvlf7fooj", "hirjd4exampled55", "yunt7iqnxaexampl"]
_IDENTITY = re.compile(r"/v2/email/identities/([^/]+)")
_PUT = re.compile(r"/v2/email/identities/([^/]+)/(configuration-set|dkim/signing)")
_EVENTS = re.compile(r"/v2/email/configuration-sets/([^/]+)/event-destinations(?:/([^/]+))?")


def reply(status: int, body=None, code: str = "", message: str = "", **headers: str):
    """An answer as Amazon gives it; bytes as they are."""
    kept = body if type(body) is bytes else json.dumps(
        body if body is not None else {"message": message} if code else {}
    ).encode()  # fmt: skip
    head = {"Content-Type": "application/json", "x-amzn-RequestId": "00000000-test", **headers}
    if code:
        head["x-amzn-ErrorType"] = code
    return status, head, kept


def page(status: int, text: bytes):
    """What is not Amazon's: no number of the request, no JSON."""
    return status, {"Content-Type": "text/html"}, text


class SesServer:
    """``destinations``: event destinations by configuration set; ``account``: of GetAccount."""

    def __init__(self):
        self.seen: list[tuple[str, str, dict]] = []
        self.destinations: dict[str, dict[str, dict]] = {}
        self.account = {"ProductionAccessEnabled": True, "SendingEnabled": True}
        self.silent = threading.Event()
        self._states: dict[str, dict] = {}
        self._sets: dict[str, str] = {}
        self._faults: deque = deque()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = werkzeug.serving.make_server(
            "127.0.0.1", 0, self, threaded=True, request_handler=_Quiet
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def start(self) -> "SesServer":
        self._thread.start()
        return self

    def stop(self) -> None:
        self.silent.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def reset(self) -> None:
        """As new, moto too."""
        run_wsgi_app(self._moto, _environ("POST", "/moto-api/reset"))
        for kept in (self.seen, self.destinations, self._states, self._sets, self._faults):
            kept.clear()
        self.account = {"ProductionAccessEnabled": True, "SendingEnabled": True}

    def fault(self, *replies) -> None:
        """Give these answers, one each, to the next calls; None lets a call through."""
        self._faults.extend(replies)

    def silence(self):
        """As an answer: none, until the server is stopped."""
        return "silence"

    def identity(self, name: str, status: str, verified: bool = False, error: str = "") -> None:
        """Let SES say this of a domain."""
        state = {"VerifiedForSendingStatus": verified, "Status": status}
        self._states[name] = state | ({"ErrorType": error} if error else {})

    def ask_moto(self, method: str, path: str) -> tuple[int, dict]:
        """What moto itself has."""
        chunks, status, _headers = run_wsgi_app(self._moto, _environ(method, path))
        return int(status.split()[0]), json.loads(b"".join(chunks) or b"{}")

    # -- a call ------------------------------------------------------------------------------

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], unquote(environ["PATH_INFO"])
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        try:
            value = json.loads(body or b"{}")
        except ValueError:
            value = {"form": body.decode()}  # SNS speaks forms
        self.seen.append((method, path, value))
        made = self._faults.popleft() if self._faults else None
        if made == "silence":
            self.silent.wait(20)
            made = reply(500)
        made = made or self._answer(method, path, value) or self._pass_on(environ, body, path)
        status, headers, content = made
        head = [*headers.items(), ("Content-Length", str(len(content)))]
        start_response(f"{status} Some", head)
        return [content]

    def _answer(self, method: str, path: str, value: dict):
        if (method, path) == ("GET", "/v2/email/account"):
            return reply(200, self.account)
        if (method, path) == ("POST", "/v2/email/identities"):
            there, _identity = self.ask_moto("GET", f"{path}/{value['EmailIdentity']}")
            message = f"Email identity {value['EmailIdentity']} already exist."
            known = reply(400, code="AlreadyExistsException", message=message)
            return known if there == 200 else None
        if method == "PUT" and (found := _PUT.fullmatch(path)):
            return self._put(*found.groups(), value)
        if found := _EVENTS.fullmatch(path):
            return self._event_destinations(method, *found.groups(), value)
        return None

    def _put(self, name: str, what: str, value: dict):
        if self.ask_moto("GET", f"/v2/email/identities/{name}")[0] != 200:
            return reply(404, code="NotFoundException", message=f"{name} is not there.")
        if what == "configuration-set":
            self._sets[name] = value["ConfigurationSetName"]
            return reply(200)
        self.identity(name, "PENDING")
        return reply(200, {"DkimStatus": "PENDING", "DkimTokens": TOKENS})

    def _event_destinations(self, method: str, name: str, destination: str | None, value: dict):
        if self.ask_moto("GET", f"/v2/email/configuration-sets/{name}")[0] != 200:
            return reply(404, code="NotFoundException", message="No such configuration set.")
        there = self.destinations.setdefault(name, {})
        if method == "GET":
            rows = [{"Name": key, **row} for key, row in there.items()]
            return reply(200, {"EventDestinations": rows})
        if method == "POST" and value["EventDestinationName"] in there:
            return reply(400, code="AlreadyExistsException", message="It is there already.")
        there[destination or value["EventDestinationName"]] = value["EventDestination"]
        return reply(200)

    def _pass_on(self, environ, body: bytes, path: str):
        environ = {**environ, "wsgi.input": io.BytesIO(body)}
        chunks, status, headers = run_wsgi_app(self._moto, environ)
        content, code = b"".join(chunks), int(status.split()[0])
        found = _IDENTITY.fullmatch(path)
        if found and environ["REQUEST_METHOD"] == "GET" and code == 200:
            content = json.dumps(self._completed(found[1], json.loads(content))).encode()
        kept = {key: text for key, text in headers.items() if key.lower() != "content-length"}
        return code, kept, content

    def _completed(self, name: str, identity: dict) -> dict:
        state = dict(self._states.get(name, {"Status": "PENDING"}))
        dkim = identity["DkimAttributes"] | {
            "Tokens": TOKENS, "SigningHostedZone": "dkim.amazonses.com",
            "Status": state.pop("Status"),
        }  # fmt: skip
        if error := state.pop("ErrorType", None):
            state["VerificationInfo"] = {"ErrorType": error}
        if name in self._sets:
            state["ConfigurationSetName"] = self._sets[name]
        return identity | {"DkimAttributes": dkim} | state


class _Quiet(werkzeug.serving.WSGIRequestHandler):
    def log(self, *_args):
        pass


def _environ(method: str, path: str) -> dict:
    builder = werkzeug.test.EnvironBuilder(path, "http://127.0.0.1", method=method, headers={
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/eu-west-1/ses/"
                         "aws4_request, SignedHeaders=host, Signature=0",
    })  # fmt: skip
    return builder.get_environ()
