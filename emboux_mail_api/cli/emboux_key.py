# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``odoo emboux_key``: make an API key from the command line, the first master key above all."""

import argparse
import sys
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields
from odoo.cli import Command
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tools import config


class EmbouxKey(Command):
    """Make a key to the Emboux API; its secret is the last line that is printed."""

    name = "emboux_key"

    def run(self, cmdargs):
        parser = argparse.ArgumentParser(prog="odoo emboux_key", description=self.__doc__)
        parser.add_argument("-c", "--config", help="Odoo's configuration file")
        parser.add_argument("-d", "--database", help="default: the configuration's db_name")
        parser.add_argument("--name", required=True, help="what will use the key")
        parser.add_argument("--role", choices=("master", "customer"), default="customer")
        parser.add_argument("--partner-ref", help="the customer: their reference, or id:NUMBER")
        parser.add_argument("--read-only", action="store_true")
        parser.add_argument(
            "--area", choices=("all", "domains", "mailboxes", "send", "metrics"), default="all")
        parser.add_argument("--domain", help="the one domain that it reaches")
        parser.add_argument("--networks", help="where it may be used from: 192.0.2.0/24, ...")
        parser.add_argument("--days", type=int, help="how long it is valid; default: no expiry")
        arguments = parser.parse_args(cmdargs)
        if (arguments.role == "customer") != bool(arguments.partner_ref):
            parser.error("a customer's key needs --partner-ref, a master key has none")
        options = ["--no-http", "--log-level=warn"]
        options += ["-c", arguments.config] if arguments.config else []
        options += ["-d", arguments.database] if arguments.database else []
        config.parse_config(options, setup_logging=True)
        databases = config["db_name"]
        if len(databases) != 1:
            parser.error("say which database: -d NAME")
        try:
            secret = self._make(databases[0], arguments)
        except UserError as error:
            sys.exit(f"No key was made: {error}")
        print(secret)  # noqa: T201

    def _make(self, database, arguments):
        with Registry(database).cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            if "emboux.api.key" not in env:
                sys.exit(f"The add-on emboux_mail_api is not installed in {database}.")
            _key, secret = env["emboux.api.key"]._make(
                {
                    "name": arguments.name,
                    "role": arguments.role,
                    "partner_id": self._partner(env, arguments.partner_ref),
                    "read_only": arguments.read_only,
                    "area": arguments.area,
                    "domain_name": arguments.domain,
                    "networks": arguments.networks,
                    "expires_at": (
                        fields.Datetime.now() + timedelta(arguments.days)
                        if arguments.days
                        else False
                    ),
                }
            )
        return secret

    def _partner(self, env, ref):
        if not ref:
            return False
        # Odoo loads this file as odoo.cli.emboux_key, before the add-on
        # pylint: disable=odoo-addons-relative-import
        from odoo.addons.emboux_mail_api.api_errors import ApiError
        from odoo.addons.emboux_mail_api.controllers.api.partners import partner_of

        try:
            return partner_of(env, ref).id
        except ApiError as error:
            sys.exit(f"No key was made: {error.detail[0]['message']}")
