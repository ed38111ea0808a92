# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from odoo import api, fields, models
from odoo.tools import SQL

from ..transactions import delete_in_batches
from .fields import BigInteger

LEASE = timedelta(minutes=10)  # longer than any call: who has not come back by then is dead
KEEP_CLOSED = timedelta(days=7)


@dataclass(frozen=True)
class Intent:
    """The change that a platform is to make for one record, existing or deleted."""

    model: str
    res_id: int  # 0: no record here has that name
    key: str
    verb: str
    company_id: int
    with_password: bool = False

    @classmethod
    def for_record(cls, record, verb, with_password=False):
        key, company = record._provision_key(), record.company_id.id
        return cls(record._name, record.id, key, verb, company, with_password)

    @property
    def domain_name(self):
        return self.key.rpartition("@")[2]


class Ticket(NamedTuple):
    """An intent that is written down: its operation, and whether the call may be made now."""

    intent: Intent
    operation_id: int
    number: int  # a higher one in the database means that a newer intent has come
    may_call: bool
    with_password: bool
    replaces: bool  # an older intent was open, and is to come back should this one be refused
    message: str
    next_try: object


class Applied(NamedTuple):
    """What a platform has applied; no spec: the deletion."""

    spec: object


class Operation(models.Model):
    """A call to a platform, written down before it is made.

    An operation holds no secret and no copy of the intent: a repetition reads the record.
    """

    _name = "emboux.operation"
    _inherit = "emboux.outbox.mixin"
    _description = "Pending Change on a Mail Platform"
    _order = "turn desc"
    _rec_name = "key"
    _unclaimed = {"busy_until": False}

    backend_id = fields.Many2one("emboux.backend", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", index=True, ondelete="cascade")
    res_model = fields.Selection(
        [
            ("emboux.domain", "Domain"),
            ("emboux.mailbox", "Mailbox"),
            ("emboux.alias", "Alias"),
        ],
        "Kind",
        required=True,
    )
    # no foreign key: the record may not be committed yet, or be gone
    res_id = fields.Many2oneReference("Record", model_field="res_model")
    key = fields.Char("Name", required=True)
    domain_name = fields.Char("Domain", required=True)
    verb = fields.Selection([("ensure", "Set"), ("delete", "Delete")], "What", required=True)
    with_password = fields.Boolean(help="The password is to be set too.")
    state = fields.Selection(
        [
            ("pending", "Pending"),
            ("done", "Done"),
            ("refused", "Refused"),
            ("void", "No Longer Needed"),
        ],
        required=True,
        default="pending",
        index=True,
    )
    busy_until = fields.Datetime(help="A call is in progress until then.")
    turn = BigInteger(required=True, help="Operations of a backend run in this order.")

    _one_open = models.UniqueIndex(
        "(backend_id, res_model, res_id, key) WHERE state = 'pending'",
        "This change is pending already.",
    )
    _next_of_backend = models.Index("(backend_id, turn) WHERE state = 'pending'")
    _of_record = models.Index("(res_model, res_id, turn)")
    # what an operation waits for, see _predecessors
    _by_key = models.Index("(backend_id, key, turn) WHERE state = 'pending'")
    _by_domain = models.Index(
        "(backend_id, domain_name, res_model, turn) WHERE state = 'pending'"
    )
    _below_domain = models.Index(
        "(backend_id, reverse(domain_name) text_pattern_ops)"
        " WHERE state = 'pending' AND res_model = 'emboux.domain'"
    )

    @api.depends("res_model", "key", "verb")
    def _compute_display_name(self):
        for operation in self:
            operation.display_name = f"{operation._label('verb')}: {operation.key}"

    def _label(self, field):
        return dict(self._fields[field]._description_selection(self.env)).get(self[field], "")

    @api.model
    def _for_record(self, record):
        """The record's open operation, or else its last."""
        mine = [("res_model", "=", record._name), ("res_id", "=", record.id)]
        return self.search([*mine, ("state", "=", "pending")], limit=1) or self.search(
            mine, limit=1
        )

    def _record(self):
        """The record as it is now, if it still is what the operation is about."""
        self.ensure_one()
        return self._records()[self]

    def _records(self):
        """Of each, the record as it is now, or none where it is not what the operation is about."""
        found = {}
        for model, operations in self.grouped("res_model").items():
            there = self.env[model].browse(operations.mapped("res_id")).exists()
            by_id = {record.id: record for record in there}
            for operation in operations:
                record = by_id.get(operation.res_id, there.browse())
                if record and (record.backend_id, record._provision_key()) != (
                    operation.backend_id, operation.key,
                ):
                    record = there.browse()
                found[operation] = record
        return found

    def _predecessors(self, limit=None, done=()):
        """Earlier operations that this one depends on, the latest ``limit`` of each kind.

        One name's run in order.  Within a domain so do those of different kinds: a mailbox
        comes after its domain and goes before it, an alias comes after the mailbox that it
        delivers to.  Mailboxes do not wait for each other.

        ``done``: ids that are no reason to wait.
        """
        self.flush_model()
        # each by an index of its own: an import asks for thousands, each among all the others
        each = [
            SQL("(%s ORDER BY turn DESC %s)", kind, SQL("LIMIT %s", limit) if limit else SQL())
            for kind in self._predecessor_queries(done)
        ]
        found = self.env.execute_query(
            SQL("SELECT id FROM (%s) AS ahead ORDER BY turn DESC", SQL(" UNION ").join(each))
        )
        return self.browse(number for [number] in found)

    def _ahead(self, limit=None, done=()):
        """What each of these waits for, as by ``_predecessors``; without those that wait for none.

        One question answers for many: of those of one kind in one domain the last waits for
        whatever the others wait for, but for what has the same name.
        """
        found = {}
        last = {}
        for operation in self.sorted("turn"):
            last[operation.backend_id, operation.domain_name, operation.res_model] = operation
        free = {kind for kind, operation in last.items() if not operation._predecessors(1, done)}
        named = self._with_namesakes(done)
        for operation in self:
            kind = operation.backend_id, operation.domain_name, operation.res_model
            if kind in free and operation.id not in named:
                continue
            if ahead := operation._predecessors(limit, done):
                found[operation] = ahead
        return found

    def _with_namesakes(self, done):
        """The ids of those for whose name there is an earlier one."""
        return {number for [number] in self.env.execute_query(SQL(
            """SELECT mine.id FROM emboux_operation AS mine JOIN emboux_operation AS earlier
                   ON earlier.backend_id = mine.backend_id AND earlier.key = mine.key
                  AND earlier.turn < mine.turn AND earlier.state = 'pending'
                  AND earlier.id <> ALL(%s)
                WHERE mine.id = ANY(%s)""", [*done], self.ids))}

    def _predecessor_queries(self, done=()):
        """Statements that find ids and turns."""
        self.ensure_one()
        name = self.domain_name
        labels = name.split(".")
        above = [".".join(labels[depth:]) for depth in range(1, len(labels) - 1)]
        others = [kind for kind in self._fields["res_model"].get_values(self.env)
                  if kind != self.res_model]
        kinds = [SQL("key = %s", self.key)]
        kinds += [SQL("domain_name = %s AND res_model = %s", name, kind) for kind in others]
        if above:
            kinds.append(SQL("domain_name IN %s AND res_model = 'emboux.domain'", tuple(above)))
        if self.res_model == "emboux.domain":
            kinds.append(
                SQL("reverse(domain_name) LIKE %s AND res_model = 'emboux.domain'",
                    f"{name[::-1]}.%")
            )
        return [
            SQL(
                """SELECT id, turn FROM emboux_operation
                    WHERE backend_id = %s AND state = 'pending' AND turn < %s
                      AND id <> ALL(%s) AND %s""",
                self.backend_id.id, self.turn, [*done], kind,
            )
            for kind in kinds
        ]

    def _expedite(self, now):
        """A user waits for what these wait for: try it now, unless a call is in progress."""
        # of those of one kind in one domain the last one waits for whatever the others wait for,
        # but for what has the same name
        last = {}
        for operation in self.sorted("turn"):
            last[operation.backend_id, operation.domain_name, operation.res_model] = operation
        ahead = [kind for operation in last.values() for kind in operation._predecessor_queries()]
        same_name = [
            operation._predecessor_queries()[0] for operation in self - self.union(*last.values())
        ]
        if not ahead:
            return
        self.env.execute_query(
            SQL(
                """UPDATE emboux_operation SET next_try = %(now)s
                    WHERE id IN (SELECT id FROM (%(ahead)s) AS ahead) AND next_try > %(now)s
                      AND (busy_until IS NULL OR busy_until <= %(now)s) RETURNING id""",
                now=now, ahead=SQL(" UNION ").join(ahead + same_name),
            )
        )
        self.invalidate_model(["next_try"])

    def action_open_record(self):
        """The form of what the operation is about."""
        self.ensure_one()
        if not (record := self._record()):
            return False
        return {
            "type": "ir.actions.act_window",
            "res_model": record._name,
            "res_id": record.id,
            "views": [(False, "form")],
        }

    @api.autovacuum
    def _gc_closed(self):
        """Closed ones are kept for a week, for reference."""
        before = fields.Datetime.now() - KEEP_CLOSED
        return delete_in_batches(self, [("state", "!=", "pending"), ("write_date", "<", before)])
