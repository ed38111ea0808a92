from datetime import timedelta

from markupsafe import Markup
from psycopg2.errors import UniqueViolation

from odoo import fields, models

from ..dns.expected import is_wildcard

LOSS_DAYS = 3  # different days on which a verified domain has to fail before it is lost
CLAIM_DAYS = 14  # unless emboux_core.claim_days says otherwise


class DomainProof(models.Model):
    """What a domain's DNS proves, and what follows: verified, lost, or a claim that ran out."""

    _inherit = "emboux.domain"
    _followed_fields = frozenset({"proven_at", "failing_days", "failing_on"})

    proven_at = fields.Datetime(
        readonly=True, copy=False, help="When the DNS or the provider last came to prove it."
    )
    failing_days = fields.Integer(
        "Days Failing", readonly=True, copy=False,
        help="Different days on which a verified domain was found not to be in order.",
    )
    failing_on = fields.Date(readonly=True, copy=False)

    def _proof(self):
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
        amiss = needed.filtered(
            lambda r: r.state in ("missing", "wrong") and r.key != "verification"
        )
        if self._settled_state() == "verified" and self.proven_at:
            amiss = amiss.filtered(lambda r: not r.harmless)
            if needed and not amiss and "unknown" not in needed.mapped("state"):
                return "verified", self.env._("Nothing in the DNS makes receivers refuse its mail.")
        if amiss:
            names = ", ".join(f"{record.record_type} {record.name}" for record in amiss)
            return "pending", self.env._("Missing or wrong in the DNS: %s", names)
        return None, ""

    def _follow_proof(self):
        """Pending domains advance by themselves; a verified one is not lost by one look-up."""
        self.ensure_one()
        # as superuser: what follows from the DNS is nobody's to write
        self = self.sudo()
        if self._judged_elsewhere():
            return  # its platform says what it is
        seen = self.dns_record_ids.filtered(lambda r: r.key == "verification")
        if not self.owned_since and seen.state == "ok" and not self._own():
            return
        if self.parent_id:
            return  # its parent speaks for it
        state, reason = self._proof()
        before = self._settled_state()
        if state == "verified":
            self._prove(before, reason)
        elif before == "verified" and state and self.proven_at:
            self._count_failure(reason)
        elif before == "pending" and state == "failed":
            self._advance("failed", reason)
        elif before == "pending" and self._is_overdue():
            self._advance(
                "failed",
                self.env._(
                    "Nobody has proven within %s days that the domain is his. Set the DNS records "
                    "and check again, or delete it.",
                    self._claim_days(),
                ),
            )

    def _own(self):
        """Note that its DNS proves it to be its owner's; the first who proves it has it.

        Returns False where the name is somebody else's here already, and tells so: whoever
        reads it controls the name's DNS.
        """
        taken = self.with_context(active_test=False).search_count(
            [("name", "=", self.name), ("backend_id", "=", self.backend_id.id),
             ("owned_since", "!=", False), ("id", "!=", self.id)], limit=1
        )
        if not taken:
            try:
                with self.env.cr.savepoint():
                    self.owned_since = fields.Datetime.now()
                    self.flush_recordset(["owned_since"])
            except UniqueViolation:  # at this very moment
                self.invalidate_recordset(["owned_since"])
                taken = True
        if taken:
            reason = self.env._(
                "Its DNS proves it to be yours, but it is with another customer here. Ask the "
                "operator, who can move it to you."
            )
            self._advance("failed", reason)
            self.state_reason = reason  # also where the claim had failed before
            return False
        return True

    def _prove(self, before, reason):
        values = {"failing_days": 0, "failing_on": False} if self.failing_days else {}
        if not self.proven_at or before != "verified":
            values["proven_at"] = fields.Datetime.now()
        if before != "verified":
            values["next_check"] = fields.Datetime.now() + timedelta(days=1)
        if values:
            self.write(values)
        if before in ("pending", "failed"):
            self._advance("verified", reason)

    def _count_failure(self, reason):
        today = fields.Date.today()
        if self.failing_on == today:
            return
        self.write({"failing_days": self.failing_days + 1, "failing_on": today})
        if self.failing_days >= LOSS_DAYS:
            days = self.failing_days
            self.write({"failing_days": 0, "failing_on": False, "proven_at": False})
            self._advance(
                "failed",
                self.env._(
                    "Found on %(days)s different days. %(reason)s", days=days, reason=reason
                ),
            )

    def _is_overdue(self):
        """Whether somebody merely claims the domain, for too long."""
        age = fields.Datetime.now() - (self.state_since or self.create_date)
        return not self.owned_since and age > timedelta(days=self._claim_days())

    def _claim_days(self):
        # as superuser: system parameters are readable by administrators alone
        days = self.env["ir.config_parameter"].sudo().get_param("emboux_core.claim_days")
        return int(days) if days and days.isdigit() else CLAIM_DAYS

    def _tell_state(self, before, reason):
        """Tell the owner and the responsible what they wait for or have to see to."""
        self.ensure_one()
        if self.parent_id or {before, self._settled_state()}.isdisjoint({"verified", "failed"}):
            return  # who looks after the parent is told
        good = self._settled_state() == "verified"
        owner, responsible = self.partner_id, self.user_id.partner_id
        for partner in owner | responsible:
            domain = self.with_context(lang=partner.lang or self.env.lang)
            domain.message_post(
                body=Markup("<p>%s</p><p>%s</p>") % (domain._say_state(good), reason),
                subject=domain._say_state(good),
                partner_ids=partner.ids,
                subtype_xmlid="mail.mt_note",
            )
        self._remind_of_state(good, reason)

    def _say_state(self, good):
        if good:
            return self.env._("%s is verified: it may send and receive.", self.display_name)
        return self.env._("%s is not verified, so it cannot send.", self.display_name)

    def _remind_of_state(self, good, reason):
        user = self.user_id
        if not user:
            return
        domain = self.with_context(lang=user.lang or self.env.lang)
        kind = "mail.mail_activity_data_todo" if good else "mail.mail_activity_data_warning"
        if not good and domain.activity_search([kind], user_id=user.id):
            return
        domain.activity_schedule(
            kind, user_id=user.id, summary=domain._say_state(good),
            note=Markup("<p>%s</p>") % reason,
        )
