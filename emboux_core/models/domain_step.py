# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models

from .domain_state import STATES


class DomainStep(models.Model):
    """One step in the life of a domain: when, into which state, and why."""

    _name = "emboux.domain.step"
    _description = "Step of a Domain's Verification"
    _order = "happened_at desc, id desc"
    _rec_name = "state"
    _log_access = False

    domain_id = fields.Many2one("emboux.domain", required=True, index=True, ondelete="cascade")
    happened_at = fields.Datetime("When", required=True)
    state = fields.Selection(STATES, required=True)
    reason = fields.Char("Why")
