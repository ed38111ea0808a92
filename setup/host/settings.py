"""What is said about a host once and remembered: names, addresses and paths, no secrets."""

import dataclasses
import json
import re
from dataclasses import dataclass

HOST_NAME = re.compile(r"(?!-)(?:[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]{2,63}(?<!-)").fullmatch
ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+").fullmatch
DATABASE_NAME = re.compile(r"[A-Za-z0-9_.-]+").fullmatch
REMEMBERED = "etc/emboux/server.json"


@dataclass(frozen=True)
class Settings:
    """A host, as the options of ``setup/server`` describe it.

    ``email``: where mail for this machine's root goes, and what the certificate's authority writes.
    ``cert`` and ``key`` are empty where certbot gets a certificate.
    """

    host: str
    email: str = ""
    db_host: str = "127.0.0.1"
    db_port: int = 5432
    db_name: str = "odoo"
    db_ca: str = "/etc/ssl/certs/ca-certificates.crt"
    odoo: str = "/opt/emboux/venv/bin/odoo"
    odoo_url: str = "http://127.0.0.1:8069"
    cert: str = ""
    key: str = ""
    webroot: str = ""
    acme_server: str = ""

    @property
    def is_one_machine(self):
        """Whether the database is on this machine, so that nothing crosses a network."""
        return self.db_host in ("127.0.0.1", "::1", "localhost")

    @property
    def by_acme(self):
        return not self.cert

    def files_of_certificate(self):
        """(chain of certificates, key), as Postfix and Dovecot name them."""
        if self.cert:
            return self.cert, self.key
        folder = f"/etc/letsencrypt/live/{self.host}"
        return f"{folder}/fullchain.pem", f"{folder}/privkey.pem"

    def problems(self):
        """What cannot be right, in sentences."""
        if not HOST_NAME(self.host):
            yield (f"--host {self.host!r} is no full host name in lower case, such as "
                   f"mail.example.org.")
        if bool(self.cert) != bool(self.key):
            yield "--cert and --key belong together: give both, or neither to have certbot get one."
        if self.cert and (self.webroot or self.acme_server):
            yield "--webroot and --acme-server are for certbot: leave them out beside --cert."
        if not DATABASE_NAME(self.db_name):
            yield (f"--db-name {self.db_name!r}: Postfix, Dovecot and OpenDKIM take letters, "
                   f"digits, '_', '-' and '.' alone.")
        if self.odoo_url.split(":")[0] not in ("http", "https"):
            yield f"--odoo-url {self.odoo_url!r} begins with neither http:// nor https://."
        if self.email and not ADDRESS(self.email):
            yield f"--email {self.email!r} is no address, such as admin@example.org."
        for name in ("db_host", "db_ca", "odoo", "odoo_url", "cert", "key", "webroot"):
            value = getattr(self, name)
            # they become words of configuration files
            if re.search(r"[\s\"'$%@\\;#]", value):
                yield (f"--{name.replace('_', '-')} {value!r} has blanks or one of \" ' $ % @ \\ "
                       f"; # in it, which the mail servers' configuration cannot hold.")
        for name in ("db_ca", "odoo", "cert", "key", "webroot"):
            value = getattr(self, name)
            if value and not value.startswith("/"):
                yield f"--{name.replace('_', '-')} {value!r} must be a full path: it begins with /."

    def text(self):
        """As it is remembered, for the next run."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"


def from_options(options, root):
    """What the options say, and for all others what an earlier run was told.

    :param options: values by the name of the field; None for what was not given.
    :raises SystemExit: no host, or what cannot be right.
    """
    path = root / REMEMBERED
    known = json.loads(path.read_text()) if path.exists() else {}
    fields = {field.name for field in dataclasses.fields(Settings)}
    known = {name: value for name, value in known.items() if name in fields}  # of another version
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("cert"):  # of an earlier run by certbot
        known |= {"webroot": "", "acme_server": ""}
    values = known | given
    if "host" not in values:
        raise SystemExit("Which name has this mail host in the DNS?  ./setup/server --host "
                         "mail.example.org  (--help has examples.)")
    settings = Settings(**values)
    problems = list(settings.problems())
    if problems:
        raise SystemExit("\n".join(problems))
    return settings
