from odoo import fields, models
from odoo.tools import file_open

from ..backends.local import LocalBackend
from ..providers.base import Registration


class Backend(models.Model):
    _name = "emboux.backend"
    _inherit = ["emboux.backend", "emboux.audited"]
    _audited_fields = (
        "name", "kind", "url", "active", "mail_host", "smtp_host", "imap_host", "company_id",
    )

    kind = fields.Selection(
        selection_add=[("local", "This Odoo (Postfix and Dovecot)")],
        ondelete={"local": "cascade"},
    )

    # Postfix asks "is this address known" of one platform
    _one_local = models.UniqueIndex(
        "(kind) WHERE kind = 'local'",
        "This Odoo is one mail platform, so there can be one backend of this kind.",
    )

    def _client(self):
        self.ensure_one()
        if self.kind != "local":
            return super()._client()
        hosts = (
            "mail_host", "smtp_host", "imap_host", "smtp_tls_port", "imap_tls_port",
            "smtp_starttls_port", "imap_starttls_port",
        )
        return LocalBackend(
            self._local_query,
            self.env["emboux.dkim.key"]._public_keys,
            self._domain_token,
            {field: self[field] for field in hosts} | self._policy_places(),
            self._elsewhere,
        )

    def _local_query(self, statement, *parameters):
        """Run SQL in this transaction, after what the ORM still holds back."""
        self.env.flush_all()
        if len(parameters) == 1 and isinstance(parameters[0], dict):
            parameters = parameters[0]
        self.env.cr.execute(statement, parameters or None)
        return self.env.cr.fetchall() if self.env.cr.description else []

    def _elsewhere(self, record):
        """What the provider of a domain said last, None where this server sends by itself."""
        # as superuser: registrations are nobody's to read who merely has a domain
        domain = self.env["emboux.domain"].sudo().browse(record)
        if domain.provider_id.kind in (False, "dkim"):
            return None
        return domain.registration_id._as_answer() if domain.registration_id else Registration(
            domain.name, "pending", ""
        )

    def _domain_token(self, record):
        return self.env["emboux.domain"].browse(record).token

    def action_test(self):
        for backend in self.filtered(lambda b: b.kind == "local"):
            backend.check_access("write")
            with file_open("emboux_mail_api/sql/grants.sql") as source:
                self.env.cr.execute(source.read())  # a role made since the installation
        return super().action_test()
