# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import ipaddress
import re
from datetime import timedelta
from urllib.parse import urlsplit

from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.orm.models import NO_ACCESS
from odoo.tools import format_datetime

from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.net import signature
from odoo.addons.emboux_core.net.public import is_public
from odoo.addons.emboux_core.transactions import each_in_own_transaction, own_transaction

from ..emboux_daemons.webhooks.post import parse_headers
from ..settings import WEBHOOK_NETWORKS

BOTH_SECRETS = timedelta(hours=24)  # while the receiver changes over
MOST = 20  # endpoints of a customer
TEST_SECONDS = 10.0  # that a person waits for the answer to a test
_MOST_HEADERS = 20
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}").fullmatch
_OURS = frozenset({
    "host", "content-length", "content-type", "transfer-encoding", "connection", "te", "trailer",
    "upgrade", "keep-alive", "expect", "proxy-authorization", "proxy-connection",
    "webhook-id", "webhook-timestamp", "webhook-signature",
})  # fmt: skip


class WebhookType(models.Model):
    """A kind of event that webhooks tell of (``data/webhook_type.xml``)."""

    _name = "emboux.webhook.type"
    _description = "Kind of Event"
    _order = "sequence, id"
    _rec_name = "code"

    code = fields.Char(required=True, readonly=True)
    name = fields.Char("When", required=True, translate=True)
    sequence = fields.Integer()

    _code_unique = models.UniqueIndex("(code)")


class Webhook(models.Model):
    """An endpoint that is told what happens to messages, domains and mailboxes.

    What it is told is written by the database, in the transaction in which it happens
    (``sql/webhook.sql``); ``odoo emboux_webhooks`` sends it, and says here how the endpoint does.
    """

    _name = "emboux.webhook"
    _description = "Webhook"
    _inherit = ["emboux.thread.mixin", "emboux.system.fields.mixin", "emboux.audited.mixin"]
    _order = "name, id"
    _system_fields = frozenset({
        "state", "secret", "old_secret", "old_secret_until", "failing_since", "problem",
        "not_before", "last_success", "told_at",
    })
    _customer_fields = frozenset({"name", "url", "type_ids", "domain_id", "headers"})
    _audited_fields = ("name", "url", "partner_id", "domain_id", "type_ids", "state")
    _audited_secrets = frozenset({"secret", "headers"})
    _long_text_fields = frozenset({"url"})

    name = fields.Char(required=True, tracking=True, help="What receives it, for example: Shop.")
    url = fields.Char(
        "Address", required=True, tracking=True,
        help="Begins with https. It takes a POST and answers with 200 within 15 seconds.")
    state = fields.Selection(
        [("enabled", "Enabled"), ("paused", "Paused"), ("failing", "Stopped")],
        default="enabled", required=True, readonly=True, tracking=True, copy=False,
        help="Paused, or stopped after five days without a success: what happens meanwhile waits, "
             "and is sent when it is resumed.",
    )  # fmt: skip
    partner_id = fields.Many2one(
        "res.partner", "Customer", index="btree_not_null", ondelete="cascade",
        help="Whose domains it hears of. None: of all domains of the company.")
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company)
    domain_id = fields.Many2one(
        "emboux.domain", "Only This Domain", ondelete="cascade", index="btree_not_null",
        domain="[('backend_id.kind', '=', 'local'), ('partner_id', '=', partner_id)]")
    type_ids = fields.Many2many(
        "emboux.webhook.type", "emboux_webhook_type_rel", "webhook_id", "type_id", "Events",
        help="None: every event.")
    headers = fields.Text(
        help="Sent besides, one on each line: Authorization: Bearer ... Who may change the webhook "
             "sees them.")
    user_id = fields.Many2one(
        "res.users", "Responsible", default=lambda self: self.env.user, copy=False,
        help="Is told when it is stopped.")
    secret = fields.Char(
        "Stored Secret", required=True, default="-", groups=NO_ACCESS, copy=False)
    old_secret = fields.Char(groups=NO_ACCESS, copy=False)
    old_secret_until = fields.Datetime("Former Secret Valid Until", readonly=True, copy=False)
    signing_secret = fields.Char("Secret", compute="_compute_signing_secret")
    failing_since = fields.Datetime(readonly=True, copy=False)
    problem = fields.Char("Last Problem", readonly=True, copy=False)
    not_before = fields.Datetime("Asked to Wait Until", readonly=True, copy=False)
    last_success = fields.Datetime(readonly=True, copy=False)
    told_at = fields.Datetime(readonly=True, copy=False)
    waiting_count = fields.Integer("Waiting", compute="_compute_counts")
    failed_count = fields.Integer("Failed", compute="_compute_counts")
    health = fields.Char("How It Does", compute="_compute_health")

    # -- what is entered -------------------------------------------------------------------

    @api.constrains("url")
    def _check_url(self):
        private = WEBHOOK_NETWORKS.read(self.env)
        for webhook in self:
            if problem := webhook._url_problem(private):
                raise ValidationError(problem)

    def _url_problem(self, private):
        try:
            parts = urlsplit(self.url)
            host, _port = parts.hostname, parts.port
        except ValueError:
            return self.env._("'%s' is not an address of a web server.", self.url)
        if not host or parts.scheme not in ("https", "http") or len(self.url) > 1000:
            return self.env._(
                "Enter an address such as https://shop.example/hooks/mail, of at most 1000 "
                "characters.")
        if parts.username or parts.password:
            return self.env._(
                "Leave name and password out of the address: enter a header such as "
                "'Authorization: Basic ...' instead.")
        if parts.fragment:
            return self.env._("Leave out what begins with #: no server hears of it.")
        if private:
            return ""  # the process that sends knows which of them
        if parts.scheme == "http":
            return self.env._("It has to begin with https: it carries addresses of people.")
        try:
            inside = not is_public(str(ipaddress.ip_address(host)))
        except ValueError:
            inside = host == "localhost" or host.endswith(".localhost")
        if inside:
            return self.env._("%s is not on the public internet.", host)
        return ""

    @api.constrains("headers")
    def _check_headers(self):
        for webhook in self:
            lines = [line for line in (webhook.headers or "").splitlines() if line.strip()]
            pairs = list(parse_headers(webhook.headers))
            if len(pairs) != len(lines) or len(pairs) > _MOST_HEADERS:
                raise ValidationError(self.env._(
                    "Enter at most %s headers, one on each line, such as 'X-Shop: 7'.",
                    _MOST_HEADERS))
            for name, value in pairs:
                if name.lower() in _OURS:
                    raise ValidationError(self.env._("The header %s is ours to set.", name))
                if not _HEADER_NAME(name) or not (value.isascii() and value.isprintable()):
                    raise ValidationError(
                        self.env._("The header '%s' has letters that no header has.", name))

    @api.constrains("partner_id", "domain_id", "company_id")
    def _check_domain(self):
        for webhook in self.filtered("domain_id"):
            # as superuser: who may write the webhook need not see the domain any more
            domain = webhook.sudo().domain_id
            if domain.partner_id != webhook.partner_id or domain.company_id != webhook.company_id:
                raise ValidationError(
                    self.env._("%s is not a domain of this customer and company.",
                               domain.display_name))

    @api.depends_context("uid")
    def _compute_signing_secret(self):
        """For whoever may change it: it proves to the receiver that it is we who call."""
        for webhook in self:
            may = webhook.id and webhook.has_access("write")
            # as superuser: see above
            webhook.signing_secret = webhook.sudo().secret if may else False

    @api.model_create_multi
    def create(self, vals_list):
        self, vals_list = self._clean_create_vals(vals_list)
        own = self._own_values()
        for vals in vals_list:
            vals.update(own)
        # as superuser: a customer sets neither whose it is nor its secret
        webhooks = super(Webhook, self.sudo()).create(vals_list).with_env(self.env)
        # not before: a statement that fails is logged with all that is in it
        webhooks.flush_recordset()
        for webhook in webhooks:
            self.env.cr.execute("UPDATE emboux_webhook SET secret = %s WHERE id = %s",
                                [signature.new_secret(), webhook.id])
        webhooks.invalidate_recordset(["secret", "signing_secret"])
        webhooks.check_access("create")
        if own:
            self._assert_few(own["partner_id"])
        webhooks._check_reach()
        return webhooks

    def write(self, vals):
        vals = self._clean_write_vals(vals)
        if {"secret", "headers"} & vals.keys():
            # Odoo logs a statement that meets another transaction, with all that is in it: it is
            # this one that fails
            self.env.cr.execute(
                "SELECT FROM emboux_webhook WHERE id = ANY(%s) FOR UPDATE", [self.ids])
        done = super().write(vals)
        self._check_reach()
        return done

    def _check_reach(self):
        """What somebody names has to be theirs: rules tell of the webhook, not of the domain."""
        if not self.env.su:
            self.domain_id.check_access("read")

    def _own_values(self):
        """What a customer's webhook has by itself."""
        user = self.env.user.sudo()  # fields of users are the system's alone
        if self.env.su or not user.emboux_partner_id:
            return {}
        return {"partner_id": user.emboux_partner_id.id, "user_id": False}

    def _assert_few(self, partner):
        if self.sudo().search_count([("partner_id", "=", partner)], limit=MOST + 1) > MOST:
            raise UserError(self.env._(
                "You have %s webhooks. Delete one that is not used any more.", MOST))

    # -- its state ---------------------------------------------------------------------------

    def _compute_counts(self):
        counts = {}
        if self.ids:
            self.env.cr.execute(
                """SELECT webhook_id, count(*) FILTER (WHERE state = 'pending'),
                          count(*) FILTER (WHERE state = 'failed')
                     FROM emboux_mail.webhook_delivery WHERE webhook_id = ANY(%s)
                    GROUP BY webhook_id""", [self.ids])
            counts = {hook: numbers for hook, *numbers in self.env.cr.fetchall()}
        for webhook in self:
            webhook.waiting_count, webhook.failed_count = counts.get(webhook.id, (0, 0))

    @api.depends("state", "failing_since", "problem", "last_success", "not_before")
    def _compute_health(self):
        for webhook in self:
            webhook.health = webhook._health()

    def _health(self):
        if self.state == "paused":
            return self.env._("Paused. What happens meanwhile waits until you resume it.")
        if self.state == "failing":
            return self.env._(
                "Nothing is sent any more: %s Mend it, test it, then resume it: what has happened "
                "meanwhile is sent then.", _sentence(self.problem))
        if self.not_before and self.not_before > fields.Datetime.now():
            return self.env._("It asked to be left alone until %s.", self._when(self.not_before))
        if self.failing_since:
            return self.env._(
                "It has been failing since %(since)s: %(problem)s We try again.",
                since=self._when(self.failing_since), problem=_sentence(self.problem))
        if self.last_success:
            return self.env._("It took something last at %s.", self._when(self.last_success))
        return self.env._("Nothing was sent yet. Send a test.")

    def _when(self, moment):
        return format_datetime(self.env, moment, dt_format="medium")

    def action_pause(self):
        self.check_access("write")
        # as superuser: the state is not to be written like any other field
        self.sudo().filtered(lambda w: w.state == "enabled").state = "paused"

    def action_resume(self):
        """Send again, also what has waited."""
        self.check_access("write")
        # as superuser: see above
        self.sudo().filtered(lambda w: w.state != "enabled").write({
            "state": "enabled", "failing_since": False, "problem": False, "not_before": False,
            "told_at": False,
        })
        self._hurry()

    @api.private
    def _hurry(self):
        """What waits for its next attempt is tried at once."""
        self.flush_recordset()
        self.env.cr.execute(
            """UPDATE emboux_mail.webhook_delivery
                  SET next_try = emboux_mail.utc_now(), attempts = 0
                WHERE webhook_id = ANY(%s) AND state = 'pending'""", [self.ids])
        self.env.cr.execute("SELECT pg_notify('emboux_webhooks', '')")

    def action_rotate_secret(self):
        """A new secret; for a day the former one signs too."""
        self.check_access("write")
        for webhook in self.sudo():  # as superuser: secrets are in nobody's reach
            webhook.write({
                "old_secret": webhook.secret,
                "old_secret_until": fields.Datetime.now() + BOTH_SECRETS,
                "secret": signature.new_secret(),
            })

    # -- test, and again ---------------------------------------------------------------------

    @api.private
    def _make_test(self):
        """Add an event that tells of nothing; returns the delivery's number."""
        self.ensure_one()
        self.check_access("write")
        self.env.cr.execute(
            """INSERT INTO emboux_mail.webhook_delivery
                      (webhook_id, type, subject, about, created_at, next_try, payload)
               SELECT %(id)s, 'webhook.test', 'test ' || gen_random_uuid(), %(name)s,
                      date_trunc('second', emboux_mail.utc_now()), emboux_mail.utc_now(),
                      emboux_mail.webhook_body('webhook.test',
                          emboux_mail.iso(emboux_mail.utc_now()), %(data)s)
               RETURNING id""",
            {"id": self.id, "name": self.name,
             "data": Json({"webhook": str(self.id), "name": self.name})})
        [number] = self.env.cr.fetchone()
        self.env.cr.execute("SELECT pg_notify('emboux_webhooks', '')")
        return number

    def action_test(self):
        """Send a test and wait for the answer."""
        self.ensure_one()
        self.check_access("write")
        if self.state != "enabled":
            raise UserError(self.env._("Resume it first: nothing is sent to it now."))
        with own_transaction(self) as own:
            number = own._make_test()
        tried = self.env["emboux.webhook.delivery"]._wait_for(number, TEST_SECONDS)
        if not tried:
            message, kind = self.env._(
                "It was not sent yet: the process that sends webhooks (“odoo emboux_webhooks”) is "
                "busy or not running."), "warning"
        elif tried[0] == "delivered":
            message, kind = self.env._("It has arrived: the answer was %s.", tried[1]), "success"
        else:
            message, kind = tried[1], "danger"
        return {
            "type": "ir.actions.client", "tag": "display_notification",
            "params": {"title": self.env._("Test of %s", self.name), "message": message,
                       "type": kind, "sticky": kind != "success",
                       "next": {"type": "ir.actions.client", "tag": "soft_reload"}},
        }

    def action_open_deliveries(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_mail_api.action_webhook_delivery")
        return action | {"domain": [("webhook_id", "=", self.id)]}

    @api.private
    def _send_again(self, since=None, until=None, states=("failed",)):
        """Send what has happened in that time once more; returns how many that are.

        ``since``, ``until``: naive UTC.
        """
        self.check_access("write")
        self.env.cr.execute(
            """UPDATE emboux_mail.webhook_delivery
                  SET state = 'pending', attempts = 0, next_try = emboux_mail.utc_now(),
                      done_at = NULL
                WHERE webhook_id = ANY(%s) AND state = ANY(%s)
                  AND created_at >= coalesce(%s, '-infinity'::timestamp)
                  AND created_at < coalesce(%s, 'infinity'::timestamp)""",
            [self.ids, [s for s in states if s != "pending"], since, until])
        count = self.env.cr.rowcount
        self.env.cr.execute("SELECT pg_notify('emboux_webhooks', '')")
        return count

    # -- told --------------------------------------------------------------------------------

    @api.model
    @api.private
    def _cron_tell(self):
        """Tell the owners of those that were stopped."""
        stopped = self.search([("state", "=", "failing"), ("told_at", "=", False)])
        each_in_own_transaction(self.env, [stopped], lambda webhook: webhook._tell_stopped())

    def _tell_stopped(self):
        self._post_notice(
            lambda webhook: Notice(
                webhook.env._("Webhook %s is stopped", webhook.name),
                webhook.env._("It does not take what we send to %(url)s: %(problem)s",
                              url=webhook.url, problem=_sentence(webhook.problem)),
                remedy=webhook.env._(
                    "Mend it, send a test, then resume it: what has happened meanwhile is sent "
                    "then."),
            ),
            self.partner_id | self.user_id.partner_id,
        )
        self.told_at = fields.Datetime.now()

    @api.model
    @api.private
    def _tell(self, kind, subject, about, domain, data):
        """Something has happened that only Odoo knows of; in its transaction.

        :param kind: the code of an ``emboux.webhook.type``.
        :param subject: whose events keep their order.
        :param domain: an ``emboux.domain``, or a pair of partner and company.
        """
        partner, company, number = (
            (*domain, None) if isinstance(domain, tuple)
            else (domain.partner_id, domain.company_id, domain.id))
        self.env.cr.execute(
            "SELECT emboux_mail.tell(%s, %s, %s, %s, %s, %s, %s)",
            [kind, subject, about, partner.id or None, company.id or None, number, Json(data)])

    def _audit_partner(self):
        return self.partner_id


def _sentence(text):
    text = (text or "").strip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."
