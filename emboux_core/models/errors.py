"""Errors of the plain-Python parts, as the user reads them."""

from contextlib import contextmanager

from odoo.exceptions import UserError, ValidationError

from ..addresses import AddressError
from ..backends.base import BackendError, Refused, UnknownOutcome


@contextmanager
def plain_errors():
    """A bad name or address becomes a ``ValidationError`` with the same sentence."""
    try:
        yield
    except AddressError as error:
        raise ValidationError(str(error)) from error


@contextmanager
def backend_errors(env, backend_name):
    """A backend that did not do it becomes a ``UserError``: the transaction saves nothing."""
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
    """What became of a call, whatever was saved here."""
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
