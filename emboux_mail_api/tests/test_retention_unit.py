# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Which folder is of which kind; how a pass that was killed is resumed; what Odoo shows."""

from datetime import UTC, datetime, timedelta

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..emboux_daemons.retention import doveadm, folders
from ..emboux_daemons.retention.doveadm import DoveadmError
from ..emboux_daemons.retention.folders import Folder
from ..emboux_daemons.retention.purge import Purge, Tally
from ..emboux_daemons.retention.store import Begun, Mailbox
from .common import PlatformCase

CONFIG = r"""
mail_location = maildir:~/Maildir
namespace archive {
  hidden = no
  inbox = no
  location =
  prefix = shared.%u.
  separator = .
  type = shared
}
namespace inbox {
  inbox = yes
  location =
  mailbox Archive {
    auto = subscribe
    special_use = \Archive
  }
  mailbox "Sent Messages" {
    special_use = \Sent
  }
  mailbox Trash {
    auto = subscribe
    special_use = \Trash
  }
  mailbox Plain {
    auto = no
  }
  prefix =
  separator =
  type = private
}
"""
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


class TestFolders(PlainTest):
    def test_kinds(self):
        layout = folders.parse(CONFIG)
        for name, kind in {
            "INBOX": "inbox", "Inbox": "inbox", "INBOX.kept": "other", "Trash": "trash",
            "Trash.2019": "trash", "Trash.2019.May": "trash", "Trashcan": "other",
            "Sent Messages": "sent", "Sent": "other", "Archive.Sent Messages": "archive",
            "Plain": "other", "Own": "other", "*": "other",
        }.items():
            self.assertEqual(layout.kind(name), kind, name)

    def test_what_is_shared_is_somebody_elses(self):
        layout = folders.parse(CONFIG.replace("shared.%u.", "shared."))
        self.assertIsNone(layout.kind("shared.bob.Trash"))

    def test_a_prefix_and_slashes(self):
        layout = folders.parse(
            CONFIG.replace("prefix =\n  separator =", "prefix = INBOX/\n  separator = /"))
        self.assertEqual(layout.kind("INBOX/Trash/2019"), "trash")
        self.assertEqual(layout.kind("INBOX/Own"), "other")
        self.assertEqual(layout.kind("INBOX"), "inbox")

    def test_each_series_of_dovecot(self):
        newer = CONFIG.replace("mail_location = maildir:~/Maildir", "mail_driver = maildir")
        self.assertEqual(folders.parse(newer).kind("Trash.2019"), "trash")
        self.assertEqual(folders.parse(newer).kind("Trash/2019"), "other")
        slashes = newer.replace("= maildir", "= mdbox")
        self.assertEqual(folders.parse(slashes).kind("Trash/2019"), "trash")
        with self.assertRaisesRegex(ValueError, "neither mail_location nor mail_driver"):
            folders.parse(newer.replace("mail_driver = maildir\n", ""))

    def test_a_configuration_without_an_inbox_is_refused(self):
        with self.assertRaisesRegex(ValueError, "no namespace with an inbox"):
            folders.parse("mail_location = maildir:~/Maildir\n")

    def test_queries_name_folders_by_their_ids(self):
        ids = [f"{number:032x}" for number in range(60)]
        found = list(doveadm.queries([(number, 1_700_000_000) for number in ids]))
        self.assertEqual([query.count("mailbox-guid") for query in found], [50, 10])
        self.assertEqual(found[0][:5], ["(", "mailbox-guid", ids[0], "savedbefore", "1700000000"])
        self.assertEqual(found[0].count("OR"), 49)
        self.assertEqual(list(doveadm.queries([(ids[0], 5)])), [])


class FakeDovecot:
    """Messages by folder and the time they were saved; can be killed in the middle."""

    def __init__(self, **saved):
        self.saved = {name: list(times) for name, times in saved.items()}
        self.kill_after = None
        self.expunged = 0

    def layout(self):
        return folders.parse(CONFIG)

    def folders(self, _email):
        return [Folder(name, name, len(times)) for name, times in self.saved.items()]

    def count(self, _email, expired):
        return sum(t.timestamp() < before for name, before in expired for t in self.saved[name])

    def expunge(self, _email, expired):
        for name, before in expired:
            for saved in list(self.saved[name]):
                if saved.timestamp() < before:
                    if self.kill_after == self.expunged:
                        raise KeyboardInterrupt
                    self.saved[name].remove(saved)
                    self.expunged += 1


class FakeStore:
    def __init__(self, rule):
        self.rules = [rule]  # the last one stays
        self.row, self.done = None, None

    def due(self, _since, after, domain=None):
        return [] if after else [Mailbox(1, "ann@unit.example", "unit.example", self.rules[0])]

    def rule(self, _mailbox):
        return self.rules.pop(0) if len(self.rules) > 1 else self.rules[0]

    def begun(self, _mailbox):
        return self.row

    def begin(self, _mailbox, rule, as_of, found):
        self.row = Begun(rule, as_of, found)
        return True

    def finish(self, _mailbox, removed):
        self.row, self.done = None, removed

    def counted(self, _mailbox, _moment, found):
        self.done = ("counted", found)

    def fail(self, _mailbox, problem):
        self.done = problem


def days(*numbers):
    return [NOW - timedelta(days=number) for number in numbers]


class TestPurge(PlainTest):
    def purge(self, dovecot, store, now=NOW, **options):
        return Purge(dovecot, store, clock=lambda: now).round(now, **options)

    def test_only_what_has_expired_goes(self):
        dovecot = FakeDovecot(INBOX=days(100, 1), Trash=days(31, 29), Own=days(400))
        store = FakeStore({"inbox": 90, "trash": 30})
        tallies = self.purge(dovecot, store)
        self.assertEqual(dovecot.saved, {"INBOX": days(1), "Trash": days(29), "Own": days(400)})
        self.assertEqual(tallies, {"unit.example": Tally(1, 2, 2)})
        self.assertEqual(store.done, 2)

    def test_a_dry_run_counts_alone(self):
        dovecot = FakeDovecot(INBOX=days(100, 1))
        store = FakeStore({"inbox": 90})
        tallies = self.purge(dovecot, store, dry_run=True)
        self.assertEqual(len(dovecot.saved["INBOX"]), 2)
        self.assertEqual((tallies["unit.example"].found, store.done), (1, ("counted", 1)))

    def test_a_killed_pass_is_resumed_and_counted_in_full(self):
        dovecot = FakeDovecot(INBOX=days(100, 99, 98, 97, 1))
        store = FakeStore({"inbox": 90})
        dovecot.kill_after = 2
        with self.assertRaises(KeyboardInterrupt):
            self.purge(dovecot, store)
        self.assertEqual(store.row.found, 4)
        dovecot.kill_after = None
        # a day later; what has expired since waits for the next pass
        dovecot.saved["INBOX"].append(NOW - timedelta(days=89, hours=12))
        self.purge(dovecot, store, NOW + timedelta(days=1))
        self.assertEqual(store.done, 4)
        self.assertEqual(len(dovecot.saved["INBOX"]), 2)

    def test_a_newer_rule_keeps_what_it_keeps(self):
        dovecot = FakeDovecot(INBOX=days(100, 50))
        store = FakeStore({"inbox": 30})
        # it is changed while the messages are being counted
        store.rules = [{"inbox": 30}, {"inbox": 90}]
        self.purge(dovecot, store)
        self.assertEqual(dovecot.saved["INBOX"], days(50))
        self.assertEqual(store.done, 1)

    def test_a_rule_that_is_gone_removes_nothing(self):
        dovecot = FakeDovecot(INBOX=days(100))
        store = FakeStore({"inbox": 30})
        store.rules = [{"inbox": 30}, {}, {}]
        self.purge(dovecot, store)
        self.assertEqual(dovecot.saved["INBOX"], days(100))

    def test_a_mailbox_with_a_fault_does_not_hold_up_others(self):
        class Faulty(FakeDovecot):
            def folders(self, email):
                raise DoveadmError("doveadm ended with 75: not now")

        store = FakeStore({"inbox": 30})
        tallies = self.purge(Faulty(), store)
        self.assertEqual(tallies["unit.example"].problems, 1)
        self.assertIn("not now", store.done)

        class Gone(FakeDovecot):
            def folders(self, email):
                raise DoveadmError("doveadm ended with 67", is_gone=True)

        store = FakeStore({"inbox": 30})
        self.assertEqual(self.purge(Gone(), store)["unit.example"].problems, 0)


@tagged("post_install", "-at_install")
class TestRetentionRules(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.domain.sudo().owned_since = "2026-01-01"
        cls.box = cls.make_mailbox("ann")

    def rules(self):
        return self.rows(
            "SELECT email, rule FROM emboux_mail.retention_rules WHERE domain = 'unit.example'")

    def test_who_has_a_rule(self):
        self.assertEqual(self.rules(), [])
        self.domain.write({"retention_trash": 30, "retention_junk": 7})
        self.assertEqual(self.rules(), [("ann@unit.example", {"trash": 30, "junk": 7})])
        self.box.state = "suspended"
        self.assertEqual(self.rules(), [])
        self.box.state = "active"
        self.domain.action_suspend()
        self.assertEqual(self.rules(), [], "what is suspended is frozen")

    def test_what_odoo_shows(self):
        self.assertFalse(self.domain.retention_note)
        self.domain.retention_trash = 30
        self.env.invalidate_all()
        self.assertIn("emboux_retention", self.domain.retention_note)
        self.rows(
            "INSERT INTO emboux_mail.retention (mailbox_id, counted, counted_at, finished_at,"
            " removed, removed_total) VALUES (%s, 5, now(), now(), 5, 9) RETURNING 1", self.box.id)
        self.env.invalidate_all()
        self.assertEqual(
            (self.domain.retention_removed, self.domain.retention_counted), (5, 5))
        self.assertTrue(self.domain.retention_last_run)
        self.assertFalse(self.domain.retention_note)
        row = self.env["emboux.retention"].search([("domain_id", "=", self.domain.id)])
        self.assertEqual((row.mailbox_id, row.removed_total), (self.box, 9))
        self.rows("UPDATE emboux_mail.retention SET problem = 'not now' WHERE mailbox_id = %s"
                  " RETURNING 1", self.box.id)
        self.env.invalidate_all()
        self.assertIn("not now", self.domain.retention_note)

    def test_who_sees_it(self):
        self.rows("INSERT INTO emboux_mail.retention (mailbox_id) VALUES (%s) RETURNING 1",
                  self.box.id)
        company = self.env["res.company"].sudo().create({"name": "Elsewhere"})
        manager = new_test_user(self.env, "mine", "emboux_core.group_manager")
        stranger = new_test_user(self.env, "stranger", "emboux_core.group_manager",
                                 company_id=company.id, company_ids=[(6, 0, company.ids)])
        rows = self.env["emboux.retention"]
        domain = [("mailbox_id", "=", self.box.id)]
        self.assertTrue(rows.with_user(manager).search(domain))
        self.assertFalse(rows.with_user(stranger).search(domain))
        for login, group in (("own", "emboux_core.group_user"),
                             ("customer", "emboux_mail_api.group_customer")):
            user = new_test_user(self.env, login, group)
            with self.assertRaises(AccessError):
                rows.with_user(user).search(domain)

    def test_a_deleted_mailbox_takes_its_row_along(self):
        self.rows("INSERT INTO emboux_mail.retention (mailbox_id) VALUES (%s) RETURNING 1",
                  self.box.id)
        self.box.unlink()
        self.assertEqual(self.rows("SELECT * FROM emboux_mail.retention WHERE mailbox_id = %s",
                                   self.box.id), [])
