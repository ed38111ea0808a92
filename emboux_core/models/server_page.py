# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError

from ..net.errors import BackendError
from .errors import backend_errors, backend_sentence
from .notification import notification

NAMED = 10  # rows of which the server's chatter says what was done


class ServerPage(models.AbstractModel):
    """A list that a mail server keeps, such as its queue: read anew each time it is opened.

    Its rows are what the server said last, so that people search, group and export them as others.
    A model says what the server lists, ``_rows``, and which page shows it.
    """

    _name = "emboux.server.page.mixin"
    _description = "Page of a Mail Server"

    #: External id of the window action that shows the page.
    _page = None

    backend_id = fields.Many2one(
        "emboux.backend", "Server", required=True, readonly=True, index=True, ondelete="cascade"
    )
    key = fields.Char(readonly=True, help="What the server knows the row by.")

    @api.model
    def _rows(self, backend):
        """What the server lists now: key to the values of the row.

        :raises BackendError: it does not say.
        """
        raise NotImplementedError

    @api.model
    def action_open(self, page=None):
        """Read what the servers say now, and show it.

        :param page: external id of another window action that shows it.
        """
        self.browse().check_access("read")
        servers = self.env["emboux.backend"]._with_servers()
        problems = []
        for backend in servers:
            try:
                self._refresh(backend)
            except BackendError as error:
                # what it said the last time is better than nothing
                problems.append(backend_sentence(self.env, backend.name, error))
        action = self.env["ir.actions.act_window"]._for_xml_id(page or self._page)
        if problems:
            return notification("danger", "\n".join(problems), sticky=True, next=action)
        return action

    def action_refresh(self):
        """The same, while the page is open."""
        return self.action_open()

    @api.model
    def _refresh(self, backend):
        """Let the rows be what the server lists now."""
        self._align(backend, self._rows(backend))

    @api.model
    def _align(self, backend, rows, among=()):
        """Let those of the server's rows that ``among``, a search domain, fits be these."""
        # as superuser: the server's rows are not for users to write
        own = self.sudo().browse()
        there = {row.key: row for row in own.search([("backend_id", "=", backend.id), *among])}
        own.union(*(row for key, row in there.items() if key not in rows))._forget()
        own._make([
            {**values, "backend_id": backend.id, "key": key}
            for key, values in rows.items() if key not in there
        ])
        for key, row in there.items():
            values = rows.get(key, {})
            now = row._convert_to_write({name: row[name] for name in values})
            changed = {
                name: value for name, value in values.items()
                if (now[name] or False) != (value or False)
            }
            if changed:
                row._store(changed)

    @api.model
    def _make(self, vals_list):
        """Store rows that are there already, without telling the server."""
        return super().create(vals_list)

    def _store(self, vals):
        """Store values that are so already, without telling the server."""
        return super().write(vals)

    def _forget(self):
        """Remove what is gone already, without telling the server."""
        return super().unlink()

    def _server(self):
        """What does it."""
        self.backend_id.ensure_one()
        return self.backend_id._client().server

    def _act(self, done, method, *arguments):
        """Have the servers do this with the rows, and say how many it was.

        :param done: a sentence with a place for the number; it is also in the server's chatter.
        """
        self.check_access("read")
        self._assert_may_act()
        count = 0
        for backend, rows in self.grouped("backend_id").items():
            numbers = [int(key) for key in rows.mapped("key")]
            with backend_errors(self.env, backend.name):
                there = getattr(backend._client().server, method)(numbers, *arguments)
            count += there
            names = ", ".join(rows[:NAMED].mapped("display_name"))
            backend._message_log(body=f"{done % there} ({names})")
            with backend_errors(self.env, backend.name):
                self._refresh(backend)
        if count < len(self):
            return notification("warning", self.env._(
                "%(done)s Gone from the list meanwhile: %(others)s.", done=done % count,
                others=len(self) - count))
        return notification("success", done % count)

    def _assert_may_act(self):
        if not self.env.user.has_group("emboux_core.group_admin"):
            raise UserError(self.env._("Ask an administrator of Email Hosting to do this."))
