"""A further Odoo beside the world's: a database of its own, and a process."""

import contextlib

from parts import odoo_server, postgres
from parts.supervisor import Service, Supervisor, listening

from .odoo_client import Odoo


def fresh_database(state, database, addons):
    """Make it anew with these add-ons, by a copy of one in this cluster that nobody changes."""
    pristine = "-".join(addons)
    for name in (pristine, database):
        odoo_server.prepare(state, name)
    if not odoo_server.is_made(state, pristine):
        odoo_server.make_database(state, pristine, anew=True, addons=addons)
    odoo_server.copy_database(state, pristine, database)


@contextlib.contextmanager
def another_odoo(state, database, addons, crons=0):
    """Give it as an ``Odoo``, where its administrator has logged in; at the end it is dropped.

    ``crons``: how many of its scheduled actions run at a time.
    """
    fresh_database(state, database, addons)
    conf = str(odoo_server.config(state, database))
    port, gevent = state.port(f"{database}_odoo"), state.port(f"{database}_odoo_gevent")
    supervisor = Supervisor(state, echo=False, pids=f"pids-{database}.json")
    supervisor.start(Service(
        database,
        (str(odoo_server.command(state)), "server", "-c", conf, f"--http-port={port}",
         f"--gevent-port={gevent}", f"--max-cron-threads={crons}"),
        ready=listening(port), env=odoo_server.environment(state), start_seconds=60))
    odoo = Odoo(f"http://127.0.0.1:{port}", database, "admin", "admin")
    # Odoo's own tours for new users would begin beside ours
    odoo("res.users").write([odoo.uid], {"tour_enabled": False})
    try:
        yield odoo
    finally:
        supervisor.stop()
        postgres.drop(state, database)
