# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a domain is provisioned on.  Plain Python: nothing here imports an Odoo model."""
