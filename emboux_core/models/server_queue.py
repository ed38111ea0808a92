# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError

from .errors import backend_errors
from .fields import BigInteger

LATEST = timedelta(days=30)  # a delivery is put off at most


class ServerMessage(models.Model):
    """A message in the queue of a mail server for one recipient, or one that has left it."""

    _name = "emboux.server.message"
    _description = "Message on a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "arrived_at desc, id desc"
    _rec_names_search = ["sender", "recipient", "subject"]
    _page = "emboux_core.action_server_message"

    arrived_at = fields.Datetime("Arrived", readonly=True)
    sender = fields.Char("From", readonly=True, help="Of the envelope. Reports have none.")
    recipient = fields.Char("To", readonly=True)
    login = fields.Char("Submitted By", readonly=True, help="The account.")
    queue = fields.Selection(
        [("deferred", "Waiting"), ("hold", "On Hold"), ("delivered", "Delivered"),
         ("failed", "Failed")], "Status", readonly=True)
    reason = fields.Char("Last Answer", readonly=True)
    attempts = fields.Integer(readonly=True, aggregator="sum")
    next_try = fields.Datetime("Next Attempt", readonly=True)
    ended_at = fields.Datetime("Ended", readonly=True)
    size = BigInteger("Size (bytes)", readonly=True)
    subject = fields.Char(readonly=True)
    message_id = fields.Char("Message-ID", readonly=True)
    return_tag = fields.Char(readonly=True, help="Of its own envelope sender (FromID).")
    transport = fields.Char(readonly=True, help="Empty: as the routes say.")
    require_tls = fields.Selection(
        [("yes", "Required"), ("no", "Not Needed")], "TLS", readonly=True,
        help="Empty: as the recipient's domain wishes.")
    story = fields.Html("Attempts So Far", readonly=True, sanitize=False)

    @api.model
    def _rows(self, backend):
        server = backend._client().server
        # what was delivered between the two questions is in the second
        return {
            str(row.number): self._values_of(row) for row in [*server.queue(), *server.retired()]
        }

    @api.model
    def _values_of(self, row):
        last = row.attempts[-1] if row.attempts else None
        return {
            "arrived_at": row.arrived, "sender": row.sender, "recipient": row.recipient,
            "login": row.account, "queue": row.state, "reason": last.text if last else False,
            "attempts": len(row.attempts), "next_try": row.next_try, "ended_at": row.ended,
            "size": row.size, "subject": row.subject, "message_id": row.message_id,
            "return_tag": row.from_id, "transport": row.transport,
            "require_tls": {True: "yes", False: "no"}.get(row.require_tls, False),
            "story": story_of(row.attempts),
        }

    @api.depends("sender", "recipient")
    def _compute_display_name(self):
        for message in self:
            message.display_name = f"{message.sender or self.env._('Report')} → {message.recipient}"

    # -- what people do: the same as with the queue of Postfix -------------------------------------

    def action_deliver(self):
        """Try them at once."""
        return self._only(("deferred",))._act(
            self.env._("Tried now: %s."), "try_again")

    def action_hold(self):
        """Keep them until somebody releases or deletes them."""
        return self._only(("deferred",))._act(
            self.env._("Put on hold: %s."), "hold", True)

    def action_release(self):
        """Deliver what is on hold."""
        return self._only(("hold",))._act(
            self.env._("Released: %s."), "hold", False)

    def action_fail(self):
        """Return them to their senders, as not delivered."""
        return self._only(("deferred", "hold"))._act(
            self.env._("Returned to their senders: %s."), "fail")

    def action_drop(self):
        """Delete them: neither sender nor recipient hears of it."""
        return self._only(("deferred", "hold"))._act(
            self.env._("Deleted: %s."), "drop")

    @api.private
    def postpone(self, until):
        """Let nobody try them before that time.

        :param until: naive UTC, within thirty days.
        """
        now = fields.Datetime.now()
        if not now < until <= now + LATEST:
            raise UserError(self.env._("Choose a time within the next %s days.", LATEST.days))
        minutes = -(-(until - now) // timedelta(minutes=1))
        return self._only(("deferred",))._act(
            self.env._("Put off: %s."), "try_again", minutes)

    @api.private
    def require(self, tls):
        """:param tls: ``yes``, ``no``, or False for what the recipient's domain wishes."""
        return self._only(("deferred", "hold"))._act(
            self.env._("With another rule for TLS: %s."), "require_tls",
            {"yes": True, "no": False}.get(tls))

    @api.private
    def use_transport(self, name):
        """:param name: of a transport of their server, empty for what its routes say."""
        for backend in self.backend_id if name else ():
            with backend_errors(self.env, backend.name):
                known = backend._client().server.transports()
            if name not in known:
                raise UserError(self.env._(
                    "%(server)s has no transport %(name)s. It has: %(known)s.",
                    server=backend.name, name=name,
                    known=", ".join(known) or self.env._("none, see mox.conf")))
        return self._only(("deferred", "hold"))._act(
            self.env._("With another transport: %s."), "use_transport", name or "")

    def _only(self, queues):
        found = self.filtered(lambda m: m.queue in queues)
        if not found:
            raise UserError(self.env._(
                "That is not possible for any of these: release what is on hold, and hold what "
                "waits. What has left the queue stays as it is."))
        return found


def story_of(attempts):
    """The attempts of a message or a call, one line each."""
    line = Markup("<div>%s: %s (%.1f s)</div>")
    return Markup().join(
        line % (fields.Datetime.to_string(each.at) + " UTC",
                " ".join(filter(None, [str(each.code or ""), each.text])) or "OK", each.seconds)
        for each in attempts
    )


class ServerHoldRule(models.Model):
    """Mail that a server puts on hold as it comes in."""

    _name = "emboux.server.hold.rule"
    _description = "Hold Rule of a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "backend_id, id"
    _page = "emboux_core.action_server_hold_rule"

    # not the mixin's: here people make rows
    backend_id = fields.Many2one(
        readonly=False, default=lambda self: self.env["emboux.backend"]._with_servers()[:1])
    login = fields.Char("Submitted By", help="The account. Empty: anybody.")
    sender_domain = fields.Char(help="Of the envelope sender. Empty: any.")
    recipient_domain = fields.Char(help="Empty: any.")
    everything = fields.Boolean(compute="_compute_everything")

    @api.depends("login", "sender_domain", "recipient_domain")
    def _compute_everything(self):
        for rule in self:
            rule.everything = not (rule.login or rule.sender_domain or rule.recipient_domain)

    @api.model
    def _rows(self, backend):
        return {
            str(row.number): {"login": row.account, "sender_domain": row.sender_domain,
                              "recipient_domain": row.recipient_domain}
            for row in backend._client().server.hold_rules()
        }

    @api.model_create_multi
    def create(self, vals_list):
        """The server first: a rule that it did not take holds nothing."""
        rules = super().create(vals_list)
        for rule in rules:
            with backend_errors(self.env, rule.backend_id.name):
                made = rule._server().add_hold_rule(
                    rule.login or "", rule.sender_domain or "", rule.recipient_domain or "")
            # as superuser: people make and delete rules, and change none
            rule.sudo()._store({"key": str(made.number)})
        return rules

    def unlink(self):
        for rule in self.filtered("key"):
            with backend_errors(self.env, rule.backend_id.name):
                rule._server().remove_hold_rule(int(rule.key))
        return super().unlink()
