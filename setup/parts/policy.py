"""The outgoing policy daemon that Postfix asks before a message leaves."""

from . import odoo_server
from .supervisor import Service, listening

PACKAGES = ()
NAME = "mail.emboux.example"  # of the mail server, as Odoo shows it


def prepare(state):
    """The daemon's role gets its rights from Odoo's add-on; there is nothing to write."""
    state.port("policy")
    state.port("policy_metrics")


def command(state, database, listen, metrics, *options, name=NAME):
    """The command line of a daemon, also for tests that start one of their own."""
    return (
        str(odoo_server.command(state)), "emboux_policy",
        "-c", str(odoo_server.config(state, database)), "-d", database,
        "--listen", listen, "--metrics", metrics, "--name", name, *options,
    )


def environment(state, database):
    return odoo_server.environment(state) | {
        "ODOO_RC": str(odoo_server.config(state, database)),  # how Odoo finds add-ons' commands
        "EMBOUX_POLICY_PASSWORD": state.secret("emboux_policy"),
    }


def services(state, database):
    port, metrics = state.port("policy"), state.port("policy_metrics")
    return [
        Service(
            "policy",
            command(state, database, f"127.0.0.1:{port}", f"127.0.0.1:{metrics}"),
            ready=listening(port),
            env=environment(state, database),
        )
    ]
