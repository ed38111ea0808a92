"""What terms would break for those who would get them, in sentences, before anything is done."""

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL

from .plan_terms import RETENTION_TERMS

SHOWN = 50  # customers in a dialog


class CustomerFit(models.Model):
    _inherit = "emboux.customer"

    @api.private
    def _what_breaks(self, terms):
        """Customer to sentences, for those who use more than these terms have.

        ``terms``: a record of ``emboux.plan.terms``. A fixed number of statements.
        """
        mailboxes = self._count_mailboxes() if self else {}
        domains = self._domains()
        of_partner = domains.grouped("partner_id")
        aliases = self._most_aliases() if terms.alias_limit else {}
        sent = domains._most_sent() if terms.outbound_daily_limit else {}
        found = {}
        for customer in self:
            owned = of_partner.get(customer.partner_id, domains.browse())
            sentences = [
                *customer._too_much(terms, mailboxes.get(customer.partner_id.id, {}),
                                    aliases.get(customer.partner_id.id, 0)),
                *owned._too_much(terms, sent),
            ]
            if sentences:
                found[customer] = sentences
        return found

    def _too_much(self, terms, mailboxes, aliases):
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

    def _most_aliases(self):
        """Partner id to how many aliases deliver to the mailbox of his that has most of them."""
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
        found = self._what_breaks(terms)
        if not found:
            return Markup("<p>%s</p>") % self.env._("Nothing: everybody fits into these terms.")
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


class DomainFit(models.Model):
    _inherit = "emboux.domain"

    def _too_much(self, terms, sent):
        """What breaks in the domains of one customer."""
        yield from self._too_much_moved(terms)
        daily = terms.outbound_daily_limit
        for domain in self.filtered(lambda d: daily and sent.get(d.id, 0) > daily):
            yield self.env._(
                "%(domain)s sent to %(used)s recipients on a day of the last week, and may send to "
                "%(limit)s.",
                domain=domain.display_name, used=sent[domain.id], limit=daily,
            )
        for name in RETENTION_TERMS:
            days = terms[name]
            shortened = self.filtered(lambda d, n=name, k=days: k and not 0 < d[n] <= k)
            if shortened:
                yield self.env._(
                    "Mail in %(folder)s that is older than %(days)s days is deleted by the next "
                    "purge: %(domains)s",
                    days=days, domains=", ".join(shortened.mapped("display_name")),
                    folder=self._fields[name]._description_string(self.env).split(" (")[0],
                )
        allowed = terms.provider_ids._origin
        outside = self.filtered(
            lambda d: allowed and d.provider_id and d.provider_id not in allowed
        )
        if outside:
            yield self.env._(
                "Sends by a provider that is not allowed: %s. They go on, but cannot be moved.",
                ", ".join(outside.mapped("display_name")),
            )

    def _too_much_moved(self, terms):
        limit = terms.transfer_limit_gb * 10**9
        if terms.transfer_over_limit == "defer":
            late = self.env._("mail is deferred until the month is over")
        else:
            late = self.env._("its owner is told")
        for domain in self.filtered(lambda d: limit and d.transfer_used > limit):
            yield self.env._(
                "%(domain)s has moved %(used)s of %(limit)s GB in this month: %(late)s.",
                domain=domain.display_name, used=round(domain.transfer_used / 10**9, 1),
                limit=terms.transfer_limit_gb, late=late,
            )

    def _most_sent(self):
        """Domain id to the recipients of its busiest recorded day."""
        # as superuser: who decides about plans may know what is sent
        days = self.env["emboux.outbound.count"].sudo()._read_group(
            [("domain_id", "in", self.ids), ("window", "=", "day"),
             ("since", "<", fields.Date.context_today(self))],
            ["domain_id"], ["recipients:max"],
        )
        return {domain.id: most for domain, most in days}
