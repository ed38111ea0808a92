"""Dovecot: mailboxes, IMAP, ManageSieve, and the password check for Postfix."""

import pwd
import re

from . import system
from .render import File
from .supervisor import Service, listening
from .tls import mail_host

PACKAGES = (
    "dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "dovecot-pgsql", "dovecot-sieve",
    "dovecot-managesieved",
)
OWNER = "vmail"

# Which files each series reads (its language is its own), and of which role of the database they
# hold the password.  2.3: each program reads its file as its own user.  2.4: all are part of
# dovecot.conf, which one process reads as root.
FILES = {
    "2.3": {
        "dovecot.conf": None,
        "sql.conf": "emboux_mail",
        "sql-service.conf": "emboux_mail",
        "dict-usage.conf": "emboux_usage",
        "dict-sieve.conf": "emboux_mail",
    },
    "2.4": {
        "dovecot.conf": None,
        "sql.conf": "emboux_mail",
        "sql-users.conf": "emboux_mail",
        "sql-service.conf": "emboux_mail",
        "dict-usage.conf": "emboux_usage",
        "dict-sieve.conf": "emboux_mail",
    },
}
SECRET = {"2.3": ("640", "root:dovecot"), "2.4": ("600", "root:root")}  # mode and owner
PORTS = ("imap", "imaps", "sieve", "quota_status", "inject")


def series(said):
    """Which series of Dovecot is installed, of what ``dovecot --version`` says.

    :raises SystemExit: an unknown one, with an untested configuration.
    """
    found = re.match(r"(\d+\.\d+)\.", said)
    if not found or found[1] not in FILES:
        raise SystemExit(
            f"Dovecot {said.split(' ')[0].strip() or 'of no version'} is installed; there is a "
            f"configuration for {' and '.join(FILES)} (Debian 12 and 13). Use one of those."
        )
    return found[1]


def prepare(state, db):
    system.system_user(OWNER)
    folder = state.folder("dovecot")
    state.folder("mail")
    system.own(state.path("mail", "vmail"), f"{OWNER}:{OWNER}", mode="700")
    # left by a power failure; the pid may belong to another process by now
    system.run(system.as_root(["rm", "-f", str(folder / "run" / "master.pid")]))
    values = db.words() | {
        "STATE": state.root,
        "DOVECOT": folder,
        "DOVECOT_RUN": folder / "run",
        "MAIL_ROOT": state.path("mail", "vmail"),
        "TLS_CERT": state.path("tls", "cert.pem"),
        "TLS_KEY": state.path("tls", "key.pem"),
        "MAIL_HOST": mail_host(state),
        "VMAIL_UID": pwd.getpwnam(OWNER).pw_uid,
    }
    for name in PORTS:
        values[f"{name.upper()}_PORT"] = state.port(name)
    installed = series(system.run(["/usr/sbin/dovecot", "--version"]))
    for file in files(installed, values, state.secret, demo=True):
        file.write(folder)


def files(installed, values, password, demo=False):
    """Its configuration.  ``password``: tells the password of a role of the database."""
    for name, role in FILES[installed].items():
        mode, owner = SECRET[installed] if role else ("644", "root:root")
        own = {"DB_PASSWORD": password(role)} if role else {}
        templates = [f"dovecot-{installed}/{name}"]
        if demo and name == "dovecot.conf":
            templates.append("demo/dovecot.conf")
        yield File(name, tuple(templates), values | own, mode, owner)


def services(state):
    return [
        Service(
            "dovecot",
            ("/usr/sbin/dovecot", "-F", "-c", str(state.path("dovecot", "dovecot.conf"))),
            ready=listening(state.port("imap")),
            root=True,
            cwd="/",
        )
    ]
