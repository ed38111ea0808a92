# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from psycopg2.errors import UniqueViolation

from odoo import fields, models
from odoo.exceptions import AccessError

from ..backends.base import DomainStatus
from ..dns.expected import is_wildcard
from ..dns.lookup import DomainCheck
from ..net.errors import BackendError, NotAuthorised, Refused, Unreachable
from ..settings import CLAIM_DAYS
from .errors import backend_sentence
from .thread import Notice

_logger = logging.getLogger(__name__)

STATES = [
    ("draft", "New"),
    ("pending", "Waiting for DNS"),
    ("verified", "Verified"),
    ("failed", "Failed"),
    ("suspended", "Suspended"),
]
REASON_KEY = "emboux_reason"  # in the context: why the state changes

LOSS_DAYS = 3  # different days on which a verified domain has to fail before it is lost

THREADS = 8  # questions to platforms at a time
RETRY_AFTER = timedelta(hours=1)  # a platform that did not answer is asked again


class DomainState(models.Model):
    """The life of a domain: waiting for its DNS, verified, suspended; and who says so.

    Ownership is apart from the state: once it is proven, mail for the domain is accepted, so
    that it can be proven before the MX is moved here and nothing bounces in between.

    The state follows from what its DNS proves (verified, lost, or an expired claim), or else from
    its wildcard parent.  A platform that judges its domains itself says it instead: it looks at the
    DNS, asks its providers and decides what may be sent; what this Odoo would find by looking
    itself decides about nothing there.
    """

    _inherit = "emboux.domain"
    _system_fields = frozenset(
        {"state_reason", "state_since", "proven_at", "failing_days", "failing_on"}
    )

    state = fields.Selection(
        STATES,
        default="draft",
        required=True,
        index=True,
        copy=False,
        tracking=True,
    )
    state_before = fields.Char(readonly=True, copy=False)
    state_reason = fields.Char("Why", readonly=True, copy=False)
    state_since = fields.Datetime("Since", readonly=True, copy=False)
    state_history_ids = fields.One2many(
        "emboux.domain.step", "domain_id", readonly=True, copy=False
    )
    owned_since = fields.Datetime(
        "Ownership Proven",
        readonly=True,
        copy=False,
        help="From then on mail for the domain is accepted.",
    )
    token = fields.Char(readonly=True, copy=False, default=lambda self: secrets.token_hex(16))

    def _set_initial_state(self, vals):
        """The state of a domain that is being added, with what follows from it."""
        self._assert_state_allowed(vals)
        state = vals.get("state", "draft")
        if state == "draft":
            # a new domain is on its backend once it is saved, and waits for its DNS
            vals["state"] = "pending"
        elif state == "verified":
            vals["owned_since"] = fields.Datetime.now()
        elif state == "suspended":
            vals["state_before"] = "pending"

    def _on_created(self, given):
        super()._on_created(given)
        # a platform that judges may have said already how they stand
        self.filtered(lambda d: not d.state_since)._log_state_change()

    def _assert_may_change(self, vals):
        super()._assert_may_change(vals)
        self._assert_state_allowed(vals)

    def _before_change(self, vals, changed):
        super()._before_change(vals, changed)
        # as superuser, twice: what follows from the state is not the user's to write
        if vals.get("state") == "suspended":
            for domain in changed.get("state", self.browse()).sudo():
                domain.state_before = domain.state
        elif vals.get("state") == "verified":
            self.sudo().filtered(lambda d: not d.owned_since).owned_since = fields.Datetime.now()

    def _on_state_changed(self, before, vals):
        super()._on_state_changed(before, vals)
        self._log_state_change()
        # as superuser: another customer's subdomains follow too
        self.sudo().child_ids._apply_parent_state()

    def _change_state(self, state, reason):
        """Change the state because of DNS, provider or parent, with the reason.

        Not one of which its platform says how it stands: that alone moves it.
        """
        (self - self._verified_by_platform())._write_state(state, reason)

    def _write_state(self, state, reason):
        """A suspended domain stays suspended, and is later activated into the new state."""
        # as superuser: the state is not for users to write who merely looked
        domains = self.sudo().with_context(**{REASON_KEY: reason})
        before = {domain: domain._underlying_state() for domain in domains}
        changing = domains.filtered(lambda d: before[d] != state)
        # whoever is just adding it sees how it stands
        known = changing.filtered("state_since")
        for suspended, some in changing.grouped(lambda d: d.state == "suspended").items():
            if suspended:
                some.state_before = state
                continue
            elsewhere = some._verified_by_platform()
            for domain in elsewhere:
                # with the outcome, so that the platform's own answer is not sent back to it
                domain.write({"state": state, "sync_state": domain.sync_state})
            (some - elsewhere).state = state
        for domain in known:
            domain._notify_state_change(before[domain], reason)

    def _underlying_state(self):
        """The state beneath a suspension."""
        self.ensure_one()
        return (self.state_before or "pending") if self.state == "suspended" else self.state

    def _apply_parent_state(self):
        """A subdomain is verified as long as its wildcard parent is.

        A suspended parent changes no state: nothing is sent meanwhile, and all comes back with it.
        """
        for domain in self:
            parent = domain.parent_id
            if parent.state == "verified":
                domain._change_state("verified", domain._verified_reason())
            elif parent.state in ("pending", "failed"):
                domain._change_state(
                    "pending",
                    self.env._(
                        "%s, which verified it, is no longer verified.",
                        parent.display_name,
                    ),
                )

    def _verified_reason(self):
        if self.parent_id:
            return self.env._("By its wildcard parent %s.", self.parent_id.display_name)
        return self.env._("Set manually.")

    def _log_state_change(self):
        """Log when the domain entered its state, and why."""
        now = fields.Datetime.now()
        said = self.env.context.get(REASON_KEY)
        self = self.sudo()  # the steps are not for users to write
        reasons = {
            domain: said or (not domain.state_since and domain.state_reason)
            or domain._default_reason()
            for domain in self
        }
        for reason, domains in self.grouped(reasons.get).items():
            domains.write({"state_since": now, "state_reason": reason})
        self.env["emboux.domain.step"].create([
            {"domain_id": domain.id, "happened_at": now, "state": domain.state, "reason": reason}
            for domain, reason in reasons.items()
        ])

    def _default_reason(self):
        if self.state == "verified":
            return self._verified_reason()
        return {
            "draft": self.env._("Not created on its mail platform yet."),
            "pending": self.env._("Waiting for its DNS records."),
            "failed": self.env._("Set manually."),
            "suspended": self.env._("Suspended by %s.", self.env.user.name),
        }[self.state]

    def _set_sync(self, state, message=False, next_try=False):
        """A domain is *new* until its platform knows it, for so long its DNS is not known.

        Its records come with the first answer.
        """
        # as superuser: what follows from the platform's answer is not the user's to write
        for domain in self.sudo():
            before = domain._underlying_state()
            values = {}
            if state != "done" and not domain.dns_record_ids and before != "draft":
                values = {"state": "draft", "owned_since": False}
            elif state == "done" and before == "draft":
                verified = (
                    domain.parent_id.state == "verified" and not domain._verified_by_platform()
                )
                values = {"state": "verified" if verified else "pending"}
            if values and domain.state == "suspended":
                values["state_before"] = values.pop("state")
            if values:
                # with the outcome, which tells the platform nothing
                domain.write(values | {"sync_state": state})
        return super()._set_sync(state, message, next_try)

    def _assert_state_allowed(self, vals):
        """A manager may suspend and activate; only the DNS, or an administrator, verifies."""
        state = vals.get("state")
        if state in (None, "suspended") or self.env.su:
            return
        elsewhere = self._verified_by_platform()
        if self.env.user.has_group("emboux_core.group_admin") and not elsewhere:
            return
        restores = self and all(d.state == "suspended" and d.state_before == state for d in self)
        if state in ("draft", "pending") and not self:
            return
        if not restores:
            if elsewhere:
                raise AccessError(
                    self.env._(
                        "Its mail platform says whether a domain is verified: publish its DNS "
                        "records, then use Check Now, which asks the platform."
                    )
                )
            raise AccessError(
                self.env._(
                    "A domain becomes verified by its DNS records: publish them, then use Check "
                    "Now. Only an administrator may set it manually."
                )
            )

    def action_suspend(self):
        """Freeze: neither in nor out, nothing lost.  Mail from outside waits with its sender."""
        return self.write({"state": "suspended"})

    def action_activate(self):
        """Restore what was before the suspension."""
        for state, domains in self.filtered(lambda d: d.state == "suspended").grouped(
            lambda d: d.state_before or "pending"
        ).items():
            domains.write({"state": state})
        return True

    # -- what its DNS proves -----------------------------------------------------------

    proven_at = fields.Datetime(
        readonly=True, copy=False, help="When DNS or provider last verified it."
    )
    failing_days = fields.Integer(
        readonly=True, copy=False,
        help="Number of days on which the verified domain failed its check.",
    )
    failing_on = fields.Date(readonly=True, copy=False)

    def _verification_status(self):
        """What speaks for the domain now: a state and why, as a sentence.

        The state is *verified*, *pending* (not yet, or not now), *failed* (not by waiting), or
        None where nobody knows.
        """
        self.ensure_one()
        # what its subdomains need to be reached proves nothing of itself
        needed = self.dns_record_ids.filtered(
            lambda r: r.level == "required" and not is_wildcard(r.key)
        )
        if needed and set(needed.mapped("state")) == {"ok"}:
            return "verified", self.env._("All required DNS records are set.")
        # the proof of ownership has been given once; what sending needs has to stay, and only what
        # makes receivers refuse may end it: not a mail exchanger that is somebody else's, say
        failing = needed.filtered(
            lambda r: r.state in ("missing", "wrong") and r.key != "verification"
        )
        if self._underlying_state() == "verified" and self.proven_at:
            failing = failing.filtered(lambda r: not r.harmless)
            if needed and not failing and "unknown" not in needed.mapped("state"):
                return "verified", self.env._("Nothing in the DNS makes receivers refuse its mail.")
        if failing:
            names = ", ".join(f"{record.record_type} {record.name}" for record in failing)
            return "pending", self.env._("Missing or wrong in the DNS: %s", names)
        return None, ""

    def _apply_verification(self):
        """Pending domains advance by themselves; a verified one is not lost by one look-up."""
        # as superuser: what follows from the DNS is not for users to write
        self = self.sudo()
        judged = self - self._verified_by_platform()  # their platform says what they are
        proven = judged.filtered(
            lambda d: not d.owned_since
            and "ok" in d.dns_record_ids.filtered(lambda r: r.key == "verification").mapped("state")
        )
        verified = {}
        taken = proven._claim_ownership() if proven else proven
        for domain in judged - taken:
            if domain.parent_id:
                continue  # its parent speaks for it
            state, reason = domain._verification_status()
            before = domain._underlying_state()
            if state == "verified":
                verified[before, reason] = verified.get((before, reason), self.browse()) | domain
            elif before == "verified" and state and domain.proven_at:
                domain._count_failure(reason)
            elif before == "pending" and state == "failed":
                domain._change_state("failed", reason)
            elif before == "pending" and domain._claim_is_expired():
                domain._change_state(
                    "failed",
                    self.env._(
                        "Ownership was not proven within %s days. Set the DNS records and check "
                        "again, or delete the domain.",
                        CLAIM_DAYS.read(self.env),
                    ),
                )
        for (before, reason), domains in verified.items():
            domains._mark_verified(before, reason)

    def _claim_ownership(self):
        """Note that their DNS proves them to be their owners'; the first who proves it has it.

        Returns those whose name is somebody else's here already, and tells so: whoever reads it
        controls the name's DNS.
        """
        there = self.with_context(active_test=False).search(
            [("name", "in", self.mapped("name")), ("owned_since", "!=", False)])
        proven = {(domain.name, domain.backend_id) for domain in there}
        taken = self.filtered(lambda d: (d.name, d.backend_id) in proven)
        free = self - taken
        try:
            with self.env.cr.savepoint():
                free.owned_since = fields.Datetime.now()
                free.flush_recordset(["owned_since"])
        except UniqueViolation:  # at this very moment, or two of these have one name
            free.invalidate_recordset(["owned_since"])
            if len(free) > 1:
                for domain in free:
                    taken |= domain._claim_ownership()
                return taken
            taken |= free
        if taken:
            reason = self.env._(
                "Its DNS proves that it is yours, but another customer has it here. Ask the "
                "operator to move it to you."
            )
            taken._change_state("failed", reason)
            taken.state_reason = reason  # also where the claim had failed before
        return taken

    def _mark_verified(self, before, reason):
        """``before``: the state of all of them."""
        self.filtered("failing_days").write({"failing_days": 0, "failing_on": False})
        now = fields.Datetime.now()
        if before != "verified":
            self.write({"proven_at": now, "next_check": now + timedelta(days=1)})
        else:
            self.filtered(lambda d: not d.proven_at).write({"proven_at": now})
        if before in ("pending", "failed"):
            self._change_state("verified", reason)

    def _count_failure(self, reason):
        today = fields.Date.today()
        if self.failing_on == today:
            return
        self.write({"failing_days": self.failing_days + 1, "failing_on": today})
        if self.failing_days >= LOSS_DAYS:
            days = self.failing_days
            self.write({"failing_days": 0, "failing_on": False, "proven_at": False})
            self._change_state(
                "failed",
                self.env._(
                    "Found on %(days)s different days. %(reason)s", days=days, reason=reason
                ),
            )

    def _claim_is_expired(self):
        """Whether somebody merely claims the domain, for too long."""
        age = fields.Datetime.now() - (self.state_since or self.create_date)
        return not self.owned_since and age > timedelta(days=CLAIM_DAYS.read(self.env))

    def _notify_state_change(self, before, reason):
        """Notify the owner and the responsible of what they wait for or have to fix."""
        self.ensure_one()
        if self.parent_id or {before, self._underlying_state()}.isdisjoint({"verified", "failed"}):
            return  # who looks after the parent is told
        good = self._underlying_state() == "verified"

        def compose(domain):
            return Notice(domain._state_message(good), reason)

        self._post_notice(compose, self.partner_id | self.user_id.partner_id)
        kind = "mail.mail_activity_data_todo" if good else "mail.mail_activity_data_warning"
        self._schedule_notice(compose, self.user_id, kind)

    def _state_message(self, good):
        if good:
            return self.env._("%s is verified: it may send and receive.", self.display_name)
        return self.env._("%s is not verified, so it cannot send.", self.display_name)

    # -- what its platform says --------------------------------------------------------

    def _verified_by_platform(self):
        """Those of these domains of which their platform says whether they are verified."""
        # as superuser: who sees the domain need not see its backend
        return self.filtered(lambda d: d.sudo().backend_id.verifies_domains)

    def _apply_service(self, client, service):
        """What follows from the platform's answer that it has the domain, with its service."""
        self.ensure_one()
        self.dns_record_ids._align(self, service)
        self.backend_id._apply_hosts(service)
        try:
            standing = client.domain_status(self.name)
        except BackendError as error:
            # it is there; how it stands is asked again by the check
            _logger.info("%s does not say how %s is: %s", self.backend_id.name, self.name, error)
            standing = None
        if standing:
            self._apply_platform_status(standing)
        elif self._underlying_state() == "verified":
            self._write_state(
                "pending", self.env._("Its platform has not reported its status yet.")
            )

    def _query_platforms(self, look=False):
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
                return number, Unreachable("It does not answer at the moment.")
            try:
                return number, client.domain_status(name, records=True, look=look)
            except BackendError as error:
                if not isinstance(error, Refused) or isinstance(error, NotAuthorised):
                    silent.add(backend)  # the others would only wait for it too
                return number, error

        with ThreadPoolExecutor(min(THREADS, len(jobs))) as threads:
            return dict(threads.map(question, jobs))

    def _store_platform_status(self, answer):
        """Store what the platform said: a ``DomainStatus``, None where it has no such domain, or
        the ``BackendError`` instead."""
        self.ensure_one()
        # as superuser: what follows from the platform is not for users to write
        self = self.sudo()
        if not isinstance(answer, DomainStatus):
            message = (
                backend_sentence(self.env, self.backend_id.name, answer) if answer else
                self.env._(
                    "%(backend)s does not have %(domain)s, or not for this key.",
                    backend=self.backend_id.name, domain=self.display_name,
                )
            )
            self.write(
                {"check_message": message, "next_check": fields.Datetime.now() + RETRY_AFTER}
            )
            if answer is None and self.sync_state == "done":
                self._write_state("failed", message)
            return
        self.dns_record_ids._align_to(self, answer.records)
        self.backend_id._apply_hosts(answer.service)
        self._apply_platform_status(answer)
        self._store_check(DomainCheck(self.name, answer.verdicts, error=answer.asked))

    def _apply_platform_status(self, standing):
        self.ensure_one()
        # as superuser: as above
        self = self.sudo()
        if bool(self.owned_since) != standing.owned:
            self.owned_since = fields.Datetime.now() if standing.owned else False
        # a pending change here takes precedence
        told = self.sync_state == "done"
        if "suspended" in (self.state, standing.state) and told:
            if self.state != standing.state:
                self._change_state_as_reported(standing)
        elif standing.state != "suspended":
            self._write_state(standing.state, standing.reason)
        if standing.reason and self.state == standing.state != "suspended":
            self._set_state_reason(standing.reason)

    def _change_state_as_reported(self, standing):
        """Somebody suspended or activated it on the platform: that is no change of ours."""
        reason = standing.reason or self.env._("Reported by %s.", self.backend_id.name)
        self.with_context(**{REASON_KEY: reason}).write(
            # with the outcome, which tells the platform nothing
            {"state": standing.state, "sync_state": self.sync_state}
        )

    def _set_state_reason(self, reason):
        if self.state_reason != reason:
            self.state_reason = reason
