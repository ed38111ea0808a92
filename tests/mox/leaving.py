"""What a test has made in Odoo on a mox is removed."""


def remove(odoo, domain, backend):
    """``domain`` with all that is in it, and the backend of that name."""
    servers = odoo("ir.mail_server")
    servers.unlink(servers.search([("smtp_user", "like", f"@{domain}")]))
    for model in ("alias", "mailbox", "domain"):
        rows = odoo(f"emboux.{model}")
        field = "name" if model == "domain" else "email"
        found = rows.search([(field, "like", domain), ("active", "in", [True, False])])
        if model == "mailbox":
            rows.write(found, {"active": False})
        rows.unlink(found)
    backends = odoo("emboux.backend")
    backends.unlink(backends.search([("name", "=", backend)]))
