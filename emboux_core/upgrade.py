# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the migrations of the add-ons share."""


def rename_button(cr, model, before, now):
    """Call a button's method by its new name in all views of ``model``.

    For a ``pre-`` migration: Odoo validates each view that it loads together with those that extend
    it, as they still are in the database, the add-on's own further ones and people's.

    :param before, now: names of methods.
    """
    quoted = [f'name=\\"{name}\\"' for name in (before, now)]  # as JSON quotes them
    cr.execute(
        """UPDATE ir_ui_view SET arch_db = replace(arch_db::text, %s, %s)::jsonb
            WHERE model = %s AND strpos(arch_db::text, %s) > 0""",
        [*quoted, model, quoted[0]],
    )
