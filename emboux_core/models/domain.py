# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain as SearchDomain

from .. import addresses
from ..backends.base import DomainSpec
from ..public_suffix import refuse_public_suffix
from .errors import plain_errors
from .fields import BigInteger


class Domain(models.Model):
    _name = "emboux.domain"
    _description = "Email Domain"
    _inherit = [
        "emboux.thread.mixin",
        "mail.activity.mixin",
        "emboux.system.fields.mixin",
        "emboux.provisioned.mixin",
    ]
    _order = "name, id"
    _rec_name = "name"
    _rec_names_search = ["name", "unicode_name"]
    _check_company_auto = True
    _provisioned_fields = frozenset({"state", "parent_id", "is_wildcard", "active"})
    _provision_key_field = "name"
    _validated_text_fields = frozenset({"name"})
    #: Field to the hook that is called for the domains in which a write has changed it, in this
    #: order; each class adds its own.
    _change_hooks = {
        "state": "_on_state_changed",
        "partner_id": "_on_owner_changed",
        "parent_id": "_on_parent_changed",
        "owned_since": "_on_ownership_changed",
    }
    _system_fields = frozenset(
        {
            "unicode_name", "parent_id", "owned_since", "state_before", "token", "usage_bytes",
            "dns_state", "last_check", "next_check", "check_message", "server_check",
            "server_check_at",
        }
    )

    name = fields.Char(
        "Domain", required=True, help="For example: example.com, bücher.example. Kept as A-label."
    )
    unicode_name = fields.Char("Domain Name", compute="_compute_unicode_name", store=True)
    active = fields.Boolean(default=True)
    backend_id = fields.Many2one(
        "emboux.backend",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
        default=lambda self: self.env["emboux.backend"].search(
            [("company_id", "in", (False, self.env.company.id))], limit=1
        ),
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    partner_id = fields.Many2one(
        "res.partner", "Owner", index="btree_not_null", tracking=True, check_company=True
    )
    user_id = fields.Many2one(
        "res.users",
        "Responsible",
        default=lambda self: self.env.user,
        tracking=True,
        help="Is notified when the DNS of this domain gets better or worse.",
    )
    parent_id = fields.Many2one(
        "emboux.domain",
        "Parent Domain",
        index="btree_not_null",
        ondelete="restrict",
        readonly=True,
        copy=False,
        tracking=True,
        help="The wildcard parent whose verification and DKIM identity this subdomain uses.",
    )
    child_ids = fields.One2many("emboux.domain", "parent_id", "Subdomains")
    is_wildcard = fields.Boolean(
        "Wildcard Parent",
        copy=False,
        tracking=True,
        help="Subdomains added below this domain are ready at once: they use its verification "
        "and DKIM identity.",
    )
    dns_record_ids = fields.One2many("emboux.dns.record", "domain_id", copy=False)
    zone_text = fields.Text("Zone File", compute="_compute_zone_text")
    mailbox_ids = fields.One2many("emboux.mailbox", "domain_id", copy=False)
    alias_ids = fields.One2many("emboux.alias", "domain_id", copy=False)
    # as superuser: who sees the domain may see how much is in it
    mailbox_count = fields.Integer(compute="_compute_mailbox_count", compute_sudo=True)
    alias_count = fields.Integer(compute="_compute_alias_count", compute_sudo=True)
    child_count = fields.Integer(compute="_compute_child_count", compute_sudo=True)
    usage_bytes = BigInteger("Usage (bytes)", readonly=True, copy=False)

    # a name belongs to whoever has proven it; until then several may claim it
    _name_unique = models.UniqueIndex(
        "(name, backend_id) WHERE owned_since IS NOT NULL",
        "This domain is on the backend already, and proven to be its owner's (perhaps archived).",
    )
    _claim_unique = models.UniqueIndex(
        "(name, backend_id, coalesce(partner_id, 0))",
        "This domain is on the backend already (perhaps archived).",
    )
    # Postfix looks up "which backend's domain is this name" for every message
    _name_index = models.Index("(name)")
    # ... as it is written in Unicode, too (SMTPUTF8, RFC 6531)
    _unicode_name_index = models.Index("(unicode_name)")

    @api.depends("name")
    def _compute_unicode_name(self):
        for domain in self:
            domain.unicode_name = addresses.display_domain(domain.name) if domain.name else False

    @api.depends("unicode_name")
    def _compute_display_name(self):
        for domain in self:
            domain.display_name = domain.unicode_name or self.env._("New")

    @api.depends(
        "dns_record_ids.expected", "dns_record_ids.name", "dns_record_ids.state",
        "dns_record_ids.found",
    )  # fmt: skip
    def _compute_zone_text(self):
        for domain in self:
            records = domain.dns_record_ids.filtered(lambda r: not r._has_policy())
            domain.zone_text = records._zone_text()

    # one by one: showing one of them costs one statement
    @api.depends("mailbox_ids")
    def _compute_mailbox_count(self):
        self._count("mailbox_count", "emboux.mailbox", "domain_id")

    @api.depends("alias_ids")
    def _compute_alias_count(self):
        self._count("alias_count", "emboux.alias", "domain_id")

    @api.depends("child_ids")
    def _compute_child_count(self):
        self._count("child_count", "emboux.domain", "parent_id")

    def _count(self, name, model, link):
        counts = dict(self.env[model]._read_group([(link, "in", self.ids)], [link], ["__count"]))
        for domain in self:
            domain[name] = counts.get(domain, 0)

    @api.model
    def _search_display_name(self, operator, value):
        """A full name is found in either form:  Bücher.example, xn--bcher-kva.example."""
        found = super()._search_display_name(operator, value)
        if operator not in ("=", "in", "like", "ilike"):
            return found
        for text in [value] if isinstance(value, str) else value or ():
            try:
                found |= SearchDomain("name", "=", addresses.normalise_domain(text))
            except addresses.AddressError:
                continue  # part of a name, as people search
        return found

    # -- create, write, delete: the one place of each, which calls the hooks --------------

    @api.model_create_multi
    def create(self, vals_list):
        given = vals_list
        self, vals_list = self._clean_create_vals([self._complete_values(dict(v)) for v in given])
        for vals in vals_list:
            with plain_errors():
                vals["name"] = addresses.normalise_domain(vals.get("name") or "")
                refuse_public_suffix(vals["name"])
            self._set_initial_state(vals)
        self._assert_may_be_added(vals_list)
        domains = super().create(self._with_parents(vals_list))
        domains.parent_id._refresh_outgoing_servers()
        self.env.ref("emboux_core.ir_cron_check_dns")._trigger()
        domains._on_created(given)
        return domains

    @api.model
    def _assert_may_be_added(self, vals_list):
        """On another platform a name is a single domain, whoever owns it here; hosts allow
        claims."""
        names = [vals["name"] for vals in vals_list]
        # as superuser: another company's is there too
        there = self.sudo().with_context(active_test=False).search(
            [("name", "in", names), ("backend_id.kind", "!=", "local")]
        )
        default = self.default_get(["backend_id"]).get("backend_id")
        wanted = {(vals["name"], vals.get("backend_id", default)) for vals in vals_list}
        for domain in there:
            if (domain.name, domain.backend_id.id) in wanted:
                raise ValidationError(
                    self.env._(
                        "%s is on the backend already (perhaps archived).", domain.display_name
                    )
                )

    def write(self, vals):
        self._assert_may_change(vals)
        vals = self._clean_write_vals(self._complete_values(dict(vals)))
        self._refuse_change(
            vals,
            {"backend_id", "company_id"},
            self.env._(
                "The backend and the company of a domain cannot be changed. Add the domain again "
                "there, and delete it here."
            ),
        )
        if "name" in vals:
            with plain_errors():
                name = addresses.normalise_domain(vals["name"] or "")
            if any(domain.name != name for domain in self):
                raise UserError(
                    self.env._(
                        "A domain cannot be renamed, because its mailboxes and DNS records go by "
                        "its name. Add the new domain instead."
                    )
                )
            del vals["name"]
        if vals.get("active") is False and (attached := self.child_ids - self):
            raise UserError(
                self.env._("Archive its subdomains first: %s", ", ".join(
                    attached.mapped("display_name")))
            )
        if "is_wildcard" in vals:
            # what its subdomains need is looked up now
            vals["next_check"] = fields.Datetime.now()
            # as superuser: the cron is not for users to read
            self.env.ref("emboux_core.ir_cron_check_dns").sudo()._trigger()
        reaches = {"active", "is_wildcard", "parent_id", "partner_id"} & set(vals)
        concerned = self | self.parent_id if reaches else self.browse()
        changed = self._changed_by(vals)
        before = {name: {d: d[name] for d in domains} for name, domains in changed.items()}
        self._before_change(vals, changed)
        done = super().write(vals)
        if reaches:
            (concerned | self.parent_id)._refresh_outgoing_servers()
        for name, domains in changed.items():
            getattr(domains, self._hooks()[name])(before[name], vals)
        return done

    def _hooks(self):
        hooks = {}
        for declared in reversed(type(self).__mro__):
            hooks |= vars(declared).get("_change_hooks", {})
        return hooks

    def _changed_by(self, vals):
        """Field with a hook to the domains that have another value than these now."""
        changed = {}
        for name in filter(vals.__contains__, self._hooks()):
            field = self._fields[name]
            new = field.convert_to_cache(vals[name], self)
            changed[name] = self.filtered(
                lambda d, f=field, n=new: f.convert_to_cache(d[f.name], d) != n
            )
        return {name: domains for name, domains in changed.items() if domains}

    @api.ondelete(at_uninstall=False)
    def _unlink_except_in_use(self):
        mailboxes = self.env["emboux.mailbox"].with_context(active_test=False)
        for domain in self.with_context(active_test=False):
            if count := mailboxes.search_count([("domain_id", "=", domain.id)]):
                raise UserError(
                    self.env._(
                        "%(name)s still has %(count)s mailboxes with mail in them. Delete "
                        "these first, or archive the domain.",
                        name=domain.display_name,
                        count=count,
                    )
                )
            # as superuser: subdomains may be other customers'
            if domain.sudo().child_ids - self.sudo():
                raise UserError(
                    self.env._("%s still has subdomains. Delete these first.", domain.display_name)
                )

    def unlink(self):
        then = self._before_deleted()
        done = super().unlink()
        for do in then:
            do()
        return done

    # -- hooks, which other files and add-ons extend -------------

    @api.model
    def _complete_values(self, vals):
        """The values of a domain that is made or written, as they shall be stored."""
        return vals

    def _on_created(self, given):
        """They have just been added, and their backends told.

        ``given``: a dictionary for each, as whoever added them gave it.
        """

    def _assert_may_change(self, vals):
        """Refuse a write, before anything is done for it."""

    def _before_change(self, vals, changed):
        """These values are about to be written.  ``changed``: field to domains in which it is
        a change; of fields with a hook alone."""

    def _on_state_changed(self, before, vals):
        """``before``: domain to its former value, here and below; ``vals``: what was written."""

    def _on_owner_changed(self, before, vals):
        """They belong to another partner, or to nobody."""

    def _on_parent_changed(self, before, vals):
        """They have come below a wildcard parent, or stand alone."""

    def _on_ownership_changed(self, before, vals):
        """They were proven to be their owners', or are not any more."""

    def _before_deleted(self):
        """Do what has to be done while they are there.

        Returns what is to be done when they are gone: functions, in their order.
        """
        self.env["emboux.odoo.mail"]._leave(self)
        self.with_context(active_test=False).alias_ids.unlink()
        parents = self.parent_id - self
        return [parents._refresh_outgoing_servers]

    # -- provisioning ------------------------------------------------------------------

    def _spec(self, with_password=False):
        self.ensure_one()
        return DomainSpec(
            record=self.id,
            name=self.name,
            suspended=self.state == "suspended" or not self.active,
            parent=self.parent_id.name or None,
            wildcard=self.is_wildcard,
        )

    def _provision_call(self, client, secret=None, with_password=False):
        return partial(client.ensure_domain, self._spec())

    def _provisioned(self, client, answer):
        if client.verifies_domains:
            self._apply_service(client, answer)
        else:
            self.dns_record_ids._align(self, answer)
            if client.names_hosts:
                self.backend_id._apply_hosts(answer)

    @api.model
    def _provision_delete(self, client, key):
        client.delete_domain(key)

    # -- actions ----------------------------------------------------------------

    def action_use_for_odoo(self):
        """Show what it takes that Odoo itself sends and receives by this domain."""
        self.ensure_one()
        return self.env["emboux.odoo.mail"]._start(self)._open()

    def action_open_mailboxes(self):
        return self._open("emboux_core.action_mailbox")

    def action_open_aliases(self):
        return self._open("emboux_core.action_alias")

    def action_open_usage(self):
        return self._open("emboux_core.action_mailbox_usage")

    def action_open_children(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_domain")
        return action | {"domain": [("parent_id", "=", self.id)], "context": {}}

    def _open(self, xml_id):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(xml_id)
        return action | {
            "domain": [("domain_id", "=", self.id)],
            "context": {"default_domain_id": self.id},
        }

    # -- wildcard parents: subdomains added below one are ready at once ----------------

    @api.constrains("is_wildcard", "parent_id")
    def _check_wildcard(self):
        for domain in self.filtered(lambda d: d.is_wildcard and d.parent_id):
            raise ValidationError(
                self.env._(
                    "%(name)s is itself a subdomain of %(parent)s, so it cannot be a wildcard "
                    "parent.",
                    name=domain.display_name,
                    parent=domain.parent_id.display_name,
                )
            )
        # as superuser: subdomains may be other customers'
        for domain in self.sudo().filtered(lambda d: not d.is_wildcard and d.child_ids):
            raise ValidationError(
                self.env._(
                    "%(name)s has to stay a wildcard parent while it has subdomains: "
                    "%(children)s. Delete or detach these first.",
                    name=domain.display_name,
                    children=", ".join(domain.child_ids.mapped("display_name")),
                )
            )

    def _search_parents(self, names):
        """The verified wildcard parents of these names that whoever asks may use."""
        return self.search(
            [("name", "in", names), ("is_wildcard", "=", True), ("state", "=", "verified")]
        )

    def _with_parents(self, vals_list):
        """Link each new name to the verified wildcard parent above it, if there is one."""
        above = {
            vals["name"]: [
                vals["name"].split(".", depth)[-1] for depth in range(1, vals["name"].count("."))
            ]
            for vals in vals_list
        }
        parents = self._search_parents(list({name for names in above.values() for name in names}))
        for vals in vals_list:
            near = [
                parent
                for name in above[vals["name"]]
                for parent in parents
                if parent.name == name
                and vals.get("backend_id", parent.backend_id.id) == parent.backend_id.id
                and vals.get("company_id", self.env.company.id) == parent.company_id.id
            ]
            if near:
                vals |= {"parent_id": near[0].id, "backend_id": near[0].backend_id.id}
                if not near[0]._verified_by_platform():  # else its platform says it
                    vals |= {"state": "verified", "owned_since": fields.Datetime.now()}
        return vals_list

    @api.private
    def _set_parent(self, parent, wildcard, detach=False):
        """Set or clear the domain's wildcard parent, and whether it is one itself.

        ``detach``: its subdomains may be cut off when it is none any more.
        :raises UserError: with what would become of which subdomains, unless ``detach``.
        """
        self.ensure_one()
        self.check_access("write")
        if parent:
            self._assert_fits_under(parent)
        if parent != self.parent_id:
            if parent:
                # as superuser: the parent decides about verification, it is not for users to write
                self.sudo().parent_id = parent
                self._change_state("verified", self._verified_reason())
            else:
                self._detach()
        if wildcard != self.is_wildcard:
            # as superuser: subdomains may be other customers'
            if self.sudo().child_ids:
                if not detach:
                    raise UserError("\n".join(self._consequences("dissolve")))
                self.sudo().child_ids._detach()
            self.is_wildcard = wildcard

    def _assert_fits_under(self, parent):
        if not self.name.endswith(f".{parent.name}"):
            raise UserError(
                self.env._(
                    "%(name)s is not below %(parent)s.",
                    name=self.display_name,
                    parent=parent.display_name,
                )
            )
        if not parent.is_wildcard or parent.state != "verified":
            raise UserError(
                self.env._("%s is not a verified wildcard parent.", parent.display_name)
            )
        if parent.backend_id != self.backend_id or parent.company_id != self.company_id:
            raise UserError(self.env._("%s is on another backend.", parent.display_name))

    def _detach(self):
        """Detach subdomains: neither their name nor their mail is verified any more."""
        # as superuser: the parent decided about verification, it is not for users to write
        for domain in self.sudo().filtered("parent_id"):
            parent = domain.parent_id.display_name
            domain.write({"parent_id": False, "owned_since": False})
            domain._change_state("pending", self.env._("Detached from %s.", parent))

    def _consequences(self, change):
        """What a change would do to which subdomains, a sentence each; changes nothing.

        ``change``: *detach* this subdomain, *dissolve* this wildcard parent, *unverify* it.
        """
        self.ensure_one()
        # as superuser: other customers' subdomains are hit too
        hit = self.sudo() if change == "detach" else self.sudo().child_ids
        if change == "unverify":
            effect = self.env._(
                "%(name)s (%(mailboxes)s mailboxes) cannot send until %(parent)s is verified "
                "again; it keeps taking mail."
            )
        else:
            effect = self.env._(
                "%(name)s (%(mailboxes)s mailboxes) neither sends nor receives new mail until its "
                "own DNS records verify it; %(parent)s no longer vouches for it."
            )
        return [
            effect
            % {
                "name": domain.display_name,
                "mailboxes": domain.mailbox_count,
                "parent": domain.parent_id.display_name,
            }
            for domain in hit
        ]

    def action_change_parent(self):
        """Ask before subdomains are detached; the change comes in the context."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Effects"),
            "res_model": "emboux.parent.change",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_domain_id": self.id,
                "default_change": self.env.context.get("change", "detach"),
            },
        }

    # -- effects on other records -------------------------------------------------------

    def _refresh_outgoing_servers(self):
        """Subdomains were added, deleted or changed hands: update Odoo's outgoing servers."""
        if self:
            # as superuser: whoever adds a subdomain need not administer Odoo's mail servers;
            # archived ones too, they may come back
            self.env["ir.mail_server"].sudo().search(
                [("emboux_mailbox_id.domain_id", "in", self.ids), ("active", "in", (True, False))]
            )._refresh_from_filter()

    def _sum_usage(self):
        """Add up the mailboxes; as superuser, because the sum follows and is not for users to
        write."""
        sums = dict(
            self.env["emboux.mailbox"].sudo().with_context(active_test=False)._read_group(
                [("domain_id", "in", self.ids)], ["domain_id"], ["usage_bytes:sum"]
            )
        )
        for domain in self.sudo():
            if domain.usage_bytes != (total := sums.get(domain, 0)):
                domain.usage_bytes = total
