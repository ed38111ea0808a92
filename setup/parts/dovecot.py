"""Dovecot: mailboxes, IMAP, ManageSieve, and the password check for Postfix."""

import pwd

from . import system
from .render import render
from .supervisor import Service, listening
from .tls import mail_host

PACKAGES = (
    "dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "dovecot-pgsql", "dovecot-sieve",
    "dovecot-managesieved",
)
OWNER = "vmail"


def prepare(state, db):
    system.system_user(OWNER)
    folder = state.folder("dovecot")
    state.folder("mail")
    system.own(state.path("mail", "vmail"), f"{OWNER}:{OWNER}", mode="700")
    # left by a power failure, it may name a process of somebody else by now
    system.run(system.as_root(["rm", "-f", str(folder / "run" / "master.pid")]))
    values = {
        "STATE": state.root,
        "MAIL_HOST": mail_host(state),
        "VMAIL_UID": pwd.getpwnam(OWNER).pw_uid,
        "DB_PORT": db.port,
        "DB_NAME": db.name,
    }
    for name in ("imap", "imaps", "sieve", "quota_status", "inject"):
        values[f"{name.upper()}_PORT"] = state.port(name)
    # the passwords are of two roles; each program reads its own file as its own user
    for name, role, mode, owner in (
        ("dovecot.conf", None, "644", "root:root"),
        ("sql.conf", "emboux_mail", "640", "root:dovecot"),
        ("sql-service.conf", "emboux_mail", "640", "root:dovecot"),
        ("dict-usage.conf", "emboux_usage", "640", "root:dovecot"),
        ("dict-sieve.conf", "emboux_mail", "640", "root:dovecot"),
    ):
        own = {"DB_PASSWORD": state.secret(role)} if role else {}
        render(f"dovecot/{name}", folder / name, values | own, mode=mode, owner=owner)


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
