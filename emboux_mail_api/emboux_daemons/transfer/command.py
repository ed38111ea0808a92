# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_transfer`` does by its options, which are explained in ``cli/``."""

from pathlib import Path

from . import follow, logs, store


def run(database, name, watching, log, once):
    """Returns the exit code."""
    paths = [Path(path).resolve() for path in log or ["/var/log/mail.log"]]
    follower = follow.Follower([logs.Log(path) for path in dict.fromkeys(paths)],
                               store.Store(database, name), store.Lookups(database, name))
    if once:
        return follow.run(follower, once=True)
    with watching() as watch:
        return follow.run(follower, watch=watch)
