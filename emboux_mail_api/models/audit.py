# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from markupsafe import Markup, escape

from odoo import api, fields, models
from odoo.http import request

from odoo.addons.emboux_core.models.errors import MAX_LINE_LENGTH, refuse_unfit_text


class Audit(models.Model):
    """Who did what, when, with the values before and after; never a secret.

    Written by ``emboux.audited.mixin``, in the transaction of the change, and by nobody afterwards.
    """

    _name = "emboux.audit"
    _description = "Audit Trail"
    _order = "id desc"
    _rec_name = "name"
    _log_access = False

    user_id = fields.Many2one("res.users", "Who", required=True, index=True, ondelete="restrict")
    happened_at = fields.Datetime("When", required=True, index=True)
    action = fields.Selection(
        [
            ("create", "Created"),
            ("write", "Changed"),
            ("password", "Password"),
            ("unlink", "Deleted"),
        ],
        "What",
        required=True,
    )
    model = fields.Char(required=True)
    model_name = fields.Char("Kind", compute="_compute_model_name")
    res_id = fields.Many2oneReference("Record ID", model_field="model", required=True)
    name = fields.Char("Record", required=True, index="trigram")
    changes = fields.Text(help="Each field with its value before and after.")
    partner_id = fields.Many2one("res.partner", "Customer", index="btree_not_null")
    company_id = fields.Many2one("res.company", index=True)
    request_id = fields.Char("Request", help="The X-Request-ID of the API request.")

    @api.depends("model")
    def _compute_model_name(self):
        for entry in self:
            entry.model_name = (
                self.env[entry.model]._description if entry.model in self.env else entry.model
            )

    def action_open_record(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.res_id,
            "view_mode": "form",
        }


class Audited(models.AbstractModel):
    """Logs changes in the audit trail, and in the record's chatter if it has one."""

    _name = "emboux.audited.mixin"
    _description = "Leaves an Audit Trail"

    #: Fields whose changes are logged; each class adds its own.
    _audited_fields = ()
    #: Secret fields: only the fact of a change is logged.
    _audited_secrets = frozenset({"password_hash"})
    _max_line_length = MAX_LINE_LENGTH

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._audited_text(vals)
        records = super().create(vals_list)
        records._audit("create", {r.id: r._audit_created() for r in records})
        return records

    def _audited_text(self, vals):
        """As ``emboux.system.fields.mixin`` has it, for those that are not guarded otherwise."""
        if not self.env.su and not hasattr(self, "_check_unfit_text"):
            refuse_unfit_text(self, vals, longest=self._max_line_length)

    def write(self, vals):
        self._audited_text(vals)
        audited = self._audited()
        watched = [name for name in audited if name in vals]
        before = {record.id: record._audit_values(watched) for record in self} if watched else {}
        done = super().write(vals)
        if watched:
            changes = {}
            for record in self:
                after = record._audit_values(watched)
                changed = {
                    name: (before[record.id][name], after[name])
                    for name in watched
                    if before[record.id][name] != after[name]
                }
                if changed:
                    changes[record.id] = changed
            self.filtered(lambda r: r.id in changes)._audit("write", changes)
        if self._audited_secrets & set(vals):
            self._audit("password", {})
        return done

    def unlink(self):
        entries = self._audit_entries(
            "unlink", {r.id: {n: (v, "") for n, v in r._audit_values().items() if v} for r in self}
        )
        done = super().unlink()
        self._audit_later(entries)
        return done

    def _audit_created(self):
        """The initial values, without the trivial ones: its name, and that it is active."""
        told = self._audit_values()
        return {
            name: ("", value)
            for name, value in told.items()
            if value not in ("", "0", self.display_name) and name != "active"
        }

    def _audited(self):
        """In the order of the form; each class of the model adds its own."""
        names = {}
        for declared in reversed(type(self).__mro__):
            names |= dict.fromkeys(vars(declared).get("_audited_fields", ()))
        return tuple(names)

    def _audit_values(self, names=None):
        """The values as text; as superuser, because the trail is the operator's."""
        self.ensure_one()
        record = self.sudo()
        values = {}
        for name in names if names is not None else self._audited():
            value = record[name]
            if isinstance(value, models.BaseModel):
                value = ", ".join(value.mapped("display_name"))
            values[name] = "" if value is False or value is None else str(value)
        return values

    def _audit(self, action, changes):
        self._audit_later(self._audit_entries(action, changes))

    def _audit_later(self, entries):
        """With the last flush of the transaction: one statement for all that it changed.

        A savepoint flushes when it begins and forgets when it is rolled back, so that a rollback
        leaves no trail.
        """
        precommit = self.env.cr.precommit
        if "emboux.audit" not in precommit.data:
            precommit.data["emboux.audit"] = []
            precommit.add(self._audit_flush)
        precommit.data["emboux.audit"] += entries

    def _audit_flush(self):
        entries = self.env.cr.precommit.data.pop("emboux.audit", [])
        notes = [entry.pop("note") for entry in entries]
        # as superuser: nobody else writes the trail
        self.env["emboux.audit"].sudo().create(entries)
        self._audit_note(entries, notes)

    def _audit_note(self, entries, notes):
        """One note by one author on each chatter: what Odoo's own tracking does not tell.

        New records have a message of their own, deleted ones have no chatter.
        """
        silent = {(e["model"], e["res_id"]) for e in entries if e["action"] in ("create", "unlink")}
        told = {}
        for entry, note in zip(entries, notes, strict=True):
            if note and (entry["model"], entry["res_id"]) not in silent:
                place = entry["model"], entry["res_id"], entry["user_id"]
                told.setdefault(place, []).append(escape(note))
        # as superuser: it is the system that records who did it; and without the reply address
        # that no note needs, see emboux.thread.mixin._note
        self.env["mail.message"].sudo().create(
            [
                {
                    "model": model,
                    "res_id": number,
                    "body": Markup("<br>").join(lines),
                    "author_id": self.env["res.users"].sudo().browse(user).partner_id.id,
                    "email_from": False,
                    "reply_to": False,
                    "message_type": "notification",
                    "subtype_id": self.env["ir.model.data"]._xmlid_to_res_id("mail.mt_note"),
                    "is_internal": True,
                }
                for (model, number, user), lines in told.items()
            ]
        )

    def _audit_entries(self, action, changes):
        return [
            {
                "note": record._audit_untracked(action, changes.get(record.id, {})),
                "user_id": self.env.uid,
                "happened_at": fields.Datetime.now(),
                "action": action,
                "model": self._name,
                "res_id": record.id,
                "name": record.display_name,
                "changes": self._audit_text(changes.get(record.id, {})),
                "partner_id": record._audit_partner().id,
                "company_id": record.company_id.id if "company_id" in record._fields else False,
                "request_id": self._audit_request(),
            }
            for record in self
        ]

    def _audit_untracked(self, action, changed):
        """What the record's chatter is to show: nothing if it has none, or tracks the field."""
        if action not in ("write", "password") or "message_ids" not in self._fields:
            return ""
        if action == "password":
            return self.env._("Password changed")
        return self._audit_text(
            {
                name: values
                for name, values in changed.items()
                if not getattr(self._fields[name], "tracking", None)
            }
        )

    def _audit_text(self, changed):
        """Field to (before, after) as one line."""
        return "; ".join(
            f"{self._fields[name].string}: {before} → {after}"
            if before
            else f"{self._fields[name].string}: {after}"
            for name, (before, after) in changed.items()
        )

    def _audit_request(self):
        """The X-Request-ID of the API request that is being served, if there is one."""
        return getattr(request.dispatcher, "request_id", False) if request else False

    def _audit_partner(self):
        """Whose it is; as superuser, see _audit_values."""
        record = self.sudo()
        owned = record.domain_id if "domain_id" in record._fields else record
        return owned["partner_id"] if "partner_id" in owned._fields else self.env["res.partner"]
