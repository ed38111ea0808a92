# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import os
from datetime import timedelta
from functools import lru_cache
from math import ceil

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .. import addresses
from ..backends.emboux import EmbouxBackend
from ..backends.mox import MoxBackend
from ..net.errors import Refused
from ..net.http import check_url
from ..settings import BACKEND_ALLOW_PRIVATE
from ..transactions import each_in_own_transaction
from .errors import backend_errors, plain_errors
from .notification import notification

_logger = logging.getLogger(__name__)

HOSTS = ("mail_host", "smtp_host", "imap_host")
PORTS = ("smtp_starttls_port", "smtp_tls_port", "imap_starttls_port", "imap_tls_port")
REMOTE = {"emboux": EmbouxBackend, "mox": MoxBackend}
MANY = 20  # changes that wait, of which it is said how long they will take
PACE = timedelta(minutes=10)  # over which it is measured
BATCH = 100  # mailboxes whose use is written in one transaction


@lru_cache(maxsize=64)
def _remote_client(_process, _database, _number, kind, allow_private, *access):
    """One client of each backend in each process, so that calls find a connection that is open, and
    a mox one session: it keeps ten.

    It is thread-safe; another address or key gets another client.
    """
    return REMOTE[kind](*access, allow_private=allow_private)


class Backend(models.Model):
    _name = "emboux.backend"
    _description = "Mail Backend"
    _inherit = ["emboux.thread.mixin", "emboux.system.fields.mixin"]
    _order = "sequence, id"
    _check_company_auto = True
    _system_fields = frozenset({"state", "state_message", "usage_cursor"})

    name = fields.Char(required=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    kind = fields.Selection(
        [("emboux", "Another Emboux Platform"), ("mox", "mox Server")],
        required=True,
        tracking=True,
        help="What kind of mail platform runs the domains.",
    )
    url = fields.Char(
        "Address",
        groups="emboux_core.group_user",
        help="Base URL of the platform's administration, with https://. Of mox that of its admin "
        "pages, such as https://mail.example.com/admin/.",
    )
    mox_account = fields.Char(
        "Account for Reports", groups="emboux_core.group_user",
        help="The account of mox that gets the reports on new domains (DMARC, TLS). Leave empty "
        "for mox's own postmaster.",
    )
    company_id = fields.Many2one(
        "res.company", help="Leave empty to share this backend between all companies."
    )
    state = fields.Selection(
        [("draft", "Not Tested"), ("connected", "Connected"), ("error", "Error")],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )
    state_message = fields.Char(
        "Last Test", readonly=True, copy=False, groups="emboux_core.group_user"
    )
    secret = fields.Char(
        "API Key or Password", groups="base.group_system", copy=False,
        help="Of mox the password of its admin pages. Visible to system users only.",
    )

    mail_host = fields.Char(
        "Mail Host (MX)", help="Server that receives the domains' mail: the MX target."
    )
    smtp_host = fields.Char("SMTP Host", help="Server through which mail programs and Odoo send.")
    smtp_starttls_port = fields.Integer("SMTP Port (STARTTLS)", default=587)
    smtp_tls_port = fields.Integer("SMTP Port (SSL/TLS)", default=465)
    imap_host = fields.Char("IMAP Host", help="Server from which mail programs read.")
    imap_starttls_port = fields.Integer("IMAP Port (STARTTLS)", default=143)
    imap_tls_port = fields.Integer("IMAP Port (SSL/TLS)", default=993)
    default_quota_mb = fields.Integer(
        "Default Quota (MB)", default=1024, help="For new mailboxes; 0 means no limit."
    )

    usage_cursor = fields.Char(readonly=True, copy=False, groups="emboux_core.group_user")
    domain_ids = fields.One2many("emboux.domain", "backend_id")
    domain_count = fields.Integer(compute="_compute_domain_count")

    _quota_not_negative = models.Constraint(
        "CHECK (default_quota_mb >= 0)", "A quota is 0 (no limit) or more."
    )

    @api.constrains(*PORTS)
    def _check_ports(self):
        for backend in self:
            for port in PORTS:
                if not 1 <= backend[port] <= 65535:
                    raise ValidationError(
                        self.env._(
                            "%(field)s is %(value)s; a port is a number from 1 to 65535.",
                            field=self._fields[port]._description_string(self.env),
                            value=backend[port],
                        )
                    )

    @api.depends("domain_ids")
    def _compute_domain_count(self):
        groups = self.env["emboux.domain"]._read_group(
            [("backend_id", "in", self.ids)], ["backend_id"], ["__count"]
        )
        counts = {backend.id: count for backend, count in groups}
        for backend in self:
            backend.domain_count = counts.get(backend.id, 0)

    @api.constrains("kind", "url")
    def _check_url(self):
        for backend in self.filtered(lambda b: b.kind in REMOTE and b.url):
            try:
                check_url(backend.url, BACKEND_ALLOW_PRIVATE.read(self.env))
            except Refused as error:
                raise ValidationError(str(error)) from error

    def _client(self):
        """The implementation of ``backends.base.Backend`` for this record's kind."""
        self.ensure_one()
        if self.kind in REMOTE:
            backend = self.sudo()  # as superuser: the key is in no manager's reach
            access = [backend.url or "", backend.secret or ""]
            if self.kind == "mox":
                access.append(backend.mox_account or "")
            return _remote_client(
                os.getpid(), self.env.cr.dbname, self.id, self.kind,
                BACKEND_ALLOW_PRIVATE.read(self.env), *access,
            )
        raise UserError(
            self.env._(
                "The module that speaks to a backend of the kind '%s' is not installed.", self.kind
            )
        )

    @api.model_create_multi
    def create(self, vals_list):
        self, vals_list = self._clean_create_vals(vals_list)
        for vals in vals_list:
            self._normalise_hosts(vals)
        # which menus there are
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        vals = self._clean_write_vals(vals)
        self._normalise_hosts(vals)
        if {"url", "kind"} & set(vals) and not self.env.user.has_group("base.group_system"):
            # the key must not follow to an address set by somebody who may not read it; as
            # superuser, because they may not write it either
            self.sudo().filtered("secret").secret = False
        # as superuser: another company's domains hold the kind too
        if "kind" in vals and self.sudo().with_context(active_test=False).domain_ids:
            self._refuse_change(
                vals, {"kind"}, self.env._("The kind cannot be changed while there are domains.")
            )
        done = super().write(vals)
        if {"kind", "active"} & set(vals):
            self.env.registry.clear_cache()
        if {*HOSTS, "smtp_tls_port", "imap_tls_port"} & set(vals):
            # What the domains' DNS has to say follows, unless the platform names them; as
            # superuser, because the domains of other companies on a shared backend follow too.
            here = self.sudo().filtered(lambda b: not b.names_hosts)
            here.with_context(active_test=False).domain_ids._provision()
        return done

    def _apply_hosts(self, service):
        """Mail programs, and Odoo itself, use the hosts that the platform names (a
        ``MailService``)."""
        self.ensure_one()
        said = {
            "mail_host": service.mx[0].host if service.mx else "",
            "smtp_host": service.smtp_host,
            "smtp_tls_port": service.submissions_port,
            "smtp_starttls_port": service.submission_port,
            "imap_host": service.imap_host,
            "imap_tls_port": service.imaps_port,
            "imap_starttls_port": service.imap_port,
        }
        changed = {name: value for name, value in said.items() if value and value != self[name]}
        if changed:
            # as superuser: whoever asked the platform need not be an administrator of backends
            self.sudo().write(changed)

    def _normalise_hosts(self, vals):
        """An MX or SRV names a host, never an address (RFC 5321, 5.1; RFC 2782)."""
        for field in HOSTS:
            host = (vals.get(field) or "").strip().lower()
            if host and host != "localhost":
                with plain_errors():
                    vals[field] = addresses.normalise_domain(host)

    def action_test(self):
        """Test the connection to the platform, and store the result."""
        self.ensure_one()
        self.check_access("write")
        # as superuser: the result is written by this test alone
        self = self.sudo()
        try:
            with backend_errors(self.env, self.name):
                message = self._client().check()
        except UserError as error:
            self.write({"state": "error", "state_message": str(error)})
            kind = "danger"
        else:
            self.write({"state": "connected", "state_message": message})
            kind = "success"
        return notification(kind, self.state_message, sticky=kind == "danger")

    @api.model
    def _connect_first(self, company):
        """Where an administrator connects a platform for this company; None once there is one."""
        there = self.search([("company_id", "in", (False, company.id))])
        if "connected" in there.mapped("state"):
            return None
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_backend")
        action["display_name"] = self.env._("Connect the Mail Platform")
        if len(there) > 1:
            return action | {"domain": [("id", "in", there.ids)]}
        return action | {"views": [(False, "form")], "res_id": there.id}

    def action_open_domains(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_domain")
        return action | {"domain": [("backend_id", "=", self.id)]}

    # -- what this kind of platform does by itself --------------------------------------

    verifies_domains = fields.Boolean(
        compute="_compute_abilities", help="Whether the platform says which domains are verified.",
    )
    names_hosts = fields.Boolean(
        compute="_compute_abilities", help="Whether the platform says where mail programs connect.",
    )
    lists = fields.Boolean(
        compute="_compute_abilities", help="Whether aliases have rules for their members.",
    )

    rules = fields.Boolean(
        compute="_compute_abilities", help="Whether mailboxes forward, and reply to senders.",
    )

    renames = fields.Boolean(
        compute="_compute_abilities", help="Whether a mailbox can get another address.",
    )

    suspended_receives = fields.Boolean(
        compute="_compute_abilities", help="Whether suspended mailboxes still get their mail.",
    )

    @api.depends("kind")
    def _compute_abilities(self):
        for backend in self:
            client = backend.kind and backend._client()
            for ability in ("verifies_domains", "names_hosts", "lists", "rules", "renames",
                            "suspended_receives"):
                backend[ability] = bool(client) and getattr(client, ability)

    # -- how full its mailboxes are ----------------------------------------------------

    def _sync_usage(self):
        """Write the mailboxes and domains whose use changed since the backend's cursor."""
        page = self._ask_usage()
        self._store_usage(page.rows)
        # as superuser, here and below: what was counted is not for users to write
        self.sudo().usage_cursor = page.cursor

    def _ask_usage(self):
        self.ensure_one()
        with backend_errors(self.env, self.name):
            return self._client().usage(self.usage_cursor or "")

    def _store_usage_in_batches(self, page):
        """As ``_sync_usage``, some mailboxes in a transaction, for a job.

        Others change mailboxes meanwhile: whoever meets them writes those few again, and not the
        thousands before.  The cursor moves on once all are written, what was written already is
        then as it should be.  Returns whether the job has time for more.
        """
        stored = set()

        def store(rows):
            self._store_usage(rows)
            stored.update(rows)

        time_left = each_in_own_transaction(
            self.env, [page.rows], store,
            # one that cannot be written is reported again when its use changes
            lambda rows, _error: stored.update(rows), size=BATCH,
        )
        if len(stored) == len(set(page.rows)):
            # as superuser: as above
            time_left = each_in_own_transaction(
                self.env, [self.sudo()],
                lambda backend: backend.write({"usage_cursor": page.cursor}),
            )
        return time_left

    def _store_usage(self, rows):
        usage = {row.email: row for row in rows}
        mailboxes = self.env["emboux.mailbox"].with_context(active_test=False).search_fetch(
            # an unproven claim holds no mail, whatever an address of that name holds
            [("email", "in", list(usage)), ("domain_id.backend_id", "=", self.id),
             *([("domain_id.owned_since", "!=", False)] if self._client().transactional else [])],
            ["email", "usage_bytes", "message_total", "domain_id"],
        )
        changed = self.env["emboux.mailbox"]
        for mailbox in mailboxes:
            row = usage[mailbox.email]
            messages = mailbox.message_total if row.messages is None else row.messages
            if (mailbox.usage_bytes, mailbox.message_total) != (row.size, messages):
                # as superuser: see _sync_usage
                mailbox.sudo().write({"usage_bytes": row.size, "message_total": messages})
                changed |= mailbox
        changed.domain_id._sum_usage()
        _logger.info("%s: use of %d mailboxes changed", self.name, len(changed))

    # -- calls on their way to it ------------------------------------------------------

    operation_ids = fields.One2many(
        "emboux.operation", "backend_id", groups="emboux_core.group_manager"
    )
    operation_count = fields.Integer(
        compute="_compute_operation_count", groups="emboux_core.group_manager"
    )

    @api.depends("operation_ids.state")
    def _compute_operation_count(self):
        counts = dict(
            self.env["emboux.operation"]._read_group(
                [("backend_id", "in", self.ids), ("state", "=", "pending")],
                ["backend_id"], ["__count"],
            )
        )
        for backend in self:
            backend.operation_count = counts.get(backend, 0)

    operation_note = fields.Char(
        compute="_compute_operation_note", groups="emboux_core.group_manager"
    )

    @api.depends("operation_ids.state")
    def _compute_operation_note(self):
        """How far a large import has got, and how long the rest will take."""
        since = fields.Datetime.now() - PACE
        for backend in self:
            backend.operation_note = False
            if backend.operation_count < MANY:
                continue
            done = self.env["emboux.operation"].search_count(
                [("backend_id", "=", backend.id), ("state", "=", "done"),
                 ("write_date", ">=", since)])
            backend.operation_note = self.env._(
                "%(left)s changes wait for the platform. %(done)s were made in the last "
                "%(minutes)s minutes.", left=backend.operation_count, done=done,
                minutes=PACE // timedelta(minutes=1))
            if done:
                minutes = ceil(backend.operation_count / done * (PACE / timedelta(minutes=1)))
                backend.operation_note += " " + self.env._(
                    "At this pace the rest takes about %s minutes.", minutes)

    def action_open_operations(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_operation")
        return action | {
            "domain": [("backend_id", "=", self.id)],
            "context": {"search_default_pending": 1},
        }
