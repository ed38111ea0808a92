# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the DNS records of hosted domains lead to on this web server.

``mta-sts.<domain>`` (RFC 8461), ``autoconfig.<domain>`` (Thunderbird) and the server named by
``_autodiscover._tcp.<domain>`` (Outlook).  No session, no login, and nothing about mailboxes: the
answer is the same for every address of a domain.
"""

from odoo import http
from odoo.http import request

from odoo.addons.emboux_core import addresses

from .. import policy_files

ROUTE = {"type": "http", "auth": "none", "save_session": False, "readonly": True, "sitemap": False}
XML = "application/xml; charset=utf-8"


def _answer(text, kind):
    return request.make_response(
        text, [("Content-Type", kind), ("X-Content-Type-Options", "nosniff")]
    )


def _nothing(status=404):
    return request.make_response("", [("Content-Type", "text/plain")], status=status)


def _asked_host(prefix):
    """The domain in a ``Host`` header such as ``mta-sts.example.com:443``, or an empty text."""
    host = request.httprequest.host.rpartition(":")[0] or request.httprequest.host
    return host[len(prefix):] if host.lower().startswith(prefix) else ""


def _hosted(name):
    """The backend of a proven domain that is hosted here; or none."""
    # as superuser: nobody is logged in, and the answer is public in the DNS anyway
    domains = request.env["emboux.domain"].sudo()
    try:
        name = addresses.normalise_domain(name)
    except addresses.AddressError:
        return domains.backend_id
    domain = domains.search(
        [("name", "=", name), ("backend_id.kind", "=", "local"), ("owned_since", "!=", False)],
        limit=1,
    )
    return domain.backend_id.filtered("policy_host")


class PolicyHost(http.Controller):
    @http.route("/.well-known/mta-sts.txt", methods=["GET"], **ROUTE)
    def mta_sts(self, **_ignored):
        backend = _hosted(_asked_host("mta-sts."))
        text = backend and backend._mta_sts_policy()
        return _answer(text, "text/plain; charset=utf-8") if text else _nothing()

    @http.route(
        ["/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"],
        methods=["GET"], **ROUTE,
    )
    def autoconfig(self, emailaddress="", **_ignored):
        name = _asked_host("autoconfig.") or emailaddress.rpartition("@")[2]
        backend = _hosted(name)
        if not backend:
            return _nothing()
        name = addresses.normalise_domain(name)
        return _answer(policy_files.autoconfig(name, backend._mail_hosts()), XML)

    @http.route(
        ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"],
        methods=["POST"], csrf=False, max_content_length=policy_files.MAX_REQUEST_BYTES, **ROUTE,
    )
    def autodiscover(self, **_ignored):
        sent = request.httprequest
        if sent.content_length is None:
            return _nothing(411)
        if sent.content_length > policy_files.MAX_REQUEST_BYTES:
            return _nothing(413)
        try:
            address = policy_files.address_asked_for(sent.get_data())
        except policy_files.NotARequest:
            return _nothing(400)
        backend = _hosted(address.rpartition("@")[2])
        return _answer(policy_files.autodiscover(backend._mail_hosts()), XML) if (
            backend) else _nothing()
