# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What Odoo knows of the platform, in numbers: its jobs, what waits, and the hosts."""

from datetime import UTC
from urllib.parse import urlsplit

from odoo import fields, models

from ..emboux_daemons.exposition import Family
from .daemon import IN_TROUBLE, MOST

#: What waits, to a statement that counts it, and the time since when the longest is due.
_WAITING = {
    "changes": """
        SELECT count(*), min(next_try) FROM emboux_operation WHERE state = 'pending'""",
    "registrations": """
        SELECT count(*), min(next_try) FROM emboux_registration WHERE state = 'pending'""",
    "provider_checks": """
        SELECT count(*), min(next_poll) FROM emboux_registration WHERE next_poll <= %(now)s""",
    "dns_checks": """
        SELECT count(*), min(next_check) FROM emboux_domain WHERE next_check <= %(now)s""",
    "dns_withdrawals": """
        SELECT count(*), min(coalesce(next_try, write_date)) FROM emboux_dns_published
         WHERE domain_id IS NULL""",
    "mail_at_its_time": """
        SELECT count(*), min(next_try) FROM emboux_submission""",
    "webhook_deliveries": """
        SELECT count(*), min(d.next_try)
          FROM emboux_mail.webhook_delivery d JOIN emboux_webhook w ON w.id = d.webhook_id
         WHERE d.state = 'pending' AND w.state = 'enabled'""",
    "provider_reports": """
        SELECT count(*), min(create_date) FROM emboux_webhook_event
         WHERE to_log AND create_date >= %(now)s - interval '1 hour'""",
    "odoo_mail": """
        SELECT count(*), min(create_date) FROM mail_mail WHERE state = 'outgoing'""",
    "held_decisions": """
        SELECT count(*), min(expires_at) FROM emboux_held_message
         WHERE state = 'held' AND expires_at <= %(now)s""",
}


class Monitor(models.AbstractModel):
    """Numbers of the whole platform: nothing is named but our own jobs, daemons and hosts."""

    _name = "emboux.monitor"
    _description = "Numbers for Monitoring"

    def _families(self):
        """[``Family``] for Prometheus."""
        return [*self._of_jobs(), *self._of_what_waits(), *self._of_hosts(), *self._of_records()]

    def _own_host(self):
        """The name by which people know this Odoo."""
        # as superuser: a system parameter
        url = self.env["ir.config_parameter"].sudo().get_param("web.base.url") or ""
        return urlsplit(url).hostname or self.env.cr.dbname

    # -- jobs ------------------------------------------------------------------------------

    def _jobs(self):
        """The active scheduled actions of our add-ons."""
        # as superuser: jobs are for system administrators
        names = self.env["ir.model.data"].sudo().search(
            [("model", "=", "ir.cron"), ("module", "=like", "emboux%")])
        return self.env["ir.cron"].sudo().search([("id", "in", names.mapped("res_id"))])

    def _of_jobs(self):
        jobs = self._jobs()
        named, took = jobs.get_external_id(), self._durations(jobs)

        def of_each(value):
            return [("", {"action": named[job.id]}, value(job)) for job in jobs]

        yield Family("emboux_job_last_run_timestamp_seconds", "gauge",
                     "When a scheduled action last ended; 0: never.",
                     of_each(lambda job: _seconds(job.lastcall)))
        yield Family("emboux_job_next_run_timestamp_seconds", "gauge",
                     "When it is to run next.", of_each(lambda job: _seconds(job.nextcall)))
        yield Family("emboux_job_failures", "gauge",
                     "How often in a row it has failed.", of_each(lambda job: job.failure_count))
        yield Family("emboux_job_seconds", "gauge",
                     "How long its last run took, up to what it committed last.",
                     of_each(lambda job: took.get(job.id, 0)))

    def _durations(self, jobs):
        """{id: seconds} of the last run, up to what it committed last, which Odoo writes down."""
        self.env.cr.execute(
            """SELECT DISTINCT ON (cron_id) cron_id, extract(epoch FROM write_date - create_date)
                 FROM ir_cron_progress WHERE cron_id = ANY(%s) ORDER BY cron_id, id DESC""",
            [jobs.ids])
        return dict(self.env.cr.fetchall())

    # -- what waits ------------------------------------------------------------------------

    def _of_what_waits(self):
        now, counts, late = fields.Datetime.now(), [], []
        for what, statement in _WAITING.items():
            self.env.cr.execute(statement, {"now": now})
            count, since = self.env.cr.fetchone()
            counts.append(("", {"what": what}, count))
            overdue = max((now - since).total_seconds(), 0) if since else 0
            late.append(("", {"what": what}, overdue))
        yield Family("emboux_waiting", "gauge", "What is to be done.", counts)
        yield Family("emboux_waiting_late_seconds", "gauge",
                     "Since when the longest of it is due; 0: none is.", late)

    # -- hosts and records -----------------------------------------------------------------

    def _of_hosts(self):
        # as superuser: whoever may read the numbers need not see the page
        daemons = self.env["emboux.daemon"].sudo().search([], limit=MOST)

        def of_each(value):
            return [("", {"daemon": row.name, "host": row.host or ""}, value(row))
                    for row in daemons]

        yield Family("emboux_host_seen_timestamp_seconds", "gauge",
                     "When a daemon last said that it lives; 0: never.",
                     of_each(lambda row: _seconds(row.seen_at)))
        yield Family("emboux_host_trouble", "gauge",
                     "Whether it stands as in trouble under Hosts.",
                     of_each(lambda row: row.state in IN_TROUBLE))

    def _of_records(self):
        for name, text, statement in (
            ("emboux_domains", "Domains by their state.",
             "SELECT state, count(*) FROM emboux_domain GROUP BY state ORDER BY state"),
            ("emboux_webhooks", "Webhooks by their state.",
             "SELECT state, count(*) FROM emboux_webhook GROUP BY state ORDER BY state"),
        ):
            self.env.cr.execute(statement)
            yield Family(name, "gauge", text, [
                ("", {"state": state}, count) for state, count in self.env.cr.fetchall()])


def _seconds(moment):
    """Of a naive UTC time, since 1970."""
    return moment.replace(tzinfo=UTC).timestamp() if moment else 0
