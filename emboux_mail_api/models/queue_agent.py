# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The agents that serve the mail servers' queues, as they tell of themselves."""

from datetime import timedelta

from odoo import api, fields, models

AWAY_AFTER = timedelta(
    minutes=2
)  # an agent reports every 2 seconds, a busy one every 30


class QueueAgent(models.Model):
    """One row for each mail server whose queue has an agent (``queue/agent.py`` writes it)."""

    _name = "emboux.queue.agent"
    _description = "Agent of a Mail Queue"
    _log_access = False
    _order = "name"

    name = fields.Char("Mail Server", required=True)
    seen_at = fields.Datetime("Last Seen", required=True)
    waiting = fields.Integer(help="Messages that wait to be delivered.")
    held = fields.Integer("On Hold")
    problem = fields.Char(help="What keeps the agent from its work.")
    reloaded_at = fields.Datetime(
        "Last Reload",
        help="When Postfix was last made to forget what it knew: mail of a domain leaves by "
        "another relay, or the database was away.",
    )
    reload_problem = fields.Char(help="What keeps the agent from reloading Postfix.")
    routing = fields.Char(help="The relays at the last reload, as one number.")

    _name_unique = models.UniqueIndex("(name)")

    @api.model
    def warning(self):
        """A sentence for the list of held messages, empty when all is well."""
        self.check_access("read")
        agents = self.search([], limit=1000)
        if not agents:
            return self.env._(
                "No agent serves the mail queue: nothing is held, released or discarded. "
                "Start “odoo emboux_queue” on the mail server."
            )
        since = fields.Datetime.now() - AWAY_AFTER
        away = agents.filtered(lambda a: a.seen_at < since)
        if away:
            return self.env._(
                "The agent of the mail queue on %(servers)s was last seen %(when)s (UTC): nothing "
                "is held, released or discarded there until it is back.",
                servers=", ".join(away.mapped("name")),
                when=fields.Datetime.to_string(max(away.mapped("seen_at"))),
            )
        troubled = agents.filtered("problem")[:1]
        if troubled:
            return self.env._(
                "The mail queue on %(server)s cannot be processed: %(problem)s",
                server=troubled.name,
                problem=troubled.problem,
            )
        stale = agents.filtered("reload_problem")[:1]
        if stale:
            return self.env._(
                "Postfix on %(server)s does not notice changed relays, or that the database is "
                "back, until somebody runs “postfix reload” there: %(problem)s",
                server=stale.name,
                problem=stale.reload_problem,
            )
        return ""
