# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import ipaddress
import re

import dns.name

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .. import addresses
from ..dns.primary import Primary
from ..dns.rights import try_update
from ..net.errors import BackendError
from ..settings import DNS_ALLOW_PRIVATE
from .errors import backend_sentence, plain_errors
from .notification import notification

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class DnsServer(models.Model):
    """A primary DNS server that takes updates of its zones (RFC 2136), and its key."""

    _name = "emboux.dns.server"
    _description = "DNS Server"
    _inherit = ["emboux.thread.mixin", "emboux.system.fields.mixin"]
    _order = "sequence, id"
    _check_company_auto = True
    _system_fields = frozenset({"state", "state_message"})

    name = fields.Char(required=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", help="Leave empty to share this server between all companies."
    )
    host = fields.Char(
        required=True, tracking=True, help="Name or address of the zones' primary server."
    )
    port = fields.Integer(default=53, required=True, tracking=True)
    zones = fields.Text(
        tracking=True,
        help="One name per line. Domains in these zones are published here by default; without "
             "any, only domains for which this server is chosen.",
    )
    key_name = fields.Char(
        "TSIG Key", tracking=True, help="As it is named on the server, for example: emboux."
    )
    key_algorithm = fields.Selection(
        [("hmac-sha256", "HMAC-SHA256"), ("hmac-sha512", "HMAC-SHA512")],
        "Algorithm",
        default="hmac-sha256",
        required=True,
        tracking=True,
    )
    key_secret = fields.Char(
        "Secret",
        groups="base.group_system",
        copy=False,
        help="In base64, as in the server's configuration. Visible to system users only.",
    )
    state = fields.Selection(
        [("draft", "Not Tested"), ("connected", "Connected"), ("error", "Error")],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )
    state_message = fields.Char("Last Test", readonly=True, copy=False)
    # as superuser: another company's may be on a shared server
    published_count = fields.Integer(compute="_compute_published_count", compute_sudo=True)

    _port_possible = models.Constraint(
        "CHECK (port BETWEEN 1 AND 65535)", "A port is a number from 1 to 65535."
    )

    def _compute_published_count(self):
        counts = dict(
            self.env["emboux.dns.published"]._read_group(
                [("server_id", "in", self.ids)], ["server_id"], ["__count"]
            )
        )
        for server in self:
            server.published_count = counts.get(server, 0)

    @api.constrains("host")
    def _check_host(self):
        for server in self:
            if not _HOST.fullmatch(server.host) and not _is_address(server.host):
                raise ValidationError(
                    self.env._(
                        "'%s' is neither a host name nor an address; the port goes into its own "
                        "field.",
                        server.host,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        self, vals_list = self._clean_create_vals(vals_list)
        for vals in vals_list:
            self._normalise(vals)
        return super().create(vals_list)

    def write(self, vals):
        vals = self._clean_write_vals(vals)
        self._normalise(vals)
        if {"host", "port"} & set(vals) and not self.env.user.has_group("base.group_system"):
            # the key must not follow to an address set by somebody who may not read it; as
            # superuser, because they may not write it either
            self.sudo().filtered("key_secret").key_secret = False
        return super().write(vals)

    def _normalise(self, vals):
        for field in ("host", "key_name", "key_secret"):
            if vals.get(field):
                vals[field] = vals[field].strip()
        if "zones" in vals:
            names = [self._normalise_zone(text) for text in (vals["zones"] or "").split()]
            vals["zones"] = "\n".join(dict.fromkeys(names)) or False

    def _normalise_zone(self, text):
        name = text.lower().removesuffix(".")
        if _LABEL.fullmatch(name):
            return name  # a zone such as "test" of one's own network
        with plain_errors():
            return addresses.normalise_domain(name)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_published(self):
        for server in self.filtered("published_count"):
            raise UserError(
                self.env._(
                    "%(name)s still holds %(count)s records that Emboux has made. Withdraw them "
                    "first, or archive the server.",
                    name=server.name,
                    count=server.published_count,
                )
            )

    @api.private
    def _zone_names(self):
        return (self.zones or "").split()

    @api.private
    def _covers(self, name):
        """How many labels of the name are one of the zones; 0: the server is not for it."""
        self.ensure_one()
        zones = [z for z in self._zone_names() if name == z or name.endswith(f".{z}")]
        return max((zone.count(".") + 1 for zone in zones), default=0)

    @api.private
    def _for_domain(self, name, company):
        """The one of these servers whose zone is nearest above the name, if there is one."""
        fitting = self.filtered(
            lambda server: server.company_id in (company, company.browse())
            and server._covers(name)
        )
        return max(fitting, key=lambda server: server._covers(name), default=self.browse())

    @api.private
    def _primary(self, **limits):
        """The value object that ``dns.publish`` talks to; ``limits``: other deadlines, seconds."""
        self.ensure_one()
        server = self.sudo()  # as superuser: the secret is in no manager's reach
        return Primary(
            host=server.host,
            port=server.port,
            key_name=server.key_name or "",
            key_secret=server.key_secret or "",
            key_algorithm=server.key_algorithm,
            allow_private=DNS_ALLOW_PRIVATE.read(self.env),
            **limits,
        )

    def action_test(self):
        """Ask whether the key may change the zones, changing nothing, and keep the answer."""
        self.ensure_one()
        self.check_access("write")
        # as superuser: the result is written by this test alone
        self = self.sudo()
        try:
            message = self._try_zones()
        except BackendError as error:
            message = backend_sentence(self.env, self.name, error)
            self.write({"state": "error", "state_message": message})
        else:
            self.write({"state": "connected", "state_message": message})
        return notification(
            "success" if self.state == "connected" else "danger",
            self.state_message,
            sticky=self.state == "error",
        )

    def _try_zones(self):
        """:raises BackendError: the server does not do what it is needed for."""
        zones = self._zone_names()
        if not zones:
            try_update(self._primary(), None)
            return self.env._(
                "It answers. Enter its zones, so that the test can say whether the key may change "
                "them."
            )
        found = [try_update(self._primary(), dns.name.from_text(zone)) for zone in zones[:20]]
        return self.env._("The key may change: %s", ", ".join(dict.fromkeys(found)))

    def action_open_published(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_dns_published")
        return action | {"domain": [("server_id", "=", self.id)], "context": {}}


def _is_address(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
