# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields, models


class QueuePostpone(models.TransientModel):
    """When messages of the queue are to be tried next."""

    _name = "emboux.queue.postpone"
    _description = "Put Off Messages of the Queue"

    until = fields.Datetime(
        "Next Attempt", required=True,
        default=lambda self: fields.Datetime.now() + timedelta(hours=1))

    def action_postpone(self):
        messages = self.env["emboux.queue.message"].browse(self.env.context.get("active_ids", ()))
        messages._postpone(self.until)
        return {"type": "ir.actions.act_window_close"}
