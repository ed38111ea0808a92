# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``odoo emboux_queue``: the agent by which Postfix' queue obeys Odoo.

    odoo emboux_queue -c odoo.conf -d DB --postfix /etc/postfix --dovecot /etc/dovecot/dovecot.conf
    odoo emboux_queue -c odoo.conf -d DB --postfix /etc/postfix --once

It runs on the mail server, as root: ``postsuper`` and ``postfix reload`` are root's alone.  Odoo
itself is not root, and reaches the queue by nothing but rows in its database.  Where odoo.conf is
looked for, see ``emboux_policy``.  It loads no registry.
"""

import sys
from pathlib import Path

from odoo.cli import Command

sys.path.append(str(Path(__file__).resolve().parents[1]))  # emboux_daemons is there


class EmbouxQueue(Command):
    """Hold, release and discard mail in Postfix' queue, as Odoo says; and let Postfix forget
    by which relay mail left, and that the database was away."""

    name = "emboux_queue"

    def run(self, cmdargs):
        # not above: Odoo takes a command whose file cannot be imported for unknown
        from emboux_daemons import options

        parser = options.make_parser(self)
        parser.add_argument("--postfix", default="/etc/postfix", metavar="DIR",
                            help="Postfix' configuration folder (default %(default)s)")
        parser.add_argument("--dovecot", metavar="FILE",
                            help="Dovecot's configuration, where it runs beside this Postfix: "
                            "sessions of suspended mailboxes are ended")
        parser.add_argument("--once", action="store_true",
                            help="do what is to be done, then end: for cron instead of a service")
        arguments = parser.parse_args(cmdargs)
        options.start(self, parser, arguments)
