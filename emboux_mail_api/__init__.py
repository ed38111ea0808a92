from odoo.exceptions import UserError

from . import models


def uninstall_hook(env):
    """Nothing is published any more: the views go, and with them what Dovecot counted."""
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
