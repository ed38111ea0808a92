# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import passwords
from .notification import notification


class Users(models.Model):
    """A person's mailbox comes and goes with their user, and Odoo may send through it."""

    _inherit = "res.users"

    emboux_mailbox_ids = fields.One2many("emboux.mailbox", "user_id", "Mailboxes")
    emboux_mailbox_count = fields.Integer(compute="_compute_emboux_mailbox_count")
    outgoing_mail_server_type = fields.Selection(
        selection_add=[("emboux", "My mailbox (Emboux)")], ondelete={"emboux": "set default"},
    )

    @api.depends("emboux_mailbox_ids")
    def _compute_emboux_mailbox_count(self):
        for user in self:
            user.emboux_mailbox_count = len(user.emboux_mailbox_ids)

    @api.model_create_multi
    def create(self, vals_list):
        users = super().create(vals_list)
        for company, people in users.filtered(lambda user: not user.share).grouped(
            "company_id"
        ).items():
            setup = self.env["emboux.odoo.mail"]._of(company)
            if setup.mailbox_for_new_users:
                setup._make_mailboxes(people)
        return users

    def write(self, vals):
        done = super().write(vals)
        if "active" in vals:
            self._take_mailboxes_along(bool(vals["active"]))
        return done

    def _take_mailboxes_along(self, active):
        """Suspend the mailboxes of who leaves; of who comes back those that were suspended so."""
        # as superuser: who archives a user need not manage mail
        mailboxes = self.sudo().emboux_mailbox_ids
        if active:
            mailboxes._end_handover("active")
            back = mailboxes.filtered("suspended_with_user")
            back.write({"state": "active", "suspended_with_user": False})
        else:
            gone = mailboxes.filtered(lambda mailbox: mailbox.state == "active")
            gone.write({"state": "suspended", "suspended_with_user": True})

    def action_emboux_create_mailbox(self):
        """Propose an address, and make the mailbox of this user."""
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_core.action_user_mailbox"
        ) | {"context": {"default_user_id": self.id}}

    def action_emboux_open_mailboxes(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_mailbox")
        action["domain"] = [("user_id", "=", self.id)]
        if len(self.emboux_mailbox_ids) == 1:
            action |= {"views": [(False, "form")], "res_id": self.emboux_mailbox_ids.id}
        return action

    # -- the personal outgoing server of Odoo 19 ---------------------------------------------

    def _compute_outgoing_mail_server_id(self):
        done = super()._compute_outgoing_mail_server_id()
        for user in self.filtered("outgoing_mail_server_id"):
            # as superuser: users do not read mail servers, not even their own
            if user.outgoing_mail_server_id.sudo().emboux_personal:
                user.outgoing_mail_server_type = "emboux"
        return done

    @api.model
    def _get_mail_server_values(self, server_type):
        values = super()._get_mail_server_values(server_type)
        if server_type != "emboux":
            return values
        user = self.env.user
        # as superuser: of their own mailbox the password that Odoo alone knows is set
        mailbox = user.sudo().emboux_mailbox_ids.filtered(
            lambda m: m.email == user.email_normalized)[:1]
        if not mailbox:
            raise UserError(
                self.env._(
                    "%s is no mailbox of yours here. Ask your administrator to create one for you.",
                    user.email or user.name,
                )
            )
        mailbox._assert_may_send()
        password = mailbox._odoos_password()
        if mailbox.backend_id._client().takes_hashes:
            mailbox.service_password_hash = passwords.hash_all([password])[0]
        elif not mailbox._odoos_servers():
            # their mail programs would not get in any more, and nobody has asked them
            raise UserError(
                self.env._(
                    "%s has one password alone, and Odoo does not know it. Ask your administrator "
                    "to use the mailbox as Odoo's outgoing server.", mailbox.display_name,
                )
            )
        return values | {
            "smtp_host": mailbox.smtp_host, "smtp_port": mailbox.smtp_tls_port,
            "smtp_encryption": "ssl_strict", "smtp_authentication": "login",
            "smtp_pass": password, "active": True, "emboux_personal": True,
        }

    @api.model
    def _get_mail_server_setup_end_action(self, smtp_server):
        if not smtp_server.emboux_personal:
            return super()._get_mail_server_setup_end_action(smtp_server)
        return notification(
            "success", self.env._("What you write leaves as %s.", smtp_server.smtp_user),
            title=self.env._("Odoo sends through your mailbox"),
        )
