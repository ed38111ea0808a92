# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models


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
        return self.env["emboux.odoo.mail"]._room_note(count)
