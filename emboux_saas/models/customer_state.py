from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_core.models.domain_state import REASON

FROZEN = ("suspended", "ended")
GRACE_DAYS = 30  # of a customer without a plan


class CustomerState(models.Model):
    """The life of a customer; one door changes it, and the domains follow."""

    _inherit = "emboux.customer"

    @api.private
    def _advance_customer(self, state, reason, cause="operator"):
        """Bring customers into a state, and their domains with them.

        ``reason``: a sentence for the operator and the customer. ``cause``: whose doing it is,
        see ``state_cause``. A state that he is in already is left as it is.
        """
        self.check_access("write")
        if cause == "operator":
            # he takes it over: what a missing payment stopped, a payment does not undo any more
            self.sudo().filtered(
                lambda c: c.state == state and state in FROZEN and c.state_cause != cause
            ).write({"state_cause": cause, "state_reason": reason})
        # as superuser: the state and what follows from it are nobody's to write by hand
        for customer in self.sudo().filtered(lambda c: c.state != state):
            before = customer.state
            customer.write(
                {
                    "state": state,
                    "state_since": fields.Datetime.now(),
                    "state_reason": reason,
                    "state_cause": cause,
                    "erase_on": customer._erase_day() if state == "ended" else False,
                    "erased_at": False,
                }
            )
            if state in FROZEN:
                customer._freeze(reason)
            elif before in FROZEN:
                customer._thaw(reason)
            customer._tell_advance(before)

    def _erase_day(self):
        days = self.plan_id.grace_days if self.plan_id else GRACE_DAYS
        return fields.Date.context_today(self) + timedelta(days=days)

    def _freeze(self, reason):
        """Suspend what is not suspended, and remember which these were."""
        domains = self._domains().filtered(lambda d: d.state != "suspended")
        domains.with_context(**{REASON: reason}).action_suspend()
        domains.suspended_with_customer = True

    def _thaw(self, reason):
        """Activate what was suspended with the customer, and nothing else."""
        domains = self._domains().filtered("suspended_with_customer")
        domains._thaw(reason)

    def _tell_advance(self, before):
        values = {"reason": self.state_reason, "period": str(self.state_since)}
        if self.state == "suspended":
            self._notify("suspended", values)
        elif self.state == "ended":
            self._notify("ended", {**values, "until": self.erase_on})
        elif before in FROZEN:
            self._notify("activated", values)

    # -- what people do -----------------------------------------------------------------------

    def action_activate(self):
        """Restore everything that was frozen with the customer."""
        self._advance_customer(
            "active", self.env._("Activated by %s.", self.env.user.name)
        )
        return True

    def action_change_plan(self):
        """Open the dialog that says what does not fit into another plan."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Change the Plan of %s", self.display_name),
            "res_model": "emboux.customer.plan",
            "view_mode": "form",
            "target": "new",
            "context": {"default_customer_id": self.id},
        }

    def action_portal_access(self):
        """Let people of the customer into the portal."""
        self.ensure_one()
        wizard = self.env["portal.wizard"].with_context(default_partner_ids=self.partner_id.ids)
        return wizard.action_open_wizard()

    def action_stop(self):
        """Open the dialog that suspends or ends, with a reason; which of them is in the context."""
        self.ensure_one()
        ends = self.env.context.get("stop") == "ended"
        name = self.display_name
        title = self.env._("End %s", name) if ends else self.env._("Suspend %s", name)
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": "emboux.customer.stop",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_customer_id": self.id,
                "default_state": "ended" if ends else "suspended",
            },
        }


class DomainOfCustomer(models.Model):
    """A domain that is frozen with its owner."""

    _inherit = "emboux.domain"
    _followed_fields = frozenset({"suspended_with_customer"})

    suspended_with_customer = fields.Boolean(readonly=True, copy=False)

    def write(self, vals):
        done = super().write(vals)
        if vals.get("state", "suspended") != "suspended":
            # as superuser: what follows from the state is nobody's to write
            self.sudo().filtered("suspended_with_customer").suspended_with_customer = False
        return done

    def action_suspend(self):
        """What was frozen with its owner is suspended for itself from now on: it stays so when
        the owner comes back."""
        frozen = self.sudo().filtered("suspended_with_customer")  # as superuser: see write
        done = super().action_suspend()
        frozen.suspended_with_customer = False
        return done

    def _thaw(self, reason):
        """Restore domains that were suspended with their owner, and their sending."""
        self.with_context(**{REASON: reason}).action_activate()
        # somebody may have activated one and suspended it anew: then it stays so
        self.suspended_with_customer = False
        for domain in self:
            domain._want_sending()
