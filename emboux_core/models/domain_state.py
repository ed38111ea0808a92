import secrets

from odoo import fields, models
from odoo.exceptions import AccessError


class DomainState(models.Model):
    """The life of a domain: waiting for its DNS, verified, suspended; and who says so.

    Ownership is apart from the state: once it is proven, mail for the domain is accepted, so
    that it can be proven before the MX is moved here and nothing bounces in between.
    """

    _inherit = "emboux.domain"

    state = fields.Selection(
        [
            ("draft", "New"),
            ("pending", "Waiting for DNS"),
            ("verified", "Verified"),
            ("suspended", "Suspended"),
        ],
        default="draft",
        required=True,
        index=True,
        copy=False,
        tracking=True,
    )
    state_before = fields.Char(readonly=True, copy=False)
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

    def write(self, vals):
        self._assert_state_allowed(vals)
        # as superuser, twice: what follows from the state is not the user's to write
        if vals.get("state") == "suspended":
            for domain in self.sudo().filtered(lambda d: d.state != "suspended"):
                domain.state_before = domain.state
        elif vals.get("state") == "verified":
            self.sudo().filtered(lambda d: not d.owned_since).owned_since = fields.Datetime.now()
        return super().write(vals)

    def _set_sync(self, state, message=False, next_try=False):
        """A domain is *new* until its platform knows it, for so long its DNS is not known.

        Its records come with the first answer.
        """
        # as superuser: what follows from the platform's answer is not the user's to write
        for domain in self.sudo():
            before = domain.state_before if domain.state == "suspended" else domain.state
            values = {}
            if state != "done" and not domain.dns_record_ids and before != "draft":
                values = {"state": "draft", "owned_since": False}
            elif state == "done" and before == "draft":
                verified = domain.parent_id.state == "verified"
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
        if self.env.user.has_group("emboux_core.group_admin"):
            return
        restores = self and all(d.state == "suspended" and d.state_before == state for d in self)
        if state in ("draft", "pending") and not self:
            return
        if not restores:
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
