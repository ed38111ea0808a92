# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import requests

from .mox.server import MoxServer
from .remote_case import RemoteCase

SEND = requests.Session.send


class MoxCase(RemoteCase):
    """A backend whose mox is the stand-in, on loopback."""

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's tests let requests to 127.0.0.1 pass alone, and nobody else is called here."""
        return SEND(session, request, **options)

    def setUp(self):
        super().setUp()
        self.mox = MoxServer().start()
        self.addCleanup(self.mox.stop)
        self.addCleanup(lambda: self.assertFalse(self.mox.errors, "the stand-in itself broke"))
        self.env["ir.config_parameter"].sudo().set_param(
            "emboux_core.backend_allow_private", "True")
        self.server = self.env["emboux.backend"].create(
            {"name": "Our mox", "kind": "mox", "url": self.mox.url, "secret": self.mox.password})
        self.commit()

    def make_mox_domain(self, name="acme.example", *local_parts):
        domain = self.make_domain(name, self.server)
        for local_part in local_parts:
            self.make_mailbox(domain, local_part)
        return domain

    def put(self, recipient="joe@far.example", account="ann_acme.example", **values):
        """A message in the server's queue; returns its number."""
        return self.mox.queue.put(recipient, sender="ann@acme.example", account=account, **values)
