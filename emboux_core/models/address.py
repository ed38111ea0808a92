# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import string

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain

from .. import addresses
from .errors import plain_errors

HOSTED_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + ".-_")


class Address(models.Model):
    """Who holds an address: one row for each mailbox and each alias.

    The unique index makes an address one thing, a mailbox or an alias, also for two
    transactions at once, which no check of a model could.
    """

    _name = "emboux.address"
    _description = "Email Address"
    _log_access = False
    _rec_name = "email"

    email = fields.Char(required=True)
    backend_id = fields.Many2one("emboux.backend", required=True, ondelete="cascade")
    domain_id = fields.Many2one(
        "emboux.domain", required=True, index=True, ondelete="cascade",
        help="Two who claim one domain each have their addresses, of which the owner's count.",
    )
    mailbox_id = fields.Many2one("emboux.mailbox", index="btree_not_null", ondelete="cascade")
    alias_id = fields.Many2one("emboux.alias", index="btree_not_null", ondelete="cascade")

    _email_unique = models.UniqueIndex(
        "(email, domain_id)",
        "This address exists already, as a mailbox or as an alias (perhaps archived). "
        "Choose another one, or change the one that is there.",
    )
    _one_owner = models.Constraint(
        "CHECK ((mailbox_id IS NULL) <> (alias_id IS NULL))",
        "An address is either a mailbox or an alias.",
    )

    @api.model
    @api.private
    def _holder(self, domain, email):
        """The mailbox or alias that has this address of the domain, archived ones too; or none.

        As superuser: an address is taken whoever's it is.
        """
        found = self.sudo().search([("email", "=", email), ("domain_id", "=", domain.id)])
        return found.mailbox_id or found.alias_id

    @api.model
    @api.private
    def _force_conflict(self, backend, changed, passed):
        """Of two transactions that each close half of a loop, the second is retried.

        Each has checked its path without seeing the other's change.  The rows of
        whatever leads elsewhere from now on are written, those that mail passes on the way are
        held: so the path of the second passes a row that the first has written, and PostgreSQL
        makes it retry (REPEATABLE READ), with the first one's change visible.

        :param changed: addresses that lead elsewhere from now on.
        :param passed: addresses that mail from these passes, wherever they are hosted.
        """
        # a new address takes over mail that the catch-all received until now
        written = {*changed, *(f"@{email.rpartition('@')[2]}" for email in changed)}
        held = set(passed) - written
        if not held and not set(passed) & written:
            return
        self.flush_model(["email"])
        self.env.cr.execute(
            "UPDATE emboux_address SET email = email WHERE backend_id = %s AND email = ANY(%s)",
            [backend.id, sorted(written)],
        )
        self.env.cr.execute(
            "SELECT FROM emboux_address WHERE backend_id = %s AND email = ANY(%s)"
            " ORDER BY email FOR SHARE",
            [backend.id, sorted(held)],
        )


class AddressMixin(models.AbstractModel):
    """What mailboxes and aliases share: an address in a domain that never changes."""

    _name = "emboux.address.mixin"
    _description = "Holder of an Email Address"
    _inherit = ["emboux.system.fields.mixin"]
    _validated_text_fields = frozenset({"local_part"})

    local_part = fields.Char(
        "Address", help="The part before the @, for example: info"
    )
    domain_id = fields.Many2one(
        "emboux.domain", "Domain", required=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        related="domain_id.company_id", store=True, index=True, precompute=True
    )
    backend_id = fields.Many2one(related="domain_id.backend_id")
    domain_name = fields.Char(related="domain_id.display_name", string="Domain Name")
    email = fields.Char(compute="_compute_email", store=True, index=True, precompute=True)

    @api.depends("local_part", "domain_id.name")
    def _compute_email(self):
        for record in self:
            domain = record.domain_id.name
            record.email = f"{record.local_part or ''}@{domain}" if domain else False

    @api.depends("email")
    def _compute_display_name(self):
        for record in self:
            record.display_name = (
                addresses.display_address(record.email) if record.email else self.env._("New")
            )

    @api.onchange("local_part", "domain_id")
    def _onchange_local_part(self):
        """Whoever types or pastes a whole address means its local part."""
        for record in self:
            local, at, domain = (record.local_part or "").strip().rpartition("@")
            if at and local and domain.lower() in (
                record.domain_id.name, record.domain_id.display_name, ""
            ):
                record.local_part = local

    @api.model
    def _normalise_local_part(self, text):
        """Narrower than RFC 5321: mail programs log in with it, and folders are named after it."""
        with plain_errors():
            local_part = addresses.normalise_local_part(text.strip())
        if strange := sorted(set(local_part) - HOSTED_CHARACTERS):
            raise ValidationError(
                self.env._(
                    "'%(text)s' contains %(characters)s. An address here is made of letters, "
                    "digits, dots, hyphens and underscores.",
                    text=local_part,
                    characters=" ".join(strange),
                )
            )
        return local_part

    @api.model_create_multi
    def create(self, vals_list):
        """Take the addresses along with the records, or fail for the one that is taken."""
        records = super().create(vals_list)
        for record in records.filtered(lambda r: len(r.email) > addresses.MAX_ADDRESS):
            raise ValidationError(
                self.env._(
                    "%(address)s has %(count)s characters, at most %(most)s are possible.",
                    address=record.display_name,
                    count=len(record.email),
                    most=addresses.MAX_ADDRESS,
                )
            )
        owner = "mailbox_id" if self._name == "emboux.mailbox" else "alias_id"
        # as superuser: the register is not for users to edit, least of all a customer's
        self.env["emboux.address"].sudo().create(
            [
                {"email": record.email, "backend_id": record.backend_id.id,
                 "domain_id": record.domain_id.id, owner: record.id}
                for record in records
            ]
        )
        return records

    def _assert_no_catch_all_of_odoo(self, odoos, routes):
        """Refuse that Odoo takes the mail of a catch-all, by whatever route.

        Odoo answers mail that it has no document for: to whatever mistyped address it came, and to
        robots that answer in turn.

        :param odoos: the mailboxes whose mail Odoo takes and that this leads to, or is.
        :param routes: where mail goes within what the domain's owner has.
        """
        if not odoos:
            return
        own = self._name == "emboux.alias" and self.kind == "catch_all"
        if catch_alls := {self.email} if own else routes.catch_alls_before(self.email):
            raise ValidationError(
                self.env._(
                    "The mail of %(mailbox)s goes to Odoo, which would answer what comes to "
                    "addresses that do not exist: the catch-all %(catch_all)s must not lead there. "
                    "Choose a person's mailbox for it.",
                    mailbox=odoos[0].display_name,
                    catch_all=", ".join(map(addresses.display_address, sorted(catch_alls))),
                )
            )

    def write(self, vals):
        if vals.get("active") is False:
            self.check_access("write")  # before a refusal names what may be somebody else's
            self._assert_not_needed()
        return super().write(vals)

    def unlink(self):
        self.check_access("unlink")
        self._assert_not_needed()
        return super().unlink()

    def _assert_not_needed(self):
        """Refuse to take away what an alias delivers to, for its mail would bounce."""
        gone = set(self.mapped("email"))
        # as superuser: the alias may be one that the user does not see; but another owner's alias
        # neither blocks the deletion nor is revealed
        aliases = self.env["emboux.alias"].sudo().search(
            Domain("backend_id", "in", self.backend_id.ids)
            & Domain("domain_id.partner_id", "in", self.domain_id.sudo().partner_id.ids or [False])
            & self.env["emboux.alias"]._delivering_to(gone)
        )
        if self._name == "emboux.alias":
            aliases -= self.sudo()
        for alias in aliases:
            if needed := gone & set(alias._destination_list()):
                raise UserError(
                    self.env._(
                        "%(alias)s delivers to %(address)s. Change or delete that alias first.",
                        alias=alias.display_name,
                        address=", ".join(map(addresses.display_address, sorted(needed))),
                    )
                )
