# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from ...api_errors import ApiError, not_found
from ...models.message_send import SendError
from ...sending.compose import BINARY, Attachment, ComposeError, Draft, compose
from .domains import names_of, search_domain
from .operation import operation
from .paging import newest_of
from .schemas import message as schemas

TAG = "Messages"
FIELDS = (
    "at", "changed_at", "direction", "status", "domain_id", "sender", "recipient",
    "original_recipient", "message_id", "queue_id", "login", "client", "size", "attempts", "relay",
    "receiver", "dsn", "answer", "from_id", "extra", "tags",
)
_MAY_BE_EMPTY = (
    "original_recipient", "message_id", "queue_id", "login", "client", "size", "relay", "receiver",
    "dsn", "answer", "from_id",
)
#: Bytes of a request: 25 MB of attachments, in Base64, and the rest of it.
LARGEST = 40 * 1024 * 1024
REFUSED = {
    403: "badFrom: it is not an address that this key may send from.",
    409: "domainDisabled: the domain is suspended, not verified or blocked.",
    413: "The request is too large.",
}


class MessageController(http.Controller):
    @operation("GET", "/messages", role="customer", area="send", tag=TAG,
               query=schemas.MessageList, out=schemas.MessagePage, summary="List messages")
    def list_messages(self, query):
        """What was sent, received and refused, a row for each recipient, the newest first.

        Kept for so many days as the operator has set.
        """
        found, following = newest_of(
            request.env["emboux.message"], _wanted(query), query, ("at", "id"), FIELDS)
        names = names_of(found)
        return schemas.MessagePage(
            items=[schemas.Message(**_show(message, names)) for message in found], next=following)

    @operation("GET", "/messages/{id}", role="customer", area="send", tag=TAG,
               out=schemas.MessageStory, summary="Show what happened to a message")
    def read_message(self, id):
        """Each attempt, and what every server said."""
        message = request.env["emboux.message"].search_fetch(
            [("id", "=", id)], [*FIELDS, "events"])
        if not message:
            raise not_found()
        events = [
            schemas.MessageEvent(
                at=event["at"], kind=event["kind"], words=words,
                details={name: value for name, value in event.items()
                         if name not in ("at", "kind")})
            for event, words in message._story()
        ]
        return schemas.MessageStory(**_show(message, names_of(message)), events=events)

    @operation("POST", "/messages/send", role="customer", area="send", tag=TAG,
               body=schemas.Send, out=schemas.Sent, status=202, errors=REFUSED, commits=True,
               files=True, largest=LARGEST, summary="Send a message")
    def send_message(self, body):
        """Each recipient gets a message of their own, with an answer here, and a story in
        `GET /messages/{id}`.

        What the mail server refuses for one recipient stands in the answer and stops no other. The
        same limits hold as for mail programs. An error has a `code` beside `detail`: badFrom,
        badAddress, noRecipients, missingBody, malformedMessageID, messageTooLarge,
        recipientLimitReached, domainDisabled, user (something else in the request), server. Names
        at `sandbox.invalid` play outcomes: `delivered@`, `bounced+550-5.1.1@`, `delayed@`,
        `failed@`, `complained@`, `suppressed@`; with a test key, those of every domain do.

        As a form (`multipart/form-data`) the JSON is its field `message`, and files are
        attachments, which need no Base64. One with a header `Content-ID` is shown by the HTML.
        """
        try:
            return _send(body)
        except (ComposeError, SendError) as error:
            raise _refusal(error) from error

    @operation("POST", "/messages/send-batch", role="customer", area="send", tag=TAG,
               body=schemas.SendBatch, out=schemas.BatchAnswers, commits=True, bulk=True,
               largest=LARGEST, summary="Send up to 500 messages")
    def send_messages(self, body):
        """One after the other, with an answer each: what is wrong with one stops no other."""
        return schemas.BatchAnswers(messages=[_answer_of(each) for each in body.messages])

    @operation("DELETE", "/messages/{id}", role="customer", area="send", tag=TAG, status=204,
               summary="Take back a message that waits for its time")
    def cancel_message(self, id):
        """404 once it has left, and for any that does not wait."""
        message = request.env["emboux.message"].search([("id", "=", id)])
        if not message or not message._cancel():
            raise not_found()


def _send(body):
    key = request.emboux_key
    draft = Draft(**{
        name: value for name, value in body if name in Draft.__dataclass_fields__ and value
    } | {"attachments": [
        *(Attachment(each.name, each.content, each.content_type, each.content_id or "")
          for each in body.attachments),
        *(Attachment(each.filename or "file", each.read(), each.mimetype or BINARY,
                     each.headers.get("Content-ID", "").strip("<>")) for each in body._files),
    ]})
    composed = compose(draft)
    del draft  # of large attachments there is no third copy
    for each in body.attachments:
        each.content = b""
    if key.sender and composed.sender != key.sender:
        raise SendError(403, "badFrom", f"This key sends from {key.sender} only.", "from")
    sent = request.env["emboux.message"]._send(
        composed, test=key.test, send_at=body.send_at, extra=body.extra, tags=body.tags)
    return schemas.Sent(
        message_id=composed.message_id,
        recipients=[
            schemas.SentRecipient(
                id=str(each.id), recipient=each.recipient, status=each.status,
                from_id=each.from_id, code=each.code or None, detail=each.text or None)
            for each in sent
        ])


def _refusal(error):
    """The answer to what is not sent at all; its ``code`` stands beside the reason."""
    if isinstance(error, ComposeError):
        return ApiError(422, [{"field": error.field, "message": str(error)}], kind=error.code)
    if error.http_status == 422:
        return ApiError(422, [{"field": error.field, "message": str(error)}], kind=error.code)
    headers = {"Retry-After": "60"} if error.http_status in (429, 503) else None
    return ApiError(error.http_status, str(error), headers, kind=error.code)


def _answer_of(body):
    try:
        sent = _send(body)
    except ComposeError as error:
        return schemas.BatchAnswer(
            status=422, code=error.code, field=error.field, detail=str(error))
    except SendError as error:
        return schemas.BatchAnswer(
            status=error.http_status, code=error.code, field=error.field, detail=str(error))
    return schemas.BatchAnswer(status=202, message_id=sent.message_id, recipients=sent.recipients)


def _wanted(query):
    domain = SearchDomain.TRUE
    for name, searched in (("recipient", "to_address"), ("sender", "from_address")):
        if value := getattr(query, name):
            domain &= SearchDomain(searched, "ilike", value)
    for name in ("queue_id", "status", "direction"):
        if value := getattr(query, name):
            domain &= SearchDomain(name, "=", value)
    if query.message_id:
        domain &= SearchDomain("message_id", "=", query.message_id.strip().strip("<>"))
    if query.domain:
        domain &= SearchDomain("domain_id", "=", search_domain(query.domain).id or 0)
    if query.since:
        domain &= SearchDomain("at", ">=", query.since)
    if query.until:
        domain &= SearchDomain("at", "<", query.until)
    if query.q:
        domain &= SearchDomain.OR(
            SearchDomain(name, "ilike", query.q) for name in ("address", "last_answer"))
    return domain


def _show(message, names):
    values = {name: message[name] for name in FIELDS if name != "domain_id"}
    values |= {name: values[name] or None for name in _MAY_BE_EMPTY}
    values |= {name: values[name] or "" for name in ("sender", "recipient")}
    values |= {"extra": values["extra"] or {}, "tags": values["tags"] or []}
    return values | {"id": str(message.id), "domain": names.get(message.domain_id.id)}
