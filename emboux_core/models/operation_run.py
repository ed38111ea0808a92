# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Retrying what did not get through, by the cron or on request."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..net.errors import BackendError, Busy, NotAuthorised, Refused
from ..transactions import in_own_transaction, own_transaction
from .errors import backend_sentence
from .notification import notification
from .operation import LEASE
from .operation_outbox import WAIT_SECONDS
from .thread import Notice

TOGETHER = 50  # calls whose outcomes the scheduled action commits together
TOGETHER_SECONDS = 5.0  # or those made in this time, so that people see progress
NOT_THROUGH = ("denied", "busy", "failed")


class Outcome(NamedTuple):
    """What became of a call: *done*, *void*, *refused* or one of ``NOT_THROUGH``."""

    what: str
    message: str = ""
    wait: float = 0.0  # seconds to leave the other side alone


class Answer(NamedTuple):
    """What a call returned or raised."""

    result: object = None
    error: Exception | None = None


def what_became(error):
    """``Outcome.what`` of a call that raised this, or None."""
    if not error:
        return "done"
    kinds = {NotAuthorised: "denied", Busy: "busy", Refused: "refused"}
    return next((what for kind, what in kinds.items() if isinstance(error, kind)), "failed")


def make_calls(calls, at_once=1):
    """Make calls that need no database and do not depend on each other, ``at_once`` at a time.

    While the other side works on one, the next is made ready.  After one that does not get through,
    or when the time is up, no further one is started.

    :return: the ``Answer`` of each, or None where it was not made.
    """
    until = time.monotonic() + TOGETHER_SECONDS
    over = threading.Event()

    def make(call):
        if over.is_set():
            return None
        try:
            answer = Answer(call())
        except Exception as error:  # noqa: BLE001 - whoever asked for the call judges it
            answer = Answer(error=error)
        if what_became(answer.error) in NOT_THROUGH or time.monotonic() > until:
            over.set()
        return answer

    if at_once == 1 or len(calls) == 1:
        return [make(call) for call in calls]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(make, calls))


def _raise(error):
    raise error


class Runner(models.Model):
    _inherit = "emboux.operation"

    @api.model
    def _cron_run_operations(self):
        """Make the calls that are due, one backend after the other, each in its own turn."""
        free = ["|", ("busy_until", "=", False), ("busy_until", "<=", fields.Datetime.now())]
        self._run_due("backend_id", free, order="turn", size=TOGETHER)

    def _claim(self):
        """Mark the operation as being made, unless it has to wait."""
        [claimed] = self._claim_together() or [None]
        return claimed and (claimed[1], None)

    def _claim_together(self):
        """Mark those as being made that need not wait: [(id, number)]."""
        now = fields.Datetime.now()
        free = self.try_lock_for_update().filtered(
            lambda o: o.state == "pending" and not (o.busy_until and o.busy_until > now)
        )
        free -= free.browse(operation.id for operation in free._ahead(1))
        for attempts, operations in free.grouped("attempts").items():
            operations.write(
                {"attempts": attempts + 1, "busy_until": now + LEASE, "next_try": now + LEASE}
            )
        return [(operation.id, operation.number) for operation in free]

    def _call(self, number, _job):
        with own_transaction(self) as own:
            record = own._record()
            return "done" if own._settle_call(number, record, own._attempt(record)) else "failed"

    def _run_together(self):
        """As ``_run`` for each of these, but what is written down of one is written for all.

        After a failure the others are left.  Returns *again* where some have waited for others.
        """
        if len(self) == 1:
            return self._run()
        claimed = in_own_transaction(self, "_claim_together")
        if not claimed:
            return "waiting"
        try:
            with own_transaction(self) as own:
                made, through = own._perform_together(claimed)
        except Exception:
            # each is called by itself now, where it is said which of them it was
            in_own_transaction(self, "_unclaim", claimed)
            raise
        return "failed" if not through else "again" if made < len(self) else "done"

    def _perform_together(self, claimed):
        """Returns (how many were called, whether all of them got through)."""
        numbers = dict(claimed)
        operations = self.browse(numbers).exists()
        records = operations._records()
        calls = [operation._prepare_call(records[operation]) for operation in operations]
        answers = make_calls(calls, operations.backend_id._client().at_once)
        outcomes = {
            operation: operation._outcome(records[operation], answer)
            for operation, answer in zip(operations, answers, strict=True) if answer
        }
        done = self.browse(
            operation.id for operation, outcome in outcomes.items()
            if outcome.what == "done" and operation._is_at(numbers[operation.id])
        )
        done.write(done._closed("done"))
        for model, those in done.grouped("res_model").items():
            self.env[model].union(*(records[operation] for operation in those))._set_sync("done")
        through = [
            operation._settle_call(numbers[operation.id], records[operation], outcome)
            for operation, outcome in outcomes.items() if operation not in done
        ]
        self._unclaim([
            (operation.id, numbers[operation.id])
            for operation in operations if operation not in outcomes
        ])
        return len(outcomes), all(through)

    def _unclaim(self, claimed):
        """The calls were not made: anybody may make them, now."""
        numbers = dict(claimed)
        operations = self.browse(numbers).exists()
        mine = operations.filtered(lambda o: o._is_at(numbers[o.id]))
        for attempts, those in mine.grouped("attempts").items():
            those.attempts = attempts - 1
        for operation in operations - mine:
            operation._release()
        mine.write({**self._unclaimed, "next_try": fields.Datetime.now()})

    def _attempt(self, record):
        """Make the call; returns an ``Outcome``.  ``record``: as by ``_record``."""
        [answer] = make_calls([self._prepare_call(record)])
        return self._outcome(record, answer)

    def _prepare_call(self, record):
        """The call as a function that needs no database."""
        if self.verb == "delete" and record:
            self.verb = "ensure"  # its deletion was rolled back, so it has to exist
        if self.verb == "ensure" and not record:
            return lambda: None
        try:
            client = self.backend_id._client()
            if self.verb == "delete":
                return partial(self.env[self.res_model]._provision_delete, client, self.key)
            return record._provision_call(client, with_password=self.with_password)
        except UserError as error:
            return partial(_raise, error)

    def _outcome(self, record, answer):
        """``answer``: of the call."""
        if self.verb == "ensure" and not record:
            return Outcome("void")
        error = answer.error
        if not error and self.verb == "ensure":
            try:
                record._provisioned(self.backend_id._client(), answer.result)
            except (BackendError, UserError) as problem:
                error = problem
        if isinstance(error, BackendError):
            message = backend_sentence(self.env, self.backend_id.name, error)
        elif error and not isinstance(error, UserError):
            raise error  # a defect
        else:
            message = str(error or "")
        return Outcome(what_became(error), message, getattr(error, "wait", 0.0))

    def _settle_call(self, number, record, outcome):
        """Write down what became of the call.  Returns whether it got through."""
        what, message = outcome.what, outcome.message
        if what == "denied":
            # no intent is at fault, but the backend's key: all of them wait for a new one
            self.backend_id.write({"state": "error", "state_message": message})
        if what == "busy":
            # all that is due waits as long, and nobody is asked sooner than they said
            self.env.ref("emboux_core.ir_cron_run_operations")._trigger(
                fields.Datetime.now() + timedelta(seconds=outcome.wait))
            record._set_sync("pending", message, self._postpone(number, message, 1, outcome.wait))
        elif what in NOT_THROUGH:
            record._set_sync("pending", message, self._postpone(number, message))
        elif what == "refused":
            self._close(number, "refused", message)
            record._set_sync("refused", message)
            self._notify_refused(record, message)
        else:
            self._close(number, what)
            record._set_sync("done")
        return what not in NOT_THROUGH

    def _notify_refused(self, record, message):
        """The change was saved long ago: somebody has to learn that it was refused."""
        domain = record if record._name == "emboux.domain" else record.domain_id
        domain = domain or self.env["emboux.domain"]._provision_find(
            self.backend_id, self.domain_name
        )
        if not domain:
            return

        def compose(there):
            return Notice(
                there.env._(
                    "%s could not be saved on the mail platform",
                    self.with_env(there.env).display_name,
                ),
                message,
                remedy=there.env._("Change what was refused, or use Try Now once it is in order."),
            )

        (record or domain)._post_notice(compose, domain.user_id.partner_id)
        domain._schedule_notice(compose, domain.user_id, "mail.mail_activity_data_todo")

    # -- on request ----------------------------------------------------

    def action_try_now(self):
        """Make these calls now, in their turn."""
        self.check_access("read")
        # what an operation is about, who may read operations may also write
        self.env["emboux.domain"].check_access("write")
        # as superuser: operations are not for users to write
        return self.sudo()._try_now()

    def _try_now(self):
        in_own_transaction(self, "_reopen")
        until = time.monotonic() + WAIT_SECONDS
        # what they wait for is tried too, and first
        for operation in (self._all_predecessors() | self).sorted("turn"):
            if time.monotonic() > until:
                # as superuser: the cron is not for users to read
                self.sudo().env.ref("emboux_core.ir_cron_run_operations")._trigger()
                break
            operation._run()
        self.env.invalidate_all()
        # a fresh look: the calls were made in transactions of their own
        return self._notification(*in_own_transaction(self, "_worst_state"))

    def _all_predecessors(self):
        found, new = self.browse(), self
        while new := new.browse(
            {ahead.id for operation in new for ahead in operation._predecessors()}
        ) - found - self:
            found |= new
        return found

    def _reopen(self):
        """Refused operations become pending again, unless a newer one is."""
        for operation in self.filtered(lambda o: o.state == "refused"):
            newer = [("res_model", "=", operation.res_model), ("key", "=", operation.key),
                     ("backend_id", "=", operation.backend_id.id), ("state", "=", "pending")]
            if not self.search_count(newer, limit=1):
                operation.write(
                    {"state": "pending", "attempts": 0, "next_try": fields.Datetime.now()}
                )

    def _worst_state(self):
        """The state and the message of the one that needs most attention."""
        for state in ("refused", "pending"):
            if found := self.exists().filtered(lambda o, state=state: o.state == state)[:1]:
                return state, found.error
        return "done", False

    @api.model
    def _notification(self, state, message):
        if state == "done":
            message = self.env._("Done: no changes are pending any more.")
        return notification(
            {"done": "success", "pending": "warning", "refused": "danger"}[state],
            message or self.env._("It waits for earlier changes."),
        )
