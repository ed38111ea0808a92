"""Knot, the authoritative server of the zone ``example.``, which takes updates (RFC 2136)."""

import base64
from pathlib import Path

from . import system
from .render import render
from .supervisor import Service, listening
from .tls import mail_host

PACKAGES = ("knot",)

ZONE = "example."
KEY_NAME = "emboux-demo"
KEY_ALGORITHM = "hmac-sha256"
UPDATER = Path(__file__).resolve().parent.parent / "zone_update.py"


def tsig_secret(state):
    """The key that allows updates and transfers, in base64 as every program wants it."""
    return base64.b64encode(state.secret("tsig").encode()).decode()


def prepare(state):
    system.assert_no_blanks(state.root)
    folder = state.folder("dns")
    for name in ("run", "db", "zones"):
        system.own(folder / name, "knot:knot")
    # left by a power failure; the pid may belong to another process by now
    system.run(system.as_root(["rm", "-f", str(folder / "run" / "knot.pid")]))
    values = {
        "STATE": state.root,
        "DNS_PORT": state.port("dns"),
        "TSIG_SECRET": tsig_secret(state),
        "MAIL_HOST": mail_host(state),
    }
    render("knot/knot.conf", folder / "knot.conf", values, mode="640", owner="root:knot")
    zone = folder / "zones" / "example.zone"
    if not state.fact("zone"):  # from then on the file is Knot's
        render("knot/example.zone", zone, values, owner="knot:knot")
        state.fact("zone", ZONE)


def services(state):
    return [
        Service(
            "dns",
            ("/usr/sbin/knotd", "-c", str(state.path("dns", "knot.conf"))),
            ready=listening(state.port("dns")),
            user="knot",
            cwd="/",
        )
    ]


def publish(state, zone_text):
    """Replace each record set that the text (zone file format, origin ``example.``) names."""
    system.run(
        [
            state.code / "venv" / "bin" / "python", UPDATER,
            "--zone", ZONE, "--port", str(state.port("dns")), "--key", KEY_NAME,
        ],
        input=f"{tsig_secret(state)}\n{zone_text}",
    )
