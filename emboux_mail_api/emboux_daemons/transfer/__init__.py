# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the domains' mail has moved, read from the logs of Postfix and Dovecot.

Plain Python: ``lines.py`` understands one line, ``book.py`` adds up, ``logs.py`` reads files that
are rotated, ``store.py`` talks to PostgreSQL, ``follow.py`` does one round after the other.
"""
