# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Errors of the plain-Python parts, as the user reads them."""

import re
from contextlib import contextmanager

from odoo.exceptions import UserError, ValidationError

from ..addresses import AddressError
from ..net.errors import BackendError, Refused, UnknownOutcome

MAX_LINE_LENGTH = 255  # characters of a name, a subject and the like
MAX_TEXT_LENGTH = 100_000  # of what has several lines
# PostgreSQL holds neither U+0000 nor half a surrogate pair; the others end up in header fields
_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def control_character(text, lines=False):
    """The first control character that a text of one line (or of several) must not hold; or None.

    As ``U+0000``, for a sentence.
    """
    found = (_IN_TEXT if lines else _IN_LINE).search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def refuse_unfit_text(
    model, vals, except_for=frozenset(), long=frozenset(), longest=MAX_LINE_LENGTH
):
    """Refuse control characters, and unreasonably long text, in what a user writes.

    :param except_for: fields whose own rules say more exactly what they hold.
    :param long: fields of one line that hold as much as those of several.
    :raises ValidationError: names the field.
    """
    for name, value in vals.items():
        field = model._fields.get(name)
        if not isinstance(value, str) or name in except_for or field is None or not field.store:
            continue
        lines = field.type not in ("char", "selection", "reference")
        most = MAX_TEXT_LENGTH if lines or name in long else longest
        if len(value) > most:
            raise ValidationError(
                model.env._(
                    "%(field)s has %(count)s characters, at most %(most)s are possible.",
                    field=field._description_string(model.env), count=len(value), most=most,
                )
            )
        if found := control_character(value, lines):
            raise ValidationError(
                model.env._(
                    "%(field)s contains the control character %(character)s, such as a line "
                    "break or a null byte: type it again by hand.",
                    field=field._description_string(model.env), character=found,
                )
            )


@contextmanager
def plain_errors():
    """A bad name or address becomes a ``ValidationError`` with the same sentence."""
    try:
        yield
    except AddressError as error:
        raise ValidationError(str(error)) from error


@contextmanager
def backend_errors(env, backend_name):
    """A failed backend call becomes a ``UserError``: the transaction saves nothing."""
    try:
        yield
    except Refused as error:
        raise UserError(backend_sentence(env, backend_name, error)) from error
    except UnknownOutcome as error:
        raise UserError(
            env._(
                "%(backend)s did not answer in time, so nothing was saved here. "
                "Save again: repeating is safe. (%(reason)s)",
                backend=backend_name,
                reason=error,
            )
        ) from error
    except BackendError as error:
        raise UserError(
            env._(
                "%(backend)s cannot be reached, so nothing was saved. Try again later. "
                "(%(reason)s)",
                backend=backend_name,
                reason=error,
            )
        ) from error


def backend_sentence(env, backend_name, error):
    """The outcome of a call, whatever was saved here."""
    if isinstance(error, Refused):
        return env._("%(backend)s refused: %(reason)s", backend=backend_name, reason=error)
    if isinstance(error, UnknownOutcome):
        return env._(
            "%(backend)s did not answer in time. Repeating is safe. (%(reason)s)",
            backend=backend_name,
            reason=error,
        )
    return env._(
        "%(backend)s cannot be reached. (%(reason)s)", backend=backend_name, reason=error
    )
