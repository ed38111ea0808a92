import re
from collections import Counter

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.alias import GOALS

from .customer import AbovePlan, QuotaReached


class DomainQuota(models.Model):
    """Domains per customer, and the row that additions to a limited domain meet on."""

    _inherit = "emboux.domain"
    _followed_fields = frozenset({"quota_serial"})

    quota_serial = fields.Integer(readonly=True, copy=False, default=0)

    @api.model_create_multi
    def create(self, vals_list):
        domains = super().create(vals_list)
        for partner, owned in domains.grouped("partner_id").items():
            self.env["emboux.customer"]._of(partner)._take_domains(len(owned))
        return domains

    def write(self, vals):
        if "partner_id" not in vals:
            return super().write(vals)
        before = {domain: domain.partner_id for domain in self}
        done = super().write(vals)
        customers = self.env["emboux.customer"]
        moved = self.filtered(lambda d: d.partner_id != before[d])
        for partner, domains in moved.grouped(lambda d: before[d]).items():
            customers._of(partner)._take_domains(-len(domains))
        for partner, domains in moved.grouped("partner_id").items():
            customers._of(partner)._take_domains(len(domains))
        return done

    def unlink(self):
        owned = [(partner, len(domains)) for partner, domains in self.grouped("partner_id").items()]
        done = super().unlink()
        for partner, count in owned:
            self.env["emboux.customer"]._of(partner)._take_domains(-count)
        return done

    def _meet(self):
        """Two transactions that add to one domain: the second starts over and counts anew."""
        self.env.cr.execute(
            "UPDATE emboux_domain SET quota_serial = coalesce(quota_serial, 0) + 1"
            " WHERE id = ANY(%s)",
            [self.ids],
        )


class MailboxQuota(models.Model):
    """Mailboxes per domain, and the largest mailbox."""

    _inherit = "emboux.mailbox"

    @api.model_create_multi
    def create(self, vals_list):
        customer = self.env["emboux.customer"]._of(self.env.user.emboux_partner_id)
        if limit := customer.mailbox_quota_limit_mb:
            backend = self.env.ref("emboux_mail_api.backend_local")
            default = min(backend.default_quota_mb or limit, limit)
            vals_list = [{"quota_mb": default, **vals} for vals in vals_list]
        mailboxes = super().create(vals_list)
        mailboxes._assert_within_limits(customer)
        return mailboxes

    def write(self, vals):
        done = super().write(vals)
        if "quota_mb" in vals and self.env.user.emboux_partner_id:
            self._assert_quota_allowed(
                self.env["emboux.customer"]._of(self.env.user.emboux_partner_id)
            )
        return done

    def _assert_may_add(self, vals_list):
        done = super()._assert_may_add(vals_list)
        wanted = Counter(vals["domain_id"] for vals in vals_list if vals.get("domain_id"))
        for domain, room in self._room(wanted).items():
            if wanted[domain] > room:
                raise QuotaReached(self._limit_sentence(domain))
        return done

    def _room(self, domain_ids):
        """Domain id to how many more mailboxes a limited domain can have; others are left out."""
        self.flush_model(["domain_id"])
        self.env["emboux.domain"].flush_model(["partner_id"])
        self.env["emboux.customer"].flush_model(["partner_id", "mailbox_limit"])
        # what counts is there for everybody, archived ones too
        return dict(
            self.env.execute_query(
                SQL(
                    """SELECT d.id, c.mailbox_limit - (SELECT count(*) FROM emboux_mailbox m
                                                        WHERE m.domain_id = d.id)
                         FROM emboux_domain d JOIN emboux_customer c USING (partner_id)
                        WHERE d.id = ANY(%s) AND c.mailbox_limit > 0""",
                    list(domain_ids),
                )
            )
        )

    def _limit_sentence(self, domain_id):
        # as superuser: see _room
        domain = self.env["emboux.domain"].sudo().browse(domain_id)
        return self.env._(
            "The limit of %(limit)s mailboxes in %(domain)s is reached. Delete one, or ask for "
            "more.",
            limit=self.env["emboux.customer"]._of(domain.partner_id).mailbox_limit,
            domain=domain.display_name,
        )

    def _assert_within_limits(self, known):
        """``known``: the row of the customer who asks, or none."""
        # as superuser: what counts is there for everybody, archived ones too
        counted = self.sudo().with_context(active_test=False)
        for partner, mailboxes in counted.grouped(lambda m: m.domain_id.partner_id).items():
            mine = known and known.partner_id == partner
            customer = known if mine else self.env["emboux.customer"]._of(partner)
            limit = customer.mailbox_limit
            for domain in mailboxes.domain_id if limit else ():
                domain._meet()
                if counted.search_count([("domain_id", "=", domain.id)]) > limit:
                    raise QuotaReached(self._limit_sentence(domain.id))
            self._assert_quota_allowed(customer)

    def _assert_quota_allowed(self, customer):
        """A customer keeps to his plan; the operator may give more."""
        limit = customer.mailbox_quota_limit_mb
        if not limit or self.env.su or not self.env.user.emboux_partner_id:
            return
        for mailbox in self:
            if not 0 < mailbox.quota_mb <= limit:
                raise AbovePlan(
                    self.env._(
                        "A mailbox can have %(limit)s MB at most. Ask for more.", limit=limit
                    )
                )


class AliasQuota(models.Model):
    """Aliases per mailbox: how many deliver to it."""

    _inherit = "emboux.alias"

    @api.model_create_multi
    def create(self, vals_list):
        aliases = super().create(vals_list)
        aliases._assert_within_limits()
        return aliases

    def write(self, vals):
        done = super().write(vals)
        if "destinations" in vals:
            self._assert_within_limits()
        return done

    def _assert_within_limits(self):
        for partner, aliases in self.grouped(lambda a: a.domain_id.sudo().partner_id).items():
            limit = self.env["emboux.customer"]._of(partner).alias_limit if partner else 0
            if not limit:
                continue
            # a tag after + reaches the same mailbox
            wanted = {re.sub("[+][^@]*@", "@", address)
                      for alias in aliases for address in alias._destination_list()}
            # as superuser: a mailbox of the customer's that this key does not see counts too
            boxes = self.env["emboux.mailbox"].sudo().search(
                [("email", "in", list(wanted)), ("domain_id.partner_id", "=", partner.id)]
            )
            boxes.domain_id._meet()
            self.flush_model(["destinations"])
            for box in boxes:
                [[count]] = self.env.execute_query(
                    SQL(
                        """SELECT count(*) FROM emboux_alias a
                             JOIN emboux_domain d ON d.id = a.domain_id
                            WHERE d.partner_id = %s AND %s @> ARRAY[%s]""",
                        partner.id, SQL(GOALS, SQL.identifier("a", "destinations")), box.email,
                    )
                )
                if count > limit:
                    raise QuotaReached(
                        self.env._(
                            "The limit of %(limit)s aliases for %(mailbox)s is reached. Delete "
                            "one, or ask for more.",
                            limit=limit,
                            mailbox=box.display_name,
                        )
                    )


class AddressReach(models.AbstractModel):
    """How far an address leads: the limits that a domain has for it."""

    _inherit = "emboux.address.mixin"

    def _assert_reach(self):
        """Refuse what would lead further than its domain allows; the policy does so as well, for
        what was allowed once, and for what others have changed since."""
        if not self:
            return
        self.env.flush_all()
        self.env.cr.execute(
            """SELECT place, fate, why FROM emboux_mail.expand(%s, true)
                WHERE fate IN ('many', 'deep') LIMIT 1""",
            [self.mapped("email")],
        )
        for place, fate, limit in self.env.cr.fetchall():
            name = self[place - 1].display_name
            raise QuotaReached(
                self.env._(
                    "%(address)s would lead to more than %(limit)s addresses outside, which is the "
                    "limit. Send to some of them apart, or ask for more.", address=name,
                    limit=limit,
                ) if fate == "many" else self.env._(
                    "Mail for %(address)s would pass through more than %(limit)s aliases, which is "
                    "the limit. Point it at the mailboxes directly.", address=name, limit=limit,
                )
            )


class AliasReach(models.Model):
    _inherit = "emboux.alias"

    @api.model_create_multi
    def create(self, vals_list):
        aliases = super().create(vals_list)
        aliases._assert_reach()
        return aliases

    def write(self, vals):
        if "destinations" not in vals:
            return super().write(vals)
        before = {alias: alias.destinations for alias in self}
        done = super().write(vals)
        self.filtered(lambda a: before[a] != a.destinations)._assert_reach()
        return done


class MailboxReach(models.Model):
    _inherit = "emboux.mailbox"

    @api.model_create_multi
    def create(self, vals_list):
        mailboxes = super().create(vals_list)
        mailboxes.filtered("forward_to")._assert_reach()
        return mailboxes

    def write(self, vals):
        done = super().write(vals)
        if vals.get("forward_to"):
            self._assert_reach()
        return done
