# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from unittest.mock import Mock, patch

from psycopg2.errors import SerializationFailure, UniqueViolation

from odoo import api
from odoo.exceptions import LockError, UserError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from odoo.addons.base.models.ir_autovacuum import is_autovacuum

from .. import transactions
from ..backends.base import Usage, UsagePage
from ..net.errors import Unreachable
from ..transactions import (
    AGAIN,
    OUT,
    delete_in_batches,
    each_in_own_transaction,
    in_own_transaction,
)
from .memory_backend import FarBackend
from .remote_case import RemoteCase

LOGGER = "odoo.addons.emboux_core.transactions"


@tagged("post_install", "-at_install")
class TestEachInOwnTransaction(TransactionCase):
    """The one way in which jobs go through what is due."""

    def setUp(self):
        super().setUp()
        self.partners = self.env["res.partner"].create([{"name": n} for n in "abcdef"])
        self.env.flush_all()
        self.registry_enter_test_mode()
        self.told = []  # (processed, remaining)

    @contextmanager
    def job(self):
        """A job's own cursor; what it commits is seen after it."""
        model = self.registry["ir.cron"]
        original = model._commit_progress

        def tell(cron, processed=0, *, remaining=None, **options):
            self.told.append((processed, remaining))
            return original(cron, processed, remaining=remaining, **options)

        with patch.object(model, "_commit_progress", tell), self.registry.cursor() as cr:
            yield api.Environment(cr, 1, {})
        self.env.invalidate_all()

    def names(self):
        return "".join(self.partners.mapped("name"))

    @mute_logger(LOGGER)
    def test_a_failing_item_is_rolled_back_and_does_not_hold_up_others(self):
        for error in (UserError("no"), ZeroDivisionError()):
            self.partners.name = "x"
            self.env.flush_all()

            def do(partner, error=error):
                partner.name = "y"
                partner.env.flush_all()
                if partner.id == self.partners[1].id:
                    raise error

            with self.job() as env:
                partners = self.partners.with_env(env)
                said = each_in_own_transaction(
                    env, [partners], do,
                    lambda partner, error: partner.write({"comment": type(error).__name__}),
                )
            self.assertTrue(said)
            self.assertEqual(self.names(), "yxyyyy")
            self.assertIn(type(error).__name__, self.partners[1].comment)
            self.assertEqual(self.told[-1], (1, 0))

    @mute_logger(LOGGER)
    def test_the_failure_handler_may_fail_too(self):
        with self.job() as env:
            each_in_own_transaction(
                env, [self.partners.with_env(env)],
                lambda partner: 1 / (partner.id - self.partners[0].id) and partner.write(
                    {"name": "y"}) and None,
                lambda partner, _error: 1 / 0,
            )
        self.assertEqual(self.names(), "ayyyyy")

    def test_a_conflict_is_retried_and_finally_left_for_the_next_run(self):
        tries = []

        def do(partner):
            tries.append(partner.name)
            if partner.name == "a" and tries.count("a") < 3:
                raise SerializationFailure
            if partner.name == "b":
                raise LockError("somebody has it")
            partner.comment = "done"

        with self.job() as env:
            partners = self.partners.with_env(env)
            each_in_own_transaction(env, [partners], do, lambda *_: self.fail("no defect"))
        self.assertEqual("".join(tries), "aaabbbcdef")
        self.assertEqual([bool(p.comment) for p in self.partners], [True, False, *[True] * 4])
        self.assertEqual(self.told[-1], (1, 0), "the job would else begin again at once")

    def test_the_rest_of_an_unavailable_group_is_skipped_and_not_counted(self):
        seen = []

        def do(partner):
            seen.append(partner.name)
            return OUT if partner.name in "be" else None

        with self.job() as env:
            partners = self.partners.with_env(env)
            each_in_own_transaction(env, [partners[:4], partners[4:]], do)
        self.assertEqual(seen, ["a", "b", "e"])
        self.assertEqual(self.told, [(0, 6), (1, 5), (1, 2), (1, 0)])

    def test_again(self):
        seen = []

        def do(partner):
            seen.append(partner.name)
            return AGAIN if seen.count(partner.name) < 2 else None

        with self.job() as env:
            each_in_own_transaction(env, [self.partners.with_env(env)[:2]], do, more=7)
        self.assertEqual("".join(seen), "aabb")
        self.assertEqual(self.told, [(0, 9), (1, 9), (1, 8), (1, 8), (1, 7)])

    def test_a_job_whose_time_is_over_is_asked_for_again(self):
        """Odoo would look for it a minute later."""
        job = self.env["ir.cron"].search([], limit=1)
        asked = self.env["ir.cron.trigger"].search_count([("cron_id", "=", job.id)])
        for item, more in (("a", True), ("f", False)):
            seconds = [9.0] + [0.0 if partner.name == item else 9.0 for partner in self.partners]
            with self.job() as env, patch.object(
                self.registry["ir.cron"], "_commit_progress", Mock(side_effect=seconds),
            ):
                env = env(context={"cron_id": job.id})
                self.assertFalse(
                    each_in_own_transaction(env, [self.partners.with_env(env)], lambda _p: None))
            asked += more
            self.assertEqual(
                self.env["ir.cron.trigger"].search_count([("cron_id", "=", job.id)]), asked)

    @mute_logger(LOGGER)
    def test_batches_fall_back_to_single_items(self):
        seen, failed = [], []

        def do(partners):
            seen.append("".join(partners.mapped("name")))
            if "e" in seen[-1]:
                raise ZeroDivisionError
            partners.comment = "done"

        with self.job() as env:
            each_in_own_transaction(
                env, [self.partners.with_env(env)], do,
                lambda partner, _error: failed.append(partner.name), size=2,
            )
        self.assertEqual((seen, failed), (["ab", "cd", "ef", "e", "f"], ["e"]))
        self.assertEqual([bool(p.comment) for p in self.partners], [*[True] * 4, False, True])

    def test_what_is_gone_is_passed_over(self):
        gone = self.partners[0]
        self.partners[1:].name = "x"
        gone.unlink()
        with self.job() as env:
            partners = self.partners.with_env(env)
            each_in_own_transaction(
                env, [partners], lambda partner: partner.write({"name": "y"}) and None
            )
        self.assertEqual(set(self.partners[1:].mapped("name")), {"y"})


@tagged("post_install", "-at_install")
class TestInOwnTransaction(TransactionCase):
    """Own cursors are savepoints of the test's transaction here."""

    def setUp(self):
        super().setUp()
        self.partner = self.env["res.partner"].create({"name": "a"})
        self.env.flush_all()
        self.registry_enter_test_mode()
        self.calls = []

    def run_with(self, *errors):
        """Run a method that fails by these errors, one a call, and then writes."""
        errors = list(errors)

        def method(partner, name):
            self.calls.append(partner.env)
            partner.name = name
            partner.env.flush_all()
            if errors:
                raise errors.pop(0)
            return partner.name

        with patch.object(self.registry["res.partner"], "_test", method, create=True):
            return in_own_transaction(
                self.partner.with_user(self.env.ref("base.user_admin")).with_context(
                    default_comment="none of its own", lang="en_US"
                ),
                "_test", "b",
            )

    def test_it_is_committed_as_superuser_without_the_callers_defaults(self):
        self.assertEqual(self.run_with(), "b")
        [env] = self.calls
        self.assertIsNot(env.cr, self.env.cr)
        self.assertEqual((env.su, env.uid, dict(env.context)),
                         (True, self.env.ref("base.user_admin").id, {"lang": "en_US"}))
        self.env.invalidate_all()
        self.assertEqual(self.partner.name, "b")

    def test_who_meets_another_transaction_or_comes_second_starts_over(self):
        self.assertEqual(self.run_with(SerializationFailure(), UniqueViolation()), "b")
        self.assertEqual(len(self.calls), 3)

    def test_at_last_the_error_is_the_callers_and_nothing_is_written(self):
        for errors in ([SerializationFailure()] * 3, [ZeroDivisionError()]):
            with self.subTest(errors=errors), self.assertRaises(type(errors[0])):
                self.run_with(*errors)
            self.env.invalidate_all()
            self.assertEqual(self.partner.name, "a")
        self.assertEqual(len(self.calls), 3 + 1)


@tagged("post_install", "-at_install")
class TestCleaning(TransactionCase):
    def test_each_autovacuum_reports_remaining_rows(self):
        """Odoo calls one without a return value once a day: a backlog would pile up."""
        found = 0
        for name, model in self.env.items():
            if not name.startswith("emboux."):
                continue
            for attribute in dir(type(model)):
                method = getattr(type(model), attribute, None)
                if is_autovacuum(method):
                    found += 1
                    answer = method(model.sudo())
                    self.assertIsInstance(answer, tuple, f"{name}.{attribute}")
                    self.assertEqual(len(answer), 2, f"{name}.{attribute}")
        self.assertGreater(found, 0)

    def test_batches_are_deleted_until_none_is_left(self):
        partners = self.env["res.partner"].create([{"name": "swept"} for _ in range(5)])
        with patch.object(transactions, "BATCH", 2):
            said = [delete_in_batches(self.env["res.partner"], [("name", "=", "swept")])
                    for _ in range(3)]
        self.assertEqual(said, [(2, True), (2, True), (1, False)])
        self.assertFalse(partners.exists())


class CountingBackend(FarBackend):
    """``used``: address to bytes."""

    used = {}

    def usage(self, since=""):
        self._fail("usage")
        return UsagePage("next", tuple(Usage(email, size, 1) for email, size in self.used.items()))


@tagged("post_install", "-at_install")
class TestUsage(RemoteCase):
    """The use of mailboxes, as platforms have counted it."""

    def setUp(self):
        super().setUp()
        self.domain = self.make_domain()
        self.boxes = self.make_mailbox(self.domain, "a")
        for name in "bcd":
            self.boxes |= self.make_mailbox(self.domain, name)
        counting = CountingBackend()
        counting.used = {box.email: 5 for box in self.boxes}
        model = self.env.registry["emboux.backend"]
        original = model._client
        self.startPatcher(patch.object(
            model, "_client",
            lambda backend: counting if backend.id == self.backend.id else original(backend)))
        self.counting = counting

    def run_cron(self):
        self.env.flush_all()
        with self.env.registry.cursor() as cr:
            self.env(cr=cr, user=1)["emboux.mailbox"]._cron_sync_usage()
        self.env.invalidate_all()

    def fail_for(self, local_part, error, times=99):
        model = self.env.registry["emboux.mailbox"]
        original, calls = model.write, []

        def write(mailboxes, vals):
            if "usage_bytes" in vals and local_part in mailboxes.mapped("local_part"):
                calls.append(1)
                if len(calls) <= times:
                    raise error
            return original(mailboxes, vals)

        self.startPatcher(patch.object(model, "write", write))

    def test_a_concurrent_write_does_not_lose_the_others(self):
        self.fail_for("b", SerializationFailure())
        self.run_cron()
        self.assertEqual(self.boxes.mapped("usage_bytes"), [5, 0, 5, 5])
        self.assertEqual(self.domain.usage_bytes, 15)
        self.assertFalse(self.backend.usage_cursor, "it is asked for again")

    def test_a_brief_conflict_is_retried_at_once(self):
        self.fail_for("b", SerializationFailure(), times=1)
        self.run_cron()
        self.assertEqual(self.boxes.mapped("usage_bytes"), [5, 5, 5, 5])
        self.assertEqual(self.backend.usage_cursor, "next")

    @mute_logger(LOGGER)
    def test_a_defect_in_one_does_not_end_the_job(self):
        self.fail_for("c", ZeroDivisionError())
        self.run_cron()
        self.assertEqual(self.boxes.mapped("usage_bytes"), [5, 5, 0, 5])
        self.assertEqual(self.backend.usage_cursor, "next")

    @mute_logger(LOGGER)
    def test_the_outage_of_one_platform_is_not_the_others(self):
        self.counting.faults["usage"] = Unreachable("the line is cut")
        self.run_cron()
        self.assertEqual(self.other.usage_cursor, "1")
        self.counting.faults["usage"] = ZeroDivisionError("a defect")
        self.other.sudo().usage_cursor = False
        self.run_cron()
        self.assertEqual(self.other.usage_cursor, "1")
