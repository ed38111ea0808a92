"""``odoo emboux_transfer``: counts what the domains' mail moves, from the mail servers' logs.

    odoo emboux_transfer -c odoo.conf -d DB --log /var/log/mail.log

It runs on the mail server as a user who may read the logs of Postfix and Dovecot, in one file or
several (``--log`` again), and notices when they are rotated.  Where odoo.conf is looked for, see
``emboux_policy``.  It loads no registry.
"""

import argparse
import runpy
import socket
import sys
from pathlib import Path

from odoo.cli import Command

load = runpy.run_path(Path(__file__).resolve().parent.parent / "plain.py")["load"]
PASSWORD = "EMBOUX_TRANSFER_PASSWORD"  # noqa: S105 - the variable's name


class EmbouxTransfer(Command):
    """Count what the domains' mail moves, from the mail servers' logs."""

    name = "emboux_transfer"

    def run(self, cmdargs):
        agents, follow, logs, store = load(
            "agents", "transfer.follow", "transfer.logs", "transfer.store")
        parser = argparse.ArgumentParser(prog="odoo emboux_transfer", description=self.__doc__)
        agents.add_options(parser, "emboux_transfer", PASSWORD)
        agents.add_user(parser)
        parser.add_argument("--log", action="append", metavar="FILE",
                            help="a log of Postfix or Dovecot, or of both (default "
                            "/var/log/mail.log)")
        parser.add_argument("--name", default=socket.gethostname(),
                            help="of this mail server (default %(default)s)")
        parser.add_argument("--once", action="store_true",
                            help="read what is there, then end: for cron instead of a service")
        arguments = parser.parse_args(cmdargs)
        database = agents.start(parser, arguments, PASSWORD)
        paths = [Path(path).resolve() for path in arguments.log or ["/var/log/mail.log"]]
        sys.exit(follow.run(
            follow.Follower([logs.Log(path) for path in dict.fromkeys(paths)],
                            store.Store(database, arguments.name)),
            once=arguments.once,
        ))
