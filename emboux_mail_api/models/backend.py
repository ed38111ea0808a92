# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import file_open

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.dns.expected import REPORT_ADDRESS, MailService, MxTarget
from odoo.addons.emboux_core.models.errors import plain_errors

from .. import policy_files
from ..backends.local import LocalBackend
from ..providers.base import Registration


class Backend(models.Model):
    """This Odoo as a mail platform.

    Its web host serves MTA-STS policies to other servers and settings to mail programs.  The
    domains' DNS points there only once it is set: what people are asked to publish has to exist.
    """

    _name = "emboux.backend"
    _inherit = ["emboux.backend", "emboux.audited.mixin"]
    _audited_fields = (
        "name", "kind", "url", "active", "mail_host", "smtp_host", "imap_host", "company_id",
        "policy_host", "mta_sts_mode", "tls_report_address", "postmaster",
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
            self._room_to_send,
        )

    def _local_query(self, statement, *parameters):
        """Run SQL in this transaction, after what the ORM still holds back."""
        self.env.flush_all()
        if len(parameters) == 1 and isinstance(parameters[0], dict):
            parameters = parameters[0]
        self.env.cr.execute(statement, parameters or None)
        return self.env.cr.fetchall() if self.env.cr.description else []

    def _room_to_send(self, name, login):
        # as superuser: a job of any company sends
        domain = self.env["emboux.domain"].sudo().search(
            [("name", "=", name), ("backend_id", "=", self.id), ("owned_since", "!=", False)])
        return domain._room_to_send(login) if domain else None

    def _elsewhere(self, record):
        """What the provider of a domain said last, None where this server sends by itself."""
        # as superuser: registrations are not for users to read who merely has a domain
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
                self.env.cr.execute(source.read())  # a role created since the installation
        return super().action_test()

    @api.private
    def _service_of_stranger(self):
        """What the DNS of an unknown domain would have to say: without key and token."""
        return MailService(
            mx=(MxTarget(10, self.mail_host or ""),),
            spf=(f"a:{self.mail_host}",),
            imap_host=self.imap_host or "",
            imaps_port=self.imap_tls_port,
            smtp_host=self.smtp_host or "",
            submissions_port=self.smtp_tls_port,
            imap_port=self.imap_starttls_port,
            submission_port=self.smtp_starttls_port,
        )

    # -- the web host for policies -----------------------------------------------------

    policy_host = fields.Char(
        "Web Host for Policies",
        help="Name under which this Odoo answers on port 443 for mta-sts.<domain> and "
        "autoconfig.<domain> too, with certificates for these names. Empty: domains are not asked "
        "for MTA-STS and autoconfiguration records.",
    )
    mta_sts_mode = fields.Selection(
        [("testing", "Testing: only report"), ("enforce", "Enforce: no mail without encryption")],
        "MTA-STS",
        default="testing",
        required=True,
        help="What other servers do when they cannot encrypt mail to here (RFC 8461).",
    )
    tls_report_address = fields.Char(
        "TLS Reports To",
        help="Other mail servers report here when they could not encrypt (RFC 8460). "
        "Empty: domains are not asked for the record.",
    )
    postmaster = fields.Char(
        help="Takes the mail to postmaster@ and abuse@ of this mail server, and of domains whose "
        "owner has no address. Empty: the company's address.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [dict(vals) for vals in vals_list]
        for vals in vals_list:
            self._normalise_policy(vals)
        return super().create(vals_list)

    def write(self, vals):
        vals = dict(vals)
        self._normalise_policy(vals)
        done = super().write(vals)
        if {"policy_host", "mta_sts_mode", "tls_report_address"} & set(vals):
            # as superuser: what the DNS has to say follows, for other companies' domains too
            self.sudo().with_context(active_test=False).domain_ids._provision()
        return done

    def _normalise_policy(self, vals):
        if vals.get("policy_host"):
            with plain_errors():
                vals["policy_host"] = addresses.normalise_domain(vals["policy_host"])
        for field in ("tls_report_address", "postmaster"):
            if vals.get(field):
                with plain_errors():
                    vals[field] = addresses.normalise_address(
                        vals[field], plus=field == "postmaster"
                    )

    @api.constrains("tls_report_address")
    def _check_tls_report_address(self):
        for backend in self.filtered("tls_report_address"):
            if not REPORT_ADDRESS.fullmatch(backend.tls_report_address):
                raise ValidationError(
                    self.env._(
                        "%s cannot stand in a DNS record: take an address of letters, digits, "
                        "dots and dashes.",
                        backend.tls_report_address,
                    )
                )

    def _policy_places(self):
        """The hosts that the DNS of hosted domains points to, for ``LocalBackend``."""
        self.ensure_one()
        text = self._mta_sts_policy()
        return {
            "policy_host": self.policy_host or "",
            "mta_sts_id": policy_files.policy_id(text) if text else "",
            "tls_report_address": self.tls_report_address or "",
        }

    @api.private
    def _mail_hosts(self):
        """What mail programs are told, as ``policy_files`` wants it."""
        self.ensure_one()
        return policy_files.Hosts(
            mx=(self.mail_host,) if self.mail_host else (),
            imap_host=self.imap_host or self.mail_host or "",
            imaps_port=self.imap_tls_port,
            smtp_host=self.smtp_host or self.mail_host or "",
            submissions_port=self.smtp_tls_port,
            submission_port=self.smtp_starttls_port,
        )

    @api.private
    def _mta_sts_policy(self):
        """The text of the policy, or an empty one."""
        if not self.policy_host or not self.mail_host:
            return ""
        return policy_files.mta_sts_policy(self.mta_sts_mode, (self.mail_host,))
