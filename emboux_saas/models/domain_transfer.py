from odoo import api, models


class DomainTransfer(models.Model):
    """Moving a domain to another customer, where both can read of it."""

    _inherit = "emboux.domain"

    @api.private
    def _transfer(self, partner):
        before = self.partner_id
        done = super()._transfer(partner)
        if partner != before:
            self._tell_transfer(before)
        return done

    def _tell_transfer(self, before):
        """On the chatter of both customers; the domain's own tracks its owner."""
        customers = self.env["emboux.customer"]
        nobody = self.env._("the operator")
        for partner, sentence in (
            (before, self.env._("%(domain)s has moved to %(other)s.", domain=self.display_name,
                                other=self.partner_id.display_name or nobody)),
            (self.partner_id, self.env._("%(domain)s has come from %(other)s.",
                                         domain=self.display_name,
                                         other=before.display_name or nobody)),
        ):
            if customer := customers._of(partner):
                customer.message_post(
                    body=sentence, author_id=self.env.user.partner_id.id,
                    subtype_xmlid="mail.mt_note",
                )

    def action_transfer(self):
        """Open the dialog that says what moves, and what stands against it."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Transfer %s", self.display_name),
            "res_model": "emboux.domain.transfer",
            "view_mode": "form",
            "target": "new",
            "context": {"default_domain_id": self.id},
        }
