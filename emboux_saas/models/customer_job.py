import logging

from odoo import models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)


class CustomerJob(models.Model):
    _inherit = "emboux.customer"

    def _each(self, do):
        """For a job: do something for each customer, in a transaction of its own.

        What is refused for one of them holds up nobody else.
        """
        for left, customer in zip(range(len(self) - 1, -1, -1), self, strict=True):
            try:
                with self.env.cr.savepoint():
                    do(customer)
            except UserError as error:
                _logger.warning("email customer %s: %s", customer.display_name, error)
            if not self.env["ir.cron"]._commit_progress(1, remaining=left):
                break
