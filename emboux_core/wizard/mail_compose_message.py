# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from math import ceil

from odoo import api, fields, models

from ..models.mail_mail import BATCH


class MailComposeMessage(models.TransientModel):
    """Whoever writes to many is told beforehand how long it will take."""

    _inherit = "mail.compose.message"

    emboux_room_note = fields.Char(compute="_compute_emboux_room_note")

    @api.depends("composition_mode", "res_ids", "res_domain")
    def _compute_emboux_room_note(self):
        for composer in self:
            composer.emboux_room_note = (
                composer.composition_mode == "mass_mail" and composer._room_note()
            )

    def _room_note(self):
        if self.res_domain:
            count = self.env[self.model].search_count(self._evaluate_res_domain())
        else:
            count = len(self._evaluate_res_ids())
        mailbox = self.env["emboux.odoo.mail"]._of(self.env.company).mailbox_id
        # fewer ask nobody when they leave, either
        if count < BATCH or not mailbox:
            return False
        room = mailbox._room_to_send()
        if room is None or count <= room.left:
            return False
        if not room.per_day:
            return self.env._(
                "%(domain)s may send %(left)s more of these %(count)s emails now. The others wait "
                "in the queue and leave by themselves when there is room again.",
                domain=mailbox.domain_id.display_name, left=room.left, count=count)
        return self.env._(
            "These %(count)s emails take about %(days)s days: %(domain)s may send %(left)s more "
            "now, and %(per_day)s a day. The others wait in the queue and leave by themselves.",
            count=count, days=max(2, ceil(count / room.per_day)), left=room.left,
            per_day=room.per_day, domain=mailbox.domain_id.display_name)
