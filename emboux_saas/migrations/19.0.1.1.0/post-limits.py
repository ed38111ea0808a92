# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Plan limits are stored apart from the operator's settings, and apply to subdomains too."""

import logging

from odoo.tools import SQL

_logger = logging.getLogger(__name__)

_LIMITS = ("outbound_daily_limit", "outbound_monthly_limit", "outbound_warmup_start")
_WORDS = ("outbound_unit", "outbound_over_limit", "outbound_warmup_profile")

_PART = """UPDATE emboux_domain d
              SET %(plans)s = p.%(name)s,
                  %(name)s = CASE WHEN d.%(name)s = p.%(name)s THEN %(nothing)s ELSE d.%(name)s END
             FROM emboux_customer c JOIN emboux_plan p ON p.id = c.plan_id
            WHERE c.partner_id = d.partner_id"""


def migrate(cr, version):
    if version:
        part_from_plan(cr)


def part_from_plan(cr):
    """Give each domain its owner's plan limits, and clear settings that came from the plan."""
    # exceptions above the plan were possible, and no longer are
    cr.execute(
        """SELECT d.name FROM emboux_domain d
             JOIN emboux_customer c ON c.partner_id = d.partner_id
             JOIN emboux_plan p ON p.id = c.plan_id
            WHERE (p.outbound_daily_limit > 0 AND d.outbound_daily_limit > p.outbound_daily_limit)
               OR (p.outbound_monthly_limit > 0
                   AND d.outbound_monthly_limit > p.outbound_monthly_limit)"""
    )
    if names := [name for [name] in cr.fetchall()]:
        _logger.warning(
            "%d domains had more than their owner's plan has; the plan decides now: %s",
            len(names), ", ".join(names[:50]),
        )
    for name in (*_LIMITS, *_WORDS):
        cr.execute(
            SQL(
                _PART, name=SQL.identifier(name), plans=SQL.identifier(f"plan_{name}"),
                nothing=SQL("0") if name in _LIMITS else SQL("NULL"),
            )
        )
    # a plan that limits no transfer takes the default of today for the day on which it does
    cr.execute(
        """UPDATE emboux_plan SET transfer_over_limit = 'defer'
            WHERE transfer_over_limit = 'warn' AND coalesce(transfer_limit_gb, 0) = 0"""
    )
