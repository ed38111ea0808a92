# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``odoo emboux_webhooks``: sends webhooks.

    odoo emboux_webhooks -c odoo.conf -d DB

One process sends; others wait to take over.  Where odoo.conf is looked for, see ``emboux_policy``.
It loads no registry.
"""

import sys
from pathlib import Path

from odoo.cli import Command

sys.path.append(str(Path(__file__).resolve().parents[1]))  # emboux_daemons is there


class EmbouxWebhooks(Command):
    """Send webhooks to the endpoints of customers and of the operator."""

    name = "emboux_webhooks"

    def run(self, cmdargs):
        # not above: Odoo takes a command whose file cannot be imported for unknown
        from emboux_daemons import options

        parser = options.make_parser(self)
        parser.add_argument("--ca-file", metavar="FILE",
                            help="certificates of authorities to trust instead of the usual ones")
        arguments = parser.parse_args(cmdargs)
        options.start(self, parser, arguments)
