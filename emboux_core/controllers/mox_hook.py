# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a mox server tells this Odoo of its mailboxes there: mail that has come, and what became of
mail that was sent.

The answers are for mox: after 200 it is done, after anything else it tells again (see
``backends/mox_hooks.py``).  What it would tell in vain for ever is answered with 200 too.
"""

import logging

from odoo import SUPERUSER_ID, http
from odoo.exceptions import UserError
from odoo.http import request

from ..backends import mox_hooks
from ..net.answers import Unfit
from ..net.errors import BackendError
from ..transactions import in_own_transaction
from . import inbound

_logger = logging.getLogger(__name__)

MAX_REQUEST = 32 * 1024 * 1024  # bytes: text and HTML of 1 MiB each, which JSON may make six times


def _answer(status, sentence):
    return request.make_response(
        sentence, [("Content-Type", "text/plain; charset=utf-8")], status=status)


def _route(direction):
    return http.route(
        f"/emboux/mox/<int:number>/{direction}", type="http", auth="none", methods=["POST"],
        csrf=False, save_session=False, readonly=False, sitemap=False,
        max_content_length=MAX_REQUEST,
    )


class MoxHookController(http.Controller):
    def _called(self, number, parse):
        """Mailbox, name of the call, what it says; or an answer in the place of these."""
        headers = request.httprequest.headers
        # as superuser: the caller is no user, but a mail server that knows the mailbox' secret
        request.update_env(user=SUPERUSER_ID)
        mailbox = request.env["emboux.mailbox"].with_context(active_test=False).search(
            [("id", "=", number)])
        given = headers.get("Authorization", "")
        if not mox_hooks.is_secret(mailbox.mox_secret or "", given):
            return _answer(401, "This is not what was agreed upon for this mailbox."), None, None
        body = request.httprequest.get_data()
        name = mox_hooks.name_of(headers.get("X-Mox-Webhook-ID", ""), body)
        if not name:
            return _answer(400, "There is no X-Mox-Webhook-ID."), None, None
        if request.env["emboux.mox.hook"]._is_taken(mailbox, name):
            return _answer(200, "Taken before."), None, None
        try:
            return mailbox, name, parse(body)
        except Unfit as error:
            _logger.warning("mox tells of %s what is not understood: %s", mailbox.email, error)
            return _answer(400, f"This is not understood: {error}."), None, None

    @_route("incoming")
    def incoming(self, number, **_form):
        mailbox, name, told = self._called(number, mox_hooks.Incoming.parse)
        if not name:
            return mailbox
        if not mailbox.mox_receives:
            return _answer(200, "Odoo does not receive this mailbox any more.")
        try:
            raw = mailbox._mox_webapi().raw(told.number)
        except (BackendError, UserError) as error:
            _logger.warning("message %s of %s waits: %s", told.number, mailbox.email, error)
            return _answer(503, str(error))
        hook = mailbox.id, name
        status, sentence = inbound.file_message(
            request.env["mail.thread"], mailbox.email,
            mox_hooks.as_received(raw, told.recipient), hook)
        if status == 422:
            # it stays in the mailbox, and would have no better place later
            in_own_transaction(request.env["emboux.mox.hook"], "_take", *hook)
            status = 200
        return _answer(status, sentence)

    @_route("outgoing")
    def outgoing(self, number, **_form):
        mailbox, name, event = self._called(number, mox_hooks.Event.parse)
        if not name:
            return mailbox
        in_own_transaction(
            request.env["emboux.mox.hook"], "_take_event", mailbox.id, name, event)
        return _answer(200, "Taken.")
