# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models

from odoo.addons.emboux_core.backends import mox_hooks


class MoxHook(models.Model):
    """Of a mailing Odoo keeps traces alone, by which it counts who got it."""

    _inherit = "emboux.mox.hook"

    @api.model
    def _take_event_elsewhere(self, event):
        super()._take_event_elsewhere(event)
        traces = self.env["mailing.trace"].search([("message_id", "=", event.message_id)])
        traces = traces.filtered(
            lambda trace: event.recipient in ("", (trace.email or "").lower())
            and trace.trace_status not in ("bounce", "error", "cancel"))
        if not traces:
            return
        if event.kind == mox_hooks.FAILED and event.recipient:
            self._bounce(event, self.env["mail.message"], self._words(event))
        elif event.kind in (mox_hooks.FAILED, mox_hooks.SUPPRESSED, mox_hooks.CANCELED):
            traces.set_failed(failure_type="unknown")
            traces.failure_reason = self._words(event)
