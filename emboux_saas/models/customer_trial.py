from datetime import timedelta

from odoo import api, fields, models

FIRST, LAST = 7, 1  # days before something happens


class CustomerTrial(models.Model):
    """What comes by itself: the end of a trial, and of a key."""

    _inherit = "emboux.customer"

    @api.model
    @api.private
    def _cron_trials(self):
        """Tell those whose trial ends soon, and go on with those whose trial is over."""
        near = fields.Date.context_today(self) + timedelta(days=FIRST)
        self.search([("state", "=", "trial"), ("trial_end", "<=", near)])._each(
            lambda customer: customer._follow_trial()
        )

    def _follow_trial(self):
        days = (self.trial_end - fields.Date.context_today(self)).days
        goes_on = self.plan_id.trial_then != "suspended"
        if days <= 0:
            self._advance_customer(
                "active" if goes_on else "suspended",
                self._spoken()._("The trial ended on %s.", self._say_date(self.trial_end)),
                "trial",
            )
            return
        spoken = self._spoken()
        self._notify(
            "trial_ending",
            {
                "about": self.with_env(spoken).plan_id.name or "",
                "until": self.trial_end,
                "then": spoken._("Then it goes on and is invoiced monthly.") if goes_on
                else spoken._("Then your mail is suspended until you decide for the plan."),
                "period": _period(self.trial_end, days),
            },
        )

    @api.model
    @api.private
    def _cron_keys(self):
        """Tell whose API key is about to expire."""
        now = fields.Datetime.now()
        # as superuser: as the job
        keys = self.env["emboux.api.key"].sudo().search(
            [
                ("role", "=", "customer"), ("state", "=", "active"),
                ("expires_at", "<=", now + timedelta(days=FIRST)),
            ]
        )
        customers = self.search([("partner_id", "in", keys.partner_id.ids)])
        of_partner = keys.grouped("partner_id")
        customers._each(
            lambda customer: customer._tell_expiring(of_partner[customer.partner_id])
        )

    def _tell_expiring(self, keys):
        now = fields.Datetime.now()
        for key in keys:
            self._notify(
                "key_expiring",
                {
                    "key": f"{key.name} (…{key.token_hint})",
                    "until": key.expires_at,
                    "period": _period(key.expires_at, (key.expires_at - now).days),
                },
            )


def _period(end, days):
    return f"{end} {LAST if days <= LAST else FIRST}"
