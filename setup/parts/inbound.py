"""The daemon by which Postfix hands incoming mail to Odoo."""

from . import odoo_server
from .policy import NAME
from .supervisor import Service, listening

PACKAGES = ()


def prepare(state):
    """The daemon's role gets its rights from Odoo's add-on; there is nothing to write."""
    state.port("inbound")
    state.port("inbound_metrics")


def command(state, database, listen, metrics, *options, name=NAME):
    """The command line of a daemon, also for tests that start one of their own."""
    return (
        str(odoo_server.command(state)), "emboux_inbound",
        "-c", str(odoo_server.config(state, database)), "-d", database,
        "--listen", listen, "--metrics", metrics, "--name", name,
        "--odoo", f"http://127.0.0.1:{state.port('odoo')}", *options,
    )


def environment(state, database):
    return odoo_server.environment(state) | {
        "ODOO_RC": str(odoo_server.config(state, database)),  # how Odoo finds add-ons' commands
        "EMBOUX_INBOUND_PASSWORD": state.secret("emboux_inbound"),
    }


def services(state, database):
    port, metrics = state.port("inbound"), state.port("inbound_metrics")
    return [
        Service(
            "inbound",
            command(state, database, f"127.0.0.1:{port}", f"127.0.0.1:{metrics}"),
            ready=listening(port),
            env=environment(state, database),
        )
    ]
