# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The outgoing policy: one decision, its ledger in PostgreSQL, and the daemon that Postfix asks.

Plain Python that imports neither Odoo nor a model, so that the daemon starts without them.
``decision.py`` decides and is pure; ``ledger.py`` says which SQL, in steps, and does none;
``connection.py`` and ``cursor.py`` carry the steps out, for the daemon and for Odoo.
"""
