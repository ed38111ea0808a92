"""What domains have moved, as ``odoo emboux_transfer`` has read it from the mail servers' logs."""

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.apart import each_apart
from odoo.addons.emboux_core.models.fields import BigInteger

LEVELS = (95, 80)  # percent at which its people are told, the highest first


class DomainTransferUse(models.Model):
    _inherit = "emboux.domain"
    _followed_fields = frozenset({"transfer_warned", "transfer_warned_month"})

    transfer_warned = fields.Integer("Told At (%)", readonly=True, copy=False)
    transfer_warned_month = fields.Date("Told In", readonly=True, copy=False)

    def _compute_transfer_used(self):
        used = dict(
            self.env.execute_query(
                SQL(
                    """SELECT domain_id, sum(bytes_in + bytes_out)::bigint
                         FROM emboux_mail.transfer
                        WHERE domain_id = ANY(%s) AND day >= %s GROUP BY domain_id""",
                    self._origin.ids,
                    _this_month(),
                )
            )
        )
        for domain in self:
            domain.transfer_used = used.get(domain._origin.id, 0)

    @api.model
    @api.private
    def _cron_warn_transfer(self):
        """Tell the people of each domain once a month that 80, and that 95 percent are used."""
        month = _this_month()
        self.flush_model(["transfer_limit", "transfer_warned", "transfer_warned_month"])
        found = self.env.execute_query(
            SQL(
                """SELECT id, percent FROM (
                       SELECT d.id, d.transfer_warned_month, d.transfer_warned,
                              (100 * sum(t.bytes_in + t.bytes_out) / d.transfer_limit)::float8
                                  AS percent
                         FROM emboux_mail.transfer t
                         JOIN emboux_domain d ON d.id = t.domain_id AND d.transfer_limit > 0
                        WHERE t.day >= %(month)s AND d.active
                        GROUP BY d.id
                   ) AS use
                   WHERE percent >= %(least)s
                     AND (transfer_warned_month IS DISTINCT FROM %(month)s
                          OR transfer_warned < CASE WHEN percent >= %(most)s THEN %(most)s
                                                    ELSE %(least)s END)
                   ORDER BY id""",
                month=month,
                least=LEVELS[-1],
                most=LEVELS[0],
            )
        )
        percents = {self.browse(number): percent for number, percent in found}

        def warn(domain):
            level = next(level for level in LEVELS if percents[domain] >= level)
            domain._warn_transfer(level)
            # as superuser: what has been told follows, and is nobody's to write
            domain.sudo().write({"transfer_warned": level, "transfer_warned_month": month})

        each_apart(self.env, [percents], warn)

    @api.private
    def _warn_transfer(self, percent):
        """Tell the domain's people that so much of the month's transfer is used."""
        self.ensure_one()
        consequence = (
            self.env._("When all of it is used, its mail waits until the next month begins.")
            if self.transfer_over_limit == "defer"
            else self.env._("Its mail goes on when all of it is used.")
        )
        self.message_post(
            body=self.env._(
                "%(domain)s has used %(percent)s %% of its transfer of this month. %(consequence)s "
                "Ask the operator for more, or move large attachments to another place.",
                domain=self.display_name,
                percent=percent,
                consequence=consequence,
            ),
            partner_ids=(self.user_id.partner_id | self.partner_id).ids,
            subtype_xmlid="mail.mt_note",
        )

    def action_open_transfer(self):
        """Day by day."""
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_mail_api.action_transfer"
        ) | {"domain": [("domain_id", "=", self.id)]}


class Transfer(models.Model):
    """What a domain has moved on a day."""

    _name = "emboux.transfer"
    _description = "Transfer of a Domain"
    _auto = False
    _order = "day desc, domain_id"
    _rec_name = "domain_id"

    domain_id = fields.Many2one("emboux.domain", readonly=True)
    partner_id = fields.Many2one("res.partner", "Owner", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    day = fields.Date("Day (UTC)", readonly=True)
    bytes_in = BigInteger("In (bytes)", readonly=True)
    bytes_out = BigInteger("Out (bytes)", readonly=True)
    megabytes = fields.Float("Together (MB)", readonly=True, digits=(16, 2))

    @property
    def _table_query(self):
        return SQL(
            """SELECT t.domain_id * 100000::bigint + (t.day - date '2000-01-01') AS id,
                      t.domain_id, d.partner_id, d.company_id, t.day, t.bytes_in, t.bytes_out,
                      ((t.bytes_in + t.bytes_out) / 1e6)::float8 AS megabytes
                 FROM emboux_mail.transfer t JOIN emboux_domain d ON d.id = t.domain_id"""
        )


def _this_month():
    """The first day of the month in UTC."""
    return fields.Date.today().replace(day=1)
