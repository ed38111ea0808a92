# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from odoo.addons.emboux_mail_api.tests.memory_provider import MemoryProvider

from .saas_case import SaasCase


@tagged("post_install", "-at_install")
class TestNamesUnderAParent(SaasCase):
    """The world's own domain ``unit.example`` is the operator's parent here."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.domain.is_wildcard = True
        cls.user = cls.make_portal_user(cls.acme.partner_id, "acme.portal")
        cls.as_customer = cls.env(user=cls.user)

    def test_what_is_offered(self):
        self.mine.is_wildcard = True  # a customer's own is not offered to others
        self.make_domain("late.example", is_wildcard=True)  # not verified
        offered = self.as_customer["emboux.domain"]._offered_parents()
        self.assertIn(self.domain, offered)
        self.assertFalse({"mine.example", "late.example"} & set(offered.mapped("name")))

    def test_free_names(self):
        self.assertEqual(self.domain._free_name(" Shop "), "shop.unit.example")
        self.assertEqual(self.domain._free_name("bücher"), "xn--bcher-kva.unit.example")
        self.make_domain("taken.unit.example")
        self.domain.reserved_names = "admin, Vip"
        for label, words in (("taken", "is taken"), ("TAKEN", "is taken"), ("vip", "is reserved"),
                             ("mail", "is reserved"), ("a.b", "without a dot"), ("", ""),
                             ("-", ""), ("a b", "")):
            with self.refused(ValidationError, words):
                self.domain._free_name(label)
        self.assertEqual(self.domain._free_name("www"), "www.unit.example")

    def test_a_name_that_was_given_up_is_no_free_name_for_others(self):
        rival = self.make_customer("Rival")
        self.make_domain("shop.unit.example", partner_id=rival.partner_id.id).unlink()
        as_public = self.env(user=self.env.ref("base.public_user"))
        for env in (self.as_customer, as_public):
            parent = self.domain.with_env(env).sudo()
            with self.refused(UserError, "may reclaim it until"):
                parent._free_name("shop")
            free, sentence = parent._is_free("shop")
            self.assertFalse(free)
            self.assertIn("may reclaim it until", sentence)
        user = self.make_portal_user(rival.partner_id, "rival.portal")
        self.assertTrue(self.domain.with_user(user).sudo()._is_free("shop")[0])

    def test_reserved_names_are_refused_on_create_too(self):
        for name in ("admin.unit.example", "x.admin.unit.example", "mail.unit.example"):
            with self.refused(ValidationError, "is reserved"):
                self.as_customer["emboux.domain"].create({"name": name})
        self.make_domain("admin.unit.example")  # the operator's own

    def test_reserved_names_are_refused_on_every_path(self):
        """Created, registered, put below it by the operator, there before its parent, moved."""
        labels = ("wpad", "localhost", "mail1", "smtp-02", "imap1", "email", "noreply", "no-reply",
                  "auth", "sso", "secure", "vpn", "www2", "ns3", "ma-il", "autodiscover",
                  "postmaster")
        for label in labels:
            with self.refused(ValidationError, "is reserved"):
                self.as_customer["emboux.domain"].create({"name": f"{label}.unit.example"})
            with self.refused(ValidationError, "is reserved"):
                self.domain._free_name(label)
        self.acme.sudo().domain_limit = 0
        self.domain.is_wildcard = False
        names = ("wpad.unit.example", "mail7.unit.example", "x.sso.unit.example")
        mine = [self.as_customer["emboux.domain"].create({"name": name}) for name in names]
        plain = self.as_customer["emboux.domain"].create({"name": "fine.unit.example"})
        self.domain.is_wildcard = True
        for domain in mine:
            self.assertFalse(domain.sudo().parent_id)
            with self.refused(ValidationError, "is reserved"):
                domain._register_subdomain(domain.name)
            with self.refused(ValidationError, "is reserved"):
                domain.with_env(self.env)._set_parent(self.domain, False)
            with self.refused(ValidationError, "is reserved"):
                self.make_domain("sso.unit.example", partner_id=self.acme.partner_id.id)
        plain._register_subdomain(plain.name)
        self.assertEqual(plain.sudo().parent_id, self.domain)
        operators = self.make_domain("auth.unit.example")
        self.assertEqual(operators.parent_id, self.domain, "the operator may")
        with self.refused(ValidationError, "is reserved"):
            operators.partner_id = self.acme.partner_id

    def test_a_free_name_sends_and_receives_at_once(self):
        domain = self.as_customer["emboux.domain"].create({"name": "shop.unit.example"})
        box = self.as_customer["emboux.mailbox"].create(
            {"local_part": "info", "domain_id": domain.id, "password": "a long password 1"}
        )
        self.assertEqual((domain.state, domain.sudo().parent_id), ("verified", self.domain))
        [[action]] = self.rows(
            "SELECT coalesce(max(action), '') FROM emboux_mail.outbound WHERE login = %s",
            box.email,
        )
        self.assertFalse(action)
        self.assertTrue(self.rows(
            "SELECT FROM emboux_domain WHERE name = %s AND owned_since IS NOT NULL", domain.name))

    def test_registered_at_creation_whatever_the_state_of_siblings(self):
        provider = self.env["emboux.provider"].create({"name": "Memory", "kind": "mailgun"})
        far = MemoryProvider()
        model = self.env.registry["emboux.provider"]
        original = model._client
        self.startPatcher(patch.object(
            model, "_client",
            lambda record: far if record.id == provider.id else original(record)))
        self.registry_enter_test_mode()
        self.domain.provider_id = provider
        states = {}
        for number, spoil in enumerate(("suspended", "archived", "refused", "pending", None)):
            name = f"s{number}.unit.example"
            domain = self.as_customer["emboux.domain"].with_user(self.env.user).create(
                {"name": name, "backend_id": self.backend.id})
            row = self.env["emboux.registration"].sudo().search([("name", "=", name)])
            self.assertEqual((row.wish, row.provider_id), ("present", provider), states)
            self.env.flush_all()
            self.env.cr.postcommit.run()
            self.env.invalidate_all()
            self.assertIn(name, far.domains, states)
            self.assertIn(name, far.credentials, "it can send at once")
            states[name] = spoil
            if spoil == "suspended":
                domain.action_suspend()
            elif spoil == "archived":
                domain.active = False
            elif spoil:
                row.state = spoil

    def test_allowed_providers(self):
        own = self.env["emboux.provider"]._provider_of_this_server()
        other = self.env["emboux.provider"].create(
            {"name": "Other", "kind": "ses", "region": "eu-west-1", "sequence": 99})
        self.plan.sudo().provider_ids = other
        new = self.as_customer["emboux.domain"].create({"name": "new.example"})
        self.assertEqual(new.sudo().provider_id, other, "the first that is allowed")
        with self.refused(ValidationError, "not in the plan of Acme"):
            new.sudo().provider_id = own
        self.assertEqual(self.domain.provider_id, own)
        with self.refused(ValidationError, "not in the plan of Acme"):
            self.as_customer["emboux.domain"].create({"name": "a.unit.example"})
