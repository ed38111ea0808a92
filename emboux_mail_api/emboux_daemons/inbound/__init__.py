# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Incoming mail for Odoo: taken from Postfix by LMTP, handed on by HTTP.

Plain Python that imports neither Odoo nor a model.  Nothing is kept here: Postfix hears 250 once
Odoo has committed the message, and keeps it in its queue until then.  ``lmtp.py`` speaks with
Postfix, ``handover.py`` with Odoo, ``store.py`` has the SQL, ``daemon.py`` starts and ends it.
"""
