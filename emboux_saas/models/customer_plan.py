# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Customers' plans: their usage, and which limits of another plan they would exceed."""

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.emboux_core.models.mailbox import MEGABYTE

from ..billing.engine import GIGABYTE
from .plan_terms import PRICE_TERMS

PAYING = ("active", "past_due")
SHOWN = 50  # customers in a dialog


class CustomerPlan(models.Model):
    """How much customers use of their plan, what it has cost so far, and which they had before.

    A fixed number of statements for a whole list.
    """

    _inherit = "emboux.customer"

    # as superuser: whoever sees the customer may see how much they use
    mailbox_count = fields.Integer("Mailboxes", compute="_compute_usage", compute_sudo=True)
    storage_granted_mb = fields.Integer(
        "Granted (MB)", compute="_compute_usage", compute_sudo=True,
        help="The quotas of all their mailboxes together.",
    )
    storage_used_mb = fields.Float(
        "Stored (MB)", compute="_compute_usage", compute_sudo=True, digits=(16, 1)
    )
    domains_percent = fields.Float("Domains Used (%)", compute="_compute_domains_percent")
    storage_percent = fields.Float(
        "Storage Granted (%)", compute="_compute_usage", compute_sudo=True
    )
    stored_percent = fields.Float(
        "Storage Filled (%)", compute="_compute_usage", compute_sudo=True,
        help="Stored mail in percent of the storage limit, or of the quotas if there is no limit.",
    )
    transfer_percent = fields.Float(
        "Traffic Used (%)", compute="_compute_traffic_percent", compute_sudo=True,
        help="Of the domain closest to its monthly traffic limit.",
    )
    mrr = fields.Monetary(
        "Monthly Price", compute="_compute_mrr", store=True, aggregator="sum",
        help="The plan's price of a paying customer, without usage above it.",
    )
    period_ids = fields.One2many("emboux.plan.period", "customer_id", "Plan History")
    month_ids = fields.One2many("emboux.usage.month", "customer_id", "Usage by Month")
    used_mailboxes = fields.Integer("Counted Mailboxes", compute="_compute_used")
    used_gb = fields.Float("Storage (GB)", compute="_compute_used", digits=(16, 3))
    used_messages = fields.Integer("Messages This Month", compute="_compute_used")
    company_currency_id = fields.Many2one(
        string="Company Currency", related="company_id.currency_id"
    )
    cost_so_far = fields.Monetary(
        "Costs So Far", compute="_compute_cost_so_far", currency_field="company_currency_id",
        help="Without taxes, up to and with today, as it would be billed.",
    )

    def _note_domains(self):
        """A new customer with existing domains: the feed has reported them already."""
        if domains := self._domains():
            self.env["emboux.usage"]._note_levels(domains.mapped("name"))

    def _note_period(self):
        """Remember from today on what each of them pays, where that is new.

        Two changes of one day are one: the day is of the last plan.
        """
        today = fields.Date.today()
        # as superuser: the history follows, it is not for users to write
        periods = self.env["emboux.plan.period"].sudo()
        latest = {}
        for period in periods.search([("customer_id", "in", self.ids)], order="since"):
            latest[period.customer_id.id] = period
        new = []
        for customer in self.sudo():
            plan = customer.plan_id
            period = latest.get(customer.id, periods)
            customer._assert_same_company()
            values = {"plan_id": plan.id, "is_paid": bool(plan) and customer.state in PAYING}
            values |= {name: plan[name] for name in PRICE_TERMS}
            if period and period.since == today:
                period.write(values)
            elif any(
                value != (period[name].id if name == "plan_id" else period[name])
                for name, value in values.items()
            ):
                new.append({"customer_id": customer.id, "since": today, **values})
        periods.create(new)

    def _assert_same_company(self):
        plan = self.plan_id
        others = self.period_ids.plan_id.company_id - plan.company_id
        if plan and others:
            raise UserError(
                self.env._(
                    "%(plan)s is sold by %(company)s, the customer is one of %(before)s. A "
                    "customer stays with a company, because one invoice has one seller.",
                    plan=plan.display_name,
                    company=plan.company_id.display_name,
                    before=others[:1].display_name,
                )
            )

    # -- how much of the plan is used ---------------------------------------------------------

    @api.depends("domains_used", "domain_limit")
    def _compute_domains_percent(self):
        for customer in self:
            customer.domains_percent = _percent(customer.domains_used, customer.domain_limit)

    @api.depends("partner_id", "storage_limit_mb")
    def _compute_usage(self):
        found = self._count_mailboxes()
        for customer in self:
            row = found.get(customer.partner_id.id, {})
            granted = row.get("granted", 0)
            stored = row.get("stored", 0) / MEGABYTE
            limit = customer.storage_limit_mb
            customer.mailbox_count = row.get("mailboxes", 0)
            customer.storage_granted_mb = granted
            customer.storage_used_mb = stored
            customer.storage_percent = _percent(granted, limit)
            customer.stored_percent = _percent(stored, limit or granted)

    @api.depends("partner_id")
    def _compute_traffic_percent(self):
        domains = self.env["emboux.domain"].with_context(active_test=False).search(
            [("partner_id", "in", self.partner_id.ids), ("transfer_limit", ">", 0)]
        )
        most = {}
        for domain in domains:
            used = _percent(domain.transfer_used, domain.transfer_limit)
            most[domain.partner_id] = max(used, most.get(domain.partner_id, 0))
        for customer in self:
            customer.transfer_percent = most.get(customer.partner_id, 0)

    @api.depends("state", "plan_id.price")
    def _compute_mrr(self):
        for customer in self:
            customer.mrr = customer.plan_id.price if customer.state in PAYING else 0

    def _count_mailboxes(self):
        """Partner id to what the mailboxes of their domains come to, archived ones too."""
        self.env.flush_all()
        rows = self.env.execute_query_dict(
            SQL(
                """SELECT d.partner_id, sum(m.mailboxes)::bigint AS mailboxes,
                          max(m.mailboxes) AS most, sum(m.granted)::bigint AS granted,
                          max(m.largest) AS largest, sum(m.endless)::bigint AS endless,
                          sum(m.stored)::bigint AS stored
                     FROM emboux_domain d
                     JOIN (SELECT domain_id, count(*) AS mailboxes, sum(quota_mb) AS granted,
                                  max(quota_mb) AS largest,
                                  count(*) FILTER (WHERE coalesce(quota_mb, 0) = 0) AS endless,
                                  sum(coalesce(usage_bytes, 0)) AS stored
                             FROM emboux_mailbox
                            WHERE domain_id IN (SELECT id FROM emboux_domain
                                                 WHERE partner_id = ANY(%(partners)s))
                            GROUP BY domain_id) m ON m.domain_id = d.id
                    GROUP BY d.partner_id""",
                partners=self.partner_id.ids,
            )
        )
        return {
            row.pop("partner_id"): {name: value or 0 for name, value in row.items()}
            for row in rows
        }

    def _force_conflict(self):
        """Two transactions that add to one customer: the second is retried and counts again."""
        self.env.cr.execute(
            "UPDATE emboux_customer SET domains_used = domains_used WHERE id = ANY(%s)",
            [self.ids],
        )

    def action_open_domains(self):
        self.ensure_one()
        return self.partner_id.action_open_emboux_domains()

    def action_open_mailboxes(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_mailbox")
        return action | {"domain": [("domain_id.partner_id", "=", self.partner_id.id)],
                         "context": {}}

    def action_open_notices(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_saas.action_notice")
        return action | {"domain": [("customer_id", "=", self.id)], "context": {}}

    # -- used now, and what it has cost so far ------------------------------------------------

    def _compute_used(self):
        # the rows of usage are written by SQL
        self.env["emboux.usage"].flush_model()
        today = fields.Date.today()
        found = self.env.execute_query(
            SQL(
                """SELECT customer_id, sum(mailboxes)::bigint, sum(bytes)::bigint,
                          sum(of_month)::bigint
                     FROM (SELECT DISTINCT ON (customer_id, domain_name)
                                  customer_id, mailboxes, bytes,
                                  sum(CASE WHEN day >= %(month)s THEN messages ELSE 0 END)
                                      OVER (PARTITION BY customer_id, domain_name) AS of_month
                             FROM emboux_usage
                            WHERE customer_id = ANY(%(ids)s) AND day <= %(today)s
                            ORDER BY customer_id, domain_name, day DESC) AS latest
                    GROUP BY customer_id""",
                ids=self.ids,
                today=today,
                month=today.replace(day=1),
            )
        )
        used = {customer: numbers for customer, *numbers in found}
        for customer in self:
            mailboxes, size, messages = used.get(customer._origin.id, (0, 0, 0))
            customer.used_mailboxes = mailboxes
            customer.used_gb = size / GIGABYTE
            customer.used_messages = messages

    def _compute_cost_so_far(self):
        today = fields.Date.today()
        lines = self._origin._lines_of(today, today)
        for customer in self:
            amounts = [line.amount for line in lines.get(customer._origin, ())]
            customer.cost_so_far = float(sum(amounts))

    # -- what terms would break, in sentences, before anything is done ------------------------

    @api.private
    def _exceeding_customers(self, terms):
        """Customer to sentences, for those who use more than these terms have.

        ``terms``: a record of ``emboux.plan.terms.mixin``. A fixed number of statements.
        """
        mailboxes = self._count_mailboxes() if self else {}
        domains = self._domains()
        of_partner = domains.grouped("partner_id")
        aliases = self._max_aliases() if terms.alias_limit else {}
        sent = domains._max_sent() if terms.outbound_daily_limit else {}
        found = {}
        for customer in self:
            owned = of_partner.get(customer.partner_id, domains.browse())
            sentences = [
                *customer._exceeded_terms(terms, mailboxes.get(customer.partner_id.id, {}),
                                    aliases.get(customer.partner_id.id, 0)),
                *owned._exceeded_terms(terms, sent),
            ]
            if sentences:
                found[customer] = sentences
        return found

    def _exceeded_terms(self, terms, mailboxes, aliases):
        if terms.domain_limit and self.domains_used > terms.domain_limit:
            yield self.env._(
                "Has %(used)s domains where %(limit)s are allowed: these stay, none can be added.",
                used=self.domains_used, limit=terms.domain_limit,
            )
        if terms.mailbox_limit and mailboxes.get("most", 0) > terms.mailbox_limit:
            yield self.env._(
                "Has %(used)s mailboxes in a domain where %(limit)s are allowed: these stay, none "
                "can be added there.",
                used=mailboxes["most"], limit=terms.mailbox_limit,
            )
        if terms.alias_limit and aliases > terms.alias_limit:
            yield self.env._(
                "Has %(used)s aliases for a mailbox where %(limit)s are allowed: these stay, none "
                "can be added to it.",
                used=aliases, limit=terms.alias_limit,
            )
        endless, largest = mailboxes.get("endless"), mailboxes.get("largest", 0)
        limit = terms.mailbox_quota_limit_mb
        if limit and (endless or largest > limit):
            yield self.env._(
                "Has a mailbox of %(used)s MB where %(limit)s MB are allowed: it stays as large, "
                "and cannot be enlarged.",
                used="∞" if endless else largest, limit=limit,
            )
        granted, limit = mailboxes.get("granted", 0), terms.storage_limit_mb
        if limit and (endless or granted > limit):
            yield self.env._(
                "Has mailboxes of %(used)s MB together where %(limit)s MB are allowed: they stay, "
                "none can be added or enlarged.",
                used="∞" if endless else granted, limit=limit,
            )

    def _max_aliases(self):
        """Partner id to how many aliases deliver to that mailbox of theirs which has the most."""
        self.env.flush_all()
        return dict(
            self.env.execute_query(
                SQL(
                    r"""SELECT partner_id, max(aliases) FROM (
                            SELECT d.partner_id, count(DISTINCT a.id) AS aliases
                              FROM emboux_domain d JOIN emboux_alias a ON a.domain_id = d.id
                             CROSS JOIN unnest(string_to_array(a.destinations, E'\n')) AS goal
                              JOIN emboux_mailbox m
                                ON m.email = regexp_replace(goal, '[+][^@]*@', '@')
                              JOIN emboux_domain own
                                ON own.id = m.domain_id AND own.partner_id = d.partner_id
                             WHERE d.partner_id = ANY(%s)
                             GROUP BY d.partner_id, m.id) AS counted
                         GROUP BY partner_id""",
                    self.partner_id.ids,
                )
            )
        )

    @api.private
    def _consequences_of(self, terms):
        """What breaks, as a list for a dialog."""
        found = self._exceeding_customers(terms)
        if not found:
            return Markup("<p>%s</p>") % self.env._(
                "Nothing: all customers stay within these terms."
            )
        lines = Markup().join(
            Markup("<li><b>%s</b><ul>%s</ul></li>") % (
                customer.partner_id.display_name,
                Markup().join(Markup("<li>%s</li>") % sentence for sentence in sentences),
            )
            for customer, sentences in list(found.items())[:SHOWN]
        )
        if len(found) > SHOWN:
            lines += Markup("<li>%s</li>") % self.env._(
                "and %s more customers", len(found) - SHOWN
            )
        return Markup("<ul>%s</ul>") % lines


def _percent(used, limit):
    return 100 * used / limit if limit else 0.0
