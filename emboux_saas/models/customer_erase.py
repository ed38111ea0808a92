import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.emboux_core.models.apart import AGAIN, each_apart

from .customer_trial import FIRST, LAST

_logger = logging.getLogger(__name__)
AT_ONCE = 100  # mailboxes or aliases in a transaction


class CustomerErase(models.Model):
    """When the days of grace are over, what an ended customer had is erased for good."""

    _inherit = "emboux.customer"

    @api.model
    @api.private
    def _cron_erase(self):
        """Tell beforehand, then erase in steps; what a killed job has left the next one finds."""
        near = fields.Date.context_today(self) + timedelta(days=FIRST)
        ended = self.search([("state", "=", "ended"), ("erase_on", "<=", near)])
        ended._each(lambda customer: customer._tell_erasing())
        each_apart(
            self.env, [ended.filtered(lambda c: c.erase_on <= fields.Date.context_today(c))],
            lambda customer: AGAIN if customer._erase_some() else None,
            lambda customer, error: customer._tell_not_erased(error),
        )

    def _tell_erasing(self):
        """7 days and 1 day before.  Who was not told in time is told now and has another day."""
        today = fields.Date.context_today(self)
        days = (self.erase_on - today).days
        if days <= 0 and not self._was_told_of_erasing():
            self.erase_on = today + timedelta(days=LAST)
            days = LAST
        if days > 0:
            self._notify(
                "erasing_soon",
                {"until": self.erase_on,
                 "period": f"{self.erase_on} {LAST if days <= LAST else FIRST}"},
            )

    def _was_told_of_erasing(self):
        first = self.env["emboux.notice"].search(
            [("customer_id", "=", self.id), ("kind", "=", "erasing_soon"),
             ("period", "=like", f"{self.erase_on} %")],
            order="create_date", limit=1,
        )
        return bool(first) and first.create_date.date() < fields.Date.context_today(self)

    def _erase_some(self):
        """Erase a part; whether there may be more.

        The customer may have come back since the last step: whoever is being activated is met
        on his row.
        """
        if not (self.exists() and self.try_lock_for_update() and self.state == "ended"
                and self.erase_on and self.erase_on <= fields.Date.context_today(self)):
            return False
        # aliases first: a mailbox that one leads to stays
        for model in ("emboux.alias", "emboux.mailbox"):
            some = self.env[model].with_context(active_test=False).search(
                [("domain_id.partner_id", "=", self.partner_id.id)], limit=AT_ONCE
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
        keys = self.env["emboux.api.key"].search([("partner_id", "=", self.partner_id.id)])
        keys.action_revoke()
        self.write({"erase_on": False, "erased_at": fields.Datetime.now()})
        self.message_post(
            body=self.env._("All domains, mailboxes and mail are erased, the keys are revoked."),
            subtype_xmlid="mail.mt_note",
        )
        _logger.info("email customer %s: everything is erased", self.id)
        return False

    def _tell_not_erased(self, error):
        reason = error if isinstance(error, UserError) else self.env._(
            "Something went wrong here; see the log of the server.")
        self.message_post(
            body=self.env._("This could not be erased, and is tried again tomorrow: %s", reason),
            subtype_xmlid="mail.mt_note",
        )
