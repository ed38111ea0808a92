# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import secrets
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.http import request
from odoo.orm.models import NO_ACCESS

from .. import passwords
from ..backends.base import MailboxSpec
from ..transactions import each_in_own_transaction
from .fields import BigInteger

logging.getLogger("odoo.sql_db").addFilter(passwords.RedactHashes())

MEGABYTE = 1024 * 1024
MAX_QUOTA_MB = 100 * 1024 * 1024  # 100 TB: more is a slip of the finger


def hash_cache():
    """The hashes made by this request:  Odoo retries a transaction after a conflict, and hashing is
    expensive.  The cache ends with the request.
    """
    return request.httprequest.environ.setdefault("emboux.hashes", {}) if request else {}


class Mailbox(models.Model):
    _name = "emboux.mailbox"
    _description = "Mailbox"
    _inherit = ["emboux.thread.mixin", "emboux.provisioned.mixin", "emboux.address.mixin"]
    _order = "email, id"
    _rec_names_search = ["email", "name"]
    _check_company_auto = True
    _system_fields = frozenset(
        {
            "email", "company_id", "mail_folder", "password_hash", "service_password_hash",
            "has_password", "usage_bytes", "usage_mb", "usage_percent", "message_total",
            "suspended_with_user",
        }
    )
    _provisioned_fields = frozenset(
        {"state", "quota_mb", "send_as", "name", "active", "service_password_hash"}
    )
    _provision_on_create = False
    _validated_text_fields = frozenset({"password"})

    local_part = fields.Char(required=True)
    name = fields.Char("Full Name", help="Of the person or team, as mail programs show it.")
    active = fields.Boolean(default=True)
    # Not stored and never read back: create and write take it out and store the hash.
    password = fields.Char(store=False, copy=False)
    password_hash = fields.Char(copy=False, groups=NO_ACCESS)
    has_password = fields.Boolean(
        compute="_compute_has_password", store=True, precompute=True
    )
    catch_all = fields.Boolean(
        compute="_compute_catch_all",
        inverse="_inverse_catch_all",
        search="_search_catch_all",
        string="Catch-All",
        help="Also receives mail for addresses of the domain that do not exist.",
    )
    quota_mb = fields.Integer(
        "Quota (MB)", tracking=True, compute="_compute_quota_mb", store=True, readonly=False,
        precompute=True, help="0 means no limit.",
    )
    state = fields.Selection(
        [("active", "Active"), ("suspended", "Suspended")],
        default="active",
        required=True,
        tracking=True,
        copy=False,
        help="Nobody can log in to a suspended mailbox or send through it, and it gets no mail, "
        "except on a mox server, which still delivers. Nothing is lost.",
    )
    suspended_with_user = fields.Boolean(
        readonly=True, copy=False, help="Its user was archived; it comes back with them.")
    send_as = fields.Selection(
        [("self", "Its own address"), ("domain", "Any address of the domain and its subdomains")],
        "May Send As",
        default="self",
        required=True,
        tracking=True,
        help="Of a wildcard parent's subdomains, those that have the same owner as the parent.",
    )
    user_id = fields.Many2one(
        "res.users",
        "User",
        index="btree_not_null",
        tracking=True,
        check_company=True,
        help="The Odoo user whose mailbox this is.",
    )

    # Where the mail lies.  Random, for an address, and after a restored backup a number too,
    # may be given to somebody else.
    mail_folder = fields.Char(
        required=True, readonly=True, copy=False, default=lambda self: secrets.token_hex(12),
        groups="base.group_system",
    )

    # who may send as any address of this domain: looked up for each submitted message
    _send_as_domain_index = models.Index("(domain_id) WHERE send_as = 'domain'")

    # a page of a domain's mailboxes, in order; how many there are is counted without the rows,
    # with the company because the access rule asks for it
    _domain_email_index = models.Index(
        "(domain_id, email) INCLUDE (company_id) WHERE active IS TRUE"
    )

    @api.depends("domain_id")
    def _compute_quota_mb(self):
        for mailbox in self:
            mailbox.quota_mb = mailbox.quota_mb or mailbox.backend_id.default_quota_mb

    # what its platform does by itself, see ``emboux.backend``
    has_rules = fields.Boolean(compute="_compute_abilities")
    can_be_renamed = fields.Boolean(compute="_compute_abilities")
    suspended_receives = fields.Boolean(compute="_compute_abilities")

    @api.depends("domain_id")
    def _compute_abilities(self):
        for mailbox in self:
            # as superuser: who sees the mailbox need not see its backend
            backend = mailbox.sudo().backend_id
            mailbox.has_rules = backend.rules
            mailbox.can_be_renamed = backend.renames
            mailbox.suspended_receives = backend.suspended_receives

    @api.depends("password_hash")
    def _compute_has_password(self):
        for mailbox in self:
            mailbox.has_password = bool(mailbox.password_hash)

    # -- catch-all: an alias '@domain' that names this mailbox ---------------------------

    def _catch_alls(self):
        """The catch-all alias of each domain of these mailboxes."""
        # as superuser: a mailbox's user may see whether theirs is the catch-all, not the alias
        aliases = self.env["emboux.alias"].sudo().search_fetch(
            [("kind", "=", "catch_all"), ("domain_id", "in", self.domain_id.ids)],
            ["domain_id", "destinations"],
        )
        return {alias.domain_id.id: alias for alias in aliases}

    @api.depends("domain_id.alias_ids.destinations", "email")
    def _compute_catch_all(self):
        aliases = self._catch_alls()
        for mailbox in self:
            alias = aliases.get(mailbox.domain_id.id)
            mailbox.catch_all = bool(alias) and mailbox.email in alias._destination_list()

    def _inverse_catch_all(self):
        for domain, mailboxes in self.grouped("domain_id").items():
            alias = self.env["emboux.alias"].with_context(active_test=False).search(
                [("kind", "=", "catch_all"), ("domain_id", "=", domain.id)]
            )
            # an archived catch-all is set up again
            wanted = dict.fromkeys(alias._destination_list() if alias.active else ())
            for mailbox in mailboxes:
                if mailbox.catch_all:
                    wanted[mailbox.email] = None
                else:
                    wanted.pop(mailbox.email, None)
            if not wanted:
                alias.unlink()
            elif alias:
                again = {} if alias.active else {"active": True}
                alias.write({"destinations": "\n".join(wanted), **again})
            else:
                self.env["emboux.alias"].create(
                    {
                        "kind": "catch_all",
                        "domain_id": domain.id,
                        "destinations": "\n".join(wanted),
                    }
                )

    def _search_catch_all(self, operator, value):
        if operator != "in":
            return NotImplemented
        found = [
            address
            for alias in self.env["emboux.alias"].search([("kind", "=", "catch_all")])
            for address in alias._destination_list()
            if address.endswith(alias.email)  # in another domain it is a plain destination
        ]
        return [("email", "in" if True in value else "not in", found)]

    # -- create, write, delete: the one place of each, which calls the hooks --------------

    def _check_quota(self, vals):
        """Before the database sees it, which has no words for a number that is too large."""
        quota = vals.get("quota_mb") or 0
        if not 0 <= quota <= MAX_QUOTA_MB:
            raise ValidationError(
                self.env._(
                    "The quota is %(quota)s MB; it has to be between 1 and %(largest)s MB, or 0 "
                    "for no limit.",
                    quota=quota,
                    largest=MAX_QUOTA_MB,
                )
            )

    @api.model_create_multi
    def create(self, vals_list):
        vals_list, found = self._complete_new(vals_list)
        self, vals_list = self._clean_create_vals(vals_list)
        if any(isinstance(vals.get("password"), str) for vals in vals_list):
            self._assert_may_add(vals_list)  # before the work of hashing
        for vals in vals_list:
            self._check_quota(vals)
            vals["local_part"] = self._normalise_local_part(vals.get("local_part") or "")
        # before the first statement: hashing takes long and must hold no lock
        hashes = self._hash([vals.pop("password", None) for vals in vals_list], vals_list)
        # the catch-all comes last: it points at the mailbox, which has to be there by then
        catching = [bool(vals.pop("catch_all", False)) for vals in vals_list]
        mailboxes = super(Mailbox, self.with_context(mail_create_nolog=True)).create(vals_list)
        mailboxes = mailboxes.with_env(self.env)
        mailboxes._note(self.env._("Mailbox created"))
        secret = {box.id: hashed for box, hashed in zip(mailboxes, hashes, strict=True) if hashed}
        for mailbox in mailboxes.filtered(lambda m: m.id in secret):
            # as superuser: the hash is in no user's reach, not even to write
            mailbox.sudo().password_hash = secret[mailbox.id].hash
        mailboxes._provision({number: hashed.plain for number, hashed in secret.items()})
        for mailbox, catches in zip(mailboxes, catching, strict=True):
            if catches:
                mailbox.catch_all = True
        mailboxes._on_created(found)
        return mailboxes

    def write(self, vals):
        vals = self._complete_values(dict(vals))
        quotas = {mailbox: mailbox.quota_mb for mailbox in self} if "quota_mb" in vals else {}
        for mailboxes, own in self._parts_to_write(vals):
            if left := mailboxes._prepare_write(own):
                super(Mailbox, mailboxes).write(left)
        self._on_written(vals, quotas)
        return True

    def _prepare_write(self, vals):
        """Check the values, and set a new password; returns what is left to be written."""
        vals = self._clean_write_vals(vals)
        self._check_quota(vals)
        if "local_part" in vals or "domain_id" in vals:
            self._assert_same_address(vals)
        password = vals.pop("password", None)
        if password:
            self.check_access("write")
            [hashed] = self._hash([password], [{}])
            self._lock_before_hash()
            # as superuser: see create
            self.sudo().write({"password_hash": hashed.hash})
            self._provision(dict.fromkeys(self.ids, hashed.plain))
        if vals.get("active") is False:
            self._unlink_references()
        if vals.get("send_as") == "self":
            self._assert_odoo_does_not_send()
        return vals

    # hooks, which other add-ons extend

    @api.model
    def _complete_values(self, vals):
        """The values of a mailbox that is added or written, as they shall be stored."""
        return vals

    @api.model
    def _complete_new(self, vals_list):
        """The values of mailboxes that are added, and what was looked up for them."""
        return [self._complete_values(dict(vals)) for vals in vals_list], None

    def _parts_to_write(self, vals):
        """[(mailboxes, what to write to them)]."""
        return [(self, vals)]

    def _on_created(self, found):
        """They have just been added, and their backends told.  ``found``: by ``_complete_new``."""

    def _on_written(self, vals, quotas):
        """These values were written, whether or not they are others than before.

        ``quotas``: mailbox to its former quota in MB, where a quota was written.
        """

    def _assert_may_add(self, vals_list):
        """Refuse early what is certain to be refused later."""
        self.browse().check_access("create")
        domains = {vals["domain_id"] for vals in vals_list if vals.get("domain_id")}
        self.env["emboux.domain"].browse(domains).check_access("read")

    def _hash(self, given, vals_list):
        """Check and hash what is not ``Hashed`` yet; raises ``ValidationError`` for the first."""
        wanted = [
            (None if isinstance(password, passwords.Hashed) else password or None,
             vals.get("local_part") or self[:1].email or "")
            for password, vals in zip(given, vals_list, strict=True)
        ]
        if not any(password for password, _address in wanted):
            return given
        whose = [(vals.get("local_part"), vals.get("domain_id"), self.ids) for vals in vals_list]
        elsewhere = self._passwords_elsewhere(vals_list)
        hashed = passwords.hash_each(
            [(None if away else password, address)
             for (password, address), away in zip(wanted, elsewhere, strict=True)],
            hash_cache(), list(map(str, whose)),
        )
        hashed = [
            passwords.keep_elsewhere(*pair) if away and pair[0] else result
            for pair, away, result in zip(wanted, elsewhere, hashed, strict=True)
        ]
        for result in hashed:
            if isinstance(result, passwords.PasswordError):
                raise ValidationError(str(result)) from result
        return [
            password if isinstance(password, passwords.Hashed) else result
            for password, result in zip(given, hashed, strict=True)
        ]

    def _passwords_elsewhere(self, vals_list):
        """For each, whether its platform hashes the password itself: then nothing of it is kept."""
        # as superuser: who may add a mailbox need not see the backend
        domains = self.env["emboux.domain"].sudo()
        each = [
            domains.browse(vals["domain_id"]) if vals.get("domain_id") else self.sudo().domain_id
            for vals in vals_list
        ]
        here = {
            backend: backend._client().takes_hashes for backend in domains.union(*each).backend_id
        }
        # of several that get one password together none may be left without the hash
        return [not any(here[backend] for backend in those.backend_id) for those in each]

    def _lock_before_hash(self):
        """Lock the rows before a hash is written to them.

        Of two transactions that write one row the second fails, and Odoo and PostgreSQL both
        log the statement that failed: let that be one without the hash.
        """
        self.env.cr.execute(
            "SELECT FROM emboux_mailbox WHERE id = ANY(%s) FOR NO KEY UPDATE", [self.ids]
        )

    def _assert_same_address(self, vals):
        local = vals.pop("local_part", None)
        domain = vals.pop("domain_id", None)
        renamed = local is not None and any(
            box.local_part != self._normalise_local_part(local or "") for box in self
        )
        moved = domain is not None and any(box.domain_id.id != domain for box in self)
        if renamed or moved:
            raise UserError(
                self.env._(
                    "The address of a mailbox cannot be changed here, because mail programs log in "
                    "with it. Make a new mailbox, or an alias that points here."
                )
            )

    def _set_local_part(self, local_part):
        """Change the address; whatever refers to it is the caller's.

        ``local_part``: normalised, of an address that nobody has.
        """
        self.ensure_one()
        # as superuser: as when the address was taken
        held = self.env["emboux.address"].sudo().search([("mailbox_id", "=", self.id)])
        done = super().write({"local_part": local_part})
        held.email = self.email
        return done

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_mail(self):
        for mailbox in self:
            if mailbox.active and mailbox.message_total:
                raise UserError(
                    self.env._(
                        "%(mailbox)s holds %(count)s messages, which nobody could read any more. "
                        "Archive it; an archived mailbox can be deleted.",
                        mailbox=mailbox.display_name,
                        count=mailbox.message_total,
                    )
                )

    def unlink(self):
        self.check_access("unlink")  # before a refusal names what refers to it
        self._unlink_references()
        domains = self.domain_id
        done = super().unlink()
        domains._sum_usage()
        return done

    def _unlink_references(self):
        """Remove the mailboxes from whatever refers to them."""
        self._assert_odoo_does_not_send()
        # what their users write leaves by the company's server again, instead of not at all; as
        # superuser: who deletes a mailbox need not read mail servers
        if users := self.sudo().user_id:
            self.env["ir.mail_server"].sudo().with_context(active_test=False).search([
                ("emboux_personal", "=", True), ("owner_user_id", "in", users.ids),
                ("smtp_user", "in", self.mapped("email"))]).unlink()
        self.filtered("catch_all").write({"catch_all": False})

    # -- provisioning --------------------------------------------------------------------

    def _spec(self, with_password=False, password=None):
        self.ensure_one()
        # as superuser: the hash is in no user's reach
        stored = self.sudo().password_hash if password or with_password else None
        return MailboxSpec(
            email=self.email,
            quota=self.quota_mb * MEGABYTE,
            suspended=self.state == "suspended" or not self.active,
            send_as_domain=self.send_as == "domain",
            display_name=self.name or "",
            password=password,
            password_hash=stored or None,
            # as superuser: see above
            service_password_hash=self.sudo().service_password_hash or None,
            push_url=self.sudo().push_url or "",
            push_secret=self.sudo().push_secret or None,
            rules=self._rules(),
        )

    def _provision_call(self, client, secret=None, with_password=False):
        return partial(client.ensure_mailbox, self._spec(with_password, secret))

    @api.model
    def _provision_delete(self, client, key):
        client.delete_mailbox(key)

    # -- what people do ------------------------------------------------------------------

    def action_suspend(self):
        return self.write({"state": "suspended"})

    def action_activate(self):
        return self.write({"state": "active"})

    def _set_password(self, password):
        """Set a password as somebody who may write the mailbox, or as its own user."""
        self.ensure_one()
        if self.user_id == self.env.user:
            self.check_access("read")
            # as superuser: of all its fields the user may change this one alone
            self.sudo().write({"password": password})
        else:
            self.write({"password": password})

    def action_set_password(self):
        """Open the wizard that generates a password and shows it once."""
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_core.action_set_password"
        ) | {"context": {"default_mailbox_id": self.id}}

    # -- usage, as their backend counted; kept up to date by a cron --------

    usage_bytes = BigInteger("Usage (bytes)", readonly=True, copy=False)
    message_total = fields.Integer("Stored Messages", readonly=True, copy=False)
    usage_mb = fields.Float(
        "Usage (MB)", compute="_compute_usage", store=True, precompute=True,
        digits=(16, 2), aggregator="sum",
    )
    usage_percent = fields.Float(
        "Quota Used (%)", compute="_compute_usage", store=True, precompute=True,
        aggregator="avg",
    )

    @api.depends("usage_bytes", "quota_mb")
    def _compute_usage(self):
        for mailbox in self:
            mailbox.usage_mb = mailbox.usage_bytes / MEGABYTE
            mailbox.usage_percent = (
                100 * mailbox.usage_mb / mailbox.quota_mb if mailbox.quota_mb else 0
            )

    @api.model
    def _cron_sync_usage(self):
        """Fetch the changes since the last run, one backend after the other."""
        backends = self.env["emboux.backend"].search([("active", "=", True)])
        asked = {}
        # its outage does not affect the others
        each_in_own_transaction(
            self.env, [backends],
            lambda backend: asked.update({backend: backend._ask_usage()}),
        )
        for backend, page in asked.items():
            if not backend._store_usage_in_batches(page):
                break
