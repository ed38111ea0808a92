# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_queue`` does by its options, which are explained in ``cli/``."""

from pathlib import Path

from . import agent, forget, postqueue, sessions, store


def run(database, postfix, dovecot, name, once):
    """Returns the exit code."""
    dovecot = dovecot and sessions.Dovecot(str(Path(dovecot).resolve()))
    folder = str(Path(postfix).resolve())
    postfix = postqueue.Postfix(folder, spool=postqueue.spool_of(folder))
    return agent.run(
        agent.Agent(postfix, store.Store(database, name), dovecot),
        forget.Forgetting(postfix, store.Routing(database, name)),
        once=once,
    )
