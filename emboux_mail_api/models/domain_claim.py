from odoo import api, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.emboux_core import addresses

from ..mail_providers import is_mail_provider


class AlreadyHosted(UserError):
    """Said to the operator alone: a customer learns of no other one's domains."""

    http_status = 409


class DomainClaim(models.Model):
    """Who adds a domain claims it, until its DNS proves it to be his.

    Several may claim a name at once, each with a row, mailboxes and a token of his own; the answer
    is the same whether somebody has it here already.  The first proof wins (the unique index on
    proven names decides), and the others are told.  A claim keeps nobody out, and nothing shows
    of it outside: no look-up of Postfix or Dovecot finds it (``sql/views.sql``), so it can hold
    no mail that another one's proof would take away.
    """

    _inherit = "emboux.domain"

    @api.model
    def _assert_may_be_added(self, vals_list):
        customer = not self.env.su and self.env.user.emboux_partner_id
        local = self.env["ir.model.data"]._xmlid_to_res_id("emboux_mail_api.backend_local")
        default = self.default_get(["backend_id"]).get("backend_id")
        for vals in vals_list:
            if vals.get("backend_id", default) != local:
                continue
            if customer or vals.get("partner_id"):
                self._refuse_mail_provider(vals["name"])
            if not customer:
                # as superuser: another company's is there too
                there = self.sudo()._hosted(vals["name"])
                if there.owned_since:
                    raise AlreadyHosted(
                        self.env._(
                            "%(domain)s is here already (perhaps archived), and %(owner)s has "
                            "proven it.",
                            domain=there.display_name,
                            owner=there.partner_id.display_name or self.env._("the operator"),
                        )
                    )
        return super()._assert_may_be_added(vals_list)

    @api.model
    def _refuse_mail_provider(self, name):
        if is_mail_provider(name):
            raise ValidationError(
                self.env._(
                    "%s belongs to a mail provider, so nobody can bring it here. Add a domain of "
                    "your own.",
                    addresses.display_domain(name),
                )
            )

    @api.model_create_multi
    def create(self, vals_list):
        domains = super().create(vals_list)
        domains.filtered("owned_since")._end_other_claims()
        return domains

    def write(self, vals):
        done = super().write(vals)
        if vals.get("owned_since"):
            self._end_other_claims()
            # a name is registered once: now it is the owner's
            # as superuser: registrations are nobody's to read
            self.sudo().filtered(lambda d: not d.registration_ids)._register_at_provider()
        return done

    def _end_other_claims(self):
        """Tell those who claim the same names that somebody has proven them."""
        # as superuser: the claims are somebody else's
        claims = self.sudo().with_context(active_test=False, emboux_erase=True).search(
            [
                ("name", "in", self.mapped("name")), ("owned_since", "=", False),
                ("backend_id.kind", "=", "local"), ("id", "not in", self.ids),
            ]
        )
        if claims:
            claims._advance(
                "failed",
                self.env._(
                    "Somebody else has proven by its DNS that this domain is his. If it is yours, "
                    "set the records and check again, or ask the operator."
                ),
            )
