from odoo import api, models


class DomainClaim(models.Model):
    """A claim that nobody proved in time gives way to the next one."""

    _inherit = "emboux.domain"

    @api.model
    def _displace_claims(self, vals_list):
        """Remove failed claims to these names that are somebody else's.

        Nothing is lost: a domain that was never proven took no mail and sent none.
        """
        wanted = {vals["name"]: vals.get("partner_id") for vals in vals_list}
        # as superuser: the claims are somebody else's
        claims = self.sudo().with_context(active_test=False, emboux_erase=True).search(
            [
                ("name", "in", list(wanted)), ("state", "=", "failed"),
                ("owned_since", "=", False), ("backend_id.kind", "=", "local"),
            ]
        )
        for claim in claims.filtered(lambda d: d.partner_id.id != (wanted[d.name] or False)):
            claim._delete_contents()
            claim.unlink()
        return super()._displace_claims(vals_list)
