# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.orm.models import NO_ACCESS

from odoo.addons.emboux_core.dns.expected import DkimKey

from ..providers.dkim import ED25519, OVERLAP, RSA, KeyLife, generate, selector_for
from ..settings import DKIM_ED25519


class DkimSigningKey(models.Model):
    """A key that signs a domain's outgoing mail (RFC 6376), from its creation to its removal.

    It is made, seen in the DNS, signs, is retired, and a while later removed from the DNS; what
    happens when is decided by ``providers.dkim.plan`` and done by ``dkim_rotation``. Its row stays,
    without the private half, so that a selector is never used again.
    """

    _name = "emboux.dkim.key"
    _description = "DKIM Key"
    _inherit = ["emboux.audited.mixin"]
    _order = "domain_id, made desc, key_type desc, id desc"
    _rec_name = "selector"
    _audited_fields = ("domain_id", "key_type", "signs", "retired", "removed")

    domain_id = fields.Many2one("emboux.domain", required=True, ondelete="cascade")
    company_id = fields.Many2one(related="domain_id.company_id", store=True, index=True,
                                 precompute=True)
    selector = fields.Char(required=True, readonly=True)
    key_type = fields.Selection(
        [(RSA, "RSA-2048"), (ED25519, "Ed25519")], "Type", required=True, readonly=True, default=RSA
    )
    public_key = fields.Char(
        required=True, readonly=True,
        help="As it stands in the DNS: base64, of RSA the SubjectPublicKeyInfo, of Ed25519 the "
        "32 octets.",
    )
    # empty once the key is retired: what cannot sign cannot be stolen
    private_key = fields.Text(groups=NO_ACCESS, help="PKCS #8, PEM")
    made = fields.Date(
        "Created", required=True, readonly=True, default=lambda self: fields.Date.today()
    )
    seen = fields.Date("Seen in DNS", readonly=True, help="When its record was first found right.")
    signs = fields.Boolean(readonly=True, help="Signs the mail of the domain and its subdomains.")
    retired = fields.Date(
        readonly=True, help="The day it stopped signing. Its record stays for a while: mail in "
                            "transit is still verified with it.",
    )
    removed = fields.Date(
        readonly=True, help="From this day on its record is no longer needed."
    )
    leaves = fields.Date(
        "Leaves DNS", compute="_compute_life", help="Until then its record has to stay."
    )
    life = fields.Selection(
        [
            ("waiting", "Waiting for DNS"),
            ("signing", "Signs"),
            ("retired", "Retired, Still in DNS"),
            ("removed", "Removed"),
        ],
        "Status",
        compute="_compute_life",
    )

    _selector_unique = models.UniqueIndex("(domain_id, selector)")
    # the signer's look-up, and a guarantee of at most one key of each type
    _one_signs = models.UniqueIndex("(domain_id, key_type) WHERE signs")

    def _init_column(self, column_name):
        """Keys of before there was a rotation were made when their row was, and sign."""
        if column_name == "made":
            self.env.cr.execute(
                "UPDATE emboux_dkim_key SET made = coalesce(create_date, now())::date"
                " WHERE made IS NULL"
            )
        if column_name == "signs":
            self.env.cr.execute("UPDATE emboux_dkim_key SET signs = true WHERE signs IS NULL")
        return super()._init_column(column_name)  # what is filled it leaves alone

    @api.depends("signs", "retired", "removed")
    def _compute_life(self):
        for key in self:
            key.leaves = key.removed or (key.retired and key.retired + OVERLAP)
            if key.removed:
                key.life = "removed"
            elif key.retired:
                key.life = "retired"
            else:
                key.life = "signing" if key.signs else "waiting"

    @api.model
    def _types(self):
        """Key types in use, RSA first: every receiver knows it, few know Ed25519 (RFC 8463).

        Ed25519 wants a second OpenDKIM, see setup/templates/opendkim.
        """
        return (RSA, ED25519) if DKIM_ED25519.read(self.env) else (RSA,)

    @api.model
    def _public_keys_of(self, name):
        """As ``_public_keys``, of the domain of this name (an A-label)."""
        return self._public_keys(self.env["emboux.domain"].sudo()._hosted(name).id)

    @api.model
    def _public_keys(self, record, make=True):
        """What a domain has to publish, RSA first; its first keys are made when it has none.

        ``record``: the number of the domain's row.  ``make``: False where somebody merely looks.
        """
        # as superuser: signing is the platform's, whoever adds the domain
        keys = self.sudo().with_context(active_test=False).search_fetch(
            [("domain_id", "=", record), ("removed", "=", False)],
            ["selector", "key_type", "public_key", "made"],
        )
        if make and not keys:
            domain = self.env["emboux.domain"].sudo().browse(record)
            # none of them is in the DNS yet, but mail must never leave unsigned
            keys = self._make(domain, self._types(), fields.Date.today(), sign=self._types()[:1])
        in_order = keys.sorted(lambda key: (key.key_type != RSA, key.made, key.id))
        return tuple(
            DkimKey(key.selector, key.key_type, key.public_key) for key in in_order
        )

    @api.model
    def _make(self, domain, key_types, today, sign=()):
        """New keys of these types; those of the types in ``sign`` do so at once."""
        # as superuser: keys are the platform's, and nobody's to write
        keys = self.sudo()
        taken = set(keys.search([("domain_id", "=", domain.id)]).mapped("selector"))
        values = []
        for key_type in key_types:
            key = generate(key_type, selector_for(key_type, today, taken))
            values.append(
                {
                    "domain_id": domain.id,
                    "selector": key.public.selector,
                    "key_type": key_type,
                    "public_key": key.public.public_key,
                    "private_key": key.private_pem,
                    "made": today,
                    "signs": key_type in sign,
                }
            )
        return keys.create(values)

    def action_remove_now(self):
        """End the overlap at once: for a private key that others may have come by.

        Mail that is under way then loses its signature; whoever has the key can forge no more.
        """
        self.ensure_one()
        if not self.env.user.has_group("emboux_core.group_manager"):
            raise AccessError(self.env._("Only a manager can remove DKIM keys."))
        self.domain_id.check_access("write")
        if self.life != "retired":
            raise UserError(
                self.env._(
                    "%s is not retired: make a new key first, and publish it.", self.selector
                )
            )
        # as superuser: keys are the platform's, and nobody's to write
        self.sudo().domain_id._dkim_remove(self.sudo(), fields.Date.today())
        return True

    def _as_life(self):
        """The value object that ``providers.dkim.plan`` works on."""
        self.ensure_one()
        return KeyLife(self.selector, self.key_type, self.made, self.retired or None)
