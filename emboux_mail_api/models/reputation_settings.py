# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What an administrator sets about bounces, complaints and suppressed recipients."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..events import sns
from ..settings import (
    BOUNCE_PERCENT,
    COMPLAINT_PERCENT,
    EVENT_PAYLOAD_DAYS,
    LEAST_EVENTS,
    LEAST_SENT,
    MAILGUN_SIGNING_KEY,
    SES_TOPICS,
    SUPPRESSION_BLACKLIST,
    SUPPRESSION_SCOPE,
    WINDOW_DAYS,
)


@dataclass(frozen=True)
class Reputation:
    """``bounce_percent``, ``complaint_percent``: of what was sent; beyond it a domain is blocked.

    Exact decimals, because a rate exactly at the limit blocks nobody.
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
    """Reads the settings."""

    _name = "emboux.reputation"
    _description = "Sender Reputation Settings"

    @api.model
    @api.private
    def _settings(self):
        return Reputation(
            bounce_percent=BOUNCE_PERCENT.read(self.env),
            complaint_percent=COMPLAINT_PERCENT.read(self.env),
            window=timedelta(days=WINDOW_DAYS.read(self.env)),
            least_sent=LEAST_SENT.read(self.env),
            least_events=LEAST_EVENTS.read(self.env),
            for_everybody=SUPPRESSION_SCOPE.read(self.env) == "everybody",
            payload_days=EVENT_PAYLOAD_DAYS.read(self.env),
            blacklist=SUPPRESSION_BLACKLIST.read(self.env),
        )

    @api.model
    @api.private
    def _topics(self):
        """The SNS topics whose messages are believed: those of the providers, to which this
        platform has subscribed itself, and those that the settings name besides."""
        # as superuser: a webhook has no user
        providers = self.env["emboux.provider"].sudo().with_context(active_test=False)
        own = providers.search([("kind", "=", "ses")])._topics()
        return own | frozenset(SES_TOPICS.read(self.env).replace(",", " ").split())


class ReputationSettings(models.TransientModel):
    _inherit = "res.config.settings"

    emboux_bounce_percent = fields.Float(
        "Bounces (%)", digits=(6, 3), default=float(BOUNCE_PERCENT.default),
        config_parameter=BOUNCE_PERCENT.key,
    )
    emboux_complaint_percent = fields.Float(
        "Complaints (%)", digits=(6, 3), default=float(COMPLAINT_PERCENT.default),
        config_parameter=COMPLAINT_PERCENT.key,
    )
    emboux_window_days = fields.Integer(
        "Days Considered", default=WINDOW_DAYS.default, config_parameter=WINDOW_DAYS.key
    )
    emboux_least_sent = fields.Integer(
        "Minimum Recipients", default=LEAST_SENT.default, config_parameter=LEAST_SENT.key
    )
    emboux_least_events = fields.Integer(
        "Minimum Reports", default=LEAST_EVENTS.default, config_parameter=LEAST_EVENTS.key
    )
    emboux_suppression_scope = fields.Selection(
        [("customer", "The customer whose mail it was"), ("everybody", "Everybody")],
        "Suppress For", default=SUPPRESSION_SCOPE.default, config_parameter=SUPPRESSION_SCOPE.key,
    )
    emboux_suppression_blacklist = fields.Boolean(
        "Odoo's Blacklist", config_parameter=SUPPRESSION_BLACKLIST.key
    )
    emboux_payload_days = fields.Integer(
        "Days to Keep Reports", default=EVENT_PAYLOAD_DAYS.default,
        config_parameter=EVENT_PAYLOAD_DAYS.key,
    )
    emboux_ses_topics = fields.Char("SNS Topics", config_parameter=SES_TOPICS.key)
    emboux_mailgun_signing_key = fields.Char(
        "Mailgun Signing Key", config_parameter=MAILGUN_SIGNING_KEY.key
    )

    def set_values(self):
        self._check_reputation()
        return super().set_values()

    def _check_reputation(self):
        if not 1 <= self.emboux_window_days <= WINDOW_DAYS.maximum:
            raise ValidationError(
                self.env._("The rates can cover 1 to %s days.", WINDOW_DAYS.maximum)
            )
        if not (0 < self.emboux_bounce_percent <= 100 and 0 < self.emboux_complaint_percent <= 100):
            raise ValidationError(
                self.env._("A share of bounces or complaints is above 0 and at most 100 percent.")
            )
        if self.emboux_least_sent < 0 or self.emboux_least_events < 1:
            raise ValidationError(
                self.env._("At least one report is needed to block a domain.")
            )
        if self.emboux_payload_days < 1:
            raise ValidationError(self.env._("Raw reports are kept for at least a day."))
        for topic in (self.emboux_ses_topics or "").replace(",", " ").split():
            if not sns.is_topic(topic):
                raise ValidationError(
                    self.env._(
                        "'%s' is not the ARN of an SNS topic, such as "
                        "arn:aws:sns:eu-west-1:123456789012:bounces.",
                        topic,
                    )
                )
