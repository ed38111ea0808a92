# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import api
from odoo.exceptions import UserError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from ..models.operation import LEASE
from ..net.errors import Refused
from .memory_backend import FarBackend
from .remote_case import CUT


@tagged("post_install", "-at_install")
class TestCommitted(TransactionCase):
    """With real transactions, which the other tests only play: two connections, real rollbacks."""

    def setUp(self):
        super().setUp()
        self.far = FarBackend()
        self.startPatcher(
            patch.object(self.registry["emboux.backend"], "_client", lambda _backend: self.far)
        )
        self.addCleanup(self.clean_up)
        with self.transaction() as env:
            backend = env["emboux.backend"].create({"name": "real", "kind": "emboux"})
            self.backend_id = backend.id
        with self.transaction() as env:
            domain = env["emboux.domain"].create(
                {"name": "real.example", "backend_id": self.backend_id}
            )
            self.domain_id = domain.id
        self.far.calls.clear()

    @contextmanager
    def transaction(self):
        with self.registry.cursor() as cr:
            yield api.Environment(cr, self.env.ref("base.user_admin").id, {})

    def clean_up(self):
        self.far = FarBackend()
        with self.transaction() as env:
            env = env(user=1, context={"active_test": False})
            domains = env["emboux.domain"].search([("backend_id.name", "=", "real")])
            domains.mailbox_ids.unlink()
            domains.unlink()
        with self.transaction() as env:
            env(user=1)["emboux.backend"].search([("name", "=", "real")]).unlink()

    def make_mailbox(self, env, **values):
        return env["emboux.mailbox"].create(
            {"local_part": "ann", "domain_id": self.domain_id, **values}
        )

    def take_triggers(self):
        """How often the scheduled action was asked for since the last look."""
        job = self.env.ref("emboux_core.ir_cron_run_operations")
        with self.transaction() as env:
            env.cr.execute("DELETE FROM ir_cron_trigger WHERE cron_id = %s", [job.id])
            return env.cr.rowcount

    def rows(self, key="ann@real.example"):
        with self.transaction() as env:
            rows = env["emboux.operation"].search(
                [("key", "=", key), ("backend_id", "=", self.backend_id)], order="id"
            )
            return [(row.verb, row.state, row.attempts) for row in rows]

    def run_cron(self, later=None):
        with self.transaction() as env:
            if later:
                env.cr.execute(
                    "UPDATE emboux_operation SET next_try = next_try - %(by)s,"
                    " busy_until = busy_until - %(by)s WHERE state = 'pending'",
                    {"by": later},
                )
        with self.transaction() as env:
            env(user=1)["emboux.operation"]._cron_run_operations()

    def test_the_row_is_committed_before_the_call(self):
        seen = []
        self.far.during = lambda: seen.extend(self.rows())
        with self.transaction() as env:
            self.make_mailbox(env)
        self.assertEqual(seen, [("ensure", "pending", 1)])
        self.assertEqual(self.rows(), [("ensure", "done", 1)])

    def test_refused_leaves_a_row_and_no_record(self):
        self.far.faults["*"] = Refused("not with us")
        with self.assertRaisesRegex(UserError, "not with us"), self.transaction() as env:
            self.make_mailbox(env)
        self.assertEqual(self.rows(), [("ensure", "refused", 1)])
        with self.transaction() as env:
            self.assertFalse(env["emboux.mailbox"].search([("domain_id", "=", self.domain_id)]))

    def test_a_change_that_is_rolled_back_is_taken_back_there(self):
        with self.transaction() as env:
            mailbox = self.make_mailbox(env, quota_mb=1)
        with self.assertRaises(ZeroDivisionError), self.transaction() as env:
            mailbox.with_env(env).quota_mb = 2
            raise ZeroDivisionError
        self.assertEqual(self.far._mailboxes["ann@real.example"].quota, 2 * 1024**2)
        self.assertEqual(self.rows()[-1], ("ensure", "pending", 1))
        self.run_cron()
        self.assertEqual(self.far._mailboxes["ann@real.example"].quota, 1024**2)
        self.assertEqual(self.rows()[-1], ("ensure", "done", 2))

    def test_what_a_savepoint_takes_back_is_taken_back_there_though_the_rest_is_committed(self):
        with self.transaction() as env:
            mailbox = self.make_mailbox(env, quota_mb=1, password="correct horse battery")
            hashed = mailbox.sudo().password_hash
        for values in ({"quota_mb": 2}, {"password": "another long password"}):
            with self.transaction() as env:
                mine = mailbox.with_env(env)
                with self.assertRaises(ZeroDivisionError), env.cr.savepoint():
                    mine.write(values)
                    raise ZeroDivisionError
            self.assertEqual(self.rows()[-1][1], "pending", values)
            self.run_cron()
            self.assertEqual(self.rows()[-1][1], "done", values)
        told = self.far._mailboxes["ann@real.example"]
        self.assertEqual((told.quota, told.password_hash), (1024**2, hashed))

    def test_a_deletion_that_is_rolled_back_is_taken_back_there(self):
        with self.transaction() as env:
            mailbox = self.make_mailbox(env)
        with self.assertRaises(ZeroDivisionError), self.transaction() as env:
            mailbox.with_env(env).unlink()
            raise ZeroDivisionError
        self.assertFalse(self.far._mailboxes)
        self.run_cron()
        self.assertIn("ann@real.example", self.far._mailboxes)
        self.assertEqual(self.rows()[-1], ("ensure", "done", 2))

    def test_a_creation_that_is_rolled_back_is_void(self):
        with self.assertRaises(ZeroDivisionError), self.transaction() as env:
            self.make_mailbox(env)
            raise ZeroDivisionError
        self.far.calls.clear()
        self.run_cron()
        self.assertEqual(self.rows(), [("ensure", "void", 2)])
        self.assertFalse(self.far.calls)

    def test_five_tries_leave_one_row(self):
        for _try in range(5):
            with self.registry.cursor() as cr:
                env = api.Environment(cr, self.env.ref("base.user_admin").id, {})
                self.make_mailbox(env)
                cr.rollback()
        with self.transaction() as env:
            self.make_mailbox(env)
        self.assertEqual(self.rows(), [("ensure", "done", 1)])
        self.assertEqual(len(self.far.calls), 6)

    def test_pending_is_saved_and_repeated(self):
        self.far.faults["*"] = CUT
        with self.transaction() as env:
            mailbox = self.make_mailbox(env)
        self.assertEqual(self.rows(), [("ensure", "pending", 1)])
        self.far.faults.clear()
        self.run_cron(later=timedelta(minutes=2))
        with self.transaction() as env:
            self.assertEqual(mailbox.with_env(env).sync_state, "done")
        self.assertEqual(self.rows(), [("ensure", "done", 2)])

    def test_a_row_that_was_found_void_too_early_comes_back(self):
        """The cron cannot see a record that is not committed yet, however long that takes."""
        self.far.faults["*"] = CUT
        with self.transaction() as env:
            mailbox = self.make_mailbox(env)
            env.flush_all()
            self.run_cron(later=LEASE)
            self.assertEqual(self.rows()[-1][:2], ("ensure", "void"))
            self.take_triggers()
        self.assertEqual(self.rows()[-1][:2], ("ensure", "pending"))
        self.assertTrue(self.take_triggers(), "it need not wait for the next minute")
        self.far.faults.clear()
        self.run_cron()
        with self.transaction() as env:
            self.assertEqual(mailbox.with_env(env).sync_state, "done")

    def run_while_somebody_saves(self, mailbox):
        """Run the scheduled action; during its first call the quota becomes 2 MB."""
        self.far.faults.clear()
        self.far.calls.clear()

        def saved_by_somebody():
            with self.transaction() as env:
                mailbox.with_env(env).quota_mb = 2

        self.far.during = saved_by_somebody
        with mute_logger("odoo.addons.emboux_core.models.outbox", "odoo.sql_db"):
            self.run_cron(later=timedelta(minutes=2))

    def test_a_save_during_the_crons_call_is_not_lost(self):
        self.far.faults["*"] = CUT
        with self.transaction() as env:
            mailbox = self.make_mailbox(env, quota_mb=1)
        self.run_while_somebody_saves(mailbox)
        self.assertEqual(self.far.calls, [("ensure", "ann@real.example")], "one at a time")
        self.assertEqual(self.rows()[-1][1], "pending")
        self.run_cron()
        self.assertEqual(self.far._mailboxes["ann@real.example"].quota, 2 * 1024**2)
        self.assertEqual(self.rows()[-1][1], "done")
        with self.transaction() as env:
            self.assertEqual(mailbox.with_env(env).sync_state, "done")

    def test_a_save_during_the_crons_calls_is_not_lost(self):
        """What is written down for several at once is then written for each by itself."""
        self.far.faults["*"] = CUT
        with self.transaction() as env:
            mailbox, other = (
                self.make_mailbox(env, local_part=name, quota_mb=1) for name in ("ann", "bob"))
        self.run_while_somebody_saves(mailbox)
        self.run_cron()
        self.assertEqual(self.far._mailboxes["ann@real.example"].quota, 2 * 1024**2)
        with self.transaction() as env:
            states = (mailbox | other).with_env(env).mapped("sync_state")
        self.assertEqual(states, ["done", "done"])
        self.assertEqual({self.rows(f"{name}@real.example")[-1][1] for name in ("ann", "bob")},
                         {"done"})

    def test_try_now_in_a_request(self):
        self.far.faults["*"] = CUT
        with self.transaction() as env:
            mailbox = self.make_mailbox(env)
        self.far.faults.clear()
        with self.transaction() as env:
            mine = mailbox.with_env(env)
            self.assertEqual(mine.sync_state, "pending")
            answer = mine.action_try_now()
            self.assertEqual(answer["params"]["type"], "success")
        with self.transaction() as env:
            self.assertEqual(mailbox.with_env(env).sync_state, "done")

    def test_a_comparison_in_a_request_sees_what_was_saved_meanwhile(self):
        def saved_by_somebody():
            with self.transaction() as env:
                self.make_mailbox(env)

        with self.transaction() as env:
            backend = env["emboux.backend"].browse(self.backend_id)
            self.assertTrue(backend.domain_ids)  # the request's snapshot is taken
            self.far.during = saved_by_somebody
            backend.action_compare()
        with self.transaction() as env:
            rows = env["emboux.drift"].search([("backend_id", "=", self.backend_id)])
            self.assertFalse(rows.mapped("name"))

    def test_a_backend_that_is_not_saved_yet(self):
        words = "Save the backend first"
        with self.assertRaisesRegex(UserError, words), self.transaction() as env:
            backend = env["emboux.backend"].create({"name": "unsaved", "kind": "emboux"})
            env["emboux.domain"].create({"name": "x.example", "backend_id": backend.id})
