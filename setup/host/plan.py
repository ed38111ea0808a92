"""Which files a mail host has: where they lie, what is in them, and who may read them."""

from dataclasses import dataclass
from pathlib import Path

from parts import dovecot, mail, postfix, signer
from parts.odoo_code import PROJECT
from parts.render import File
from parts.tls import SYSTEM_BUNDLE

from . import passwords, settings

MAIL_ROOT = "/var/vmail"
MAIL_LOG = "/var/log/emboux/mail.log"
CODE = "/etc/emboux/code"
SYSTEM_MAIL = "system-mail"
UNITS = "/etc/systemd/system"

#: Where others connect, on all addresses.
PUBLIC = {"smtp": 25, "submission": 587, "smtps": 465, "imap": 143, "imaps": 993, "sieve": 4190}
#: What only programs of this machine may connect to: on 127.0.0.1.
LOOPBACK = {
    "inject": 10026, "inbound": 10024, "policy": 10040, "quota_status": 12340, "opendkim": 8891,
    "opendkim_ed25519": 8892,
}
DAEMONS = ("policy", "inbound", "queue", "retention", "transfer", "webhooks")
#: Of /metrics and /health, as the daemons themselves have it (emboux_daemons/options.py).
METRICS = {f"{name}_metrics": port for port, name in enumerate(DAEMONS, 9040)}
PORTS = PUBLIC | LOOPBACK | METRICS

SIGNERS = tuple(f"emboux-signer{suffix}" for _service, _port, suffix, *_rest in signer.SIGNERS)
#: Whose lines the journal may not drop.  Debian 12 runs Postfix as postfix@-, 13 as postfix.
LOGGED = ("postfix", "postfix@", "dovecot")


@dataclass(frozen=True)
class Place:
    """A file and where it goes: a full path, as the programs see it."""

    path: str
    text: str
    mode: str
    owner: str


@dataclass(frozen=True)
class Folder:
    """A folder that no package of Debian brings."""

    path: str
    mode: str
    owner: str


FOLDERS = (
    Folder("/etc/emboux", "755", "root:root"),
    Folder("/etc/opendkim", "750", "root:opendkim"),
    Folder(MAIL_ROOT, "700", f"{dovecot.OWNER}:{dovecot.OWNER}"),
    Folder("/var/log/emboux", "750", "root:adm"),
)


def files(chosen, password, series, vmail_uid, code):
    """All of them.

    :param chosen: the ``Settings``.
    :param password: tells the password of a role of the database.
    :param series: of Dovecot, as ``dovecot.series`` has it.
    :param vmail_uid: the number of the user who owns the mail.
    :param code: the version of the daemons' code, as ``odoo.version`` has it.
    """
    for folder, file in _rendered(chosen, password, series, vmail_uid):
        yield Place(f"{folder}/{file.name}", file.text(), file.mode, file.owner)
    # a service is started anew when a file that it reads has changed; so its code is one of those
    yield Place(CODE, f"{code}\n", "644", "root:root")
    yield Place(f"/{settings.REMEMBERED}", chosen.text(), "644", "root:root")
    yield password_file(password)


def password_file(password):
    """The file with all passwords, which is written before the others."""
    return Place(passwords.FILE, password.text(), "600", "root:root")


def _rendered(chosen, password, series, vmail_uid):
    database = mail.Database(
        port=chosen.db_port, name=chosen.db_name, host=chosen.db_host,
        sslmode="disable" if chosen.is_one_machine else "verify-full", authorities=chosen.db_ca,
    )
    cert, key = chosen.files_of_certificate()
    words = database.words() | {
        "POSTFIX": "/etc/postfix",
        "DOVECOT": "/etc/dovecot",
        "DOVECOT_RUN": "/run/dovecot",
        "MAIL_ROOT": MAIL_ROOT,
        "MAIL_LOG": MAIL_LOG,
        "MAIL_HOST": chosen.host,
        "TLS_CERT": cert,
        "TLS_KEY": key,
        "CA_FILE": SYSTEM_BUNDLE,
        "VMAIL_UID": vmail_uid,
        "ODOO": chosen.odoo,
        "ODOO_URL": chosen.odoo_url,
        "ADDONS_PATH": PROJECT,
        "SYSTEM_MAIL": f", regexp:/etc/postfix/{SYSTEM_MAIL}" if chosen.email else "",
    }
    words |= {f"{name.upper()}_PORT": port for name, port in PORTS.items()}
    words |= {name.upper(): PORTS[name] for name in postfix.LISTENERS}

    for file in postfix.files(words, password, PORTS["policy"]):
        yield "/etc/postfix", file
    if chosen.email:
        own = {"HOST_PATTERN": chosen.host.replace(".", r"\."), "EMAIL": chosen.email}
        yield "/etc/postfix", File(SYSTEM_MAIL, (f"host/{SYSTEM_MAIL}",), own)
    for file in dovecot.files(series, words, password):
        yield "/etc/dovecot", file
    for file in signer.files(Path("/etc/opendkim"), database, PORTS.__getitem__, password):
        yield "/etc/opendkim", file
    yield "/etc/emboux", File("odoo.conf", ("host/odoo.conf",), words)
    for name in DAEMONS:
        own = {"DB_PASSWORD": password(f"emboux_{name}")}
        yield "/etc/emboux", File(f"{name}.password", ("host/password",), own, "600")
        unit = f"emboux-{name}.service"
        yield UNITS, File(unit, (f"systemd/{unit}",), words)
    for unit, (_service, _port, suffix, algorithm, _view) in zip(
            SIGNERS, signer.SIGNERS, strict=True):
        own = {"ALGORITHM": algorithm, "OPENDKIM_CONF": f"/etc/opendkim/opendkim{suffix}.conf"}
        yield UNITS, File(f"{unit}.service", ("systemd/emboux-signer.service",), words | own)
    for unit in LOGGED:
        yield f"{UNITS}/{unit}.service.d", File("emboux.conf", ("systemd/all-lines.conf",), {})
    yield "/etc/rsyslog.d", File("10-emboux.conf", ("host/rsyslog.conf",), words)
    yield "/etc/logrotate.d", File("emboux", ("host/logrotate",), words)
    if chosen.by_acme:
        yield "/etc/letsencrypt/renewal-hooks/deploy", File("emboux", ("host/renewed",), {}, "755")
