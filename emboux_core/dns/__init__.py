# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""DNS records of a mail domain: what should exist (expected), what does (lookup, judge, spf)."""
