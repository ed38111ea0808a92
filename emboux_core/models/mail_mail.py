# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models
from odoo.tools.mail import email_normalize, email_normalize_all


class MailMail(models.Model):
    """Mail of a company leaves by its own servers, with its own addresses.

    Odoo notes the company of what is posted on a document, and not of what a template sends, such
    as an invitation: whoever sends it later, a job of the main company for instance, would lend it
    their alias domain.  And any company's server may carry any mail whose sender fits.
    """

    _inherit = "mail.mail"

    @api.model_create_multi
    def create(self, vals_list):
        mails = super().create(vals_list)
        mails._note_company()
        return mails

    def _note_company(self):
        # as superuser: whose mail it is may be asked of any document
        unknown = self.sudo().filtered(lambda mail: not mail.record_company_id)
        if not unknown or not self.env["emboux.odoo.mail"].sudo().search_count([], limit=1):
            return
        here = self.env.company
        for model, mails in unknown.grouped("model").items():
            if model and hasattr(self.env[model], "_mail_get_companies"):
                documents = self.env[model].sudo().browse(mails.mapped("res_id")).exists()
                companies = documents._mail_get_companies(default=here)
                found = {mail: companies.get(mail.res_id) for mail in mails}
            else:
                found = mails._companies_of_recipients()
            for mail in mails:
                company = found.get(mail) or here
                mail.record_company_id = company
                mail.record_alias_domain_id = mail.record_alias_domain_id or company.alias_domain_id
                if company != here and email_normalize(mail.reply_to) == here.catchall_email:
                    mail.reply_to = mail.mail_message_id.with_company(company)._get_reply_to(
                        {"author_id": mail.author_id.id, "email_from": mail.email_from})

    def _companies_of_recipients(self):
        """{mail: company} of those to users of one company alone, such as a new password."""
        to = {
            mail: {*email_normalize_all(mail.email_to or ""),
                   *filter(None, mail.recipient_ids.mapped("email_normalized"))}
            for mail in self
        }
        users = self.env["res.users"].sudo().search(
            [("email_normalized", "in", sorted(set().union(*to.values())))])
        companies = {
            mail: users.filtered(lambda u, m=mail: u.email_normalized in to[m]).company_id
            for mail in self
        }
        return {mail: company for mail, company in companies.items() if len(company) == 1}

    def _filter_mail_mail_servers(self, mail_servers):
        allowed = super()._filter_mail_mail_servers(mail_servers)
        companies = self.sudo().record_company_id or self.env.company
        # as superuser: whose mailbox a server uses is nothing that may be hidden from its mail
        return allowed.filtered(
            lambda server: not server.sudo().emboux_mailbox_id
            or companies == server.sudo().emboux_mailbox_id.company_id
        )
