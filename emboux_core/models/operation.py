import random
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from odoo import api, fields, models
from odoo.fields import Domain

from .fields import BigInteger

LEASE = timedelta(minutes=10)  # longer than any call: who has not come back by then is dead
FIRST_PAUSE, LONGEST_PAUSE = 60, 3600  # seconds
KEEP_CLOSED = timedelta(days=7)

_dice = random.SystemRandom()


@dataclass(frozen=True)
class Wish:
    """What a platform shall be told about one record, gone or there."""

    model: str
    res_id: int  # 0: nothing here goes by that name
    key: str
    verb: str
    company_id: int
    with_password: bool = False

    @classmethod
    def of(cls, record, verb, with_password=False):
        key, company = record._provision_key(), record.company_id.id
        return cls(record._name, record.id, key, verb, company, with_password)

    @property
    def domain_name(self):
        return self.key.rpartition("@")[2]


class Ticket(NamedTuple):
    """A wish that is written down: its operation, and whether the call may be made now."""

    wish: Wish
    operation_id: int
    number: int  # a higher one in the database means that a newer wish has come
    may_call: bool
    with_password: bool
    replaces: bool  # an older wish was open, and is to come back should this one be refused
    message: str
    next_try: object


class Told(NamedTuple):
    """What a platform was told and has done; no spec: that it is not there."""

    spec: object


class Operation(models.Model):
    """A call to a platform, written down before it is made.

    Rows are written in transactions of their own, apart from the record's: so no call is ever
    made of which nothing is known, whatever becomes of the transaction that made it.  An
    operation holds no secret and no copy of the wish: a repetition reads the record.
    """

    _name = "emboux.operation"
    _description = "Change on Its Way to a Mail Platform"
    _order = "turn desc"
    _rec_name = "key"

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
            ("pending", "On Its Way"),
            ("done", "Done"),
            ("refused", "Refused"),
            ("void", "Not Needed Any More"),
        ],
        required=True,
        default="pending",
        index=True,
    )
    attempts = fields.Integer("Tries")
    error = fields.Char("Last Answer")
    next_try = fields.Datetime()
    busy_until = fields.Datetime(help="A call is being made; nobody else makes it before.")
    number = fields.Integer(help="Counts the wishes that this operation has stood for.")
    turn = BigInteger(required=True, help="Operations of a backend run in this order.")

    _one_open = models.UniqueIndex(
        "(backend_id, res_model, res_id, key) WHERE state = 'pending'",
        "This change is on its way already.",
    )
    _next_of_backend = models.Index("(backend_id, turn) WHERE state = 'pending'")

    @api.depends("res_model", "key", "verb")
    def _compute_display_name(self):
        for operation in self:
            operation.display_name = f"{operation._label('verb')}: {operation.key}"

    def _label(self, field):
        return dict(self._fields[field]._description_selection(self.env)).get(self[field], "")

    @api.model
    def _pause(self, attempts):
        """How long until the next try: a minute, doubling, at most an hour, never in step."""
        seconds = min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)
        return timedelta(seconds=seconds * _dice.uniform(0.8, 1.0))

    @api.model
    def _of(self, record):
        """The record's open operation, or else its last."""
        mine = [("res_model", "=", record._name), ("res_id", "=", record.id)]
        return self.search([*mine, ("state", "=", "pending")], limit=1) or self.search(
            mine, limit=1
        )

    def _record(self):
        """The record as it is now, if it still is what the operation is about."""
        self.ensure_one()
        record = self.env[self.res_model].browse(self.res_id).exists()
        if record and (record.backend_id, record._provision_key()) == (self.backend_id, self.key):
            return record
        return record.browse()

    def _waits_for(self):
        """Earlier operations that this one depends on.

        One name's run in order.  Within a domain so do those of different kinds: a mailbox
        comes after its domain and goes before it, an alias comes after the mailbox that it
        delivers to.  Mailboxes do not wait for each other.
        """
        self.ensure_one()
        name = self.domain_name
        labels = name.split(".")
        above = [".".join(labels[depth:]) for depth in range(1, len(labels) - 1)]
        a_domain = Domain("res_model", "=", "emboux.domain")
        ahead = (
            Domain("key", "=", self.key)
            | (Domain("domain_name", "=", name) & Domain("res_model", "!=", self.res_model))
            | (Domain("domain_name", "in", above) & a_domain)
        )
        if self.res_model == "emboux.domain":
            ahead |= Domain("domain_name", "=like", f"%.{name}") & a_domain
        return self.search(
            Domain("backend_id", "=", self.backend_id.id)
            & Domain("state", "=", "pending")
            & Domain("turn", "<", self.turn)
            & ahead
        )

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
        """Closed ones stay a week, to be read."""
        before = fields.Datetime.now() - KEEP_CLOSED
        old = self.search([("state", "!=", "pending"), ("write_date", "<", before)], limit=1000)
        done = len(old)
        old.unlink()
        return done, done == 1000


class BackendOperations(models.Model):
    _inherit = "emboux.backend"

    operation_ids = fields.One2many(
        "emboux.operation", "backend_id", groups="emboux_core.group_manager"
    )
    operation_count = fields.Integer(
        compute="_compute_operation_count", groups="emboux_core.group_manager"
    )

    @api.depends("operation_ids.state")
    def _compute_operation_count(self):
        counts = dict(
            self.env["emboux.operation"]._read_group(
                [("backend_id", "in", self.ids), ("state", "=", "pending")],
                ["backend_id"], ["__count"],
            )
        )
        for backend in self:
            backend.operation_count = counts.get(backend, 0)

    def action_open_operations(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_operation")
        return action | {
            "domain": [("backend_id", "=", self.id)],
            "context": {"search_default_pending": 1},
        }
