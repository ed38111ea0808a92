# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging

from psycopg2 import OperationalError

from odoo import api, fields, models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)

LIMITS = ("domain_limit", "mailbox_limit", "alias_limit", "mailbox_quota_limit_mb")


class QuotaReached(UserError):
    """A limit of the customer's; ``str()`` names it."""

    http_status = 409


class AbovePlan(UserError):
    """More than the customer's plan has: only the operator may give it."""

    http_status = 403


class OthersSuspension(UserError):
    """The caller did not suspend it, or it cannot be deleted while suspended."""

    http_status = 409


class Customer(models.Model):
    """A customer's limits, and how much of them is used."""

    _name = "emboux.customer"
    _description = "Email Customer"
    _inherit = ["emboux.thread.mixin", "emboux.system.fields.mixin", "emboux.audited.mixin"]
    _rec_name = "partner_id"
    _order = "partner_id"
    _system_fields = frozenset({"domains_used"})
    _audited_fields = ("partner_id", *LIMITS)

    partner_id = fields.Many2one("res.partner", "Customer", required=True, ondelete="restrict")
    domain_limit = fields.Integer("Maximum Domains", tracking=True, help="0 means no limit.")
    mailbox_limit = fields.Integer("Mailboxes per Domain", tracking=True,
                                   help="0 means no limit.")
    alias_limit = fields.Integer("Aliases per Mailbox", tracking=True, help="0 means no limit.")
    mailbox_quota_limit_mb = fields.Integer(
        "Maximum Mailbox Size (MB)", tracking=True, help="0 means no limit."
    )
    domains_used = fields.Integer(readonly=True)
    key_ids = fields.One2many(
        "emboux.api.key", compute="_compute_key_ids", string="API Keys",
        groups="emboux_core.group_admin",
    )
    # as superuser: a manager, who sees no keys, may see how many there are
    active_key_count = fields.Integer(
        "Active Keys", compute="_compute_active_key_count", compute_sudo=True
    )

    _partner_unique = models.UniqueIndex("(partner_id)", "This customer already exists.")
    _limits_not_negative = models.Constraint(
        "CHECK (domain_limit >= 0 AND mailbox_limit >= 0 AND alias_limit >= 0 "
        "AND mailbox_quota_limit_mb >= 0)",
        "A limit is 0 (no limit) or more.",
    )

    def _compute_key_ids(self):
        keys = self.env["emboux.api.key"].search([("partner_id", "in", self.partner_id.ids)])
        by_partner = keys.grouped("partner_id")
        for customer in self:
            customer.key_ids = by_partner.get(customer.partner_id, keys.browse())

    def _compute_active_key_count(self):
        counts = dict(
            self.env["emboux.api.key"]._read_group(
                [("partner_id", "in", self.partner_id.ids), ("state", "=", "active")],
                ["partner_id"], ["__count"],
            )
        )
        for customer in self:
            customer.active_key_count = counts.get(customer.partner_id, 0)

    @api.model_create_multi
    def create(self, vals_list):
        given = vals_list
        self, vals_list = self._clean_create_vals(vals_list)
        customers = super().create(vals_list)
        customers._reconcile_counters()
        customers._on_created(given)
        return customers

    def write(self, vals):
        then = self._before_write(vals)
        done = super().write(self._clean_write_vals(vals))
        for do in then:
            do()
        return done

    def unlink(self):
        then = self._before_deleted()
        done = super().unlink()
        for do in then:
            do()
        return done

    # hooks, which other add-ons extend

    def _on_created(self, given):
        """They have just been added.  ``given``: a dictionary for each, as whoever added them
        gave it."""

    def _before_write(self, vals):
        """These values are about to be written.  Returns what is to be done then: functions."""
        return []

    def _before_deleted(self):
        """Returns what is to be done when they are gone: functions, in their order."""
        return []

    @api.model
    @api.private
    def _ensure(self, partner):
        """The partner's row, made when there is none."""
        return self._for_partner(partner) or self.create({"partner_id": partner.id})

    @api.model
    def _for_partner(self, partner):
        """The partner's row, perhaps none: then there are no limits."""
        # as superuser: limits bind those who may not see them
        found = partner and self.sudo().search_fetch(
            [("partner_id", "=", partner.id)], ["partner_id", *LIMITS], order="id", limit=1
        )
        return found or self.sudo().browse()

    # -- domains: a counter, so that two transactions that add one meet each other ---------

    def _adjust_domain_count(self, count):
        """Count domains that are being added; a negative number gives them back.

        The row stays locked until the end: whoever is second is retried and counts again.
        """
        if not self:
            return
        self.ensure_one()
        self.flush_recordset(["domain_limit"])  # a plan may just have given it
        self.env.cr.execute(
            """UPDATE emboux_customer SET domains_used = greatest(domains_used + %s, 0)
                WHERE id = %s RETURNING domains_used, domain_limit""",
            [count, self.id],
        )
        [(used, limit)] = self.env.cr.fetchall()
        self.invalidate_recordset(["domains_used"])
        if count > 0 and limit and used > limit:
            raise QuotaReached(
                self.env._(
                    "The limit of %(limit)s domains is reached. Delete one, or ask for more.",
                    limit=limit,
                )
            )

    def _reconcile_counters(self):
        """Correct the counters; logs those that were wrong."""
        self.flush_model()
        self.env["emboux.domain"].flush_model(["partner_id"])
        self.env.cr.execute(
            """UPDATE emboux_customer c SET domains_used = t.domains
                 FROM (SELECT c.id, c.domains_used AS before, count(d.id) AS domains
                         FROM emboux_customer c
                         LEFT JOIN emboux_domain d ON d.partner_id = c.partner_id
                        WHERE c.id = ANY(%s) OR %s
                        GROUP BY c.id) t
                WHERE t.id = c.id AND c.domains_used IS DISTINCT FROM t.domains
            RETURNING c.id, t.before, t.domains""",
            [self.ids, not self],
        )
        for customer, before, after in self.env.cr.fetchall():
            if before is not None:
                _logger.warning("customer %s: domains_used was %s, is %s", customer, before, after)
        self.invalidate_model(["domains_used"])

    def _register_hook(self):
        """On start-up: the counters are right from the first request on."""
        super()._register_hook()
        try:
            with self.env.cr.savepoint():
                self.browse()._reconcile_counters()
        except OperationalError:
            # somebody is counting right now: what they count is right after the next start
            _logger.warning("the counters of customers could not be compared", exc_info=True)

    # -- the message log -------------------------------------------------------------------

    def action_open_messages(self):
        self.ensure_one()
        return self.env["emboux.message"]._list_of(("partner_id", "=", self.partner_id.id))

    @api.private
    def _erase_messages(self, most=10_000):
        """Delete some of what the log knows of them; returns whether there may be more."""
        self.env.cr.execute(
            """DELETE FROM emboux_mail.message WHERE (id, expires) IN (
                   SELECT id, expires FROM emboux_mail.message WHERE partner_id = %s LIMIT %s)""",
            [self.partner_id.id, most])
        return self.env.cr.rowcount == most
