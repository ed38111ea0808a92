from odoo import http
from odoo.api import SUPERUSER_ID, Environment
from odoo.http import request

from ...models.webhook_event import SignatureRefused
from .errors import ApiError
from .operation import operation
from .schemas import other as schemas

TAG = "Webhooks"
REFUSED = {403: "The signature is not the provider's, too old, or was seen before."}


def _events():
    # as superuser: a provider has no user, its signature alone lets it in
    return Environment(request.env.cr, SUPERUSER_ID, {})["emboux.webhook.event"]


def _refused():
    return ApiError(403, "The signature is not valid")


class WebhookController(http.Controller):
    @operation("POST", "/webhooks/mailgun", role="signature", tag=TAG,
               body=schemas.MailgunWebhook, out=schemas.Accepted, errors=REFUSED,
               summary="Bounces and complaints from Mailgun")
    def receive_mailgun(self, body):
        signed = body.signature
        try:
            _events()._accept_mailgun(
                signed.timestamp, signed.token, signed.signature,
                body.model_dump_json(by_alias=True),
            )
        except SignatureRefused as error:
            raise _refused() from error
        return schemas.Accepted()

    @operation("POST", "/webhooks/ses", role="signature", tag=TAG, body=schemas.SnsMessage,
               out=schemas.Accepted, errors=REFUSED,
               summary="Bounces and complaints from Amazon SES, by SNS")
    def receive_ses(self, body):
        """Nothing is accepted until a topic is configured."""
        raise _refused()
