# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Compare both sides and record where they differ."""

import logging

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..net.errors import BackendError
from ..transactions import each_in_own_transaction, in_own_transaction
from .drift import MODELS
from .errors import backend_sentence
from .mailbox import MEGABYTE
from .notification import notification

_logger = logging.getLogger(__name__)


class BackendComparison(models.Model):
    _inherit = "emboux.backend"

    drift_ids = fields.One2many("emboux.drift", "backend_id", groups="emboux_core.group_manager")
    drift_count = fields.Integer(
        compute="_compute_drift_count", groups="emboux_core.group_manager"
    )
    compared_at = fields.Datetime("Last Comparison", readonly=True, copy=False)
    is_remote = fields.Boolean(compute="_compute_is_remote")

    _system_fields = frozenset({"compared_at"})

    @api.depends("drift_ids.ignored")
    def _compute_drift_count(self):
        counts = dict(
            self.env["emboux.drift"]._read_group(
                [("backend_id", "in", self.ids), ("ignored", "=", False)],
                ["backend_id"], ["__count"],
            )
        )
        for backend in self:
            backend.drift_count = counts.get(backend, 0)

    @api.depends("kind")
    def _compute_is_remote(self):
        for backend in self:
            backend.is_remote = bool(backend.kind) and not backend._client().transactional

    def action_open_drift(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_drift")
        return action | {"domain": [("backend_id", "=", self.id)]}

    def action_compare(self):
        """Compare now, and show what differs."""
        self.ensure_one()
        self.check_access("write")
        # as superuser: the report and what follows from it are not for users to write
        error = self.sudo()._compare()
        self.env.invalidate_all()
        if not error:
            return self.action_open_drift()
        return notification("danger", error)

    @api.model
    def _cron_compare(self):
        """Compare all remote backends; the outage of one does not affect the others."""
        backends = self.search([("active", "=", True)]).filtered("is_remote")
        each_in_own_transaction(
            self.env, [backends], lambda backend: backend._compare(),
            lambda backend, _error: in_own_transaction(
                backend, "_store_failure", backend._defect_message()
            ),
        )

    # -- one comparison ------------------------------------------------------------------

    def _compare(self):
        """Renew the report of this backend.  Returns the error, or nothing."""
        self.ensure_one()
        began = fields.Datetime.now()
        try:
            there = self._fetch_remote()
        except (BackendError, UserError) as error:
            message = str(error)
            if isinstance(error, BackendError):
                message = backend_sentence(self.env, self.name, error)
        except Exception:
            # a defect, or an answer that makes no sense; the other backends are compared
            _logger.exception("the comparison with %s failed", self.name)
            message = self._defect_message()
        else:
            # it sees what was saved during the look over there; in one language, because a
            # difference is compared with the one of the last time
            one_language = self.with_context(lang=None)
            in_own_transaction(one_language, "_store_comparison", there, began)
            return None
        in_own_transaction(self, "_store_failure", message)
        return message

    def _defect_message(self):
        return self.env._("Something went wrong; see the server log.")

    def _fetch_remote(self):
        """Everything of the domains that both sides know: (kind, name) to value object."""
        client = self._client()
        there = {("domain", spec.name): spec for spec in client.domains()}
        known = set(self.with_context(active_test=False).domain_ids.mapped("name"))
        for _kind, name in list(there):
            if name in known:
                there |= {("mailbox", spec.email): spec for spec in client.mailboxes(name)}
                there |= {("alias", spec.address): spec for spec in client.aliases(name)}
        return there

    def _collect_local(self, there):
        """The records that should be there, in the domains that are: (kind, name) to record."""
        domains = self.with_context(active_test=False).domain_ids
        here = {("domain", domain.name): domain for domain in domains}
        both = domains.filtered(lambda d: ("domain", d.name) in there)
        here |= {("mailbox", mailbox.email): mailbox for mailbox in both.mailbox_ids}
        return here | {
            ("alias", alias.email): alias for alias in both.alias_ids if alias._spec()
        }

    def _store_comparison(self, there, began):
        here = self._collect_local(there)
        moving = self._pending_keys(began)
        found = {}
        for kind, name in {**here, **there}:
            if (kind, name) in moving:
                continue
            record, spec = here.get((kind, name)), there.get((kind, name))
            difference = self._difference(record, spec) if record and spec else ""
            if record and spec and not difference:
                continue
            side = "different" if difference else "only_here" if record else "only_there"
            found[kind, name] = {
                "side": side,
                "difference": difference,
                "company_id": self._company_of(record, name).id,
            }
        for row in self.drift_ids:
            values = found.pop((row.kind, row.name), None)
            if values is None:
                row.unlink()
            elif (row.side, row.difference or "") != (values["side"], values["difference"]):
                row.write(values | {"ignored": False, "found_at": began})
        self.env["emboux.drift"].create(
            [
                values | {"backend_id": self.id, "kind": kind, "name": name, "found_at": began}
                for (kind, name), values in found.items()
            ]
        )
        self.compared_at = began
        if self.state == "error":
            self.write(
                {
                    "state": "connected",
                    "state_message": self.env._("Compared %s domains.", len(self.domain_ids)),
                }
            )

    def _store_failure(self, message):
        self.write({"state": "error", "state_message": message})

    def _pending_keys(self, began):
        """Changes still pending, or sent during the comparison: they are no difference."""
        kinds = {model: kind for kind, model in MODELS.items()}
        operations = self.env["emboux.operation"].search(
            [
                ("backend_id", "=", self.id),
                "|", ("state", "=", "pending"), ("write_date", ">=", began),
            ]
        )
        return {(kinds[operation.res_model], operation.key) for operation in operations}

    def _company_of(self, record, name):
        if not record:
            record = self.env["emboux.domain"]._provision_find(self, name.rpartition("@")[2])
        return record.company_id or self.company_id

    def _difference(self, record, there):
        """One line for each field: how it is here, and how it is there."""
        here = record._spec()
        yes_no = {True: self.env._("yes"), False: self.env._("no")}
        if record._name == "emboux.domain":
            nothing = self.env._("none")
            rows = [
                (self.env._("Suspended"), yes_no[here.suspended], yes_no[there.suspended]),
                (self.env._("Parent Domain"), here.parent or nothing, there.parent or nothing),
                (self.env._("Wildcard Parent"), yes_no[here.wildcard], yes_no[there.wildcard]),
            ]
        elif record._name == "emboux.mailbox":
            own, any_ = self.env._("its own address"), self.env._("any address of the domain")
            rows = [
                (self.env._("Quota"), self._quota(here.quota), self._quota(there.quota)),
                (self.env._("Suspended"), yes_no[here.suspended], yes_no[there.suspended]),
                (
                    self.env._("May Send As"),
                    any_ if here.send_as_domain else own,
                    any_ if there.send_as_domain else own,
                ),
            ]
            if there.display_name:  # not every platform reports it
                rows.append((self.env._("Full Name"), here.display_name, there.display_name))
            if here.rules and there.rules:
                rows += self._rows_of_rules(here.rules, there.rules, yes_no)
        else:
            rows = [
                (
                    self.env._("Delivers To"),
                    ", ".join(sorted(here.destinations)),
                    ", ".join(sorted(there.destinations)),
                )
            ]
            if there.rules:
                rows += [
                    (self.env._("Anyone May Write"), yes_no[here.rules.open],
                     yes_no[there.rules.open]),
                    (self.env._("Members See Each Other"), yes_no[here.rules.shows_members],
                     yes_no[there.rules.shows_members]),
                    (self.env._("Members May Send As"), yes_no[here.rules.send_as],
                     yes_no[there.rules.send_as]),
                ]
        return "\n".join(f"{label}: {a} → {b}" for label, a, b in rows if a != b)

    def _rows_of_rules(self, here, there, yes_no):
        nobody = self.env._("nobody")
        rows = [
            (self.env._("Forwards To"), ", ".join(sorted(here.forward_to)) or nobody,
             ", ".join(sorted(there.forward_to)) or nobody),
            (self.env._("Out of Office"), yes_no[here.vacation_on], yes_no[there.vacation_on]),
        ]
        if here.forward_to and there.forward_to:
            rows.append((self.env._("Keep a Copy"), yes_no[here.forward_keep],
                         yes_no[there.forward_keep]))
        if here.vacation_on and there.vacation_on:
            rows.append((self.env._("Reply"), here.vacation_text, there.vacation_text))
        return rows

    def _quota(self, quota):
        if not quota:
            return self.env._("unlimited")
        return self.env._("%s MB", f"{quota / MEGABYTE:g}")
