# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""System parameters of the platform; see ``emboux_core.settings``."""

from decimal import Decimal

from odoo.addons.emboux_core.settings import Setting

REQUESTS_PER_SECOND = Setting(
    "emboux_mail_api.requests_per_second", float, 100,
    "Requests of one key, in each worker process; beyond it 429.", minimum=1,
)
FAILURES_ALLOWED = Setting(
    "emboux_mail_api.failures_allowed", int, 200,
    "Requests without a valid key from one address in five minutes; beyond it 429.",
)
DKIM_ROTATE_DAYS = Setting(
    "emboux_mail_api.dkim_rotate_days", int, 180,
    "Days for which a DKIM key signs before the next one is made; 0 or less: none is made by "
    "itself.", minimum=-99_999, maximum=99_999,
)
DKIM_ED25519 = Setting(
    "emboux_mail_api.dkim_ed25519", bool, True,
    "False: RSA keys alone, for a server without the second OpenDKIM that signs with Ed25519.",
)
PUSH_ALLOW_PRIVATE = Setting(
    "emboux_mail_api.push_allow_private", bool, False,
    "True lets mail be handed to Odoos of customers on private and loopback addresses.",
)
WEBHOOK_NETWORKS = Setting(
    "emboux_mail_api.webhook_networks", str, "",
    "Private networks that webhooks may reach all the same, and without TLS, separated by spaces: "
    "10.1.2.0/24.",
)
WEBHOOK_DAYS = Setting(
    "emboux_mail_api.webhook_days", int, 14,
    "Days for which webhook deliveries are kept, those that wait too.", minimum=1, maximum=3650,
)
MAILGUN_SIGNING_KEY = Setting(
    "emboux_mail_api.mailgun_signing_key", str, "",
    "Mailgun's HTTP webhook signing key; without it its webhooks are refused.",
)
SES_TOPICS = Setting(
    "emboux_mail_api.ses_topics", str, "",
    "ARNs of further SNS topics whose messages are believed, separated by spaces; those of the "
    "providers are anyway.",
)
EVENT_PAYLOAD_DAYS = Setting(
    "emboux_mail_api.event_payload_days", int, 30,
    "Days until reports as they came are emptied.", maximum=99_999,
)
SUPPRESSION_SCOPE = Setting(
    "emboux_mail_api.suppression_scope", str, "customer",
    "Whose mail a bounced recipient gets no more.", choices=("customer", "everybody"),
)
SUPPRESSION_BLACKLIST = Setting(
    "emboux_mail_api.suppression_blacklist", bool, False,
    "True: what is suppressed for everybody and for good is on Odoo's blacklist too, and the "
    "other way round.",
)
BOUNCE_PERCENT = Setting(
    "emboux_mail_api.guillotine_bounce_percent", Decimal, "0.5",
    "Permanent bounces, in percent of what was sent, beyond which a domain is blocked.",
    maximum=100,
)
COMPLAINT_PERCENT = Setting(
    "emboux_mail_api.guillotine_complaint_percent", Decimal, "0.1",
    "Complaints, in percent of what was sent, beyond which a domain is blocked.", maximum=100,
)
WINDOW_DAYS = Setting(
    "emboux_mail_api.guillotine_days", int, 7,
    "Days that are looked at.", minimum=1, maximum=7,  # ``emboux.outbound.count`` keeps no more
)
LEAST_SENT = Setting(
    "emboux_mail_api.guillotine_least_sent", int, 200,
    "Recipients sent to before anybody is judged.",
)
LEAST_EVENTS = Setting(
    "emboux_mail_api.guillotine_least_events", int, 3,
    "Bounces, or complaints, before anybody is judged.", minimum=1,
)
QUARANTINE_DAYS = Setting(
    "emboux_mail_api.quarantine_days", int, 30,
    "Days for which a name below a wildcard parent is kept for the customer who gave it up.",
    maximum=99_999,
)
HELD_EXPIRED = Setting(
    "emboux_mail_api.held_expired", str, "keep",
    "Whether mail that needs a decision is kept, or discarded; Postfix cannot return it.",
    choices=("keep", "discard"),
)
DAEMON_AWAY_MINUTES = Setting(
    "emboux_mail_api.daemon_away_minutes", int, 5,
    "Minutes for which a daemon is in trouble before the administrators are told; 0: never.",
    maximum=99_999,
)
CLUSTER = Setting(
    "emboux_mail_api.cluster", str, "",
    "PostgreSQL cluster of which the API's cursors are; set by itself.",
)

# What is only read in SQL, by ``emboux_mail.parameter``, which names the same defaults.
HELD_DAYS = Setting(
    "emboux_mail_api.held_days", int, 5,
    "Days after which mail over a limit needs a decision; 0: never.",
)
SPIKE_FLOOR = Setting(
    "emboux_mail_api.spike_floor", int, 50,
    "A day with no more recipients than this is never called a spike.",
)
LOOP_LIMIT = Setting(
    "emboux_mail_api.loop_limit", int, 60,
    "Messages of one login to one recipient in an hour; 0: unlimited.",
)
WARMUP_START = Setting(
    "emboux_mail_api.warmup_start", int, 50,
    "Recipients of a new domain's first day, where it has a daily limit and nobody set another "
    "number; 0: no warm-up.",
)
MESSAGE_DAYS = Setting(
    "emboux_mail_api.message_days", int, 30,
    "Days for which the message log keeps a message; a domain may have fewer.", minimum=1,
    maximum=3650,
)
ALIAS_DESTINATIONS = Setting(
    "emboux_mail_api.alias_destinations", int, 100,
    "Addresses outside to which one address may lead, where neither domain nor plan says.",
)
ALIAS_DEPTH = Setting(
    "emboux_mail_api.alias_depth", int, 10,
    "Aliases in a row that mail may pass through, where neither domain nor plan says.",
)
