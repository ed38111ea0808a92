# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One declaration for each operation: route, role, schemas and documentation come from it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from odoo import http

from .types import NoQuery, Schema

BASE = "/emboux/v1"
MAX_BODY_BYTES = 4 * 1024 * 1024  # bytes; a thousand aliases of many destinations fit
JSON, FORM = "application/json", "multipart/form-data"

Role = Literal["nobody", "customer", "master", "signature"]
Area = Literal["domains", "mailboxes", "send"]


@dataclass(frozen=True)
class Operation:
    """The declaration of one operation of the API.

    ``role``: who may call it: ``customer`` includes ``master``; ``signature`` proves itself by
    a signature in the request; ``nobody`` needs no key.
    ``area``: what a key with a narrower scope needs; None is for customers' keys of any scope
    and for master keys that reach everything.
    ``prepare``: called before the transaction's work, for what must hold no lock; returns the
    name of the lock to take (see ``locks.py``), or None.
    ``commits``: saves its work before the answer is known, because somebody else has to be asked
    who must not hear of what may still be taken back.
    ``bulk``: much work in one request: few are done at once.
    ``current``: name of the handler that shows what a ``PUT`` changes, for ``If-Match``.
    ``accepts``: media types of a body of JSON, for senders who call it by another name.
    ``files``: takes a form too (``multipart/form-data``): the JSON as ``message``, and files, which
    the body has as ``_files``.
    ``largest``: bytes of a body; beyond them it is not read.
    ``errors``: status to reason, beside those that follow from the rest.
    """

    name: str
    method: str
    path: str
    role: Role
    summary: str
    tag: str
    handler: Callable
    description: str = ""
    area: Area | None = None
    query: type[Schema] = NoQuery
    body: type[Schema] | None = None
    out: type | None = None
    status: int = 200
    statuses: dict[int, str] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    prepare: Callable | None = None
    current: str | None = None
    writes: bool = False
    deprecated: bool = False
    bulk: bool = False
    commits: bool = False
    accepts: frozenset[str] = frozenset({JSON})
    files: bool = False
    largest: int = MAX_BODY_BYTES

    @property
    def path_parameters(self):
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


#: All operations in the order of their declaration, by name.
OPERATIONS: dict[str, Operation] = {}


def operation(method, path, *, role, summary, tag, **options):
    """Declare a method of a controller as an operation of the API.

    It is called with the path's parameters by name, ``query`` and ``body`` where it has them,
    and returns an instance of ``out``, or a pair of status and such an instance.
    """

    def decorate(handler):
        if handler.__name__ in OPERATIONS:
            raise ValueError(f"There is an operation {handler.__name__} already.")
        if role not in get_args(Role):  # otherwise it would be open to everybody
            raise ValueError(f"{handler.__name__} has the unknown role {role!r}.")
        options.setdefault("writes", method != "GET")
        declared = Operation(
            name=handler.__name__, method=method, path=path, role=role, summary=summary, tag=tag,
            handler=handler, description=(handler.__doc__ or "").strip(), **options,
        )
        OPERATIONS[declared.name] = declared
        # a recipient may have a slash before its @
        route = BASE + path.replace("{recipient}", "<path:recipient>").replace(
            "{", "<").replace("}", ">")
        return http.route(
            [route],
            type="emboux",
            auth="emboux_key" if role in ("customer", "master") else "emboux_nobody",
            methods=[method],
            readonly=not declared.writes,
            save_session=False,
            max_content_length=declared.largest,
            emboux_operation=declared.name,
        )(handler)

    return decorate
