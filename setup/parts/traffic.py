"""The reader of the mail servers' logs, which counts what each domain moves."""

from . import odoo_server, postgres
from .policy import NAME
from .supervisor import Service

PACKAGES = ()
LOGS = ("postfix", "dovecot")


def prepare(state):
    """The logs are the supervisor's to write; there is nothing to set up."""
    state.port("transfer_metrics")


def command(state, database, *options, name=NAME, logs=None):
    """The command line of a reader, also for tests that start one of their own."""
    argv = [
        str(odoo_server.command(state)), "emboux_transfer",
        "-c", str(odoo_server.config(state, database)), "-d", database, "--name", name,
    ]
    for path in logs or [state.path("log", f"{log}.log") for log in LOGS]:
        argv += ["--log", str(path)]
    return (*argv, *options)


def environment(state, database):
    return odoo_server.environment(state) | {
        "ODOO_RC": str(odoo_server.config(state, database)),  # how Odoo finds add-ons' commands
        "EMBOUX_TRANSFER_PASSWORD": state.secret("emboux_transfer"),
    }


def services(state, database):
    return [
        Service(
            "transfer",
            command(state, database, "--metrics", f"127.0.0.1:{state.port('transfer_metrics')}"),
            ready=lambda: _reads(state, database),
            env=environment(state, database),
        )
    ]


def _reads(state, database):
    return postgres.sql(
        state,
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'emboux_transfer'"
        f" AND datname = '{database}' LIMIT 1",
    ) == "1"
