# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_retention`` does by its options, which are explained in ``cli/``."""

from pathlib import Path

from . import doveadm, purge, store


def run(database, dovecot, every, **options):
    """Returns the exit code."""
    return purge.run(
        purge.Purge(doveadm.Dovecot(str(Path(dovecot).resolve())), store.Store(database)),
        every=every * 3600, everything=options.pop("all"), **options)
