# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Usage of email, and how it is counted: from the feed of changes, from the policy's counters and
from the mail servers' logs."""

import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger
from odoo.addons.emboux_mail_api.models.outbound_count import KEPT_DAYS

from ..billing.engine import GIGABYTE

_logger = logging.getLogger(__name__)

PAGE = 5000  # changes between two commits


class Usage(models.Model):
    """What a customer's domain used: a row for each day on which something of it changed.

    ``mailboxes`` and ``bytes`` are levels, which hold from that day until the domain's next row;
    the others are counts of that day alone.  Days are UTC.

    Each of the steps that write the rows can be done twice and is then done once.  All of it is SQL
    with the rights of the server: usage is not for users to write, and is counted for thousands of
    domains in one statement.
    """

    _name = "emboux.usage"
    _description = "Email Usage"
    _log_access = False
    _order = "day desc, domain_name, id desc"
    _rec_name = "domain_name"

    customer_id = fields.Many2one(
        "emboux.customer", required=True, readonly=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(string="Contact", related="customer_id.partner_id")
    company_id = fields.Many2one(related="customer_id.company_id")
    domain_id = fields.Many2one(
        "emboux.domain", readonly=True, index="btree_not_null", ondelete="set null",
        help="Empty once the domain was deleted.",
    )
    last_domain = fields.Integer(
        readonly=True, help="The number that a deleted domain had, whose owner may take it back."
    )
    domain_name = fields.Char(required=True, readonly=True)
    day = fields.Date(required=True, readonly=True)
    has_domain = fields.Boolean(
        "Owned", readonly=True, help="From this day on the domain is the customer's, or is not."
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
    def _rows_for(self, customers, first, last):
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

    # -- counted each night -------------------------------------------------------------------

    @api.model
    @api.private
    def _cron_count(self):
        """Each night: the changes since the last run, at a cost in proportion to them."""
        progress = self._progress()
        more = True
        while more:
            if not progress.try_lock_for_update(allow_referencing=True):
                _logger.info("usage is being counted by somebody else")
                return
            progress.invalidate_recordset(["feed_cursor"])
            changes, more = self._count_page(progress)
            if not more:
                self._count_days(progress._uncounted())
                progress.counted_on = fields.Date.today()
            left = self.env["ir.cron"]._commit_progress(changes, remaining=int(more))
            if more and not left:
                return

    @api.model
    def _progress(self):
        # as superuser: how far it has come is not for users to read or write
        return self.env.ref("emboux_saas.usage_progress").sudo()

    @api.model
    @api.private
    def _count_page(self, progress):
        """The next changes of the feed; returns how many, and whether there are more."""
        rows, cursor, more = self.env["emboux.change"]._since(progress.feed_cursor, PAGE)
        self._note_levels({domain for _kind, _name, domain, _gone in rows})
        progress.feed_cursor = cursor
        return len(rows), more

    @api.model
    @api.private
    def _note_levels(self, names):
        """How many mailboxes and bytes the domains of these names have now, for whose they are;
        nothing for whose they are not any more.  Noted where it is not what was noted last."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            WITH here AS (
                SELECT c.id AS customer_id, d.name AS domain_name, d.id AS domain_id,
                       true AS has_domain,
                       count(m.id) FILTER (WHERE m.active AND d.active) AS mailboxes,
                       coalesce(sum(u.bytes), 0)::bigint AS bytes
                  FROM emboux_domain d
                  JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
                  JOIN emboux_customer c ON c.partner_id = d.partner_id
                  LEFT JOIN emboux_mailbox m ON m.domain_id = d.id
                  LEFT JOIN emboux_mail.usage u
                    ON u.username = m.email AND d.owned_since IS NOT NULL
                 WHERE d.name = ANY(%(names)s)
                 GROUP BY c.id, d.id
            ), noted AS (
                SELECT DISTINCT ON (domain_name, customer_id)
                       customer_id, domain_name, has_domain, mailboxes, bytes
                  FROM emboux_usage WHERE domain_name = ANY(%(names)s) AND day <= %(day)s
                 ORDER BY domain_name, customer_id, day DESC
            ), levels AS (
                SELECT customer_id, domain_name, h.domain_id,
                       coalesce(h.has_domain, false) AS has_domain,
                       coalesce(h.mailboxes, 0) AS mailboxes, coalesce(h.bytes, 0) AS bytes,
                       (n.has_domain, n.mailboxes::bigint, n.bytes) AS before
                  FROM here h FULL JOIN noted n USING (customer_id, domain_name)
            )
            INSERT INTO emboux_usage AS u
                   (customer_id, domain_name, domain_id, day, has_domain, mailboxes, bytes,
                    messages, transfer_in, transfer_out,
                    messages_kept, transfer_in_kept, transfer_out_kept)
            SELECT customer_id, domain_name, domain_id, %(day)s, has_domain, mailboxes, bytes,
                   0, 0, 0, 0, 0, 0
              FROM levels WHERE before IS DISTINCT FROM (has_domain, mailboxes, bytes)
                ON CONFLICT (domain_name, customer_id, day) DO UPDATE
               SET has_domain = excluded.has_domain, mailboxes = excluded.mailboxes,
                   bytes = excluded.bytes,
                   domain_id = coalesce(excluded.domain_id, u.domain_id)
            """,
            {"names": sorted(names), "day": fields.Date.today()},
        )
        self.invalidate_model()
        return self.env.cr.rowcount

    @api.model
    @api.private
    def _count_days(self, since, domains=None):
        """Messages and bytes of each day from ``since`` on, of these domains or of all.

        The counts of the day on which a domain changed hands are split: whoever had it first
        gets what was counted for them until then, the next owner gets the rest.
        """
        self.env.flush_all()
        self.env.cr.execute(
            """
            WITH counted AS (
                SELECT domain_id, day, sum(messages)::bigint AS messages,
                       sum(bytes_in)::bigint AS bytes_in, sum(bytes_out)::bigint AS bytes_out
                  FROM (
                    SELECT domain_id, since AS day, recipients AS messages, 0 AS bytes_in,
                           0 AS bytes_out
                      FROM emboux_outbound_count
                     WHERE "window" = 'day' AND since >= %(since)s
                       AND (%(all)s OR domain_id = ANY(%(domains)s))
                     UNION ALL
                    SELECT subject::integer, (at AT TIME ZONE 'UTC')::date, in_day, 0, 0
                      FROM emboux_mail.sent
                     WHERE subject > 0 AND in_day > 0
                       AND (at AT TIME ZONE 'UTC')::date >= %(since)s
                       AND (%(all)s OR subject = ANY(%(domains)s::bigint[]))
                     UNION ALL
                    SELECT domain_id, day, 0, bytes_in, bytes_out FROM emboux_mail.transfer
                     WHERE day >= %(since)s AND (%(all)s OR domain_id = ANY(%(domains)s))
                ) AS sources GROUP BY domain_id, day
            ), whose AS (
                -- the last to have it on that day; before it was first noted, whose it is
                SELECT n.*, d.name AS domain_name, coalesce(holder.customer_id, c.id) AS customer_id
                  FROM counted n
                  JOIN emboux_domain d ON d.id = n.domain_id
                  LEFT JOIN emboux_customer c ON c.partner_id = d.partner_id
                  LEFT JOIN LATERAL (
                       SELECT u.customer_id FROM emboux_usage u
                        WHERE u.domain_name = d.name AND u.domain_id = d.id AND u.day <= n.day
                          AND (u.has_domain OR u.day = n.day)
                        ORDER BY u.day DESC, u.has_domain DESC LIMIT 1
                  ) AS holder ON true
            )
            INSERT INTO emboux_usage AS u
                   (customer_id, domain_name, domain_id, day, has_domain, mailboxes, bytes,
                    messages, transfer_in, transfer_out,
                    messages_kept, transfer_in_kept, transfer_out_kept)
            SELECT w.customer_id, w.domain_name, w.domain_id, w.day,
                   coalesce(before.has_domain, true), coalesce(before.mailboxes, 0),
                   coalesce(before.bytes, 0),
                   greatest(w.messages - coalesce(others.messages, 0), 0),
                   greatest(w.bytes_in - coalesce(others.bytes_in, 0), 0),
                   greatest(w.bytes_out - coalesce(others.bytes_out, 0), 0), 0, 0, 0
              FROM whose w
              LEFT JOIN LATERAL (
                   SELECT u.has_domain, u.mailboxes, u.bytes FROM emboux_usage u
                    WHERE u.domain_name = w.domain_name AND u.customer_id = w.customer_id
                      AND u.day < w.day
                    ORDER BY u.day DESC LIMIT 1
              ) AS before ON true
              LEFT JOIN LATERAL (
                   SELECT sum(u.messages - u.messages_kept)::bigint AS messages,
                          sum(u.transfer_in - u.transfer_in_kept)::bigint AS bytes_in,
                          sum(u.transfer_out - u.transfer_out_kept)::bigint AS bytes_out
                     FROM emboux_usage u
                    WHERE u.domain_name = w.domain_name AND u.domain_id = w.domain_id
                      AND u.day = w.day AND u.customer_id <> w.customer_id
              ) AS others ON true
             WHERE w.customer_id IS NOT NULL
                ON CONFLICT (domain_name, customer_id, day) DO UPDATE
               SET messages = u.messages_kept + excluded.messages,
                   transfer_in = u.transfer_in_kept + excluded.transfer_in,
                   transfer_out = u.transfer_out_kept + excluded.transfer_out,
                   domain_id = excluded.domain_id
             WHERE (u.messages, u.transfer_in, u.transfer_out)
                <> (u.messages_kept + excluded.messages,
                    u.transfer_in_kept + excluded.transfer_in,
                    u.transfer_out_kept + excluded.transfer_out)
            """,
            {"since": since, "all": domains is None, "domains": domains.ids if domains else []},
        )
        self.invalidate_model()
        return self.env.cr.rowcount

    # -- given away, deleted, taken back ------------------------------------------------------

    @api.model
    @api.private
    def _settle(self, domains):
        """Count what these domains have sent and moved until now for whose they are now."""
        self._count_days(fields.Date.today() - timedelta(KEPT_DAYS + 1), domains)

    @api.model
    @api.private
    def _keep_counts(self, domains):
        """The domains are deleted: a new one of the same name begins its count anew, unless it
        is taken back."""
        self.env.cr.execute(
            """UPDATE emboux_usage SET messages_kept = messages, transfer_in_kept = transfer_in,
                      transfer_out_kept = transfer_out, last_domain = domain_id
                WHERE domain_id = ANY(%s)
                  AND (messages, transfer_in, transfer_out, domain_id)
                   IS DISTINCT FROM
                      (messages_kept, transfer_in_kept, transfer_out_kept, last_domain)""",
            [domains.ids],
        )
        self.invalidate_model()

    @api.model
    @api.private
    def _continue_counts(self, former, domain):
        """A domain is taken back: what was counted of the former one is in its counts again."""
        self.env.cr.execute(
            """UPDATE emboux_usage
                  SET messages_kept = 0, transfer_in_kept = 0, transfer_out_kept = 0,
                      domain_id = %s
                WHERE last_domain = %s AND domain_id IS NULL AND day >= %s""",
            [domain.id, former, fields.Date.today() - timedelta(KEPT_DAYS + 1)],
        )
        self.invalidate_model()
