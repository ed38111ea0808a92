# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import threading
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import Mock, patch

from odoo import api, fields
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from odoo.addons.emboux_core.net.errors import Unreachable

from ..models import registration_run
from ..models.provider import UNTIL
from .memory_provider import MemoryProvider
from .registration_case import RegistrationCase


class TestJobs(RegistrationCase):
    """The job goes on whatever becomes of one row, and does not run in a circle."""

    def make_many(self, count):
        self.env["emboux.domain"].create(
            [{"name": f"n{n}.example", "backend_id": self.backend.id,
              "provider_id": self.provider.id} for n in range(count)])
        self.env.flush_all()
        self.env.cr.postcommit.clear()

    def progress(self):
        """(processed, remaining) as the job tells Odoo."""
        told = []
        model = self.env.registry["ir.cron"]
        original = model._commit_progress

        def tell(cron, processed=0, *, remaining=None, **options):
            told.append((processed, remaining))
            return original(cron, processed, remaining=remaining, **options)

        self.startPatcher(patch.object(model, "_commit_progress", tell))
        return told

    def test_skipped_rows_are_not_counted_as_remaining(self):
        self.far.faults["register"] = Unreachable("the line is cut")
        self.make_many(10)
        told = self.progress()
        self.run_cron()
        self.assertEqual(len(self.far.calls), 1)
        self.assertEqual(told[-1], (1, 0), "the job would else begin again at once")

    @mute_logger("odoo.addons.emboux_core.transactions")
    def test_an_answer_that_cannot_be_stored_does_not_end_the_job(self):
        self.make_many(3)
        model = self.env.registry["emboux.registration"]
        original = model._store_success

        def fails(row, *arguments):
            if row.name == "n1.example":
                raise ZeroDivisionError
            return original(row, *arguments)

        with patch.object(model, "_store_success", fails):
            self.run_cron()
        states = [self.row(f"n{n}.example").state for n in range(3)]
        self.assertEqual(states, ["done", "pending", "done"])

    @mute_logger("odoo.addons.emboux_core.transactions")
    def test_a_poll_that_cannot_be_stored_is_postponed(self):
        self.make_many(3)
        self.run_cron()
        rows = self.row("n0.example") | self.row("n1.example") | self.row("n2.example")
        rows.next_poll = self.now
        model = self.env.registry["emboux.registration"]
        original = model._store_poll

        def fails(row, answer):
            if row.name == "n0.example":
                raise ZeroDivisionError
            return original(row, answer)

        with patch.object(model, "_store_poll", fails):
            self.run_cron("_cron_poll")
        self.assertEqual(rows[0].next_poll, self.now + timedelta(hours=1))
        self.assertGreater(min(rows[1:].mapped("next_poll")), self.now)

    def test_whoever_saves_waits_for_all_calls_together_and_not_for_long(self):
        self.env["emboux.domain"].create(
            [{"name": f"n{n}.example", "backend_id": self.backend.id,
              "provider_id": self.provider.id} for n in range(5)])
        clock = [1000.0]
        self.startPatcher(
            patch.object(registration_run, "time", Mock(monotonic=lambda: clock[0])))
        seen = []
        model = self.env.registry["emboux.provider"]
        original = model._client

        def client(provider):
            seen.append(provider.env.context.get(UNTIL))
            clock[0] += 9  # each takes so long
            return original(provider)

        self.startPatcher(patch.object(model, "_client", client))
        self.commit()
        self.assertEqual(len(self.far.domains), 3, "the job does the others")
        self.assertEqual(set(seen), {1000 + registration_run.WAIT_SECONDS})
        self.run_cron()
        self.assertEqual(len(self.far.domains), 5)

    def test_try_now_commits_nothing_of_the_callers(self):
        self.far.faults["register"] = Unreachable("the line is cut")
        domain = self.make()
        del self.far.faults["register"]
        domain.user_id = False
        with patch.object(type(self.env.cr), "commit", side_effect=AssertionError("committed")):
            said = self.row().action_try_now()["params"]
        self.assertEqual(said["type"], "success", said)
        self.assertEqual(self.far.domains, {"p.example": None})


@tagged("post_install", "-at_install")
class TestLocked(TransactionCase):
    """With real transactions: two connections."""

    def setUp(self):
        super().setUp()
        self.far = MemoryProvider()
        self.startPatcher(
            patch.object(self.registry["emboux.provider"], "_client", lambda _provider: self.far))
        self.addCleanup(self.clean_up)
        with self.transaction() as env:
            provider = env["emboux.provider"].create(
                {"name": "Locked", "kind": "mailgun", "region": "eu", "sequence": 90})
            self.rows = env["emboux.registration"].create(
                [{"name": f"locked{n}.example", "provider_id": provider.id, "wish": "present",
                  "next_try": fields.Datetime.now()} for n in range(2)])

    @contextmanager
    def transaction(self):
        with self.registry.cursor() as cr:
            yield api.Environment(cr, 1, {})

    def clean_up(self):
        with self.transaction() as env:
            env["emboux.registration"].search([("name", "like", "locked%.example")]).unlink()
        with self.transaction() as env:
            env["emboux.provider"].search([("name", "=", "Locked")]).unlink()

    def test_a_locked_row_is_waited_for_and_does_not_hold_up_others(self):
        first = min(self.rows.ids)
        with self.registry.cursor() as holder, self.registry.cursor() as watcher:

            def let_go():
                """Once somebody waits for the row."""
                for _ in range(200):
                    watcher.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                    if watcher.fetchone()[0]:
                        break
                    watcher.rollback()
                    watched.wait(0.05)
                holder.execute("UPDATE emboux_registration SET login = 'x' WHERE id = %s", [first])
                holder.commit()

            watched = threading.Event()
            thread = threading.Thread(target=let_go)

            def during():
                holder.execute(
                    "SELECT FROM emboux_registration WHERE id = %s FOR NO KEY UPDATE", [first])
                thread.start()

            self.far.during = during
            with self.transaction() as env:
                env["emboux.registration"]._cron_registrations()
            thread.join()
        with self.transaction() as env:
            rows = self.rows.with_env(env)
            self.assertEqual(rows.mapped("state"), ["done", "done"])
            self.assertEqual(rows.browse(first).login, "x")
