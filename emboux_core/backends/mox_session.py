# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""mox's HTTP API in the place of an SMTP session, as Odoo uses one."""

import logging
import smtplib
from collections.abc import Callable, Sequence
from email.message import EmailMessage

from ..net.errors import BackendError, NotAuthorised, UnknownOutcome, Unreachable
from .mox_compose import NotCarried
from .mox_hooks import EXTRA, EXTRA_HEADER
from .mox_webapi import MoxWebApi

_logger = logging.getLogger(__name__)

_AUTHENTICATION, _LATER, _FAILED = 535, 421, 554  # RFC 4954, 6; RFC 5321, 4.2.3


def fit_for_smtp(message: EmailMessage, recipients: Sequence[str]) -> None:
    """Write down whom mox's events about this message are about, because they do not say it; and
    take out ``Return-Path``, which Odoo sets and mox refuses where it is pedantic (550 5.6.0).

    Where there are several recipients the events are about one of these, nobody knows which.  The
    field reaches the recipient, who knows their own address.
    """
    del message["Return-Path"]
    del message[EXTRA_HEADER]
    if len(set(recipients)) == 1:
        message[EXTRA_HEADER] = recipients[0].lower()


class MoxSession:
    """As much of ``smtplib.SMTP`` as Odoo uses to send: its errors too are those of SMTP, by which
    it is known what may be tried again.

    ``from_filter``, ``smtp_from``: as Odoo notes them at a session. ``by_smtp`` opens a session for
    what the HTTP API does not carry.
    """

    def __init__(
        self, api: MoxWebApi, from_filter: str, smtp_from: str,
        by_smtp: Callable[[], smtplib.SMTP],
    ):
        self._api, self._by_smtp = api, by_smtp
        self._smtp: smtplib.SMTP | None = None
        self.from_filter, self.smtp_from = from_filter, smtp_from

    def send_message(
        self, message: EmailMessage, smtp_from: str, recipients: Sequence[str]
    ) -> None:
        """``smtp_from``: mox takes the sender in the header for the return path, or makes one."""
        extra = {EXTRA: recipients[0].lower()} if len(set(recipients)) == 1 else {}
        try:
            self._api.send(message, list(dict.fromkeys(recipients)), extra)
        except NotCarried as error:
            _logger.info("%s goes by SMTP: %s", message["Message-ID"], error)
            fit_for_smtp(message, recipients)
            self._smtp = self._smtp or self._by_smtp()
            self._smtp.send_message(message, smtp_from, recipients)
        except BackendError as error:
            code = _FAILED
            if isinstance(error, NotAuthorised):
                code = _AUTHENTICATION
            elif isinstance(error, Unreachable):
                code = _LATER
            words = str(error)
            if isinstance(error, UnknownOutcome):
                # twice is worse than late: a person may look whether it has arrived
                words = f"It is not known whether mox has taken this message. {words}"
            raise smtplib.SMTPResponseException(code, words) from None

    def quit(self) -> None:
        if self._smtp:
            self._smtp.quit()
