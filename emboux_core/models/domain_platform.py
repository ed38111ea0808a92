import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from odoo import api, fields, models

from ..backends.base import BackendError, NotAuthorised, Refused, Standing, Unreachable
from ..dns.lookup import DomainCheck
from .domain_state import REASON
from .errors import backend_sentence

_logger = logging.getLogger(__name__)

THREADS = 8  # questions to platforms at a time
LATER = timedelta(hours=1)  # a platform that did not answer is asked again


class DomainPlatform(models.Model):
    """Domains of a platform that judges them itself: what it says is so, and nothing else.

    It looks at the DNS, asks its providers and decides what may be sent; what this Odoo would find
    by looking itself decides about nothing there.
    """

    _inherit = "emboux.domain"

    def _judged_elsewhere(self):
        """Those of these domains of which their platform says whether they are verified."""
        # as superuser: who sees the domain need not see its backend
        return self.filtered(lambda d: d.sudo().backend_id.judges)

    def _follow_platform(self, client, service):
        """What follows from the platform's answer that it has the domain, with its service."""
        self.ensure_one()
        self.dns_record_ids._align(self, service)
        self.backend_id._take_hosts(service)
        try:
            standing = client.standing(self.name)
        except BackendError as error:
            # it is there; how it stands is asked again by the check
            _logger.info("%s does not say how %s is: %s", self.backend_id.name, self.name, error)
            standing = None
        if standing:
            self._take_state(standing)
        elif self._settled_state() == "verified":
            self._move("pending", self.env._("Its platform has not said yet how it stands."))

    def _ask_platforms(self, look=False):
        """Ask about all of them at once: id to what the platform says, or the error.

        ``look``: the platforms shall look at the DNS now.
        """
        if not self:
            return {}
        jobs = [(d.id, d.backend_id.id, d.backend_id._client(), d.name) for d in self]
        silent = set()

        def question(job):
            number, backend, client, name = job
            if backend in silent:
                return number, Unreachable("It did not answer just now.")
            try:
                return number, client.standing(name, records=True, look=look)
            except BackendError as error:
                if not isinstance(error, Refused) or isinstance(error, NotAuthorised):
                    silent.add(backend)  # the others would only wait for it too
                return number, error

        with ThreadPoolExecutor(min(THREADS, len(jobs))) as threads:
            return dict(threads.map(question, jobs))

    def _store_standing(self, answer):
        """Store what the platform said: a ``Standing``, None where it has no such domain, or the
        ``BackendError`` instead."""
        self.ensure_one()
        # as superuser: what follows from the platform is nobody's to write
        self = self.sudo()
        if not isinstance(answer, Standing):
            message = (
                backend_sentence(self.env, self.backend_id.name, answer) if answer else
                self.env._(
                    "%(backend)s does not have %(domain)s, or not for this key.",
                    backend=self.backend_id.name, domain=self.display_name,
                )
            )
            self.write(
                {"check_message": message, "next_check": fields.Datetime.now() + LATER}
            )
            if answer is None and self.sync_state == "done":
                self._move("failed", message)
            return
        self.dns_record_ids._align_to(self, answer.records)
        self.backend_id._take_hosts(answer.service)
        self._take_state(answer)
        self._store_check(DomainCheck(self.name, answer.verdicts, error=answer.asked))

    def _take_state(self, standing):
        self.ensure_one()
        # as superuser: as above
        self = self.sudo()
        if bool(self.owned_since) != standing.owned:
            self.owned_since = fields.Datetime.now() if standing.owned else False
        # what is wished here and not told yet does not give way
        told = self.sync_state == "done"
        if "suspended" in (self.state, standing.state) and told:
            if self.state != standing.state:
                self._move_as_told(standing)
        elif standing.state != "suspended":
            self._move(standing.state, standing.reason)
        if standing.reason and self.state == standing.state != "suspended":
            self._note_reason(standing.reason)

    def _move_as_told(self, standing):
        """The platform was suspended or activated by somebody there: that is no wish of ours."""
        reason = standing.reason or self.env._("So says %s.", self.backend_id.name)
        self.with_context(**{REASON: reason}).write(
            # with the outcome, which tells the platform nothing
            {"state": standing.state, "sync_state": self.sync_state}
        )

    def _note_reason(self, reason):
        if self.state_reason != reason:
            self.state_reason = reason


class BackendJudges(models.Model):
    _inherit = "emboux.backend"

    judges = fields.Boolean(
        compute="_compute_judges", help="Whether the platform says which domains are verified."
    )

    @api.depends("kind")
    def _compute_judges(self):
        for backend in self:
            backend.judges = bool(backend.kind) and backend._client().judges
