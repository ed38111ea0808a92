# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import re
import time
from contextlib import closing
from datetime import datetime, timedelta

import psycopg2
import psycopg2.extras
from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.sql_db import db_connect
from odoo.tools import SQL, ormcache

from odoo.addons.emboux_core.models.fields import BigInteger

from . import message_parts
from .message_words import STATUS, describe

_logger = logging.getLogger(__name__)

DIRECTIONS = [
    ("out", "Outgoing"), ("in", "Incoming"), ("internal", "Internal"), ("forwarded", "Forwarded"),
]  # fmt: skip
_WHOLE_ADDRESS = re.compile(r"[^@\s%\\]+@[^@\s%\\]+\.[a-z0-9-]{2,}", re.IGNORECASE).fullmatch
REFUSED = ("rejected", "suppressed")  # kinds of events of what was never accepted
_DROP_SECONDS = 30


class Message(models.Model):
    """What became of a message, for one recipient.

    ``odoo emboux_transfer`` writes the rows from the mail servers' logs (``sql/message.sql``);
    others add what they know by ``_note``.  Nobody edits them.
    """

    _name = "emboux.message"
    _description = "Message"
    _auto = False
    _order = "at desc, id desc"
    _rec_name = "message_id"
    _rec_names_search = ["address"]

    at = fields.Datetime("Time", readonly=True)
    changed_at = fields.Datetime("Last Change", readonly=True)
    direction = fields.Selection(DIRECTIONS, readonly=True)
    status = fields.Selection(STATUS, readonly=True)
    domain_id = fields.Many2one("emboux.domain", readonly=True)
    partner_id = fields.Many2one("res.partner", "Owner", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    host = fields.Char("Mail Server", readonly=True)
    queue_id = fields.Char("Queue ID", readonly=True, help="As in Postfix' log.")
    message_id = fields.Char("Message-ID", readonly=True)
    login = fields.Char("Submitted By", readonly=True)
    client = fields.Char(readonly=True, help="Who brought it: name and address.")
    sender = fields.Char(readonly=True, help="Of the envelope. Reports have none.")
    recipient = fields.Char(readonly=True)
    original_recipient = fields.Char(
        readonly=True, help="The address that it was sent to, where an alias led on from there.")
    size = BigInteger("Size (bytes)", readonly=True)
    attempts = fields.Integer(readonly=True)
    relay = fields.Char("Last Server", readonly=True)
    receiver = fields.Char(
        "Receiving Provider", readonly=True, help="The organisation of the server that took it.")
    dsn = fields.Char(
        "Status Code", readonly=True, help="Enhanced status code of the last answer (RFC 3463).")
    answer = fields.Char("Last Answer", readonly=True)
    expires = fields.Date("Deleted On", readonly=True)
    events = fields.Json(readonly=True)
    # of what was sent by HTTP
    from_id = fields.Char("Return Tag", readonly=True)
    extra = fields.Json(readonly=True)
    tags = fields.Json(readonly=True)
    timeline = fields.Html(compute="_compute_timeline", sanitize=False)
    # for searches alone: a whole address is found by itself, else any part of one
    to_address = fields.Char("To", store=False, search="_search_to_address")
    from_address = fields.Char("From", store=False, search="_search_from_address")
    address = fields.Char("From or To", store=False, search="_search_address")
    last_answer = fields.Char("Server's Answer", store=False, search="_search_last_answer")

    @property
    def _table_query(self):
        return SQL(
            """SELECT id, expires, at, changed_at, direction, status, domain_id, partner_id,
                      company_id, host, queue_id, message_id, login, client, sender, recipient,
                      original_recipient, size, attempts, relay, receiver, dsn, answer, events,
                      from_id, extra, tags
                 FROM emboux_mail.message"""
        )

    # -- found by what people type ---------------------------------------------------------

    def _search_to_address(self, operator, value):
        return self._typed(("recipient",), operator, value)

    def _search_from_address(self, operator, value):
        return self._typed(("sender",), operator, value)

    def _search_address(self, operator, value):
        return self._typed(("recipient", "sender"), operator, value)

    def _search_last_answer(self, operator, value):
        if operator != "ilike":
            return NotImplemented
        # of those that tell more than that all went well, in the words of the index that has them
        return self._has_part("answer", value) & Domain.custom(
            to_sql=lambda _model, alias, _query: SQL(
                "%s NOT IN ('delivered', 'received')", SQL.identifier(alias, "status")))

    def _typed(self, names, operator, value):
        if operator != "ilike" or not isinstance(value, str):
            return NotImplemented
        if whole := _WHOLE_ADDRESS(value.strip()):
            return Domain.OR(Domain(name, "=", whole[0].lower()) for name in names)
        return Domain.OR(self._has_part(name, value) for name in names)

    def _has_part(self, name, typed):
        """Search domain: these letters are in the field.

        An index finds rows by some of them, which the whole is then looked for in.
        """
        pattern = message_parts.pattern(typed, self._sample(name, int(time.time() // 3600)))

        def to_sql(_model, alias, _query):
            field = SQL.identifier(alias, name)
            # no ILIKE, which the index would be asked for too; of "> 0" the planner would think
            # that it leaves out most rows
            whole = SQL("strpos(lower(%s), lower(%s)) <> 0", field, typed)
            return SQL("(%s ILIKE %s AND %s)", field, pattern, whole)

        return Domain.custom(to_sql=to_sql)

    @ormcache("name", "_hour")
    def _sample(self, name, _hour):
        """Some of the values of a field, as PostgreSQL's planner knows them, each on a line."""
        self.env.cr.execute(
            r"""SELECT string_agg(value, E'\n')
                  FROM pg_stats, unnest(histogram_bounds::text::text[]) AS value
                 WHERE schemaname = 'emboux_mail' AND tablename ~ '^message_\d{8}$'
                   AND attname = %s""", [name])
        return (self.env.cr.fetchone()[0] or "").lower()

    @api.depends("sender", "recipient")
    def _compute_display_name(self):
        for message in self:
            sender = message.sender or self.env._("Report")
            message.display_name = f"{sender} → {message.recipient or '…'}"

    @api.depends("events")
    def _compute_timeline(self):
        for message in self:
            message.timeline = Markup("<ol class='o_emboux_timeline list-unstyled'>%s</ol>") % (
                Markup().join(
                    Markup(
                        "<li class='d-flex gap-3 mb-2'><time class='text-muted text-nowrap' "
                        "datetime='{at}'>{shown}</time><span>{words}</span></li>"
                    ).format(at=at.isoformat(), shown=shown, words=words)
                    for at, shown, words in message._moments()
                )
            )

    @api.private
    def _story(self):
        """[(event, the same as a sentence)], the first first."""
        self.ensure_one()
        events = sorted(self.events or (), key=lambda event: event["at"])
        if not events or events[0]["kind"] not in REFUSED:
            # how it began stands in the row itself
            began = {"at": f"{self.at.isoformat()}+00:00", "kind": "accepted"} | {
                name: self[name] for name in ("client", "login", "size") if self[name]}
            events = [began, *events]
        return [(event, describe(self.env, self, event)) for event in events]

    def _moments(self):
        """[(moment, the moment for people, what happened in words)]"""
        for event, words in self._story():
            moment = datetime.fromisoformat(event["at"])
            here = fields.Datetime.context_timestamp(self, moment.replace(tzinfo=None))
            yield moment, f"{here:%Y-%m-%d %H:%M:%S}", words

    # -- what others know of it ----------------------------------------------------------

    @api.model
    @api.private
    def _note(self, domain, message_id, handed, recipient, moment, kind, status=None, **values):
        """Something has happened to a message that has left, as somebody else reports.

        :param domain: that it was sent by; a report about another's changes nothing.
        :param message_id: of its header, without angle brackets; or none.
        :param handed: else, what the server that took it has called it in its answer.
        :param moment: naive UTC.
        :param status: that it has from now on, unless a later one is known.
        :returns: how many rows were found.
        """
        event = {"at": f"{moment.isoformat()}+00:00", "kind": kind} | {
            name: value for name, value in values.items() if value}
        self.env.cr.execute(
            "SELECT emboux_mail.note_message(%s, %s, %s, %s, %s, %s, %s)",
            [domain.id, message_id or "", handed or "", recipient, moment, status or None,
             psycopg2.extras.Json(event)])
        [found] = self.env.cr.fetchone()
        self.invalidate_model()
        return found

    @api.model
    @api.private
    def _note_wish(self, held, wish):
        """A person wants held messages released, discarded, or left waiting.

        As superuser: what they do with the queue is in the story, whoever may write that.
        """
        kind = {"release": "release_asked", "discard": "discard_asked"}.get(wish, "wait_asked")
        self._note_act(held, kind)

    @api.model
    @api.private
    def _note_act(self, messages, kind, **values):
        """A person has done something with messages of the queue: with their name in the story.

        :param messages: records with ``queue_id`` and ``host``.
        """
        moment = fields.Datetime.now()
        event = {"at": f"{moment.isoformat()}+00:00", "kind": kind, "by": self.env.user.name,
                 **values}
        for message in messages:
            self.env.cr.execute(
                """UPDATE emboux_mail.message
                      SET events = events || %(event)s::jsonb,
                          changed_at = greatest(changed_at, %(moment)s)
                    WHERE queue_id = %(queue_id)s AND host = %(host)s
                      AND status IN ('held', 'accepted', 'delayed')""",
                values := {"event": psycopg2.extras.Json(event), "moment": moment,
                           "queue_id": message.queue_id, "host": message.host})
            if not self.env.cr.rowcount:
                # the reader of the log has not told of it yet: its row gets it when it comes
                self.env.cr.execute(
                    """INSERT INTO emboux_mail.message_act (host, queue_id, event, at)
                       VALUES (%(host)s, %(queue_id)s, %(event)s, %(moment)s)""", values)
        self.invalidate_model()

    @api.autovacuum
    def _gc_acts(self):
        """What was done with messages that no log has told of."""
        self.env.cr.execute("DELETE FROM emboux_mail.message_act WHERE at < %s",
                            [fields.Datetime.now() - timedelta(days=1)])
        return self.env.cr.rowcount, False

    # -- kept for so many days -----------------------------------------------------------

    @api.model
    @api.private
    def _cron_drop_days(self):
        """Drop the days that are over, each by itself, without keeping anybody from the others.

        On a connection of its own: a partition is detached outside of any transaction.
        """
        self.env.cr.execute(
            "SELECT part, day, attached, leaving FROM emboux_mail.message_parts() WHERE day <= %s",
            [fields.Date.today()])
        over = self.env.cr.fetchall()
        for part, day, attached, leaving in over:
            self._drop_day(part, day, attached, leaving)

    def _drop_day(self, part, day, attached, leaving):
        """``leaving``: an earlier run was interrupted while it detached the partition."""
        with closing(db_connect(self.env.cr.dbname).cursor()) as cr:
            cr._cnx.rollback()
            cr._cnx.autocommit = True
            cr.execute(SQL("SET statement_timeout = %s", f"{_DROP_SECONDS}s"))
            table = SQL("emboux_mail.%s", SQL.identifier(part))
            try:
                if attached:
                    how = SQL("FINALIZE") if leaving else SQL("CONCURRENTLY")
                    cr.execute(SQL(
                        "ALTER TABLE emboux_mail.message DETACH PARTITION %s %s", table, how))
                cr.execute(SQL("DROP TABLE %s", table))
            except psycopg2.Error as error:
                # the next run does it
                _logger.warning("messages of %s are not dropped: %s", day, error)
            finally:
                cr.execute("RESET statement_timeout")
                cr._cnx.autocommit = False

    @api.model
    @api.private
    def _list_of(self, *wanted, **context):
        """The list of messages that fit this search domain, as an action."""
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_mail_api.action_message")
        return action | {"domain": [*wanted], "context": context}

    def action_open_queue(self):
        """The held message, where it still is one."""
        self.ensure_one()
        held = self.env["emboux.held.message"].search(
            [("host", "=", self.host), ("queue_id", "=", self.queue_id)], limit=1)
        if not held:
            raise UserError(self.env._("This message is not on hold any more."))
        return {
            "type": "ir.actions.act_window", "res_model": "emboux.held.message",
            "res_id": held.id, "view_mode": "form", "name": held.display_name,
        }
