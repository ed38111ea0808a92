# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import os
from datetime import timedelta
from functools import lru_cache

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.orm.models import NO_ACCESS

from ..backends import mox_hooks
from ..backends.mox_account import MoxAccount
from ..backends.mox_webapi import MoxWebApi
from ..net.guard import Timeouts
from ..settings import BACKEND_ALLOW_PRIVATE
from ..transactions import own_transaction
from .errors import backend_errors
from .notification import notification

KEPT = timedelta(days=7)  # what mox remembers of sent mail: longer than servers try to deliver it
# mox waits 60 seconds for the answer to a webhook, in which its message is asked for
TIMEOUTS = Timeouts(connect=5.0, read=20.0, total=40.0)


@lru_cache(maxsize=256)
def _webapi(_process, _database, allow_private, *access):
    """One client of each mailbox in each process: it keeps its connection, and remembers that a
    password was wrong."""
    return MoxWebApi(*access, allow_private=allow_private, timeouts=TIMEOUTS)


class MailboxMox(models.Model):
    """A mailbox on mox as Odoo uses it: with the one password that it has, by webhooks and mox's
    HTTP API."""

    _inherit = "emboux.mailbox"

    _system_fields = frozenset({"mox_secret", "mox_receives", "mox_from_ids"})

    # what mox sends as Authorization, with all that it tells of this mailbox
    mox_secret = fields.Char(copy=False, groups=NO_ACCESS)
    on_mox = fields.Boolean(compute="_compute_on_mox")
    mox_receives = fields.Boolean(
        "Received by Webhook", readonly=True, copy=False,
        help="mox tells this Odoo of each message that comes in, and Odoo makes mail of it. The "
        "message stays in the mailbox too.",
    )
    mox_by_webapi = fields.Boolean(
        "Send by mox's HTTP API", copy=False, groups="base.group_system",
        help="Instead of SMTP, wherever Odoo sends through this mailbox. What the HTTP API would "
        "change on its way goes by SMTP.",
    )
    mox_from_ids = fields.Boolean(
        "Unique Return Paths", readonly=True, copy=False,
        help="Each recipient of each message has a return path of their own, by which mox knows "
        "what a report that comes back is about.",
    )

    @api.depends("domain_id.backend_id.kind")
    def _compute_on_mox(self):
        for mailbox in self:
            # as superuser: who sees the mailbox need not see its backend
            mailbox.on_mox = mailbox.sudo().backend_id.kind == "mox"

    # -- the one password --------------------------------------------------------------------

    def _take_over(self, password):
        """Give the mailbox this password, at once or not at all: committed by itself, because Odoo
        logs in with it now.

        The caller's transaction must not write this row.
        """
        with own_transaction(self) as own:
            own.write({"password": password})
            own._assert_told()
        self.invalidate_recordset()

    def _assert_told(self):
        if self.sync_state != "done":
            raise UserError(
                self.env._(
                    "%(backend)s could not be told the new password of %(mailbox)s, so Odoo would "
                    "not get in. Try again later. (%(reason)s)",
                    backend=self.backend_id.display_name, mailbox=self.display_name,
                    reason=self.sync_message or "",
                )
            )

    def _provision(self, secrets=None):
        done = super()._provision(secrets)
        for number, plain in (secrets or {}).items():
            mailbox = self.browse(number)
            if plain and not mailbox.backend_id._client().takes_hashes:
                mailbox._keep_odoo_in_step(plain)
        return done

    def _keep_odoo_in_step(self, plain):
        """Somebody sets another password, and there is none beside it by which Odoo logs in."""
        servers = self._odoos_servers()
        # as superuser: users read neither mail servers nor how a company sends
        fetching = self.env["emboux.odoo.mail"].sudo().search(
            [("mailbox_id", "=", self.id)]).fetchmail_id
        if servers or fetching:
            self._assert_told()
        if servers := servers.filtered(lambda server: server.smtp_pass != plain):
            servers.write({"smtp_pass": plain})
        # writing to none would switch the scheduled action that fetches, all the same
        if fetching := fetching.filtered(lambda server: server.password != plain):
            fetching.write({"password": plain})

    def _from_filter(self):
        if self.backend_id._client().sends_as_domain:
            return super()._from_filter()
        if self.catch_all:
            return self.domain_id.name
        aliases = self.env["emboux.alias"]
        # as superuser: as which addresses Odoo may send is nothing that a rule may hide
        leading = aliases.sudo().search(
            aliases._delivering_to([self.email]) & aliases._sending_for_members(self.domain_id))
        return ",".join([self.email, *leading.sorted("email").mapped("email")])

    def _room_to_send(self):
        # as superuser: how Odoo sends is for the system's administrators. mox counts what comes by
        # SMTP alone
        if self.sudo().mox_by_webapi:
            return None
        return super()._room_to_send()

    # -- speaking to mox as the mailbox --------------------------------------------------------

    def _mox_access(self):
        """What a client needs: URL, address, password.

        :raises UserError: it is not on mox, or Odoo does not know its password.
        """
        self.ensure_one()
        if not self.on_mox:
            raise UserError(self.env._("%s is not on a mox server.", self.display_name))
        password = self._odoos_servers()[:1].smtp_pass
        if not password:
            raise UserError(
                self.env._(
                    "Odoo does not know the password of %s. Use it as Odoo's outgoing server "
                    "first.", self.display_name,
                )
            )
        # as superuser: the URL is for managers of backends
        return self.sudo().backend_id.url or "", self.email, password

    def _mox_webapi(self):
        return _webapi(os.getpid(), self.env.cr.dbname, BACKEND_ALLOW_PRIVATE.read(self.env),
                       *self._mox_access())

    def _mox_account(self):
        return MoxAccount(*self._mox_access(), allow_private=BACKEND_ALLOW_PRIVATE.read(self.env))

    def _mox_url(self, direction):
        base = self.get_base_url()
        if not base.startswith("https://") and not BACKEND_ALLOW_PRIVATE.read(self.env):
            raise UserError(
                self.env._(
                    "The address of this Odoo is %s. Let it begin with https:// (the system "
                    "parameter web.base.url), so that nobody reads what mox tells it.", base,
                )
            )
        return f"{base}{mox_hooks.path_of(self.id, direction)}"

    def _write_alone(self, values):
        """In a transaction of its own: mox has been told, or is going to be, whatever becomes of
        the caller's, which must not write this row."""
        with own_transaction(self) as own:
            own.write(values)
        self.invalidate_recordset(list(values))

    def _mox_authorization(self):
        """What mox sends; the same for ever, because calls that wait carry the old one."""
        with own_transaction(self) as own:
            # of two at once the second waits, fails, and is run again by Odoo
            if not own.mox_secret:
                own.mox_secret = mox_hooks.new_secret()
            return own.mox_secret

    # -- webhooks ------------------------------------------------------------------------------

    def _start_hooks(self):
        """Let mox tell this Odoo of what comes into the mailbox, and of what became of its mail.

        :raises UserError: mox refuses, or Odoo cannot speak to it.
        """
        self.ensure_one()
        account = self._mox_account()
        self._assert_no_catch_all()
        authorization = self._mox_authorization()
        with backend_errors(self.env, self.backend_id.name):
            account.set_outgoing(self._mox_url("outgoing"), authorization)
            account.set_incoming(self._mox_url("incoming"), authorization)
        self._write_alone({"mox_receives": True})

    def _end_hooks(self):
        """Stop what comes in; what became of sent mail is told as long as Odoo sends."""
        self.ensure_one()
        if self._odoos_servers():
            account = self._mox_account()
            with backend_errors(self.env, self.backend_id.name):
                account.set_incoming("", "")
        # without a password mox goes on, and is answered that nobody listens
        self._write_alone({"mox_receives": False})

    def _hear_of_sent_mail(self):
        """Let mox tell what became of the mailbox' mail; returns why not, or an empty string."""
        try:
            account = self._mox_account()
            authorization = self._mox_authorization()
            with backend_errors(self.env, self.backend_id.name):
                account.set_outgoing(self._mox_url("outgoing"), authorization)
        except UserError as error:
            # sending does not depend on it
            return str(error)
        return ""

    # -- what people do ------------------------------------------------------------------------

    def _assert_odoos(self):
        self.ensure_one()
        self.check_access("write")
        # Odoo's mail servers are the system's administrators', and so is what uses their passwords
        self.env["ir.mail_server"].check_access("create")

    def action_mox_receive(self):
        self._assert_odoos()
        self._start_hooks()
        return notification(
            "success", self.env._("What comes for %s makes mail in Odoo.", self.display_name),
            title=self.env._("mox calls this Odoo"), next={"type": "ir.actions.client",
                                                           "tag": "soft_reload"},
        )

    def action_mox_stop(self):
        self._assert_odoos()
        self._end_hooks()
        return True

    def action_mox_from_ids(self):
        """Switch unique return paths on, or off."""
        self._assert_odoos()
        use, account = not self.mox_from_ids, self._mox_account()
        with backend_errors(self.env, self.backend_id.name):
            account.use_from_ids(use, int(KEPT.total_seconds()))
        self._write_alone({"mox_from_ids": use})
        return True


class AliasMox(models.Model):
    """On mox a mailbox may send as the aliases that lead to it, and Odoo as its mailbox."""

    _inherit = "emboux.alias"

    @api.model
    def _sending_for_members(self, domain):
        return fields.Domain([
            ("kind", "=", "forward"), ("members_send", "=", True),
            ("domain_id.backend_id", "=", domain.backend_id.id),
        ])

    def _on_created(self):
        super()._on_created()
        self._refresh_odoos_senders({to for alias in self for to in alias._destination_list()})

    def _on_written(self, vals, before):
        super()._on_written(vals, before)
        then = {to for text, _active in before.values() for to in (text or "").split("\n")}
        now = {to for alias in self for to in alias._destination_list()}
        self._refresh_odoos_senders(then | now)

    def unlink(self):
        goals = {to for alias in self for to in alias._destination_list()}
        backends = self.backend_id
        done = super().unlink()
        self._refresh_odoos_senders(goals, backends)
        return done

    def _refresh_odoos_senders(self, goals, backends=None):
        by_address = (self.backend_id if backends is None else backends).filtered(
            lambda backend: not backend._client().sends_as_domain)
        if by_address:
            # as superuser: who makes an alias need not see mail servers
            self.env["ir.mail_server"].sudo().with_context(active_test=False).search([
                ("emboux_mailbox_id.email", "in", sorted(goals)),
                ("emboux_mailbox_id.domain_id.backend_id", "in", by_address.ids),
            ])._refresh_from_filter()
