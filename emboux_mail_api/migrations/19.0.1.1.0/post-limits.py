# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Limits of a subdomain are its own from now on: what its parent's were stays, as its own.

What was decided until now goes on: nobody sends more than before because of this update, and
nobody who sends already begins to warm up.
"""

import logging

from odoo.tools import SQL

_logger = logging.getLogger(__name__)

_LIMITS = (
    "outbound_daily_limit", "outbound_monthly_limit", "outbound_mailbox_daily_limit",
    "outbound_mailbox_monthly_limit", "outbound_recipients_per_message",
)
#: The former defaults.
_NUMBERS = {"outbound_hourly_fraction": 1 / 6, "outbound_spike_multiplier": 5}
_WORDS = {"outbound_unit": "recipients", "outbound_over_limit": "defer"}

_OF_PARENT = """UPDATE emboux_domain d SET %(name)s = p.%(name)s FROM emboux_domain p
                 WHERE p.id = d.parent_id AND coalesce(d.outbound_inherit, true) AND %(unsaid)s"""


def migrate(cr, version):
    if version:
        keep_limits(cr)
        empty_defaults(cr)
        close_tiers(cr)
        name_suspensions(cr)


def keep_limits(cr):
    """Subdomains that went by their parent's settings, and had none of their own."""
    unsaid = {name: SQL("coalesce(d.%s, 0) = 0", SQL.identifier(name)) for name in _LIMITS}
    unsaid |= {name: SQL("abs(d.%s - %s) < 0.001", SQL.identifier(name), usual)
               for name, usual in _NUMBERS.items()}
    unsaid |= {name: SQL("coalesce(d.%s, %s) = %s", SQL.identifier(name), usual, usual)
               for name, usual in _WORDS.items()}
    for name, condition in unsaid.items():
        cr.execute(SQL(_OF_PARENT, name=SQL.identifier(name), unsaid=condition))


def empty_defaults(cr):
    """A value equal to the former default counts as unset: a plan or a new default decides."""
    for name, usual in (_WORDS | {"outbound_warmup_profile": "standard"}).items():
        cr.execute(SQL("UPDATE emboux_domain SET %(name)s = NULL WHERE %(name)s = %(usual)s",
                       name=SQL.identifier(name), usual=usual))
    # 0 was no warm-up until now
    cr.execute(
        """UPDATE emboux_domain SET outbound_warmup_since = NULL
            WHERE coalesce(outbound_warmup_start, 0) = 0"""
    )
    # where a limit is set already, the behaviour over it was agreed upon
    cr.execute(
        """UPDATE emboux_domain SET transfer_over_limit = 'defer'
            WHERE transfer_over_limit = 'warn' AND coalesce(transfer_limit, 0) = 0"""
    )


def close_tiers(cr):
    """A tier is the name of a plan; any word was accepted before."""
    tiers = {"standard"}
    cr.execute("SELECT to_regclass('emboux_plan') IS NOT NULL")
    if cr.fetchone()[0]:
        cr.execute("SELECT btrim(name->>'en_US') FROM emboux_plan")
        tiers |= {name for [name] in cr.fetchall() if name}
    cr.execute(
        """UPDATE emboux_domain SET outbound_tier = 'standard'
            WHERE outbound_tier IS NULL OR outbound_tier <> ALL(%s) RETURNING name""",
        [list(tiers)],
    )
    if names := [name for [name] in cr.fetchall()]:
        _logger.warning(
            "%d domains had a tier that is no plan's name, and are of the tier standard now: %s",
            len(names), ", ".join(names[:20]),
        )


def name_suspensions(cr):
    """The audit trail says who suspended a mailbox; if it does not, the operator did."""
    cr.execute(
        r"""UPDATE emboux_mailbox m
              SET suspended_by_customer = last.by_customer,
                  suspended_by_operator = NOT last.by_customer
             FROM (SELECT b.id, coalesce((
                       SELECT u.emboux_partner_id IS NOT NULL
                         FROM emboux_audit a JOIN res_users u ON u.id = a.user_id
                        WHERE a.model = 'emboux.mailbox' AND a.res_id = b.id
                          AND a.action IN ('create', 'write') AND a.changes ~ '\msuspended\M'
                        ORDER BY a.id DESC LIMIT 1), false) AS by_customer
                     FROM emboux_mailbox b WHERE b.state = 'suspended') AS last
            WHERE last.id = m.id AND NOT coalesce(m.suspended_by_operator, false)
              AND NOT coalesce(m.suspended_by_customer, false)"""
    )
