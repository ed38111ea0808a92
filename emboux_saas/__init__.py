# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import controllers, models, wizard


def post_init_hook(env):
    """Bind portal users of existing customers as those of new ones."""
    env["emboux.customer"].search([])._bind_portal_users()  # pylint: disable=no-search-all


def uninstall_hook(env):
    """The portal is gone, so its access rights are withdrawn."""
    users = env["res.users"].with_context(active_test=False)
    users.search([("emboux_by_contact", "=", True)])._drop_portal_group()
    # Odoo removes what came with the add-on, plans for example, before the tables that refer to it
    env.cr.execute("DELETE FROM emboux_plan_period")
    env.cr.execute("UPDATE emboux_customer SET plan_id = NULL")
