# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Adds up what lines of a log say: bytes of each domain and day, and the messages under way.

What counts: a message that a login submits, once, as what its domain has sent; a message that
reaches a mailbox, as what that domain has received, for each mailbox; and what mail programs
upload and read.  Nothing here remembers more than what is on its way.
"""

from dataclasses import dataclass

from .lines import Delivered, Removed, Session, Sized, Submitted


@dataclass(slots=True)
class Message:
    """A message in Postfix' queue: who submitted it, how large it is."""

    login: str | None = None
    size: int | None = None
    counted: bool = False  # as what its sender has sent


class Book:
    """``known``: the messages under way when the book is opened, by their queue ids."""

    def __init__(self, known=None):
        self.messages = dict(known or {})
        self._known = frozenset(self.messages)
        self.changed = set()  # queue ids
        self.gone = set()
        self.moved = {}  # (domain, day) -> [bytes in, bytes out]

    def enter(self, event):
        what, day = event.what, event.moment.date()
        if isinstance(what, Session):
            self._add(what.login, day, what.bytes_in, what.bytes_out)
        elif isinstance(what, Submitted):
            # a new message, whatever had this id before
            self._put(what.queue_id, Message(login=what.login))
        elif isinstance(what, Sized):
            self._size(what, day)
        elif isinstance(what, Delivered):
            message = self.messages.get(what.queue_id)
            if message and message.size:
                self._add(what.address, day, message.size, 0)
        elif isinstance(what, Removed) and self.messages.pop(what.queue_id, None):
            self.changed.discard(what.queue_id)
            if what.queue_id in self._known:
                self.gone.add(what.queue_id)

    def _size(self, what, day):
        message = self.messages.get(what.queue_id) or Message()
        if message.size == what.size and (message.counted or not message.login):
            return  # a further try
        message.size = what.size
        if message.login and not message.counted:
            message.counted = True
            self._add(message.login, day, 0, what.size)
        self._put(what.queue_id, message)

    def _put(self, queue_id, message):
        self.messages[queue_id] = message
        self.changed.add(queue_id)
        self.gone.discard(queue_id)

    def _add(self, address, day, bytes_in, bytes_out):
        domain = address.rpartition("@")[2]
        if domain and (bytes_in or bytes_out):
            sums = self.moved.setdefault((domain, day), [0, 0])
            sums[0] += bytes_in
            sums[1] += bytes_out
