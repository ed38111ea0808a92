# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that a mail server hands to this Odoo, to be filed by its own mail gateway.

The answers are for the daemon that calls (``odoo emboux_inbound``), one for each message: 200 once
it is committed, or was before; 401 where its signature is wrong; 422 where Odoo has no place for
it; 503 where it may have later.
"""

import logging

import psycopg2

from odoo import SUPERUSER_ID, http
from odoo.http import request

from ..models.mail_thread import InUse, Undeliverable
from ..net import push, signature

_logger = logging.getLogger(__name__)

MAX_REQUEST = 128 * 1024 * 1024  # bytes
TAKEN = 200, "Taken."
UNSIGNED = 401, "The signature is not that of this mailbox, or too old."


def _refusal(status, sentence):
    return request.make_response(
        sentence, [("Content-Type", "text/plain; charset=utf-8")], status=status
    )


def file_message(thread, address, raw, hook=None):
    """File a message; returns the status and a sentence for whoever hands it over."""
    try:
        thread._take_pushed(raw, hook)
    except InUse:
        return 503, "Another copy of this message is being filed."
    except Undeliverable as error:
        return 422, str(error)
    except psycopg2.Error as error:
        _logger.warning("a message for %s waits: %s", address, error)
        return 503, "Odoo's database did not take the message."
    except Exception:
        # what is wrong with one message is for a person to read, and must not lose it
        _logger.exception("a message for %s waits in the mail server's queue", address)
        return 503, "Odoo failed on this message; its log says why."
    return TAKEN


class InboundController(http.Controller):
    @http.route(
        f"{push.PATH}<int:number>", type="http", auth="none", methods=["POST"], csrf=False,
        save_session=False, readonly=False, sitemap=False, max_content_length=MAX_REQUEST,
    )
    def take(self, number, **_form):
        # as superuser: the caller is no user, but a mail server that knows the mailbox' secret
        request.update_env(user=SUPERUSER_ID)
        mailbox = request.env["emboux.mailbox"].search(
            [("id", "=", number), ("push_secret", "!=", False)]
        )
        if not mailbox:
            return _refusal(404, "This Odoo takes no mail for that mailbox.")
        address, secret = mailbox.email, mailbox.push_secret
        parts = request.httprequest.files.getlist(push.FIELD)
        if not parts:
            return _refusal(400, "There is no message in this request.")
        bodies = [part.read() for part in parts]
        answers = [
            None if signature.is_signed(secret, part.headers, body) else UNSIGNED
            for part, body in zip(parts, bodies, strict=True)
        ]
        signed = [body for body, answer in zip(bodies, answers, strict=True) if not answer]
        thread = request.env["mail.thread"]
        together = len(signed) > 1 and thread._take_pushed_together(signed)
        return request.make_json_response({"messages": [
            {"status": status, "sentence": sentence} for status, sentence in (
                answer or (TAKEN if together else file_message(thread, address, body))
                for body, answer in zip(bodies, answers, strict=True)
            )
        ]})  # fmt: skip
