"""``odoo emboux_queue``: the agent by which Postfix' queue obeys Odoo.

    odoo emboux_queue -c odoo.conf -d DB --postfix /etc/postfix --dovecot /etc/dovecot/dovecot.conf
    odoo emboux_queue -c odoo.conf -d DB --postfix /etc/postfix --once

It runs on the mail server, as root: ``postsuper`` is root's alone.  Odoo itself is not root, and
reaches the queue by nothing but rows in its database.  Where odoo.conf is looked for, see
``emboux_policy``.  It loads no registry.
"""

import argparse
import importlib
import socket
import sys
import types
from pathlib import Path

from odoo.cli import Command

PASSWORD = "EMBOUX_QUEUE_PASSWORD"  # noqa: S105 - the variable's name


class EmbouxQueue(Command):
    """Hold, release and discard mail in Postfix' queue, as Odoo says."""

    name = "emboux_queue"

    def run(self, cmdargs):
        agents, agent, postqueue, sessions, store = _plain(
            "agents", "queue.agent", "queue.postqueue", "queue.sessions", "queue.store")
        parser = argparse.ArgumentParser(prog="odoo emboux_queue", description=self.__doc__)
        agents.add_options(parser, "emboux_queue", PASSWORD)
        parser.add_argument("--postfix", default="/etc/postfix", metavar="DIR",
                            help="Postfix' configuration folder (default %(default)s)")
        parser.add_argument("--dovecot", metavar="FILE",
                            help="Dovecot's configuration, where it runs beside this Postfix: "
                            "sessions of suspended mailboxes are ended")
        parser.add_argument("--name", default=socket.gethostname(),
                            help="of this mail server, one agent each (default %(default)s)")
        parser.add_argument("--once", action="store_true",
                            help="do what is to be done, then end: for cron instead of a service")
        arguments = parser.parse_args(cmdargs)
        database = agents.start(parser, arguments, PASSWORD)
        dovecot = arguments.dovecot and sessions.Dovecot(str(Path(arguments.dovecot).resolve()))
        sys.exit(agent.run(
            agent.Agent(
                postqueue.Postfix(str(Path(arguments.postfix).resolve())),
                store.Store(database, arguments.name),
                dovecot,
            ),
            once=arguments.once,
        ))


def _plain(*parts):
    """Modules of the add-on by themselves: its own __init__ would import all its models."""
    package = types.ModuleType("emboux_mail_api_plain")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules[package.__name__] = package
    return [importlib.import_module(f"{package.__name__}.{part}") for part in parts]
