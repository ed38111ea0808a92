"""Odoo's code on the mail host: the daemons are commands of it."""

import hashlib
import os
import subprocess
from pathlib import Path

from parts import odoo_code
from parts.odoo_code import PROJECT
from parts.state import State

from .findings import bad, good, note

HOME = "/opt/emboux"  # where it is put where there is none
OWN = f"{HOME}/venv/bin/odoo"
CLOSED = ("/root", "/home", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - what units cannot see


def needs_code(command):
    """Whether Odoo's code has to be fetched: nobody named one, and it is not there, or older than
    this checkout."""
    own = Path(OWN)
    return command == OWN and not (own.exists() and odoo_code.is_current(own.parents[1]))


def fetch():
    """Odoo's code and the Python packages, as the demo has them; some minutes."""
    odoo_code.prepare(State(HOME))


def version():
    """Changes when a file of the daemons does, or the version by which Odoo tells old ones: what
    runs has to be started anew."""
    digest = hashlib.sha256(odoo_code.REQUIREMENTS.read_bytes())
    digest.update(odoo_code.manifest("emboux_mail_api")["version"].encode())
    for folder in ("emboux_mail_api/cli", "emboux_mail_api/emboux_daemons", "emboux_core/net"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def check(command):
    """Can the services run it?  It need not be here yet."""
    if needs_code(command):
        return [note(f"Odoo's code for the daemons is not in {HOME} yet, or of older packages.",
                     "setup/server without --check fetches it.")]
    closed = _closed(PROJECT)
    if closed:
        return [bad(f"The services cannot read this checkout: {closed}.",
                    f"Move it to {HOME}/checkout, readable for everybody, and run setup/server "
                    f"there.", True)]
    if not os.access(command, os.X_OK):
        return [bad(f"There is no program {command}.",
                    "Name Odoo 19's command with --odoo, or leave that out to have it fetched.",
                    True)]
    closed = next(filter(None, map(_closed, _programs(Path(command)))), None)
    if closed:
        return [bad(f"The services cannot run {command}: {closed}.",
                    "Name an Odoo that is installed outside people's homes, or leave --odoo out to "
                    "have one fetched.", True)]
    done = subprocess.run(
        [command, f"--addons-path={PROJECT}", "emboux_policy", "--help"],
        capture_output=True, text=True, check=False, env=dict(os.environ, HOME="/nonexistent"))
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        return [bad(f"{command} does not know emboux_policy: {said[-1] if said else 'no word'}",
                    f"Install the Python packages of {PROJECT}/requirements.txt for it, or leave "
                    f"--odoo out to have an Odoo of its own fetched.", True)]
    return [good(f"{command} runs the daemons.")]


def hidden(path):
    """The folder around it that services have none, or another one, of; None where they see it."""
    return next((folder for folder in CLOSED if Path(path).is_relative_to(folder)), None)


def _programs(command):
    """The command, and what interprets it, where they really lie."""
    yield command.resolve()
    first = command.open("rb").readline()
    if first.startswith(b"#!"):
        yield Path(first[2:].split()[0].decode()).resolve()


def _closed(path):
    """Why the services cannot read it, or None."""
    if hidden(path):
        return f"{path} lies in {hidden(path)}"
    for folder in (path, *path.parents):
        if not folder.stat().st_mode & 0o001:
            return f"{folder} is closed to others"
    return None
