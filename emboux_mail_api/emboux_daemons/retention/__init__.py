# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that is older than its domain keeps it is removed, by Dovecot.

Plain Python: ``doveadm.py`` talks to Dovecot, ``store.py`` to PostgreSQL, ``folders.py`` knows
which folder is of which kind, and ``purge.py`` goes from mailbox to mailbox.
"""
