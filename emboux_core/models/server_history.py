# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..net.errors import BackendError, Refused
from .errors import backend_errors
from .server_queue import story_of

REPORTS = timedelta(days=90)  # that are read: older ones are on the server


class ServerHook(models.Model):
    """A call of an account's webhook: one that waits, or one that is over."""

    _name = "emboux.server.hook"
    _description = "Webhook Call of a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "submitted_at desc, id desc"
    _rec_names_search = ["subject", "message_id", "url"]
    _page = "emboux_core.action_server_hook"

    submitted_at = fields.Datetime("Asked For", readonly=True)
    state = fields.Selection(
        [("waiting", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed"),
         ("superseded", "Superseded")], "Status", readonly=True,
        help="Superseded: a later event of the same message was told instead.")
    event = fields.Char(readonly=True)
    login = fields.Char("Account", readonly=True)
    url = fields.Char("URL", readonly=True)
    subject = fields.Char(readonly=True)
    message_id = fields.Char("Message-ID", readonly=True)
    attempts = fields.Integer(readonly=True)
    reason = fields.Char("Last Answer", readonly=True)
    next_try = fields.Datetime("Next Attempt", readonly=True)
    payload = fields.Text(readonly=True)
    story = fields.Html("Attempts So Far", readonly=True, sanitize=False)

    @api.model
    def _rows(self, backend):
        server = backend._client().server
        return {
            str(row.number): {
                "submitted_at": row.submitted, "state": row.state, "event": row.event,
                "login": row.account, "url": row.url, "subject": row.subject,
                "message_id": row.message_id, "attempts": len(row.attempts),
                "reason": row.attempts[-1].text if row.attempts else False,
                "next_try": row.next_try, "payload": row.payload, "story": story_of(row.attempts),
            }
            for row in [*server.hooks(), *server.retired_hooks()]
        }

    @api.depends("event", "url")
    def _compute_display_name(self):
        for hook in self:
            hook.display_name = f"{hook.event} → {hook.url}"

    def action_try_now(self):
        return self._waiting()._act(self.env._("Made now: %s."), "call_again")

    def action_cancel(self):
        """Forget them: nobody is told."""
        return self._waiting()._act(self.env._("Cancelled: %s."), "cancel_hooks")

    def _waiting(self):
        return self.filtered(lambda hook: hook.state == "waiting")


class ServerSuppression(models.Model):
    """An address to which a mailbox of Odoo's sends nothing more: mail to it failed, or somebody
    wished it.  mox keeps such a list for each account, and shows it to that alone."""

    _name = "emboux.server.suppression"
    _description = "Suppressed Address on a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "since desc, id desc"
    _rec_name = "address"
    _page = "emboux_core.action_server_suppression"

    # not the mixin's: here people make rows, of the mailbox' server
    backend_id = fields.Many2one(related="mailbox_id.backend_id", store=True, precompute=True)
    mailbox_id = fields.Many2one(
        "emboux.mailbox", required=True, index=True, ondelete="cascade",
        help="One that Odoo sends through: it knows the password of no other.")
    address = fields.Char(required=True)
    reason = fields.Char()
    manual = fields.Boolean("By Hand", readonly=True)
    since = fields.Datetime(readonly=True)

    @api.model
    def _refresh(self, backend):
        """Each mailbox by itself: where one is not let in, the others' are read all the same."""
        mailboxes = self.env["emboux.mailbox"].search([("backend_id", "=", backend.id)])
        mailboxes = mailboxes.filtered("mail_server_ids")
        self._align(backend, {}, [("mailbox_id", "not in", mailboxes.ids)])
        problems = []
        for mailbox in mailboxes:
            try:
                suppressed = mailbox._mox_webapi().suppressed()
            except BackendError as error:
                problems.append(f"{mailbox.email}: {error}")
                continue
            self._align(backend, {
                f"{mailbox.id}:{row.base}": {
                    "mailbox_id": mailbox.id, "address": row.address, "reason": row.reason,
                    "manual": row.manual, "since": row.since,
                }
                for row in suppressed
            }, [("mailbox_id", "=", mailbox.id)])
        if problems:
            raise Refused(" ".join(problems))

    @api.model_create_multi
    def create(self, vals_list):
        rows = super().create(vals_list)
        for row in rows:
            with backend_errors(self.env, row.backend_id.name):
                webapi = row.mailbox_id._mox_webapi()
                webapi.suppress(row.address, row.reason or "")
                there = [each for each in webapi.suppressed() if each.address == row.address]
            if not there:
                raise UserError(self.env._(
                    "%s is on the list already, written in another way: tags and dots do not "
                    "count. Refresh the list to see it.", row.address))
            # as superuser: people make and delete rows, and change none
            row.sudo()._store({"key": f"{row.mailbox_id.id}:{there[0].base}", "manual": True,
                               "since": there[0].since})
        return rows

    def unlink(self):
        for row in self:
            with backend_errors(self.env, row.backend_id.name):
                row.mailbox_id._mox_webapi().allow(row.address)
        return super().unlink()


class ServerReport(models.Model):
    """What other servers report of mail from our domains (DMARC, RFC 7489), and of connections to
    us (TLS, RFC 8460)."""

    _name = "emboux.server.report"
    _description = "Report to a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "day desc, id desc"
    _rec_name = "domain"
    _page = "emboux_core.action_server_report"

    kind = fields.Selection([("dmarc", "DMARC"), ("tls", "TLS")], "About", readonly=True)
    day = fields.Datetime("Period End", readonly=True)
    domain = fields.Char(readonly=True)
    by = fields.Char("Reported By", readonly=True)
    source = fields.Char(
        readonly=True, help="DMARC: the address that sent. TLS: by which policy it was checked.")
    count = fields.Integer(readonly=True, aggregator="sum", help="Messages, or connections.")
    passed = fields.Integer(readonly=True, aggregator="sum")
    failed = fields.Integer(readonly=True, aggregator="sum")
    result = fields.Char(readonly=True)

    @api.model
    def _rows(self, backend):
        server = backend._client().server
        end = fields.Datetime.now() + timedelta(days=1)
        span = end - REPORTS, end
        return {
            f"{row.kind}:{row.key}": {
                "kind": row.kind, "day": row.day, "domain": row.domain, "by": row.by,
                "source": row.source, "count": row.count, "passed": row.passed,
                "failed": row.count - row.passed, "result": row.result,
            }
            for row in [*server.dmarc_reports(*span), *server.tls_reports(*span)]
        }


class ServerReportOutcome(models.Model):
    """The same for charts, which draw one measure: what passed and what failed are rows of their
    own."""

    _name = "emboux.server.report.outcome"
    _description = "Outcome in Reports to a Mail Server"
    _auto = False
    _order = "day desc, id desc"
    _rec_name = "domain"

    backend_id = fields.Many2one("emboux.backend", "Server", readonly=True)
    kind = fields.Selection([("dmarc", "DMARC"), ("tls", "TLS")], "About", readonly=True)
    day = fields.Datetime("Period End", readonly=True)
    domain = fields.Char(readonly=True)
    by = fields.Char("Reported By", readonly=True)
    source = fields.Char(readonly=True)
    # charts take colours in the order of the keys: the second is red
    outcome = fields.Selection([("passed", "Passed"), ("wrong", "Failed")], readonly=True)
    count = fields.Integer(readonly=True, aggregator="sum", help="Messages, or connections.")

    _depends = {  # noqa: RUF012 - Odoo's own
        "emboux.server.report": [
            "backend_id", "kind", "day", "domain", "by", "source", "passed", "failed"],
    }

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT r.id * 2 + o.number AS id, r.backend_id, r.kind, r.day, r.domain, r.by, r.source,
                   o.outcome, o.count
              FROM emboux_server_report r
             CROSS JOIN LATERAL (
                   VALUES (0, 'passed', r.passed), (1, 'wrong', r.failed)
                   ) o (number, outcome, count)
             WHERE o.count > 0
            """
        )


class ServerLogin(models.Model):
    """Who has logged in, or tried to."""

    _name = "emboux.server.login"
    _description = "Log-in to a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "last_at desc, id desc"
    _rec_name = "login"
    _page = "emboux_core.action_server_login"

    last_at = fields.Datetime("Last", readonly=True)
    first_at = fields.Datetime("First", readonly=True)
    count = fields.Integer("Times", readonly=True, aggregator="sum")
    login = fields.Char("Account", readonly=True)
    address = fields.Char("Log-in Address", readonly=True)
    source = fields.Char("From", readonly=True)
    protocol = fields.Char(readonly=True)
    method = fields.Char(readonly=True)
    result = fields.Char(readonly=True)
    is_ok = fields.Boolean(readonly=True)

    @api.model
    def _rows(self, backend):
        return {
            row.key: {
                "last_at": row.last, "first_at": row.first, "count": row.count,
                "login": row.account, "address": row.address, "source": row.source,
                "protocol": row.protocol, "method": row.method, "result": row.result,
                "is_ok": row.result == "ok",
            }
            for row in backend._client().server.logins()
        }
