from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger

GIGABYTE = 10**9


class Usage(models.Model):
    """What a customer's domain used: a row for each day on which something of it changed.

    ``mailboxes`` and ``bytes`` are levels, which hold from that day until the domain's next row;
    the others are counts of that day alone.  Days are UTC.  Who counts is ``usage_count.py``.
    """

    _name = "emboux.usage"
    _description = "Email Usage"
    _log_access = False
    _order = "day desc, domain_name, id desc"
    _rec_name = "domain_name"

    customer_id = fields.Many2one(
        "emboux.customer", required=True, readonly=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(related="customer_id.partner_id")
    company_id = fields.Many2one(related="customer_id.company_id")
    domain_id = fields.Many2one(
        "emboux.domain", readonly=True, index="btree_not_null", ondelete="set null",
        help="Empty once the domain was deleted.",
    )
    last_domain = fields.Integer(
        readonly=True, help="The number that a deleted domain had, whose owner may take it back."
    )
    domain_name = fields.Char("Domain", required=True, readonly=True)
    day = fields.Date(required=True, readonly=True)
    has_domain = fields.Boolean(
        "Is His", readonly=True, help="From this day on the domain is the customer's, or is not."
    )
    mailboxes = fields.Integer(readonly=True, aggregator="max")
    bytes = BigInteger("Storage (bytes)", readonly=True, aggregator="max")
    gigabytes = fields.Float("Storage (GB)", compute="_compute_gigabytes", digits=(16, 3))
    messages = BigInteger(
        readonly=True, help="Recipients, or messages where the plan counts these."
    )
    transfer_in = BigInteger("Received (bytes)", readonly=True)
    transfer_out = BigInteger("Sent and Fetched (bytes)", readonly=True)
    # the part of a domain of this name that was deleted on this day: a new one counts on from it
    messages_kept = BigInteger(readonly=True)
    transfer_in_kept = BigInteger(readonly=True)
    transfer_out_kept = BigInteger(readonly=True)

    # led by the name: whose it was on a day is asked by name
    _day_unique = models.UniqueIndex("(domain_name, customer_id, day)")
    _customer_index = models.Index("(customer_id, day)")

    @api.depends("bytes")
    def _compute_gigabytes(self):
        for row in self:
            row.gigabytes = row.bytes / GIGABYTE

    @api.model
    @api.private
    def _behind(self, customers, first, last):
        """The rows that say what was used from one day to another: those of these days, and for
        each domain the last one before, whose levels still held."""
        self.flush_model()
        found = self.env.execute_query(
            SQL(
                """SELECT u.id FROM emboux_usage u
                    WHERE u.customer_id = ANY(%(customers)s)
                      AND u.day BETWEEN %(first)s AND %(last)s
                    UNION ALL
                   SELECT id FROM (
                       SELECT DISTINCT ON (customer_id, domain_name) id, has_domain
                         FROM emboux_usage
                        WHERE customer_id = ANY(%(customers)s) AND day < %(first)s
                        ORDER BY customer_id, domain_name, day DESC
                   ) AS before WHERE has_domain""",
                customers=customers.ids,
                first=first,
                last=last,
            )
        )
        return self.browse(number for [number] in found)
