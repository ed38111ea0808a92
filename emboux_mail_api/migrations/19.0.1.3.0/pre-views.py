# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

# as JSON quotes them
BEFORE, NOW = 'name=\\"action_open_transfer\\"', 'name=\\"action_open_traffic\\"'


def migrate(cr, _version):
    """A button's method has another name.

    Odoo validates each view that it loads together with those that extend it, as they still are in
    the database: those of this add-on that come later in the update, and people's own.
    """
    cr.execute(
        """UPDATE ir_ui_view SET arch_db = replace(arch_db::text, %s, %s)::jsonb
            WHERE model = 'emboux.domain' AND strpos(arch_db::text, %s) > 0""",
        [BEFORE, NOW, BEFORE],
    )
