from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import hash_sign, verify_hash_signed

from odoo.addons.auth_signup.models.res_users import SignupError
from odoo.addons.emboux_mail_api.models.api_failure import network_of

PER_HOUR = 5  # sign-ups from one network, unless emboux_saas.signups_per_hour says otherwise
FORMS = 10  # filled-in forms for each sign-up: who picks a name may need several
PER_ADDRESS = 5  # mails to one address in a day
LINK_HOURS = 24  # how long the link in the mail is good
_SCOPE = "emboux_saas.sign_up"
_SIGNED = ("person", "login", "domain", "local_part")  # what the link carries, beside the plan


class SignUp(models.Model):
    """From a stranger to a customer with an account, a domain and a mailbox."""

    _inherit = "emboux.customer"
    _followed_fields = frozenset({"signed_up_from"})

    signed_up_from = fields.Char(
        readonly=True, copy=False, groups="emboux_core.group_admin",
        help="The network of the browser in which the customer signed up by himself.",
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
            {"partner_id": partner.id, "plan_id": plan.id, "signed_up_from": network_of(address)}
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

    # -- not many times -------------------------------------------------------------------

    @api.model
    @api.private
    def _assert_may_try(self, address):
        """Before anything is looked up: else a program could ask which names there are.

        :raises UserError: with when to try again.
        """
        self._take_turn(f"sign-up form {network_of(address)}", FORMS * self._per_hour())

    @api.model
    @api.private
    def _assert_may_sign_up(self, address, login):
        """Not many times in an hour from one place: who fills in forms by program is no customer;
        and not many mails to one address, whoever asks for them.

        :raises UserError: with when to try again.
        """
        self._take_turn(f"sign-up {network_of(address)}", self._per_hour())
        self._take_turn(f"sign-up of {login}", PER_ADDRESS, timedelta(days=1))

    def _take_turn(self, who, limit, window=timedelta(hours=1)):
        if self.env["emboux.api.failure"]._take(who, limit, window):
            raise UserError(
                self.env._("There were many sign-ups from where you are. Try again in an hour.")
                if window < timedelta(days=1) else
                self.env._("We have written to this address several times. Try again tomorrow.")
            )

    def _per_hour(self):
        # as superuser: parameters are not a stranger's to see
        parameter = self.env["ir.config_parameter"].sudo().get_param("emboux_saas.signups_per_hour")
        return int(parameter) if parameter and parameter.isdigit() else PER_HOUR

    # -- confirmed by mail ----------------------------------------------------------------

    @api.model
    @api.private
    def _invite(self, values, path):
        """Write to the address with the link that goes on; nothing is stored or held until then.

        ``values``: plan, person, login, domain, local_part.  Whoever has an account is told so in
        the mail, which its owner alone reads; the page says the same to everybody.
        """
        env, plan = self.env, values["plan"]
        token = hash_sign(
            self.sudo().env, _SCOPE, [plan.id, *(values[name] for name in _SIGNED)],
            expiration_hours=LINK_HOURS,
        )
        base = self.get_base_url()
        if self._has_account(values["login"]):
            subject = env._("You have an account already")
            words = env._(
                "Somebody, probably you, wanted to sign up for email with this address. There is "
                "an account with it already: log in here, or have a new password sent to you."
            )
            link, button = f"{base}/web/login?redirect=/my/email", env._("Log In")
        else:
            subject = env._("Confirm your address to get %s", values["domain"])
            words = env._(
                "Somebody, probably you, has asked for email with the domain %(domain)s. Go on "
                "with this link within %(hours)s hours. If it was not you, do nothing: then "
                "nothing happens.",
                domain=values["domain"], hours=LINK_HOURS,
            )
            link, button = f"{base}{path}/{token}", env._("Confirm and Go On")
        company = plan.company_id
        # as superuser: who signs up is nobody yet; out of the queue, so that both take as long
        self.env["mail.mail"].sudo().create(
            {
                "subject": subject,
                "body_html": Markup("<p>%s</p><p><a href='%s'>%s</a></p><p>%s</p>") % (
                    words, link, button, company.name),
                "email_to": values["login"],
                "email_from": company.email_formatted or self.env.ref("base.user_root").sudo()
                .email_formatted,
                "auto_delete": True,
            }
        )
        self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger()

    @api.model
    @api.private
    def _invited(self, token):
        """What the link of a mail says, as values of ``_invite``; None when it is too old."""
        try:
            # as superuser: the secret of the signature is nobody's to read
            found = verify_hash_signed(self.sudo().env, _SCOPE, token)
        except (ValueError, IndexError, UnicodeError):
            return None
        if not found:
            return None
        number, *texts = found
        plan = self.env["emboux.plan"]._offered().filtered(lambda p: p.id == number)
        return {"plan": plan, **dict(zip(_SIGNED, texts, strict=True))} if plan else None


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
