# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Existing wildcard parents need the records that route mail to their subdomains."""
    env = api.Environment(cr, SUPERUSER_ID, {})
    parents = env["emboux.domain"].with_context(active_test=False).search(
        [("is_wildcard", "=", True), ("backend_id.kind", "=", "local")]
    )
    parents._provision()
    parents.next_check = env.cr.now()
