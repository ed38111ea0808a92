# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from .. import addresses
from ..alias_graph import MAX_DEPTH, TooDeep, follow
from ..backends.base import AliasSpec, ListRules
from .errors import plain_errors
from .mail_route import ForwardRoutes, LoopError, MailRoutes

#: Where an alias leads to, as an array in SQL, without tags after +: they reach the same mailbox.
#: "Who leads to this address" is asked with && or @> of it, and answered by an index.
DESTINATIONS_SQL = r"string_to_array(regexp_replace(%s, '[+][^@\n]*@', '@', 'g'), E'\n')"


class Alias(models.Model):
    _name = "emboux.alias"
    _description = "Email Alias"
    _inherit = ["emboux.thread.mixin", "emboux.provisioned.mixin", "emboux.address.mixin"]
    _order = "kind desc, email, id"
    _rec_names_search = ["email", "destinations"]
    _check_company_auto = True
    _provisioned_fields = frozenset(
        {"destinations", "active", "is_open", "shows_members", "members_send"}
    )
    _system_fields = frozenset({"email", "company_id"})

    # a page of a domain's aliases, and their count: see mailbox.py
    _domain_email_index = models.Index(
        "(domain_id, email) INCLUDE (company_id) WHERE active IS TRUE"
    )

    _goals_index = models.Index(f"USING gin ({DESTINATIONS_SQL % 'destinations'})")

    active = fields.Boolean(default=True)
    kind = fields.Selection(
        [("forward", "Forward"), ("catch_all", "Catch-All")],
        default="forward",
        required=True,
        help="A catch-all takes the mail of every address of the domain that does not exist.",
    )
    local_part = fields.Char(help="Empty for a catch-all.")
    destinations = fields.Text(
        required=True, tracking=True, help="Where the mail goes: one address on each line."
    )
    # of platforms that know a difference
    has_rules = fields.Boolean(compute="_compute_has_rules")
    is_open = fields.Boolean(
        "Anyone May Write", default=True, tracking=True,
        help="Else the members alone: a message from anybody else is refused.",
    )
    shows_members = fields.Boolean(
        "Members See Each Other", tracking=True,
        help="Each member may see on the platform who the others are.",
    )
    members_send = fields.Boolean(
        "Members May Send As", default=True, tracking=True,
        help="Each member may send with the alias as the sender.",
    )
    destinations_shown = fields.Text("Delivers To", compute="_compute_destinations_shown")
    destination_count = fields.Integer(compute="_compute_destinations_shown")

    @api.depends("domain_id", "kind")
    def _compute_has_rules(self):
        for alias in self:
            # as superuser: who sees the alias need not see its backend
            alias.has_rules = alias.kind == "forward" and alias.sudo().backend_id.lists

    @api.depends("destinations")
    def _compute_destinations_shown(self):
        """As people read them: Unicode instead of A-labels."""
        for alias in self:
            destinations = alias._destination_list()
            alias.destinations_shown = "\n".join(map(addresses.display_address, destinations))
            alias.destination_count = len(destinations)

    @api.onchange("kind")
    def _onchange_kind(self):
        if self.kind == "catch_all":
            self.local_part = False

    def _destination_list(self):
        self.ensure_one()
        return tuple((self.destinations or "").split("\n")) if self.destinations else ()

    @api.model_create_multi
    def create(self, vals_list):
        self, vals_list = self._clean_create_vals(vals_list)
        for vals in vals_list:
            self._normalise(vals)
            if vals.get("kind", "forward") == "catch_all":
                if vals.get("local_part"):
                    raise ValidationError(
                        self.env._(
                            "A catch-all has no address of its own: leave '%s' out, or make it a "
                            "forward.",
                            vals["local_part"],
                        )
                    )
                vals["local_part"] = False
            else:
                vals["local_part"] = self._normalise_local_part(vals.get("local_part") or "")
        aliases = super(Alias, self.with_context(mail_create_nolog=True)).create(vals_list)
        aliases = aliases.with_env(self.env)
        aliases._note(self.env._("Alias created"))
        aliases._on_created()
        return aliases

    def write(self, vals):
        vals = self._clean_write_vals(vals)
        self._normalise(vals)
        for field in ("local_part", "domain_id", "kind"):
            if field not in vals:
                continue
            value = vals.pop(field)
            if field == "local_part" and value:
                value = self._normalise_local_part(value)
            now = [a.domain_id.id if field == "domain_id" else a[field] for a in self]
            if any((value or False) != (current or False) for current in now):
                raise UserError(
                    self.env._(
                        "The address of an alias cannot be changed. Make a new alias and delete "
                        "this one."
                    )
                )
        before = {alias: (alias.destinations, alias.active) for alias in self}
        done = super().write(vals)
        if {"destinations", "active"} & set(vals):
            self._on_written(vals, before)
        return done

    # hooks, which other add-ons extend

    def _on_created(self):
        """They have just been added, and their backends told."""
        self._check_forward_loops()

    def _on_written(self, vals, before):
        """Where they lead was written, or whether they do.

        ``before``: alias to its former destinations and whether it was active.
        """
        # hosts send all their aliases again and again: what stays the same needs no look
        self.filtered(
            lambda alias: before[alias] != (alias.destinations, alias.active)
        )._check_forward_loops()

    def _normalise(self, vals):
        if "destinations" in vals:
            with plain_errors():
                vals["destinations"] = "\n".join(
                    addresses.parse_destinations(vals["destinations"] or "")
                )

    @api.model
    def _delivering_to(self, emails):
        """Search domain: the aliases that deliver to one of these addresses, or to it with a tag.

        ``emails``: without tags.
        """
        self.flush_model(["destinations"])
        wanted = sorted(emails)
        return Domain.custom(
            to_sql=lambda _model, alias, _query: SQL(
                f"{DESTINATIONS_SQL} && %s::text[]", SQL.identifier(alias, "destinations"), wanted
            )
        )

    # -- no loops ------------------------------------------------------------------------

    @api.constrains("destinations", "active", "email")
    def _check_loops(self):
        for alias in self:
            if alias.email in alias._destination_list():
                raise ValidationError(
                    self.env._("%s points at itself, so its mail would never arrive.",
                               alias.display_name)
                )
        for backend, aliases in self.grouped("backend_id").items():
            routes = {alias: alias._assert_arrives() for alias in aliases}
            passed = {address for route in routes.values() for address in route.passed}
            if not passed:
                continue
            self.env["emboux.address"]._force_conflict(backend, aliases.mapped("email"), passed)
            mailboxes = self.env["emboux.mailbox"].union(*(r.mailboxes for r in routes.values()))
            odoos = mailboxes._taken_by_odoo()
            for alias, route in routes.items() if odoos else ():
                alias._assert_no_catch_all_of_odoo(odoos & route.mailboxes, route)

    def _assert_arrives(self):
        """Raise ``ValidationError`` when the mail comes back to the alias or goes nowhere.

        Returns the ``MailRoutes`` that it was followed by.
        """
        routes = MailRoutes(self.env, self.domain_id)

        def step(level):
            onward, caught = routes.step(level)
            for address, catch_all in caught.items():
                self._assert_exists(address, catch_all)
            return onward

        try:
            for level in follow(self._destination_list(), step):
                if self.email in level:
                    raise ValidationError(
                        self.env._(
                            "%(alias)s would form a loop: its mail comes back to it by way of "
                            "%(destinations)s.",
                            alias=self.display_name,
                            destinations=", ".join(self._destination_list()),
                        )
                    )
        except TooDeep:
            raise ValidationError(
                self.env._(
                    "%(alias)s passes through more than %(limit)s other aliases. Point it at the "
                    "mailboxes directly.",
                    alias=self.display_name,
                    limit=MAX_DEPTH,
                )
            ) from None
        return routes

    def _assert_exists(self, address, catch_all):
        """``catch_all``: the one that takes the mail of an address that nobody has, or None."""
        if catch_all is None:
            raise ValidationError(
                self.env._(
                    "%(alias)s points at %(address)s, which does not exist. Make that mailbox "
                    "first, or correct the address.",
                    alias=self.display_name,
                    address=addresses.display_address(address),
                )
            )
        if catch_all == self.email:
            raise ValidationError(
                self.env._(
                    "The catch-all %(alias)s points at %(address)s, which does not exist and so is "
                    "caught by it again. Choose a mailbox that exists.",
                    alias=self.display_name,
                    address=addresses.display_address(address),
                )
            )

    # -- an alias may lead to a mailbox that forwards to it ----------------------------

    def _check_forward_loops(self):
        for domain, aliases in self.filtered("active").grouped("domain_id").items():
            if ForwardRoutes(self.env, domain).forwards():  # else ``_check_loops`` was enough
                for alias in aliases:
                    alias._assert_no_way_back(ForwardRoutes(self.env, domain))

    def _assert_no_way_back(self, routes):
        try:
            routes.assert_no_way_back(self.email, self._destination_list(), must_exist=False)
        except LoopError as error:
            raise ValidationError(
                self.env._(
                    "%(alias)s cannot deliver to %(address)s: that mailbox forwards its mail, "
                    "which would come back to %(alias)s.",
                    alias=self.display_name,
                    address=addresses.display_address(error.by),
                )
            ) from error
        self._assert_no_catch_all_of_odoo(routes.mailboxes._taken_by_odoo(), routes)

    # -- provisioning --------------------------------------------------------------------

    def _spec(self, with_password=False):
        """An archived alias does not exist on the platform."""
        self.ensure_one()
        if not self.active:
            return None
        rules = ListRules(self.is_open, self.shows_members, self.members_send)
        return AliasSpec(self.email, self._destination_list(), rules if self.has_rules else None)

    def _provision_call(self, client, secret=None, with_password=False):
        if spec := self._spec():
            return partial(client.ensure_alias, spec)
        return partial(client.delete_alias, self.email)

    def _provisioned(self, client, answer):
        super()._provisioned(client, answer)
        if not answer or not self._spec():
            return
        left = [address for address in self._destination_list() if address not in answer]
        # as superuser, and as the platform's outcome: it is so there already
        self.sudo().write({"destinations": "\n".join(left), "sync_state": "done"})
        self._message_log(
            body=self.env._(
                "%(backend)s left out %(addresses)s: another member is the same mailbox, which "
                "would have got each message twice.",
                backend=self.backend_id.display_name,
                addresses=", ".join(map(addresses.display_address, answer)),
            )
        )

    @api.model
    def _provision_delete(self, client, key):
        client.delete_alias(key)
