# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Retrying what did not get through, by the cron or on request."""

import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..net.errors import BackendError, Busy, NotAuthorised, Refused
from ..transactions import in_own_transaction, own_transaction
from .errors import backend_sentence
from .notification import notification
from .operation import LEASE
from .operation_outbox import WAIT_SECONDS
from .thread import Notice


class Runner(models.Model):
    _inherit = "emboux.operation"

    @api.model
    def _cron_run_operations(self):
        """Make the calls that are due, one backend after the other, each in its own turn."""
        free = ["|", ("busy_until", "=", False), ("busy_until", "<=", fields.Datetime.now())]
        self._run_due("backend_id", free, order="turn")

    def _claim(self):
        """Mark the operation as being made, unless it has to wait."""
        now = fields.Datetime.now()
        if not self.try_lock_for_update() or self.state != "pending":
            return None
        if (self.busy_until and self.busy_until > now) or self._predecessors(1):
            return None
        self.write(
            {
                "attempts": self.attempts + 1,
                "busy_until": now + LEASE,
                "next_try": now + LEASE,
            }
        )
        return self.number, None

    def _call(self, number, _job):
        with own_transaction(self) as own:
            return "done" if own._perform(number) else "failed"

    def _perform(self, number):
        """Make the call and write down what became of it.  Returns whether it got through."""
        record = self._record()
        if self.verb == "delete" and record:
            self.verb = "ensure"  # its deletion was rolled back, so it has to exist
        if self.verb == "ensure" and not record:
            self._close(number, "void")
            return True
        try:
            client = self.backend_id._client()
            if self.verb == "delete":
                self.env[self.res_model]._provision_delete(client, self.key)
            else:
                record._provision_ensure(client, with_password=self.with_password)
        except NotAuthorised as error:
            # no intent is at fault, but the backend's key: all of them wait for a new one
            message = backend_sentence(self.env, self.backend_id.name, error)
            self.backend_id.write({"state": "error", "state_message": message})
            record._set_sync("pending", message, self._postpone(number, message))
            return False
        except Busy as error:
            message = backend_sentence(self.env, self.backend_id.name, error)
            # all that is due waits as long, and nobody is asked sooner than they said
            self.env.ref("emboux_core.ir_cron_run_operations")._trigger(
                fields.Datetime.now() + timedelta(seconds=error.wait))
            record._set_sync("pending", message, self._postpone(number, message, 1, error.wait))
            return False
        except Refused as error:
            message = backend_sentence(self.env, self.backend_id.name, error)
            self._close(number, "refused", message)
            record._set_sync("refused", message)
            self._notify_refused(record, message)
            return True
        except (BackendError, UserError) as error:
            message = str(error)
            if isinstance(error, BackendError):
                message = backend_sentence(self.env, self.backend_id.name, error)
            next_try = self._postpone(number, message)
            record._set_sync("pending", message, next_try)
            return False
        self._close(number, "done")
        record._set_sync("done")
        return True

    def _notify_refused(self, record, message):
        """The change was saved long ago: somebody has to learn that it was refused."""
        domain = record if record._name == "emboux.domain" else record.domain_id
        domain = domain or self.env["emboux.domain"]._provision_find(
            self.backend_id, self.domain_name
        )
        if not domain:
            return

        def compose(there):
            return Notice(
                there.env._(
                    "%s could not be saved on the mail platform",
                    self.with_env(there.env).display_name,
                ),
                message,
                remedy=there.env._("Change what was refused, or use Try Now once it is in order."),
            )

        (record or domain)._post_notice(compose, domain.user_id.partner_id)
        domain._schedule_notice(compose, domain.user_id, "mail.mail_activity_data_todo")

    # -- on request ----------------------------------------------------

    def action_try_now(self):
        """Make these calls now, in their turn."""
        self.check_access("read")
        # what an operation is about, who may read operations may also write
        self.env["emboux.domain"].check_access("write")
        # as superuser: operations are not for users to write
        return self.sudo()._try_now()

    def _try_now(self):
        in_own_transaction(self, "_reopen")
        until = time.monotonic() + WAIT_SECONDS
        # what they wait for is tried too, and first
        for operation in (self._all_predecessors() | self).sorted("turn"):
            if time.monotonic() > until:
                # as superuser: the cron is not for users to read
                self.sudo().env.ref("emboux_core.ir_cron_run_operations")._trigger()
                break
            operation._run()
        self.env.invalidate_all()
        # a fresh look: the calls were made in transactions of their own
        return self._notification(*in_own_transaction(self, "_worst_state"))

    def _all_predecessors(self):
        found, new = self.browse(), self
        while new := new.browse(
            {ahead.id for operation in new for ahead in operation._predecessors()}
        ) - found - self:
            found |= new
        return found

    def _reopen(self):
        """Refused operations become pending again, unless a newer one is."""
        for operation in self.filtered(lambda o: o.state == "refused"):
            newer = [("res_model", "=", operation.res_model), ("key", "=", operation.key),
                     ("backend_id", "=", operation.backend_id.id), ("state", "=", "pending")]
            if not self.search_count(newer, limit=1):
                operation.write(
                    {"state": "pending", "attempts": 0, "next_try": fields.Datetime.now()}
                )

    def _worst_state(self):
        """The state and the message of the one that needs most attention."""
        for state in ("refused", "pending"):
            if found := self.exists().filtered(lambda o, state=state: o.state == state)[:1]:
                return state, found.error
        return "done", False

    @api.model
    def _notification(self, state, message):
        if state == "done":
            message = self.env._("Done: no changes are pending any more.")
        return notification(
            {"done": "success", "pending": "warning", "refused": "danger"}[state],
            message or self.env._("It waits for earlier changes."),
        )
