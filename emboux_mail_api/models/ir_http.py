# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import re

from odoo import api, models
from odoo.http import request

from ..api_errors import ApiError, too_many
from .api_key import AddressRefused, KeyRefused

_logger = logging.getLogger(__name__)

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _auth_method_emboux_nobody(cls):
        """No key, and no session either: a browser's cookie means nothing here."""
        request.emboux_key = None
        request.env = api.Environment(request.env.cr, None, {})
        request.env.transaction.default_env = request.env

    @classmethod
    def _auth_method_emboux_key(cls):
        """``Authorization: Bearer``: the request goes on as the key's technical user."""
        cls._auth_method_emboux_nobody()
        sent = _BEARER.fullmatch(request.httprequest.headers.get("Authorization", "").strip())
        address = request.httprequest.remote_addr or "0.0.0.0"  # noqa: S104 - not bound to
        # as superuser: nobody is logged in yet
        keys = api.Environment(request.env.cr, api.SUPERUSER_ID, {})["emboux.api.key"]
        try:
            if not sent:
                raise KeyRefused("Send your key: Authorization: Bearer emboux_...")
            request.emboux_key = keys._authenticate(sent[1], address)
        except AddressRefused as error:
            _logger.warning("a key was used from %s, where it may not be", address)
            raise ApiError(403, str(error)) from error
        except KeyRefused as error:
            _logger.info("no access from %s: %s", address, error)
            seconds = keys.env["emboux.api.failure"]._count_failure(address)
            if seconds:
                raise too_many("Too many requests without a valid key", seconds) from error
            raise ApiError(401, str(error), {"WWW-Authenticate": "Bearer"}) from error
        # a language that is named is not looked up, for each request, along user and company
        request.update_env(user=request.emboux_key.user_id, context={"lang": "en_US"})
