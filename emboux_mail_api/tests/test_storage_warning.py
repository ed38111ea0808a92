# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import tagged

from .common import PlatformCase

MEGABYTE = 1024 * 1024


@tagged("post_install", "-at_install")
class TestStorageWarning(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = cls.env["res.partner"].create({"name": "Owner", "email": "o@outside.example"})
        cls.domain.partner_id = cls.owner
        cls.box = cls.make_mailbox("ann", quota_mb=100)

    def count(self, megabytes):
        """Dovecot has counted, and the job has run."""
        self.rows(
            """INSERT INTO emboux_mail.usage (username, bytes, messages) VALUES (%s, %s, 1)
               ON CONFLICT (username) DO UPDATE SET bytes = excluded.bytes RETURNING 1""",
            self.box.email, megabytes * MEGABYTE,
        )
        before = self.box.message_ids
        self.backend._sync_usage()
        return [str(message.body) for message in self.box.message_ids - before]

    def test_each_level_is_told_once(self):
        self.assertEqual(self.count(79), [])
        [told] = self.count(80)
        self.assertIn("80 % of 100 MB", told)
        self.assertEqual(self.count(94), [])
        [told] = self.count(96)
        self.assertIn("95 %", told)
        [told] = self.count(100)
        self.assertIn("is full", told)
        self.assertEqual(self.count(99), [])
        self.assertEqual(self.box.storage_warned, 100)

    def test_the_owner_is_told(self):
        self.count(90)
        self.assertIn(self.owner, self.box.message_ids[0].notified_partner_ids)

    def test_the_warning_is_repeated_after_emptying(self):
        self.count(81)
        self.assertEqual(self.count(78), [], "a little less is no emptying")
        self.assertEqual(self.count(82), [])
        self.count(10)
        self.assertEqual(self.box.storage_warned, 0)
        self.assertEqual(len(self.count(82)), 1)

    def test_a_smaller_quota_fills_it_too(self):
        self.count(50)
        before = self.box.message_ids
        self.box.quota_mb = 60
        self.assertIn("80 % of 60 MB", str((self.box.message_ids - before).mapped("body")))
        self.box.quota_mb = 0
        self.assertEqual(self.box.storage_warned, 0)
