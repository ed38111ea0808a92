# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import tagged

from ..net.errors import Refused, UnknownOutcome
from .remote_case import CUT, RemoteCase

NO = Refused("not with us")
LOST = UnknownOutcome("no answer within 10 seconds")


@tagged("post_install", "-at_install")
class TestOutcomes(RemoteCase):
    """What becomes of a record when the call is done, refused, cut or lost."""

    # -- done ----------------------------------------------------------------------------

    def test_done_is_saved_and_closed(self):
        domain = self.make_domain()
        mailbox = self.make_mailbox(domain, quota_mb=5)
        alias = self.make_alias(domain)
        self.assertEqual(domain.state, "pending")
        self.assertTrue(domain.dns_record_ids)
        self.assertEqual(self.far._mailboxes[mailbox.email].quota, 5 * 1024 * 1024)
        self.assertIn(alias.email, self.far._aliases)
        for record in (domain, mailbox, alias):
            self.assert_done(record)
        self.assertEqual(set(self.operations.search([]).mapped("state")), {"done"})

    def test_the_row_is_there_before_the_call_and_open_until_the_commit(self):
        seen = []
        self.far.during = lambda: seen.extend(
            (o.key, o.state, o.attempts) for o in self.operations.search([])
        )
        self.env["emboux.domain"].create({"name": "far.example", "backend_id": self.backend.id})
        self.assertEqual(seen, [("far.example", "pending", 1)])
        self.assertEqual(self.operation("far.example").state, "pending")
        self.commit()
        self.assertEqual(self.operation("far.example").state, "done")

    def test_done_changes_and_deletions(self):
        domain = self.make_domain()
        mailbox = self.make_mailbox(domain)
        alias = self.make_alias(domain)
        mailbox.write({"quota_mb": 7, "state": "suspended"})
        alias.destinations = "bob@elsewhere.example"
        self.commit()
        self.assertTrue(self.far._mailboxes[mailbox.email].suspended)
        self.assertEqual(
            self.far._aliases[alias.email].destinations, ("bob@elsewhere.example",)
        )
        domain.action_suspend()
        self.commit()
        self.assertTrue(self.far._domains["far.example"].suspended)
        mailbox.unlink()
        domain.unlink()  # and the alias with it
        self.commit()
        self.assertFalse(self.far._domains or self.far._mailboxes or self.far._aliases)
        self.assertFalse(self.open_operations())

    def test_unchanged_values_are_not_sent_again(self):
        mailbox = self.make_mailbox(self.make_domain(), quota_mb=5)
        self.far.calls.clear()
        mailbox.write({"quota_mb": 5, "state": "active"})
        mailbox.domain_id.sudo().write({"state": "verified"})  # nothing to the platform
        self.assertFalse(self.far.calls)

    def test_archiving(self):
        domain = self.make_domain()
        mailbox, alias = self.make_mailbox(domain), self.make_alias(domain)
        mailbox.active = False
        alias.active = False
        domain.active = False
        self.commit()
        self.assertTrue(self.far._mailboxes[mailbox.email].suspended)
        self.assertNotIn(alias.email, self.far._aliases)
        self.assertTrue(self.far._domains["far.example"].suspended)
        alias.active = True
        self.commit()
        self.assertIn(alias.email, self.far._aliases)

    # -- refused -------------------------------------------------------------------------

    def test_refused_creation(self):
        self.far.faults["*"] = NO
        with self.refused("far refused: not with us"):
            self.env["emboux.domain"].create(
                {"name": "far.example", "backend_id": self.backend.id}
            )
        row = self.operation("far.example")
        self.assertEqual((row.state, row.error, row.attempts), ("refused", "not with us", 1))
        self.run_cron()
        self.assertEqual(self.far.calls, [("ensure", "far.example")], "not repeated")

    def test_refused_change_and_deletion_of_each_kind(self):
        domain = self.make_domain()
        mailbox, alias = self.make_mailbox(domain), self.make_alias(domain)
        changes = [
            (mailbox, {"quota_mb": 9}),
            (alias, {"destinations": "x@elsewhere.example"}),
            (domain, {"is_wildcard": True}),
        ]
        for record, values in changes:
            key = record._provision_key()
            self.far.faults = {"ensure": NO, "delete": NO}
            with self.refused("not with us"):
                record.write(values)
            self.assertEqual(self.operation(key)[0].state, "refused")
            savepoint = self.env.cr.savepoint()
            with self.refused("not with us"):
                record.unlink()
            savepoint.close(rollback=True)
            self.env.invalidate_all()
            self.far.faults = {}
        self.assertEqual(self.far._mailboxes[mailbox.email].quota, 1024**3)

    def test_refusal_by_the_database_comes_before_the_call(self):
        domain = self.make_domain()
        self.make_mailbox(domain)
        self.far.calls.clear()
        with self.assertRaises(Exception), self.cr.savepoint():  # noqa: B017
            self.make_alias(domain, "ann")
        self.assertFalse(self.far.calls)

    # -- unreachable, unknown ------------------------------------------------------------

    def test_unreachable_is_saved_as_pending(self):
        domain = self.make_domain()
        self.far.faults["*"] = CUT
        mailbox = self.make_mailbox(domain)
        self.assert_pending(mailbox, "far cannot be reached. (the line is cut)")
        row = self.open_operations()
        self.assertEqual((row.key, row.attempts, row.busy_until), (mailbox.email, 1, False))
        self.assertEqual(row.company_id, domain.company_id)
        self.assertIn("the line is cut", row.error)
        self.assertEqual(mailbox.sync_next_try, row.next_try)
        self.assertEqual(row._record(), mailbox)

    def test_unknown_outcome_is_saved_as_pending(self):
        domain = self.make_domain()
        alias = self.make_alias(domain)
        self.far.faults["after ensure"] = LOST
        alias.destinations = "x@elsewhere.example"
        self.commit()
        self.assert_pending(alias, "did not answer in time")
        self.assertEqual(alias.destinations, "x@elsewhere.example")

    def test_unreachable_change_of_each_kind(self):
        domain = self.make_domain()
        mailbox, alias = self.make_mailbox(domain), self.make_alias(domain)
        self.far.faults["*"] = CUT
        mailbox.quota_mb = 9
        self.commit()
        domain.is_wildcard = True
        self.commit()
        alias.destinations = "x@elsewhere.example"
        self.commit()
        for record in (mailbox, alias, domain):
            self.assertEqual(record.sync_state, "pending", record)
        self.assertEqual(domain.state, "pending", "not new: its DNS records are known")
        self.far.faults.clear()
        for _minute in range(3):
            self.later(minutes=2)
            self.run_cron()
        self.assertEqual(self.far._mailboxes[mailbox.email].quota, 9 * 1024**2)
        self.assertTrue(self.far._domains["far.example"].wildcard)
        for record in (mailbox, alias, domain):
            self.assert_done(record)

    def test_unreachable_deletion_is_repeated(self):
        domain = self.make_domain()
        mailbox, alias = self.make_mailbox(domain), self.make_alias(domain)
        self.far.faults["*"] = CUT
        mailbox.unlink()
        self.commit()
        domain.unlink()
        self.commit()
        self.assertFalse(domain.exists() or alias.exists())
        self.assertEqual(
            self.open_operations().mapped("display_name"),
            ["Delete: ann@far.example", "Delete: sales@far.example", "Delete: far.example"],
        )
        self.assertEqual(self.far.calls[-1], ("delete", "ann@far.example"),
                         "the domain and its alias wait for it")
        self.far.faults.clear()
        self.far.calls.clear()
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual([key for _verb, key in self.far.calls],
                         ["ann@far.example", "sales@far.example", "far.example"])
        self.assertFalse(self.far._domains or self.far._mailboxes or self.open_operations())

    def test_a_save_waits_only_once(self):
        """A platform that hangs makes the user wait once, not for each record."""
        domain = self.make_domain()
        self.far.faults["*"] = CUT
        self.far.calls.clear()
        boxes = self.env["emboux.mailbox"].create(
            [{"local_part": f"box{n}", "domain_id": domain.id, "catch_all": n == 1}
             for n in range(3)]
        )
        self.commit()
        self.assertEqual(self.far.calls, [("ensure", "box0@far.example")])
        for box in boxes:
            self.assert_pending(box)
        self.assertEqual(self.open_operations().mapped("attempts"), [1, 0, 0, 0])
        self.far.faults.clear()
        self.later(minutes=2)
        self.run_cron()
        self.assertFalse(self.open_operations())
        self.assertIn("@far.example", self.far._aliases)

    def test_a_defect_of_the_client_leaves_the_row_open(self):
        self.far.faults["*"] = ZeroDivisionError("a defect")
        try:  # leaving assertRaises would undo what own cursors wrote
            self.env["emboux.domain"].create({"name": "far.example", "backend_id": self.backend.id})
        except ZeroDivisionError:
            self.assertEqual(self.open_operations().mapped("key"), ["far.example"])
        else:
            self.fail("a defect has to be seen")

    # -- new domains ---------------------------------------------------------------------

    def test_a_domain_is_new_until_its_platform_knows_it(self):
        self.far.faults["*"] = CUT
        domain = self.make_domain()
        self.assertEqual(domain.state, "draft")
        self.assert_pending(domain)
        self.assertFalse(domain.dns_record_ids)
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(domain.state, "draft")
        self.far.faults.clear()
        self.later(minutes=3)
        self.run_cron()
        self.assertEqual(domain.state, "pending")
        self.assertTrue(domain.dns_record_ids)
        self.assert_done(domain)

    def test_a_new_subdomain_becomes_verified_with_its_parent(self):
        parent = self.make_domain(state="verified", is_wildcard=True)
        self.far.faults["*"] = CUT
        domain = self.make_domain("shop.far.example")
        self.assertEqual((domain.state, domain.parent_id), ("draft", parent))
        self.assertFalse(domain.owned_since)
        self.far.faults.clear()
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(domain.state, "verified")
        self.assertTrue(domain.owned_since)

    def test_a_new_domain_that_is_suspended_stays_so(self):
        self.far.faults["*"] = CUT
        domain = self.make_domain(state="suspended")
        self.assertEqual((domain.state, domain.state_before), ("suspended", "draft"))
        self.far.faults.clear()
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual((domain.state, domain.state_before), ("suspended", "pending"))
        self.assertTrue(self.far._domains["far.example"].suspended)

    def test_what_is_in_a_new_domain_comes_after_it(self):
        self.far.faults["*"] = CUT
        domain = self.make_domain()
        self.far.faults.clear()
        self.far.calls.clear()
        mailbox = self.make_mailbox(domain)
        alias = self.make_alias(domain, to=mailbox.email)
        self.assertFalse(self.far.calls, "the platform would refuse them")
        self.assert_pending(mailbox, "Waiting for: Set: far.example")
        self.run_cron()  # at once, although the domain's next try was a minute away
        self.assertEqual(
            [key for _verb, key in self.far.calls],
            ["far.example", "ann@far.example", "sales@far.example"],
        )
        for record in (domain, mailbox, alias):
            self.assert_done(record)

    # -- passwords -----------------------------------------------------------------------

    def test_a_password_is_sent_in_clear_once_and_repeated_as_hash(self):
        domain = self.make_domain()
        self.far.faults["after ensure"] = LOST
        mailbox = self.make_mailbox(domain, password="correct horse battery")
        told = self.far._mailboxes[mailbox.email]
        self.assertEqual(told.password, "correct horse battery")
        self.assertTrue(told.password_hash.startswith("$argon2id$"))
        row = self.open_operations()
        self.assertTrue(row.with_password)
        for name, field in row._fields.items():
            if field.store and field.column_type:
                self.assertNotIn("correct horse", str(row[name]), name)
                self.assertNotIn("$argon2id$", str(row[name]), name)
        self.far.faults.clear()
        self.later(minutes=2)
        self.run_cron()
        again = self.far._mailboxes[mailbox.email]
        self.assertEqual((again.password, again.password_hash), (None, told.password_hash))
        self.assert_done(mailbox)

    def test_a_change_without_password_does_not_set_it_and_does_not_lose_it(self):
        domain = self.make_domain()
        mailbox = self.make_mailbox(domain, password="correct horse battery")
        mailbox.quota_mb = 9
        self.commit()
        self.assertIsNone(self.far._mailboxes[mailbox.email].password_hash)
        self.far.faults["*"] = CUT
        mailbox.password = "another long password"
        self.commit()
        mailbox.quota_mb = 10
        self.commit()
        self.assertEqual(self.open_operations().mapped("with_password"), [True])
        self.far.faults.clear()
        self.later(minutes=2)
        self.run_cron()
        told = self.far._mailboxes[mailbox.email]
        self.assertEqual((told.quota, told.password), (10 * 1024**2, None))
        self.assertEqual(told.password_hash, mailbox.sudo().password_hash)
