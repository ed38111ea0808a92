"""The daily purge of mail that is older than its domain keeps it."""

from . import dovecot, odoo_server, postgres, system
from .policy import NAME
from .supervisor import Service

PACKAGES = ()
HOURS = 1  # from one look at who is due to the next


def prepare(state):
    state.port("retention_metrics")
    system.secret_file(
        state.path("dovecot", "retention-password"), state.secret("emboux_retention"))


def command(state, database, *options):
    """The command line, also for tests that run one of their own."""
    config = odoo_server.config(state, database)
    return (
        # how Odoo finds add-ons' commands
        "/usr/bin/env", f"ODOO_RC={config}", str(odoo_server.command(state)), "emboux_retention",
        "-c", str(config), "-d", database, "--user", dovecot.OWNER,
        "--dovecot", str(state.path("dovecot", "dovecot.conf")),
        "--password-file", str(state.path("dovecot", "retention-password")),
        "--mail-root", str(state.path("mail", "vmail")), *options,
    )


def services(state, database):
    return [
        Service(
            "retention",
            command(state, database, "--every", str(HOURS), "--name", NAME,
                    "--metrics", f"127.0.0.1:{state.port('retention_metrics')}"),
            ready=lambda: _connected(state, database),
            root=True,
            cwd="/",
        )
    ]


def _connected(state, database):
    return postgres.sql(
        state,
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'emboux_retention'"
        f" AND datname = '{database}' LIMIT 1",
    ) == "1"
