from odoo import api, models
from odoo.exceptions import UserError

from odoo.addons.emboux_core.dns import lookup
from odoo.addons.emboux_core.dns.expected import MailService, MxTarget


class DomainOperations(models.Model):
    """What the API does with domains beyond writing their fields."""

    _inherit = "emboux.domain"

    @api.private
    def _mail_service(self):
        """What the domain's DNS and its mail programs have to know; looking changes nothing."""
        self.ensure_one()
        return self.backend_id._client().service(self._spec())

    @api.private
    def _delete_contents(self):
        """Delete the mailboxes and aliases, archived ones and those with mail in them too."""
        self.ensure_one()
        domain = self.with_context(active_test=False)
        domain.alias_ids.unlink()
        domain.mailbox_ids._delete_with_mail()

    @api.private
    def _register_subdomain(self, name):
        """The subdomain of this name, ready to send by its wildcard parent; added when missing.

        ``self`` is the domain of this name, or none.
        :raises UserError: there is no wildcard parent above it.
        """
        # before it is added: a name that is somebody else's answers like one that is not there
        platform = self.env.ref("emboux_mail_api.backend_local")
        [vals] = self._with_parents(
            [{"name": name, "partner_id": self.partner_id.id, "backend_id": platform.id}]
        )
        if not vals.get("parent_id"):
            raise UserError(
                self.env._(
                    "There is no verified wildcard parent above %s whose subdomains you may use.",
                    name,
                )
            )
        domain = self or self.create({"name": name})
        if not domain.parent_id:
            # as superuser: the parent decides about verification, so it is nobody's to write
            domain.sudo().write(
                {"parent_id": vals["parent_id"], "owned_since": vals["owned_since"]}
            )
            domain._advance("verified", domain._why_verified())
        return domain

    @api.model
    @api.private
    def _look_up_name(self, name, expected):
        """Ask the DNS about a domain that is not here; returns a ``DomainCheck``."""
        return lookup.check_domains([(name, expected)], self._dns_resolver())[name]


class MailboxOperations(models.Model):
    _inherit = "emboux.mailbox"

    @api.private
    def _counted(self):
        """Address to (bytes, messages), as Dovecot has counted by now."""
        # a domain that is merely claimed holds nothing, whatever is at its owner's address
        owned = self.filtered(lambda mailbox: mailbox.sudo().domain_id.owned_since)
        self.env.cr.execute(
            "SELECT username, bytes, messages FROM emboux_mail.usage WHERE username = ANY(%s)",
            [owned.mapped("email")],
        )
        return {username: (size, messages) for username, size, messages in self.env.cr.fetchall()}

    @api.private
    def _set_service_hash(self, hashed):
        """Let the customer's Odoo send through the mailbox with a password of its own."""
        self.check_access("write")
        # as superuser: the hash is in no user's reach
        self.sudo().service_password_hash = hashed

    @api.private
    def _delete_with_mail(self):
        """Delete although mail is there: who calls this by name of the mailbox means it."""
        self.check_access("unlink")
        # as superuser: archiving is the operator's, here it is the first half of deleting
        self.filtered("active").sudo().write({"active": False})
        self.unlink()


class BackendOperations(models.Model):
    _inherit = "emboux.backend"

    @api.private
    def _service_of_stranger(self):
        """What the DNS of a domain that is not here would have to say: no key, no token."""
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
