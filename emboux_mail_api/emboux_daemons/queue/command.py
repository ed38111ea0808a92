# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_queue`` does by its options, which are explained in ``cli/``."""

from pathlib import Path

from . import agent, forget, postqueue, sessions, store


def run(database, name, watching, postfix, dovecot, once):
    """Returns the exit code."""
    dovecot = dovecot and sessions.Dovecot(str(Path(dovecot).resolve()))
    folder = str(Path(postfix).resolve())
    postfix = postqueue.Postfix(folder, spool=postqueue.spool_of(folder))
    serving = agent.Agent(postfix, store.Store(database, name), dovecot)
    forgetting = forget.Forgetting(postfix, store.Routing(database, name))
    if once:
        return agent.run(serving, forgetting, once=True)
    with watching() as watch:
        return agent.run(serving, forgetting, watch=watch)
