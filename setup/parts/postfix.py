"""Postfix: mail from outside, from our users, and out into the world."""

from . import system
from .render import TEMPLATES, render
from .supervisor import Service, listening
from .tls import mail_host

# the latter holds what Postfix logs in with at a relay (SASL PLAIN and LOGIN)
PACKAGES = ("postfix", "postfix-pgsql", "libsasl2-modules")
MASTER = "/usr/lib/postfix/sbin/master"

POLICY = ("check_policy_service {{ inet:127.0.0.1:{port}, timeout=5s, try_limit=2,"
          " default_action=DEFER_IF_PERMIT{context} }}")


def prepare(state, db, policy_port=None):
    home = state.folder("postfix")
    config, queue = state.folder("postfix", "etc"), home / "spool"
    system.own(queue, "root:root", mode="755")
    system.own(home / "data", "postfix:root", mode="700")
    values = {
        "STATE": state.root,
        "MAIL_HOST": mail_host(state),
        "DB_PASSWORD": state.secret("emboux_mail"),
        "RELAY_PASSWORD": state.secret("emboux_relay"),
        "DB_PORT": db.port,
        "DB_NAME": db.name,
        "OUTBOUND_POLICY": _policy(policy_port),
        "INJECT_POLICY": _policy(policy_port, ", policy_context=inject"),
    }
    for name in ("smtp", "submission", "smtps", "inject", "quota_status", "opendkim",
                 "opendkim_ed25519", "sink", "inbound"):
        values[f"{name.upper()}_PORT"] = state.port(name)
    changed = []
    for template in sorted((TEMPLATES / "postfix").iterdir()):
        secret = template.name.startswith("sql-")
        changed.append(render(
            f"postfix/{template.name}",
            config / template.name,
            values,
            mode="640" if secret else "644",
            owner="root:postfix" if secret else "root:root",
        ))
    if any(changed) or not (queue / "pid").exists():
        # makes the folders of the queue and looks at the configuration
        system.run(system.as_root(["/usr/sbin/postfix", "-c", str(config), "check"]))


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
