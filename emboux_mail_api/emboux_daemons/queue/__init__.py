# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Postfix' queue obeys Odoo: suspension, hold and release of mail that was taken already.

Plain Python that imports neither Odoo nor a model.  ``postqueue.py`` runs Postfix' commands,
``rules.py`` decides and is pure, ``store.py`` has the SQL, and ``agent.py`` does one round after
the other on the mail server, as root, which Odoo is not.  ``forget.py`` makes Postfix forget what
it remembers of relays and of the database.
"""
