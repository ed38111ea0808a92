# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A stand-in for Mailgun's HTTP API on loopback, written from its public documentation.

    server = MailgunServer("key").start()
    server.domains["a.example"]["state"] = "active"
    server.fault("POST", "/v4/domains", answer(500))    # in place of the next such call
    server.allowed = 2                                  # calls until the rate limit says 429
    server.stop()

It checks basic authentication (user ``api``), paths with their versions, multipart forms and their
fields, answers with the documented shapes, and keeps what it was told.  Sources: documentation.
mailgun.com, API reference (Domains, Webhooks, Credentials), response codes and, for the 429 body
``retry-seconds``, the note on the rate limit of the Domains API.  What its documentation does not
say (how a name that is taken is refused) is a 400 with a message, as for other wrong input.
"""

import base64
import time
from collections import defaultdict, deque
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import unquote, urlsplit

from odoo.addons.emboux_core.tests.http_server import Reply, ScriptedServer, answer

WEBHOOKS = (
    "accepted", "clicked", "complained", "delivered", "opened", "permanent_fail",
    "temporary_fail", "unsubscribed",
)  # fmt: skip
DKIM_VALUE = "k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ"
NO_DOMAIN = {"message": "Domain not found"}
NO_CREDENTIALS = {"message": "Credentials not found"}
_FIELDS = {"name", "smtp_password", "dkim_key_size", "force_dkim_authority", "spam_action",
           "wildcard", "web_scheme", "use_automatic_sender_security"}  # fmt: skip


class _Replies(deque):
    """What was written down, and then what Mailgun would say."""

    def __init__(self, otherwise: Reply):
        super().__init__()
        self._otherwise = otherwise

    def popleft(self):
        return super().popleft() if self else self._otherwise


class MailgunServer(ScriptedServer):
    """``domains``, ``webhooks`` and ``credentials`` (both by domain) are what Mailgun has.

    ``elsewhere``: domains of other accounts. ``allowed``: calls before 429, None without limit;
    ``limit_says``: which of ``retry-after``, ``reset`` (X-RateLimit-Reset) and ``body`` tell when.
    """

    def __init__(self, key: str):
        super().__init__()
        self.domains: dict[str, dict] = {}
        self.webhooks: dict[str, dict[str, list[str]]] = defaultdict(dict)
        self.credentials: dict[str, dict[str, str]] = defaultdict(dict)
        self.elsewhere: set[str] = set()
        self.in_dns: set[str] = set()
        self.allowed: int | None = None
        self.limit_says = ("retry-after", "reset", "body")
        self.limit_seconds = 3
        self._key = key
        self._faults: list[tuple[str, str, Reply]] = []
        self.replies = _Replies(self._reply)

    def fault(self, method: str, path: str, *replies: Reply) -> None:
        """Give these answers, one each, to the next such calls; nothing else is done then."""
        self._faults += [(method, path, reply) for reply in replies]

    # -- a call ----------------------------------------------------------------------------

    def _reply(self, handler) -> None:
        seen = self.seen[-1]
        path = urlsplit(seen.path).path
        for number, (method, where, reply) in enumerate(self._faults):
            if (method, where) == (seen.method, path):
                del self._faults[number]
                reply(handler)
                return
        self._serve(seen, path)(handler)

    def _serve(self, seen, path: str) -> Reply:
        expected = base64.b64encode(f"api:{self._key}".encode()).decode()
        if seen.headers.get("Authorization") != f"Basic {expected}":
            return answer(401, b"Forbidden")
        if self.allowed is not None:
            if self.allowed <= 0:
                return self._limited()
            self.allowed -= 1
        parts = [unquote(part) for part in path.strip("/").split("/")]
        version, collection, rest = parts[0], parts[1:2], parts[2:]
        if collection != ["domains"]:
            return answer(404, b"404 page not found")
        form = {}
        if seen.method in ("POST", "PUT"):
            form = _form(seen)
            if form is None:
                return answer(400, {"message": "the body is not multipart/form-data"})
        route = {
            ("v4", "GET", 0): self._list,
            ("v4", "POST", 0): self._create,
            ("v4", "GET", 1): self._get,
            ("v3", "DELETE", 1): self._delete,
            ("v4", "PUT", 2, "verify"): self._verify,
            ("v3", "GET", 2, "webhooks"): self._get_webhooks,
            ("v3", "POST", 2, "webhooks"): self._post_webhook,
            ("v3", "PUT", 3, "webhooks"): self._put_webhook,
            ("v3", "GET", 2, "credentials"): self._get_credentials,
            ("v3", "POST", 2, "credentials"): self._post_credential,
            ("v3", "PUT", 3, "credentials"): self._put_credential,
            ("v3", "DELETE", 3, "credentials"): self._delete_credential,
        }.get((version, seen.method, len(rest), *rest[1:2]))
        if route is None:
            return answer(404, b"404 page not found")
        if rest and rest[0] not in self.domains:
            return answer(404, NO_DOMAIN)
        return route(form, *rest[:1], *rest[2:])

    def _limited(self) -> Reply:
        headers = {"X_RateLimit_Limit": "300", "X_RateLimit_Remaining": "0"}
        if "retry-after" in self.limit_says:
            headers["Retry_After"] = str(self.limit_seconds)
        if "reset" in self.limit_says:
            headers["X_RateLimit_Reset"] = str(int(time.time()) + self.limit_seconds)
        body = {"retry-seconds": self.limit_seconds} if "body" in self.limit_says else {}
        return answer(429, body, **headers)

    # -- domains ---------------------------------------------------------------------------

    def _list(self, _form) -> Reply:
        items = list(self.domains.values())
        return answer(200, {"total_count": len(items), "items": items[:1]})

    def _create(self, form) -> Reply:
        name = form.get("name", [""])[0]
        if not name or set(form) - _FIELDS:
            return answer(400, {"message": "Missing mandatory or unknown parameter"})
        if form.get("dkim_key_size", ["1024"])[0] not in ("1024", "2048"):
            return answer(400, {"message": "dkim_key_size must be 1024 or 2048"})
        if name in self.elsewhere:
            return answer(400, {"message": "This domain name is already taken"})
        if name in self.domains:
            return answer(400, {"message": f"Domain {name} already exists"})
        self.domains[name] = {
            "created_at": "Thu, 13 Oct 2011 18:02:00 GMT", "id": f"id-{name}", "name": name,
            "is_disabled": False, "require_tls": False, "skip_verification": False,
            "smtp_login": f"postmaster@{name}", "spam_action": "disabled", "state": "unverified",
            "type": "custom", "use_automatic_sender_security": False, "web_prefix": "email",
            "web_scheme": "http", "wildcard": False,
        }  # fmt: skip
        return answer(200, {"message": "Domain has been created"} | self._whole(name))

    def _get(self, _form, name) -> Reply:
        return answer(200, self._whole(name))

    def _verify(self, _form, name) -> Reply:
        self.domains[name]["state"] = "active" if name in self.in_dns else "unverified"
        return answer(200, {"message": "Domain DNS records have been updated"} | self._whole(name))

    def _delete(self, _form, name) -> Reply:
        del self.domains[name]
        self.webhooks.pop(name, None)
        self.credentials.pop(name, None)
        return answer(200, {"message": "Domain has been deleted"})

    def _whole(self, name) -> dict:
        valid = "valid" if name in self.in_dns else "unknown"

        def record(kind, owner, value, **more):
            return {"cached": [], "is_active": valid == "valid", "name": owner,
                    "record_type": kind, "valid": valid, "value": value, **more}  # fmt: skip

        return {
            "domain": self.domains[name],
            "receiving_dns_records": [record("MX", name, "mxa.mailgun.org", priority="10")],
            "sending_dns_records": [
                record("TXT", name, "v=spf1 include:mailgun.org ~all"),
                record("TXT", f"k1._domainkey.{name}", DKIM_VALUE),
                record("CNAME", f"email.{name}", "mailgun.org"),
            ],
        }

    # -- webhooks and credentials ------------------------------------------------------------

    def _get_webhooks(self, _form, name) -> Reply:
        urls = self.webhooks[name]
        return answer(200, {"webhooks": {
            event: {"urls": urls[event]} if event in urls else None for event in WEBHOOKS
        }})  # fmt: skip

    def _post_webhook(self, form, name) -> Reply:
        [event] = form.get("id", [""])
        if event in self.webhooks[name]:
            return answer(400, {"message": "Webhook already exists"})
        return self._set_webhook(name, event, form, "created")

    def _put_webhook(self, form, name, event) -> Reply:
        if event not in self.webhooks[name]:
            return answer(404, {"message": "Webhook not found"})
        return self._set_webhook(name, event, form, "updated")

    def _set_webhook(self, name, event, form, done) -> Reply:
        urls = form.get("url", [])
        if event not in WEBHOOKS or not 1 <= len(urls) <= 3 or set(form) - {"id", "url"}:
            return answer(400, {"message": "Invalid webhook"})
        self.webhooks[name][event] = urls
        return answer(200, {"message": f"Webhook has been {done}", "webhook": {"urls": urls}})

    def _get_credentials(self, _form, name) -> Reply:
        items = [
            {"created_at": "Thu, 13 Oct 2011 18:02:00 GMT", "login": f"{login}@{name}",
             "mailbox": f"{login}@{name}", "size_bytes": None}
            for login in self.credentials[name]
        ]
        return answer(200, {"items": items, "total_count": len(items)})

    def _post_credential(self, form, name) -> Reply:
        login = form.get("login", [""])[0].removesuffix(f"@{name}")
        if not login or not _fit(form) or set(form) != {"login", "password"}:
            return answer(400, {"message": "login and a password of 5-32 characters, please"})
        if login in self.credentials[name]:
            return answer(400, {"message": "Credentials already exist"})
        self.credentials[name][login] = form["password"][0]
        return answer(200, {"message": "Created 1 credentials pair(s)"})

    def _put_credential(self, form, name, login) -> Reply:
        if login not in self.credentials[name]:
            return answer(404, NO_CREDENTIALS)
        if not _fit(form):
            return answer(400, {"message": "password should be in range 5-32 characters"})
        self.credentials[name][login] = form["password"][0]
        return answer(200, {"message": "Password changed"})

    def _delete_credential(self, _form, name, login) -> Reply:
        if self.credentials[name].pop(login, None) is None:
            return answer(404, NO_CREDENTIALS)
        message = {"message": "Credentials have been deleted", "spec": f"{login}@{name}"}
        return answer(200, message)


def _fit(form) -> bool:
    return 5 <= len(form.get("password", [""])[0]) <= 32


def _form(seen) -> dict[str, list[str]] | None:
    """The fields of multipart/form-data; a body of nothing but the end of it has none."""
    kind = seen.headers.get("Content-Type", "")
    if not kind.startswith("multipart/form-data; boundary="):
        return None
    message = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + seen.body
    )
    fields: dict[str, list[str]] = defaultdict(list)
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if name:
            fields[name].append(part.get_payload())
    return dict(fields)
