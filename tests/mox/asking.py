"""A client that hides nothing: it asks as it is told and shows what comes."""

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Refusal(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Asking:
    """``url`` is that of the admin interface; nobody is logged in until ``log_in``."""

    def __init__(self, url: str):
        self.url = urlsplit(url)
        self.cookie = self.csrf = None

    def ask(self, path: str, body: bytes | None, headers: dict, method="POST") -> Answer:
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def raw(self, function: str, body: bytes, base="/admin/api/", method="POST",
            **changed) -> Answer:
        """``changed`` are headers, with "_" for "-"; None leaves one out."""
        headers = {"Content-Type": "application/json", "Cookie": self.cookie,
                   "x-mox-csrf": self.csrf}
        headers.update({name.replace("_", "-"): value for name, value in changed.items()})
        headers = {name: value for name, value in headers.items() if value is not None}
        return self.ask(base + function, body, headers, method)

    def __call__(self, function: str, *params, base="/admin/api/") -> Any:
        answer = self.raw(function, json.dumps({"params": params}).encode(), base).json
        if answer.get("error"):
            raise Refusal(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def log_in(self, *credentials: str, base="/admin/api/") -> "Asking":
        self.cookie = self.csrf = None
        prepared = self.raw("LoginPrep", b'{"params":[]}', base)
        self.cookie = prepared.headers["Set-Cookie"].split(";")[0]
        body = json.dumps({"params": [prepared.json["result"], *credentials]}).encode()
        answer = self.raw("Login", body, base)
        if answer.json.get("error"):
            self.cookie = None
            raise Refusal(**answer.json["error"])
        self.cookie = answer.headers.get_all("Set-Cookie")[0].split(";")[0]
        self.csrf = answer.json["result"]
        return self

    def web(self, method: str, request: Any, login="mox@localhost",
            password="moxmoxmox") -> Answer:  # noqa: S107 - what localserve begins with
        """A call of the webapi."""
        token = base64.b64encode(f"{login}:{password}".encode()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded",
                   "Authorization": f"Basic {token}"}
        body = urlencode({"request": json.dumps(request)}).encode()
        return self.ask(f"/webapi/v0/{method}", body, headers)


def send(client: Asking, to, **request) -> list[int]:
    """Send a message; returns its numbers in the queue, one of each recipient."""
    answer = client.web("Send", {"To": [{"Address": one} for one in to], "Text": "Hi", **request})
    assert answer.status == 200, answer.body
    return [one["QueueMsgID"] for one in answer.json["Submissions"]]
