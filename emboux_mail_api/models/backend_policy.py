from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.dns.expected import REPORT_ADDRESS
from odoo.addons.emboux_core.models.errors import plain_errors

from .. import policy_files


class BackendPolicy(models.Model):
    """The web host that tells other servers what hosted domains ask for, and mail programs theirs.

    Their DNS leads there only once it is set: what people are asked to publish has to exist.
    """

    _inherit = "emboux.backend"
    _audited_fields = ("policy_host", "mta_sts_mode", "tls_report_address", "postmaster")

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
        """What the DNS of hosted domains leads to, as ``LocalBackend`` wants it."""
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
