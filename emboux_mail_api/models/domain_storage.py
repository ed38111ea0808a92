# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger
from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.transactions import each_in_own_transaction

FOLDERS = ("inbox", "sent", "drafts", "archive", "trash", "junk", "other")
AWAY_AFTER = timedelta(days=2)  # each mailbox has its turn every day
RULES = tuple(f"retention_{folder}" for folder in FOLDERS)
LEVELS = (95, 80)  # percent at which its people are told, the highest first


class DomainStorage(models.Model):
    """What a domain stores and moves: how long mail is kept, by kind of folder, and the log of its
    messages; and how much it may move in a month."""

    _inherit = "emboux.domain"
    _audited_fields = (*RULES, "transfer_limit", "transfer_over_limit", "message_days")
    _system_fields = frozenset({"transfer_used", "transfer_warned", "transfer_warned_month"})

    # -- how long mail is kept ---------------------------------------------------------

    retention_inbox = fields.Integer("Inbox (days)", help="0 keeps it forever.")
    retention_sent = fields.Integer("Sent (days)", help="0 keeps it forever.")
    retention_drafts = fields.Integer("Drafts (days)", help="0 keeps it forever.")
    retention_archive = fields.Integer("Archive (days)", help="0 keeps it forever.")
    retention_trash = fields.Integer("Trash (days)", help="0 keeps it forever.")
    retention_junk = fields.Integer("Junk (days)", help="0 keeps it forever.")
    retention_other = fields.Integer("Other Folders (days)", help="0 keeps it forever.")

    _retention_not_negative = models.Constraint(
        "CHECK (least(retention_inbox, retention_sent, retention_drafts, retention_archive, "
        "retention_trash, retention_junk, retention_other) >= 0)",
        "Mail is kept for 0 (for ever) or more days.",
    )

    message_days = fields.Integer(
        "Message Log (days)",
        help="0: as long as everybody's. Addresses and answers of other servers are personal data: "
        "they are deleted for good after so many days.",
    )

    _message_days_not_negative = models.Constraint(
        "CHECK (message_days >= 0)", "The message log is kept for 0 (as everybody's) or more days.")

    def action_open_messages(self):
        self.ensure_one()
        return self.env["emboux.message"]._list_of(("domain_id", "=", self.id), hide_domain=True)

    retention_last_run = fields.Datetime("Last Removal", compute="_compute_retention_runs")
    retention_counted = BigInteger(
        "Expired", compute="_compute_retention_runs", help="When each mailbox was last checked."
    )
    retention_removed = BigInteger("Removed by the Last Run", compute="_compute_retention_runs")
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
                "Old mail could not be removed from %(count)s mailboxes: %(problem)s",
                count=problems,
                problem=problem,
            )
        if self.state == "suspended":
            return self.env._("Nothing is removed while the domain is suspended.")
        if not last or last < fields.Datetime.now() - AWAY_AFTER:
            return self.env._(
                "No old mail has been removed lately. “odoo emboux_retention” on the mail server "
                "does it; check whether it is running."
            )
        return ""

    def action_open_retention(self):
        """Mailbox by mailbox."""
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_mail_api.action_retention"
        ) | {"domain": [("domain_id", "=", self.id)]}

    # -- how much it moves in a month --------------------------------------------------

    transfer_limit = BigInteger("Monthly Traffic (bytes)", help="0 means no limit.")
    transfer_over_limit = fields.Selection(
        [("defer", "Defer Mail"), ("warn", "Warn")], "Over the Traffic Limit", default="defer",
        required=True,
        help="Defer: incoming and outgoing mail waits until the next month. Warn: owner and "
             "responsible are notified, and mail goes on.",
    )
    transfer_used = BigInteger(
        "Traffic This Month (bytes)", compute="_compute_traffic_used",
        help="Messages that came into its mailboxes and that its mailboxes sent, and what mail "
        "programs uploaded and read. Months are those of UTC.",
    )

    _transfer_not_negative = models.Constraint(
        "CHECK (transfer_limit >= 0)", "A traffic limit is 0 (no limit) or more."
    )
    transfer_warned = fields.Integer("Notified At (%)", readonly=True, copy=False)
    transfer_warned_month = fields.Date("Notified In", readonly=True, copy=False)

    def _compute_traffic_used(self):
        used = dict(
            self.env.execute_query(
                SQL(
                    """SELECT domain_id, sum(bytes_in + bytes_out)::bigint
                         FROM emboux_mail.transfer
                        WHERE domain_id = ANY(%s) AND day >= %s GROUP BY domain_id""",
                    self._origin.ids,
                    _this_month(),
                )
            )
        )
        for domain in self:
            domain.transfer_used = used.get(domain._origin.id, 0)

    @api.model
    @api.private
    def _cron_warn_transfer(self):
        """Tell the people of each domain once a month that 80, and that 95 percent are used."""
        month = _this_month()
        self.flush_model(["transfer_limit", "transfer_warned", "transfer_warned_month"])
        found = self.env.execute_query(
            SQL(
                """SELECT id, percent FROM (
                       SELECT d.id, d.transfer_warned_month, d.transfer_warned,
                              (100 * sum(t.bytes_in + t.bytes_out) / d.transfer_limit)::float8
                                  AS percent
                         FROM emboux_mail.transfer t
                         JOIN emboux_domain d ON d.id = t.domain_id AND d.transfer_limit > 0
                        WHERE t.day >= %(month)s AND d.active
                        GROUP BY d.id
                   ) AS use
                   WHERE percent >= %(least)s
                     AND (transfer_warned_month IS DISTINCT FROM %(month)s
                          OR transfer_warned < CASE WHEN percent >= %(most)s THEN %(most)s
                                                    ELSE %(least)s END)
                   ORDER BY id""",
                month=month,
                least=LEVELS[-1],
                most=LEVELS[0],
            )
        )
        percents = {self.browse(number): percent for number, percent in found}

        def warn(domain):
            level = next(level for level in LEVELS if percents[domain] >= level)
            domain._warn_traffic(level)
            # as superuser: what has been told follows, and is not for users to write
            domain.sudo().write({"transfer_warned": level, "transfer_warned_month": month})

        each_in_own_transaction(self.env, [percents], warn)

    @api.private
    def _warn_traffic(self, percent):
        """Tell the domain's people that so much of the month's transfer is used."""
        self._post_notice(
            lambda domain: Notice(
                domain.env._(
                    "%(domain)s has used %(percent)s %% of its traffic of this month",
                    domain=domain.display_name, percent=percent,
                ),
                domain.env._("When it is used up, mail waits until the next month.")
                if domain.transfer_over_limit == "defer"
                else domain.env._("Its mail goes on when it is used up."),
                remedy=domain.env._(
                    "Ask the operator for more, or move large attachments to another place."
                ),
            ),
            self.user_id.partner_id | self.partner_id,
        )

    def action_open_traffic(self):
        """Day by day."""
        self.ensure_one()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "emboux_mail_api.action_transfer"
        ) | {"domain": [("domain_id", "=", self.id)]}


def _this_month():
    """The first day of the month in UTC."""
    return fields.Date.today().replace(day=1)
