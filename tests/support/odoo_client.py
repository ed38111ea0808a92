"""Odoo over its external API, as a script of a customer would use it."""

import json
import urllib.request

from .api_client import Heard


class OdooError(Exception):
    """What Odoo refused; ``str()`` is the sentence that a user would read."""


class Odoo:
    """``odoo("emboux.mailbox").create({...})`` calls the method over JSON-RPC."""

    def __init__(self, url, db, login, password):
        self.url, self.db, self.login, self.password = url, db, login, password
        Heard.body({"password": password})
        self.uid = self._call("common", "authenticate", db, login, password, {})
        if not self.uid:
            raise OdooError(f"{login} cannot log in to {db} at {url}")

    def __call__(self, model):
        return _Model(self, model)

    def execute(self, model, method, *args, **kwargs):
        Heard.body([*args, kwargs])
        return self._call(
            "object", "execute_kw", self.db, self.uid, self.password, model, method,
            list(args), kwargs,
        )

    def _call(self, service, method, *args):
        body = {"jsonrpc": "2.0", "method": "call",
                "params": {"service": service, "method": method, "args": args}}
        request = urllib.request.Request(  # noqa: S310 - a URL of ours
            f"{self.url}/jsonrpc", json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as response:  # noqa: S310
            answer = json.load(response)
        if "error" in answer:
            Heard.errors.add(answer["error"]["data"]["message"])
            raise OdooError(answer["error"]["data"]["message"])
        Heard.body(answer.get("result"))
        return answer.get("result")  # a method that returns nothing has none


class _Model:
    def __init__(self, odoo, model):
        self._odoo, self._model = odoo, model

    def __getattr__(self, method):
        return lambda *args, **kwargs: self._odoo.execute(self._model, method, *args, **kwargs)
