import secrets

from odoo import api, fields, models
from odoo.exceptions import AccessError

STATES = [
    ("draft", "New"),
    ("pending", "Waiting for DNS"),
    ("verified", "Verified"),
    ("failed", "Failed"),
    ("suspended", "Suspended"),
]
REASON = "emboux_reason"  # in the context: why the state changes


class DomainState(models.Model):
    """The life of a domain: waiting for its DNS, verified, suspended; and who says so.

    Ownership is apart from the state: once it is proven, mail for the domain is accepted, so
    that it can be proven before the MX is moved here and nothing bounces in between.
    """

    _inherit = "emboux.domain"
    _followed_fields = frozenset({"state_reason", "state_since"})

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
    step_ids = fields.One2many("emboux.domain.step", "domain_id", readonly=True, copy=False)
    owned_since = fields.Datetime(
        "Ownership Proven",
        readonly=True,
        copy=False,
        help="From then on mail for the domain is accepted.",
    )
    token = fields.Char(readonly=True, copy=False, default=lambda self: secrets.token_hex(16))

    def _begin_state(self, vals):
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

    @api.model_create_multi
    def create(self, vals_list):
        domains = super().create(vals_list)
        # a platform that judges may have said already how they stand
        domains.filtered(lambda d: not d.state_since)._note_step()
        return domains

    def write(self, vals):
        self._assert_state_allowed(vals)
        if "state" not in vals:
            return super().write(vals)
        moved = self.filtered(lambda d: d.state != vals["state"])
        # as superuser, twice: what follows from the state is not the user's to write
        if vals["state"] == "suspended":
            for domain in moved.sudo():
                domain.state_before = domain.state
        elif vals["state"] == "verified":
            self.sudo().filtered(lambda d: not d.owned_since).owned_since = fields.Datetime.now()
        done = super().write(vals)
        moved._note_step()
        # as superuser: another customer's subdomains follow too
        moved.sudo().child_ids._follow_parent()
        return done

    def _advance(self, state, reason):
        """How the DNS, a provider or a parent moves a domain, and says why.

        Not one of which its platform says how it stands: that alone moves it.
        """
        (self - self._judged_elsewhere())._move(state, reason)

    def _move(self, state, reason):
        """What the operator has suspended stays so, and comes back in the new state."""
        # as superuser: the state is nobody's to write who merely looked
        for domain in self.sudo().with_context(**{REASON: reason}):
            before = domain._settled_state()
            if state == before:
                continue
            # whoever is just adding it sees how it stands
            is_new = not domain.state_since
            if domain.state == "suspended":
                domain.state_before = state
            elif domain._judged_elsewhere():
                # with the outcome: what the platform has said is not told to it
                domain.write({"state": state, "sync_state": domain.sync_state})
            else:
                domain.state = state
            if not is_new:
                domain._tell_state(before, reason)

    def _settled_state(self):
        """The state beneath a suspension."""
        self.ensure_one()
        return (self.state_before or "pending") if self.state == "suspended" else self.state

    def _follow_parent(self):
        """A subdomain is verified as long as its wildcard parent is.

        A suspended parent changes no state: nothing is sent meanwhile, and all comes back with it.
        """
        for domain in self:
            parent = domain.parent_id
            if parent.state == "verified":
                domain._advance("verified", domain._why_verified())
            elif parent.state in ("pending", "failed"):
                domain._advance(
                    "pending",
                    self.env._(
                        "%s, by which it was verified, is not verified any more.",
                        parent.display_name,
                    ),
                )

    def _why_verified(self):
        if self.parent_id:
            return self.env._("By its wildcard parent %s.", self.parent_id.display_name)
        return self.env._("Set by hand.")

    def _note_step(self):
        """Write down when the domain came into its state, and why."""
        now = fields.Datetime.now()
        said = self.env.context.get(REASON)
        steps = []
        # as superuser: the steps are nobody's to write
        for domain in self.sudo():
            known = not domain.state_since and domain.state_reason
            reason = said or known or domain._default_reason()
            domain.write({"state_since": now, "state_reason": reason})
            steps.append(
                {
                    "domain_id": domain.id,
                    "happened_at": now,
                    "state": domain.state,
                    "reason": reason,
                }
            )
        self.env["emboux.domain.step"].sudo().create(steps)

    def _default_reason(self):
        if self.state == "verified":
            return self._why_verified()
        return {
            "draft": self.env._("Its mail platform does not know it yet."),
            "pending": self.env._("Waiting for its DNS records."),
            "failed": self.env._("Set by hand."),
            "suspended": self.env._("Suspended by %s.", self.env.user.name),
        }[self.state]

    def _set_sync(self, state, message=False, next_try=False):
        """A domain is *new* until its platform knows it, for so long its DNS is not known.

        Its records come with the first answer.
        """
        # as superuser: what follows from the platform's answer is not the user's to write
        for domain in self.sudo():
            before = domain._settled_state()
            values = {}
            if state != "done" and not domain.dns_record_ids and before != "draft":
                values = {"state": "draft", "owned_since": False}
            elif state == "done" and before == "draft":
                verified = (
                    domain.parent_id.state == "verified" and not domain._judged_elsewhere()
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
        elsewhere = self._judged_elsewhere()
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
                    "A domain becomes verified by its DNS records: publish them, then use "
                    "Check Now. Only an administrator may set it by hand."
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
