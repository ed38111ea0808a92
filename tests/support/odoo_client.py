"""Odoo over its external API, as a script of a customer would use it."""

import json
import urllib.request

from .api_client import Heard


class OdooError(Exception):
    """What Odoo refused; ``str()`` is the sentence that a user would read."""


class Odoo:
    """``odoo("emboux.mailbox").create({...})`` calls the method, in a session as the web client's.

    (Over ``/jsonrpc`` Odoo hashes the password again whenever something has emptied its cache: most
    of a second, for every second call of a test.)
    """

    def __init__(self, url, db, login, password):
        self.url, self._cookie = url, None
        Heard.body({"password": password})
        try:
            told = self._call("/web/session/authenticate", db=db, login=login, password=password)
        except OdooError as error:
            raise OdooError(f"{login} cannot log in to {db} at {url}: {error}") from None
        self.uid = told["uid"]

    def __call__(self, model):
        return _Model(self, model)

    def execute(self, model, method, *args, **kwargs):
        Heard.body([*args, kwargs])
        return self._call(f"/web/dataset/call_kw/{model}.{method}",
                          model=model, method=method, args=args, kwargs=kwargs)

    def _call(self, path, **params):
        request = urllib.request.Request(  # noqa: S310 - a URL of ours
            self.url + path,
            json.dumps({"jsonrpc": "2.0", "method": "call", "params": params}).encode(),
            {"Content-Type": "application/json"}
            | ({"Cookie": self._cookie} if self._cookie else {}),
        )
        with urllib.request.urlopen(request, timeout=300) as response:  # noqa: S310
            answer = json.load(response)
            cookie = response.headers["Set-Cookie"]
        if "error" in answer:
            Heard.errors.add(answer["error"]["data"]["message"])
            raise OdooError(answer["error"]["data"]["message"])
        if cookie:
            self._cookie = cookie.split(";")[0]
        Heard.body(answer.get("result"))
        return answer.get("result")  # a method that returns nothing has none


class _Model:
    def __init__(self, odoo, model):
        self._odoo, self._model = odoo, model

    def __getattr__(self, method):
        return lambda *args, **kwargs: self._odoo.execute(self._model, method, *args, **kwargs)
