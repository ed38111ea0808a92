"""The certificate: whether it serves, and certbot, which gets one by ACME."""

import subprocess

from parts import system
from parts.tls import SYSTEM_BUNDLE

from . import machine
from .findings import bad, good, note

PACKAGES = ("certbot",)
DAYS = 14  # certbot renews 30 days before the end: with less left, something is wrong
DAY = 86400


def check(cert, key, host, days=DAYS, authorities=SYSTEM_BUNDLE):
    """Does it serve for this host?

    :param cert: the path of the certificate, with those of its authorities behind it.
    :param days: as long it has to be good.
    :param authorities: the file of those that mail programs trust.
    """
    missing = [str(path) for path in (cert, key) if not path.exists()]
    if missing:
        return [bad(f"There is no {' and no '.join(missing)}.",
                    "Give --cert and --key, or leave both out to have certbot get one.", True)]
    code, said = _openssl("x509", "-in", cert, "-noout", "-enddate")
    if code:
        return [bad(f"{cert} is no certificate in PEM form.",
                    "Name the file that begins with -----BEGIN CERTIFICATE-----.", True)]
    end = said.strip().removeprefix("notAfter=")
    return [
        _expiry(cert, end, days),
        _name(cert, host),
        _key(cert, key),
        _mode(key),
        _chain(cert, authorities),
    ]


def _expiry(cert, end, days):
    again = "Renew it: certbot renew, or ask who gave it to you."
    if _openssl("x509", "-in", cert, "-noout", "-checkend", 0)[0]:
        return bad(f"The certificate {cert} ended on {end}.", again, True)
    if _openssl("x509", "-in", cert, "-noout", "-checkend", days * DAY)[0]:
        return bad(f"The certificate {cert} ends in less than {days} days, on {end}.", again)
    return good(f"The certificate is good until {end}.")


def _name(cert, host):
    _code, said = _openssl("x509", "-in", cert, "-noout", "-checkhost", host)
    if "does match" in said:
        return good(f"The certificate is for {host}.")
    _code, names = _openssl("x509", "-in", cert, "-noout", "-ext", "subjectAltName")
    found = ", ".join(line.strip() for line in names.splitlines()[1:]) or "no name at all"
    return bad(f"The certificate is not for {host} but for {found}.",
               f"Get one for {host}, or name the host that it is for with --host.", True)


def _key(cert, key):
    code, own = _openssl("pkey", "-in", key, "-pubout", "-passin", "pass:")
    if code:
        return bad(f"{key} is no private key in PEM form, or one with a passphrase.",
                   "Name the key without a passphrase: nobody could type it when servers start.",
                   True)
    if _openssl("x509", "-in", cert, "-noout", "-pubkey")[1] == own:
        return good("The key is the certificate's.")
    return bad(f"The key {key} is not that of the certificate {cert}.",
               "Name the two files that were made together.", True)


def _mode(key):
    mode = key.stat().st_mode & 0o777
    if mode & 0o007:
        return bad(f"Everybody on this machine can read the key {key} (mode {mode:o}).",
                   f"chmod 600 {key}")
    return good("The key is not for everybody to read.")


def _chain(cert, authorities):
    code, said = _openssl("verify", "-CAfile", authorities, "-untrusted", cert, cert)
    if not code:
        return good("The certificate is signed by an authority that this machine trusts.")
    why = next((line.split(":", 1)[1].strip() for line in said.splitlines()
                if line.startswith("error ")), "the chain is not complete")
    return note(f"No authority that this machine trusts has signed the certificate ({why}).",
                "Mail programs will warn of it: put its authority's certificate behind it, in the "
                "same file, or take one of a public authority.")


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def check_way_in(chosen, port=80):
    """Before there is a certificate: can certbot open the port by which the authority asks?"""
    who = machine.listeners().get(port)
    if who and not chosen.webroot:
        return [bad(f"Port {port} is taken by {who[1] or 'a program'} (process {who[0]}), and "
                    f"certbot has to open it.",
                    "Name the folder that it serves with --webroot DIR, or stop it.", True)]
    return [note("There is no certificate yet: certbot will get one.")]


def command(chosen):
    """The command line by which certbot gets the certificate of ``Settings``."""
    who = ["--email", chosen.email] if chosen.email else ["--register-unsafely-without-email"]
    how = ["--webroot", "--webroot-path", chosen.webroot] if chosen.webroot else ["--standalone"]
    where = ["--server", chosen.acme_server] if chosen.acme_server else []
    return ["certbot", "certonly", "--non-interactive", "--agree-tos", "--keep-until-expiring",
            *who, *how, *where, "--cert-name", chosen.host, "--domain", chosen.host]


def get(chosen):
    """Have certbot get it.

    :raises SystemExit: it could not; the message has its reason and what is usual.
    """
    try:
        system.run(command(chosen))
    except system.CommandFailed as failed:
        port = "what serves it" if chosen.webroot else "nothing else (or use --webroot DIR)"
        raise SystemExit(
            f"{failed}\nThe authority has to reach http://{chosen.host}/ from outside: the name "
            f"must lead to this machine, port 80 be open in its firewall, and {port} listen there. "
            f"Then run this again, or give --cert and --key."
        ) from None
