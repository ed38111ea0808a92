# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields, models

from ..models.errors import backend_errors


class ServerChange(models.TransientModel):
    """What is to be different about messages in a server's queue."""

    _name = "emboux.server.change"
    _description = "Change Messages in the Queue"

    what = fields.Selection(
        [("postpone", "Next Attempt"), ("tls", "TLS"), ("transport", "Transport")],
        required=True, default="postpone")
    until = fields.Datetime(
        "Next Attempt", default=lambda self: fields.Datetime.now() + timedelta(hours=1))
    tls = fields.Selection(
        [("yes", "Required"), ("no", "Not Needed")], "TLS",
        help="Required: without an encrypted connection and a valid certificate it is not "
        "delivered (RFC 8689). Not needed: it is delivered whatever the recipient's domain "
        "wishes. Empty: as the recipient's domain wishes.")
    transport = fields.Char(help="The name of one in mox.conf; empty for what the routes say.")

    def action_apply(self):
        messages = self.env["emboux.server.message"].browse(self.env.context.get("active_ids", ()))
        if self.what == "postpone":
            done = messages.postpone(self.until)
        elif self.what == "tls":
            done = messages.require(self.tls)
        else:
            done = messages.use_transport((self.transport or "").strip())
        done["params"]["next"] = {"type": "ir.actions.act_window_close"}
        return done


class ServerKeyNew(models.TransientModel):
    """A new key to sign a domain's mail with."""

    _name = "emboux.server.key.new"
    _description = "New Signing Key"

    domain_id = fields.Many2one("emboux.domain", required=True, readonly=True)
    selector = fields.Char(
        required=True, default=lambda self: fields.Date.today().strftime("%Y%m%d"),
        help="The label under which its record stands: SELECTOR._domainkey.")
    algorithm = fields.Selection(
        [("rsa", "RSA"), ("ed25519", "Ed25519")], default="rsa", required=True,
        help="Every receiver checks RSA; not all know Ed25519 yet, so it is used besides.")

    def action_apply(self):
        """Make it.  It signs once somebody says so: its record has to be in the DNS before."""
        domain = self.domain_id
        domain.check_access("write")
        backend = domain.backend_id
        with backend_errors(self.env, backend.name):
            backend._client().server.add_key(
                domain.name, (self.selector or "").strip().lower(), self.algorithm)
        domain._message_log(body=self.env._("New signing key: %s", self.selector))
        domain._provision()
        return domain.action_server_keys() | {"target": "main"}
