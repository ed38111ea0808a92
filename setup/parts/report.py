"""What runs where, for people and for programs (``./setup/run --status [--json]``)."""

import json

from . import odoo_server
from .supervisor import listening

DEMO_DOMAIN = "emboux.example"
DAEMONS = ("policy", "inbound", "queue", "retention", "transfer", "webhooks")


def path(state):
    return state.path("run", "status.json")


def write(state, database, mail):
    def at(name):
        return {"host": "localhost", "port": state.port(name)}

    report = {
        "odoo": {
            "url": f"http://127.0.0.1:{state.port('odoo')}",
            "db": database,
            "login": odoo_server.LOGIN,
            "password": state.password("admin"),
        },
        "api": {"url": f"http://127.0.0.1:{state.port('odoo')}/emboux/v1"},
        "postgres": {"host": "127.0.0.1", "port": state.port("postgres"), "db": database},
    }
    if mail:
        report |= {n: at(n) for n in ("smtp", "submission", "smtps", "imap", "imaps", "sieve")}
        report["dns"] = {"host": "127.0.0.1", "port": state.port("dns")}
        report["policy"] = at("policy") | {"metrics": f"http://127.0.0.1:{state.port('policy_metrics')}"}
        report["metrics"] = {name: f"http://127.0.0.1:{state.port(f'{name}_metrics')}"
                             for name in DAEMONS}
        report["sink"] = {
            "host": "127.0.0.1",
            "port": state.port("sink"),
            "maildir": str(state.path("mail", "sink")),
        }
        report["demo_domain"] = DEMO_DOMAIN
        report["demo_mailboxes"] = {
            f"{name}@{DEMO_DOMAIN}": state.password(f"mailbox {name}") for name in ("alice", "bob")
        }
    path(state).touch(mode=0o600)
    path(state).write_text(json.dumps(report, indent=1))


def read(state):
    return json.loads(path(state).read_text())


def as_json(state):
    return path(state).read_text()


def as_text(state):
    report = read(state)
    odoo = report["odoo"]
    lines = [
        "",
        f"  Odoo         {odoo['url']}/odoo",
        f"  log in as    {odoo['login']}   password  {odoo['password']}",
        f"  REST API     {report['api']['url']}/docs",
        f"  PostgreSQL   127.0.0.1:{report['postgres']['port']}  database {odoo['db']}",
    ]
    if "smtp" in report:
        ports = {name: entry["port"] for name, entry in report.items()
                 if isinstance(entry, dict) and "port" in entry}
        lines += [
            f"  SMTP         localhost:{ports['smtp']} (mail from outside)",
            f"  submission   localhost:{ports['submission']} STARTTLS, {ports['smtps']} TLS",
            f"  IMAP         localhost:{ports['imap']} STARTTLS, {ports['imaps']} TLS",
            f"  DNS          127.0.0.1:{ports['dns']} (zone example.)",
            f"  the outside  {report['sink']['maildir']}",
            *(f"  mailbox      {name}   password  {password}"
              for name, password in report["demo_mailboxes"].items()),
        ]
    return "\n".join([*lines, ""])


def silent(state):
    """The names of servers that should answer and do not."""
    report = read(state)
    return [
        name
        for name in ("postgres", "policy", "smtp", "submission", "smtps", "imap", "imaps", "dns",
                     "sink")
        if name in report and not listening(report[name]["port"])()
    ] + ([] if listening(int(report["odoo"]["url"].rsplit(":", 1)[1]))() else ["odoo"])
