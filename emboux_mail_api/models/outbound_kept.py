"""What belongs to an owner and a name, and how long a name that was given up is kept for him.

Triggers (sql/policy.sql, ``emboux_mail.kept``) put it away and give it back; Odoo learns of it
here.
"""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from odoo.addons.emboux_core import addresses

QUARANTINE_DAYS = 30  # unless emboux_mail_api.quarantine_days says otherwise
KEPT_DAYS = 62  # two months: no counter reaches further back

#: What the triggers may have written to a domain that is added.
GIVEN_BACK = (
    "state", "state_before", "state_reason", "outbound_warmup_since", "outbound_flagged_at",
    "outbound_status", "outbound_reason", "outbound_window_since", "outbound_window_sent",
    "outbound_enforcement", "outbound_tier", "outbound_daily_limit", "outbound_monthly_limit",
    "outbound_mailbox_daily_limit", "outbound_mailbox_monthly_limit",
    "outbound_recipients_per_message", "outbound_warmup_start", "outbound_hourly_fraction",
    "outbound_spike_multiplier", "outbound_unit", "outbound_over_limit",
    "outbound_warmup_profile",
)


class GivenUp(UserError):
    """Another customer had the name until lately, and may still take it back."""

    http_status = 409


class DomainKept(models.Model):
    _inherit = "emboux.domain"

    @api.model_create_multi
    def create(self, vals_list):
        domains = super().create(vals_list)
        domains._take_back()
        return domains

    def write(self, vals):
        if vals.get("parent_id") and not self.env.context.get("emboux_release"):
            # as superuser: whose the names are and were
            parent = self.sudo().browse(vals["parent_id"])
            for domain in self.sudo().filtered(lambda d: d.parent_id != parent):
                domain._assert_not_given_up(domain.name, domain.partner_id, parent.name)
        done = super().write(vals)
        if "partner_id" in vals:
            self._take_back()
        return done

    def _take_back(self):
        """Read anew what the triggers have given back to the owners of these names."""
        self.flush_recordset()
        self.invalidate_recordset(GIVEN_BACK)
        self.env["emboux.outbound.count"].invalidate_model()
        former = dict(
            self.env.execute_query(
                SQL(
                    "SELECT back_as, subject FROM emboux_mail.kept WHERE back_as = ANY(%s)",
                    self.ids,
                )
            )
        )
        for domain in self.filtered(lambda d: d.id in former):
            domain._taken_back(former[domain.id])

    def _taken_back(self, former):
        """The domain goes on where that of this number has ended."""

    # -- names that were given up --------------------------------------------------------------

    def _with_parents(self, vals_list):
        """A customer takes no name below a wildcard parent that was somebody else's lately.

        The operator may, by hand; over the API he says so (``emboux_quarantine``).
        """
        vals_list = super()._with_parents(vals_list)
        customer = self.env.user.emboux_partner_id
        if self.env.context.get("emboux_quarantine") or (customer and not self.env.su):
            # as superuser: the parent may be the operator's
            domains = self.sudo()
            for vals in vals_list:
                if parent := domains.browse(vals.get("parent_id")):
                    owner = customer or customer.browse(vals.get("partner_id"))
                    domains._assert_not_given_up(vals["name"], owner, parent.name)
        return vals_list

    @api.model
    def _assert_not_given_up(self, name, partner, parent):
        """
        :param parent: the name of the wildcard parent that ``name`` lies below.
        :raises GivenUp: another one than ``partner`` had it, or what it lies below, until lately.
        """
        labels = name.removesuffix(f".{parent}").split(".")
        names = [f"{'.'.join(labels[at:])}.{parent}" for at in range(len(labels))]
        since = fields.Datetime.now() - timedelta(days=self._quarantine_days())
        found = self.env.execute_query(
            SQL(
                """SELECT owner, gone_at AT TIME ZONE 'UTC' FROM (
                       SELECT DISTINCT ON (name) owner, gone_at FROM emboux_mail.kept
                        WHERE name = ANY(%s) AND owned AND owner <> 0 AND back_as IS NULL
                        ORDER BY name, gone_at DESC
                   ) AS latest WHERE gone_at > %s AT TIME ZONE 'UTC' ORDER BY gone_at DESC""",
                names,
                since,
            )
        )
        for owner, gone_at in found:
            if owner != partner.id:
                raise GivenUp(
                    self.env._(
                        "%(name)s was somebody else's until lately, who may take it back; it is "
                        "free from %(date)s on. Choose another name.",
                        name=addresses.display_domain(name),
                        date=format_date(
                            self.env, gone_at + timedelta(days=self._quarantine_days() + 1)
                        ),
                    )
                )

    @api.model
    @api.private
    def _forget_kept(self):
        """Forget what belonged to names that nobody has taken back; a block stays."""
        self.env.cr.execute(
            """DELETE FROM emboux_mail.kept
                WHERE gone_at < clock_timestamp() - %s * interval '1 day'
                  AND (back_as IS NOT NULL
                       OR coalesce(settings->>'outbound_status', 'open') <> 'blocked')""",
            [max(KEPT_DAYS, self._quarantine_days())],
        )

    @api.model
    def _quarantine_days(self):
        # as superuser: system parameters are readable by administrators alone
        days = self.env["ir.config_parameter"].sudo().get_param("emboux_mail_api.quarantine_days")
        return int(days) if days and days.isdigit() and len(days) < 6 else QUARANTINE_DAYS


class MailboxKept(models.Model):
    _inherit = "emboux.mailbox"

    @api.model_create_multi
    def create(self, vals_list):
        mailboxes = super().create(vals_list)
        # the triggers may have given back what the operator had set
        mailboxes.invalidate_recordset(["outbound_daily_limit", "outbound_monthly_limit"])
        return mailboxes
