# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""An ``EmbouxBackend`` that talks to a server which a test has written, and what it may answer."""

import requests

from odoo.addons.emboux_core.backends.base import AliasSpec, MailboxSpec
from odoo.addons.emboux_core.backends.emboux import EmbouxBackend
from odoo.addons.emboux_core.net.errors import NotAuthorised
from odoo.addons.emboux_core.net.guard import Timeouts
from odoo.addons.emboux_core.tests.dns_server import PlainTest
from odoo.addons.emboux_core.tests.http_server import ScriptedServer

KEY = "emboux_s3cretKey0123456789"
SEND = requests.Session.send
SERVICE = {
    "mx": [{"preference": 10, "host": "mail.host.example"}],
    "spf": ["a:mail.host.example"],
    "dkim": [{"selector": "s1", "key_type": "rsa", "public_key": "QUJD"}],
    "dkim_domain": None,
    "verification": "t0ken",
    "imap_host": "mail.host.example",
    "imaps_port": 993,
    "smtp_host": "mail.host.example",
    "submissions_port": 465,
}
OK = b"HTTP/1.1 200 OK\r\n"
NOT_FOUND = {"detail": "Not found"}


def domain(name="a.example", **fields):
    """A ``DomainDetail`` of the API."""
    return {
        "name": name, "unicode_name": name, "state": "pending", "owned_since": None,
        "parent": None, "wildcard": False, "partner_ref": None, "mailboxes": 0, "aliases": 0,
        "size": 0, "created_at": "2026-01-01T00:00:00", "service": SERVICE, **fields,
    }  # fmt: skip


def user(email="ann@a.example", **fields):
    return {
        "email": email, "domain": "a.example", "display_name": "", "quota": 0, "size": 0,
        "messages": 0, "suspended": False, "send_as_domain": False, "catch_all": False,
        "has_password": True, "created_at": "2026-01-01T00:00:00", **fields,
    }  # fmt: skip


def alias(address="sales@a.example", destinations=("ann@a.example",), **fields):
    return {
        "address": address, "kind": "forward", "domain": "a.example", "active": True,
        "destinations": list(destinations), "created_at": "2026-01-01T00:00:00", **fields,
    }  # fmt: skip


def page(*items, next=None, total=0):
    return {"items": list(items), "total": total, "next": next}


class EmbouxCase(PlainTest):
    """``backend`` talks to ``server``; its pauses are recorded in ``pauses`` and skipped."""

    def setUp(self):
        super().setUp()
        self.server = ScriptedServer().start()
        self.addCleanup(self.server.stop)
        self.pauses = []
        self.backend = self.client()

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's tests let requests to 127.0.0.1 pass alone; ours resolve all names themselves."""
        return SEND(session, request, **options)

    def client(self, url=None, key=KEY, **options):
        options = {"allow_private": True, "sleep": self.pauses.append, "jitter": lambda: 1.0} | (
            options
        )
        return EmbouxBackend(url or f"http://127.0.0.1:{self.server.port}", key, **options)

    def hasty(self, read=0.2, total=20.0, **options):
        """A backend with short deadlines, in seconds."""
        return self.client(timeouts=Timeouts(connect=5, read=read, total=total), **options)

    def requests(self):
        """The requests, without the base path, once all scripted replies are used up."""
        self.assertFalse(self.server.unexpected)
        self.assertFalse(self.server.replies, "not all was asked that the test expects")
        return [
            f"{seen.method} {seen.path.removeprefix('/emboux/v1')}" for seen in self.server.seen
        ]

    def failure(self, kind, call, *arguments):
        """The message of an error of this kind; fails if it holds a secret."""
        with self.assertRaises(kind) as caught:
            call(*arguments)
        error = caught.exception
        self.assertEqual(isinstance(error, NotAuthorised), kind is NotAuthorised, error)
        shown = [repr(self.backend), repr(vars(self.backend)["_http"])]
        seen = error
        while seen is not None:
            shown += [str(seen), repr(seen), repr(vars(seen))]
            seen = seen.__cause__ or seen.__context__
        for secret in (KEY, "a secret password", "$argon2id$"):
            self.assertNotIn(secret, "\n".join(shown))
        return str(error)


class FaultCase(EmbouxCase):
    """``read`` is a question, ``put`` and ``post`` are changes."""

    def read(self, backend=None):  # pylint: disable=method-required-super
        return (backend or self.backend).aliases("a.example")

    def put(self, backend=None, **fields):
        (backend or self.backend).ensure_mailbox(MailboxSpec("ann@a.example", **fields))

    def post(self, backend=None):
        (backend or self.backend).ensure_alias(AliasSpec("@a.example", ("ann@a.example",)))
