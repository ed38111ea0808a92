"""OpenDKIM: signs outgoing mail and refuses From headers that are not the sender's.

Two of them run, because one makes signatures of one algorithm: the first signs with RSA, which
every receiver knows, the second adds Ed25519 (RFC 8463).
"""

from . import system
from .render import File
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
    for file in files(folder, db, state.port, state.secret):
        file.write(folder)


def files(folder, db, port, password):
    """Its configuration.

    ``port`` tells the port of a listener, ``password`` the password of a role of the database.
    """
    for _service, listener, suffix, algorithm, view in SIGNERS:
        values = db.words() | {
            "OPENDKIM": folder,
            "OPENDKIM_PORT": port(listener),
            "ALGORITHM": algorithm,
            "SCRIPT": f"signer{suffix}.lua",
            "SIGNING_VIEW": view,
            "DB_PASSWORD": password("emboux_dkim"),
        }
        for template in ("opendkim.conf", "signer.lua"):
            stem, _dot, extension = template.partition(".")
            yield File(f"{stem}{suffix}.{extension}", (f"opendkim/{template}",), values,
                       "640", "root:opendkim")


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
