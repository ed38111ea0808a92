# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Sends webhooks: reads what is due, posts it, and writes down what became of it.

``store`` and ``listener`` talk to PostgreSQL, ``post`` to the endpoints, ``sender`` decides.
"""
