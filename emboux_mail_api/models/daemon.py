# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Which host runs which daemon, how it does, and what to do about it."""

from datetime import timedelta

from babel.dates import format_timedelta

from odoo import api, fields, models
from odoo.modules import Manifest
from odoo.tools import human_size
from odoo.tools.misc import babel_locale_parse

AWAY_AFTER = timedelta(minutes=2)  # a daemon says every 15 seconds that it lives
ODOO_AWAY_AFTER = timedelta(minutes=10)  # a job each minute does, which others may hold up
MOST = 1500  # rows; the database takes 200 hosts for each daemon
IN_TROUBLE = ("trouble", "away", "ended", "never")


def current_version():
    return Manifest.for_addon("emboux_mail_api")["version"]


class Daemon(models.Model):
    """One row for each daemon on each host, by ``emboux_mail.daemon_seen``; and one for Odoo."""

    _name = "emboux.daemon"
    _inherit = ["emboux.thread.mixin"]
    _description = "Daemon"
    _order = "host, name"
    _mail_post_access = "read"

    name = fields.Selection(
        [("policy", "Sending Policy"), ("inbound", "Mail for Odoo"), ("queue", "Mail Queue"),
         ("retention", "Removal of Old Mail"), ("transfer", "Message Log"),
         ("webhooks", "Webhooks"), ("odoo", "Odoo's Scheduled Actions")],
        "Daemon", required=True, readonly=True,
    )  # fmt: skip
    host = fields.Char(readonly=True, help="As its --name says, else the host's own name.")
    version = fields.Char(readonly=True)
    started_at = fields.Datetime("Started", readonly=True)
    seen_at = fields.Datetime("Last Sign of Life", readonly=True)
    ended_at = fields.Datetime("Stopped", readonly=True)
    problem = fields.Char("What It Says", readonly=True)
    problem_since = fields.Datetime(readonly=True)
    standby = fields.Boolean(readonly=True, help="Another one does the work; it would take over.")
    figures = fields.Json(readonly=True)
    told_at = fields.Datetime("Administrators Told", readonly=True)
    state = fields.Selection(
        [("well", "Well"), ("standby", "Standby"), ("outdated", "Restart Needed"),
         ("trouble", "In Trouble"), ("away", "Away"), ("ended", "Stopped"),
         ("never", "Not Started")],
        compute="_compute_state", search="_search_state",
    )  # fmt: skip
    seen_ago = fields.Char("Seen", compute="_compute_words")
    doing = fields.Char("What It Does", compute="_compute_words")
    trouble = fields.Char(compute="_compute_words")
    remedy = fields.Char("What to Do", compute="_compute_words")
    advice = fields.Char("How It Does", compute="_compute_words")
    command = fields.Char(compute="_compute_command")

    _name_host_unique = models.UniqueIndex("(name, host)")

    @api.depends("name", "host")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for daemon in self:
            daemon.display_name = self.env._(
                "%(daemon)s on %(host)s", daemon=daemon._label(), host=daemon.host
            ) if daemon.host else daemon._label()

    def _label(self):
        return dict(self._fields["name"]._description_selection(self.env))[self.name]

    @api.depends("name")
    def _compute_command(self):
        for daemon in self:
            daemon.command = f"odoo emboux_{daemon.name}" if daemon.name != "odoo" else "odoo"

    # -- how it does -----------------------------------------------------------------------

    def _away_since(self):
        """Whoever was not seen since then is away: (daemons, Odoo)."""
        now = fields.Datetime.now()
        return now - AWAY_AFTER, now - ODOO_AWAY_AFTER

    @api.depends("seen_at", "ended_at", "problem", "standby", "version")
    def _compute_state(self):
        daemons, odoo = self._away_since()
        for daemon in self:
            late = odoo if daemon.name == "odoo" else daemons
            daemon.state = (
                "never" if not daemon.seen_at
                else "ended" if daemon.ended_at
                else "away" if daemon.seen_at < late
                else "standby" if daemon.standby
                else "trouble" if daemon.problem
                else "outdated" if daemon.version != current_version()
                else "well"
            )  # fmt: skip

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        return [("id", "in", [row.id for row in self.search([], limit=MOST) if row.state in value])]

    @property
    def _trouble_since(self):
        self.ensure_one()
        return {
            "trouble": self.problem_since, "away": self.seen_at, "ended": self.ended_at,
            "never": self.create_date,
        }.get(self.state)  # fmt: skip

    # -- in words --------------------------------------------------------------------------

    @api.depends("state", "figures", "problem")
    @api.depends_context("lang", "tz")
    def _compute_words(self):
        locale = babel_locale_parse(self.env.lang)
        now = fields.Datetime.now()
        for daemon in self:
            daemon.seen_ago = format_timedelta(
                daemon.seen_at - now, add_direction=True, locale=locale
            ) if daemon.seen_at else False
            daemon.doing = daemon._says_doing()
            daemon.trouble = daemon._says_trouble()
            daemon.remedy = daemon.trouble and daemon._says_remedy()
            daemon.advice = (f"{daemon.trouble} {daemon.remedy}" if daemon.trouble
                             else daemon.doing)

    def _says_doing(self):
        env, said = self.env, self.figures or {}
        if self.state not in ("well", "outdated", "trouble"):
            return False
        if self.name == "policy":
            return env._("Connections of Postfix: %s", said.get("connections", 0))
        if self.name == "inbound":
            return env._("Being handed over: %s", said.get("busy", 0))
        if self.name == "queue":
            return env._("Waiting: %(waiting)s. On hold: %(held)s",
                         waiting=said.get("waiting", 0), held=said.get("held", 0))
        if self.name == "transfer":
            unread = said.get("unread", 0)
            return (env._("Still to be read: %s", human_size(unread)) if unread > 100_000
                    else env._("Reads the logs as they are written"))
        if self.name == "webhooks":
            return env._("On their way: %s", said.get("busy", 0))
        return False

    def _says_trouble(self):
        env = self.env
        return {
            "outdated": env._("It runs version %(old)s, and Odoo has %(new)s.", old=self.version,
                              new=current_version()),
            "trouble": _sentence(self.problem),
            "away": env._("No sign of life for a while: %s", self._lack()),
            "ended": env._("It was stopped: %s", self._lack()),
            "never": env._("It runs on no host: %s", self._lack()),
        }.get(self.state, False)

    def _lack(self):
        """What is not done meanwhile; the rest of a sentence."""
        env = self.env
        return {
            "policy": env._("nobody can send mail, and programs are told to try again later."),
            "inbound": env._("mail for Odoo waits in the queue of Postfix."),
            "queue": env._("no mail is held, released or deleted, and changed relays are not "
                           "noticed."),
            "retention": env._("old mail is not removed."),
            "transfer": env._("traffic is not counted, and the message log stands still."),
            "webhooks": env._("webhooks wait, and are sent when it is back."),
            "odoo": env._("nothing is retried, checked or sent at its time."),
        }[self.name]

    def _says_remedy(self):
        env, unit, host = self.env, f"emboux-{self.name}", self.host
        if self.name == "odoo":
            if self.state == "trouble":
                return env._("See Settings > Technical > Scheduled Actions; Odoo's log says why.")
            return env._("See whether Odoo runs, with max_cron_threads of 1 or more.")
        if self.state == "outdated":
            return env._("On %(host)s: systemctl restart %(unit)s", host=host, unit=unit)
        if self.state == "trouble":
            return env._("The log says more. On %(host)s: journalctl -u %(unit)s", host=host,
                         unit=unit)
        if self.state == "never":
            return env._("Start “%s”; the unit files in setup/templates/systemd say how.",
                         self.command)
        return env._("On %(host)s: systemctl restart %(unit)s – or delete this line, if that host "
                     "is gone.", host=host, unit=unit)

    # -- gone ------------------------------------------------------------------------------

    def unlink(self):
        """The host is no more: its queue is not missed either."""
        hosts = self.filtered(lambda daemon: daemon.name == "queue").mapped("host")
        self.env["emboux.queue.agent"].search([("name", "in", hosts)]).unlink()
        return super().unlink()


def _sentence(text):
    text = (text or "").strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
