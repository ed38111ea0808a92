# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_retention`` does by its options, which are explained in ``cli/``."""

from pathlib import Path

from . import doveadm, purge, store

MAILBOX_SECONDS = 3600.0  # for one mailbox; one with a million messages takes long


def run(database, _name, watching, dovecot, every, **options):
    """Returns the exit code."""
    purging = purge.Purge(doveadm.Dovecot(str(Path(dovecot).resolve())), store.Store(database))
    options["everything"] = options.pop("all")
    if not every:
        return purge.run(purging, **options)
    with watching(patience=MAILBOX_SECONDS) as watch:
        return purge.run(purging, every=every * 3600, watch=watch, **options)
