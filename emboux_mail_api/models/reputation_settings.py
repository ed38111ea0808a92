"""What an administrator sets about bounces, complaints and suppressed recipients."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..events import sns

#: Days of history that ``emboux.outbound.count`` keeps: no longer window can be known.
LONGEST_WINDOW = 7
_PREFIX = "emboux_mail_api."


@dataclass(frozen=True)
class Reputation:
    """``bounce_percent``, ``complaint_percent``: of what was sent; beyond it a domain is blocked.

    Exact numbers, because a limit that is just reached blocks nobody.
    """

    bounce_percent: Decimal
    complaint_percent: Decimal
    window: timedelta
    least_sent: int
    least_events: int
    for_everybody: bool
    payload_days: int
    blacklist: bool


class ReputationParameters(models.AbstractModel):
    """Reads the settings; a value that cannot be used counts as its default."""

    _name = "emboux.reputation"
    _description = "Sender Reputation Settings"

    @api.model
    @api.private
    def _settings(self):
        return Reputation(
            bounce_percent=self._number("guillotine_bounce_percent", "0.5"),
            complaint_percent=self._number("guillotine_complaint_percent", "0.1"),
            window=timedelta(
                days=min(max(1, int(self._number("guillotine_days", "7"))), LONGEST_WINDOW)
            ),
            least_sent=int(self._number("guillotine_least_sent", "200")),
            least_events=max(1, int(self._number("guillotine_least_events", "3"))),
            for_everybody=self._text("suppression_scope") == "everybody",
            payload_days=int(self._number("event_payload_days", "30")),
            blacklist=self._mirrors_blacklist(),
        )

    @api.model
    @api.private
    def _mirrors_blacklist(self):
        return self._text("suppression_blacklist") in ("True", "true", "1")

    @api.model
    @api.private
    def _topics(self):
        """The SNS topics whose messages are believed: those of the providers, to which this
        platform has subscribed itself, and those that the settings name besides."""
        # as superuser: a webhook has no user
        providers = self.env["emboux.provider"].sudo().with_context(active_test=False)
        own = providers.search([("kind", "=", "ses")])._topics()
        return own | frozenset(self._text("ses_topics").replace(",", " ").split())

    def _number(self, name, default):
        try:
            number = Decimal(self._text(name) or default)
            fits = number.is_finite() and 0 <= number <= 1_000_000_000
        except InvalidOperation:
            fits = False
        return number if fits else Decimal(default)

    def _text(self, name):
        # as superuser: system parameters are readable by administrators alone
        return (self.env["ir.config_parameter"].sudo().get_param(_PREFIX + name) or "").strip()


class ReputationSettings(models.TransientModel):
    _inherit = "res.config.settings"

    emboux_bounce_percent = fields.Float(
        "Bounces (%)", digits=(6, 3), default=0.5,
        config_parameter="emboux_mail_api.guillotine_bounce_percent",
    )
    emboux_complaint_percent = fields.Float(
        "Complaints (%)", digits=(6, 3), default=0.1,
        config_parameter="emboux_mail_api.guillotine_complaint_percent",
    )
    emboux_window_days = fields.Integer(
        "Days Considered", default=LONGEST_WINDOW,
        config_parameter="emboux_mail_api.guillotine_days",
    )
    emboux_least_sent = fields.Integer(
        "Minimum Recipients", default=200, config_parameter="emboux_mail_api.guillotine_least_sent"
    )
    emboux_least_events = fields.Integer(
        "Minimum Reports", default=3, config_parameter="emboux_mail_api.guillotine_least_events"
    )
    emboux_suppression_scope = fields.Selection(
        [("customer", "The customer whose mail it was"), ("everybody", "Everybody")],
        "Suppress For", default="customer", config_parameter="emboux_mail_api.suppression_scope",
    )
    emboux_suppression_blacklist = fields.Boolean(
        "Odoo's Blacklist", config_parameter="emboux_mail_api.suppression_blacklist"
    )
    emboux_payload_days = fields.Integer(
        "Days to Keep Reports", default=30, config_parameter="emboux_mail_api.event_payload_days"
    )
    emboux_ses_topics = fields.Char(
        "SNS Topics", config_parameter="emboux_mail_api.ses_topics"
    )
    emboux_mailgun_signing_key = fields.Char(
        "Mailgun Signing Key", config_parameter="emboux_mail_api.mailgun_signing_key"
    )

    def set_values(self):
        self._check_reputation()
        return super().set_values()

    def _check_reputation(self):
        if not 1 <= self.emboux_window_days <= LONGEST_WINDOW:
            raise ValidationError(
                self.env._("The rates are looked at over 1 to %s days.", LONGEST_WINDOW)
            )
        if not (0 < self.emboux_bounce_percent <= 100 and 0 < self.emboux_complaint_percent <= 100):
            raise ValidationError(
                self.env._("A share of bounces or complaints is above 0 and at most 100 percent.")
            )
        if self.emboux_least_sent < 0 or self.emboux_least_events < 1:
            raise ValidationError(
                self.env._("Nobody is blocked before one report at the least has come.")
            )
        if self.emboux_payload_days < 1:
            raise ValidationError(self.env._("Reports are kept as they came for a day at least."))
        for topic in (self.emboux_ses_topics or "").replace(",", " ").split():
            if not sns.is_topic(topic):
                raise ValidationError(
                    self.env._(
                        "'%s' is not the ARN of an SNS topic, such as "
                        "arn:aws:sns:eu-west-1:123456789012:bounces.",
                        topic,
                    )
                )
