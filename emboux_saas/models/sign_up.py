from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.auth_signup.models.res_users import SignupError

PER_HOUR = 5  # sign-ups from one address, unless emboux_saas.signups_per_hour says otherwise


class SignUp(models.Model):
    """From a stranger to a customer with an account, a domain and a mailbox."""

    _inherit = "emboux.customer"
    _followed_fields = frozenset({"signed_up_from"})

    signed_up_from = fields.Char(
        readonly=True, copy=False, groups="emboux_core.group_admin",
        help="The address of the browser in which the customer signed up by himself.",
    )

    @api.model
    @api.private
    def _sign_up(self, values, address):
        """Make all that a new customer needs, in this transaction; returns domain and mailbox.

        ``values``: plan, person, login, password, domain, local_part, each checked before.
        Domain and mailbox are made as the new user, whom rules and limits bind from then on.
        """
        plan = values["plan"]
        # as superuser: who signs up is nobody yet
        self = self.sudo()
        partner = self.env["res.partner"].create(
            {"name": values["person"], "email": values["login"], "lang": self.env.lang or False}
        )
        self.create(
            {"partner_id": partner.id, "plan_id": plan.id, "signed_up_from": address}
        )
        try:
            user = self.env["res.users"]._create_user_from_template(
                {
                    "login": values["login"], "email": values["login"],
                    "password": values["password"], "partner_id": partner.id,
                    "company_id": plan.company_id.id,
                    "company_ids": [fields.Command.set(plan.company_id.ids)],
                }
            )
        except SignupError as error:
            raise UserError(
                self.env._("The account could not be made: %s", error)
            ) from error
        env = self.env(user=user, su=False)
        domain = env["emboux.domain"].create({"name": values["domain"]})
        mailbox = env["emboux.mailbox"].create(
            {
                "domain_id": domain.id, "local_part": values["local_part"],
                "name": values["person"], "password": values["password"],
            }
        )
        return domain, mailbox

    @api.model
    @api.private
    def _has_account(self, login):
        # as superuser: users are nobody's to see
        users = self.env["res.users"].sudo().with_context(active_test=False)
        return bool(users.search_count(users._get_login_domain(login), limit=1))

    @api.model
    @api.private
    def _assert_may_sign_up(self, address):
        """Not many times in an hour from one place: who fills in forms by program is no customer.

        :raises UserError: with when to try again.
        """
        # as superuser: neither customers nor parameters are a stranger's to see
        parameter = self.env["ir.config_parameter"].sudo().get_param("emboux_saas.signups_per_hour")
        limit = int(parameter) if parameter and parameter.isdigit() else PER_HOUR
        since = fields.Datetime.now() - timedelta(hours=1)
        if self.sudo().search_count(
            [("signed_up_from", "=", address), ("create_date", ">=", since)], limit=limit
        ) >= limit:
            raise UserError(
                self.env._("There were many sign-ups from where you are. Try again in an hour.")
            )


class Plan(models.Model):
    _inherit = "emboux.plan"

    @api.model
    @api.private
    def _offered(self):
        """The plans that everybody may choose."""
        # as superuser: a price list is for everybody
        return self.sudo().search([("is_public", "=", True)], limit=50)

    @api.private
    def _promises(self):
        """What a customer gets, a short phrase each; without what is without limit."""
        self.ensure_one()
        env = self.env
        return [
            text
            for value, text in (
                (self.domain_limit, env._("%s domains", self.domain_limit)),
                (self.mailbox_limit, env._("%s mailboxes in each domain", self.mailbox_limit)),
                (self.storage_limit_mb,
                 env._("%s GB of storage", f"{self.storage_limit_mb / 1024:g}")),
                (self.outbound_daily_limit,
                 env._("%s recipients a day", self.outbound_daily_limit)),
                (self.trial_days, env._("%s days free of charge", self.trial_days)),
            )
            if value
        ]


class Mailbox(models.Model):
    _inherit = "emboux.mailbox"

    @api.model
    @api.private
    def _usual_quota(self):
        """What a new mailbox of the user's customer gets, in MB."""
        limit = self.env["emboux.customer"]._own().mailbox_quota_limit_mb
        usual = self.env.ref("emboux_mail_api.backend_local").default_quota_mb
        return min(usual or limit, limit) if limit else usual
