# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
from datetime import timedelta
from unittest import mock

from odoo import fields
from odoo.tests import new_test_user

from .common import PlatformCase
from .provider_reports import SIGNING_KEY, accept_mailgun, mailgun_event
from .sns_signer import notification


class ReputationCase(PlatformCase):
    """``unit.example`` is a customer's; ``operator.example`` is nobody's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.acme = cls.env["res.partner"].create({"name": "Acme", "email": "boss@acme.example"})
        cls.domain.partner_id = cls.acme
        cls.operators = cls.make_domain("operator.example", state="verified")
        cls.parameters = cls.env["ir.config_parameter"].sudo()
        cls.set_parameter("mailgun_signing_key", SIGNING_KEY)
        for name in ("suppression_scope", "suppression_blacklist", "guillotine_bounce_percent",
                     "guillotine_complaint_percent", "guillotine_days", "guillotine_least_sent",
                     "guillotine_least_events", "event_payload_days", "ses_topics"):
            cls.set_parameter(name, False)
        cls.events = cls.env(user=1)["emboux.webhook.event"]
        cls.list = cls.env["emboux.suppression"]
        groups = {"nobody": "base.group_user", "user": "emboux_core.group_user",
                  "manager": "emboux_core.group_manager", "admin": "emboux_core.group_admin"}
        cls.users = {
            role: new_test_user(cls.env, f"reputation.{role}", groups=group,
                                email=f"{role}@staff.example")
            for role, group in groups.items()
        }

    def setUp(self):
        super().setUp()
        self.now = fields.Datetime.now()
        self.startPatcher(mock.patch.object(fields.Datetime, "now", lambda *_args: self.now))

    @classmethod
    def set_parameter(cls, name, value):
        cls.parameters.set_param(f"emboux_mail_api.{name}", value)

    def later(self, **delta):
        self.now += timedelta(**delta)

    def as_role(self, role):
        return self.env(user=self.users[role])

    def as_customer(self, **options):
        key, _secret = self.env["emboux.api.key"]._make(
            {"name": "Acme's", "partner_id": self.acme.id, **options})
        return self.env(user=key.sudo().user_id, context={})

    # -- reports -----------------------------------------------------------------------------

    def mailgun(self, event="failed", **values):
        """One report of Mailgun's, at the test's now."""
        accept_mailgun(self.events, mailgun_event(
            event, at=self.now.timestamp() if "at" not in values else values.pop("at"), **values))

    def many(self, count, event="failed", start=0, **values):
        """So many different ones."""
        for number in range(start, start + count):
            self.mailgun(event, number=f"{event}{number}", recipient=f"r{number}@far.example",
                         **values)

    def ses(self, said, number="m1"):
        self.events._accept_sns(notification(said, number))

    def stored(self, **values):
        return self.events.search([(name, "=", value) for name, value in values.items()])

    def suppressed(self, email="alice@example.com"):
        """(customer, reason) of its entries."""
        return sorted((entry.partner_id.name or "", entry.reason)
                      for entry in self.list.search([("email", "=", email)]))

    # -- what was sent -----------------------------------------------------------------------

    def sent(self, recipients, days_ago=0, domain=None):
        """Recipients that the domain sent to on a day."""
        self.env["emboux.outbound.count"].create(
            {"domain_id": (domain or self.domain).id, "window": "day", "recipients": recipients,
             "since": self.now.date() - timedelta(days=days_ago)})

    def payloads(self):
        return [json.loads(event.payload) for event in self.stored() if event.payload]
