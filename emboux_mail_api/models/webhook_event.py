# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import hashlib
import hmac
import json
import logging
import re
import time
from datetime import UTC, timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.transactions import delete_in_batches, each_in_own_transaction

from ..events import base, mailgun, ses, sns
from ..settings import MAILGUN_SIGNING_KEY
from .webhook_token import AGE

_logger = logging.getLogger(__name__)

#: One for the process: it remembers certificates.  Tests put another in its place.
SNS = sns.SnsVerifier()
#: Kind of report to what the message log says, and the message's status from then on.
IN_LOG = {
    "delivery": ("arrived", "delivered"), "bounce": ("bounced", "bounced"),
    "complaint": ("complained", "complained"), "unsubscribe": ("unsubscribed", None),
}  # fmt: skip
_COLUMNS = (
    "provider", "provider_id", "kind", "permanent", "counts", "recipient", "domain_id",
    "happened_at", "sent_at", "reason", "state", "payload", "create_date", "create_uid",
    "message_id", "handed", "to_log",
)  # fmt: skip


class SignatureRefused(Exception):
    """Not signed by the provider, too old, or seen before."""


class WebhookEvent(models.Model):
    """A provider's report, stored once however often and in whatever order it is delivered.

    Read here, judged in ``webhook_judge.py``.  Everything below runs as superuser: a webhook has
    no user, its signature alone lets it in.
    """

    _name = "emboux.webhook.event"
    _description = "Provider's Report"
    _order = "happened_at desc, id desc"
    _rec_name = "recipient"

    provider = fields.Selection(
        [("mailgun", "Mailgun"), ("ses", "Amazon SES")], required=True, readonly=True
    )
    provider_id = fields.Char("Provider's Number", required=True, readonly=True)
    kind = fields.Selection(
        [
            ("bounce", "Bounce"), ("complaint", "Complaint"), ("unsubscribe", "Unsubscribed"),
            ("delivery", "Delivered"),
        ],
        readonly=True,
    )  # fmt: skip
    permanent = fields.Boolean(readonly=True)
    counts = fields.Boolean(
        readonly=True,
        help="Counts towards the domain's rates: a permanent bounce or a complaint, unless it "
             "comes from the provider's own suppression list.",
    )  # fmt: skip
    recipient = fields.Char(index="trigram", readonly=True)
    domain_id = fields.Many2one(
        "emboux.domain", "Sent By", ondelete="set null", index="btree_not_null", readonly=True
    )
    company_id = fields.Many2one(related="domain_id.company_id")
    happened_at = fields.Datetime("When", index=True, readonly=True)
    sent_at = fields.Datetime("Sent", readonly=True)
    reason = fields.Char("Details", readonly=True)
    message_id = fields.Char("Message-ID", readonly=True)
    handed = fields.Char("Provider's Message Number", readonly=True)
    to_log = fields.Boolean(readonly=True, help="Not in the message log yet.")
    state = fields.Selection(
        [
            ("judged", "Processed"), ("noted", "Noted"),
            ("unmatched", "Unknown Domain"), ("unreadable", "Unreadable"),
        ],
        required=True,
        readonly=True,
    )  # fmt: skip
    payload = fields.Text(
        "Raw Report", readonly=True, groups="emboux_core.group_admin",
        help="Stored with the first event of a message. Cleared after some days.",
    )  # fmt: skip

    _provider_id_unique = models.UniqueIndex("(provider, provider_id)")
    _counted_index = models.Index("(domain_id, happened_at) WHERE counts")
    _to_log_index = models.Index("(create_date) WHERE to_log")
    _payload_index = models.Index("(create_date) WHERE payload IS NOT NULL")

    # -- Mailgun ---------------------------------------------------------------------------

    @api.model
    @api.private
    def _verify_mailgun(self, timestamp, token, signature):
        """HMAC-SHA256 over timestamp and token, and not long ago.

        :raises SignatureRefused:
        """
        key = MAILGUN_SIGNING_KEY.read(self.env)
        expected = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256)
        if not key or not hmac.compare_digest(expected.hexdigest().encode(), signature.encode()):
            raise SignatureRefused
        if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > AGE:
            raise SignatureRefused

    @api.model
    @api.private
    def _accept_mailgun(self, timestamp, token, signature, payload):
        """Store and judge a report of Mailgun's; each token is good for one.

        A report that is known already, with a token that is not, changes nothing.

        :param payload: the body, as JSON.
        :raises SignatureRefused:
        """
        self._verify_mailgun(timestamp, token, signature)
        if not self.env["emboux.webhook.token"]._use(token):
            raise SignatureRefused
        self._accept("mailgun", self._read_mailgun(payload), payload, token)

    @api.model
    @api.private
    def _read_mailgun(self, payload):
        """The events of a body: none for an irrelevant kind, and None for an unreadable one."""
        try:
            event = mailgun.parse(base.dict_at(json.loads(payload), "event-data"))
        except (base.Unreadable, ValueError, RecursionError) as error:
            _logger.info("a report of Mailgun's is not understood: %s", type(error).__name__)
            return None
        return (event,) if event else ()

    # -- Amazon SES ------------------------------------------------------------------------

    @api.model
    @api.private
    def _verify_sns(self, message):
        """:raises SignatureRefused: :raises sns.TryLater: Amazon did not answer."""
        try:
            SNS.verify(message, self.env["emboux.reputation"]._topics())
        except sns.NotSigned as error:
            _logger.warning("message %s of SNS: %s", sns.fingerprint(message), error)
            raise SignatureRefused from error

    @api.model
    @api.private
    def _confirm_sns(self, message):
        """Subscribe to a configured topic, as a verified message asks for."""
        try:
            SNS.confirm(message)
        except sns.NotSigned as error:
            raise SignatureRefused from error
        _logger.info("subscribed to %s", message["TopicArn"])

    @api.model
    @api.private
    def _accept_sns(self, message):
        """Store and judge what a verified notification says."""
        if message["Type"] == "Notification":
            payload = json.dumps(message)
            self._accept("ses", self._read_ses(message), payload, message["MessageId"])
        elif message["Type"] == "UnsubscribeConfirmation":
            _logger.warning("%s sends nothing here any more", message["TopicArn"])

    @api.model
    @api.private
    def _read_ses(self, message):
        """As ``_read_mailgun``."""
        if message["Type"] != "Notification":
            return ()
        try:
            return ses.parse(message["Message"])
        except base.Unreadable as error:
            _logger.info("message %s of SNS: %s", sns.fingerprint(message), error)
            return None

    # -- stored ----------------------------------------------------------------------------

    @api.model
    @api.private
    def _lock_name(self, found):
        """The lock to take before the work (see ``locks.py``), or None: one report about a domain
        after the other, so that each sees all before it in the domain's rates."""
        domain = self._domain_of(found[0].domain) if found else None
        return f"reports about domain {domain.id}" if domain else None

    @api.model
    def _accept(self, provider, found, payload, number):
        """:param number: names the message, where what it says cannot be understood."""
        if found is None:
            rows = [self._row_unreadable(provider, number)]
        else:
            domains = {name: self._domain_of(name) for name in {event.domain for event in found}}
            rows = [self._row(event, domains[event.domain]) for event in found]
        events = self._store_once(rows, payload)
        events._judge()
        events._log()

    def _row(self, event, domain):
        now = fields.Datetime.now()
        return {
            "provider": event.provider,
            "provider_id": event.provider_id,
            "kind": event.kind,
            "permanent": event.permanent,
            "counts": event.fresh and event.permanent and event.kind in ("bounce", "complaint"),
            "recipient": _readable(event.recipient),
            "domain_id": domain.id or None,
            # a clock that is ahead must not make it count for longer
            "happened_at": min(event.at.astimezone(UTC).replace(tzinfo=None), now),
            "sent_at": event.sent_at and event.sent_at.astimezone(UTC).replace(tzinfo=None),
            "reason": event.reason or None,
            "state": "noted" if domain else "unmatched",
            "message_id": event.message_id or None,
            "handed": event.handed or None,
            "to_log": bool(domain and (event.message_id or event.handed)),
        }

    def _row_unreadable(self, provider, number):
        row = dict.fromkeys(_COLUMNS)
        return row | {
            "provider": provider,
            "provider_id": base.identity("unreadable", number),
            "state": "unreadable",
            "happened_at": fields.Datetime.now(),
        }

    def _store_once(self, rows, payload):
        """Those that were not known, as records; the message as it came goes with the first."""
        if not rows:
            return self.browse()
        common = {"create_date": fields.Datetime.now(), "create_uid": self.env.uid,
                  "payload": None}
        # two spellings of one recipient are one event too
        unique = {(row["provider"], row["provider_id"]): row | common for row in rows}
        values = [SQL("%s", tuple(row[c] for c in _COLUMNS)) for row in unique.values()]
        made = self.env.execute_query(
            SQL(
                """INSERT INTO emboux_webhook_event (%s) VALUES %s
                   ON CONFLICT (provider, provider_id) DO NOTHING RETURNING id""",
                SQL(", ").join(map(SQL.identifier, _COLUMNS)),
                SQL(", ").join(values),
            )
        )
        events = self.browse(number for [number] in made)
        if events:
            self.env.cr.execute(
                "UPDATE emboux_webhook_event SET payload = %s WHERE id = %s",
                [payload, min(events.ids)],
            )
            self.invalidate_model()
        return events

    @api.model
    def _domain_of(self, name):
        """Our domain of this name or the nearest above it: some senders bounce to a subdomain."""
        domains = self.env["emboux.domain"].with_context(active_test=False)
        try:
            labels = addresses.normalise_domain(name).split(".")
        except addresses.AddressError:
            return domains.browse()
        names = [".".join(labels[depth:]) for depth in range(len(labels) - 1)]
        # an unproven claim has sent nothing
        found = domains.search([("name", "in", names), ("backend_id.kind", "=", "local"),
                                ("owned_since", "!=", False)])
        return max(found, key=lambda d: (len(d.name), d.active), default=domains.browse())

    # -- told in the message log -------------------------------------------------------------

    def _log(self):
        """Add them to the messages that they are about; what is not logged yet waits for the cron:
        a provider may be faster than the reader of the log."""
        for event in self.filtered("to_log"):
            kind, status = IN_LOG[event.kind]
            if event.kind == "bounce" and not event.permanent:
                kind, status = "delayed", "delayed"
            found = self.env["emboux.message"]._note(
                event.domain_id, event.message_id, event.handed, event.recipient,
                event.happened_at, kind, status, text=event.reason,
                by=dict(self._fields["provider"].selection)[event.provider])
            if found:
                event.to_log = False

    @api.model
    @api.private
    def _cron_log(self):
        """Those that came before their message was in the log; after an hour they are given up."""
        since = fields.Datetime.now() - timedelta(hours=1)
        waiting = self.search([("to_log", "=", True), ("create_date", ">=", since)])
        each_in_own_transaction(self.env, [waiting], lambda event: event._log())

    # -- forgotten -------------------------------------------------------------------------

    @api.autovacuum
    def _gc_payloads(self):
        """What came is emptied; deliveries, and what said nothing to us, go altogether.

        Bounces and complaints stay: an old message that is delivered once more is known by them.
        """
        before = fields.Datetime.now() - timedelta(
            days=self.env["emboux.reputation"]._settings().payload_days
        )
        old = [("create_date", "<", before)]
        worthless = [*old, "|", ("kind", "=", "delivery"), ("state", "=", "unreadable")]
        full = [*old, ("payload", "!=", False)]
        gone, more = delete_in_batches(self, worthless)
        emptied, fuller = delete_in_batches(
            self, full, lambda events: events.write({"payload": False})
        )
        return gone + emptied, more or fuller


def _readable(address):
    """Normalised if it is an address, otherwise as readable text."""
    try:
        return addresses.normalise_reported(address)
    except addresses.AddressError:
        return base.words(address)
