# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The way to one Odoo: a few requests at a time, and what comes meanwhile goes with the next.

So mail that comes one by one does not wait, and the more comes the less work each is for Odoo.
"""

import threading
from collections import deque
from concurrent.futures import Future

TOGETHER = 10  # messages in one request
TOGETHER_BYTES = 800_000  # many a proxy takes no request of more than 1 MB


class Waiting:
    """A message on its way to ``target`` (``Target``); ``message``: of ``push``.

    ``alone``: it goes in a request of its own.
    """

    def __init__(self, target, message, alone):
        self.target, self.message, self.alone = target, message, alone
        self.outcome = Future()

    def may_go_with(self, first):
        return self.target == first.target and not (self.alone or first.alone)


class Lane:
    """``send(group)``: hand these ``Waiting`` over; returns an outcome for each.

    ``requests``: how many at once.  ``messages``: on their way, counted by whoever hands them over.
    """

    def __init__(self, send, requests):
        self.messages = 0
        self._send = send
        self._free = requests
        self._waiting = deque()
        self._changed = threading.Condition()

    def hand_over(self, waiting):
        """Return its outcome.  Called by a thread for each message: it sends, or another does.

        :raises Exception: what ``send`` raised.
        """
        with self._changed:
            self._waiting.append(waiting)
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: waiting.outcome.done() or (self._free and self._waiting))
                if waiting.outcome.done():
                    return waiting.outcome.result()
                group = self._next()
                self._free -= 1
            try:
                for one, outcome in zip(group, self._send(group), strict=True):
                    one.outcome.set_result(outcome)
            except Exception as error:
                # each of them is told, by its own thread
                for one in group:
                    one.outcome.set_exception(error)
            finally:
                with self._changed:
                    self._free += 1
                    self._changed.notify_all()

    def _next(self):
        first = self._waiting.popleft()
        group, size = [first], len(first.message.body)
        for one in list(self._waiting):
            size_with = size + len(one.message.body)
            if one.may_go_with(first) and size_with <= TOGETHER_BYTES and len(group) < TOGETHER:
                self._waiting.remove(one)
                group.append(one)
                size = size_with
        return group
