# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``odoo emboux_inbound``: the daemon by which Postfix hands incoming mail to Odoo.

    odoo emboux_inbound -c odoo.conf -d DB [--listen 127.0.0.1:10024] [--odoo http://127.0.0.1:8069]

It runs on the mail server.  An Odoo elsewhere is called by https.  Where odoo.conf is looked for,
see ``emboux_policy``.  It loads no registry.
"""

import sys
from pathlib import Path

from odoo.cli import Command

sys.path.append(str(Path(__file__).resolve().parents[1]))  # emboux_daemons is there


class EmbouxInbound(Command):
    """Hand incoming mail to Odoo: the daemon for Postfix' transport of mailboxes that Odoo has."""

    name = "emboux_inbound"

    def run(self, cmdargs):
        # not above: Odoo takes a command whose file cannot be imported for unknown
        from emboux_daemons import options

        parser = options.make_parser(self)
        parser.add_argument("--listen", default="127.0.0.1:10024",
                            help="host:port of LMTP, for nobody but Postfix (default %(default)s)")
        parser.add_argument("--odoo", default="http://127.0.0.1:8069", metavar="URL",
                            help="of this database's Odoo (default %(default)s)")
        parser.add_argument("--ca-file", metavar="FILE",
                            help="certificates of authorities to trust instead of the usual ones")
        arguments = parser.parse_args(cmdargs)
        options.start(self, parser, arguments)
