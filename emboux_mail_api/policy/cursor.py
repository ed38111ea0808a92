"""Carries the ledger's steps out on an open cursor, in a transaction that is somebody else's."""


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
            cursor.execute(step.statement.text, step.parameters or None)
            rows = cursor.fetchall() if cursor.description else []
