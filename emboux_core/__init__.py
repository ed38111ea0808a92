# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import controllers, models, wizard
from .models.uninstall import restore_odoos_mail


def uninstall_hook(env):
    """Odoo's own mail goes again as it did before it was set up here."""
    restore_odoos_mail(env)
