# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import hmac
import ipaddress
import logging
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from psycopg2.errors import SerializationFailure
from psycopg2.pool import PoolError

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.orm.models import NO_ACCESS

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors, refuse_unfit_text
from odoo.addons.emboux_core.transactions import each_in_own_transaction

from .. import keys

_logger = logging.getLogger(__name__)
logging.getLogger("werkzeug").addFilter(keys.RedactKeys())

WRONG_ADDRESS = "This key may not be used from your address"
LOOK_UP = """
    SELECT k.id, k.user_id, k.role, k.partner_id, k.read_only, k.area, k.domain_name, k.sender,
           k.test,
           k.token_hash, k.networks, k.expires_at, k.revoked_at, k.last_used,
           coalesce(c.mailbox_limit, 0) > 0 AS mailboxes_limited,
           coalesce(c.alias_limit, 0) > 0 AS aliases_limited,
           now() AT TIME ZONE 'UTC' AS now
      FROM emboux_api_key k LEFT JOIN emboux_customer c USING (partner_id)
     WHERE k.token_hash = %s"""
EXPIRING = timedelta(days=7)
USED_EVERY = timedelta(minutes=1)  # how exactly "last used" is kept


class KeyRefused(Exception):
    """Why a key is refused; ``str()`` is for its bearer."""


class AddressRefused(Exception):
    """The key is valid, but not from this address."""


@dataclass(frozen=True)
class Bearer:
    """The caller: what the API needs to know of a key for one request."""

    id: int
    user_id: int
    role: str
    partner_id: int | None
    read_only: bool
    area: str
    domain_name: str | None
    sender: str | None
    test: bool
    mailboxes_limited: bool
    aliases_limited: bool
    token: str = field(repr=False)


class ApiKey(models.Model):
    """A key to the REST API.

    Each key has a technical user of its own, archived and without password, like OdooBot:
    groups and record rules decide what the key reaches, and what it did carries its name.
    """

    _name = "emboux.api.key"
    _description = "API Key"
    _inherit = ["emboux.thread.mixin", "emboux.system.fields.mixin", "emboux.audited.mixin"]
    _order = "id desc"
    _system_fields = frozenset(
        {
            "role", "partner_id", "user_id", "token_hash", "token_hint", "read_only", "area",
            "domain_name", "sender", "test", "revoked_at", "expiry_told_for", "last_used",
            "last_address",
        }
    )
    _audited_fields = (
        "name", "role", "partner_id", "read_only", "area", "domain_name", "sender", "test",
        "networks",
        "expires_at", "revoked_at",
    )
    _long_text_fields = frozenset({"networks"})

    name = fields.Char(required=True, tracking=True, help="What it is used for, for example: Shop.")
    role = fields.Selection(
        [("customer", "Customer"), ("master", "Master")],
        required=True,
        default="customer",
        readonly=True,
        help="A master key may do everything; a customer's key is limited to that customer.",
    )
    partner_id = fields.Many2one(
        "res.partner", "Customer", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    user_id = fields.Many2one(
        "res.users", "Technical User", required=True, readonly=True, ondelete="restrict"
    )
    token_hash = fields.Char(required=True, groups=NO_ACCESS)
    token_hint = fields.Char("Ends in", readonly=True)
    read_only = fields.Boolean(readonly=True, help="It can read, but change nothing.")
    area = fields.Selection(
        [("all", "Everything"), ("domains", "Domains"), ("mailboxes", "Mailboxes and Aliases"),
         ("send", "Messages"), ("metrics", "Metrics for Prometheus")],
        "Reaches",
        required=True,
        default="all",
        readonly=True,
        help="Messages: send mail, and see what became of it. Metrics: numbers of the whole "
             "platform, by a master key.",
    )
    domain_name = fields.Char("Only This Domain", readonly=True)
    sender = fields.Char(
        "Only This Sender", readonly=True, help="The one address that it may send from.")
    test = fields.Boolean(
        readonly=True, help="Mail that it sends does not leave; what would become of it is played.")
    networks = fields.Char(
        "Allowed Networks",
        tracking=True,
        help="Networks it may be used from, separated by commas: 192.0.2.0/24, 2001:db8::/32. "
             "Empty means anywhere.",
    )
    expires_at = fields.Datetime("Expires", tracking=True)
    revoked_at = fields.Datetime("Revoked", readonly=True, tracking=True)
    expiry_told_for = fields.Datetime(readonly=True, copy=False)
    last_used = fields.Datetime(readonly=True)
    last_address = fields.Char("Last Used From", readonly=True)
    state = fields.Selection(
        [("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked")],
        compute="_compute_state",
        search="_search_state",
    )

    _hash_unique = models.UniqueIndex("(token_hash)")
    _customer_has_partner = models.Constraint(
        "CHECK ((role = 'customer') = (partner_id IS NOT NULL))",
        "A customer's key belongs to a customer, a master key to nobody.",
    )

    @api.depends("revoked_at", "expires_at")
    def _compute_state(self):
        now = fields.Datetime.now()
        for key in self:
            expired = key.expires_at and key.expires_at <= now
            key.state = "revoked" if key.revoked_at else "expired" if expired else "active"

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        now = fields.Datetime.now()
        found = {
            "revoked": [("revoked_at", "!=", False)],
            "expired": [("revoked_at", "=", False), ("expires_at", "<=", now)],
            "active": [
                ("revoked_at", "=", False),
                "|", ("expires_at", "=", False), ("expires_at", ">", now),
            ],
        }
        return fields.Domain.OR(found[state] for state in value if state in found)

    @api.constrains("networks")
    def _check_networks(self):
        for key in self:
            for text in networks_of(key.networks):
                try:
                    ipaddress.ip_network(text)
                except ValueError as error:
                    raise ValidationError(
                        self.env._(
                            "'%s' is not a network such as 192.0.2.0/24 or 2001:db8::/32.", text
                        )
                    ) from error

    # -- made and revoked ----------------------------------------------------------------

    @api.model
    @api.private
    def _make(self, values):
        """Make a key; returns it and its secret, which nobody can read again.

        ``values``: name, role, partner_id, read_only, area, domain_name, sender, test, networks,
        expires_at.
        """
        if not (self.env.su or self.env.user.has_group("emboux_core.group_admin")):
            raise AccessError(self.env._("Only an administrator of Email Hosting can create keys."))
        values = dict(values)
        values.setdefault("role", "customer")
        refuse_unfit_text(self, values, long={"networks"})  # the key is made as superuser
        if values.get("domain_name"):
            with plain_errors():
                values["domain_name"] = addresses.normalise_domain(values["domain_name"])
        if values.get("sender"):
            with plain_errors():
                values["sender"] = addresses.normalise_address(values["sender"])
        if values.get("expires_at") and values["expires_at"] <= fields.Datetime.now():
            raise ValidationError(self.env._("The expiry of a key has to be in the future."))
        if values["role"] == "customer" and not values.get("partner_id"):
            raise ValidationError(self.env._("Choose the customer that the key is for."))
        if values["role"] == "customer" and values.get("area") == "metrics":
            raise ValidationError(
                self.env._("Metrics are of the whole platform: a master key reads them."))
        secret = keys.generate()
        # as superuser: technical users and hashes are made here and by nobody else
        key = self.sudo().create(
            {
                **values,
                "user_id": self._make_user(values).id,
                "token_hash": keys.digest(secret),
                "token_hint": secret[-4:],
            }
        )
        if key.partner_id:
            self.env["emboux.customer"].sudo()._ensure(key.partner_id)
        return key.with_env(self.env), secret

    def _make_user(self, values):
        """The technical user whose groups and record rules are the key's reach."""
        master = values["role"] == "master"
        group = "emboux_core.group_admin" if master else "emboux_mail_api.group_customer"
        companies = self.env["res.company"].sudo()._all_companies() if master else self.env.company
        return self.env["res.users"].sudo().with_context(no_reset_password=True).create(
            {
                "name": values["name"],
                "login": f"emboux-api-{secrets.token_hex(8)}",
                "active": False,
                "group_ids": [fields.Command.set(self.env.ref(group).ids)],
                "company_id": self.env.company.id,
                "company_ids": [fields.Command.set(companies.ids)],
                "emboux_partner_id": values.get("partner_id"),
                "emboux_domain_name": values.get("domain_name"),
                "notification_type": "email",
            }
        )

    def write(self, vals):
        vals = self._clean_write_vals(vals)
        done = super().write(vals)
        if "name" in vals:
            # as superuser: the technical user is not for users to edit
            self.sudo().user_id.partner_id.name = vals["name"]
        return done

    @api.model
    def _reach_every_company(self):
        """A master key works for all companies, future ones too."""
        every = self.env["res.company"]._all_companies()
        masters = self.with_context(active_test=False).search([("role", "=", "master")]).user_id
        masters.filtered(lambda user: every - user.company_ids).write(
            {"company_ids": [fields.Command.set(every.ids)]}
        )

    def action_revoke(self):
        """The key is refused from now on.  It stays in the list, for the audit trail."""
        self.check_access("write")
        # as superuser: what follows is not the user's to write
        self.sudo().filtered(lambda k: not k.revoked_at).revoked_at = fields.Datetime.now()
        return True

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        raise UserError(
            self.env._("Revoke the key instead: the audit trail says what it was used for.")
        )

    # -- about to expire -----------------------------------------------------------------

    @api.model
    @api.private
    def _cron_tell_expiring(self):
        """Tell webhooks once of each key that expires soon."""
        now = fields.Datetime.now()
        soon = self.search([
            ("revoked_at", "=", False), ("expires_at", ">", now),
            ("expires_at", "<=", now + EXPIRING)])
        each_in_own_transaction(
            self.env, [soon.filtered(lambda key: key.expiry_told_for != key.expires_at)],
            lambda key: key._tell_expiring())

    def _tell_expiring(self):
        domain = self.env["emboux.domain"].search(
            [("name", "=", self.domain_name), ("owned_since", "!=", False)], limit=1,
        ) if self.domain_name else None
        self.env["emboux.webhook"]._tell(
            "key.expiring", f"key {self.id}", self.name,
            domain or (self.partner_id, self.user_id.company_id), {
                "key": self.id, "name": self.name, "hint": self.token_hint,
                "expires_at": f"{self.expires_at.isoformat()}+00:00"})
        self.expiry_told_for = self.expires_at

    # -- used ----------------------------------------------------------------------------

    @api.model
    @api.private
    def _id_of_secret(self, token):
        """The id of the key with this secret, whatever its state; 0 if there is none."""
        if not keys.is_well_formed(token):
            return 0
        self.env.cr.execute(
            "SELECT id FROM emboux_api_key WHERE token_hash = %s", [keys.digest(token)]
        )
        row = self.env.cr.fetchone()
        return row[0] if row else 0

    @api.model
    @api.private
    def _authenticate(self, token, address):
        """The bearer of this secret.  One look-up by index, whatever the number of keys.

        :raises KeyRefused: unknown, mistyped, expired or revoked; :raises AddressRefused:
            a key that may not be used from this address.
        """
        if not keys.is_well_formed(token):
            raise KeyRefused("This is not a key, or it is mistyped")
        digest = keys.digest(token)
        self.env.cr.execute(LOOK_UP, [digest])
        [row] = self.env.cr.dictfetchall() or [{"token_hash": ""}]
        if not hmac.compare_digest(row["token_hash"], digest):
            raise KeyRefused("This key is not known")
        if row["revoked_at"]:
            raise KeyRefused("This key was revoked")
        if row["expires_at"] and row["expires_at"] <= row["now"]:
            raise KeyRefused("This key has expired")
        if networks := networks_of(row["networks"]):
            caller = ipaddress.ip_address(address)
            caller = getattr(caller, "ipv4_mapped", None) or caller
            if not any(caller in ipaddress.ip_network(network) for network in networks):
                raise AddressRefused(WRONG_ADDRESS)
        if not row["last_used"] or row["now"] - row["last_used"] > USED_EVERY:
            self._record_use(row["id"], row["now"], address)
        return Bearer(
            **{
                name: row[name]
                for name in ("id", "user_id", "role", "partner_id", "area", "domain_name", "sender",
                             "mailboxes_limited", "aliases_limited")
            },
            read_only=bool(row["read_only"]), test=bool(row["test"]),
            token=token,
        )

    def _record_use(self, key_id: int, now: datetime, address: str):
        """Committed without waiting: a key's parallel requests must not get in each other's way."""
        try:
            # a cursor alone: the statement needs no environment
            with self.env.registry.cursor() as cr:
                cr.execute(
                    """UPDATE emboux_api_key SET last_used = %s, last_address = %s
                        WHERE id = (SELECT id FROM emboux_api_key WHERE id = %s
                                       FOR UPDATE SKIP LOCKED)""",
                    [now, address, key_id],
                    log_exceptions=False,
                )
        except (SerializationFailure, PoolError):
            _logger.debug("key %s: another request has noted its use", key_id)


class Company(models.Model):
    _inherit = "res.company"

    @api.model_create_multi
    def create(self, vals_list):
        companies = super().create(vals_list)
        # as superuser: whoever makes companies need not administer keys
        self.env["emboux.api.key"].sudo()._reach_every_company()
        return companies

    def _all_companies(self):
        """Archived ones too: they may be restored."""
        return self.with_context(active_test=False).search([], limit=100_000)


def networks_of(text):
    return [part.strip() for part in (text or "").replace("\n", ",").split(",") if part.strip()]
