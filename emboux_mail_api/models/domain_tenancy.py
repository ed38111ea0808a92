# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_date

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.dns import lookup

from ..mail_providers import is_mail_provider
from ..settings import QUARANTINE_DAYS
from .customer import OthersSuspension

KEPT_DAYS = 62  # two months: no counter reaches further back


class AlreadyHosted(UserError):
    """Raised for the operator only: customers learn nothing of other customers' domains."""

    http_status = 409


class GivenUp(UserError):
    """Another customer had the name until lately, and may still take it back."""

    http_status = 409


class NoActiveKey(UserError):
    """The partner could not look after the domain."""

    http_status = 409


class DomainTenancy(models.Model):
    """Who owns a domain, and what its owner may do.

    Whoever adds a domain claims it, until its DNS proves it theirs.  Several may claim a name at
    once, each with a row, mailboxes and a token of their own; the answer is the same whether
    somebody has it here already.  The first proof wins (the unique index on proven names
    decides), and the others are told.  A claim keeps nobody out, and nothing shows of it outside:
    no look-up of Postfix or Dovecot finds it (``sql/views.sql``), so it can hold no mail that
    another one's proof would take away.

    A domain that the operator has stopped stays, so that nobody begins anew with its name; and a
    name that was given up is kept for a while for who had it.
    """

    _inherit = "emboux.domain"
    _customer_fields = frozenset({"name"})
    _system_fields = frozenset({"quota_serial"})
    _audited_fields = (
        "name", "partner_id", "backend_id", "state", "parent_id", "is_wildcard", "active",
    )

    quota_serial = fields.Integer(readonly=True, copy=False, default=0)

    def _on_created(self, given):
        super()._on_created(given)
        for partner, owned in self.grouped("partner_id").items():
            self.env["emboux.customer"]._for_partner(partner)._adjust_domain_count(len(owned))
        self.filtered("owned_since")._end_other_claims()

    def _assert_may_change(self, vals):
        super()._assert_may_change(vals)
        if vals.get("parent_id") and not self.env.context.get("emboux_release"):
            # as superuser: whose the names are and were
            parent = self.sudo().browse(vals["parent_id"])
            for domain in self.sudo().filtered(lambda d: d.parent_id != parent):
                domain._assert_not_given_up(domain.name, domain.partner_id, parent.name)
        if vals.get("active") is False:
            self.filtered("active")._assert_not_stopped()

    def _on_owner_changed(self, before, vals):
        super()._on_owner_changed(before, vals)
        customers = self.env["emboux.customer"]
        for partner, domains in self.grouped(lambda d: before[d]).items():
            customers._for_partner(partner)._adjust_domain_count(-len(domains))
        for partner, domains in self.grouped("partner_id").items():
            customers._for_partner(partner)._adjust_domain_count(len(domains))

    def _on_ownership_changed(self, before, vals):
        super()._on_ownership_changed(before, vals)
        if vals["owned_since"]:
            self._end_other_claims()

    def _notify_changes(self, changes):
        res = super()._notify_changes(changes)
        if self.backend_id.kind == "local":
            self.env["emboux.webhook"]._tell(
                "domain.dns_changed", f"domain {self.id}", self.name, self, {
                    "domain": self.name, "state": self.state, "records": [
                        {"type": record.record_type, "name": record.name, "before": before,
                         "now": record.state}
                        for record, before in changes]})
        return res

    def _before_deleted(self):
        customers = self.env["emboux.customer"]
        owned = [(partner, len(domains)) for partner, domains in self.grouped("partner_id").items()]

        def give_back():
            for partner, count in owned:
                customers._for_partner(partner)._adjust_domain_count(-count)

        return [*super()._before_deleted(), give_back]

    # -- what a customer sets, and uses ------------------------------------------------

    def _clean_create_vals(self, vals_list):
        model, vals_list = super()._clean_create_vals(vals_list)
        user = self.env.user
        if not self.env.su and user.emboux_partner_id:
            # without asking whether it is there: it is as long as the add-on is
            backend = self.env["ir.model.data"]._xmlid_to_res_id("emboux_mail_api.backend_local")
            for vals in vals_list:
                vals |= {
                    "partner_id": user.emboux_partner_id.id,
                    "backend_id": backend,
                    "user_id": False,  # a technical user reads no mail
                }
        elif not user.active:
            for vals in vals_list:
                vals.setdefault("user_id", False)
        return model, vals_list

    def _search_parents(self, names):
        """Customers use their own wildcard parents, and the operator's, which nobody owns."""
        customer = self.env.user.emboux_partner_id
        if self.env.su or not customer:
            return super()._search_parents(names)
        # as superuser: the operator's domains are not the customer's to see
        parents = super(DomainTenancy, self.sudo())._search_parents(names)
        return parents.filtered(lambda p: p.partner_id in (customer.browse(), customer)).sudo(False)

    # -- additions to a limited domain -------------------------------------------------

    def _force_conflict(self):
        """Of two transactions that add to one domain the second is retried and counts again."""
        self.env.cr.execute(
            "UPDATE emboux_domain SET quota_serial = coalesce(quota_serial, 0) + 1"
            " WHERE id = ANY(%s)",
            [self.ids],
        )

    # -- claims ------------------------------------------------------------------------

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
                            "%(domain)s already exists (perhaps archived), and %(owner)s has "
                            "proven ownership.",
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
                    "%s belongs to a mail provider and cannot be added. Add a domain of your own.",
                    addresses.display_domain(name),
                )
            )

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
            claims._change_state(
                "failed",
                self.env._(
                    "Somebody else has proven by DNS that they own this domain. If it is yours, "
                    "set the records and check again, or ask the operator."
                ),
            )

    # -- names that were given up ------------------------------------------------------

    def _with_parents(self, vals_list):
        """A customer takes no name below a wildcard parent that was somebody else's lately.

        The operator may, by hand; over the API they say so (``emboux_quarantine``).
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
        since = fields.Datetime.now() - timedelta(days=QUARANTINE_DAYS.read(self.env))
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
                        "%(name)s was recently given up by another customer, who may reclaim it "
                        "until %(date)s. Choose another name.",
                        name=addresses.display_domain(name),
                        date=format_date(
                            self.env, gone_at + timedelta(days=QUARANTINE_DAYS.read(self.env) + 1)
                        ),
                    )
                )

    @api.model
    @api.private
    def _forget_kept(self):
        """Delete what belonged to names that were not reclaimed; a block stays."""
        self.env.cr.execute(
            """DELETE FROM emboux_mail.kept
                WHERE gone_at < clock_timestamp() - %s * interval '1 day'
                  AND (back_as IS NOT NULL
                       OR coalesce(settings->>'outbound_status', 'open') <> 'blocked')""",
            [max(KEPT_DAYS, QUARANTINE_DAYS.read(self.env))],
        )

    # -- moving it to another customer -------------------------------------------------

    @api.private
    def _hand_over(self, partner):
        """Give the domain to another customer, with its counter, in this transaction.

        :raises NoActiveKey: the partner has no key that opens.
        :raises QuotaReached: the partner has as many domains as they may.
        """
        self.ensure_one()
        self.check_access("write")
        if partner == self.partner_id:
            return
        # as superuser: who may move a domain need not see the keys
        keys = self.env["emboux.api.key"].sudo()
        if not keys.search_count(
            [("partner_id", "=", partner.id), ("role", "=", "customer"), ("state", "=", "active")],
            limit=1,
        ):
            raise NoActiveKey(
                self.env._(
                    "%s has no active API key, so nobody could look after the domain. Make one "
                    "first.",
                    partner.display_name,
                )
            )
        # as superuser: another customer's subdomains need not be the caller's to see
        strangers = self.sudo().child_ids.filtered(lambda d: d.partner_id != partner)
        if strangers:
            raise UserError(
                self.env._(
                    "%(name)s has subdomains of others, whose mail its owner could send: "
                    "%(children)s. Move or detach these first.",
                    name=self.display_name,
                    children=", ".join(strangers.mapped("display_name")),
                )
            )
        self.partner_id = partner

    # -- stopped by the operator -------------------------------------------------------

    @api.ondelete(at_uninstall=False)
    def _unlink_except_stopped(self):
        self._assert_not_stopped()

    def _assert_not_stopped(self):
        """
        :raises OthersSuspension: one of them is blocked or suspended; the sentence says which.
        """
        if self.env.su and self.env.context.get("emboux_erase"):
            return  # the job that erases what an ended customer had; its block is kept by the name
        # as superuser: that it is stopped is no secret to who may delete it
        for domain in self.sudo().filtered(lambda d: d.backend_id.kind == "local"):
            if domain.outbound_status == "blocked":
                raise OthersSuspension(
                    self.env._(
                        "Sending of %(domain)s is blocked (%(reason)s), so it can be neither "
                        "deleted nor archived. The operator has to let it send again first.",
                        domain=domain.display_name, reason=domain.outbound_reason or "-",
                    )
                )
            if domain.state == "suspended":
                raise OthersSuspension(
                    self.env._(
                        "%s is suspended, so it can be neither deleted nor archived. The operator "
                        "has to activate it first.",
                        domain.display_name,
                    )
                )

    # -- what the API does with domains beyond writing their fields --------------------

    @api.private
    def _mail_service(self):
        """What the domain's DNS and its mail programs have to know; looking changes nothing."""
        self.ensure_one()
        return self.backend_id._client().service(self._spec())

    @api.private
    def _delete_contents(self):
        """Delete the mailboxes and aliases, archived ones and those with mail in them too."""
        self._assert_not_stopped()
        self.ensure_one()
        domain = self.with_context(active_test=False)
        domain.alias_ids.unlink()
        domain.mailbox_ids._delete_with_mail()

    @api.private
    def _register_subdomain(self, name):
        """The subdomain of this name, ready to send by its wildcard parent; added when missing.

        ``self`` is the domain of this name, or none.
        :raises UserError: there is no wildcard parent above it.
        """
        # before it is added: a name that is somebody else's answers like one that is not there
        platform = self.env.ref("emboux_mail_api.backend_local")
        [vals] = self._with_parents(
            [{"name": name, "partner_id": self.partner_id.id, "backend_id": platform.id}]
        )
        if not vals.get("parent_id"):
            raise UserError(
                self.env._(
                    "There is no verified wildcard parent above %s whose subdomains you may use.",
                    name,
                )
            )
        domain = self or self.create({"name": name})
        if not domain.parent_id:
            # as superuser: the parent decides about verification, so it is not for users to write
            domain.sudo().write(
                {"parent_id": vals["parent_id"], "owned_since": vals["owned_since"]}
            )
            domain._change_state("verified", domain._verified_reason())
        return domain

    # -- waiting for name servers ------------------------------------------------------

    @api.model
    @api.private
    def _look_up_name(self, name, expected):
        """Ask the DNS about a domain that is not here; returns a ``DomainCheck``."""
        with self.env["emboux.request.slots"]._slot():
            return lookup.check_domains([(name, expected)], self._dns_resolver())[name]

    def _look_up(self, deadline):
        with self.env["emboux.request.slots"]._slot():
            return super()._look_up(deadline)
