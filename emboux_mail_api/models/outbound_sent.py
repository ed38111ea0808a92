from odoo import api, models
from odoo.tools import SQL


class OutboundSent(models.AbstractModel):
    """How much a domain has sent, for whoever asks for a rate.

    The one place that reads it, so that where it is counted can move.
    """

    _name = "emboux.outbound.sent"
    _description = "What Was Sent"

    @api.model
    @api.private
    def _sent_since(self, domain, since):
        """Recipients from ``since`` on, as far as days can say: the whole of its day counts.

        :param since: a naive UTC datetime.
        """
        self.env["emboux.outbound.count"].flush_model()
        [[sent]] = self.env.execute_query(
            SQL(
                """SELECT coalesce(sum(recipients), 0)::bigint FROM emboux_outbound_count
                    WHERE domain_id = %s AND "window" = 'day' AND since >= %s""",
                domain.id,
                since.date(),
            )
        )
        return sent
