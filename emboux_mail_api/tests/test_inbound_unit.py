# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Which messages go to Odoo together, and what becomes of each."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..emboux_daemons.inbound import lane

SECONDS = 10  # for what takes no time


class Gate:
    """What ``Lane`` sends by: it notes each group, and waits to be opened."""

    def __init__(self):
        self.groups = []
        self.came = threading.Semaphore(0)
        self.opened = threading.Event()
        self.fault = None

    def __call__(self, group):
        self.groups.append([waiting.message.body for waiting in group])
        self.came.release()
        if not self.opened.wait(SECONDS):
            raise TimeoutError
        if self.fault:
            raise self.fault
        return [f"taken {waiting.message.body}" for waiting in group]


class TestLane(PlainTest):
    def setUp(self):
        super().setUp()
        self.gate = Gate()
        self.lane = lane.Lane(self.gate, requests=1)
        self.pool = ThreadPoolExecutor(30)
        self.addCleanup(self.pool.shutdown)
        self.addCleanup(self.gate.opened.set)

    def give(self, *bodies, target="one", alone=False):
        """In their order; returns what each thread will have got."""
        promised = []
        for body in bodies:
            known = len(self.lane._waiting) + len(self.gate.groups)
            waiting = lane.Waiting(target, SimpleNamespace(body=body), alone)
            promised.append(self.pool.submit(self.lane.hand_over, waiting))
            if not self.gate.groups:
                self.assertTrue(self.gate.came.acquire(timeout=SECONDS))
            while len(self.lane._waiting) + len(self.gate.groups) == known:
                pass
        return promised

    def outcomes(self, promised):
        self.gate.opened.set()
        return [one.result(SECONDS) for one in promised]

    def test_what_comes_meanwhile_goes_together(self):
        promised = self.give("first", *map(str, range(lane.TOGETHER + 2)))
        self.assertEqual(self.outcomes(promised), [
            "taken first", *(f"taken {number}" for number in range(lane.TOGETHER + 2))])
        self.assertEqual(self.gate.groups, [
            ["first"], [str(number) for number in range(lane.TOGETHER)],
            [str(lane.TOGETHER), str(lane.TOGETHER + 1)],
        ])

    def test_what_is_large_does_not_hold_up_what_is_small(self):
        large = "x" * lane.TOGETHER_BYTES
        self.outcomes(self.give("first", "a", large, "b"))
        self.assertEqual([list(map(len, group)) for group in self.gate.groups],
                         [[5], [1, 1], [len(large)]])

    def test_what_goes_alone_and_what_is_anothers(self):
        promised = self.give("first", "a")
        promised += self.give("bad", alone=True)
        promised += self.give("other", target="two")
        promised += self.give("b")
        self.outcomes(promised)
        self.assertEqual(self.gate.groups, [["first"], ["a", "b"], ["bad"], ["other"]])

    def test_a_fault_reaches_everybody_and_the_lane_goes_on(self):
        promised = self.give("first", "a", "b")
        self.gate.fault = ValueError("broken")
        self.gate.opened.set()
        for one in promised:
            with self.assertRaisesRegex(ValueError, "broken"):
                one.result(SECONDS)
        self.gate.fault = None
        self.assertEqual(self.outcomes(self.give("c")), ["taken c"])
