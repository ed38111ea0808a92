# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import passwords
from ..transactions import each_in_own_transaction


class MailboxPeople(models.Model):
    """A mailbox whose person has left.

    It is handed over: their mail goes to a colleague, for so many days; meanwhile the mailbox
    receives and keeps its mail, and nobody can log in.
    """

    _inherit = "emboux.mailbox"
    _system_fields = frozenset({"handed_over_until"})

    handed_over_until = fields.Date(
        readonly=True, copy=False, index="btree_not_null", tracking=True,
        help="The last day on which a colleague gets this mailbox' mail. Then it is suspended.",
    )

    def _hand_over(self, colleague, until, reply):
        """``colleague``: a mailbox.  ``reply``: to whoever writes; empty for none."""
        self.ensure_one()
        self.write({
            "state": "active", "forward_to": colleague.email, "forward_keep": True,
            "vacation_on": bool(reply), "vacation_text": reply, "vacation_subject": False,
            "vacation_from": False, "vacation_until": until if reply else False,
            # one that nobody knows
            "password": passwords.generate(30),
        })
        if self.state != "active":
            raise UserError(self.env._(
                "%s stays suspended: its operator has suspended it, too.", self.display_name))
        # as superuser: the system keeps track of it, and of what Odoo logs in with
        system = self.sudo()
        system.handed_over_until = until
        if not system.mail_server_ids:
            system.service_password_hash = False

    def _end_handover(self, state="suspended"):
        # as superuser: it ends by itself, or with the user who is back
        for mailbox in self.sudo().filtered("handed_over_until"):
            mailbox.write({
                "state": state, "suspended_with_user": state == "suspended", "forward_to": False,
                "vacation_on": False, "handed_over_until": False,
            })

    def action_end_handover(self):
        self.check_access("write")
        self._end_handover()
        return True

    def action_hand_over(self):
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_core.action_mailbox_handover"
        ) | {"context": {"default_mailbox_id": self.id}}

    @api.model
    def _cron_end_handovers(self):
        """Suspend those whose last day is over."""
        over = self.search([("handed_over_until", "<", fields.Date.context_today(self))])
        each_in_own_transaction(self.env, [over], lambda mailbox: mailbox._end_handover())
