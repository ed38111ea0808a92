# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One message to one Odoo, and what Postfix is told of it.

250 after Odoo has committed.  What may go better later is 451: Postfix keeps the message and tries
again.  5.. only where Odoo itself said that it has no place for it.
"""

import hashlib
import logging
import threading
from collections import deque
from urllib.parse import urlsplit

import psycopg2

from ..rounds import one_line
from .lane import Lane, Waiting
from .store import IS_RETURNING, Store

_logger = logging.getLogger(__name__)

REQUESTS = 2  # at once to an Odoo, which needs three connections for each
ABROAD = 4  # messages at once to one other Odoo: one that is slow holds up nobody else
REMEMBERED = 1000  # messages that were not taken together with others
TAKEN = "250 2.6.0 Taken by Odoo"


class Handover:
    """``pusher``: makes what calls an Odoo, ``message`` what it is given (``net/push.py`` of
    emboux_core).  ``here``: the URL of this database's Odoo; ``headers``: what it has to be told
    besides.  ``vitals``: a ``vitals.Vitals``, which is told whether the database and this Odoo
    answer."""

    def __init__(self, database, pusher, message, here, headers, vitals):
        self._vitals = vitals
        self._database, self._pusher, self._message = database, pusher, message
        self._here, self._headers = here, headers
        self._own = threading.local()
        self._lock = threading.Lock()
        self._lanes = {}  # {whose Odoo: Lane}
        self._idle = []  # pushers; the last one used is likely to be connected still
        self._alone = deque(maxlen=REMEMBERED)

    def deliver(self, sender, recipients, content):
        """Hand over a message.  Returns a reply of SMTP for each recipient, in their order.

        :param sender: the envelope's, ``<>`` for a bounce.
        :param recipients: [(mailbox, the address that it was sent to)].
        :param content: the message, as bytes.
        """
        replies = {}
        for mailbox in dict.fromkeys(mailbox for mailbox, _original in recipients):
            meant = [original for other, original in recipients if other == mailbox]
            try:
                replies[mailbox] = self._to_mailbox(mailbox, sender, meant, content)
            except psycopg2.Error as error:
                self._store().close()
                self._vitals.failed(error)
                _logger.error("the database is away: %s", one_line(error))
                replies[mailbox] = "451 4.3.0 The database is away, try again later"
        return [replies[mailbox] for mailbox, _original in recipients]

    def _to_mailbox(self, mailbox, sender, originals, content):
        store = self._store()
        store.open()
        mailbox = mailbox.lower()
        target = store.target(mailbox if IS_RETURNING(mailbox) else _without_tag(mailbox))
        if target is None:  # since Postfix asked; it asks again
            _logger.warning("the mail of %s is not for Odoo any more", mailbox)
            return "451 4.3.0 This mailbox' mail is not for Odoo any more"
        head = [f"Return-Path: <{_printable(sender.strip('<>'))}>"]
        head += [f"Delivered-To: {_printable(address)}" for address in dict.fromkeys(originals)]
        body = "".join(f"{line}\r\n" for line in head).encode() + content
        # the same each time that Postfix tries
        number = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        waiting = Waiting(target, self._message(number, body), number in self._alone)
        whose = urlsplit(target.url)[:2] if target.url else None
        with self._lock:
            lane = self._lanes.setdefault(whose, Lane(self._send, REQUESTS))
            if whose and lane.messages >= ABROAD:
                return "451 4.3.2 This Odoo is busy with other messages, try again later"
            lane.messages += 1
        try:
            outcome = lane.hand_over(waiting)
            if not target.url:  # another Odoo's trouble is not ours
                self._heard(outcome)
            return _reply(mailbox, outcome)
        finally:
            with self._lock:
                lane.messages -= 1
                if not lane.messages:
                    del self._lanes[whose]

    def _heard(self, outcome):
        if outcome.status and outcome.status < 500:
            self._vitals.worked()
        else:
            self._vitals.failed(
                f"Odoo at {self._here} takes no mail: {outcome.sentence or outcome.status}")

    def _send(self, group):
        """What ``Lane`` does with messages of one mailbox."""
        target, messages = group[0].target, [waiting.message for waiting in group]
        with self._lock:
            pusher = self._idle.pop() if self._idle else self._pusher()
        if target.url:
            outcomes = pusher.push(
                target.url, target.secret, messages, allow_private=target.may_be_private)
        else:
            outcomes = pusher.push(
                f"{self._here}{target.path}", target.secret, messages, allow_private=True,
                headers=self._headers)
        with self._lock:
            self._idle.append(pusher)
        if len(group) > 1:
            # one of them may be to blame: the next time it does not take the others with it
            self._alone.extend(
                message.number for message, outcome in zip(messages, outcomes, strict=True)
                if outcome.status != 200)
        return outcomes

    def _store(self):
        if not hasattr(self._own, "store"):
            self._own.store = Store(self._database)
        return self._own.store


def _reply(mailbox, outcome):
    sentence = _printable(outcome.sentence)[:200]
    if 200 <= outcome.status < 300:
        return TAKEN
    if outcome.status == 422:
        reply = f"550 5.6.0 {sentence or 'Odoo has no document for this message.'}"
    elif outcome.status == 413:
        reply = "552 5.3.4 The message is larger than Odoo takes"
    else:
        reply = f"451 4.3.0 {sentence or f'Odoo answered with {outcome.status}.'}"
    _logger.warning("for %s: %s", mailbox, reply)
    return reply


def _printable(text):
    """One line, for a header or a reply."""
    return "".join(letter for letter in text if letter.isprintable())


def _without_tag(address):
    local, _at, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
