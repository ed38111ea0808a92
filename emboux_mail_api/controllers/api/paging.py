"""Pages of a list by keyset: stable when rows come and go between two pages."""

import base64
import json

from odoo.fields import Domain

from .errors import invalid
from .types import Page


def page_of(model, domain, query, key, item, show, fields=()):
    """One page of ``model``'s records, as ``Page[item]``.

    ``key``: a field with unique values by which the list is ordered; ``show`` turns a recordset
    into a list of ``item`` and reads ``fields``, which come with the search.
    """
    total = model.search_count(domain)
    if query.cursor:
        domain = Domain(domain) & Domain(key, ">", _decode(query.cursor, model, key))
    records = model.search_fetch(domain, [*fields], order=key, limit=query.limit + 1)
    more = len(records) > query.limit
    records = records[: query.limit]
    following = _encode(records[-1][key]) if more else None
    return Page[item](items=show(records), total=total, next=following)


def _encode(value):
    return base64.urlsafe_b64encode(json.dumps([value]).encode()).decode().rstrip("=")


def _decode(cursor, model, key):
    wanted = int if model._fields[key].type in ("id", "integer") else str
    try:
        packed = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
        [value] = json.loads(packed)
        fits = type(value) is wanted and (
            abs(value) < 2**31 if wanted is int else value.isprintable()
        )
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise invalid("cursor", "it is not a cursor of this list; begin without one")
    return value
