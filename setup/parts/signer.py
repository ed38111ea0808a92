"""OpenDKIM: signs outgoing mail and refuses From headers that are not the sender's.

Two of them run, because one makes signatures of one algorithm: the first signs with RSA, which
every receiver knows, the second adds Ed25519 (RFC 8463).
"""

from . import system
from .render import render
from .supervisor import Service, listening

PACKAGES = ("opendkim", "libopendbx1-pgsql")
#: service and port, files, algorithm, the view that says which key signs
SIGNERS = (
    ("signer", "opendkim", "", "rsa-sha256", "dkim_signing"),
    ("signer_ed25519", "opendkim_ed25519", "-ed25519", "ed25519-sha256", "dkim_signing_ed25519"),
)


def prepare(state, db):
    system.assert_no_blanks(state.root)
    folder = state.folder("opendkim")
    for _service, port, suffix, algorithm, view in SIGNERS:
        values = {
            "STATE": state.root,
            "OPENDKIM_PORT": state.port(port),
            "ALGORITHM": algorithm,
            "SCRIPT": f"signer{suffix}.lua",
            "SIGNING_VIEW": view,
            "DB_PASSWORD": state.secret("emboux_dkim"),
            "DB_PORT": db.port,
            "DB_NAME": db.name,
        }
        for template in ("opendkim.conf", "signer.lua"):
            stem, _dot, extension = template.partition(".")
            render(f"opendkim/{template}", folder / f"{stem}{suffix}.{extension}", values,
                   mode="640", owner="root:opendkim")


def services(state):
    return [
        Service(
            service,
            ("/usr/sbin/opendkim", "-f", "-x",
             str(state.path("opendkim", f"opendkim{suffix}.conf"))),
            ready=listening(state.port(port)),
            user="opendkim",
            cwd="/",
            stop_signal="KILL",  # it has no state, and takes five seconds to notice TERM
        )
        for service, port, suffix, _algorithm, _view in SIGNERS
    ]
