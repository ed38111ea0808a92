"""The daemon that sends webhooks."""

from . import odoo_server, postgres
from .policy import NAME
from .supervisor import Service

PACKAGES = ()


def prepare(state):
    """The daemon's role gets its rights from Odoo's add-on; there is nothing to write."""
    state.port("webhooks_metrics")


def command(state, database, *options):
    """The command line of a daemon, also for tests that start one of their own."""
    return (
        str(odoo_server.command(state)), "emboux_webhooks",
        "-c", str(odoo_server.config(state, database)), "-d", database,
        "--ca-file", str(state.path("tls", "ca-bundle.pem")),
        "--metrics", f"127.0.0.1:{state.port('webhooks_metrics')}", "--name", NAME, *options,
    )


def environment(state, database):
    return odoo_server.environment(state) | {
        "ODOO_RC": str(odoo_server.config(state, database)),  # how Odoo finds add-ons' commands
        "EMBOUX_WEBHOOKS_PASSWORD": state.secret("emboux_webhooks"),
    }


def services(state, database):
    return [
        Service(
            "webhooks",
            command(state, database),
            ready=lambda: _listens(state, database),
            env=environment(state, database),
        )
    ]


def _listens(state, database):
    return postgres.sql(
        state,
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'emboux_webhooks'"
        f" AND datname = '{database}' LIMIT 1",
    ) == "1"
