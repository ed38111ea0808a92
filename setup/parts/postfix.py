"""Postfix: mail from outside, from our users, and out into the world."""

from . import system
from .render import TEMPLATES, File
from .supervisor import Service, listening
from .tls import mail_host

# the latter holds what Postfix logs in with at a relay (SASL PLAIN and LOGIN)
PACKAGES = ("postfix", "postfix-pgsql", "libsasl2-modules")
LISTENERS = ("smtp", "submission", "smtps")
PORTS = ("inject", "quota_status", "opendkim", "opendkim_ed25519", "inbound")  # on loopback
MASTER = "/usr/lib/postfix/sbin/master"

POLICY = ("check_policy_service {{ inet:127.0.0.1:{port}, timeout=5s, try_limit=2,"
          " default_action=DEFER_IF_PERMIT{context} }}")


def prepare(state, db, policy_port=None):
    home = state.folder("postfix")
    config, queue = state.folder("postfix", "etc"), home / "spool"
    system.own(queue, "root:root", mode="755")
    system.own(home / "data", "postfix:root", mode="700")
    values = db.words() | {
        "STATE": state.root,
        "POSTFIX": config,
        "DOVECOT_RUN": state.path("dovecot", "run"),
        "TLS_CERT": state.path("tls", "cert.pem"),
        "TLS_KEY": state.path("tls", "key.pem"),
        "CA_FILE": state.path("tls", "ca-bundle.pem"),
        "MAIL_HOST": mail_host(state),
        "SINK_PORT": state.port("sink"),
        "SYSTEM_MAIL": "",
    }
    for name in LISTENERS:
        values[name.upper()] = f"127.0.0.1:{state.port(name)}"
    for name in PORTS:
        values[f"{name.upper()}_PORT"] = state.port(name)
    changed = [file.write(config)
               for file in files(values, state.secret, policy_port, demo=True)]
    if any(changed) or not (queue / "pid").exists():
        # makes the folders of the queue and looks at the configuration
        system.run(system.as_root(["/usr/sbin/postfix", "-c", str(config), "check"]))


def files(values, password, policy_port, demo=False):
    """Its configuration.  ``password``: tells the password of a role of the database."""
    values = values | {
        "DB_PASSWORD": password("emboux_mail"),
        "RELAY_PASSWORD": password("emboux_relay"),
        "OUTBOUND_POLICY": _policy(policy_port),
        "INJECT_POLICY": _policy(policy_port, ", policy_context=inject"),
    }
    for path in sorted((TEMPLATES / "postfix").iterdir()):
        templates = [f"postfix/{path.name}"]
        if demo and path.name == "main.cf":
            templates.append("demo/main.cf")
        if path.name.startswith("sql-"):
            yield File(path.name, tuple(templates), values, "640", "root:postfix")
        else:
            yield File(path.name, tuple(templates), values)


def _policy(port, context=""):
    return POLICY.format(port=port, context=context) if port else ""


def services(state):
    return [
        Service(
            "postfix",
            # what `postfix start-fg` runs, but with -d it stays in its process group, so that
            # stopping the group ends it
            (MASTER, "-c", str(state.path("postfix", "etc")), "-d"),
            ready=listening(state.port("smtp")),
            root=True,
            cwd="/",
            stop_seconds=1,  # only the logger is left by then, which would wait for more lines
        )
    ]
