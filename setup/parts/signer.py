"""OpenDKIM: signs outgoing mail and refuses From headers that are not the sender's."""

from . import system
from .render import render
from .supervisor import Service, listening

PACKAGES = ("opendkim", "libopendbx1-pgsql")


def prepare(state, db):
    system.assert_no_blanks(state.root)
    folder = state.folder("opendkim")
    values = {
        "STATE": state.root,
        "OPENDKIM_PORT": state.port("opendkim"),
        "DB_PASSWORD": state.secret("emboux_dkim"),
        "DB_PORT": db.port,
        "DB_NAME": db.name,
    }
    for name in ("opendkim.conf", "signer.lua"):
        render(f"opendkim/{name}", folder / name, values, mode="640", owner="root:opendkim")


def services(state):
    return [
        Service(
            "signer",
            ("/usr/sbin/opendkim", "-f", "-x", str(state.path("opendkim", "opendkim.conf"))),
            ready=listening(state.port("opendkim")),
            user="opendkim",
            cwd="/",
            stop_signal="KILL",  # it has no state, and takes five seconds to notice TERM
        )
    ]
