# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..backends.base import AliasSpec, DomainSpec, MailboxSpec
from ..net.errors import Refused
from .remote_case import CUT, RemoteCase

MB = 1024 * 1024


@tagged("post_install", "-at_install")
class TestDrift(RemoteCase):
    """Both sides are compared; people decide which one is right."""

    def setUp(self):
        super().setUp()
        self.domain = self.make_domain(state="verified")
        self.mailbox = self.make_mailbox(self.domain, quota_mb=5)
        self.alias = self.make_alias(self.domain)
        self.drift = self.env["emboux.drift"]
        self.later(minutes=1)  # what was told in this second is not compared

    def compare(self):
        self.backend.action_compare()
        return self.found()

    def found(self, backend=None):
        rows = self.drift.search(
            [("backend_id", "=", (backend or self.backend).id), ("ignored", "=", False)]
        )
        return {(row.kind, row.name): (row.side, row.difference or "") for row in rows}

    def row(self, name):
        return self.drift.search([("name", "=", name)])

    # -- what is found -------------------------------------------------------------------

    def test_no_difference(self):
        self.assertFalse(self.compare())
        self.assertEqual(self.backend.compared_at, self.now)

    def test_only_here(self):
        gone = self.make_domain("gone.example")
        self.make_mailbox(gone)
        del self.far._domains["gone.example"]
        del self.far._mailboxes["ann@far.example"], self.far._aliases["sales@far.example"]
        self.later(minutes=1)
        self.assertEqual(
            self.compare(),
            {
                ("domain", "gone.example"): ("only_here", ""),  # says enough about what is in it
                ("mailbox", "ann@far.example"): ("only_here", ""),
                ("alias", "sales@far.example"): ("only_here", ""),
            },
        )
        self.assertEqual(self.row("ann@far.example").company_id, self.domain.company_id)

    def test_only_there(self):
        far = self.far
        far._domains["new.example"] = DomainSpec("new.example")
        far._mailboxes["x@new.example"] = MailboxSpec("x@new.example")
        far._mailboxes["bob@far.example"] = MailboxSpec("bob@far.example")
        far._aliases["@far.example"] = AliasSpec("@far.example", ("bob@far.example",))
        self.assertEqual(
            self.compare(),
            {
                ("domain", "new.example"): ("only_there", ""),
                ("mailbox", "bob@far.example"): ("only_there", ""),
                ("alias", "@far.example"): ("only_there", ""),
            },
        )
        self.assertFalse(self.row("new.example").company_id)

    def test_different(self):
        far = self.far
        far._domains["far.example"] = DomainSpec("far.example", suspended=True, wildcard=True)
        far._mailboxes["ann@far.example"] = MailboxSpec(
            "ann@far.example", quota=0, suspended=True, send_as_domain=True, display_name="Ann"
        )
        far._aliases["sales@far.example"] = AliasSpec("sales@far.example", ("b@x.example",))
        self.assertEqual(
            self.compare(),
            {
                ("domain", "far.example"): (
                    "different", "Suspended: no → yes\nWildcard Parent: no → yes"),
                ("mailbox", "ann@far.example"): (
                    "different",
                    "Quota: 5 MB → unlimited\nSuspended: no → yes\n"
                    "May Send As: its own address → any address of the domain\n"
                    "Full Name:  → Ann"),
                ("alias", "sales@far.example"): (
                    "different", "Delivers To: ann@elsewhere.example → b@x.example"),
            },
        )

    def test_what_means_the_same_is_no_difference(self):
        self.alias.destinations = "b@x.example\na@x.example"
        self.mailbox.name = "Ann Adams"
        self.commit()
        self.later(minutes=1)
        self.far._aliases["sales@far.example"] = AliasSpec(
            "sales@far.example", ("a@x.example", "b@x.example"))
        # a platform that tells no names, and never passwords
        self.far._mailboxes["ann@far.example"] = MailboxSpec("ann@far.example", quota=5 * MB)
        self.assertFalse(self.compare())
        self.alias.active = False
        self.commit()
        self.later(minutes=1)
        self.assertFalse(self.compare(), "an archived alias is not there")

    def test_pending_changes_are_no_difference(self):
        self.far.faults["ensure"] = self.far.faults["delete"] = CUT
        self.mailbox.quota_mb = 9
        self.commit()
        self.alias.unlink()
        self.commit()
        self.make_domain("new.example")
        self.later(minutes=1)
        self.assertFalse(self.compare())
        self.far.faults.clear()
        self.run_cron()
        self.run_cron()
        self.later(minutes=1)
        self.assertFalse(self.compare())

    def test_changes_made_during_the_comparison_are_no_difference(self):
        self.later(minutes=-1)  # write_date is by the clock of the database
        self.far.during = lambda: self.make_mailbox(self.domain, "late")
        stale = list(self.far._mailboxes.values())
        self.far.mailboxes = lambda _domain: stale
        self.assertFalse(self.compare())
        self.assertIn("late@far.example", self.far._mailboxes)
        self.later(minutes=1)
        self.assertEqual(list(self.compare()), [("mailbox", "late@far.example")])

    def test_refused_is_a_difference(self):
        self.far.faults["*"] = CUT
        self.mailbox.quota_mb = 9
        self.commit()
        self.far.faults["*"] = Refused("no")
        self.later(minutes=2)
        self.run_cron()
        self.far.faults.clear()
        self.later(minutes=2)
        self.assertEqual(list(self.compare()), [("mailbox", "ann@far.example")])

    # -- runs ----------------------------------------------------------------------------

    def test_a_failed_comparison_keeps_the_rows_and_says_why(self):
        del self.far._mailboxes["ann@far.example"]
        before = self.compare()
        self.assertTrue(before)
        del self.far._aliases["sales@far.example"]
        self.far.faults["list far.example"] = CUT
        compared_at = self.backend.compared_at
        self.later(hours=1)
        answer = self.backend.action_compare()
        self.assertIn("the line is cut", answer["params"]["message"])
        self.assertEqual(self.found(), before)
        self.assertEqual(self.backend.state, "error")
        self.assertIn("the line is cut", self.backend.state_message)
        self.assertEqual(self.backend.compared_at, compared_at)
        self.far.faults.clear()
        self.assertEqual(len(self.compare()), 2)
        self.assertEqual(self.backend.state, "connected")

    def test_the_cron_compares_all_but_local_ones(self):
        self.make_domain("other.example", self.other)
        self.later(minutes=1)
        self.far.faults["list"] = CUT
        self.further._domains.clear()
        self.further.calls.clear()
        self.run_compare()
        self.assertEqual(self.backend.state, "error")
        self.assertEqual(list(self.found(self.other)), [("domain", "other.example")])
        remote = self.env["emboux.backend"].search([]).filtered("is_remote")
        self.assertEqual(remote, self.backend + self.other)

    def test_a_defect_at_one_backend_is_not_the_others(self):
        self.far.faults["list"] = ZeroDivisionError("a defect")
        with mute_logger("odoo.addons.emboux_core.models.drift_compare"):
            self.run_compare()
        self.assertEqual(self.backend.state, "error")
        self.assertEqual(self.other.compared_at, self.now)

    def test_rows_go_when_the_difference_goes(self):
        spec = self.far._mailboxes.pop("ann@far.example")
        self.assertTrue(self.compare())
        self.far._mailboxes["ann@far.example"] = spec
        self.assertFalse(self.compare())
        self.assertFalse(self.drift.search([]))

    # -- forget ----------------------------------------------------------------------------

    def test_forget_lasts_until_the_difference_changes(self):
        self.far._mailboxes["ann@far.example"] = MailboxSpec("ann@far.example", quota=MB)
        self.compare()
        self.row("ann@far.example").action_forget()
        self.assertFalse(self.found())
        self.later(hours=1)
        self.assertFalse(self.compare())
        self.far._mailboxes["ann@far.example"] = MailboxSpec("ann@far.example", quota=2 * MB)
        self.assertEqual(
            self.compare(), {("mailbox", "ann@far.example"): ("different", "Quota: 5 MB → 2 MB")}
        )

    def test_forget_can_be_undone(self):
        del self.far._mailboxes["ann@far.example"]
        self.compare()
        row = self.row("ann@far.example")
        row.action_forget()
        row.action_remember()
        self.assertEqual(list(self.found()), [("mailbox", "ann@far.example")])

    # -- adopt ---------------------------------------------------------------------------

    def _adopt_all(self):
        self.compare()
        before = (dict(self.far._domains), dict(self.far._mailboxes), dict(self.far._aliases))
        for kind in ("domain", "mailbox", "alias"):
            self.drift.search([("kind", "=", kind)]).action_adopt()
            self.commit()
        self.assertEqual(
            before, (self.far._domains, self.far._mailboxes, self.far._aliases),
            "nothing changes over there",
        )
        self.later(minutes=1)
        self.assertFalse(self.compare())

    def test_adopt_what_is_only_there(self):
        far = self.far
        far._domains["new.example"] = DomainSpec("new.example", suspended=True, wildcard=True)
        far._mailboxes["bob@far.example"] = MailboxSpec(
            "bob@far.example", quota=7 * MB, suspended=True, send_as_domain=True)
        far._aliases["info@far.example"] = AliasSpec("info@far.example", ("bob@far.example",))
        far._aliases["@far.example"] = AliasSpec("@far.example", ("bob@far.example",))
        self._adopt_all()
        domain = self.env["emboux.domain"].search([("name", "=", "new.example")])
        self.assertEqual((domain.state, domain.is_wildcard), ("suspended", True))
        self.assertTrue(domain.dns_record_ids)
        bob = self.env["emboux.mailbox"].search([("email", "=", "bob@far.example")])
        self.assertEqual((bob.quota_mb, bob.state, bob.send_as), (7, "suspended", "domain"))
        self.assertFalse(bob.has_password)
        self.assertTrue(bob.catch_all)
        info = self.env["emboux.alias"].search([("email", "=", "info@far.example")])
        self.assertEqual(info.destinations, "bob@far.example")

    def test_adopt_what_is_only_here(self):
        self.mailbox.sudo().message_total = 3  # counted before it went
        gone = self.make_domain("gone.example")
        self.later(minutes=1)
        self.far._mailboxes.clear()
        self.far._aliases.clear()
        del self.far._domains["gone.example"]
        self._adopt_all()
        self.assertFalse(self.mailbox.exists() or self.alias.exists() or gone.exists())

    def test_adopt_what_is_different(self):
        far = self.far
        far._domains["far.example"] = DomainSpec("far.example", suspended=True, wildcard=True)
        far._mailboxes["ann@far.example"] = MailboxSpec(
            "ann@far.example", quota=0, suspended=True, send_as_domain=True, display_name="Ann")
        far._aliases["sales@far.example"] = AliasSpec("sales@far.example", ("b@x.example",))
        self._adopt_all()
        self.assertEqual((self.domain.state, self.domain.is_wildcard), ("suspended", True))
        mailbox = self.mailbox
        self.assertEqual((mailbox.quota_mb, mailbox.state, mailbox.name), (0, "suspended", "Ann"))
        self.assertEqual(self.alias.destinations, "b@x.example")
        far._domains["far.example"] = DomainSpec("far.example", wildcard=True)
        self._adopt_all()
        self.assertEqual(self.domain.state, "verified")

    def test_adopt_takes_how_it_is_now(self):
        """The report is an hour old; the button asks again."""
        self.far._mailboxes["ann@far.example"] = MailboxSpec("ann@far.example", quota=MB)
        self.compare()
        self.far._mailboxes["ann@far.example"] = MailboxSpec("ann@far.example", quota=2 * MB)
        self.row("ann@far.example").action_adopt()
        self.assertEqual(self.mailbox.quota_mb, 2)

    def test_adopt_another_parent_is_explained(self):
        self.far._domains["sub.new.example"] = DomainSpec("sub.new.example", parent="new.example")
        self.compare()
        self.far.calls.clear()
        with self.refused("is below new.example there, and below nothing here"):
            self.row("sub.new.example").action_adopt()
        self.assertNotIn(("ensure", "sub.new.example"), self.far.calls)

    def test_adopt_without_a_line_changes_nothing(self):
        self.far._mailboxes.clear()
        self.compare()
        self.far.faults["*"] = CUT
        with self.refused("the line is cut"):
            self.row("ann@far.example").action_adopt()
        self.assertTrue(self.mailbox.exists())

    # -- push ----------------------------------------------------------------------------

    def test_push(self):
        far = self.far
        self.make_domain("gone.example")
        self.later(minutes=1)
        del far._domains["gone.example"]
        far._domains["new.example"] = DomainSpec("new.example")
        far._mailboxes["bob@far.example"] = MailboxSpec("bob@far.example")
        far._aliases.clear()
        far._aliases["x@far.example"] = AliasSpec("x@far.example", ("b@x.example",))
        far._mailboxes["ann@far.example"] = MailboxSpec("ann@far.example", quota=MB)
        self.assertEqual(len(self.compare()), 6)
        self.drift.search([]).action_push()
        self.commit()
        self.assertFalse(self.drift.search([]))
        self.assertEqual(set(far._domains), {"far.example", "gone.example"})
        self.assertEqual({m.email: m.quota for m in far._mailboxes.values()},
                         {"ann@far.example": 5 * MB})
        self.assertEqual(set(far._aliases), {"sales@far.example"})
        self.later(minutes=1)
        self.assertFalse(self.compare())

    def test_push_without_a_line_is_repeated(self):
        self.far._mailboxes["bob@far.example"] = MailboxSpec("bob@far.example")
        self.far._mailboxes["cid@far.example"] = MailboxSpec("cid@far.example")
        self.compare()
        self.far.faults["delete"] = CUT
        self.drift.search([]).action_push()
        self.commit()
        self.assertEqual(len(self.open_operations()), 2)
        self.far.faults.clear()
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(set(self.far._mailboxes), {"ann@far.example"})

    def test_push_that_is_refused_says_why(self):
        self.far._mailboxes["bob@far.example"] = MailboxSpec("bob@far.example")
        self.compare()
        self.far.faults["delete"] = Refused("it holds mail")
        with self.refused("it holds mail"):
            self.row("bob@far.example").action_push()

    # -- who -----------------------------------------------------------------------------

    def test_who_sees_and_decides(self):
        company = self.env["res.company"].create({"name": "Other Company"})
        users = {
            role: new_test_user(self.env, f"drift.{role}", groups=f"emboux_core.group_{role}")
            for role in ("user", "manager", "admin")
        }
        stranger = new_test_user(
            self.env, "drift.stranger", groups="emboux_core.group_manager",
            company_id=company.id, company_ids=[(6, 0, company.ids)],
        )
        self.far._domains["new.example"] = DomainSpec("new.example")
        self.far._mailboxes["bob@far.example"] = MailboxSpec("bob@far.example")
        self.compare()
        rows = self.drift.search([])
        bob = self.row("bob@far.example")

        def seen(user):
            return rows.with_user(user).search([]).mapped("name")

        with self.assertRaises(AccessError):
            seen(users["user"])
        self.assertEqual(seen(users["manager"]), ["bob@far.example"])
        self.assertEqual(set(seen(users["admin"])), {"bob@far.example", "new.example"})
        self.assertEqual(seen(stranger), [])
        for method in ("action_adopt", "action_push", "action_forget", "action_remember"):
            for user in (users["user"], stranger):
                with self.assertRaises(AccessError, msg=f"{method} {user.login}"):
                    getattr(bob.with_user(user), method)()
        for user in users.values():
            with self.assertRaises(AccessError):
                bob.with_user(user).write({"ignored": True})
            with self.assertRaises(AccessError):
                self.drift.with_user(user).create(
                    {"backend_id": self.backend.id, "kind": "domain", "name": "n",
                     "side": "only_here"})
            with self.assertRaises(AccessError):
                bob.with_user(user).unlink()
        for user in (users["user"], users["manager"]):
            with self.assertRaises(AccessError):
                self.backend.with_user(user).action_compare()
        with self.assertRaises(AccessError):
            self.backend.with_user(users["admin"]).write({"compared_at": self.now})
        bob.with_user(users["manager"]).action_adopt()
        self.commit()
        self.assertTrue(self.env["emboux.mailbox"].search([("email", "=", "bob@far.example")]))

    def test_found_at_is_when_it_was_found_first(self):
        self.far._mailboxes.clear()
        self.compare()
        found_at = self.now
        self.later(hours=1)
        self.compare()
        self.assertEqual(self.row("ann@far.example").found_at, found_at)
        self.assertEqual(self.backend.compared_at - found_at, timedelta(hours=1))
