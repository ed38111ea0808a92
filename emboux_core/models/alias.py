from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from .. import addresses
from ..backends.base import AliasSpec
from .errors import plain_errors

DEEPEST = 10  # aliases of aliases; Postfix' own limit is higher
#: Where an alias leads to, as an array in SQL, without tags after +: they reach the same mailbox.
#: "Who leads to this address" is asked with && or @> of it, and answered by an index.
GOALS = r"string_to_array(regexp_replace(%s, '[+][^@\n]*@', '@', 'g'), E'\n')"


class Alias(models.Model):
    _name = "emboux.alias"
    _description = "Email Alias"
    _inherit = ["emboux.thread", "emboux.provisioned", "emboux.address.mixin"]
    _order = "kind desc, email, id"
    _rec_names_search = ["email", "destinations"]
    _check_company_auto = True
    _provisioned_fields = frozenset({"destinations", "active"})
    _followed_fields = frozenset({"email", "company_id"})

    # a page of a domain's aliases, and how many there are: see the mailboxes'
    _domain_email_index = models.Index(
        "(domain_id, email) INCLUDE (company_id) WHERE active IS TRUE"
    )

    _goals_index = models.Index(f"USING gin ({GOALS % 'destinations'})")

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
    destinations_shown = fields.Text("Delivers To", compute="_compute_destinations_shown")
    destination_count = fields.Integer(compute="_compute_destinations_shown")

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
        self, vals_list = self._guard_create(vals_list)
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
        aliases._log_creation(self.env._("Alias created"))
        aliases._on_created()
        return aliases

    def write(self, vals):
        vals = self._guard_write(vals)
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

    # hooks, which other add-ons extend; they call super() first

    def _on_created(self):
        """They have just been added, and their backends told."""

    def _on_written(self, vals, before):
        """Where they lead was written, or whether they do.

        ``before``: alias to its former destinations and whether it was active.
        """

    def _normalise(self, vals):
        if "destinations" in vals:
            with plain_errors():
                vals["destinations"] = "\n".join(
                    addresses.parse_destinations(vals["destinations"] or "")
                )

    @api.model
    def _leading_to(self, emails):
        """Search domain: the aliases that deliver to one of these addresses, or to it with a tag.

        ``emails``: without tags.
        """
        self.flush_model(["destinations"])
        wanted = sorted(emails)
        return Domain.custom(
            to_sql=lambda _model, alias, _query: SQL(
                f"{GOALS} && %s::text[]", SQL.identifier(alias, "destinations"), wanted
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
        hosted = _Hosted(self.env, self.backend_id)
        for backend, aliases in self.grouped("backend_id").items():
            passed = {address for alias in aliases for address in hosted.assert_arrives(alias)}
            if passed:
                self.env["emboux.address"]._meet(backend, aliases.mapped("email"), passed)

    # -- provisioning --------------------------------------------------------------------

    def _spec(self, with_password=False):
        """An archived alias is not there."""
        self.ensure_one()
        return AliasSpec(self.email, self._destination_list()) if self.active else None

    def _provision_ensure(self, client, secret=None, with_password=False):
        if spec := self._spec():
            client.ensure_alias(spec)
        else:
            client.delete_alias(self.email)

    @api.model
    def _provision_delete(self, client, key):
        client.delete_alias(key)


class _Hosted:
    """Follows hosted addresses to where their mail ends, one query for each level."""

    def __init__(self, env, backends):
        self.env = env
        self.backends = backends
        self.passed = set()

    def assert_arrives(self, alias):
        """Raise ``ValidationError`` when the alias' mail comes back to it or goes nowhere.

        Returns the addresses of domains here that its mail passes.
        """
        seen, self.passed = {alias.email}, set()
        level = set(alias._destination_list())
        for _depth in range(DEEPEST):
            # a tag after + reaches the same mailbox
            level = {_without_tag(address) for address in level}
            next_level = self._follow(level, alias)
            if alias.email in next_level:
                raise ValidationError(
                    self.env._(
                        "%(alias)s would form a loop: its mail comes back to it by way of "
                        "%(destinations)s.",
                        alias=alias.display_name,
                        destinations=", ".join(alias._destination_list()),
                    )
                )
            level = next_level - seen
            if not level:
                return self.passed
            seen |= level
        raise ValidationError(
            self.env._(
                "%(alias)s passes through more than %(limit)s other aliases. Point it at the "
                "mailboxes directly.",
                alias=alias.display_name,
                limit=DEEPEST,
            )
        )

    def _follow(self, level, origin):
        """Where the mail of these addresses goes next; mailboxes and outsiders end here."""
        # as superuser: a loop may pass through a company that the user does not see
        # within what one owner has: of others' addresses nobody learns whether they are there
        owner = origin.domain_id.sudo().partner_id.id
        held = self.env["emboux.address"].sudo().search_fetch(
            Domain("email", "in", list(level))
            & (Domain("mailbox_id.domain_id.partner_id", "=", owner)
               | Domain("alias_id.domain_id.partner_id", "=", owner))
            & Domain("backend_id", "in", self.backends.ids)
            # an archived one takes no mail
            & (Domain("mailbox_id.active", "=", True) | Domain("alias_id.active", "=", True)),
            ["email", "mailbox_id", "alias_id"],
        )
        onward = set()
        self.passed.update(held.mapped("email"))
        for alias in held.alias_id:
            onward.update(_without_tag(address) for address in alias._destination_list())
        missing = level - set(held.mapped("email"))
        domains = {address.partition("@")[2] for address in missing}
        hosted = self.env["emboux.domain"].sudo().search_fetch(
            Domain("name", "in", list(domains))
            & Domain("partner_id", "=", owner)
            & Domain("backend_id", "in", self.backends.ids)
            # what somebody merely claims is still outside
            & (Domain("owned_since", "!=", False) | Domain("id", "=", origin.domain_id.id)),
            ["name"],
        )
        if not hosted:
            return onward
        catch_alls = self.env["emboux.alias"].sudo().search_fetch(
            [("kind", "=", "catch_all"), ("domain_id", "in", hosted.ids)],
            ["domain_id", "email", "destinations"],
        )
        by_domain = {alias.domain_id.name: alias for alias in catch_alls}
        for address in sorted(missing):
            domain = address.partition("@")[2]
            if domain not in hosted.mapped("name"):
                continue
            catch_all = by_domain.get(domain)
            if catch_all is None:
                raise ValidationError(
                    self.env._(
                        "%(alias)s points at %(address)s, which does not exist. Make that mailbox "
                        "first, or correct the address.",
                        alias=origin.display_name,
                        address=addresses.display_address(address),
                    )
                )
            if catch_all == origin:
                raise ValidationError(
                    self.env._(
                        "The catch-all %(alias)s points at %(address)s, which does not exist and "
                        "so is caught by it again. Choose a mailbox that exists.",
                        alias=origin.display_name,
                        address=addresses.display_address(address),
                    )
                )
            onward.add(catch_all.email)
        self.passed |= onward
        return onward


def _without_tag(address):
    local, _at, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"
