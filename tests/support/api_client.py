"""The REST API, as a script of a customer would call it."""

import hashlib
import itertools
import json
import re
import time
from urllib.parse import quote

import requests

#: Not what is so short that it stands in any text by chance, and no address: that is refused as a
#: password and stands in the audit trail by right.
_SECRET = re.compile(r"(?!\S+@\S+\.example$).{6,}", re.DOTALL)

_NUMBERS = itertools.count(1)


class Heard:
    """What this run of the tests has said and been told: nothing of it may turn up elsewhere."""

    #: Fields of requests, answers and records that hold a secret.
    FIELDS = frozenset({"password", "password_hash", "secret", "smtp_pass"})

    secrets = set()
    errors = set()

    @classmethod
    def key(cls, key):
        """A key, and the hash that is stored of it."""
        cls.secrets |= {key, hashlib.sha256(key.encode()).hexdigest()}

    @classmethod
    def body(cls, value, name=None):
        """Remember the secrets in a body, however deep they are."""
        if isinstance(value, dict):
            for field, inner in value.items():
                cls.body(inner, field)
        elif isinstance(value, list):
            for inner in value:
                cls.body(inner, name)
        elif name in cls.FIELDS and isinstance(value, str) and _SECRET.fullmatch(value):
            cls.secrets.add(value)

    @classmethod
    def answer(cls, response):
        if response.status_code >= 400:
            cls.errors.add(response.text)
        try:
            cls.body(response.json())
        except json.JSONDecodeError:
            return


class Api:
    """``api.get("/domains/")`` returns the ``requests.Response``; nothing is raised for 4xx."""

    heard = Heard

    def __init__(self, url, key=None):
        self.url, self.key = url, key
        if key:
            self.heard.key(key)
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(self, method, path, **kwargs):
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers |= kwargs.pop("headers", {})
        self.heard.body(kwargs.get("json"))
        response = self.session.request(
            method, self.url + path, headers=headers, timeout=kwargs.pop("timeout", 120), **kwargs
        )
        self.heard.answer(response)
        return response

    def get(self, path, **kwargs):
        return self("GET", path, **kwargs)

    def post(self, path, json=None, **kwargs):
        return self("POST", path, json={} if json is None else json, **kwargs)

    def put(self, path, json=None, **kwargs):
        return self("PUT", path, json={} if json is None else json, **kwargs)

    def delete(self, path, **kwargs):
        return self("DELETE", path, **kwargs)

    def with_key(self, key):
        return Api(self.url, key)


def mistyped(secret):
    """The key with another last letter."""
    return secret[:-1] + ("1" if secret.endswith("0") else "0")


def done(response, *statuses):
    """The body of an answer that has to be one of these (any 2xx by default)."""
    expected = response.status_code in statuses if statuses else response.ok
    asked = response.request
    assert expected, f"{asked.method} {asked.url}: {response.status_code} {response.text}"
    return response.json() if response.content else None


def detail(response, status):
    """The sentence of an error that has to have this status, and nothing beside the sentence."""
    body = done(response, status)
    assert response.headers["Content-Type"] == "application/json"
    assert set(body) == {"detail"} and isinstance(body["detail"], str), body
    return body["detail"]


def faults(response):
    """Field to message of a 422."""
    body = done(response, 422)
    assert set(body) == {"detail"} and body["detail"], body
    assert all(set(fault) == {"field", "message"} for fault in body["detail"]), body
    return {fault["field"]: fault["message"] for fault in body["detail"]}


def pages(api, path, limit=2, **params):
    """All items of a list, page by page; checks that the pages fit together."""
    items, cursor = [], None
    while True:
        wanted = params | {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = done(api.get(path, params=wanted), 200)
        assert set(page) == {"items", "total", "next"}
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items
        assert len(page["items"]) == limit


def new_name(prefix="d"):
    """A domain that nobody has used, also in an earlier run."""
    return f"{prefix}{next(_NUMBERS)}-{time.time_ns() % 10**9}.example"


def in_path(text):
    """A name or an address as a segment of a path; ``@`` is encoded too."""
    return quote(text, safe="")
