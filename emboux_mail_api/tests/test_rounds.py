# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The pauses and the end of the daemons that work in rounds."""

import select
import signal
import threading
import time
from unittest.mock import Mock, call

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..emboux_daemons.rounds import BackOff, Ending


class TestRounds(PlainTest):
    def test_pauses_grow_up_to_the_longest_and_begin_anew_after_success(self):
        back_off = BackOff(1, 5)
        self.assertEqual([back_off.failed("away") for _ in range(5)], [1, 2, 4, 5, 5])
        self.assertEqual(back_off.problem, "away")
        back_off.worked()
        self.assertIsNone(back_off.problem)
        self.assertEqual(back_off.failed("away"), 1)

    def test_each_problem_is_logged_once_and_so_is_its_end(self):
        logger = Mock()
        back_off = BackOff(1, 5, logger)
        for error in ("is\n away", "is away", "is full", ""):
            back_off.failed(Exception(error))
        back_off.worked()
        back_off.worked()
        self.assertEqual(logger.mock_calls, [
            call.error("%s", "is away"), call.error("%s", "is full"),
            call.error("%s", "Exception"), call.info("all is well again")])

    def test_an_end_wakes_whoever_waits(self):
        ending = Ending()
        self.assertFalse(ending.wait(0))
        threading.Timer(0.1, ending.set).start()
        began = time.monotonic()
        self.assertTrue(ending.wait(30))
        self.assertLess(time.monotonic() - began, 20)
        ending.set()
        self.assertTrue(ending.is_set())
        self.assertEqual(select.select([ending], [], [], 30)[0], [ending])

    def test_a_signal_ends(self):
        before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                ending = Ending().on_signals()
                signal.raise_signal(number)
                self.assertTrue(ending.wait(30))
        finally:
            for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
                signal.signal(number, handler)
