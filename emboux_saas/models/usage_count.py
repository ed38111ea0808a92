"""How usage is counted: from the feed of what changed, and from what the policy and
the mail servers' logs have counted."""

import logging
from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_mail_api.models.outbound_count import KEPT_DAYS

_logger = logging.getLogger(__name__)

PAGE = 5000  # changes between two commits
LATE_DAYS = 3


class UsageCount(models.Model):
    """Writes the rows.  Each of its steps can be done twice and is then done once.

    All of it is SQL with the rights of the server: usage is nobody's to write, and is counted
    for thousands of domains in one statement.
    """

    _inherit = "emboux.usage"

    @api.model
    @api.private
    def _cron_count(self):
        """Each night: what changed since the last time, in proportion to how much that is."""
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
        # as superuser: how far it has come is nobody's to read or write
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

        What a domain did on the day on which it changed hands is shared: whoever had it first
        has what was counted for him then, the next one has the rest.
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
    def _go_on(self, former, domain):
        """A domain is taken back: what was counted of the former one is in its counts again."""
        self.env.cr.execute(
            """UPDATE emboux_usage
                  SET messages_kept = 0, transfer_in_kept = 0, transfer_out_kept = 0,
                      domain_id = %s
                WHERE last_domain = %s AND domain_id IS NULL AND day >= %s""",
            [domain.id, former, fields.Date.today() - timedelta(KEPT_DAYS + 1)],
        )
        self.invalidate_model()


class UsageProgress(models.Model):
    """How far the counting has come: one row, which two who count meet on."""

    _name = "emboux.usage.progress"
    _description = "How Far Usage Is Counted"
    _log_access = False
    _rec_name = "counted_on"

    feed_cursor = fields.Char(readonly=True)
    counted_on = fields.Date(readonly=True, help="All days before this one are counted.")

    def _uncounted(self):
        """The first day that may not have been counted to its end: logs are read a little late."""
        counted = self.counted_on or fields.Date.today() - timedelta(KEPT_DAYS)
        return counted - timedelta(LATE_DAYS)


class Domain(models.Model):
    """Whoever gives a domain away or deletes it has paid for what it did until then."""

    _inherit = "emboux.domain"

    def write(self, vals):
        if "partner_id" not in vals:
            return super().write(vals)
        moved = self.filtered(lambda d: d.partner_id.id != (vals["partner_id"] or False))
        usage = self.env["emboux.usage"]
        usage._settle(moved)
        done = super().write(vals)
        usage._note_levels(moved.mapped("name"))
        return done

    def unlink(self):
        usage = self.env["emboux.usage"]
        usage._settle(self)
        usage._keep_counts(self)
        return super().unlink()

    def _taken_back(self, former):
        # as superuser: what is billed is nobody's to write
        self.env["emboux.usage"].sudo()._go_on(former, self)
        return super()._taken_back(former)


class OutboundCount(models.Model):
    """Days are forgotten after a week: not before they were counted for the bill."""

    _inherit = "emboux.outbound.count"

    # the nightly count reads the days of the whole platform
    _day_index = models.Index("(since) WHERE \"window\" = 'day'")

    @api.model
    @api.private
    def _reset_daily(self):
        usage = self.env["emboux.usage"]
        progress = usage._progress()
        counted = progress.counted_on
        if not counted or counted < fields.Date.today() - timedelta(KEPT_DAYS - 1):
            self._close_windows()
            usage._count_days(progress._uncounted())
        return super()._reset_daily()


class Customer(models.Model):
    """A customer whose domains were there before him: the feed has told of them already."""

    _inherit = "emboux.customer"

    @api.model_create_multi
    def create(self, vals_list):
        customers = super().create(vals_list)
        # as superuser: domains that the caller does not see are the customer's all the same
        domains = self.env["emboux.domain"].sudo().with_context(active_test=False).search(
            [("partner_id", "in", customers.partner_id.ids)]
        )
        if domains:
            self.env["emboux.usage"]._note_levels(domains.mapped("name"))
        return customers
