# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Errors of other servers: one family for platforms, providers and DNS."""


class BackendError(Exception):
    """Why a backend call failed, as one plain sentence.

    Never a ``UserError``: what the user reads is for the models to say.
    """


class Refused(BackendError):
    """The platform said no and will say it again: nothing was changed there."""


class NotAuthorised(Refused):
    """The platform does not accept the key: a person has to fix that."""


class Unreachable(BackendError):
    """The platform did not receive the call: nothing was changed, it may be repeated."""


class Busy(Unreachable):
    """The platform takes no more calls for now, ``wait`` seconds; nothing is wrong."""

    def __init__(self, sentence: str, wait: float):
        super().__init__(sentence)
        self.wait = wait


class UnknownOutcome(BackendError):
    """The call was sent and its answer lost: it may have been done; repeat it to be sure."""
