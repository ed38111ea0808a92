"""The agent through which Odoo controls Postfix' queue: it holds, releases and discards, as
root."""

from . import odoo_server, postgres, system
from .policy import NAME
from .supervisor import Service

PACKAGES = ()
FRESH = 3  # seconds; it tells Odoo that it lives every two


def prepare(state):
    state.port("queue_metrics")
    system.secret_file(state.path("postfix", "queue-password"), state.secret("emboux_queue"))


def command(state, database, *options):
    """The command line of an agent, also for tests that start one of their own."""
    config = odoo_server.config(state, database)
    return (
        # how Odoo finds add-ons' commands
        "/usr/bin/env", f"ODOO_RC={config}", str(odoo_server.command(state)), "emboux_queue",
        "-c", str(config), "-d", database, "--postfix", str(state.path("postfix", "etc")),
        "--dovecot", str(state.path("dovecot", "dovecot.conf")),
        "--name", NAME, "--password-file", str(state.path("postfix", "queue-password")), *options,
    )


def services(state, database):
    return [
        Service(
            "queue",
            command(state, database, "--metrics", f"127.0.0.1:{state.port('queue_metrics')}"),
            ready=lambda: is_seen(state, database),
            root=True,
            cwd="/",
        )
    ]


def is_seen(state, database):
    """Whether the agent has told Odoo a moment ago that it lives."""
    return postgres.sql(
        state,
        f"SELECT 1 FROM emboux_queue_agent WHERE name = '{NAME}'"
        f" AND seen_at > (now() AT TIME ZONE 'UTC') - interval '{FRESH} seconds'",
        database,
    ) == "1"
