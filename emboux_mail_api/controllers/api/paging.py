# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Pages of a list by keyset: stable when rows come and go between two pages."""

import base64
import json
from datetime import datetime

from odoo.fields import Datetime, Domain

from odoo.addons.emboux_core.models.errors import control_character

from ...api_errors import invalid
from .types import Page


def page_of(model, domain, query, key, item, show, fields=(), unique=True):
    """One page of ``model``'s records, as ``Page[item]``.

    ``key``: a field by which the list is ordered, and by ``id`` after it where its values are
    not ``unique``; ``show`` turns a recordset into a list of ``item`` and reads ``fields``,
    which come with the search.
    """
    total = model.search_count(domain)
    keys = [key] if unique else [key, "id"]
    if query.cursor:
        domain = Domain(domain) & _after(keys, _decode(query.cursor, model, keys))
    records = model.search_fetch(domain, [*fields], order=", ".join(keys), limit=query.limit + 1)
    more = len(records) > query.limit
    records = records[: query.limit]
    following = _encode([records[-1][name] for name in keys]) if more else None
    return Page[item](items=show(records), total=total, next=following)


def newest_of(model, domain, query, keys, fields):
    """(records, cursor of the following page or None), the newest first, uncounted.

    ``keys``: a field of the type datetime and ``id``, by which an index of the table is ordered.
    """
    if query.cursor:
        moment, number = _decode(query.cursor, model, keys)
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise _no_cursor() from None
        # the first part alone tells the index where to begin
        domain = Domain(domain) & Domain(keys[0], "<=", moment) & (
            Domain(keys[0], "<", moment) | Domain(keys[1], "<", number))
    order = ", ".join(f"{key} DESC" for key in keys)
    records = model.search_fetch(domain, fields, order=order, limit=query.limit + 1)
    more = len(records) > query.limit
    records = records[: query.limit]
    if not more:
        return records, None
    return records, _encode([Datetime.to_string(records[-1][keys[0]]), records[-1].id])


def _after(keys, values):
    """Search domain: after these values in the order of the keys."""
    after = Domain(keys[0], ">", values[0])
    if len(keys) == 2:
        after |= Domain(keys[0], "=", values[0]) & Domain(keys[1], ">", values[1])
    return after


def _encode(values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _decode(cursor, model, keys):
    wanted = [int if model._fields[key].type in ("id", "integer") else str for key in keys]
    try:
        packed = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
        values = json.loads(packed)
        fits = [type(value) for value in values] == wanted and all(
            abs(value) < 2**53 if type(value) is int else not control_character(value)
            for value in values
        )
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise _no_cursor()
    return values


def _no_cursor():
    return invalid("cursor", "it is not a cursor of this list; begin without one")
