# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .. import addresses
from ..backends.mox_rows import RouteRow
from .errors import backend_errors, plain_errors


class ServerRoute(models.Model):
    """By which transport mail leaves a server; the first route that fits is taken.

    The server knows the list as a whole: each change tells it all of it.
    """

    _name = "emboux.server.route"
    _description = "Route of a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "backend_id, sequence, id"
    _rec_name = "transport"
    _page = "emboux_core.action_server_route"

    # not the mixin's: here people make rows
    backend_id = fields.Many2one(
        readonly=False, default=lambda self: self.env["emboux.backend"]._with_servers()[:1])
    sequence = fields.Integer(default=100)
    from_domains = fields.Char(help="Of the sender, with commas between them. Empty: any.")
    to_domains = fields.Char(help="Of the recipient, with commas between them. Empty: any.")
    attempts = fields.Integer(
        "After Attempts", help="Taken once so many have failed by another way.")
    transport = fields.Char(required=True, help="The name of one in mox.conf.")

    @api.model
    def _rows(self, backend):
        return {
            str(number): {
                "sequence": number, "from_domains": ", ".join(row.from_domains),
                "to_domains": ", ".join(row.to_domains), "attempts": row.attempts,
                "transport": row.transport,
            }
            for number, row in enumerate(backend._client().server.routes())
        }

    @api.model_create_multi
    def create(self, vals_list):
        self.env["emboux.backend"].browse(
            {vals["backend_id"] for vals in vals_list if vals.get("backend_id")}
        )._assert_routes_as_seen()
        routes = super().create([self._normalised(vals) for vals in vals_list])
        routes.backend_id._save_routes()
        return routes

    def write(self, vals):
        self.backend_id._assert_routes_as_seen()
        done = super().write(self._normalised(vals))
        self.backend_id._save_routes()
        return done

    def unlink(self):
        servers = self.backend_id
        servers._assert_routes_as_seen()
        done = super().unlink()
        servers._save_routes()
        return done

    def _normalised(self, vals):
        vals = dict(vals)
        with plain_errors():
            for field in ("from_domains", "to_domains"):
                if vals.get(field):
                    names = [part for part in vals[field].replace(",", " ").split() if part]
                    vals[field] = ", ".join(map(addresses.normalise_domain, names))
        return vals

    def _as_row(self):
        def names(text):
            return tuple(text.split(", ")) if text else ()

        return RouteRow(names(self.from_domains), names(self.to_domains), self.attempts,
                        self.transport)

    @api.constrains("attempts")
    def _check_attempts(self):
        if any(route.attempts < 0 for route in self):
            raise ValidationError(self.env._("The number of attempts is 0 or more."))


class ServerKey(models.Model):
    """A key that a server signs a domain's mail with, or could (DKIM, RFC 6376)."""

    _name = "emboux.server.key"
    _description = "Signing Key on a Mail Server"
    _inherit = ["emboux.server.page.mixin"]
    _order = "key"
    _rec_name = "key"

    domain_id = fields.Many2one(
        "emboux.domain", required=True, readonly=True, index=True, ondelete="cascade")
    key = fields.Char("Selector")
    algorithm = fields.Char(readonly=True)
    signs = fields.Boolean(readonly=True, help="Outgoing mail is signed with it.")
    record_state = fields.Char("DNS Record", compute="_compute_record_state")

    @api.depends("key", "domain_id.dns_record_ids.state")
    def _compute_record_state(self):
        states = self.env["emboux.dns.record"]._fields["state"]
        labels = dict(states._description_selection(self.env))
        for row in self:
            record = row.domain_id.dns_record_ids.filtered(
                lambda r, row=row: r.key == f"dkim:{row.key}")
            row.record_state = labels.get(record.state, "")

    def action_sign(self):
        """Sign with it from now on, besides the others that do."""
        return self._sign_with(lambda row: row.signs or row in self)

    def action_stop(self):
        """Sign with it no more; its record may go some days later, when no mail is on the way."""
        return self._sign_with(lambda row: row.signs and row not in self)

    def _sign_with(self, chosen):
        self._assert_may_act()
        domain = self.domain_id
        rows = self.search([("domain_id", "=", domain.id)]).filtered(chosen)
        if not rows:
            raise UserError(self.env._(
                "Then nothing would sign the mail of %s. Sign with another key first.",
                domain.display_name))
        with backend_errors(self.env, self.backend_id.name):
            self._server().sign_with(domain.name, rows.mapped("key"))
        domain._message_log(body=self.env._("Signed with: %s", ", ".join(rows.mapped("key"))))
        return domain.action_server_keys()

    def action_retire(self):
        """Take the key off the server; it keeps a copy in a folder of its own."""
        self._assert_may_act()
        if signing := self.filtered("signs"):
            raise UserError(self.env._(
                "%s still signs. Stop that first, and wait some days: mail that is on its way is "
                "checked against its record.", ", ".join(signing.mapped("key"))))
        domain = self.domain_id
        for row in self:
            with backend_errors(self.env, row.backend_id.name):
                row._server().retire_key(domain.name, row.key)
            domain._message_log(body=self.env._("Signing key retired: %s", row.key))
        domain._provision()
        return domain.action_server_keys()


class Backend(models.Model):
    _inherit = "emboux.backend"

    has_server = fields.Boolean(compute="_compute_has_server")

    @api.depends("kind")
    def _compute_has_server(self):
        for backend in self:
            backend.has_server = bool(backend.kind) and backend._client().server is not None

    @api.model
    def _with_servers(self):
        """Those whose servers have pages of their own."""
        return self.search([("kind", "!=", False)]).filtered("has_server")

    def action_server_status(self):
        """Ask the server how it is, and show it."""
        self.ensure_one()
        self.check_access("write")
        wizard = self.env["emboux.server.status"].create({"backend_id": self.id})
        wizard._read()
        return {
            "type": "ir.actions.act_window", "res_model": wizard._name, "res_id": wizard.id,
            "name": self.env._("Status of %s", self.name), "views": [(False, "form")],
            "target": "new",
        }

    def _assert_routes_as_seen(self):
        """What somebody has changed on the server since must not be overwritten by the whole."""
        for backend in self:
            with backend_errors(self.env, backend.name):
                there = backend._client().server.routes()
            if there != [route._as_row() for route in backend._routes()]:
                raise UserError(self.env._(
                    "The routes of %s are others by now. Refresh the list, then change it.",
                    backend.name))

    def _routes(self):
        return self.env["emboux.server.route"].search([("backend_id", "=", self.id)])

    def _save_routes(self):
        """Tell each server all of its routes."""
        for backend in self:
            routes = backend._routes()
            with backend_errors(self.env, backend.name):
                backend._client().server.save_routes([route._as_row() for route in routes])
            # a route has no name there but its place
            for number, route in enumerate(routes):
                route._store({"key": str(number)})
