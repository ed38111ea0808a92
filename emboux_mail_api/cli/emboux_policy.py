# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``odoo emboux_policy``: the outgoing policy daemon that Postfix asks, and what it would say.

    odoo emboux_policy -c odoo.conf -d DB [--listen 127.0.0.1:10040]
    odoo emboux_policy -c odoo.conf -d DB --explain ann@acme.example friend@else.example

Odoo finds the commands of add-ons by the configuration in $ODOO_RC (or its default place), so set
that too when odoo.conf lies elsewhere.  The command reads there where the database is, and loads
no registry.
"""

import sys
from pathlib import Path

from odoo.cli import Command

sys.path.append(str(Path(__file__).resolve().parents[1]))  # emboux_daemons is there


class EmbouxPolicy(Command):
    """Decide about outgoing mail: the daemon for Postfix' check_policy_service."""

    name = "emboux_policy"

    def run(self, cmdargs):
        # not above: Odoo takes a command whose file cannot be imported for unknown
        from emboux_daemons import options

        parser = options.make_parser(self)
        parser.add_argument("--listen", default="127.0.0.1:10040",
                            help="host:port, or the path of a Unix socket (default %(default)s)")
        parser.add_argument("--when-down", choices=("closed", "open"), default="closed",
                            help="without PostgreSQL: defer (default), or let pass uncounted")
        parser.add_argument("--wait", type=float, default=4.0, metavar="SECONDS",
                            help="how long a question waits for PostgreSQL (default %(default)s; "
                            "less than the policy service's timeout in main.cf)")
        parser.add_argument("--dry-run", action="store_true",
                            help="decide, count and log, but let everything pass")
        parser.add_argument("--explain", nargs=2, metavar=("LOGIN", "RECIPIENT"),
                            help="print each rule, its figures and the verdict; charges nothing")
        parser.add_argument("--recipients", type=int, default=1,
                            help="with --explain: how many the message goes to")
        arguments = parser.parse_args(cmdargs)
        options.start(self, parser, arguments)
