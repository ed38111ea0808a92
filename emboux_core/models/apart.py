from contextlib import contextmanager

from psycopg2 import errors

from odoo import api, models

TRIES = 3


class Apart(models.AbstractModel):
    """Rows that are written in transactions of their own, whatever becomes of the caller's."""

    _name = "emboux.apart"
    _description = "Written in Transactions of Its Own"

    @api.model
    def _apart(self, method, *arguments):
        """Run a method of this recordset in a transaction of its own, and commit it.

        The caller's transaction writes no such row: one that others wrote since it began
        it could not write (40001), and a rollback would forget what was done outside.
        """
        for last in (*[False] * (TRIES - 1), True):
            try:
                with self._own_transaction() as apart:
                    return getattr(apart, method)(*arguments)
            except (errors.SerializationFailure, errors.UniqueViolation):
                if last:
                    raise
        return None

    @contextmanager
    def _own_transaction(self):
        """This recordset in a transaction of its own, which is committed at the end."""
        with self.env.registry.cursor() as cr:
            # as superuser: such rows are nobody's to write; without the caller's context,
            # whose defaults would be taken for the row's
            yield self.with_env(self.env(cr=cr, su=True, context={"lang": self.env.lang}))

    @contextmanager
    def _turn(self, what):
        """Be the only one who is at something, in all processes; gives whether that is so.

        Nobody waits for it, and it ends with the process, however that ends.
        """
        with self.env.registry.cursor() as cr:
            cr.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [what])
            [free] = cr.fetchone()
            yield free
