# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.emboux_core.models.domain_state import REASON_KEY
from odoo.addons.emboux_core.transactions import AGAIN, each_in_own_transaction

from .plan_terms import CUSTOMER_TERMS

_logger = logging.getLogger(__name__)

STATES = [
    ("trial", "Trial"),
    ("active", "Active"),
    ("past_due", "Past Due"),
    ("suspended", "Suspended"),
    ("ended", "Ended"),
]
FROZEN = ("suspended", "ended")
GRACE_DAYS = 30  # of a customer without a plan
FIRST, LAST = 7, 1  # days before something happens
ERASE_BATCH = 100  # mailboxes or aliases erased in a transaction


class CustomerStopped(UserError):
    """Nothing can be added for a suspended or ended customer."""

    http_status = 409


class Customer(models.Model):
    """Customers, their plans and their state.

    One row for each partner: the platform's limits (``emboux_mail_api``) with the plan that
    they come from.  ``_change_customer_state`` is the one door that changes their state, and the
    domains follow.  When the days of grace are over, what an ended customer had is erased for good.
    """

    _inherit = "emboux.customer"
    _audited_fields = ("plan_id", "state", "storage_limit_mb", "trial_end")
    _system_fields = frozenset(
        {"state", "state_reason", "state_since", "state_cause", "erase_on", "erased_at"}
    )

    plan_id = fields.Many2one("emboux.plan", tracking=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="plan_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="plan_id.currency_id")
    state = fields.Selection(
        STATES, default="active", required=True, index=True, tracking=True,
        group_expand=True, readonly=True,
    )
    state_since = fields.Datetime("Since", readonly=True)
    state_reason = fields.Char("Why", readonly=True)
    # who suspended decides who activates: a payment only lifts a suspension for non-payment
    state_cause = fields.Selection(
        [("operator", "The Operator"), ("payment", "Missing Payment"),
         ("trial", "The End of the Trial")],
        "By", readonly=True,
    )
    trial_end = fields.Date(tracking=True, help="The first day after the trial.")
    erase_on = fields.Date("Mail Is Erased On", readonly=True)
    erased_at = fields.Datetime("Mail Was Erased", readonly=True)
    storage_limit_mb = fields.Integer(
        "Storage (MB)", tracking=True,
        help="The quotas of all mailboxes together. 0 means no limit.",
    )

    _storage_not_negative = models.Constraint(
        "CHECK (storage_limit_mb >= 0)", "A limit is 0 (no limit) or more."
    )

    @api.constrains("partner_id")
    def _check_partner_is_commercial(self):
        for partner in self.partner_id:
            if partner.commercial_partner_id != partner:
                raise ValidationError(
                    self.env._(
                        "%(contact)s belongs to %(company)s, who is the customer: choose that one.",
                        contact=partner.display_name,
                        company=partner.commercial_partner_id.display_name,
                    )
                )

    def _on_created(self, given):
        super()._on_created(given)
        now = fields.Datetime.now()
        for customer, vals in zip(self, given, strict=True):
            # as superuser: how it begins follows from the plan
            customer.sudo().write({"state_since": now, **customer._initial_values(vals)})
        self.filtered("plan_id")._apply_plan()
        self._bind_portal_users()
        self._note_domains()
        self._note_period()

    def _initial_values(self, vals):
        """A new customer with a plan has its trial, unless the plan has none."""
        if not self.plan_id or vals.get("state", "trial") != "trial":
            return {}
        days = self.plan_id.trial_days
        if not (days or self.trial_end):
            return {"state": "active"}
        end = self.trial_end or fields.Date.context_today(self) + timedelta(days=days)
        return {"state": "trial", "trial_end": end}

    def _before_write(self, vals):
        then = super()._before_write(vals)
        nothing = self.env["emboux.plan"]
        if "partner_id" in vals:
            domains = self._domains()
            then.append(lambda: domains._apply_terms(nothing))
        if {"plan_id", "partner_id"} & set(vals):
            before = {customer: (customer.plan_id, customer.partner_id) for customer in self}
            then.append(
                lambda: self.filtered(
                    lambda c: before[c] != (c.plan_id, c.partner_id)
                )._apply_plan()
            )
        if {"plan_id", "state"} & set(vals):
            then.append(self._note_period)
        return then

    def _before_deleted(self):
        people, domains, nothing = self._portal_users(), self._domains(), self.env["emboux.plan"]
        return [
            *super()._before_deleted(),
            people._bind_email_customer,
            lambda: domains._apply_terms(nothing),
        ]

    # -- what follows from the plan ---------------------------------------------------------

    @api.private
    def _apply_plan(self):
        """Give customers and all their domains what their plans say."""
        # as superuser: the operator's limits follow from the plan, whoever chose it
        for plan, customers in self.sudo().grouped("plan_id").items():
            if plan:
                customers.write({name: plan[name] for name in CUSTOMER_TERMS})
            customers._domains()._apply_terms(plan)

    def _domains(self):
        """All their domains, archived ones too."""
        # as superuser: what is done to a customer is done to all that is theirs
        return self.env["emboux.domain"].sudo().with_context(active_test=False).search(
            [("partner_id", "in", self.partner_id.ids)]
        )

    # -- who uses the portal ------------------------------------------------------------------

    def _portal_users(self):
        """The users of these customers' contacts."""
        # as superuser: users are not everybody's to read
        return self.env["res.users"].sudo().with_context(active_test=False).search(
            [("partner_id", "child_of", self.partner_id.ids)]
        ) if self else self.env["res.users"]

    def _bind_portal_users(self):
        self._portal_users()._bind_email_customer()

    # -- the customer's life ------------------------------------------------------------------

    @api.private
    def _change_customer_state(self, state, reason, cause="operator"):
        """Bring customers into a state, and their domains with them.

        ``reason``: a sentence for the operator and the customer. ``cause``: whose doing it is,
        see ``state_cause``. A state that they are in already is left as it is.
        """
        self.check_access("write")
        if cause == "operator":
            # the operator takes over: what a missing payment stopped, a payment no longer
            # undoes; as superuser: see below
            self.sudo().filtered(
                lambda c: c.state == state and state in FROZEN and c.state_cause != cause
            ).write({"state_cause": cause, "state_reason": reason})
        # as superuser: the state and what follows from it are not for users to write by hand
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
                customer._unfreeze(reason)
            customer._notify_state(before)

    def _erase_day(self):
        days = self.plan_id.grace_days if self.plan_id else GRACE_DAYS
        return fields.Date.context_today(self) + timedelta(days=days)

    def _freeze(self, reason):
        """Suspend what is not suspended, and remember which these were."""
        domains = self._domains().filtered(lambda d: d.state != "suspended")
        domains.with_context(**{REASON_KEY: reason}).action_suspend()
        domains.suspended_with_customer = True

    def _unfreeze(self, reason):
        """Activate what was suspended with the customer, and nothing else."""
        domains = self._domains().filtered("suspended_with_customer")
        domains._unfreeze(reason)

    def _notify_state(self, before):
        values = {"reason": self.state_reason, "period": str(self.state_since)}
        if self.state == "suspended":
            self._notify("suspended", values)
        elif self.state == "ended":
            self._notify("ended", {**values, "until": self.erase_on})
        elif before in FROZEN:
            self._notify("activated", values)

    def _assert_not_stopped(self):
        """Otherwise a suspended customer could go on with a new domain."""
        for customer in self:
            if customer.state in FROZEN:
                raise CustomerStopped(
                    self.env._(
                        "%(customer)s is stopped: %(reason)s Nothing can be added until the "
                        "account is activated.",
                        customer=customer.partner_id.display_name,
                        reason=customer.state_reason or "",
                    )
                )

    # -- what people do -----------------------------------------------------------------------

    def action_activate(self):
        """Restore everything that was frozen with the customer."""
        self._change_customer_state(
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

    # -- what comes by itself: the end of a trial, and of a key -------------------------------

    def _each(self, do):
        """For a job: do something for each customer, in a transaction of its own.

        What fails for one of them does not hold up the others.  Returns whether the job has time
        for more.
        """
        return each_in_own_transaction(self.env, [self], do)

    @api.model
    @api.private
    def _cron_trials(self):
        """Notify customers whose trial ends soon, and end trials that are over."""
        near = fields.Date.context_today(self) + timedelta(days=FIRST)
        self.search([("state", "=", "trial"), ("trial_end", "<=", near)])._each(
            lambda customer: customer._follow_trial()
        )

    def _follow_trial(self):
        days = (self.trial_end - fields.Date.context_today(self)).days
        goes_on = self.plan_id.trial_then != "suspended"
        if days <= 0:
            self._change_customer_state(
                "active" if goes_on else "suspended",
                self._in_customer_language()._(
                    "The trial ended on %s.", self._format_date_for_customer(self.trial_end)
                ),
                "trial",
            )
            return
        spoken = self._in_customer_language()
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
        """Notify customers whose API keys are about to expire."""
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
            lambda customer: customer._notify_expiring(of_partner[customer.partner_id])
        )

    def _notify_expiring(self, keys):
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

    # -- erased, when the days of grace are over ----------------------------------------------

    @api.model
    @api.private
    def _cron_erase(self):
        """Notify beforehand, then erase in steps; a killed job is resumed by the next run."""
        near = fields.Date.context_today(self) + timedelta(days=FIRST)
        ended = self.search([("state", "=", "ended"), ("erase_on", "<=", near)])
        ended._each(lambda customer: customer._notify_erasing())
        each_in_own_transaction(
            self.env, [ended.filtered(lambda c: c.erase_on <= fields.Date.context_today(c))],
            lambda customer: AGAIN if customer._erase_some() else None,
            lambda customer, error: customer._report_not_erased(error),
        )

    def _notify_erasing(self):
        """7 days and 1 day before.  Who was not told in time is told now and has another day."""
        today = fields.Date.context_today(self)
        days = (self.erase_on - today).days
        if days <= 0 and not self._erasing_was_announced():
            self.erase_on = today + timedelta(days=LAST)
            days = LAST
        if days > 0:
            self._notify(
                "erasing_soon",
                {"until": self.erase_on, "period": _period(self.erase_on, days)},
            )

    def _erasing_was_announced(self):
        first = self.env["emboux.notice"].search(
            [("customer_id", "=", self.id), ("kind", "=", "erasing_soon"),
             ("period", "=like", f"{self.erase_on} %")],
            order="create_date", limit=1,
        )
        return bool(first) and first.create_date.date() < fields.Date.context_today(self)

    def _erase_some(self):
        """Erase a part; returns whether there may be more.

        The customer may have been reactivated since the last step: the lock on the row detects
        that.
        """
        if not (self.exists() and self.try_lock_for_update() and self.state == "ended"
                and self.erase_on and self.erase_on <= fields.Date.context_today(self)):
            return False
        # aliases first: a mailbox that one leads to stays
        for model in ("emboux.alias", "emboux.mailbox"):
            some = self.env[model].with_context(active_test=False).search(
                [("domain_id.partner_id", "=", self.partner_id.id)], limit=ERASE_BATCH
            )
            if some:
                some.unlink() if model == "emboux.alias" else some._delete_with_mail()
                return True
        domain = self._domains().sorted(lambda d: not d.parent_id)[:1]
        if domain:
            if domain.child_ids:
                # other customers' subdomains stand alone from now on, and they are told why
                domain._set_parent(domain.parent_id, False, detach=True)
            # what was blocked or suspended too: see emboux.domain._assert_not_stopped
            domain = domain.with_context(emboux_erase=True)
            domain._delete_contents()
            domain.unlink()
            return True
        if self._erase_messages():
            return True
        keys = self.env["emboux.api.key"].search([("partner_id", "=", self.partner_id.id)])
        keys.action_revoke()
        self.write({"erase_on": False, "erased_at": fields.Datetime.now()})
        self.message_post(
            body=self.env._("All domains, mailboxes and mail are erased, the keys are revoked."),
            subtype_xmlid="mail.mt_note",
        )
        _logger.info("email customer %s: everything is erased", self.id)
        return False

    def _report_not_erased(self, error):
        reason = error if isinstance(error, UserError) else self.env._(
            "Something went wrong; see the server log.")
        self.message_post(
            body=self.env._("This could not be erased, and is tried again tomorrow: %s", reason),
            subtype_xmlid="mail.mt_note",
        )


def _period(end, days):
    return f"{end} {LAST if days <= LAST else FIRST}"
