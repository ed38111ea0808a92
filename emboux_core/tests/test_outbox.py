# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .remote_case import RemoteCase


@tagged("post_install", "-at_install")
class TestOutbox(RemoteCase):
    """What all outboxes do, on rows of operations."""

    def setUp(self):
        super().setUp()
        self.rows = self.env["emboux.operation"].sudo().create(
            [{"backend_id": backend.id, "res_model": "emboux.domain", "key": f"{name}.example",
              "domain_name": f"{name}.example", "verb": "delete", "turn": turn,
              "next_try": fields.Datetime.now(), "number": 1, "attempts": 1}
             for turn, (name, backend) in enumerate(
                 [("a", self.backend), ("b", self.backend), ("c", self.other)])]
        )
        self.env.flush_all()  # own cursors look at them
        self.row = self.rows[0]
        self.model = self.registry["emboux.operation"]

    def busy(self, **values):
        later = fields.Datetime.now() + timedelta(minutes=10)
        self.row.write({"busy_until": later, "next_try": later, **values})

    def test_what_is_closed_is_due_no_more(self):
        self.busy()
        self.row._close(1, "refused", "no such thing")
        self.assertEqual(
            (self.row.state, self.row.error, self.row.next_try, self.row.busy_until),
            ("refused", "no such thing", False, False),
        )
        self.assertLess(self.row._postpone(1, "late"), fields.Datetime.now() + timedelta(seconds=1))
        self.row._release()
        self.assertEqual((self.row.error, self.row.next_try), ("no such thing", False))

    def test_what_came_of_an_older_intent_is_not_written_down_and_the_newer_one_is_due(self):
        for settle in (lambda: self.row._close(1, "done"), lambda: self.row._postpone(1, "away")):
            self.busy(number=2, error="waits")
            settle()
            self.assertEqual(
                (self.row.state, self.row.error, self.row.busy_until, self.row.attempts),
                ("pending", "waits", False, 1),
            )
            self.assertLessEqual(self.row.next_try, fields.Datetime.now())

    def test_a_pause_grows_with_each_try_that_was_made(self):
        self.row.attempts = 3
        self.row._postpone(1, "away")
        pause = self.row.next_try - fields.Datetime.now()
        self.assertTrue(timedelta(minutes=3) < pause <= timedelta(minutes=4), pause)
        self.assertEqual((self.row.attempts, self.row.error), (3, "away"))
        self.row._postpone(1, "not called", 1)
        self.assertEqual(self.row.attempts, 2)

    def test_a_newer_intent_begins_anew(self):
        self.row._close(1, "done")
        self.row.write(self.row._renewed())
        self.assertEqual((self.row.state, self.row.number, self.row.attempts), ("pending", 2, 0))
        self.assertLessEqual(self.row.next_try, fields.Datetime.now())

    def test_a_row_that_is_gone_is_settled(self):
        self.row.unlink()
        self.row._close(1, "done")
        self.row._release()
        self.row._postpone(1, "away")

    @mute_logger("odoo.addons.emboux_core.models.outbox")
    def test_the_outage_of_one_holds_up_no_other_and_a_defect_is_put_off(self):
        called = []

        def prepare(row, _record):
            def call():
                called.append(row.key)
                if row.key == "a.example":
                    raise ZeroDivisionError("a defect")

            return call

        with patch.object(self.model, "_prepare_call", prepare):
            self.run_cron()
        # with those that are called together, and then by itself
        self.assertEqual(called, ["a.example", "a.example", "c.example"])
        self.assertEqual((self.row.attempts, self.row.busy_until), (2, False))
        self.assertGreater(self.row.next_try, fields.Datetime.now())
        self.assertNotIn("a defect", self.row.error)
