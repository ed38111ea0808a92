# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the purge reads and writes in Odoo's database; ``sql/retention.sql`` has the other side.

Each call is one transaction that ends before it returns: nothing is locked while Dovecot works.
"""

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime

from ..store import BaseStore, NotAlone

_LOCK = "hashtext('emboux_retention'), 0"
AT_ONCE = 500  # mailboxes


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox with a rule: days by kind of folder, without those that are kept for ever."""

    id: int
    email: str
    domain: str
    rule: dict


@dataclass(frozen=True, slots=True)
class Begun:
    """A pass that was begun and not ended: by which rule and moment, and what it had found."""

    rule: dict
    as_of: datetime
    found: int


class Store(BaseStore):
    name = "emboux_retention"
    statement_seconds = 60

    @contextlib.contextmanager
    def alone(self):
        """No other purge of this database meanwhile.

        :raises psycopg2.Error: PostgreSQL is away, or another purge runs.
        """
        [[taken]] = self._all(f"SELECT pg_try_advisory_lock({_LOCK})")
        if not taken:
            raise NotAlone("another purge runs on this database just now")
        yield
        # after an error the connection is closed, which ends the lock too
        self._all(f"SELECT pg_advisory_unlock({_LOCK})")

    def now(self):
        [[now]] = self._all("SELECT clock_timestamp()")
        return now

    def due(self, since, after, domain=None):
        """The next mailboxes behind the id ``after`` that were not purged since that time, by the
        rule they have now; all of a ``domain``'s, if one is named."""
        return [Mailbox(*row) for row in self._all(
            """SELECT r.mailbox_id, r.email, r.domain, r.rule
                 FROM emboux_mail.retention_rules r
                 LEFT JOIN emboux_mail.retention p ON p.mailbox_id = r.mailbox_id
                WHERE r.mailbox_id > %(after)s
                  AND (%(domain)s::text IS NULL OR r.domain = %(domain)s)
                  AND (p.finished_at IS NULL OR p.finished_at < %(since)s OR p.rule <> r.rule)
                ORDER BY r.mailbox_id LIMIT %(most)s""",
            {"after": after, "domain": domain, "since": since, "most": AT_ONCE})]

    def rule(self, mailbox):
        """The rule as it is at this moment; empty where nothing may be removed any more."""
        rows = self._all("SELECT rule FROM emboux_mail.retention_rules"
                         " WHERE mailbox_id = %s AND email = %s", [mailbox.id, mailbox.email])
        return rows[0][0] if rows else {}

    def begun(self, mailbox):
        """The pass of this mailbox that was begun and not ended, or None."""
        rows = self._all("SELECT rule, as_of, found FROM emboux_mail.retention"
                         " WHERE mailbox_id = %s AND finished_at IS NULL AND as_of IS NOT NULL",
                         [mailbox.id])
        return Begun(*rows[0]) if rows else None

    def counted(self, mailbox, moment, found):
        """Remember what would be removed."""
        self._write("""INSERT INTO emboux_mail.retention AS r (mailbox_id, counted, counted_at)
                       SELECT mailbox_id, %(found)s, %(moment)s FROM emboux_mail.retention_rules
                        WHERE mailbox_id = %(id)s
                           ON CONFLICT (mailbox_id) DO UPDATE
                          SET counted = excluded.counted, counted_at = excluded.counted_at""",
                    {"id": mailbox.id, "found": found, "moment": moment})

    def begin(self, mailbox, rule, as_of, found):
        """Remember what is about to be removed; returns whether the mailbox is still there."""
        return self._write(
            """INSERT INTO emboux_mail.retention AS r
                      (mailbox_id, rule, as_of, found, counted, counted_at)
               SELECT mailbox_id, %(rule)s, %(as_of)s, %(found)s, %(found)s, %(as_of)s
                 FROM emboux_mail.retention_rules WHERE mailbox_id = %(id)s
                   ON CONFLICT (mailbox_id) DO UPDATE
                  SET rule = excluded.rule, as_of = excluded.as_of, found = excluded.found,
                      counted = excluded.counted, counted_at = excluded.counted_at,
                      finished_at = NULL""",
            {"id": mailbox.id, "rule": json.dumps(rule), "as_of": as_of, "found": found}) == 1

    def finish(self, mailbox, removed):
        self._write(
            """UPDATE emboux_mail.retention
                  SET finished_at = clock_timestamp(), removed = %s, problem = NULL,
                      removed_total = removed_total + %s
                WHERE mailbox_id = %s""", [removed, removed, mailbox.id])

    def fail(self, mailbox, problem):
        """Say in Odoo why a mailbox was passed over."""
        self._write("""INSERT INTO emboux_mail.retention AS r (mailbox_id, problem)
                       SELECT mailbox_id, %s FROM emboux_mail.retention_rules
                        WHERE mailbox_id = %s
                           ON CONFLICT (mailbox_id) DO UPDATE SET problem = excluded.problem""",
                    [problem, mailbox.id])

    def leftovers(self, after):
        """The next folders, in order, behind that one, of mailboxes that are deleted."""
        return [folder for folder, in self._all(
            "SELECT mail_folder FROM emboux_mail.leftovers WHERE mail_folder > %s"
            " ORDER BY mail_folder LIMIT %s", [after, AT_ONCE])]

    def forget(self, folder):
        """Its mail is deleted."""
        self._write("DELETE FROM emboux_mail.leftover WHERE mail_folder = %s", [folder])
