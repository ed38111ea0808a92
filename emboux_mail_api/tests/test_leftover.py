# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import os
import tempfile
from pathlib import Path

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..emboux_daemons.retention import leftover
from .common import PlatformCase


class Rows:
    """A store of rows in this transaction, as ``retention.store.Store`` has them."""

    def __init__(self, case):
        self.case = case

    def leftovers(self, after):
        return [folder for folder, in self.case.rows(
            "SELECT mail_folder FROM emboux_mail.leftovers WHERE mail_folder > %s"
            " ORDER BY mail_folder LIMIT 2", after)]

    def forget(self, folder):
        self.case.env.cr.execute(
            "DELETE FROM emboux_mail.leftover WHERE mail_folder = %s", [folder])


@tagged("post_install", "-at_install")
class TestLeftover(PlatformCase):
    def setUp(self):
        super().setUp()
        self.env.cr.execute("DELETE FROM emboux_mail.leftover")
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.store = Rows(self)

    def folder(self, mailbox):
        folder = self.root / mailbox.sudo().mail_folder
        (folder / "Maildir" / "cur").mkdir(parents=True)
        (folder / "Maildir" / "cur" / "1").write_text("Subject: secret")
        return folder

    def hour_later(self):
        self.env.cr.execute("UPDATE emboux_mail.leftover SET since = since - interval '1 hour'")

    def remove(self, **options):
        return leftover.remove(self.root, self.store, **options)

    def test_the_mail_of_deleted_mailboxes_goes_and_no_other(self):
        boxes = [self.make_mailbox(name) for name in "abcde"]
        folders = [self.folder(box) for box in boxes]
        empty = self.make_mailbox("never-got-mail")
        for box in (*boxes[:4], empty):
            box.unlink()
        boxes[4].active = False
        self.assertEqual(self.remove(), (0, 0), "somebody may be reading it at this moment")
        self.hour_later()
        self.assertEqual(self.remove(dry_run=True), (5, 0))
        self.assertTrue(all(folder.exists() for folder in folders))
        self.assertEqual(self.remove(), (5, 0))
        self.assertEqual([folder.exists() for folder in folders], [False] * 4 + [True])
        self.assertFalse(self.rows("SELECT FROM emboux_mail.leftover"))

    def test_a_killed_run_is_resumed(self):
        boxes = [self.make_mailbox(name) for name in "abc"]
        folders = [self.folder(box) for box in boxes]
        self.env["emboux.mailbox"].union(*boxes).unlink()
        self.hour_later()
        turns = iter((False, True))
        self.assertEqual(self.remove(ended=lambda: next(turns)), (1, 0))
        self.assertEqual(sum(folder.exists() for folder in folders), 2)
        self.assertEqual(self.remove(), (2, 0))

    def test_never_outside_and_never_when_the_disk_is_not_mounted(self):
        outside = self.root / "elsewhere"
        outside.mkdir()
        link = "0123456789abcdef01234567"
        (self.root / "mail").mkdir()
        os.symlink(outside, self.root / "mail" / link)
        self.env.cr.execute(
            "INSERT INTO emboux_mail.leftover SELECT unnest(%s), now() - interval '2 hours'",
            [["../elsewhere", ".", "", link]])
        with mute_logger("odoo.addons.emboux_mail_api.emboux_daemons.retention.leftover"):
            self.assertEqual(leftover.remove(self.root / "mail", self.store), (0, 3))
            self.assertEqual(leftover.remove(self.root / "unmounted", self.store), (0, 3))
        self.assertTrue(outside.exists())
        self.assertEqual(len(self.rows("SELECT FROM emboux_mail.leftover")), 4)

    def test_a_mailbox_that_is_back_keeps_its_mail(self):
        """As after a restored backup."""
        box = self.make_mailbox("ann")
        self.env.flush_all()
        self.env.cr.execute(
            "INSERT INTO emboux_mail.leftover VALUES (%s, now() - interval '2 hours')",
            [box.sudo().mail_folder])
        self.assertEqual(self.remove(), (0, 0))
