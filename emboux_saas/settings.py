# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""System parameters of selling it; see ``emboux_core.settings``."""

from odoo.addons.emboux_core.settings import Setting

SIGNUPS_PER_HOUR = Setting(
    "emboux_saas.signups_per_hour", int, 5,
    "Sign-ups from one network (an IPv4 address, or a /64 of IPv6) in an hour.",
)
