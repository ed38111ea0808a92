# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.api import SUPERUSER_ID, Environment
from odoo.http import request

from ...api_errors import ApiError, too_many
from ...events.sns import TryLater
from ...models.webhook_event import SignatureRefused
from .operation import JSON, operation
from .schemas import other as schemas

TAG = "Webhooks"
REFUSED = {
    403: "The signature is not the provider's, too old, or was seen before.",
    429: "Nothing could be done about it just now: send it again.",
}
MAX_BODY_BYTES = 1024 * 1024  # bytes; SNS sends 256 KiB at most, which JSON can double
WAIT_SECONDS = 30  # seconds until a provider should try again


def _events(env):
    # as superuser: a provider has no user, it authenticates by its signature
    return Environment(env.cr, SUPERUSER_ID, {})["emboux.webhook.event"]


def _refused():
    return ApiError(403, "The signature is not valid")


def _prepare_mailgun(env, arguments):
    """The signature is checked before the lock is taken: strangers must not block anybody."""
    body, events = arguments["body"], _events(env)
    signed = body.signature
    try:
        events._verify_mailgun(signed.timestamp, signed.token, signed.signature)
    except SignatureRefused as error:
        raise _refused() from error
    return events._lock_name(events._read_mailgun(body.model_dump_json(by_alias=True)))


def _prepare_ses(env, arguments):
    """Amazon is contacted here, where no lock is held."""
    message, events = arguments["body"].fields_of_sns(), _events(env)
    try:
        events._verify_sns(message)
        if message["Type"] == "SubscriptionConfirmation":
            events._confirm_sns(message)
    except SignatureRefused as error:
        raise _refused() from error
    except TryLater as error:
        # SNS repeats after 429 and 5xx, and after no other status
        raise too_many(
            "Amazon SNS does not answer just now. Send it again.", WAIT_SECONDS
        ) from error
    return events._lock_name(events._read_ses(message))


class WebhookController(http.Controller):
    @operation("POST", "/webhooks/mailgun", role="signature", tag=TAG,
               body=schemas.MailgunWebhook, out=schemas.Accepted, errors=REFUSED,
               prepare=_prepare_mailgun, largest=MAX_BODY_BYTES,
               summary="Bounces and complaints from Mailgun")
    def receive_mailgun(self, body):
        """A token is valid once.  A duplicate report changes nothing."""
        signed = body.signature
        try:
            _events(request.env)._accept_mailgun(
                signed.timestamp, signed.token, signed.signature,
                body.model_dump_json(by_alias=True),
            )
        except SignatureRefused as error:
            raise _refused() from error
        return schemas.Accepted()

    @operation("POST", "/webhooks/ses", role="signature", tag=TAG, body=schemas.SnsMessage,
               out=schemas.Accepted, errors=REFUSED, prepare=_prepare_ses, largest=MAX_BODY_BYTES,
               accepts=frozenset({JSON, "text/plain"}),
               summary="Bounces and complaints from Amazon SES, by SNS")
    def receive_ses(self, body):
        """Messages of configured topics alone.  SNS sends its JSON as `text/plain`, which is
        taken too.  A message that is known already changes nothing."""
        _events(request.env)._accept_sns(body.fields_of_sns())
        return schemas.Accepted()
