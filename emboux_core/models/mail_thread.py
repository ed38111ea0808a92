# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import xmlrpc.client

from odoo import api, models

from .. import dsn

_logger = logging.getLogger(__name__)


class MailThread(models.AbstractModel):
    """The gateway is given reports as it can read them; see ``dsn``."""

    _inherit = "mail.thread"

    @api.model
    def message_process(self, model, message, *args, **kwargs):
        raw = message.data if isinstance(message, xmlrpc.client.Binary) else message
        if isinstance(raw, str):
            raw = raw.encode()
        bounces = dsn.failures(raw)
        if bounces is None:
            return super().message_process(model, message, *args, **kwargs)
        if not bounces:
            _logger.info("A report that tells of no failure is not for a document.")
        for bounce in bounces:
            super().message_process(model, bounce, *args, **kwargs)
        return False
