# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import tagged
from odoo.tools import file_open

from .remote_case import CUT, RemoteCase


@tagged("post_install", "-at_install")
class TestNeutralize(RemoteCase):
    """A copy for staging reaches no platform, and none reaches it."""

    def neutralize(self):
        self.env.flush_all()
        with file_open("emboux_core/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        self.env.invalidate_all()

    def test_a_copy_knows_no_platform_and_finishes_nothing(self):
        self.backend.sudo().secret = "emboux_s3cret"
        domain = self.make_domain()
        self.far.faults["*"] = CUT
        self.make_mailbox(domain)
        self.assertTrue(self.open_operations())
        self.far.faults.clear()
        self.neutralize()
        self.assertFalse(self.backend.url)
        self.assertFalse(self.backend.sudo().secret)
        self.assertEqual(self.backend.state, "draft")
        self.assertFalse(self.open_operations())
        self.assertEqual(self.operation("ann@far.example").state, "void")

    def test_a_copy_does_nothing_by_itself(self):
        jobs = self.env["ir.cron"].sudo().search([("cron_name", "like", "Email Hosting:")])
        own = self.env["ir.model.data"].sudo().search(
            [("module", "=", "emboux_core"), ("model", "=", "ir.cron")])
        self.assertLessEqual(set(own.mapped("res_id")), set(jobs.ids))
        self.neutralize()
        self.assertFalse(jobs.browse(own.mapped("res_id")).filtered("active"))

    def test_a_copy_takes_no_mail(self):
        mailbox = self.make_mailbox(self.make_domain())
        mailbox.sudo().write({
            "push_url": "https://odoo.example/emboux/inbound/1", "push_secret": "whsec_x",
            "mox_secret": "Bearer x", "mox_receives": True,
        })
        self.neutralize()
        mailbox = mailbox.sudo()
        self.assertFalse(mailbox.push_url or mailbox.push_secret)
        self.assertFalse(mailbox.mox_secret or mailbox.mox_receives)
