# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Who is near a sending limit is told once at 80 % and once at 100 %, in each window."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.base.models.ir_cron import IrCron

from .common import PlatformCase

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@tagged("post_install", "-at_install")
class TestOutboundWarning(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = cls.env["res.partner"].create({"name": "Owner", "email": "o@owner.example"})
        cls.responsible = cls.env["res.users"].create(
            {
                "name": "Responsible", "login": "responsible", "email": "r@unit.example",
                "group_ids": [Command.link(cls.env.ref("emboux_core.group_manager").id)],
            }
        )
        cls.domain.write({
            "partner_id": cls.owner.id, "user_id": cls.responsible.id, "outbound_daily_limit": 10,
        })
        cls.domain.flush_recordset()

    def setUp(self):
        super().setUp()
        # the job commits what it has told, a test does not
        self.startPatcher(patch.object(IrCron, "_commit_progress", lambda *_, **__: 1.0))

    def sent(self, day, month=None, at=NOON, domain=None):
        self.env.cr.execute(
            """INSERT INTO emboux_mail.sent (subject, at, in_day, in_month) VALUES (%s, %s, %s, %s)
                   ON CONFLICT (subject) DO UPDATE
                  SET at = excluded.at, in_day = excluded.in_day, in_month = excluded.in_month""",
            [(domain or self.domain).id, at, day, day if month is None else month],
        )

    def told(self, now=NOON, domain=None):
        domain = domain or self.domain
        self.env.cr.flush()  # earlier notes
        before = domain.message_ids
        domain._cron_warn_of_limits(now)
        return [(message.subject, message.notified_partner_ids)
                for message in (domain.message_ids - before).sorted("id")]

    def test_each_level_is_told_once_to_owner_and_responsible(self):
        both = self.owner | self.responsible.partner_id
        self.sent(7)
        self.assertFalse(self.told())
        self.sent(8)
        self.assertEqual(self.told(), [("unit.example is near its sending limit", both)])
        self.sent(9)
        self.assertFalse(self.told())
        self.sent(10)
        self.assertEqual(self.told(), [("unit.example has reached its sending limit", both)])
        self.assertFalse(self.told())
        self.assertIn("10 of 10 recipients today", self.domain.message_ids[0].body)

    def test_the_next_day_begins_anew(self):
        self.sent(10)
        self.assertEqual(len(self.told()), 1)
        tomorrow = NOON + timedelta(days=1)
        self.assertFalse(self.told(tomorrow), "what was sent was sent yesterday")
        self.sent(8, 18, at=tomorrow)
        self.assertEqual(len(self.told(tomorrow)), 1)

    def test_the_month_has_its_own(self):
        self.domain.write({"outbound_daily_limit": 0, "outbound_monthly_limit": 100})
        self.sent(5, 85)
        [(subject, _partners)] = self.told()
        self.assertEqual(subject, "unit.example is near its sending limit")
        self.assertIn("85 of 100 recipients this month", self.domain.message_ids[0].body)
        self.assertFalse(self.told(NOON + timedelta(days=1)))

    def test_a_subdomain_goes_by_its_own_limit_and_its_parents_off_tells_nobody(self):
        self.domain.is_wildcard = True
        child = self.make_domain("shop.unit.example", outbound_daily_limit=10)
        self.sent(9, domain=child)
        self.assertEqual(len(self.told(domain=child)), 1)
        self.domain.outbound_enforcement = "off"
        self.sent(10, domain=child)
        self.assertFalse(self.told(domain=child))

    def test_nothing_without_a_limit(self):
        self.domain.outbound_daily_limit = 0
        self.sent(10**6)
        self.assertFalse(self.told())
