# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import SUPERUSER_ID, api

from odoo.addons.emboux_core import addresses


def migrate(cr, _version):
    """Suppress recipients whose address was considered invalid until now."""
    env = api.Environment(cr, SUPERUSER_ID, {})
    events = env["emboux.webhook.event"].search(
        [
            ("state", "=", "noted"), ("domain_id", "!=", False),
            "|", ("kind", "in", ("complaint", "unsubscribe")),
            "&", ("kind", "=", "bounce"), ("permanent", "=", True),
        ]
    )
    settings = env["emboux.reputation"]._settings()
    for event in events:
        try:
            event.recipient = addresses.normalise_reported(event.recipient or "")
        except addresses.AddressError:
            continue
        if event._suppress(settings):
            event.state = "judged"
