# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The OpenAPI 3.1 document, derived from the declared operations and nothing else."""

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from ...api_errors import MASTER_REQUIRED, NOT_FOUND, READ_ONLY
from ...models.api_key import WRONG_ADDRESS
from .operation import BASE, FORM, JSON, OPERATIONS
from .schemas.webhook import EVENTS, example_of
from .types import LARGEST, Address, AliasAddress, DomainName, Invalid, Problem, Recipient

_TEMPLATE = "#/components/schemas/{model}"
_PATH = {
    "name": (TypeAdapter(DomainName), "A domain; Unicode or A-label."),
    "email": (TypeAdapter(Address), "The address of a mailbox."),
    "address": (TypeAdapter(AliasAddress), "An alias, or `@domain` (percent-encoded: %40domain)."),
    "recipient": (TypeAdapter(Recipient), "Any address that mail was sent to."),
    "key_id": (TypeAdapter(int), "The number of a key."),
    "id": (TypeAdapter(int), "The number of a message, for one recipient."),
    "webhook_id": (TypeAdapter(int), "The number of a webhook."),
    "delivery_id": (TypeAdapter(int), "The number of a delivery."),
    "queued_id": (TypeAdapter(int), "The number of a message in a queue."),
    "rule_id": (TypeAdapter(int), "The number of a hold rule."),
    "recipient_domain": (TypeAdapter(DomainName), "A domain that mail is sent to."),
    "token": (None, "`self`, or for a master key the number of another key."),
}
_REASONS = {
    401: "No key, or one that is unknown, expired or revoked.",
    403: "The key does not have this permission.",
    404: "It is not there, or somebody else's: the answer is the same.",
    405: "The path exists, with other methods.",
    408: "The body took too long to arrive.",
    409: "It conflicts with the current state; the sentence says why.",
    412: "It has changed since it was read (`If-Match`).",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Something in the request does not fit; each field is named.",
    429: "Too much at once; wait as long as `Retry-After` says.",
}
DESCRIPTION = """Mail hosting: domains, mailboxes, aliases and what belongs to them.

Send your key with each request: `Authorization: Bearer emboux_...`. Names are lower-cased and
IDNA-encoded on the way in. An error is `{"detail": ...}`: one sentence, or for 422 a list that
names the fields. A resource of somebody else answers as if it were not there.

Repeating any `PUT`, `DELETE` or upsert is harmless; for other `POST`s send an `Idempotency-Key`
of your own making, and a repeated request gets the first one's answer (kept for 24 hours).
`ETag` and `If-Match` keep you from overwriting what somebody else has changed. Lists are paged by
cursor: ask again with `cursor` set to `next` until that is null. Each answer has an
`X-Request-ID`, yours if you send one.
"""


def document(version, server=BASE):
    """The document as a dictionary, in the order of the declarations."""
    schemas = _schemas()
    paths = {}
    for operation in OPERATIONS.values():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Emboux", "version": version, "description": DESCRIPTION},
        "servers": [{"url": server}],
        "paths": paths,
        "webhooks": {kind: _webhook(kind, model, schemas) for kind, model in EVENTS.items()},
        "components": {
            "schemas": schemas["definitions"],
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "emboux_..."}
            },
        },
    }


def _schemas():
    used = [(Problem, "serialization"), (Invalid, "serialization")]
    for operation in OPERATIONS.values():
        used += [(operation.body, "validation")] if operation.body else []
        used += [(operation.out, "serialization")] if operation.out else []
        used += [(operation.query, "validation")]
    used += [(model, "serialization") for model in EVENTS.values()]
    unique = list(dict.fromkeys(used))
    references, top = models_json_schema(unique, ref_template=_TEMPLATE)
    return {"references": references, "definitions": top.get("$defs", {})}


def _webhook(kind, model, schemas):
    """What an endpoint is sent, and what its answers mean."""
    said = [("webhook-id", "The same at each attempt: by it a repeated call is known.", "string"),
            ("webhook-timestamp", "Unix time of the attempt.", "integer"),
            ("webhook-signature", "`v1,` and the HMAC-SHA256 of `id.timestamp.body`, in Base64; "
             "two of them, while the secret is changed (Standard Webhooks).", "string")]
    return {"post": {
        "operationId": kind,
        "summary": kind,
        "tags": ["Webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": words,
             "schema": {"type": of_type}} for name, words, of_type in said],
        "requestBody": {"required": True, "content": {JSON: {
            "schema": schemas["references"][model, "serialization"],
            "example": example_of(kind)}}},
        "responses": {
            "2XX": {"description": "Taken."},
            "410": {"description": "It is no more: nothing is sent to it again."},
            "429": {"description": "Too much: called again after `Retry-After`."},
            "503": {"description": "Not now: called again after `Retry-After`."},
            "default": {"description": "Called again later."},
        },
    }}


def _operation(operation, schemas):
    references = schemas["references"]
    described = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, references),
        "x-required-role": operation.role,
    }
    if operation.description:
        described["description"] = operation.description
    if operation.role in ("customer", "master"):
        described["security"] = [{"key": []}]
    else:
        described["security"] = []
    if operation.deprecated:
        described["deprecated"] = True
    if operation.area:
        described["x-area"] = operation.area
    if operation.body:
        schema = references[operation.body, "validation"]
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
        if operation.files:
            described["requestBody"]["content"][FORM] = {
                "schema": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {
                        "message": schema,
                        "attachments": {"type": "array", "items": {
                            "type": "string", "contentMediaType": "application/octet-stream"}},
                    },
                },
                "encoding": {"message": {"contentType": JSON}},
            }
    return described


def _parameters(operation, schemas):
    parameters = []
    for name in operation.path_parameters:
        adapter, description = _PATH[name]
        schema = adapter.json_schema() if adapter else {"type": "string", "maxLength": 200}
        if name in LARGEST:
            schema = {"type": "integer", "minimum": 1, "maximum": LARGEST[name]}
        parameters.append(
            {"name": name, "in": "path", "required": True, "description": description,
             "schema": schema}
        )
    query = schemas["definitions"][operation.query.__name__]
    for name, schema in query.get("properties", {}).items():
        schema = _without_null(schema)
        parameter = {"name": name, "in": "query", "required": False, "schema": schema}
        if "description" in schema:
            parameter["description"] = schema["description"]
        parameters.append(parameter)
    headers = [("X-Request-ID", "Comes back with the answer and stands in the log.",
                {"type": "string"})]
    if operation.method == "POST" and operation.role in ("customer", "master"):
        headers.append(("Idempotency-Key", "The same key twice is one request.",
                        {"type": "string", "pattern": "^[!-~]{1,255}$"}))
    if operation.current:
        headers.append(("If-Match", "The `ETag` that was read; 412 if it has changed since.",
                        {"type": "string"}))
    for name, description, schema in headers:
        parameters.append(
            {"name": name, "in": "header", "required": False, "description": description,
             "schema": schema}
        )
    return parameters


def _without_null(schema):
    """A parameter is given or not; a URL has no null."""
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            kept |= choice
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    return kept


def _responses(operation, references):
    success = {operation.status: "Done.", **operation.statuses}
    responses = {}
    for status, reason in success.items():
        responses[str(status)] = {"description": reason, "headers": _headers(operation)}
        if operation.out and status != 204:
            responses[str(status)]["content"] = {
                "application/json": {"schema": references[operation.out, "serialization"]}
            }
    for status in sorted(_error_statuses(operation)):
        reason = operation.errors.get(status, _REASONS[status])
        model = Invalid if status == 422 else Problem
        content = {"schema": references[model, "serialization"]}
        if example := _example(operation, status):
            content["example"] = {"detail": example}
        responses[str(status)] = {
            "description": reason,
            "content": {"application/json": content},
        }
        if status == 429:
            responses["429"]["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
            }
    return responses


def _example(operation, status):
    """The sentence of an error, where it is always the same."""
    if status == 404:
        return NOT_FOUND
    if status == 403 and operation.role == "master":
        return MASTER_REQUIRED
    if status == 403 and operation.role == "customer":
        return READ_ONLY if operation.writes else WRONG_ADDRESS
    return None


def _headers(operation):
    headers = {"X-Request-ID": {"schema": {"type": "string"}}}
    if operation.current or (operation.method == "GET" and operation.role != "nobody"):
        headers["ETag"] = {"schema": {"type": "string"}}
    return headers


def _error_statuses(operation):
    """Derived from the declaration; ``errors`` adds those specific to the operation."""
    statuses = {405, 422, *operation.errors}
    if operation.role in ("customer", "master"):
        statuses |= {401, 403, 429}
    if operation.path_parameters:
        statuses.add(404)
    if operation.body:
        statuses |= {408, 413, 415}
        if operation.role != "signature":
            statuses |= {404, 409}
    elif operation.writes and operation.role != "signature":
        statuses.add(409)
    if operation.current:
        statuses |= {409, 412}
    return statuses
