# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import socket
import threading
from types import SimpleNamespace
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import config

from ..models import request_slots
from ..models.request_slots import Busy
from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestWaiting(PlatformCase):
    """Some requests wait for name servers and providers, the others must not wait for them."""

    def _asks(self, partner=0, key=1, user=None):
        """A request of this customer's key, or of a user without a key."""
        asked = SimpleNamespace(
            emboux_key=None if user is not None else SimpleNamespace(id=key, partner_id=partner),
            env=SimpleNamespace(user=user),
        )
        return patch.object(request_slots, "request", asked)

    def _hold(self, count, **who):
        """Let so many requests wait, each in a thread of its own, until the test is over."""
        entered, leave = threading.Barrier(count + 1, timeout=20), threading.Event()

        def wait():
            with self.env["emboux.request.slots"]._slot():
                entered.wait()
                leave.wait(20)

        with self._asks(**who):
            threads = [threading.Thread(target=wait) for _ in range(count)]
            for thread in threads:
                thread.start()
            entered.wait()

        def end():
            leave.set()
            for thread in threads:
                thread.join()

        self.addCleanup(end)
        return end

    def _refused(self, **who):
        with self._asks(**who):
            try:
                with self.env["emboux.request.slots"]._slot():
                    return None
            except Busy as busy:
                self.assertEqual((busy.http_status, busy.retry_after > 0), (429, True))
                return "own" if str(busy).startswith("Your") else "all"

    def setUp(self):
        super().setUp()
        self.startPatcher(patch.dict("os.environ", {"ODOO_MAX_HTTP_THREADS": "32"}))

    def test_all_keys_of_a_customer_share_a_few_slots(self):
        end = self._hold(2, partner=7, key=1)
        self.assertEqual(self._refused(partner=7, key=2), "own")
        self.assertIsNone(self._refused(partner=8, key=3))
        end()
        self.assertIsNone(self._refused(partner=7, key=2))

    def test_all_slots_together_leave_room_for_other_requests(self):
        for partner in range(1, 5):
            self._hold(2, partner=partner)
        self.assertEqual(self._refused(partner=9), "all")

    def test_staff_and_jobs_are_not_limited(self):
        for partner in range(1, 5):
            self._hold(2, partner=partner)
        self.assertIsNone(self._refused(user=self.env.user))
        self.assertEqual(self._refused(user=self.env["res.users"]), "all", "a webhook's sender")
        self.assertEqual(self._refused(user=self.env.ref("base.public_user")), "all")
        with patch.object(request_slots, "request", None), self.env["emboux.request.slots"]._slot():
            pass

    def test_a_request_takes_one_slot_however_often_it_waits(self):
        with self._asks(partner=7):
            for _ in range(5):
                with (
                    self.env["emboux.request.slots"]._slot(),
                    self.env["emboux.request.slots"]._slot(),
                ):
                    pass
            with self.assertRaises(ValueError), self.env["emboux.request.slots"]._slot():
                raise ValueError
        self.assertFalse(request_slots._waiting)

    def test_workers_count_by_the_database(self):
        """Each is a process with one request, so that a count of its own says nothing."""
        self.startPatcher(patch.dict(config.options, {"workers": 16}))
        for names, whose in ((["customer 7 0"], "own"),
                              ([f"{socket.gethostname()} {n}" for n in range(4)], "all")):
            with self.env.registry.cursor() as other:
                for name in names:
                    other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                                  [f"emboux waits {name}"])
                with self.env.cr.savepoint() as savepoint:  # which frees what is taken within
                    self.assertEqual(self._refused(partner=7), whose)
                    savepoint.rollback()
        self.assertIsNone(self._refused(partner=7))
