# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``odoo emboux_transfer``: counts what the domains' mail moves, from the mail servers' logs.

    odoo emboux_transfer -c odoo.conf -d DB --log /var/log/mail.log

It runs on the mail server as a user who may read the logs of Postfix and Dovecot, in one file or
several (``--log`` again), and notices when they are rotated.  Where odoo.conf is looked for, see
``emboux_policy``.  It loads no registry.
"""

import sys
from pathlib import Path

from odoo.cli import Command

sys.path.append(str(Path(__file__).resolve().parents[1]))  # emboux_daemons is there


class EmbouxTransfer(Command):
    """Count what the domains' mail moves, from the mail servers' logs."""

    name = "emboux_transfer"

    def run(self, cmdargs):
        # not above: Odoo takes a command whose file cannot be imported for unknown
        from emboux_daemons import options

        parser = options.make_parser(self, may_become=True)
        parser.add_argument("--log", action="append", metavar="FILE",
                            help="a log of Postfix or Dovecot, or of both (default "
                            "/var/log/mail.log)")
        parser.add_argument("--once", action="store_true",
                            help="read what is there, then end: for cron instead of a service")
        arguments = parser.parse_args(cmdargs)
        options.start(self, parser, arguments)
