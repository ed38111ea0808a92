# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..net.errors import BackendError, Refused
from .errors import backend_errors, backend_sentence
from .operation import Intent

MAX_IMMEDIATE = 20  # calls for each backend while a user waits; the cron makes the others


class Provisioned(models.AbstractModel):
    """A record that its domain's backend puts into effect: the single entry point for every change.

    Forms, imports, crons and interfaces all write records; this mixin is the only place
    that then tells the backend.  Where a call leaves the machine, ``emboux.operation`` knows
    of it before it is made; what could not be told is saved as pending and told later.
    """

    _name = "emboux.provisioned.mixin"
    _description = "Provisioned on a Mail Backend"

    #: Fields whose change the backend has to be told.
    _provisioned_fields = frozenset()
    _system_fields = frozenset({"sync_state", "sync_message", "sync_next_try"})
    #: False where the model's own ``create`` has more to do before the backend is told.
    _provision_on_create = True
    #: The field that holds what the backend knows the record by.
    _provision_key_field = "email"

    sync_state = fields.Selection(
        [("done", "Up to Date"), ("pending", "Waiting for the Platform"), ("refused", "Refused")],
        "Platform",
        default="done",
        readonly=True,
        copy=False,
        help="Whether the mail platform matches this record.",
    )
    sync_message = fields.Char("Last Response of the Platform", readonly=True, copy=False)
    sync_next_try = fields.Datetime("Next Attempt", readonly=True, copy=False)

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        if self._provision_on_create:
            records._provision()
        return records

    def write(self, vals):
        # a write of sync_state reports an outcome and requests nothing
        if self._collect_names("_provisioned_fields").isdisjoint(vals) or "sync_state" in vals:
            return super().write(vals)
        before = self._remote_specs_by_id()
        done = super().write(vals)
        self.filtered(
            # an unchanged record needs no call, unless the last one failed
            lambda r: r.id not in before
            or r.sync_state in ("pending", "refused")
            or before[r.id] != r._spec()
        )._provision()
        return done

    def unlink(self):
        removals = [
            (backend, [Intent.for_record(record, "delete") for record in records])
            for backend, records in self.grouped("backend_id").items()
        ]
        done = super().unlink()
        for backend, intents in removals:
            client = backend._client()
            if client.transactional:
                with backend_errors(self.env, backend.name):
                    for intent in intents:
                        self._provision_delete(client, intent.key)
            else:
                self._apply_intents(backend, client, intents)
        return done

    def _provision(self, secrets=None):
        """Send each record's desired state to its backend.

        ``secrets``: record id to what is told now and stored nowhere, a new password; None
        where only its hash is known.
        """
        secrets = secrets or {}
        for backend, records in self.grouped("backend_id").items():
            client = backend._client()
            if client.transactional:
                with backend_errors(self.env, backend.name):
                    for record in records:
                        record._provision_ensure(client, secrets.get(record.id))
            else:
                intents = [
                    Intent.for_record(record, "ensure", with_password=record.id in secrets)
                    for record in records
                ]
                self._apply_intents(backend, client, intents, secrets)

    def _remote_specs_by_id(self):
        """Record id to what its backend was told; without those of transactional backends."""
        return {
            record.id: record._spec()
            for backend, records in self.grouped("backend_id").items()
            if not backend._client().transactional
            for record in records
        }

    @api.model
    def _apply_intents(self, backend, client, intents, secrets=None):
        """Call the platform for each intent; keep those that did not get through as pending.

        Raises ``UserError`` for the first that is refused: then nothing is saved.
        """
        # let the database refuse first, before the platform is called
        self.env.flush_all()
        if farewell := self.env.context.get("emboux_farewell"):
            for intent in intents:
                farewell.call(backend, intent.key, partial(self._make_call, client, intent))
            return
        operations = self.env["emboux.operation"]
        # an import needs thousands of calls, and its test run none
        at_once = len(intents) <= MAX_IMMEDIATE and not self.env.context.get("import_file")
        batches = [[intent] for intent in intents] if at_once else [intents]
        for batch in batches:
            tickets = operations._enqueue(backend, batch, at_once)
            later = {}
            for ticket in tickets:
                if ticket.may_call:
                    self._apply_intent(backend, client, ticket, secrets or {})
                else:
                    later.setdefault((ticket.message, ticket.next_try), []).append(ticket)
            for (message, next_try), those in later.items():
                records = self.browse(ticket.intent.res_id for ticket in those).exists()
                records._set_sync("pending", message, next_try)

    @api.model
    def _apply_intent(self, backend, client, ticket, secrets):
        operations = self.env["emboux.operation"]
        record = self.browse(ticket.intent.res_id).exists()
        if out := operations._stop_reason(backend):
            record._set_sync("pending", out, operations._defer(ticket, out))
            return
        try:
            self._make_call(
                client, ticket.intent, secrets.get(record.id), ticket.with_password)
        except Refused as error:
            operations._mark_refused(ticket, str(error))
            raise UserError(backend_sentence(self.env, backend.name, error)) from error
        except BackendError as error:
            message = backend_sentence(self.env, backend.name, error)
            record._set_sync("pending", message, operations._mark_failed(backend, ticket, message))
        else:
            told = record._spec(with_password=ticket.with_password) if record else None
            operations._mark_done(ticket, told)
            record._set_sync("done")

    @api.model
    def _make_call(self, client, intent, secret=None, with_password=False):
        if intent.verb == "delete":
            self._provision_delete(client, intent.key)
        else:
            self.browse(intent.res_id)._provision_ensure(client, secret, with_password)

    def _set_sync(self, state, message=False, next_try=False):
        """Store the outcome where people see it."""
        # as superuser: the platform's answer is not for users to write
        others = self.sudo().filtered(
            lambda record: (record.sync_state, record.sync_message, record.sync_next_try)
            != (state, message, next_try)
        )
        if others:
            others.write(
                {"sync_state": state, "sync_message": message, "sync_next_try": next_try}
            )

    def action_try_now(self):
        """Tell the platform now, instead of at the next try."""
        self.ensure_one()
        self.check_access("write")
        # as superuser: operations are not for users to write; whoever may write the record may
        # repeat
        operation = self.env["emboux.operation"].sudo()._for_record(self)
        if operation.state in ("pending", "refused"):
            return operation._try_now()
        self._provision()
        return operation._notification(self.sync_state, self.sync_message)

    def _provision_key(self):
        """What the backend knows the record by."""
        self.ensure_one()
        return self[self._provision_key_field]

    @api.model
    def _provision_find(self, backend, key):
        """The record that the backend knows by the key, archived ones too."""
        return self.with_context(active_test=False).search(
            [(self._provision_key_field, "=", key), ("backend_id", "=", backend.id)], limit=1
        )

    def _spec(self, with_password=False):
        """The desired state on the backend, as a value object; None: it is not to exist."""
        raise NotImplementedError

    def _provision_ensure(self, client, secret=None, with_password=False):
        """Tell the backend how the record shall be.

        ``with_password`` repeats the call for a password that is stored as a hash by now.
        """
        self._provisioned(client, self._provision_call(client, secret, with_password)())

    def _provision_call(self, client, secret=None, with_password=False):
        """The call of the client's ``ensure_*`` method that fits, as a function that needs no
        database: another thread may call it.
        """
        raise NotImplementedError

    def _provisioned(self, client, answer):
        """The backend has been told.  ``answer``: what the call returned."""

    @api.model
    def _provision_delete(self, client, key):
        """Call the ``delete_*`` method that fits."""
        raise NotImplementedError
