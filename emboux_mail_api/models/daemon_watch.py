# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Tells administrators, once, when a daemon is in trouble, and when it is well again."""

from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.transactions import each_in_own_transaction

from ..settings import DAEMON_AWAY_MINUTES
from .daemon import IN_TROUBLE, MOST, current_version

_MAX_NOTIFIED = 20  # administrators
_JOB_LATE = timedelta(minutes=30)

#: Daemon to a statement that finds a row where somebody needs it.
_NEEDED = {
    "policy": "SELECT 1 FROM emboux_mail.hosted WHERE owned LIMIT 1",
    "queue": "SELECT 1 FROM emboux_mail.hosted WHERE owned LIMIT 1",
    "transfer": "SELECT 1 FROM emboux_mail.hosted WHERE owned LIMIT 1",
    "inbound": "SELECT 1 FROM emboux_mail.pushed LIMIT 1",
    "retention": "SELECT 1 FROM emboux_mail.retention_rules LIMIT 1",
    "webhooks": "SELECT 1 FROM emboux_webhook WHERE state = 'enabled' LIMIT 1",
}


class Daemon(models.Model):
    _inherit = "emboux.daemon"

    @api.model
    def _cron_watch(self):
        """Once a minute."""
        each_in_own_transaction(
            self.env, [["own", "missing"]],
            lambda what: self._say_own() if what == "own" else self._find_missing())
        hosts = sorted({row.host or "" for row in self.search([], limit=MOST)})
        each_in_own_transaction(self.env, [hosts], self._tell_of_host)

    def _say_own(self):
        """That Odoo's own jobs run, and which do not."""
        now = fields.Datetime.now()
        problem = self._job_problem()
        row = self.search([("name", "=", "odoo")], limit=1)
        values = {
            "host": self.env["emboux.monitor"]._own_host(), "version": current_version(),
            "seen_at": now, "problem": problem, "ended_at": False,
            "problem_since": problem and (row.problem_since or now),
        }
        if row:
            row.write(values)
        else:
            self.create({**values, "name": "odoo", "started_at": now})

    def _job_problem(self):
        """A sentence about scheduled actions of ours that fail or do not run; or False."""
        before = fields.Datetime.now() - _JOB_LATE
        jobs = self.env["emboux.monitor"]._jobs()
        failing = jobs.filtered("failure_count")
        if failing:
            return self.env._("Scheduled actions fail: %s.", ", ".join(failing.mapped("name")))
        late = jobs.filtered(lambda job: job.nextcall < before)
        if late:
            return self.env._("Scheduled actions are late: %s.", ", ".join(late.mapped("name")))
        return False

    def _find_missing(self):
        """A row without a host for what is needed and has never said a word."""
        found = self.search([], limit=MOST)
        for name, statement in _NEEDED.items():
            rows = found.filtered(lambda row, name=name: row.name == name)
            placeholder = rows.filtered(lambda row: not row.host)
            self.env.cr.execute(statement)
            needed = bool(self.env.cr.fetchall()) and rows == placeholder
            if needed and not placeholder:
                self.create({"name": name})
            elif placeholder and not needed:
                found -= placeholder
                placeholder.unlink()

    # -- telling ---------------------------------------------------------------------------

    def _tell_of_host(self, host):
        """One message for what has come on a host, and one for what is well again."""
        minutes = DAEMON_AWAY_MINUTES.read(self.env)
        rows = self.search([("host", "=", host or False)])
        bad = rows.filtered(lambda row: row.state in IN_TROUBLE)
        before = fields.Datetime.now() - timedelta(minutes=minutes)
        new = bad.filtered(lambda row: not row.told_at and row._trouble_since <= before)
        well = (rows - bad).filtered("told_at")
        if new and minutes:
            new[0]._post_notice(lambda row: new.with_env(row.env)._notice_of_trouble(),
                                self._administrators())
            new.told_at = fields.Datetime.now()
        if well:
            well[0]._post_notice(lambda row: well.with_env(row.env)._notice_of_rest(bad),
                                 self._administrators())
            well.told_at = False

    def _notice_of_trouble(self):
        host = self[0].host
        return Notice(
            self.env._("%s is in trouble", host) if host
            else self.env._("A part of Email Hosting runs nowhere"),
            lines=tuple(f"{row._label()}: {row.advice}" for row in self),
            remedy=self.env._("All hosts: Email Hosting > Configuration > Hosts."),
        )

    def _notice_of_rest(self, bad):
        names = ", ".join(row._label() for row in self)
        return Notice(
            self.env._("%s is well again", self[0].host or self.env._("Email Hosting")),
            names,
            remedy=self.env._("Still in trouble: %s.", ", ".join(
                row._label() for row in bad.with_env(self.env))) if bad else "",
        )

    def _administrators(self):
        users = self.env.ref("emboux_core.group_admin").all_user_ids
        return users.filtered(lambda user: user.active and not user.share)[
            :_MAX_NOTIFIED].partner_id
