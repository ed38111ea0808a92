# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import math
from dataclasses import replace

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.emboux_core.models.errors import backend_errors
from odoo.addons.emboux_core.models.notification import notification
from odoo.addons.emboux_core.net.errors import Refused
from odoo.addons.emboux_core.net.guard import Timeouts
from odoo.addons.emboux_core.net.http import check_url
from odoo.addons.emboux_core.settings import BACKEND_ALLOW_PRIVATE

from ..events.sns import is_topic
from ..providers.dkim import OwnServer
from ..providers.mailgun import Mailgun
from ..providers.ses import Ses

#: A person or a mail program waits: shorter than a client's time-out.
DEADLINES = Timeouts(connect=5, read=15, total=25)
#: For status requests.
SHORT_TIMEOUTS = Timeouts(connect=2, read=3, total=6)
UNTIL = "emboux_until"  # in the context: when all calls have to be over, as time.monotonic()


class Provider(models.Model):
    """Who carries and signs the outgoing mail of domains on this platform."""

    _name = "emboux.provider"
    _description = "Provider of Outgoing Mail"
    _inherit = ["emboux.thread.mixin", "emboux.system.fields.mixin", "emboux.audited.mixin"]
    _order = "sequence, id"
    _check_company_auto = True
    _system_fields = frozenset({"state", "state_message", "earlier_topics"})
    _audited_fields = (
        "name", "kind", "active", "region", "endpoint", "webhook_url", "topic_arn",
        "relay_host", "relay_port", "relay_tls", "smtp_login", "company_id",
    )
    _audited_secrets = frozenset({"api_key", "access_key", "smtp_password"})

    name = fields.Char(required=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    kind = fields.Selection(
        [("dkim", "This Server"), ("mailgun", "Mailgun"), ("ses", "Amazon SES")],
        required=True,
        default="mailgun",
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company", help="Leave empty to share this provider between all companies."
    )
    state = fields.Selection(
        [("draft", "Not Tested"), ("connected", "Connected"), ("error", "Error")],
        default="draft", required=True, readonly=True, copy=False, tracking=True,
    )
    state_message = fields.Char("Last Test", readonly=True, copy=False)

    region = fields.Char(help="Mailgun: us or eu. Amazon: such as eu-west-1.")
    api_key = fields.Char(
        "API Key", groups="base.group_system", copy=False,
        help="Mailgun: a key with the role Admin. Amazon: the secret access key.",
    )
    access_key = fields.Char("Access Key ID", groups="base.group_system", copy=False)
    endpoint = fields.Char(
        "API Address", groups="base.group_system",
        help="Overrides the region's URL, for a proxy or a test. Empty: the provider's own.",
    )
    webhook_url = fields.Char(
        "Webhook", help="URL to which the provider reports bounces and complaints. Empty: none."
    )
    topic_arn = fields.Char("SNS Topic", help="ARN of the topic that gets the events of SES.")
    earlier_topics = fields.Char(
        readonly=True, copy=False,
        help="Previous topics: their reports on mail sent earlier are still accepted.",
    )

    relay_host = fields.Char("Relay", help="Host to which Postfix relays the mail.")
    relay_port = fields.Integer(default=465)
    relay_tls = fields.Selection(
        [("implicit", "Implicit TLS"), ("starttls", "STARTTLS")],
        "Relay's TLS", required=True, default="implicit",
    )
    smtp_login = fields.Char(
        "SMTP Login", help="Amazon: one for all domains of the account. Mailgun: has one for each."
    )
    smtp_password = fields.Char("SMTP Password", groups="base.group_system", copy=False)

    registration_ids = fields.One2many("emboux.registration", "provider_id")
    domain_count = fields.Integer(compute="_compute_counts")
    waiting_count = fields.Integer(compute="_compute_counts")

    _own_once = models.UniqueIndex(
        "(kind) WHERE kind = 'dkim'",
        "There is only one provider for this server, shared by all companies.",
    )
    _relay_port_range = models.Constraint(
        "CHECK (relay_port BETWEEN 1 AND 65535)", "A port is a number from 1 to 65535."
    )

    @api.depends("registration_ids.state")
    def _compute_counts(self):
        domains = dict(
            self.env["emboux.domain"]._read_group(
                [("provider_id", "in", self.ids)], ["provider_id"], ["__count"]
            )
        )
        waiting = dict(
            self.env["emboux.registration"]._read_group(
                [("provider_id", "in", self.ids), ("state", "!=", "done")],
                ["provider_id"], ["__count"],
            )
        )
        for provider in self:
            provider.domain_count = domains.get(provider, 0)
            provider.waiting_count = waiting.get(provider, 0)

    @api.constrains("kind", "region", "endpoint", "webhook_url")
    def _check_where(self):
        for provider in self.sudo():  # as superuser: the address is system users' to read
            if provider.kind == "mailgun" and provider.region not in ("us", "eu"):
                raise ValidationError(self.env._("Mailgun has the regions us and eu."))
            if provider.kind == "ses" and not provider.region:
                raise ValidationError(self.env._("Enter an Amazon region, such as eu-west-1."))
            for url in filter(None, (provider.endpoint, provider.webhook_url)):
                try:
                    check_url(url, provider._allow_private())
                except Refused as error:
                    raise ValidationError(str(error)) from error

    @api.onchange("kind", "region")
    def _onchange_kind(self):
        values = self._proposal(self.kind, self.region)
        self.update(values)

    @api.model_create_multi
    def create(self, vals_list):
        self, vals_list = self._clean_create_vals(vals_list)
        for vals in vals_list:
            proposal = self._proposal(vals.get("kind", "mailgun"), vals.get("region"))
            vals |= {name: value for name, value in proposal.items() if not vals.get(name)}
        return super().create(vals_list)

    def write(self, vals):
        vals = self._clean_write_vals(vals)
        if {"kind", "endpoint", "region"} & set(vals) and not self.env.user.has_group(
            "base.group_system"
        ):
            # the key must not follow to an address set by somebody who may not read it; as
            # superuser, because they may not write it either
            self.sudo().filtered("api_key").api_key = False
        if "kind" in vals:
            # as superuser: another company's domains hold it too
            used = self.sudo().filtered("registration_ids") | self.sudo().filtered("domain_count")
            used._refuse_change(
                vals, {"kind"}, self.env._("The kind cannot be changed while there are domains.")
            )
        if "topic_arn" in vals:
            # as superuser: what was subscribed is not for users to write
            for provider in self.sudo().filtered("topic_arn"):
                if provider.topic_arn != vals["topic_arn"]:
                    before = [*(provider.earlier_topics or "").split(), provider.topic_arn]
                    provider.earlier_topics = " ".join(dict.fromkeys(before))
        return super().write(vals)

    def _topics(self):
        """The SNS topics of these providers, by their ARN, earlier ones too."""
        texts = [text for p in self for text in (p.topic_arn, p.earlier_topics) if text]
        return frozenset(filter(is_topic, " ".join(texts).split()))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_in_use(self):
        for provider in self.sudo():  # as superuser: other companies' domains count too
            if provider.domain_count or provider.registration_ids:
                raise UserError(
                    self.env._(
                        "%s still has domains. Move them to another provider first, or archive "
                        "it.",
                        provider.name,
                    )
                )

    def _proposal(self, kind, region):
        """What is usual for a provider of this kind."""
        if kind == "mailgun":
            region = region if region in ("us", "eu") else "us"
            relay = Mailgun("", region=region).relay()
        elif kind == "ses":
            region = region if region and "-" in region else "eu-west-1"
            relay = Ses("", "", region).relay()
        else:
            return {"region": False, "relay_host": False}
        base = self.get_base_url()
        webhook = f"{base}/emboux/v1/webhooks/{kind}" if base.startswith("https://") else False
        return {
            "region": region,
            "relay_host": relay.host,
            "relay_port": relay.port,
            "relay_tls": relay.tls,
            "webhook_url": webhook,
        }

    def _allow_private(self):
        return BACKEND_ALLOW_PRIVATE.read(self.env)

    @api.model
    def _provider_of_this_server(self):
        return self.env.ref("emboux_mail_api.provider_own")

    def _client(self):
        """The implementation of ``providers.base.Provider`` for this record.

        ``emboux_haste`` in the context: it soon has waited enough.
        """
        self.ensure_one()
        deadlines = SHORT_TIMEOUTS if self.env.context.get("emboux_haste") else DEADLINES
        provider = self.sudo()  # as superuser: the keys are in no manager's reach
        timeouts = replace(deadlines, until=self.env.context.get(UNTIL, math.inf))
        if self.kind == "mailgun":
            return Mailgun(
                provider.api_key or "", region=self.region, webhook_url=self.webhook_url or "",
                url=provider.endpoint or "", allow_private=self._allow_private(),
                timeouts=timeouts,
            )  # fmt: skip
        if self.kind == "ses":
            return Ses(
                provider.access_key or "", provider.api_key or "", self.region,
                topic_arn=self.topic_arn or "", webhook_url=self.webhook_url or "",
                endpoint=provider.endpoint or "", allow_private=self._allow_private(),
                timeouts=timeouts,
            )  # fmt: skip
        domains = self.env["emboux.domain"].sudo()  # as superuser: as the platform
        return OwnServer(
            self.env["emboux.dkim.key"]._public_keys_of,
            lambda name, _records: domains._hosted(name)._finding(look=True),
            lambda name: domains._hosted(name)._finding(),
        )

    def action_test(self):
        """Ask the provider whether the key is good, and keep the answer."""
        self.ensure_one()
        self.check_access("write")
        # as superuser: the result is written by this test alone
        self = self.sudo()
        try:
            with backend_errors(self.env, self.name):
                message = self._client().check()
        except UserError as error:
            self.write({"state": "error", "state_message": str(error)})
        else:
            self.write({"state": "connected", "state_message": message})
            # whatever waited for a valid key can go on, and a refusal may be obsolete: the account
            # was put in order perhaps
            self.registration_ids.filtered(lambda r: r.state == "pending")._schedule_now()
            self.registration_ids.filtered(lambda r: r.state == "refused")._request_again()
        return notification(
            "success" if self.state == "connected" else "danger",
            self.state_message,
            sticky=self.state == "error",
        )

    def action_open_domains(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_domain")
        return action | {"domain": [("provider_id", "=", self.id)], "context": {}}

    def action_open_registrations(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_mail_api.action_registration"
        )
        return action | {"domain": [("provider_id", "=", self.id)]}
