# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Writing down each call before it is made, and its outcome."""

import logging
import time

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..transactions import in_own_transaction
from .operation import LEASE, Applied, Ticket

_logger = logging.getLogger(__name__)

DATA = "emboux_core.operations"  # this transaction's tickets, in the data of its hooks
SHOWN = 3  # of those that an operation waits for
WAIT_SECONDS = 30.0  # seconds that a transaction makes calls while somebody waits


class Outbox(models.Model):
    _inherit = "emboux.operation"

    # -- before the call -----------------------------------------------------------------

    @api.model
    def _enqueue(self, backend, intents, at_once):
        """Write the intents down and commit them.  Returns a ``Ticket`` for each."""
        mine = self._transaction_state()["tickets"]
        done = [number for number, (_ticket, told) in mine.items() if told]
        tickets = in_own_transaction(
            self, "_store_intents", backend.id, intents, at_once, list(mine), done
        )
        if not all(ticket.may_call for ticket in tickets):
            # as superuser: the cron is not for users to read
            self.sudo().env.ref("emboux_core.ir_cron_run_operations")._trigger()
        for ticket in tickets:
            # until its outcome is known: should the process die, the cron repeats it
            mine[ticket.operation_id] = (ticket, None)
        return tickets

    def _store_intents(self, backend_id, intents, at_once, mine, done):
        backend = self.env["emboux.backend"].browse(backend_id).exists()
        if not backend:
            raise UserError(self.env._("Save the backend first, then its records."))
        mine = set(mine)
        now = fields.Datetime.now()
        found = self._find_pending(backend, intents)
        replaces = [bool(operation) and operation.id not in mine for operation in found]
        operations = self._write_intents(backend, intents, found)
        # what this transaction has done itself is no reason to wait
        ahead = self.browse(operation.id for operation in operations)._ahead(SHOWN, done)
        tickets, messages = [], {}
        for intent, operation, replaced in zip(intents, operations, replaces, strict=True):
            busy = (
                operation.id not in mine
                and bool(operation.busy_until)
                and operation.busy_until > now
            )
            waits_for = ahead.get(operation, ())
            may_call = at_once and not waits_for and not busy
            message = "" if may_call else self._queued_message(waits_for, busy)
            messages.setdefault((may_call, message), []).append(operation.id)
            tickets.append(Ticket(
                intent, operation.id, operation.number, may_call, operation.with_password,
                replaced, message, operation.next_try,
            ))
        for (may_call, message), numbers in messages.items():
            self.browse(numbers).write(
                {"attempts": 1, "busy_until": now + LEASE, "next_try": now + LEASE}
                if may_call else {"error": message}
            )
        waiting = [ticket.operation_id for ticket in tickets if not ticket.may_call]
        self.browse(waiting)._expedite(now)
        return tickets

    def _write_intents(self, backend, intents, found):
        """Write the intents down; returns the operation of each.

        ``found``: those that they replace, or none.
        """
        self.env.cr.execute(
            "SELECT nextval('emboux_operation_id_seq') FROM generate_series(1, %s)", [len(intents)])
        new = []
        for intent, operation, [turn] in zip(intents, found, self.env.cr.fetchall(), strict=True):
            values = {
                **operation._renewed(),
                "company_id": intent.company_id,
                "res_id": intent.res_id,
                "verb": intent.verb,
                "with_password": intent.with_password or operation.with_password,
            }
            if not operation or intent.verb == "delete" or intent.model == "emboux.alias":
                # What others wait for keeps its place.  What goes waits for those that still
                # needed it, and an alias for the mailboxes that it delivers to.
                values["turn"] = turn
            if operation:
                operation.write(values)
            else:
                new.append(
                    values
                    | {
                        "backend_id": backend.id,
                        "res_model": intent.model,
                        "key": intent.key,
                        "domain_name": intent.domain_name,
                    }
                )
        created = iter(self.create(new))
        return [operation or next(created) for operation in found]

    def _find_pending(self, backend, intents):
        """The operation that each intent replaces, or none."""
        pending = self.search([
            ("backend_id", "=", backend.id),
            ("res_model", "in", sorted({intent.model for intent in intents})),
            ("key", "in", sorted({intent.key for intent in intents})),
            ("state", "=", "pending"),
        ])
        same = pending.grouped(lambda o: (o.res_model, o.key))
        found = []
        for intent in intents:
            there = same.get((intent.model, intent.key), self.browse())
            mine = there.filtered(lambda o, intent=intent: o.res_id == intent.res_id)
            if not mine and intent.verb == "ensure":
                # of an earlier try of this transaction, when the record had another number
                mine = there.filtered(lambda o: o.verb == "ensure")
            found.append(mine[:1])
        return found

    def _queued_message(self, ahead, busy):
        if ahead:
            return self.env._("Waiting for: %s", ", ".join(ahead[:SHOWN].mapped("display_name")))
        if busy:
            return self.env._("An earlier change is in progress.")
        return self.env._("Queued: changes are sent one after the other.")

    # -- after the call ------------------------------------------------------------------

    @api.model
    def _mark_done(self, ticket, told):
        """The platform has applied it; the row is closed once the record's change is committed.

        ``told``: how the record should be.  If it is not so after the commit, because that was
        rolled back, the platform is told again how the record really is.
        """
        self._transaction_state()["tickets"][ticket.operation_id] = (ticket, Applied(told))

    @api.model
    def _mark_failed(self, backend, ticket, message):
        """It stays pending and is retried.  Returns when."""
        self._transaction_state()["out"][backend.id] = message
        operation = self.browse(ticket.operation_id)
        return in_own_transaction(operation, "_postpone", ticket.number, message)

    @api.model
    def _defer(self, ticket, message):
        """It stays pending, because no call was made.  Returns when one will be."""
        operation = self.browse(ticket.operation_id)
        return in_own_transaction(operation, "_postpone", ticket.number, message, 1)

    @api.model
    def _stop_reason(self, backend):
        """Why this transaction makes no further call: the platform did not answer, or much time
        has passed; then the cron makes it."""
        state = self._transaction_state()
        if time.monotonic() > state["until"]:
            return self.env._("Queued: changes are sent one after the other.")
        return state["out"].get(backend.id)

    @api.model
    def _mark_refused(self, ticket, reason):
        """Close it, for nothing of it is saved, unless an older intent was waiting."""
        self._transaction_state()["tickets"].pop(ticket.operation_id)
        operation = self.browse(ticket.operation_id)
        if ticket.replaces:
            in_own_transaction(operation, "_release")
        else:
            in_own_transaction(operation, "_close", ticket.number, "refused", reason)

    # -- when the record's transaction ends ----------------------------------------------

    @api.model
    def _transaction_state(self):
        """What this transaction has called so far, with the hooks that settle it at its end."""
        cr = self.env.cr
        if DATA not in cr.postcommit.data:
            state = cr.postcommit.data[DATA] = {
                "tickets": {}, "out": {}, "until": time.monotonic() + WAIT_SECONDS,
            }
            operations = self.browse()

            cr.postcommit.add(lambda: operations._settle(state["tickets"], "_settle_committed"))
            cr.postrollback.add(lambda: operations._settle(state["tickets"], "_settle_rolled_back"))
        return cr.postcommit.data[DATA]

    def _settle(self, tickets, method):
        if not tickets:
            return
        try:
            in_own_transaction(self, method, list(tickets.values()))
        except Exception:
            # the rows are open still: the cron repeats the calls, which does no harm
            _logger.exception("operations %s could not be closed", list(tickets))

    def _settle_committed(self, tickets):
        again = False
        there = set(self.browse(ticket.operation_id for ticket, _told in tickets).exists().ids)
        prefetch = tuple(there)
        for ticket, told in tickets:
            operation = self.browse({ticket.operation_id} & there).with_prefetch(prefetch)
            if told and operation:
                record = operation._record()
                spec = record._spec(with_password=ticket.with_password) if record else None
                if spec == told.spec:
                    operation._close(ticket.number, "done")
                else:  # rolled back to a savepoint, while the rest was committed
                    operation._release()
            elif operation.state == "void":
                # the cron ran before the record was visible
                operation.write({"state": "pending", "next_try": fields.Datetime.now()})
                again = True
        if again:
            self.env.ref("emboux_core.ir_cron_run_operations")._trigger()

    def _settle_rolled_back(self, tickets):
        for ticket, _told in tickets:
            self.browse(ticket.operation_id)._release()
