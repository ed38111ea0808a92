import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from odoo import api, fields, models
from odoo.orm.models import NO_ACCESS

from odoo.addons.emboux_core.dns.expected import DkimKey

SELECTOR = "emboux"


class DkimSigningKey(models.Model):
    """The key that signs a domain's outgoing mail (RFC 6376)."""

    _name = "emboux.dkim.key"
    _description = "DKIM Key"
    _rec_name = "selector"

    domain_id = fields.Many2one("emboux.domain", required=True, ondelete="cascade")
    company_id = fields.Many2one(related="domain_id.company_id", store=True, index=True,
                                 precompute=True)
    selector = fields.Char(required=True, readonly=True)
    key_type = fields.Selection([("rsa", "RSA-2048")], required=True, readonly=True, default="rsa")
    public_key = fields.Char(required=True, readonly=True, help="SubjectPublicKeyInfo, base64")
    private_key = fields.Text(required=True, groups=NO_ACCESS, help="PKCS #8, PEM")

    _one_per_domain = models.UniqueIndex("(domain_id)")

    @api.model
    def _public_key_of(self, name):
        """The domain's key, made when it has none.  ``name`` is an A-label."""
        # as superuser: signing is the platform's, whoever adds the domain
        local = [("name", "=", name), ("backend_id.kind", "=", "local")]
        key = self.sudo().with_context(active_test=False).search_fetch(
            [("domain_id", "any", local)], ["selector", "key_type", "public_key"], limit=1
        )
        if not key:
            domain = self.env["emboux.domain"].sudo().with_context(active_test=False).search(
                local, limit=1
            )
            key = self.sudo().create({"domain_id": domain.id, **self._generate()})
        return DkimKey(selector=key.selector, key_type=key.key_type, public_key=key.public_key)

    def _generate(self):
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "selector": SELECTOR,
            "key_type": "rsa",
            "public_key": base64.b64encode(public).decode(),
            "private_key": pem.decode(),
        }
