# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.emboux_core.models.fields import BigInteger

from .message_words import plain

#: Wish to the kind of event in the message's story.
ACTS = {
    "deliver": "deliver_asked", "hold": "hold_asked", "release": "release_asked",
    "fail": "fail_asked", "drop": "discard_asked", "postpone": "postpone_asked",
}
LATEST = timedelta(days=5)  # Postfix' own maximal_queue_lifetime


class QueueMessage(models.Model):
    """A message that waits in the queue of a mail server, whoever's it is.

    The agent there (``odoo emboux_queue``) lists it as long as it waits, and does what ``wish``
    says.  What is on hold for a reason of ours has a row in ``emboux.held.message`` besides, which
    knows why, and what it will count.
    """

    _name = "emboux.queue.message"
    _description = "Message in the Queue"
    _auto = False
    _order = "arrived_at desc, id desc"
    _rec_name = "queue_id"

    host = fields.Char("Mail Server", readonly=True)
    queue_id = fields.Char("Queue ID", readonly=True)
    arrived_at = fields.Datetime("Arrived", readonly=True)
    queue = fields.Selection(
        [("incoming", "Incoming"), ("active", "Being Tried"), ("deferred", "Waiting"),
         ("hold", "On Hold")], readonly=True)
    login = fields.Char("Submitted By", readonly=True, help="Empty: from outside, or a report.")
    sender = fields.Char(readonly=True, help="Of the envelope. Reports have none.")
    domain_id = fields.Many2one("emboux.domain", readonly=True)
    partner_id = fields.Many2one(related="domain_id.partner_id")
    company_id = fields.Many2one(related="domain_id.company_id")
    recipients = fields.Text(readonly=True, help="The first twenty.")
    recipient_count = fields.Integer("Number of Recipients", readonly=True)
    size = BigInteger("Size (bytes)", readonly=True)
    reason = fields.Char("Last Answer", readonly=True, help="Why it waits.")
    next_try = fields.Datetime("Next Attempt", readonly=True)
    wish = fields.Selection(
        [("deliver", "Deliver Now"), ("hold", "Hold"), ("release", "Release"),
         ("fail", "Return to Sender"), ("drop", "Delete"), ("postpone", "Put Off")],
        "Asked For", readonly=True, help="The agent on the mail server does it within seconds.")
    wish_until = fields.Datetime(readonly=True)
    note = fields.Char(readonly=True, help="Why it was not done.")
    to = fields.Char(compute="_compute_to")
    why = fields.Char("Last Answer Alone", compute="_compute_why")
    held_id = fields.Many2one("emboux.held.message", "Held Message", readonly=True)

    @property
    def _table_query(self):
        return """SELECT q.id, q.host, q.queue_id,
                         (to_timestamp(q.arrived) AT TIME ZONE 'UTC') AS arrived_at, q.queue,
                         q.login, q.sender, q.domain_id, q.recipients, q.recipient_count, q.size,
                         q.reason, q.next_try, q.wish, q.wish_until, q.note, h.id AS held_id
                    FROM emboux_mail.queue_message q
                    LEFT JOIN emboux_held_message h
                      ON (h.host, h.queue_id, h.arrived) = (q.host, q.queue_id, q.arrived)
                     AND h.state IN ('holding', 'held', 'releasing', 'discarding')"""

    @api.depends("sender", "recipients")
    def _compute_display_name(self):
        for message in self:
            first = (message.recipients or "").partition("\n")[0]
            message.display_name = f"{message.sender or self.env._('Report')} → {first or '…'}"

    @api.depends("recipients", "recipient_count")
    def _compute_to(self):
        for message in self:
            first, more = (message.recipients or "").partition("\n")[0], message.recipient_count - 1
            message.to = self.env._("%(first)s and %(more)s more", first=first, more=more) \
                if more > 0 else first

    @api.depends("reason")
    def _compute_why(self):
        """Without whose answer it is, which Postfix says first."""
        for message in self:
            message.why = plain(message.reason)

    # -- what people do --------------------------------------------------------------------------

    def action_deliver(self):
        """Try them at once."""
        self._wish("deliver", self.filtered(lambda m: m.queue != "hold"))

    def action_hold(self):
        """Keep them until somebody releases or deletes them."""
        self._wish("hold", self.filtered(lambda m: m.queue != "hold"))

    def action_release(self):
        """Deliver what is on hold."""
        on_hold = self.filtered(lambda m: m.queue == "hold")
        if held := on_hold.held_id:
            held.action_release()
        self._wish("release", on_hold.filtered(lambda m: not m.held_id), told=bool(held))

    def action_fail(self):
        """Return them to their senders, as not delivered."""
        self._wish("fail", self)

    def action_drop(self):
        """Delete them: neither sender nor recipient hears of it."""
        if held := self.held_id:
            held.action_discard()
        self._wish("drop", self.filtered(lambda m: not m.held_id), told=bool(held))

    @api.private
    def _postpone(self, until):
        """Let nobody try them before that time.

        :param until: naive UTC, within five days.
        """
        now = fields.Datetime.now()
        if not now < until <= now + LATEST:
            raise UserError(self.env._(
                "Choose a time within the next %s days: after that Postfix returns a message.",
                LATEST.days))
        self._wish("postpone", self.filtered(lambda m: m.queue != "hold"), until)

    def action_undo(self):
        """Take back what the agent has not done yet."""
        self._check_may_act()
        self.env.cr.execute(
            "UPDATE emboux_mail.queue_message SET wish = NULL, wish_until = NULL"
            " WHERE id = ANY(%s)", [self.ids])
        self.invalidate_recordset()

    def _wish(self, what, messages, until=None, told=False):
        """``told``: something was done with others of them already."""
        self._check_may_act()
        if not messages:
            if told:
                return
            raise UserError(self.env._(
                "Nothing here can be treated so: what is on hold is to be released, or deleted; "
                "all else is not on hold."))
        self.env.cr.execute(
            "UPDATE emboux_mail.queue_message SET wish = %s, wish_until = %s, note = NULL"
            " WHERE id = ANY(%s)", [what, until, messages.ids])
        values = {"until": f"{until.isoformat()}+00:00"} if until else {}
        self.env["emboux.message"]._note_act(messages, ACTS[what], **values)
        self.invalidate_recordset()

    def _check_may_act(self):
        """Whoever may decide about held messages may do so about others."""
        self.check_access("read")
        self.env["emboux.held.message"].check_access("write")
