# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``odoo emboux_retention``: removes mail that is older than its domain keeps it.

    odoo emboux_retention -c odoo.conf -d DB --dry-run
    odoo emboux_retention -c odoo.conf -d DB --every 1 --user vmail

It runs on the mail server as the user who owns the mail, or as root who becomes that user
(``--user``): ``doveadm`` looks and removes.  Without ``--every`` it ends when all is done.  Where
odoo.conf is looked for, see ``emboux_policy``.  It loads no registry.
"""

import sys
from pathlib import Path

from odoo.cli import Command

sys.path.append(str(Path(__file__).resolve().parents[1]))  # emboux_daemons is there


class EmbouxRetention(Command):
    """Remove mail that is older than its domain keeps it."""

    name = "emboux_retention"

    def run(self, cmdargs):
        # not above: Odoo takes a command whose file cannot be imported for unknown
        from emboux_daemons import options

        parser = options.make_parser(self, may_become=True)
        parser.add_argument("--dovecot", default="/etc/dovecot/dovecot.conf", metavar="FILE",
                            help="Dovecot's configuration (default %(default)s)")
        parser.add_argument("--mail-root", metavar="DIR",
                            help="where the folders of mailboxes lie, as Dovecot's userdb says; "
                            "those of deleted mailboxes are deleted there, an hour later")
        parser.add_argument("--dry-run", action="store_true",
                            help="only count what would be removed")
        parser.add_argument("--domain", help="the mailboxes of this domain alone")
        parser.add_argument("--all", action="store_true",
                            help="also mailboxes that were done within the last 20 hours")
        parser.add_argument("--every", type=float, default=0, metavar="HOURS",
                            help="go on, and look so often who is due; a mailbox is due each day")
        arguments = parser.parse_args(cmdargs)
        if arguments.every and arguments.all:
            parser.error("--all is for a single run")
        options.start(self, parser, arguments)
