# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import threading
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import Mock, patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import operation_outbox, operation_run
from ..models.operation import LEASE, Intent
from ..net.errors import NotAuthorised, Refused, UnknownOutcome
from .remote_case import CUT, RemoteCase

NO = Refused("not with us")
LOST = UnknownOutcome("no answer within 10 seconds")


@tagged("post_install", "-at_install")
class TestRepeating(RemoteCase):
    """The cron, its order and its pauses; Try Now; transactions that are rolled back."""

    def setUp(self):
        super().setUp()
        self.domain = self.make_domain()

    @contextmanager
    def cut(self):
        self.far.faults["*"] = CUT
        yield
        self.far.faults.clear()
        self.far.calls.clear()

    # -- pauses --------------------------------------------------------------------------

    def test_pauses_double_up_to_an_hour(self):
        seconds = [60, 120, 240, 480, 960, 1920, 3600, 3600]
        for attempts, longest in enumerate(seconds, 1):
            pauses = {self.operations._pause(attempts) for _ in range(50)}
            self.assertLessEqual(max(pauses), timedelta(seconds=longest))
            self.assertGreaterEqual(min(pauses), timedelta(seconds=0.8 * longest))
            self.assertGreater(len(pauses), 1, "never all at once")
        self.assertLessEqual(self.operations._pause(10_000), timedelta(hours=1))

    def test_each_failure_makes_the_pause_longer(self):
        self.far.faults["*"] = CUT
        mailbox = self.make_mailbox(self.domain)
        self.run_cron()
        self.assertEqual(self.open_operations().attempts, 1, "not due yet")
        for attempts in (2, 3, 4):
            self.now = self.open_operations().next_try
            self.run_cron()
            row = self.open_operations()
            self.assertEqual(row.attempts, attempts)
            self.assertGreater(row.next_try - self.now, timedelta(seconds=40 * 2 ** (attempts - 1)))
            self.assertEqual(mailbox.sync_next_try, row.next_try)
        self.assert_pending(mailbox)

    # -- many ----

    def test_a_save_waits_for_some_slow_calls_only(self):
        clock = [1000.0]
        self.startPatcher(
            patch.object(operation_outbox, "time", Mock(monotonic=lambda: clock[0])))
        original = self.far.ensure_mailbox

        def slow(spec):
            clock[0] += 12
            return original(spec)

        self.far.ensure_mailbox = slow
        boxes = self.env["emboux.mailbox"].create(
            [{"local_part": f"slow{n}", "domain_id": self.domain.id} for n in range(6)])
        self.commit()
        self.assertEqual(boxes.mapped("sync_state"), ["done"] * 3 + ["pending"] * 3)
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(boxes.mapped("sync_state"), ["done"] * 6)

    def _read(self):
        """Rows of the table that this transaction has read."""
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
            " FROM pg_stat_xact_user_tables WHERE relname = 'emboux_operation'"
        )
        return self.env.cr.fetchone()[0]

    def test_an_import_reads_few_rows_per_record(self):
        self.env.cr.execute(
            """INSERT INTO emboux_operation (backend_id, res_model, res_id, key, domain_name, verb,
                                             state, number, turn, next_try)
               SELECT %(backend)s, 'emboux.mailbox', 1000000 + n, 'n' || n || '@far.example',
                      'far.example', 'ensure', 'pending', 1, n, %(now)s
                 FROM generate_series(1, 5000) n
                UNION ALL
               SELECT %(backend)s, 'emboux.domain', 1000000 + n, 'd' || n || '.example',
                      'd' || n || '.example', 'ensure', 'pending', 1, n, %(now)s
                 FROM generate_series(1, 5000) n;
               ANALYZE emboux_operation""",
            {"backend": self.backend.id, "now": self.now},
        )
        self.operations.invalidate_model()
        operations = self.operations.sudo()
        for model, key in (("emboux.mailbox", "new{}@far.example"),
                           ("emboux.alias", "alias{}@far.example"),
                           ("emboux.domain", "new{}.example")):
            intents = [Intent(model, 2_000_000 + n, key.format(n), "ensure", 1) for n in range(20)]
            before = self._read()
            operations._store_intents(self.backend.id, intents, False, [], [])
            read = self._read() - before
            # what aliases wait for, all mailboxes of the domain, is looked at once for all of them
            self.assertLess(read, 12_000 if model == "emboux.alias" else 1000, model)
        [alias] = operations.search([("key", "=", "alias7@far.example")])
        self.assertIn("new19@far.example", alias.error)
        before = self._read()
        self.assertTrue(alias._predecessors(1))
        self.assertEqual(operations._for_record(self.domain).key, "far.example")
        self.assertLess(self._read() - before, 50)

    # -- order ---------------------------------------------------------------------------

    def test_the_first_failure_ends_the_turn_of_a_backend_and_of_no_other(self):
        elsewhere = self.make_domain("other.example", self.other)
        self.far.faults["*"] = self.further.faults["*"] = CUT
        for n in range(3):
            self.make_mailbox(self.domain, f"far{n}")
        theirs = self.make_mailbox(elsewhere, "theirs")
        self.further.faults.clear()
        self.far.calls.clear()
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(self.far.calls, [("ensure", "far0@far.example")])
        self.assertEqual(theirs.sync_state, "done")
        self.run_cron()
        self.assertEqual(self.far.calls[1:], [("ensure", "far1@far.example")],
                         "one that always fails does not hold up the others for ever")

    def test_a_hanging_call_ends_the_turn_too(self):
        with self.cut():
            for n in range(3):
                self.make_mailbox(self.domain, f"far{n}")
        self.far.faults["ensure far0@far.example"] = LOST
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(len(self.far.calls), 1)
        self.run_cron()
        self.assertEqual(self.open_operations().mapped("key"), ["far0@far.example"])

    def test_recreation_comes_after_the_deletion(self):
        mailbox = self.make_mailbox(self.domain, quota_mb=1)
        with self.cut():
            mailbox.unlink()
            self.commit()
        again = self.make_mailbox(self.domain, quota_mb=2)
        self.assertFalse(self.far.calls)
        self.assertEqual(self.open_operations().mapped("verb"), ["delete", "ensure"])
        self.run_cron()
        self.assertEqual(
            self.far.calls, [("delete", "ann@far.example"), ("ensure", "ann@far.example")]
        )
        self.assert_done(again)

    def test_an_ensure_does_not_overtake_a_deletion_that_fails(self):
        mailbox = self.make_mailbox(self.domain)
        with self.cut():
            mailbox.unlink()
            self.commit()
        again = self.make_mailbox(self.domain)
        self.far.faults["delete"] = LOST
        for _minute in range(3):
            self.run_cron()
        self.assertEqual(set(self.far.calls), {("delete", "ann@far.example")})
        self.assertEqual(again.sync_state, "pending")

    def test_a_newer_intent_replaces_the_pending_one(self):
        with self.cut():
            mailbox = self.make_mailbox(self.domain, quota_mb=1)
            mailbox.quota_mb = 2
            self.commit()
            self.assertEqual(self.open_operations().mapped("key"), [mailbox.email])
        mailbox.quota_mb = 3
        self.commit()
        self.assertEqual(self.far._mailboxes[mailbox.email].quota, 3 * 1024**2)
        self.assert_done(mailbox)

    def test_a_deletion_replaces_the_pending_intent(self):
        with self.cut():
            mailbox = self.make_mailbox(self.domain)
            mailbox.unlink()
            self.commit()
        self.assertEqual(self.open_operations().mapped("verb"), ["delete"])
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(self.far.calls, [("delete", "ann@far.example")])
        self.assertFalse(self.open_operations())

    def test_an_alias_comes_after_the_mailbox_that_it_was_changed_to(self):
        with self.cut():
            alias = self.make_alias(self.domain)
            mailbox = self.make_mailbox(self.domain)
            alias.destinations = mailbox.email
            self.commit()
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual([key for _verb, key in self.far.calls], [mailbox.email, alias.email])

    def test_subdomains_wait_for_their_parent(self):
        parent = self.make_domain("up.example", state="verified", is_wildcard=True)
        with self.cut():
            child = self.make_domain("sub.up.example")
            parent.action_suspend()
            self.commit()
        self.later(minutes=2)
        self.run_cron()
        self.run_cron()
        self.assertTrue(self.far._domains["up.example"].suspended)
        self.assertEqual(self.far._domains["sub.up.example"].parent, "up.example")
        self.assert_done(child)

    def test_many_records_are_left_to_the_cron(self):
        boxes = self.env["emboux.mailbox"].create(
            [{"local_part": f"n{n}", "domain_id": self.domain.id} for n in range(21)]
        )
        self.commit()
        self.assertEqual(len(self.open_operations()), 21)
        self.assertFalse(self.far._mailboxes)
        self.assert_pending(boxes[0], "one after the other")
        self.run_cron()
        self.assertEqual(set(boxes.mapped("sync_state")), {"done"})
        self.assertEqual(len(self.far._mailboxes), 21)

    def test_an_import_calls_nobody_itself(self):
        """Its test run creates records and takes them back; the platform must not hear of it."""
        self.far.calls.clear()
        savepoint = self.env.cr.savepoint()
        self.env["emboux.mailbox"].with_context(import_file=True).create(
            {"local_part": "tested", "domain_id": self.domain.id}
        )
        savepoint.close(rollback=True)
        self.commit()
        self.run_cron()
        self.assertFalse(self.far.calls)

    def _waiting(self, count):
        with self.cut():
            boxes = self.env["emboux.mailbox"].create(
                [{"local_part": f"n{n}", "domain_id": self.domain.id} for n in range(count)])
            self.commit()
        self.later(minutes=2)
        return boxes

    def test_as_many_at_a_time_as_the_platform_takes(self):
        boxes = self._waiting(6)
        both, ensure = threading.Barrier(2, timeout=30), self.far.ensure_mailbox
        self.far.at_once = 2

        def with_another(spec):
            both.wait()  # breaks where nobody comes
            return ensure(spec)

        self.far.ensure_mailbox = with_another
        self.run_cron()
        self.assertEqual(set(boxes.mapped("sync_state")), {"done"})
        self.assertFalse(self.open_operations())

    def test_after_a_failure_no_other_is_begun_and_none_counts_as_tried(self):
        boxes = self._waiting(6)
        self.far.at_once = 2
        before = self.open_operations().mapped("attempts")
        self.far.faults["*"] = CUT
        self.run_cron()
        called = {key for _verb, key in self.far.calls}
        self.assertLessEqual(len(called), 2, called)
        rows = self.open_operations()
        self.assertEqual(
            rows.mapped("attempts"),
            [tries + (row.key in called) for row, tries in zip(rows, before, strict=True)],
        )
        self.assertFalse([row for row in rows if row.busy_until])
        self.far.faults.clear()
        self.later(minutes=5)
        self.run_cron()
        self.assertEqual(set(boxes.mapped("sync_state")), {"done"})

    def test_what_is_refused_holds_up_no_other(self):
        boxes = self._waiting(4)
        self.far.faults["ensure n1@far.example"] = NO
        self.run_cron()
        self.assertEqual(boxes.mapped("sync_state"), ["done", "refused", "done", "done"])
        self.assertIn("not with us", boxes[1].sync_message)
        self.assertFalse(self.open_operations())

    def test_slow_calls_are_written_down_more_often(self):
        boxes = self._waiting(5)
        with patch.object(operation_run, "TOGETHER_SECONDS", -1):
            self.run_cron()
        self.assertEqual(set(boxes.mapped("sync_state")), {"done"})
        self.assertEqual([key for _verb, key in self.far.calls], boxes.mapped("email"))

    # -- what the cron finds ---------------------------------------------------------------

    def test_void_when_the_record_is_not_there(self):
        savepoint = self.env.cr.savepoint()
        mailbox = self.env["emboux.mailbox"].create(
            {"local_part": "ann", "domain_id": self.domain.id}
        )
        key = mailbox.email
        savepoint.rollback()
        # the rows of own cursors went too, as they would not: write it once more
        ghost = self.operations.sudo().create(
            {"backend_id": self.backend.id, "company_id": self.env.company.id,
             "res_model": "emboux.mailbox", "res_id": mailbox.id, "key": key, "verb": "ensure",
             "domain_name": "far.example", "next_try": self.now, "turn": 1}
        )
        savepoint.close(rollback=False)
        self.far.calls.clear()
        self.env.cr.postcommit.clear()
        self.run_cron()
        self.assertEqual(ghost.state, "void")
        self.assertFalse(self.far.calls)

    def test_a_rolled_back_change_is_taken_back_there_too(self):
        mailbox = self.make_mailbox(self.domain, quota_mb=1)
        mailbox.quota_mb = 2
        self.env.flush_all()
        self.assertEqual(self.far._mailboxes[mailbox.email].quota, 2 * 1024**2)
        self.roll_back()
        self.env.cr.execute("UPDATE emboux_mailbox SET quota_mb = 1 WHERE id = %s", [mailbox.id])
        self.env.invalidate_all()
        self.run_cron()
        self.assertEqual(self.far._mailboxes[mailbox.email].quota, 1024**2)
        self.assert_done(mailbox)

    def test_a_rolled_back_deletion_is_taken_back_there_too(self):
        mailbox = self.make_mailbox(self.domain, quota_mb=1)
        [ticket] = self.operations._enqueue(
            self.backend, [Intent.for_record(mailbox, "delete")], True
        )
        self.far.delete_mailbox(mailbox.email)
        self.operations._mark_done(ticket, None)
        self.roll_back()  # the record stays
        self.run_cron()
        self.assertIn(mailbox.email, self.far._mailboxes)
        self.assert_done(mailbox)

    def test_tries_of_one_transaction_do_not_pile_up(self):
        """After a serialization failure Odoo calls again: a new number for the same address."""
        for _try in range(5):
            mailbox = self.env["emboux.mailbox"].create(
                {"local_part": "ann", "domain_id": self.domain.id}
            )
            if _try < 4:
                self.env.cr.execute("DELETE FROM emboux_mailbox WHERE id = %s", [mailbox.id])
                self.roll_back()
        self.commit()
        rows = self.operation("ann@far.example")
        self.assertEqual((len(rows), rows.state, rows.res_id), (1, "done", mailbox.id))
        self.assertEqual(self.far.calls.count(("ensure", "ann@far.example")), 5)

    def test_a_dead_process_is_found_out(self):
        """Nobody closed the row: the cron repeats the call once the lease is over."""
        mailbox = self.make_mailbox(self.domain, quota_mb=1)
        mailbox.quota_mb = 2
        self.env.flush_all()
        self.env.cr.postcommit.clear()  # the hooks that a dead process does not run
        self.env.cr.postrollback.clear()
        self.env.invalidate_all()
        self.far.calls.clear()
        self.run_cron()
        self.assertFalse(self.far.calls, "it may be at work still")
        self.now += LEASE + timedelta(seconds=1)
        self.run_cron()
        self.assertEqual(self.far.calls, [("ensure", mailbox.email)])
        self.assert_done(mailbox)

    def test_a_defect_is_repeated_with_a_pause_and_does_not_stop_the_cron(self):
        elsewhere = self.make_domain("other.example", self.other)
        self.further.faults["*"] = CUT
        with self.cut():
            mailbox = self.make_mailbox(self.domain)
            theirs = self.make_mailbox(elsewhere)
        self.further.faults.clear()
        self.far.faults["*"] = ZeroDivisionError("a defect")
        self.later(minutes=2)
        with mute_logger("odoo.addons.emboux_core.models.outbox"):
            self.run_cron()
        row = self.open_operations()
        self.assertEqual((row.key, row.attempts), (mailbox.email, 2))
        self.assertGreater(row.next_try, self.now)
        self.assertEqual(theirs.sync_state, "done")

    # -- refused later -------------------------------------------------------------------

    def test_refused_later_is_shown_and_told(self):
        with self.cut():
            mailbox = self.make_mailbox(self.domain)
        self.far.faults["*"] = NO
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(mailbox.sync_state, "refused")
        self.assertEqual(mailbox.sync_message, "far refused: not with us")
        self.assertEqual(self.operation(mailbox.email).state, "refused")
        self.assertIn("not with us", mailbox.message_ids[0].body)
        activity = self.domain.activity_ids
        self.assertEqual(activity.user_id, self.domain.user_id)
        self.assertIn("not with us", activity.note)
        self.far.calls.clear()
        self.later(hours=2)
        self.run_cron()
        self.assertFalse(self.far.calls, "not repeated by itself")

    def test_a_key_that_is_no_longer_accepted_refuses_no_intent(self):
        with self.cut():
            mailbox = self.make_mailbox(self.domain)
        self.far.faults["*"] = NotAuthorised("the key is not known")
        self.later(minutes=2)
        self.run_cron()
        self.assert_pending(mailbox, "the key is not known")
        self.assertEqual(self.backend.state, "error")
        self.assertFalse(self.domain.activity_ids)
        self.far.faults.clear()
        self.later(minutes=5)
        self.run_cron()
        self.assert_done(mailbox)

    def test_saving_again_after_a_refusal_tells_again(self):
        with self.cut():
            mailbox = self.make_mailbox(self.domain, quota_mb=1)
        self.far.faults["*"] = NO
        self.later(minutes=2)
        self.run_cron()
        self.far.faults.clear()
        mailbox.quota_mb = 1  # the same as before
        self.commit()
        self.assertIn(mailbox.email, self.far._mailboxes)
        self.assert_done(mailbox)

    def test_a_refused_newer_intent_leaves_the_older_one_pending(self):
        with self.cut():
            mailbox = self.make_mailbox(self.domain, quota_mb=1)
        self.far.faults["*"] = NO
        with self.refused("not with us"):
            mailbox.quota_mb = 2
        self.env.cr.execute("UPDATE emboux_mailbox SET quota_mb = 1 WHERE id = %s", [mailbox.id])
        self.env.invalidate_all()
        self.assert_pending(mailbox)
        self.assertEqual(self.open_operations().key, mailbox.email)
        self.far.faults.clear()
        self.run_cron()
        self.assertEqual(self.far._mailboxes[mailbox.email].quota, 1024**2)

    def test_refused_deletion_is_told_on_the_domain(self):
        mailbox = self.make_mailbox(self.domain)
        with self.cut():
            mailbox.unlink()
            self.commit()
        self.far.faults["*"] = NO
        self.later(minutes=2)
        self.run_cron()
        self.assertIn("Delete: ann@far.example", self.domain.activity_ids.summary)

    # -- Try Now -------------------------------------------------------------------------

    def test_try_now_on_the_record(self):
        with self.cut():
            mailbox = self.make_mailbox(self.domain)
        answer = mailbox.action_try_now()
        self.assertEqual(answer["params"]["type"], "success")
        self.assertIn(mailbox.email, self.far._mailboxes)
        self.assert_done(mailbox)

    def test_try_now_in_vain_says_why(self):
        self.far.faults["*"] = CUT
        mailbox = self.make_mailbox(self.domain)
        answer = mailbox.action_try_now()
        self.assertEqual(answer["params"]["type"], "warning")
        self.assertIn("the line is cut", answer["params"]["message"])
        self.assertEqual(self.open_operations().attempts, 2)
        self.far.faults["*"] = NO
        answer = mailbox.action_try_now()
        self.assertEqual(answer["params"]["type"], "danger")
        self.assertEqual(mailbox.sync_state, "refused")
        self.far.faults.clear()
        self.assertEqual(mailbox.action_try_now()["params"]["type"], "success")
        self.assert_done(mailbox)

    def test_try_now_tries_predecessors_first(self):
        with self.cut():
            domain = self.make_domain("new.example")
            mailbox = self.make_mailbox(domain)
        self.open_operations()[-1].action_try_now()
        self.assertEqual(
            [key for _verb, key in self.far.calls], ["new.example", "ann@new.example"]
        )
        self.assert_done(mailbox)
        self.assertEqual(domain.state, "pending")

    def test_try_now_without_an_operation_tells_once_more(self):
        mailbox = self.make_mailbox(self.domain)
        self.operations.sudo().search([]).unlink()
        self.far._mailboxes.clear()
        mailbox.action_try_now()
        self.assertIn(mailbox.email, self.far._mailboxes)

    # -- housekeeping --------------------------------------------------------------------

    def test_closed_rows_are_kept_a_week(self):
        with self.cut():
            self.make_mailbox(self.domain)
        old = self.operations.search([])
        self.assertEqual(set(old.mapped("state")), {"done", "pending"})
        self.env.cr.execute("UPDATE emboux_operation SET write_date = %s",
                            [self.now - timedelta(days=6)])
        self.env.invalidate_all()
        self.operations.sudo()._gc_closed()
        self.assertEqual(old.exists(), old)
        self.env.cr.execute("UPDATE emboux_operation SET write_date = %s",
                            [self.now - timedelta(days=8)])
        self.env.invalidate_all()
        self.operations.sudo()._gc_closed()
        self.assertEqual(old.exists().mapped("state"), ["pending"])
