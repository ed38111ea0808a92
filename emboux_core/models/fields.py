from odoo import fields


class BigInteger(fields.Integer):
    """Bytes: an ``Integer`` whose column does not end at 2 GiB."""

    _column_type = ("int8", "int8")
