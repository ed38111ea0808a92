# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Withdrawing from the DNS what Emboux made for domains that are deleted."""

import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from .. import faults
from ..dns import publish
from ..net.errors import BackendError, NotAuthorised, Refused
from ..transactions import (
    OUT,
    each_in_own_transaction,
    in_own_transaction,
    own_transaction,
)
from .dns_published import Place
from .errors import backend_sentence
from .notification import notification

_logger = logging.getLogger(__name__)

IN_DOUBT = timedelta(minutes=10)  # longer than any call: its process is dead
SHORT_DEADLINES = {"timeout_s": 3.0, "deadline_s": 5.0}  # while somebody waits


class Withdraw(models.Model):
    _inherit = "emboux.dns.published"

    # -- one name on one server --------------------------------------------------------------

    @api.model
    def _withdraw(self, server, name, **deadlines):
        """Withdraw what is left of a deleted domain.

        Returns *done*, *left* (the rows say why), *busy* (another process works on it) or *out*
        (the server is unavailable, and with it all its names).
        """
        return self._with_lock(server, name, False, self._remove_records, **deadlines)

    @api.model
    def _resolve_claims(self, server, name, domain):
        """Find out which of a domain's records are in the zone, if the result was never stored."""
        return self._with_lock(server, name, domain, self._inspect)

    def _with_lock(self, server, name, domain, work, **deadlines):
        primary = server._primary(**deadlines)
        with self._domain_lock(server, name) as free:
            if not free:
                return "busy"
            where = [("server_id", "=", server.id), ("domain_name", "=", name),
                     ("domain_id", "=", domain and domain.id)]  # fmt: skip
            place = in_own_transaction(self, "_place_of", where)
            if not place:
                return "done"
            owned = in_own_transaction(self, "_read_rows", where)
            try:
                result = work(primary, name, owned)
            except BackendError as error:
                out = isinstance(error, NotAuthorised) or not isinstance(error, Refused)
                message = backend_sentence(self.env, server.name, error)
                # everything on that server waits, or this name alone
                waiting = [where[0], where[2]] if out and not domain else where
                in_own_transaction(self, "_postpone", waiting, message)
                return "out" if out else "left"
            except ValueError as error:
                in_own_transaction(self, "_postpone", where, str(error))
                return "left"
            left, notes = result
            in_own_transaction(self, "_settle", place, left)
            if left and not domain:
                message = " ".join(dict.fromkeys(filter(None, notes)))
                in_own_transaction(self, "_postpone", where, message)
            return "left" if left else "done"

    def _remove_records(self, primary, name, owned):
        # Its mechanisms in somebody's SPF record go too: they are Emboux' own, and whoever
        # confirmed that they were put in was told that they go with the domain.
        result = publish.remove(name, owned, primary, confirm_merge=True)
        faults.point("withdraw:sent")
        return result.published, [o.note for o in result.outcomes if o.state != publish.DONE]

    def _inspect(self, primary, name, owned):
        plan = publish.plan(name, (), primary, owned)
        return tuple(entry for step in plan.steps for entry in step.held), []

    def _place_of(self, where):
        row = self.search(where, limit=1)
        if not row:
            return None
        return Place(row.server_id.id, row.domain_name, row.domain_id.id or 0, row.company_id.id)

    def _postpone(self, where, message):
        """Try again after a pause that grows with each try."""
        rows = self.search(where)
        for attempts, some in rows.grouped("attempts").items():
            pause = self.env["emboux.outbox.mixin"]._pause(attempts + 1)
            some.write(
                {"attempts": attempts + 1, "error": message,
                 "next_try": fields.Datetime.now() + pause}
            )  # fmt: skip

    # -- by itself -----------------------------------------------------------------------------

    @api.model
    def _cron_withdraw(self):
        """Do what is due, server after server, those that answered last time first."""
        now = fields.Datetime.now()
        gone = Domain("domain_id", "=", False)
        doubtful = Domain("state", "=", "claimed") & Domain("write_date", "<=", now - IN_DOUBT)
        due = (Domain("next_try", "=", False) | Domain("next_try", "<=", now)) & (gone | doubtful)
        servers = {}
        for server, name, domain, attempts in self._read_group(
            due, ["server_id", "domain_name", "domain_id"], ["attempts:max"]
        ):
            servers.setdefault(server, []).append((attempts, name, domain))
        in_order = sorted(servers.items(), key=lambda item: max(tried for tried, *_ in item[1]))
        each_in_own_transaction(
            self.env,
            [[(server, name, domain) for _tried, name, domain in tasks]
             for server, tasks in in_order],
            lambda task: self._withdraw_or_stop(*task),
        )

    def _withdraw_or_stop(self, server, name, domain):
        outcome = self._withdraw_logged(server, name, domain)
        if outcome == "busy":  # perhaps by a process that dies in between
            self.env.ref("emboux_core.ir_cron_withdraw")._trigger(
                fields.Datetime.now() + timedelta(minutes=1)
            )
        # the other names on an unavailable server would only wait as well
        return OUT if outcome == "out" else None

    def _withdraw_logged(self, server, name, domain):
        """A defect in one must not hold up the others."""
        try:
            if domain:
                return self._resolve_claims(server, name, domain)
            return self._withdraw(server, name)
        except Exception:
            _logger.exception("the records of %s on %s could not be seen to", name, server.name)
            where = [("server_id", "=", server.id), ("domain_name", "=", name)]
            message = self.env._("Something went wrong; see the server log.")
            in_own_transaction(self, "_postpone", where, message)
            return "left"

    @api.model
    def _withdraw_after_commit(self, places):
        """After the deletion is committed, while its user waits: the cron repeats what fails.

        ``places``: (server id, name) of each.
        """
        try:
            with own_transaction(self) as published:
                for server_id, name in places:
                    server = published.env["emboux.dns.server"].browse(server_id)
                    if published._withdraw(server, name, **SHORT_DEADLINES) == "out":
                        break
        except Exception:
            _logger.exception("what was made for %s stays in the DNS for now", places)

    # -- because somebody asks for it ----------------------------------------------------------

    def action_try_now(self):
        """Take these out of the DNS now."""
        self.check_access("read")
        # who may delete domains may also see to what is left of them
        self.env["emboux.domain"].check_access("unlink")
        # as superuser: rows and servers are not the user's to write
        gone = self.sudo().filtered(lambda row: not row.domain_id)
        for server, name in dict.fromkeys((row.server_id, row.domain_name) for row in gone):
            self.sudo()._withdraw_logged(server, name, False)
        self.env.invalidate_all()
        # a fresh look: rows are written in transactions of their own
        message = in_own_transaction(gone, "_first_error")
        if message is None:
            kind, message = "success", self.env._("None of these records is left in the DNS.")
        else:
            kind = "warning"
            message = message or self.env._("It is being removed from the DNS.")
        return notification(kind, message)

    def _first_error(self):
        left = self.exists()
        return (left.filtered("error")[:1].error or "") if left else None

    def action_forget(self):
        """Give up ownership, wherever they are: for a server that is gone for good."""
        self.check_access("read")
        if not self.env.user.has_group("emboux_core.group_admin"):
            raise AccessError(self.env._("An administrator forgets records in the DNS."))
        # as superuser: rows are not for users to write
        self.sudo().filtered(lambda row: not row.domain_id).unlink()
        return {"type": "ir.actions.client", "tag": "soft_reload"}
