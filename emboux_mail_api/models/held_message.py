# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that Postfix keeps on hold, and what somebody wishes to be done with it."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.emboux_core.models.fields import BigInteger
from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.transactions import delete_in_batches, each_in_own_transaction

from ..settings import HELD_EXPIRED

KEPT_DAYS = 30  # how long closed messages stay in the list
OPEN = ("holding", "held", "releasing", "discarding")


class HeldMessage(models.Model):
    """One message in Postfix' hold queue.

    The agent on the mail server (``queue/agent.py``) writes the rows and does what ``wish`` says;
    Odoo itself never touches the queue.
    """

    _name = "emboux.held.message"
    _description = "Held Message"
    _inherit = ["emboux.system.fields.mixin", "emboux.audited.mixin"]
    _log_access = False
    _order = "arrived_at desc, id desc"
    _rec_name = "queue_id"
    _audited_fields = ("wish",)
    _system_fields = frozenset({
        "host", "queue_id", "arrived", "arrived_at", "login", "sender", "domain_id", "recipients",
        "recipient_count", "size", "reason", "state", "note", "held_since", "expires_at",
        "charged_at", "done_at", "told_at",
    })

    host = fields.Char("Mail Server", required=True)
    queue_id = fields.Char("Queue ID", required=True, help="As in Postfix' log.")
    # the seconds since 1970: together with them an id, which Postfix uses again, is one message
    arrived = BigInteger("Arrived (Unix time)", required=True)
    arrived_at = fields.Datetime("Arrived", required=True)
    login = fields.Char(required=True, help="Who submitted it.")
    sender = fields.Char(help="Envelope sender.")
    domain_id = fields.Many2one("emboux.domain", index=True, ondelete="set null")
    company_id = fields.Many2one(related="domain_id.company_id")
    partner_id = fields.Many2one(related="domain_id.partner_id")
    recipients = fields.Text(help="The first twenty.")
    recipient_count = fields.Integer("Number of Recipients")
    size = fields.Integer("Size (bytes)")
    reason = fields.Selection(
        [
            ("suspended", "Suspended"),
            ("over_limit", "Over a Limit"),
            ("by_hand", "Held Manually"),
            ("rule", "Hold Rule"),
        ],
        "Why",
        required=True,
        help="Suspended: released automatically when the suspension is lifted. Over a limit: "
             "released when the limits allow it. Held manually: by somebody in the queue, or with "
             "postsuper on the mail server. Hold rule: somebody has to decide.",
    )
    state = fields.Selection(
        [
            ("holding", "Being Held"),
            ("held", "On Hold"),
            ("releasing", "Being Released"),
            ("discarding", "Being Discarded"),
            ("released", "Released"),
            ("discarded", "Discarded"),
            ("gone", "Gone"),
        ],
        required=True,
    )
    wish = fields.Selection(
        [("release", "Release"), ("discard", "Discard")],
        readonly=True,
        help="Requested action; the agent on the mail server carries it out within seconds.",
    )
    note = fields.Char()
    held_since = fields.Datetime(required=True)
    expires_at = fields.Datetime("Expires", help="From then on it is not released automatically.")
    is_expired = fields.Boolean(
        "Expired", compute="_compute_is_expired", search="_search_is_expired"
    )
    charged_at = fields.Datetime("Counted", help="When it was counted against the limits.")
    done_at = fields.Datetime("Closed Since")
    told_at = fields.Datetime("Notified At")

    _message_unique = models.UniqueIndex("(host, queue_id, arrived)")
    _open_index = models.Index(
        "(host, arrived) WHERE state IN ('holding', 'held', 'releasing', 'discarding')"
    )

    @api.depends("expires_at", "state")
    def _compute_is_expired(self):
        now = fields.Datetime.now()
        for message in self:
            message.is_expired = bool(
                message.state == "held" and message.expires_at and message.expires_at <= now
            )

    def _search_is_expired(self, operator, value):
        if operator != "in":
            return NotImplemented
        expired = [("state", "=", "held"), ("expires_at", "<=", fields.Datetime.now())]
        return expired if True in value else ["!", "&", *expired]

    @api.model_create_multi
    def create(self, vals_list):
        self, vals_list = self._clean_create_vals(vals_list)
        return super().create(vals_list)

    def write(self, vals):
        return super().write(self._clean_write_vals(vals))

    def action_release(self):
        """Deliver them, also over the limits, against which they are counted."""
        return self._request_action("release")

    def action_discard(self):
        """Delete them from the queue, for good: neither sender nor recipient hears of it."""
        return self._request_action("discard")

    def action_keep_waiting(self):
        """Cancel a request that the agent has not carried out yet."""
        return self._request_action(False)

    def _request_action(self, what):
        done = self.filtered(lambda m: m.state not in ("holding", "held"))
        if done:
            raise UserError(
                self.env._(
                    "These are not on hold any more: %s",
                    ", ".join(done[:10].mapped("queue_id")),
                )
            )
        # in the message log, with the name of whoever it was
        self.env["emboux.message"]._note_wish(self, what)
        return self.write({"wish": what})

    # -- expiry ----------------------------------------------------------------------------

    @api.model
    @api.private
    def _cron_expire(self):
        """Notify owner and operator once of expired mail, or discard it if the setting says so.

        Postfix cannot return a message that it holds, so without a decision it stays.
        """
        now = fields.Datetime.now()
        expired = self.search(
            [("state", "=", "held"), ("expires_at", "<=", now), ("told_at", "=", False)]
        )
        discard = HELD_EXPIRED.read(self.env) == "discard"
        # as superuser: what follows from the time is not for users to write
        by_domain = expired.sudo().grouped("domain_id")
        each_in_own_transaction(
            self.env, [by_domain.items()],
            lambda item: item[1].exists()._expire(item[0], now, discard),
        )

    def _expire(self, domain, now, discard):
        if domain:
            self._notify_expired(domain, discard)
        self.told_at = now
        if discard:
            self.filtered(lambda m: not m.wish).wish = "discard"

    def _notify_expired(self, domain, discard):
        lines = tuple(
            f"{m.sender or m.login} → {(m.recipients or '').replace(chr(10), ', ')} ({m.queue_id})"
            for m in self[:20]
        )

        def compose(domain):
            if discard:
                return Notice(
                    domain.env._(
                        "Mail of %s was on hold for too long and is discarded", domain.display_name
                    ),
                    lines=lines,
                )
            return Notice(
                domain.env._("Mail of %s is on hold and needs a decision", domain.display_name),
                lines=lines,
                remedy=domain.env._("Release or discard it under Held Messages."),
            )

        domain._post_notice(compose, domain.user_id.partner_id | domain.partner_id)
        if not discard:
            domain._schedule_notice(compose, domain.user_id, "mail.mail_activity_data_warning")

    @api.autovacuum
    def _gc(self):
        old = fields.Datetime.now() - timedelta(days=KEPT_DAYS)
        over = [("state", "not in", OPEN), ("done_at", "<", old)]
        return delete_in_batches(self, over, _delete_silently)


def _delete_silently(over):
    """Without audit trail entries: nobody did it."""
    over.env.cr.execute("DELETE FROM emboux_held_message WHERE id = ANY(%s)", [over.ids])
    over.invalidate_recordset(flush=False)
