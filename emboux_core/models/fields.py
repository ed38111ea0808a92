# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields


class BigInteger(fields.Integer):
    """Bytes: an ``Integer`` whose column does not end at 2 GiB."""

    _column_type = ("int8", "int8")
