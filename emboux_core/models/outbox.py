# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Calls to others that are written down before they are made, and repeated until they are done."""

import logging
import random
from datetime import timedelta

from odoo import api, fields, models

from ..transactions import AGAIN, OUT, each_in_own_transaction, in_own_transaction

_logger = logging.getLogger(__name__)

INITIAL_PAUSE, MAX_PAUSE = 60, 3600  # seconds

# of a call, for the rest of the job: after a failure the others of this target would only fail too
ANSWERS = {"failed": OUT, "again": AGAIN}

_random = random.SystemRandom()


class OutboxMixin(models.AbstractModel):
    """A row is an intent: something that another server is to be told.

    Rows are written in transactions of their own, so no call is ever made of which nothing is
    known, whatever becomes of the transaction that made it.  ``number`` counts the intents that a
    row has stood for: the outcome of a call is written down only if its number is the latest, and
    a newer intent is called next.

    A model adds ``state``, which is *pending* until the row is settled, ``_claim``, ``_call`` and
    ``_finish``.

    ``emboux.dns.published`` uses ``_pause`` alone.  Its rows are not intents but records that may
    be in a zone: one call covers all rows of a name on a server, and creates and deletes rows;
    the presence of the domain, not a number, says what is wanted, so nothing can be overtaken
    while the advisory lock is held; and a try is counted for all rows that share an outage when
    it fails, not for one when it is claimed.  Each method here would have to be overridden there.
    """

    _name = "emboux.outbox.mixin"
    _description = "Calls Written Down Before They Are Made"

    #: What a row has that nobody is calling just now.
    _unclaimed = {}

    number = fields.Integer(
        readonly=True, help="Counts what was asked for; a later one overrules an earlier one."
    )
    attempts = fields.Integer(readonly=True)
    error = fields.Char("Last Response", readonly=True)
    next_try = fields.Datetime("Next Attempt", readonly=True)

    @api.model
    def _pause(self, attempts):
        """How long until the next try: a minute, doubling, at most an hour, never in step."""
        seconds = min(INITIAL_PAUSE * 2 ** min(attempts - 1, 10), MAX_PAUSE)
        return timedelta(seconds=seconds * _random.uniform(0.8, 1.0))

    def _renewed(self):
        """The values of a newer intent, which is due at once."""
        return {
            "number": self.number + 1, "state": "pending", "attempts": 0, "error": False,
            "next_try": fields.Datetime.now(),
        }

    def _closed(self, state, error=False):
        """The values of an intent of which nothing is to be called any more."""
        return {**self._unclaimed, "state": state, "error": error, "next_try": False}

    # -- one call ------------------------------------------------------------------------

    def _run(self, *arguments):
        """Make the call: *done*, *failed*, or *waiting* for somebody else.

        Nobody else makes it meanwhile, and no lock is held while the other side takes its time.
        """
        self.ensure_one()
        claimed = in_own_transaction(self, "_claim", *arguments)
        if not claimed:
            return "waiting"
        number, job = claimed
        try:
            answer = self._call(number, job)
        except Exception as error:
            # somebody changed the record meanwhile, or a defect; the call may be repeated
            _logger.warning("%s %s (%s)", self._name, self.id, error, exc_info=True)
            message = self.env._("Something went wrong; see the server log.")
            in_own_transaction(self, "_postpone", number, message)
            return "failed"
        return self._finish(number, answer)

    def _claim(self, *arguments):
        """Count a try of what is to be called now, in a transaction of its own.

        Returns (number, the job that ``_call`` needs), or None where there is nothing to be called.
        """
        raise NotImplementedError

    def _call(self, number, job):
        """Make the call; returns what ``_finish`` needs."""
        raise NotImplementedError

    def _finish(self, number, answer):
        """Write down what came of it, unless ``_call`` has; returns what ``_run`` does."""
        return answer

    # -- settling it, in transactions of their own ----------------------------------------

    def _close(self, number, state, error=False):
        """Nothing of it is to be called any more, unless a newer intent has come."""
        if not self._give_way(number):
            self.write(self._closed(state, error))

    def _postpone(self, number, message, not_made=0, wait=None):
        """Try again after a pause that grows with each try; a newer intent at once.

        ``not_made``: the tries counted already that were not made.  ``wait``: seconds, where the
        other side says how long.  Returns when.
        """
        if self._give_way(number):
            return fields.Datetime.now()
        pause = self._pause(max(self.attempts, 1)) if wait is None else timedelta(seconds=wait)
        self.write(
            {
                **self._unclaimed, "error": message, "attempts": self.attempts - not_made,
                "next_try": fields.Datetime.now() + pause,
            }
        )
        return self.next_try

    def _give_way(self, number):
        """Let a newer intent be called now.

        Returns whether there is nothing to be settled: one has come, or the row is gone or closed.
        """
        if self.exists() and self._is_at(number):
            return False
        self._release()
        return True

    def _is_at(self, number):
        """Whether it is open, and no newer intent has come."""
        return self.state == "pending" and self.number == number

    def _release(self):
        """Let the cron make the call, now."""
        if self.exists() and self.state == "pending":
            self.write({**self._unclaimed, "next_try": fields.Datetime.now()})

    # -- all that is due -----------------------------------------------------------------

    @api.model
    def _run_due(self, target, free=(), order="id", size=None):
        """For a cron: make the calls that are due, one ``target`` after the other.

        :param target: the field that says who is called; the outage of one holds up no other.
        :param free: search domain of what nobody else is calling.
        :param size: hand so many at once to ``_run_together``.
        """
        now = fields.Datetime.now()
        due = self.search([("state", "=", "pending"), ("next_try", "<=", now), *free], order=order)
        each_in_own_transaction(
            self.env, due.grouped(target).values(),
            lambda rows: ANSWERS.get(rows._run_together() if size else rows._run()),
            size=size,
        )
