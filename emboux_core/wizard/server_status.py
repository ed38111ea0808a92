# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from markupsafe import Markup

from odoo import fields, models

from .. import addresses
from ..models.errors import backend_errors, plain_errors


class ServerStatus(models.TransientModel):
    """How a mail server is seen from outside, and what it knows of others."""

    _name = "emboux.server.status"
    _description = "Status of a Mail Server"

    backend_id = fields.Many2one("emboux.backend", "Server", required=True, readonly=True)
    blocklists = fields.Html(readonly=True, sanitize=False)
    watched = fields.Text(
        "Watched Blocklists", help="DNS blocklists that are asked about the server's own "
        "addresses, one on each line, such as zen.spamhaus.org. They refuse no incoming mail.")
    transports = fields.Html(readonly=True, sanitize=False)
    policies = fields.Html("MTA-STS Policies of Others", readonly=True, sanitize=False)

    def _read(self):
        backend = self.backend_id
        with backend_errors(self.env, backend.name):
            server = backend._client().server
            said, watched = server.blocklists()
            transports, policies = server.transports(), server.policies()
        self.write({
            "watched": "\n".join(watched),
            "blocklists": self._table_of(
                [(address, zone, self.env._("not listed") if text == "pass" else text)
                 for address, zones in said.items() for zone, text in zones.items()],
                self.env._("No blocklist is asked: name some below.")),
            "transports": self._table_of(
                sorted(transports.items()),
                self.env._("None: mail goes to the recipients' servers. mox.conf names them.")),
            "policies": self._table_of(
                [(domain, mode, fields.Date.to_string(until)) for domain, mode, until in policies],
                self.env._("No other server with a policy was met yet.")),
        })

    def _table_of(self, rows, nothing):
        if not rows:
            return Markup("<span class='text-muted'>%s</span>") % nothing
        cell = Markup("<td class='pe-3'>%s</td>")
        return Markup("<table>%s</table>") % Markup().join(
            Markup("<tr>%s</tr>") % Markup().join(cell % text for text in row) for row in rows)

    def action_save(self):
        zones = [line.strip() for line in (self.watched or "").splitlines() if line.strip()]
        with plain_errors():
            zones = [addresses.normalise_domain(zone) for zone in zones]
        with backend_errors(self.env, self.backend_id.name):
            self.backend_id._client().server.watch_blocklists(zones)
        return {"type": "ir.actions.act_window_close"}
