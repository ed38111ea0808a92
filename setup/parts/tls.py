"""A certificate authority of the demo's own, and a server certificate signed by it.

``tls/ca-bundle.pem`` holds the system's authorities and this one: with ``SSL_CERT_FILE`` set
to it a client verifies strictly, the demo's servers and the real world alike.
"""

from pathlib import Path

from . import system
from .render import render

PACKAGES = ("openssl", "ca-certificates")
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
YEARS = 10


def mail_host(state):
    """The name that the mail servers go by."""
    return state.fact("mail_host") or "mail.emboux.example"


def prepare(state):
    folder = state.folder("tls")
    changed = render("tls/openssl.cnf", folder / "openssl.cnf", {"MAIL_HOST": mail_host(state)})
    if changed or not (folder / "ca-bundle.pem").exists():
        make(folder, mail_host(state))


def services(_state):
    return []


def make(folder, host):
    """An authority and a certificate that it has signed for this host: ``ca.pem``, ``cert.pem``,
    ``key.pem``, ``ca-bundle.pem``; ``openssl.cnf`` has to be there."""
    authority, server = folder / "ca", folder / "server"
    for name, subject, extensions, signer in (
        (authority, "/CN=Emboux demo authority", "authority", []),
        (server, f"/CN={host}", "server", ["-CA", "ca.pem", "-CAkey", "ca.key"]),
    ):
        system.run(
            ["openssl", "req", "-x509", "-config", "openssl.cnf", "-extensions", extensions,
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
             "-keyout", f"{name}.key", "-out", f"{name}.pem",
             "-subj", subject, "-days", str(365 * YEARS), *signer],
            cwd=folder,
        )
    (folder / "server.key").replace(folder / "key.pem")
    (folder / "server.pem").replace(folder / "cert.pem")
    bundle = SYSTEM_BUNDLE.read_text() + (folder / "ca.pem").read_text()
    (folder / "ca-bundle.pem").write_text(bundle)
