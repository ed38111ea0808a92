# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How the body of a call is read, with the words of what is wrong with it."""

import json

from .docs import Failure


def _bad(text: str) -> Failure:
    return Failure("sherpa:badRequest", text)


def recorded(body):
    """The params of a call, or none when it has none that can be read."""
    try:
        return json.loads(body)["params"]
    except (ValueError, TypeError, LookupError):
        return []


def check_type(written):
    if not written:
        raise _bad("missing content-type")
    kind, *parameters = (part.strip() for part in written.split(";"))
    if kind.lower() != "application/json":
        wanted = 'expecting "application/json"'
        raise _bad(f'unrecognized content-type "{kind.lower()}", {wanted}')
    for one in parameters:
        name, _equals, value = one.partition("=")
        if name.strip().lower() == "charset" and value.strip('" ').lower() != "utf-8":
            raise _bad(f'unexpected charset "{value}", expecting "utf-8"')


def params(function, body):
    what = f'function "{function}": invalid JSON request body'
    try:
        request, _end = json.JSONDecoder().raw_decode(body.decode().lstrip())
    except ValueError:
        reason = "invalid character" if body.strip() else "EOF"
        raise _bad(f"{what}: {reason}") from None
    if not isinstance(request, dict):
        raise _bad(f"{what}: json: cannot unmarshal")
    for name in request:
        if name.lower() != "params":
            raise _bad(f'{what}: json: unknown field "{name}"')
    if not request:
        raise _bad(f"{what}: unexpected end of JSON input")
    params = next(iter(request.values()))
    if params is None:
        return []
    if not isinstance(params, list):
        kind = "object" if isinstance(params, dict) else "value"
        raise _bad(f"{what}: json: cannot unmarshal {kind} into Go value of type []interface {{}}")
    return params
