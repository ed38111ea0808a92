"""What ``odoo emboux_retention`` has removed, for those who set how long mail is kept."""

from datetime import timedelta

from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger

from .domain_settings import FOLDERS

AWAY = timedelta(days=2)  # each mailbox has its turn every day
RULES = tuple(f"retention_{folder}" for folder in FOLDERS)


class Retention(models.Model):
    """The last look at a mailbox, and the last removal."""

    _name = "emboux.retention"
    _description = "Removal of Old Mail"
    _auto = False
    _order = "mailbox_id"
    _rec_name = "mailbox_id"

    mailbox_id = fields.Many2one("emboux.mailbox", readonly=True)
    domain_id = fields.Many2one("emboux.domain", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    counted = BigInteger("Had Expired", readonly=True, help="At the last look.")
    counted_at = fields.Datetime("Looked At", readonly=True)
    removed = BigInteger(readonly=True, help="By the last run.")
    finished_at = fields.Datetime("Last Run", readonly=True)
    removed_total = BigInteger("Removed So Far", readonly=True)
    problem = fields.Char(readonly=True)

    @property
    def _table_query(self):
        return SQL(
            """SELECT r.mailbox_id AS id, r.mailbox_id, m.domain_id, m.company_id,
                      r.counted, r.counted_at AT TIME ZONE 'UTC' AS counted_at,
                      r.removed, r.finished_at AT TIME ZONE 'UTC' AS finished_at,
                      r.removed_total, r.problem
                 FROM emboux_mail.retention r JOIN emboux_mailbox m ON m.id = r.mailbox_id"""
        )


class DomainRetentionRuns(models.Model):
    _inherit = "emboux.domain"

    retention_last_run = fields.Datetime("Last Removal", compute="_compute_retention_runs")
    retention_counted = BigInteger(
        "Had Expired", compute="_compute_retention_runs", help="At the last look at each mailbox."
    )
    retention_removed = BigInteger("Removed by It", compute="_compute_retention_runs")
    retention_note = fields.Char(compute="_compute_retention_runs")

    def _compute_retention_runs(self):
        """As superuser: the mailboxes that a user does not see are part of the sums."""
        rows = {
            number: values
            for number, *values in self.env.execute_query(
                SQL(
                    """SELECT m.domain_id, max(r.finished_at AT TIME ZONE 'UTC')::timestamp(0),
                              sum(r.counted)::bigint, sum(r.removed)::bigint,
                              count(r.problem), min(r.problem)
                         FROM emboux_mail.retention r JOIN emboux_mailbox m ON m.id = r.mailbox_id
                        WHERE m.domain_id = ANY(%s) GROUP BY m.domain_id""",
                    self._origin.ids,
                )
            )
        }
        for domain in self:
            last, counted, removed, problems, problem = rows.get(
                domain._origin.id, (None, 0, 0, 0, None)
            )
            domain.retention_last_run = last
            domain.retention_counted = counted or 0
            domain.retention_removed = removed or 0
            domain.retention_note = domain._retention_warning(last, problems, problem)

    def _retention_warning(self, last, problems, problem):
        """What keeps old mail from being removed, as a sentence; empty when nothing does."""
        if not any(self[rule] for rule in RULES) or not self.mailbox_count:
            return ""
        if problems:
            return self.env._(
                "Of %(count)s mailboxes no old mail could be removed: %(problem)s",
                count=problems,
                problem=problem,
            )
        if self.state == "suspended":
            return self.env._("Nothing is removed while the domain is suspended.")
        if not last or last < fields.Datetime.now() - AWAY:
            return self.env._(
                "No old mail has been removed lately. “odoo emboux_retention” on the mail server "
                "does it; look whether it runs."
            )
        return ""

    def action_open_retention(self):
        """Mailbox by mailbox."""
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_mail_api.action_retention"
        ) | {"domain": [("domain_id", "=", self.id)]}
