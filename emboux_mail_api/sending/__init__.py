# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that is sent by HTTP: composed and submitted.  Plain Python, no Odoo model is imported."""
