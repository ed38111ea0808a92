# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from math import ceil

from odoo import api, fields, models


class Mailing(models.Model):
    """Whoever sends a mailing is told beforehand how long it will take."""

    _inherit = "mailing.mailing"

    emboux_room_note = fields.Char(compute="_compute_emboux_room_note")

    @api.depends(
        "state", "mailing_type", "mailing_model_real", "mailing_domain", "mail_server_id",
        "ab_testing_enabled", "ab_testing_pc",
    )
    def _compute_emboux_room_note(self):
        for mailing in self:
            mailing.emboux_room_note = (
                mailing.mailing_type == "mail"
                and mailing.state in ("draft", "in_queue")
                and mailing._leaves_by_emboux()
                and self.env["emboux.odoo.mail"]._room_note(mailing._count_planned())
            )

    def _leaves_by_emboux(self):
        """Without a server of its own it leaves by the one that fits its From, which is ours."""
        # as superuser: whoever sends mailings may not read mail servers
        server = self.mail_server_id.sudo()
        return not server or bool(server.emboux_mailbox_id)

    def _count_planned(self):
        """How many emails it will be, before those that Odoo leaves out (blacklist, duplicates)."""
        count = self.env[self.mailing_model_real].search_count(self._get_recipients_domain())
        if self.ab_testing_enabled and not self.ab_testing_is_winner_mailing:
            return ceil(count * self.ab_testing_pc / 100)
        return count
