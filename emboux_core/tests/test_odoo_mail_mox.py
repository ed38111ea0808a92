# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from odoo.tests import tagged

from ..models import odoo_mail_step
from ..net.errors import Refused, Unreachable
from .mox_mailbox_case import MoxMailboxCase, own_transaction


@tagged("post_install", "-at_install")
class TestOdooMailMox(MoxMailboxCase):
    """Odoo's own mail by a domain on mox."""

    def setUp(self):
        super().setUp()
        self.startPatcher(patch.object(odoo_mail_step, "own_transaction", own_transaction))
        self.backend.write({"imap_host": "mail.far.example"})
        self.env.company.alias_domain_id = False
        setups = self.env["emboux.odoo.mail"]
        setups.search([("company_id", "=", self.env.company.id)]).unlink()
        self.env["mail.alias"].create({
            "alias_name": "mox-answers", "alias_domain_id": False,
            "alias_model_id": self.env["ir.model"]._get("res.partner").id,
        })
        self.domain = self.make_domain()
        self.domain.sudo().state = "verified"
        self.setup = setups._start(self.domain)
        self.commit()

    def apply(self):
        self.setup.action_apply()
        self.env.invalidate_all()
        return {step.kind: step.state for step in self.setup.step_ids}

    def step(self, kind):
        return self.setup.step_ids.filtered(lambda step: step.kind == kind)

    def test_all_of_it_and_back(self):
        self.assertIn("hand over at once", self.step("incoming").plan)
        self.assertLessEqual(set(self.apply().values()), {"done", "kept"})
        mailbox, server = self.setup.mailbox_id, self.setup.server_id
        self.assertTrue(mailbox.mox_receives)
        self.assertFalse(self.setup.fetchmail_id)
        # those of documents of other add-ons too, such as sales@
        self.assertLessEqual(
            {f"{part}@far.example" for part in ("odoo", "bounce", "catchall", "notifications",
                                                "mox-answers")},
            set(server.from_filter.split(",")))
        self.assertEqual([name for name, *_rest in self.account.calls],
                         ["set_outgoing", "set_outgoing", "set_incoming"])
        self.setup.action_undo()
        self.env.invalidate_all()
        self.assertLessEqual(set(self.setup.step_ids.mapped("state")), {"undone", "kept"})
        self.assertEqual(self.account.calls[-1], ("set_incoming", "", ""))
        self.assertFalse(mailbox.exists() or server.exists())

    def test_without_webhooks_it_fetches_with_the_same_password(self):
        def refuse(*_arguments):
            raise Refused("This mox is too old.")

        self.account.set_incoming = refuse
        self.apply()
        self.assertIn("too old", self.step("incoming").outcome)
        fetching, server = self.setup.fetchmail_id, self.setup.server_id
        self.assertEqual(fetching.password, server.smtp_pass)
        self.assertEqual(self.far._mailboxes["odoo@far.example"].password, server.smtp_pass)
        self.commit()
        self.setup.mailbox_id.password = "something else entirely"
        self.assertEqual((fetching.password, server.smtp_pass),
                         ("something else entirely",) * 2)

    def test_a_step_says_why_it_failed(self):
        self.far.faults = {"ensure odoo@far.example": Unreachable("the line is cut")}
        states = self.apply()
        self.assertEqual((states["outgoing"], states["alias_domain"]), ("failed", "planned"))
        self.assertIn("the line is cut", self.step("outgoing").outcome)
