# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Many rows at once: as few statements as for one batch, and a bad row harms no other."""

import psycopg2

from odoo import models
from odoo.exceptions import AccessError, UserError, ValidationError

BATCH = 200


class Bulk(models.AbstractModel):
    _name = "emboux.bulk.mixin"
    _description = "Bulk Change"

    def _each(self, rows, do):
        """Run ``do`` (values list to records) over rows, in halves where one of them fails.

        ``rows``: number to values.  Returns number to record, and number to (status, sentence).
        """
        done, refused = {}, {}
        waiting = [list(rows)[at : at + BATCH] for at in range(0, len(rows), BATCH)][::-1]
        while waiting:  # in the order of the rows: of two that want one address the first gets it
            numbers = waiting.pop()
            try:
                with self.env.cr.savepoint():
                    records = do([rows[number] for number in numbers])
            except (UserError, psycopg2.IntegrityError) as error:
                if len(numbers) > 1:
                    half = len(numbers) // 2
                    waiting += [numbers[half:], numbers[:half]]
                else:
                    refused[numbers[0]] = self._why(error)
            else:
                done |= dict(zip(numbers, records, strict=True))
        return dict(sorted(done.items())), refused

    def _why(self, error):
        """The status that the single call would have had, and the sentence."""
        if isinstance(error, psycopg2.IntegrityError):
            # the words are with the model whose table refused: the address is taken elsewhere
            refusing = [name for name, model in self.env.registry.items()
                        if model._table == error.diag.table_name]
            return 409, self.env[(refusing or [self._name])[0]]._sql_error_to_message(error)
        if isinstance(error, AccessError):
            return 403, self.env._("This key may not do that")
        if isinstance(error, ValidationError):
            return 422, str(error)
        return 409 if type(error) is UserError else error.http_status, str(error)
