# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import UserError
from odoo.tools import SQL

from . import models
from . import controllers, wizard


def uninstall_hook(env):
    """Nothing is published any more: drop the views, and with them what Dovecot counted."""
    domains = env["emboux.domain"].with_context(active_test=False).search(
        [("backend_id.kind", "=", "local")], limit=5
    )
    if domains:
        raise UserError(
            env._(
                "Domains still live on this Odoo: %s. Delete them first, because nobody would "
                "deliver their mail any more.",
                ", ".join(domains.mapped("display_name")),
            )
        )
    env.cr.execute("DROP SCHEMA IF EXISTS emboux_mail CASCADE")
    for function in ("emboux_domain_changed", "emboux_mailbox_changed", "emboux_note_change"):
        env.cr.execute(SQL("DROP FUNCTION IF EXISTS %s CASCADE", SQL.identifier(function)))
