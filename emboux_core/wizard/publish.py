# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models

from ..dns.publish import ADD, CONFLICT, MERGE, REMOVE, REPLACE, THERE, ZoneChanged
from ..models.errors import backend_sentence
from ..net.errors import BackendError

ORDER = {action: place for place, action in enumerate(
    (CONFLICT, MERGE, REPLACE, REMOVE, ADD, THERE))}  # fmt: skip
KEY_SHOWN = 100  # characters


class Publish(models.TransientModel):
    """Shows what publishing would do to a zone, and does just that once it is confirmed."""

    _name = "emboux.publish"
    _description = "Publish DNS Records"

    domain_id = fields.Many2one("emboux.domain", required=True, readonly=True, ondelete="cascade")
    domain_name = fields.Char("Domain Name", related="domain_id.display_name")
    server_id = fields.Many2one(related="domain_id.dns_server_id")
    mode = fields.Selection([("publish", "Publish"), ("withdraw", "Withdraw")], required=True)
    state = fields.Selection(
        [
            ("plan", "To Be Confirmed"),
            ("failed", "Not Possible"),
            ("done", "Done"),
            ("elsewhere", "By Hand"),
        ],
        default="failed",
        required=True,
        readonly=True,
    )
    message = fields.Text(readonly=True)
    kind = fields.Selection(
        [("info", "Info"), ("success", "Success"), ("warning", "Warning"), ("danger", "Danger")],
        readonly=True,
    )
    zone = fields.Char(readonly=True)
    fingerprint = fields.Char(readonly=True, help="Of the plan that is shown.")
    line_ids = fields.One2many("emboux.publish.line", "wizard_id", readonly=True)
    has_changes = fields.Boolean(readonly=True)
    has_merge = fields.Boolean(readonly=True)
    confirm_merge = fields.Boolean("Change this SPF record, which Emboux did not make")

    # -- what people do --------------------------------------------------------------------

    def action_look(self):
        """Look at the zone again."""
        return self._refresh_plan()

    def action_apply(self):
        """Do what is shown, or show what has changed since."""
        self.ensure_one()
        self.domain_id.check_access("write")
        published = self.env["emboux.dns.published"].sudo()
        with published._domain_lock(self.server_id, self.domain_id.name) as free:
            if not free:
                return self._show(
                    "warning",
                    self.env._("Somebody else is publishing this domain: refresh."),
                    state="failed",
                )
            answer, done = self._write_zone()
        return answer or self._check(done)

    def _write_zone(self):
        """Returns what to show instead of a result, and how many records were written.

        The caller holds the lock.
        """
        try:
            plan = self._plan()
            if plan.fingerprint != self.fingerprint and plan.changes(True):
                return self._show_plan(plan, changed=True), 0
            # as superuser: rows and servers are not the user's to write
            published = self.env["emboux.dns.published"].sudo()
            result = published._apply(
                self.server_id, self.domain_id, plan, self.confirm_merge
            )
        except ZoneChanged:
            return self._refresh_plan(changed=True), 0
        except (BackendError, ValueError) as error:
            return self._show_error(error), 0
        states = {(one.key, one.record_type, one.name): one.state for one in result.outcomes}
        self._fill(plan, states)
        return None, sum(state == "done" for state in states.values())

    # -- how it goes -------------------------------------------------------------------------

    def _refresh_plan(self, changed=False):
        """Plan anew and show it."""
        self.ensure_one()
        self.domain_id.check_access("write")
        if not self.server_id:
            return self._show_elsewhere()
        try:
            return self._show_plan(self._plan(), changed)
        except (BackendError, ValueError) as error:
            return self._show_error(error)

    def _plan(self):
        """:raises BackendError, ValueError: as ``dns.publish.plan``."""
        records = ()
        if self.mode == "publish":
            records = tuple(record._as_expected() for record in self.domain_id.dns_record_ids)
        # as superuser: rows and servers are not the user's to read
        published = self.env["emboux.dns.published"].sudo()
        return published._plan(self.server_id, self.domain_id.name, records)

    def _check(self, done):
        """Ask the domain's name servers, and say what they answer."""
        answer = self.domain_id.action_check_now()["params"]
        for line in self.line_ids:
            record = self.domain_id.dns_record_ids.filtered(lambda r, key=line.key: r.key == key)
            line.verdict = record.state or False
        if self.mode == "withdraw":
            return self._show(
                "success",
                self.env._("%s records were taken out of the zone.", done)
                if done else self.env._("No records of Emboux are left in the zone."),
                state="done",
            )
        said = (
            self.env._("%s records were written into the zone.", done)
            if done else self.env._("All that can be written is in the zone already.")
        )
        return self._show(answer["type"], f"{said} {answer['message']}", state="done")

    def _show_plan(self, plan, changed=False):
        self._fill(plan)
        merge = any(step.action == MERGE for step in plan.steps)
        changes = plan.changes(True)
        self.write(
            {
                "zone": plan.zone,
                "fingerprint": plan.fingerprint,
                "has_changes": bool(changes),
                "has_merge": merge,
                "confirm_merge": False,
            }
        )
        conflicts = sum(step.action == CONFLICT for step in plan.steps)
        if changed:
            kind, message = "warning", self.env._(
                "The zone has changed since you looked, so nothing was written. This is the "
                "difference now: look through it and confirm it."
            )
        elif not changes and self.mode == "withdraw":
            kind, message = "info", self.env._("The zone holds no records of Emboux.")
        elif not changes and not conflicts:
            kind, message = "success", self.env._("Everything is in the zone already.")
        elif conflicts:
            kind, message = "warning", self.env._(
                "%s records cannot be written, because something else is in their place. Emboux "
                "leaves alone what it did not make.",
                conflicts,
            )
        else:
            kind, message = "info", self.env._(
                "Nothing is changed yet. This is what will be done to the zone %s.", plan.zone
            )
        return self._show(kind, message, state="plan")

    def _show_error(self, error):
        self.line_ids.unlink()
        message = str(error)
        if isinstance(error, BackendError):
            # as superuser: in the sentence stands the server's name
            message = backend_sentence(self.env, self.server_id.sudo().name, error)
        return self._show("danger", message, state="failed")

    def _show(self, kind, message, **values):
        """Show this dialog, with a sentence on top."""
        self.write({"kind": kind, "message": message, **values})
        title = (
            self.env._("Publish %s", self.domain_name)
            if self.mode == "publish" else self.env._("Withdraw %s", self.domain_name)
        )
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
            "target": "new",
            "context": {"dialog_size": "extra-large"},
        }

    def _fill(self, plan, states=None):
        """Write a line for each step; ``states``: what became of each."""
        self.line_ids.unlink()
        order = sorted(enumerate(plan.steps), key=lambda item: (ORDER[item[1].action], item[0]))
        self.env["emboux.publish.line"].create(
            [
                {
                    "wizard_id": self.id, "sequence": place, "key": step.key,
                    "record_type": step.record_type, "name": step.name, "action": step.action,
                    "found": _shown(step.key, step.found), "value": _shown(step.key, step.value),
                    "note": step.note,
                    "outcome": (states or {}).get((step.key, step.record_type, step.name)),
                }
                for place, (_place, step) in enumerate(order)
            ]
        )  # fmt: skip


class PublishLine(models.TransientModel):
    """What publishing does to one record."""

    _name = "emboux.publish.line"
    _description = "Change of a DNS Record"
    _order = "sequence, id"

    wizard_id = fields.Many2one("emboux.publish", required=True, ondelete="cascade")
    sequence = fields.Integer()
    key = fields.Char(required=True)
    record_type = fields.Char("Type")
    # Text, because a list shows all of it
    name = fields.Text()
    action = fields.Selection(
        [
            ("add", "Will be added"),
            ("replace", "Will be replaced"),
            ("remove", "Will be removed"),
            ("merge", "Merged into your SPF record"),
            ("there", "Already there"),
            ("conflict", "Left alone"),
        ],
        "What",
    )
    found = fields.Text("In the Zone Now")
    value = fields.Text("Then")
    note = fields.Text()
    outcome = fields.Selection(
        [
            ("done", "Done"),
            ("there", "Already there"),
            ("conflict", "Left alone"),
            ("unconfirmed", "Not confirmed"),
        ]
    )
    verdict = fields.Selection(
        [("unknown", "Not Seen"), ("ok", "OK"), ("missing", "Missing"), ("wrong", "Wrong")],
        help="What the domain's name servers say.",
    )


def _shown(key, text):
    """Keys differ in the middle; beginning and end are much the same for everybody."""
    if not key.startswith("dkim:") or len(text) <= KEY_SHOWN:
        return text
    return f"{text[:KEY_SHOWN]} … {text[-12:]}"
