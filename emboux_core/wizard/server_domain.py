# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..models.errors import backend_errors

MODES = [("none", "None"), ("testing", "Testing"), ("enforce", "Enforced")]
DAY = 86400  # seconds


class ServerDomain(models.TransientModel):
    """What a mail server keeps of a domain by itself."""

    _name = "emboux.server.domain"
    _description = "Domain on a Mail Server"

    domain_id = fields.Many2one("emboux.domain", required=True, readonly=True)
    dmarc_local_part = fields.Char(
        "DMARC Reports To", help="Local part of the address that other servers report to, how much "
        "mail from this domain was really yours. Empty: no reports are asked for.")
    dmarc_account = fields.Char("Account for DMARC", help="Gets the reports.")
    dmarc_folder = fields.Char("Folder for DMARC", default="DMARC")
    tls_local_part = fields.Char(
        "TLS Reports To", help="Local part of the address that other servers report to, whether "
        "their connections were encrypted. Empty: no reports are asked for.")
    tls_account = fields.Char("Account for TLS", help="Gets the reports.")
    tls_folder = fields.Char("Folder for TLS", default="TLSRPT")
    sts_mode = fields.Selection(
        MODES, "MTA-STS", help="Whether other servers have to encrypt what they send here "
        "(RFC 8461). Try it in testing first.")
    sts_max_age = fields.Integer("Valid For (days)", default=1)
    sts_mx = fields.Char("Mail Hosts", help="With commas between them. Empty: the server itself.")

    @api.constrains("sts_max_age")
    def _check_age(self):
        for wizard in self:
            if not 1 <= wizard.sts_max_age <= 365:
                raise ValidationError(self.env._("A policy is valid for 1 to 365 days."))

    def _server(self):
        return self.domain_id.backend_id._client().server

    def _read(self):
        """Fill in what the server has now."""
        with backend_errors(self.env, self.domain_id.backend_id.name):
            found = self._server().domain_settings(self.domain_id.name)
        dmarc, tls = found.get("DMARC") or {}, found.get("TLSRPT") or {}
        sts = found.get("MTASTS") or {}
        self.write({
            "dmarc_local_part": dmarc.get("Localpart"), "dmarc_account": dmarc.get("Account"),
            "dmarc_folder": dmarc.get("Mailbox") or "DMARC",
            "tls_local_part": tls.get("Localpart"), "tls_account": tls.get("Account"),
            "tls_folder": tls.get("Mailbox") or "TLSRPT",
            "sts_mode": sts.get("Mode") or False,
            "sts_max_age": max(1, int(sts.get("MaxAge") or 0) // (DAY * 10**9)),
            "sts_mx": ", ".join(sts.get("MX") or ()),
        })

    def _open(self):
        return {
            "type": "ir.actions.act_window", "res_model": self._name, "res_id": self.id,
            "name": self.env._("%s on the Mail Server", self.domain_id.display_name),
            "views": [(False, "form")], "target": "new",
        }

    def action_save(self):
        domain, server = self.domain_id, self._server()
        domain.check_access("write")
        now = self.create({"domain_id": domain.id})
        now._read()
        with backend_errors(self.env, domain.backend_id.name):
            for kind in ("dmarc", "tls"):
                names = [f"{kind}_{part}" for part in ("local_part", "account", "folder")]
                if any((self[name] or "") != (now[name] or "") for name in names):
                    server.send_reports_to(
                        domain.name, kind, *((self[name] or "").strip() for name in names))
            names = ("sts_mode", "sts_max_age", "sts_mx")
            if any((self[name] or "") != (now[name] or "") for name in names):
                mx = [part for part in (self.sts_mx or "").replace(",", " ").split() if part]
                policy = fields.Datetime.now().strftime("%Y%m%dT%H%M%S") if self.sts_mode else ""
                server.save_mta_sts(
                    domain.name, policy, self.sts_mode or "",
                    self.sts_max_age * DAY if self.sts_mode else 0, mx)
        # its DNS records follow
        domain._provision()
        return {"type": "ir.actions.act_window_close"}
