"""Odoo's configuration, its database with the three add-ons, and its process."""

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from . import odoo_code, postgres, system
from .kept_database import Kept
from .render import render
from .supervisor import Service, listening

ADDONS = ("emboux_core", "emboux_mail_api", "emboux_saas")
DATABASE = "emboux"
LOGIN = "admin"


def config(state, database=DATABASE):
    return state.path("odoo", f"{database}.conf")


def command(state):
    return state.code / "venv" / "bin" / "odoo"


def prepare(state, database=DATABASE):
    state.folder("odoo", "data")
    render(
        "odoo/odoo.conf",
        config(state, database),
        {
            "ADDONS_PATH": odoo_code.addons_path(state),
            "DATA_DIR": state.path("odoo", "data"),
            "MASTER_PASSWORD": state.secret("odoo_master"),
            "DB_PORT": state.port("postgres"),
            "DB_PASSWORD": state.secret("odoo"),
            "DB_NAME": database,
            "HTTP_PORT": state.port("odoo"),
            "GEVENT_PORT": state.port("odoo_gevent"),
        },
        mode="600",
    )


def run(state, *arguments, show=False, **kwargs):
    """Run Odoo to the end; its log is shown live, or at the end when it failed."""
    argv = [str(command(state)), *arguments]
    if show:
        done = subprocess.run(argv, check=False, **kwargs)
        if done.returncode:
            raise SystemExit(done.returncode)
        return None
    return system.run(argv, **kwargs)


def make_database(state, database=DATABASE, anew=False, addons=ADDONS):
    """A database with the add-ons: made, copied from one that was kept, or updated where it is of
    older code.

    A database whose making was interrupted is made again from the start.
    """
    if anew:
        postgres.drop(state, database)
    if is_made(state, database):
        return
    remembered = f"database {database}"
    code = _fingerprint()
    conf = ["-c", str(config(state, database)), "-d", database, "--stop-after-init", "--no-http"]
    quiet = ["--log-level=warn"]
    started = time.monotonic()
    if state.fact(remembered) and postgres.exists(state, database):
        print(f"Updating the add-ons in database {database} ...", flush=True)
        run(state, "server", *conf, *quiet, "-u", ",".join(addons), log=_update_log(state))
    else:
        state.forget(f"settled {database}")
        files = filestore(state, database)
        # all of them, or else the first of them, to which the others are added
        whole, *parts = (
            Kept(state, addons[:count], f"{code}-{odoo_code.identity(state)}")
            for count in range(len(addons), 0, -1)
        )
        with whole.being_made():
            _begin(state, database)
            if not whole.restore(database, files):
                there = next((p.addons for p in parts if p.restore(database, files)), ())
                print(f"Making database {database} (one or two minutes) ...", flush=True)
                missing = ",".join(addons[len(there):])
                run(state, "server", *conf, *quiet, "-i", missing, log=whole.log)
                whole.keep(database, files)
    state.fact(remembered, code)
    print(f"Database {database}: done in {time.monotonic() - started:.0f} s", flush=True)


def is_made(state, database):
    """Whether there is a database with the add-ons as they are now."""
    return state.fact(f"database {database}") == _fingerprint() and postgres.exists(
        state, database)


def install_warnings(state, addons=ADDONS):
    """What Odoo warned of when it last installed the add-ons, line by line."""
    return _complaints(Kept(state, addons, code="").log)


def update_warnings(state):
    """What Odoo warned of when it last updated the add-ons, line by line."""
    return _complaints(_update_log(state))


def _update_log(state):
    return state.folder("log") / "update.log"


def _complaints(log):
    return [line for line in log.read_text().splitlines()
            if " WARNING " in line or " ERROR " in line]


def copy_database(state, source, target):
    """A second database with the same content, files included; nobody may be using the first."""
    _begin(state, target, template=source)
    if filestore(state, source).exists():
        shutil.copytree(filestore(state, source), filestore(state, target))


def _begin(state, database, **options):
    """A new database, without the attachments of an earlier one of that name."""
    postgres.drop(state, database)
    postgres.create(state, database, **options)
    shutil.rmtree(filestore(state, database), ignore_errors=True)


def filestore(state, database):
    """Odoo's folder of the database's attachments, which need not be there."""
    return state.path("odoo", "data", "filestore", database)


def _fingerprint():
    """Changes when a file changes that an update of the add-ons would read."""
    digest = hashlib.sha256()
    for addon in ADDONS:
        for path in sorted((odoo_code.PROJECT / addon).rglob("*")):
            if path.suffix in {".py", ".xml", ".csv", ".sql"} and "tests" not in path.parts:
                digest.update(str(path.relative_to(odoo_code.PROJECT)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def shell(state, script, database=DATABASE, **variables):
    """Run a script of ours in ``odoo shell`` (``env`` is there); returns what it printed."""
    with Path(script).open() as source:
        return run(
            state, "shell", "-c", str(config(state, database)), "-d", database, "--no-http",
            "--log-level=warn", stdin=source, env={**environment(state), **variables},
        )


def environment(state):
    """Odoo trusts the demo's certificate authority too, so that it can insist on valid TLS.

    As many threads as there are database connections for them: requests beyond wait in the
    socket's queue instead of failing.  (With workers there is one request in each.)
    """
    bundle = state.path("tls", "ca-bundle.pem")
    trust = {"SSL_CERT_FILE": str(bundle)} if bundle.exists() else {}
    return {**os.environ, **trust, "ODOO_MAX_HTTP_THREADS": "auto"}


def services(state, database=DATABASE):
    return [
        Service(
            "odoo",
            (str(command(state)), "server", "-c", str(config(state, database)), "-d", database),
            ready=listening(state.port("odoo")),
            env=environment(state),
            start_seconds=120,
        )
    ]
