"""What the daemons beside Odoo are as processes: small, and without a password to be seen."""

import os
import subprocess

import psutil
import pytest
from parts import odoo_server, policy, system

NAMES = ("inbound", "policy", "queue", "retention", "transfer", "webhooks")


@pytest.fixture(scope="module")
def daemons(state, status):
    """Name to process, of those of this world."""
    conf = str(odoo_server.config(state, status["postgres"]["db"]))
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if conf in line and any(part.endswith("emboux_daemons/__main__.py") for part in line):
            found[next(part for part in line if part.startswith("emboux_"))] = process
    return found


def seen(process, name):
    return system.run(system.as_root(["cat", f"/proc/{process.pid}/{name}"]))


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_without_odoo(daemons, name):
    maps = seen(daemons[f"emboux_{name}"], "maps")
    assert "/psycopg2" in maps
    assert "/lxml/" not in maps, "Odoo's first import"


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_no_password(state, daemons, name):
    process = daemons[f"emboux_{name}"]
    text = seen(process, "environ") + "\0".join(process.info["cmdline"])
    for role in (f"emboux_{name}", "odoo", "odoo_master"):
        assert state.secret(role) not in text


def test_a_user_that_is_not_there(state, status):
    database = status["postgres"]["db"]
    done = subprocess.run(
        [str(odoo_server.command(state)), "emboux_transfer", "-c",
         str(odoo_server.config(state, database)), "-d", database, "--user", "nobody-of-us"],
        env=policy.environment(state, database) | {"PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "odoo emboux_transfer: error: there is no system user nobody-of-us\n"
