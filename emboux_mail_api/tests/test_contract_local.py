# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import tagged

from odoo.addons.emboux_core.tests.contract import BackendContract

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestContractLocal(BackendContract, PlatformCase):
    """For the local backend the wish is a record: what it publishes is read back."""

    def setUp(self):
        super().setUp()
        self.client = self.backend._client()

    def _domain(self, name):
        return self.env["emboux.domain"].search([("name", "=", name)])

    def want_domain(self, spec):
        domain = self._domain(spec.name) or self.make_domain(spec.name, state="verified")
        domain.is_wildcard = spec.wildcard
        return self.client.ensure_domain(spec)

    def want_mailbox(self, spec):
        local, _at, name = spec.email.partition("@")
        values = {
            "quota_mb": spec.quota // 1024 // 1024,
            "state": "suspended" if spec.suspended else "active",
            "send_as": "domain" if spec.send_as_domain else "self",
        }
        mailbox = self.env["emboux.mailbox"].search([("email", "=", spec.email)])
        if not mailbox:
            mailbox = self.make_mailbox(local, self._domain(name))
        mailbox.write(values)

    def want_alias(self, spec):
        local, _at, name = spec.address.partition("@")
        destinations = "\n".join(spec.destinations)
        alias = self.env["emboux.alias"].search([("email", "=", spec.address)])
        if alias:
            alias.destinations = destinations
        else:
            kind = "forward" if local else "catch_all"
            self.make_alias(local, destinations, self._domain(name), kind=kind)

    def drop_mailbox(self, email):
        self.env["emboux.mailbox"].search([("email", "=", email)]).unlink()

    def drop_alias(self, address):
        self.env["emboux.alias"].search([("email", "=", address)]).unlink()

    def drop_domain(self, name):
        self._domain(name).unlink()
