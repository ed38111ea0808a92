# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models

from odoo.addons.emboux_core import addresses


class WebhookJudge(models.Model):
    """The consequences of a report, whichever provider it came from."""

    _inherit = "emboux.webhook.event"

    @api.private
    def _judge(self):
        """Suppress the recipients, and check whether a domain exceeds its rates.

        In the transaction in which the report was stored; never twice for one, because only
        what was not known comes here.
        """
        if not self:
            return
        settings = self.env["emboux.reputation"]._settings()
        for event in self:
            if event._is_suppressing() and event._suppress(settings):
                event.state = "judged"
        self.filtered("counts").domain_id._evaluate_guillotine()

    def _is_suppressing(self):
        """Domains of others do not concern us, and a full mailbox will be emptied."""
        if not self.domain_id:
            return False
        return self.kind in ("complaint", "unsubscribe") or (
            self.kind == "bounce" and self.permanent
        )

    def _suppress(self, settings):
        """Whether the recipient is on the list now."""
        email = self.recipient or ""
        try:
            if addresses.normalise_reported(email) != email:
                return False
        except addresses.AddressError:
            return False  # no address at all: the event has what people can read of it
        # a domain without an owner is the operator's: what they are told holds for all
        partner = self.domain_id.partner_id
        if settings.for_everybody:
            partner = partner.browse()
        source = dict(self._fields["provider"].selection)[self.provider]
        entries = self.env["emboux.suppression"].with_company(self.domain_id.company_id)
        entries._suppress(email, partner, self.kind, source, self.reason)
        return True
