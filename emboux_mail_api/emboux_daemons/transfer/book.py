# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Adds up what lines of a log say: bytes of each domain and day, and the messages under way.

What counts: a message that a login submits, once, as what its domain has sent; a message that
reaches a mailbox, as what that domain has received, for each mailbox; and what mail programs
upload and read.  Nothing here remembers more than what is on its way.
"""

from datetime import datetime

from .lines import (
    Accepted,
    Attempt,
    Authored,
    Connected,
    Filed,
    Identified,
    Labelled,
    Removed,
    Session,
    Sized,
)

MOST_EXTRA = 20  # pairs, as of what is sent by HTTP; the first count
_APART = frozenset({Session, Filed, Connected})  # about no message in Postfix' queue


class Message:
    """A message in Postfix' queue, as far as it is known.

    ``size``: in bytes, None until it is known.  ``counted``: as what its sender has sent.
    ``author``: its envelope sender before it got a return address of its own; else empty.
    ``extra``: what the sender says of it, name to value.
    ``rows``: of the message log, by what the row is about (``story.py``).
    """

    __slots__ = (
        "at", "author", "client", "counted", "extra", "login", "message_id", "rows", "sender",
        "service", "size")

    def __init__(self, at=None, client="", login="", service=""):
        self.at, self.client, self.login, self.service = at, client, login, service
        self.message_id = self.sender = self.author = ""
        self.size, self.counted, self.rows, self.extra = None, False, {}, {}

    def state(self):
        """As JSON keeps it; its rows have their numbers by now."""
        return {
            "at": self.at.isoformat() if self.at else None, "client": self.client,
            "login": self.login, "service": self.service, "message_id": self.message_id,
            "sender": self.sender, "size": self.size, "counted": self.counted,
            "author": self.author, "extra": self.extra,
            "rows": {key: row.state() for key, row in self.rows.items()},
        }

    @classmethod
    def of(cls, state, row_of):
        """From what ``state()`` gave; ``row_of`` does the same for a row."""
        at = state["at"] and datetime.fromisoformat(state["at"])
        message = cls(at, state["client"], state["login"], state["service"])
        message.message_id, message.sender = state["message_id"], state["sender"]
        message.size, message.counted = state["size"], state["counted"]
        # those that an earlier version has written have neither
        message.author, message.extra = state.get("author", ""), state.get("extra", {})
        message.rows = {key: row_of(row) for key, row in state["rows"].items()}
        return message


class Book:
    """``known``: the messages under way when the book is opened, by their queue ids."""

    def __init__(self, known=None):
        self.messages = dict(known or {})
        self._known = frozenset(self.messages)
        self.changed = set()  # queue ids
        self.gone = set()
        self.moved = {}  # (domain, day) -> [bytes in, bytes out]

    def enter(self, event):
        """Returns the ``Message`` that the event is about, None where it is about none."""
        what = event.what
        kind = type(what)
        if kind in _APART:
            if kind is Session:
                self._add(what.login, event.moment.date(), what.bytes_in, what.bytes_out)
            return None
        queue_id = what.queue_id
        if kind is Accepted:
            # a new message, whatever had this id before
            message = Message(event.moment, what.client, what.login, what.service)
            return self._put(queue_id, message)
        if kind is Removed:
            return self._remove(queue_id)
        if not queue_id:
            return None
        message = self.messages.get(queue_id) or Message(event.moment)
        if kind is Identified:
            message.message_id = what.message_id
            if queue_id in self.changed:
                return message
        elif kind is Authored:
            message.author = what.sender
        elif kind is Labelled:
            if len(message.extra) < MOST_EXTRA:
                message.extra.setdefault(what.name, what.value)
        elif kind is Sized:
            if message.size == what.size and (message.counted or not message.login):
                return message  # a further try
            message.size, message.sender = what.size, what.sender
            if message.login and not message.counted:
                message.counted = True
                self._add(message.login, event.moment.date(), 0, what.size)
        elif kind is Attempt:
            if message.size and what.local and what.status == "sent" and what.dsn[:2] == "2.":
                self._add(what.recipient, event.moment.date(), message.size, 0)
        return self._put(queue_id, message)

    def _put(self, queue_id, message):
        self.messages[queue_id] = message
        self.changed.add(queue_id)
        self.gone.discard(queue_id)
        return message

    def _remove(self, queue_id):
        message = self.messages.pop(queue_id, None)
        self.changed.discard(queue_id)
        if message and queue_id in self._known:
            self.gone.add(queue_id)
        return message

    def _add(self, address, day, bytes_in, bytes_out):
        domain = address.rpartition("@")[2]
        if domain and (bytes_in or bytes_out):
            sums = self.moved.setdefault((domain, day), [0, 0])
            sums[0] += bytes_in
            sums[1] += bytes_out
