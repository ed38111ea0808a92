"""``odoo emboux_policy``: the outgoing policy daemon that Postfix asks, and what it would say.

    odoo emboux_policy -c odoo.conf -d DB [--listen 127.0.0.1:10040]
    odoo emboux_policy -c odoo.conf -d DB --explain ann@acme.example friend@else.example

Odoo finds the commands of add-ons by the configuration in $ODOO_RC (or its default place), so set
that too when odoo.conf lies elsewhere.  The command reads there where the database is, and loads
no registry.
"""

import argparse
import importlib.util
import logging
import os
import sys
from pathlib import Path

from odoo.cli import Command
from odoo.tools import config

PASSWORD = "EMBOUX_POLICY_PASSWORD"  # noqa: S105 - the variable's name


class EmbouxPolicy(Command):
    """Decide about outgoing mail: the daemon for Postfix' check_policy_service."""

    name = "emboux_policy"

    def run(self, cmdargs):
        parser = argparse.ArgumentParser(prog="odoo emboux_policy", description=self.__doc__)
        parser.add_argument("-c", "--config", help="Odoo's configuration file")
        parser.add_argument("-d", "--database", help="default: the configuration's db_name")
        parser.add_argument("--listen", default="127.0.0.1:10040",
                            help="host:port, or the path of a Unix socket (default %(default)s)")
        parser.add_argument("--metrics", default="127.0.0.1:9040",
                            help="host:port of /metrics, /healthz and /ready; none for no port")
        parser.add_argument("--when-down", choices=("closed", "open"), default="closed",
                            help="without PostgreSQL: defer (default), or let pass uncounted")
        parser.add_argument("--wait", type=float, default=4.0, metavar="SECONDS",
                            help="how long a question waits for PostgreSQL (default %(default)s; "
                            "less than the policy service's timeout in main.cf)")
        parser.add_argument("--dry-run", action="store_true",
                            help="decide, count and log, but let everything pass")
        parser.add_argument("--role", default="emboux_policy",
                            help=f"the role in PostgreSQL, with its password in ${PASSWORD}; "
                            "without one odoo.conf's user is taken")
        parser.add_argument("--db-host", help="default: odoo.conf's db_host")
        parser.add_argument("--db-port", type=int, help="default: odoo.conf's db_port; PostgreSQL "
                            "itself, because PgBouncer's transactions know no LISTEN")
        parser.add_argument("--explain", nargs=2, metavar=("LOGIN", "RECIPIENT"),
                            help="print each rule, its figures and the verdict; charges nothing")
        parser.add_argument("--recipients", type=int, default=1,
                            help="with --explain: how many the message goes to")
        arguments = parser.parse_args(cmdargs)
        options = ["--no-http"]
        options += ["-c", arguments.config] if arguments.config else []
        options += ["-d", arguments.database] if arguments.database else []
        config.parse_config(options, setup_logging=False)
        databases = config["db_name"]
        if len(databases) != 1:
            parser.error("say which database: -d NAME")
        logging.basicConfig(
            stream=sys.stdout, level=logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        policy = _policy()
        database = _database(databases[0], arguments)
        if arguments.explain:
            login, recipient = arguments.explain
            print(policy.explain.explain(database, login, recipient, arguments.recipients))  # noqa: T201
            return
        sys.exit(policy.daemon.run(policy.daemon.Options(
            database=database,
            listen=arguments.listen,
            metrics=None if arguments.metrics == "none" else arguments.metrics,
            when_down=arguments.when_down,
            wait=arguments.wait,
            dry_run=arguments.dry_run,
        )))


def _database(name, arguments):
    """psycopg2's keywords: odoo.conf's, with the daemon's own role where it has a password."""
    found = {
        "host": arguments.db_host or config["db_host"],
        "port": arguments.db_port or config["db_port"],
        "user": config["db_user"],
        "password": config["db_password"],
        "sslmode": config["db_sslmode"],
    }
    if password := os.environ.get(PASSWORD):
        found |= {"user": arguments.role, "password": password}
    return {key: value for key, value in found.items() if value} | {
        "dbname": name, "application_name": "emboux_policy"}


def _policy():
    """The package ``policy`` by itself: the add-on's own __init__ would import all its models."""
    folder = Path(__file__).resolve().parent.parent / "policy"
    name = "emboux_policy"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    for part in ("daemon", "explain"):
        importlib.import_module(f"{name}.{part}")
    return package
