# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Sign-up, portal and notices of customers."""

import logging
from datetime import date, datetime, timedelta
from functools import partial

from markupsafe import Markup, escape
from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import (
    SQL,
    format_date,
    format_datetime,
    formatLang,
    hash_sign,
    verify_hash_signed,
)

from odoo.addons.auth_signup.models.res_users import SignupError
from odoo.addons.emboux_core.models.mailbox import MEGABYTE
from odoo.addons.emboux_mail_api.models.api_failure import network_of

from ..settings import SIGNUPS_PER_HOUR
from .notice import MONTHLY, SUBJECTS

_logger = logging.getLogger(__name__)

ACTIVITY = "emboux_saas.activity_plan_request"
_MAX_NOTIFIED = 3  # administrators who get an activity
FORMS = 10  # filled-in forms for each sign-up: who picks a name may need several
PER_ADDRESS = 5  # mails to one address in a day
LINK_HOURS = 24  # how long the link in the mail is good
_SCOPE = "emboux_saas.sign_up"
_SIGNED = ("person", "login", "domain", "local_part")  # what the link carries, beside the plan


class CustomerPortal(models.Model):
    """What customers do for themselves in the portal, from the day on which they are strangers.

    ``_notify`` is the one door by which they are told something.
    """

    _name = "emboux.customer"
    _inherit = ["emboux.customer", "mail.activity.mixin"]
    _system_fields = frozenset({"signed_up_from"})

    notice_ids = fields.One2many("emboux.notice", "customer_id", readonly=True)
    signed_up_from = fields.Char(
        readonly=True, copy=False, groups="emboux_core.group_admin",
        help="The network of the browser in which the customer signed up.",
    )

    @api.model
    @api.private
    def _for_current_user(self):
        """The row of the customer whom the user looks after, perhaps none."""
        return self._for_partner(self.env.user.emboux_partner_id)

    # -- what they are told ---------------------------------------------------------------

    @api.private
    def _notify(self, kind, values=None):
        """Notify a customer by email, once for each kind, subject and period; returns whether it
        was sent.

        ``values``: what the template of this kind shows. ``about`` (or ``mailbox``, ``key``,
        ``domain``, ``invoice``, a record or a text) is the thing, ``period`` overrides the day
        (for storage and transfer: the month) in which it is said once.
        """
        self.ensure_one()
        # as superuser: the caller need not see who is notified
        customer = self.sudo()
        values = dict(values or {})
        period = values.pop("period", None) or customer._notice_period(kind)
        spoken = customer._in_customer_language()
        texts = {name: _as_text(spoken, value) for name, value in values.items()}
        about = texts.pop("about", "") or next(
            (texts[name] for name in SUBJECTS if texts.get(name)), ""
        )
        notice = customer._note_notice(kind, about, str(period), texts)
        if notice:
            customer._send_notice(notice)
        return bool(notice)

    def _in_customer_language(self):
        """An environment in the customer's language, for what they read."""
        return self.with_context(lang=self.partner_id.lang or self.env.lang).env

    def _format_date_for_customer(self, value):
        return format_date(self._in_customer_language(), value)

    def _notice_period(self, kind):
        today = fields.Date.context_today(self)
        return f"{today:%Y-%m}" if kind in MONTHLY else f"{today}"

    def _note_notice(self, kind, about, period, details):
        """The row of a notice that was not said yet, or none."""
        self.env.flush_all()
        now = fields.Datetime.now()
        found = self.env.execute_query(
            SQL(
                """INSERT INTO emboux_notice (customer_id, kind, about, period, details,
                                              create_uid, create_date, write_uid, write_date)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
                   ON CONFLICT DO NOTHING RETURNING id""",
                self.id, kind, about, period, Json(details), self.env.uid, now, self.env.uid, now,
            )
        )
        self.invalidate_recordset(["notice_ids"])
        return self.env["emboux.notice"].browse([row[0] for row in found])

    def _send_notice(self, notice):
        """By mail to those who look after the domains, and on the chatter for the operator.

        Out of the queue: whoever found it out does not wait for our mail.
        """
        template = self._in_customer_language().ref(f"emboux_saas.mail_template_{notice.kind}")
        rendered = template._generate_template(
            notice.ids, ("subject", "body_html")
        )[notice.id]
        recipients = self._notice_recipients()
        body = rendered["body_html"]
        if not recipients:
            _logger.warning("customer %s has no email address for: %s", self.id, notice.kind)
            body += Markup("<p>%s</p>") % self.env._(
                "Not sent: neither the customer nor their portal users have an email address."
            )
        company = self.company_id or self.env.company
        sender = {"author_id": company.partner_id.id} if company.partner_id.email else {}
        self.with_context(mail_notify_force_send=False).message_post(
            subject=rendered["subject"],
            body=body,
            partner_ids=recipients.ids,
            subtype_xmlid="mail.mt_note",
            **sender,
        )
        self.env.ref("mail.ir_cron_mail_scheduler_action")._trigger()

    def _notice_recipients(self):
        """The customer, and their portal users who have another address."""
        people = self.partner_id | self._portal_users().filtered(
            lambda u: u.active and u.emboux_partner_id == self.partner_id
        ).partner_id
        by_address = {}
        for partner in people.filtered("email_normalized"):
            by_address.setdefault(partner.email_normalized, partner)
        return self.env["res.partner"].union(*by_address.values())

    # -- how much is used ------------------------------------------------------------------

    @api.private
    def _quota_bars(self):
        """What is limited and how much of it is used, as the portal shows it."""
        self.ensure_one()
        counts = self._count_mailboxes().get(self.partner_id.id, {})
        boxes, granted, stored = (counts.get(n, 0) for n in ("mailboxes", "granted", "stored"))
        storage, size = self.storage_limit_mb, partial(format_mb, self.env)
        return [
            self._bar(self.env._("Domains"), self.domains_used, self.domain_limit, str),
            self._bar(self.env._("Mailboxes"), boxes, 0, str),
            self._bar(self.env._("Storage given to mailboxes"), granted, storage, size),
            self._bar(self.env._("Storage used"), stored / MEGABYTE, storage, size),
        ]

    def _bar(self, label, used, limit, say):
        percent = min(100, round(100 * used / limit)) if limit else None
        text = (
            self.env._("%(used)s of %(limit)s", used=say(used), limit=say(limit))
            if limit else say(used)
        )
        return {
            "label": label, "percent": percent, "text": text,
            "colour": "danger" if (percent or 0) >= 95 else
            "warning" if (percent or 0) >= 80 else "primary",
        }

    # -- another plan ----------------------------------------------------------------------

    @api.private
    def _request_plan(self, plan, words):
        """Have the operator see to it that the customer gets another plan.

        Asking again replaces what was asked before.
        """
        self.ensure_one()
        author = self.env.user.partner_id
        # as superuser: what the operator has to do is not the customer's to see; out of the
        # queue: they do not wait for our mail to the operator
        customer = self.sudo().with_context(mail_notify_force_send=False)
        self.env.ref("mail.ir_cron_mail_scheduler_action")._trigger()
        customer.activity_unlink([ACTIVITY])
        note = Markup("<p>%s</p>") % Markup("<br/>").join(escape(words).splitlines())
        summary = self.env._("%(customer)s asks for the plan %(plan)s",
                             customer=self.partner_id.display_name, plan=plan.name)
        customer.message_post(
            body=Markup("<p>%s</p>%s") % (summary, note), author_id=author.id,
            subtype_xmlid="mail.mt_note",
        )
        for user in customer._users_to_notify():
            customer.activity_schedule(
                ACTIVITY, summary=summary, note=note, user_id=user.id,
                date_deadline=fields.Date.context_today(self) + timedelta(days=1),
            )

    @api.private
    def _requested_plan_name(self):
        """What was asked for and not seen to yet, or False."""
        # as superuser: the operator's activities are not the customer's to read
        return self.sudo().activity_search([ACTIVITY])[:1].summary

    def _users_to_notify(self):
        """The partner's salesperson, else administrators of the company."""
        company = self.plan_id.company_id or self.env.company
        seller = self.partner_id.user_id.filtered(lambda u: u.active and not u.share)
        admins = self.env.ref("emboux_core.group_admin").all_user_ids.filtered(
            lambda u: u.active and not u.share and company in u.company_ids
        )
        return seller or admins[:_MAX_NOTIFIED]

    # -- signing up: from a stranger to a customer with an account, a domain and a mailbox -

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
        """Before anything is looked up: otherwise a bot could enumerate names.

        :raises UserError: with when to try again.
        """
        limit = FORMS * SIGNUPS_PER_HOUR.read(self.env)
        self._throttle_sign_up(f"sign-up form {network_of(address)}", limit)

    @api.model
    @api.private
    def _assert_may_sign_up(self, address, login):
        """Limited sign-ups an hour from one network, against bots; and limited mails to one
        address, whoever requests them.

        :raises UserError: with when to try again.
        """
        self._throttle_sign_up(f"sign-up {network_of(address)}", SIGNUPS_PER_HOUR.read(self.env))
        self._throttle_sign_up(f"sign-up of {login}", PER_ADDRESS, timedelta(days=1))

    def _throttle_sign_up(self, who, limit, window=timedelta(hours=1)):
        if self.env["emboux.api.failure"]._throttle(who, limit, window):
            raise UserError(
                self.env._("There were many sign-ups from where you are. Try again in an hour.")
                if window < timedelta(days=1) else
                self.env._("We have sent several emails to this address. Try again tomorrow.")
            )

    # -- confirmed by mail ----------------------------------------------------------------

    @api.model
    @api.private
    def _invite(self, values, path):
        """Write to the address with the link that goes on; nothing is stored or held until then.

        ``values``: plan, person, login, domain, local_part.  Whoever has an account is told so in
        the mail, which its owner alone reads; the page says the same to everybody.
        """
        env, plan = self.env, values["plan"]
        # as superuser: the secret that signs is not for users to read
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
        # as superuser: the scheduled action is not for users to read
        self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger()

    @api.model
    @api.private
    def _read_invitation(self, token):
        """What the link of a mail says, as values of ``_invite``; None when it is too old."""
        try:
            # as superuser: the secret of the signature is not for users to read
            found = verify_hash_signed(self.sudo().env, _SCOPE, token)
        except (ValueError, IndexError, UnicodeError):
            return None
        if not found:
            return None
        number, *texts = found
        plan = self.env["emboux.plan"]._offered().filtered(lambda p: p.id == number)
        return {"plan": plan, **dict(zip(_SIGNED, texts, strict=True))} if plan else None


def format_mb(env, megabytes):
    """A size that people read, in their language: 512 MB, 1.5 GB."""
    if megabytes < 1024:
        return f"{megabytes:.0f} MB"
    return f"{formatLang(env, megabytes / 1024, digits=1)} GB"


def _as_text(env, value):
    """As the customer reads it; texts and lists of them stay as they are."""
    if isinstance(value, models.BaseModel):
        return ", ".join(value.mapped("display_name"))
    if isinstance(value, datetime):
        return format_datetime(env, value)
    if isinstance(value, date):
        return format_date(env, value)
    if isinstance(value, list | tuple):
        return [_as_text(env, item) for item in value]
    return value if isinstance(value, str) else "" if value in (None, False) else str(value)
