from odoo import models

from odoo.addons.emboux_core.models.apart import each_apart


class CustomerJob(models.Model):
    _inherit = "emboux.customer"

    def _each(self, do):
        """For a job: do something for each customer, in a transaction of its own.

        What fails for one of them holds up nobody else.  Returns whether the job has time for more.
        """
        return each_apart(self.env, [self], do)
