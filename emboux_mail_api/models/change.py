# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import base64
import binascii
import json
import re

from odoo import api, fields, models
from odoo.tools import SQL, file_open

from ..settings import CLUSTER

_NUMBER = r"[0-9]{1,19}"
_SNAPSHOT = re.compile(rf"({_NUMBER}):({_NUMBER}):((?:{_NUMBER}(?:,{_NUMBER})*)?)")
_BEFORE_ALL = "1:1:"  # a snapshot that sees nothing
_MAX_BIGINT = 2**63 - 1


class CursorError(ValueError):
    """This is no cursor of ours."""


class Change(models.Model):
    """The changes since an earlier query: each once, none missed, in order.

    A cursor holds the PostgreSQL snapshot of the last question.  New is what was written by a
    transaction that this snapshot does not see and the present one does; so a transaction
    that takes long to commit is neither missed nor told twice.  A pass of many pages looks at
    one snapshot throughout; what changes meanwhile comes with the next pass.
    """

    _name = "emboux.change"
    _description = "What Changed"
    _log_access = False
    _rec_name = "name"

    kind = fields.Selection([("domain", "Domain"), ("mailbox", "Mailbox")], required=True)
    name = fields.Char(required=True)
    domain_name = fields.Char(required=True)
    partner_id = fields.Many2one("res.partner", index="btree_not_null", ondelete="cascade")
    gone = fields.Boolean()

    def init(self):
        with file_open("emboux_mail_api/sql/change.sql") as source:
            self.env.cr.execute(source.read())

    @api.model
    @api.private
    def _since(self, cursor, limit, kinds=("domain", "mailbox", "usage")):
        """Returns (rows, cursor for the next question, whether there is more already).

        Rows are (kind, name, domain name, gone) with kind domain, mailbox or usage.
        :raises CursorError: the cursor cannot be read.
        """
        self.env.flush_all()
        here = self._cluster()
        cluster, since, upto, after = _decode(cursor) if cursor else (here, _BEFORE_ALL, None, None)
        if cluster != here:
            since, upto, after = _BEFORE_ALL, None, None  # it was restored since: report everything
        [[now]] = self.env.execute_query(SQL("SELECT pg_current_snapshot()::text"))
        upto = upto or now
        found = self.env.execute_query(self._query(since, upto, after, kinds, limit + 1))
        more = len(found) > limit
        rows = found[:limit]
        following = (since, upto, rows[-1][4:7]) if more else (upto, None, None)
        return [row[:4] for row in rows], _encode(here, *following), more

    def _cluster(self):
        return CLUSTER.read(self.env)

    def _register_hook(self):
        """Transaction ids belong to one cluster: restored on another, everything counts as new."""
        super()._register_hook()
        [[cluster]] = self.env.execute_query(
            SQL("SELECT system_identifier::text FROM pg_control_system()")
        )
        if self._cluster() != cluster:
            self.env.cr.execute("UPDATE emboux_change SET written_by = pg_current_xact_id()")
            self.env.cr.execute("UPDATE emboux_mail.usage SET written_by = pg_current_xact_id()")
            # as superuser: system parameters are administrators' alone
            self.env["ir.config_parameter"].sudo().set_param(CLUSTER.key, cluster)

    def _query(self, since, upto, after, kinds, limit):
        """Both sources under the record rules of who asks, in the order of their writing."""
        new = SQL(
            """written_by >= pg_snapshot_xmin(%(since)s::pg_snapshot)
               AND NOT pg_visible_in_snapshot(written_by, %(since)s::pg_snapshot)
               AND pg_visible_in_snapshot(written_by, %(upto)s::pg_snapshot)""",
            since=since,
            upto=upto,
        )
        mailboxes = self.env["emboux.mailbox"].with_context(active_test=False)
        position = SQL("TRUE")
        if after:
            position = SQL(
                "(written_by, kind, name) > (%s::xid8, %s, %s)", after[0], after[1], after[2]
            )
        return SQL(
            """SELECT kind, name, domain_name, gone, written_by::text, kind, name FROM (
                   SELECT c.kind, c.name, c.domain_name, c.gone, c.written_by
                     FROM emboux_change c
                    WHERE %(new)s AND c.id IN (%(visible)s)
                    UNION ALL
                   SELECT 'usage', u.username, split_part(u.username, '@', 2), false, u.written_by
                     FROM emboux_mail.usage u
                     JOIN emboux_mailbox m ON m.email = u.username AND m.id IN (%(mailboxes)s)
                     JOIN emboux_domain d ON d.id = m.domain_id AND d.owned_since IS NOT NULL
                     JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
                    WHERE %(new)s
               ) changed
               WHERE %(position)s AND kind = ANY(%(kinds)s)
               ORDER BY written_by, kind, name
               LIMIT %(limit)s""",
            new=new,
            visible=self._search([]).subselect(),
            mailboxes=mailboxes._search([]).subselect(),
            position=position,
            kinds=list(kinds),
            limit=limit,
        )


def _encode(cluster, since, upto, after):
    packed = json.dumps(
        [cluster, since, upto, list(after) if after else None], separators=(",", ":")
    )
    return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def _decode(cursor):
    try:
        packed = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
        cluster, since, upto, after = json.loads(packed)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise CursorError from error
    _assert_snapshot(since)
    if (upto is None) != (after is None):
        raise CursorError
    if upto is not None:
        _assert_snapshot(upto)
        if not (
            isinstance(after, list)
            and len(after) == 3
            and all(isinstance(part, str) and "\0" not in part and part.isascii() for part in after)
            and re.fullmatch(_NUMBER, after[0])
            and int(after[0]) <= _MAX_BIGINT
        ):
            raise CursorError
    return cluster, since, upto, after


def _assert_snapshot(text):
    """PostgreSQL would refuse it with an error of its own."""
    parts = _SNAPSHOT.fullmatch(text) if isinstance(text, str) else None
    if not parts:
        raise CursorError
    first, last = int(parts[1]), int(parts[2])
    running = [int(xid) for xid in parts[3].split(",")] if parts[3] else []
    if not (
        0 < first <= last <= _MAX_BIGINT
        and all(first <= xid < last for xid in running)
        and running == sorted(set(running))
    ):
        raise CursorError
