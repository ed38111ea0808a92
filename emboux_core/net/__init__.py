# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Talking to other servers: HTTP, the guard against private addresses, and what went wrong."""
