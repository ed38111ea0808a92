# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Telling providers what they shall have, and asking them what they say."""

import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_core import faults
from odoo.addons.emboux_core.models.errors import backend_sentence
from odoo.addons.emboux_core.net.errors import BackendError, NotAuthorised, Refused
from odoo.addons.emboux_core.transactions import (
    advisory_lock,
    each_in_own_transaction,
    in_own_transaction,
)

from ..providers.base import Provider
from .provider import UNTIL
from .registration import MAX_IMMEDIATE
from .request_slots import Busy

_logger = logging.getLogger(__name__)

BATCH = 200
THREADS = 8  # questions to one provider at a time
WAIT_SECONDS = 20.0  # seconds that somebody waits for all calls together


@dataclass(frozen=True)
class Job:
    """A call that is about to be made, with all that it needs, so that it needs no database."""

    client: Provider
    wish: str
    name: str
    parent: str | None
    password: str | None = field(repr=False)

    def call(self):
        """Returns (registration or None, credential or None).  :raises BackendError:"""
        if self.wish == "absent":
            faults.point("delete:claimed")
            self.client.delete(self.name)
            faults.point("delete:called")
            return None, None
        faults.point("register:claimed")
        found = self.client.register(self.name, self.parent)
        faults.point("register:called")
        if not self.password:
            return found, None
        credential = self.client.ensure_credential(self.name, self.password)
        faults.point("register:credential")
        return found, credential


class RegistrationRun(models.Model):
    _inherit = "emboux.registration"

    def _run_after_commit(self, ids):
        """Whoever saved the change waits for a few calls; the cron makes the others."""
        self.browse(sorted(ids)[:MAX_IMMEDIATE])._run_now()
        ids.clear()

    def _run_now(self):
        """Tell providers while somebody waits, but not for long; the cron makes the other calls.

        What they are told is committed already, because it must not be rolled back afterwards.
        Calls are noted in transactions of their own: the caller's sees nothing of it.
        """
        try:
            with self.env["emboux.request.slots"]._slot():
                self._run_until_deadline()
        except Busy:
            _logger.info("no place to tell providers at once: the job does it")

    def _run_until_deadline(self):
        until = time.monotonic() + WAIT_SECONDS
        for row in self:
            if time.monotonic() >= until:
                break
            try:
                row._run(until)
            except Exception:
                # the change is saved, so nobody must read that it failed; the cron repeats it
                _logger.exception("registration %s", row.id)
        self.env.invalidate_all(flush=False)

    @api.model
    def _cron_registrations(self):
        """Make the calls that are due; one provider's outage does not hold up the others's."""
        self._run_due("provider_id")

    def _run(self, until=math.inf):
        """``until``: when the call has to be over, as ``time.monotonic()``."""
        with advisory_lock(self.env, f"{self._name} {self.id}") as free:
            return super()._run(until) if free else "waiting"

    def _claim(self, until):
        if not self.exists() or self.state != "pending":
            return None
        self.attempts += 1
        return self.number, Job(
            self.provider_id.with_context(**{UNTIL: until})._client(), self.wish, self.name,
            self.parent_name or None, self.password or None,
        )

    def _call(self, _number, job):
        try:
            return job.call()
        except BackendError as error:
            return error

    def _finish(self, number, answer):
        if isinstance(answer, BackendError):
            return in_own_transaction(self, "_store_failure", number, answer)
        return in_own_transaction(self, "_store_success", number, *answer)

    def _store_success(self, number, found, credential):
        # Whoever writes the row meanwhile is waited for by the writing below, which then fails
        # (40001): it is run anew, and sees the newer number.
        if self._give_way(number):
            return "waiting"
        faults.point("register:noting" if found else "delete:noting")
        if found is None:
            self.unlink()
            return "done"
        self.write(self._closed("done"))
        if credential:
            self.write({"login": credential.login, "credential_at": fields.Datetime.now()})
        self._store_answer(found)
        return "done"

    def _store_failure(self, number, error):
        if self._give_way(number):
            return "waiting"
        sentence = backend_sentence(self.env, self.provider_id.name, error)
        if isinstance(error, NotAuthorised):
            # it is not the domain's fault but the provider's key: all of them wait for a new one
            self.provider_id.write({"state": "error", "state_message": sentence})
        elif isinstance(error, Refused):
            self.write(
                {**self._closed("refused", sentence), "verdict": "failed", "reason": sentence}
            )
            if self.domain_id:
                self.domain_id._apply_verification()
                self.domain_id._notify_refused_by_provider(sentence)
            return "done"
        self._postpone(number, sentence)
        return "failed"

    # -- asking --------------------------------------------------------------------------

    @api.model
    def _cron_poll(self):
        """Ask providers about the domains whose turn it is, several at a time."""
        due = [("wish", "=", "present"), ("state", "=", "done"),
               ("next_poll", "<=", fields.Datetime.now())]
        seen = self.browse()
        while rows := self.search([*due, ("id", "not in", seen.ids)], limit=BATCH,
                                  order="next_poll, id"):
            seen |= rows
            answers = rows._ask()
            remaining = self.search_count([*due, ("id", "not in", seen.ids)])
            if not each_in_own_transaction(
                self.env, [rows],
                lambda row, answers=answers: row._store_poll(answers[row.id]),
                lambda row, _error: row._ask_later(), more=remaining,
            ):
                return

    def _ask(self, only_status=False):
        """Ask about all of them at once: id to the registration, None or the error.

        ``only_status``: nothing is changed there, nor is anybody made to look.
        """
        with self.env["emboux.request.slots"]._slot():
            jobs = [
                Question(
                    row.id, row.provider_id._client(), row.name,
                    only_status or row.verdict == "verified",
                    (row.password if row.credential_at and not only_status else None) or None,
                )
                for row in self
            ]
            with ThreadPoolExecutor(THREADS) as threads:
                return dict(threads.map(_question, jobs))

    def _asked_since(self, moment):
        """Whether the provider was asked since then, with or without an answer."""
        self.ensure_one()
        last = max(filter(None, (self.answered_at, self.error and self.write_date)), default=None)
        return bool(last) and last >= moment

    def _store_status(self, answer):
        """What the provider says of its own accord; what is to be done about it is the cron's."""
        if answer is None:
            self.next_poll = fields.Datetime.now()
        else:
            self._store_poll(answer)

    def _store_poll(self, answer):
        if not self.exists() or not self.try_lock_for_update():
            return
        if isinstance(answer, BackendError):
            sentence = backend_sentence(self.env, self.provider_id.name, answer)
            self.error = sentence
            self._ask_later()
        elif answer is None:
            # it was removed there: the request still stands, so it is registered again
            self._request("present")
            self._call_after_commit()
        else:
            self._store_answer(answer)

    def _ask_later(self):
        self.next_poll = fields.Datetime.now() + timedelta(hours=1)


@dataclass(frozen=True)
class Question:
    """``password``: that of the SMTP login which the domain is to have there, None without one."""

    id: int
    client: Provider
    name: str
    only_status: bool
    password: str | None = field(repr=False)


def _question(asked):
    client, name = asked.client, asked.name
    try:
        # a provider may unverify a domain until its check is done, so verified ones are not
        # rechecked
        answer = client.status(name) if asked.only_status else client.verify(name)
    except NotAuthorised as error:
        return asked.id, error
    except Refused:
        try:
            answer = client.status(name)
        except BackendError as second:
            return asked.id, second
    except BackendError as error:
        return asked.id, error
    if answer and asked.password:
        try:
            if not client.has_credential(name):
                # it was removed there, and all mail of the domain would be deferred
                client.ensure_credential(name, asked.password)
        except BackendError as error:
            _logger.warning("the SMTP login of %s: %s", name, error)
            return asked.id, error
    return asked.id, answer
