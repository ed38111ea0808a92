# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import PlatformCase

LOGGER = "odoo.addons.emboux_mail_api.models.customer"


@tagged("post_install", "-at_install")
class TestCounters(PlatformCase):
    """``domains_used`` is reconciled with what is there when the platform starts."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.customers = cls.env["emboux.customer"]
        cls.one, cls.two, cls.none = (
            cls.customers.create({"partner_id": cls.env["res.partner"].create({"name": name}).id})
            for name in ("One", "Two", "None")
        )
        for customer, names in ((cls.one, ("a", "b", "c")), (cls.two, ("d",))):
            for name in names:
                cls.make_domain(f"{name}.counters.example", partner_id=customer.partner_id.id)

    def used(self):
        self.env.invalidate_all()
        return [customer.domains_used for customer in (self.one, self.two, self.none)]

    def break_counters(self, *numbers):
        self.env.flush_all()
        for customer, number in zip((self.one, self.two, self.none), numbers, strict=True):
            self.env.cr.execute(
                "UPDATE emboux_customer SET domains_used = %s WHERE id = %s", [number, customer.id]
            )
        self.assertEqual(self.used(), [number or 0 for number in numbers])

    def test_starting_the_platform_corrects_the_counters(self):
        self.assertEqual(self.used(), [3, 1, 0])
        self.break_counters(99, 0, 5)
        with self.assertLogs(LOGGER, "WARNING") as logs:
            self.customers._register_hook()
        self.assertEqual(self.used(), [3, 1, 0])
        said = "\n".join(logs.output)
        self.assertIn(f"customer {self.one.id}: domains_used was 99, is 3", said)
        self.assertIn(f"customer {self.two.id}: domains_used was 0, is 1", said)
        self.assertIn(f"customer {self.none.id}: domains_used was 5, is 0", said)

    def test_missing_counters_are_filled_without_a_warning(self):
        self.customers._register_hook()
        self.break_counters(None, 1, 0)
        with self.assertNoLogs(LOGGER, "WARNING"):
            self.customers._register_hook()
        self.assertEqual(self.used(), [3, 1, 0])

    def test_correct_counters_are_left_alone(self):
        self.customers._register_hook()
        self.env.cr.execute("SELECT id, xmin::text, ctid::text FROM emboux_customer ORDER BY id")
        before = self.env.cr.fetchall()
        with self.assertNoLogs(LOGGER, "WARNING"):
            self.customers._register_hook()
        self.env.cr.execute("SELECT id, xmin::text, ctid::text FROM emboux_customer ORDER BY id")
        self.assertEqual(self.env.cr.fetchall(), before)

    @mute_logger(LOGGER)
    def test_a_limit_uses_the_corrected_counter(self):
        self.one.domain_limit = 4
        self.break_counters(0, 1, 0)
        self.customers._register_hook()
        self.make_domain("e.counters.example", partner_id=self.one.partner_id.id)
        with self.assertRaisesRegex(Exception, "limit of 4 domains"):
            self.make_domain("f.counters.example", partner_id=self.one.partner_id.id)

    def test_archived_domains_count(self):
        """They hold their name, and come back by one click."""
        domain = self.env["emboux.domain"].search([("name", "=", "d.counters.example")])
        domain.active = False
        self.customers._register_hook()
        self.assertEqual(self.used(), [3, 1, 0])
        domain.unlink()
        self.assertEqual(self.used(), [3, 0, 0])

    def test_domains_that_come_and_go_are_counted(self):
        domain = self.env["emboux.domain"].search([("name", "=", "a.counters.example")])
        domain.partner_id = self.two.partner_id
        self.assertEqual(self.used(), [2, 2, 0])
        domain.partner_id = False
        self.assertEqual(self.used(), [2, 1, 0])
        domain.unlink()
        self.assertEqual(self.used(), [2, 1, 0])
        with self.assertNoLogs(LOGGER, "WARNING"):
            self.customers._register_hook()
