# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Carries the ledger's steps out on an open cursor, in a transaction that is somebody else's."""

from .statements import ADD, LOCK

# Whoever adds rows lets go of those that they have locked: holding them they could wait for
# somebody who adds the same rows and waits for them.
_AROUND = {
    LOCK: "SAVEPOINT emboux_policy; {}",
    ADD: "ROLLBACK TO SAVEPOINT emboux_policy; {}",
}


def drive(steps, cursor):
    """Run the steps to their end on a psycopg2 (or Odoo) cursor; returns what they return."""
    rows = None
    while True:
        try:
            step = steps.send(rows)
        except StopIteration as end:
            return end.value
        rows = []
        if step.statement:
            text = _AROUND.get(step.kind, "{}").format(step.statement.text)
            cursor.execute(text, step.parameters or None)
            rows = cursor.fetchall() if cursor.description else []
