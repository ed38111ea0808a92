# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models
from odoo.tools import SQL


class OutboundSent(models.AbstractModel):
    """How much a domain has sent, for whoever asks for a rate.

    The only place that reads it, so that the counters can move.
    """

    _name = "emboux.outbound.sent"
    _description = "Sent Mail"

    @api.model
    @api.private
    def _sent_since(self, domain, since):
        """Recipients from ``since`` on, as far as days can say: the whole of its day counts.

        :param since: a naive UTC datetime.
        """
        self.env["emboux.outbound.count"].flush_model()
        [[sent]] = self.env.execute_query(
            SQL(
                """SELECT coalesce(sum(n), 0)::bigint FROM (
                       SELECT recipients AS n FROM emboux_outbound_count
                        WHERE domain_id = %(domain)s AND "window" = 'day' AND since >= %(day)s
                        UNION ALL
                       SELECT in_day FROM emboux_mail.sent
                        WHERE subject = %(domain)s AND (at AT TIME ZONE 'UTC')::date >= %(day)s
                   ) AS days""",
                domain=domain.id,
                day=since.date(),
            )
        )
        return sent
