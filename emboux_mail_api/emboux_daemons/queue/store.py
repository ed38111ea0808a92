# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the agent reads and writes in Odoo's database; ``sql/queue.sql`` has the other side.

Each call is one transaction that ends before it returns: nothing is locked while a command of
Postfix' runs.
"""

from dataclasses import replace

from psycopg2.extras import execute_values

from ..policy import ledger
from ..policy.cursor import drive
from ..policy.decision import END, Decision, Request, amount
from ..policy.holds import HoldRule
from ..policy.ledger import Ask
from ..store import BaseStore
from . import rules
from .listing import Listed, Wish
from .rules import Login, Row

_ROWS = """
SELECT id, queue_id, arrived, login, sender, reason, state, coalesce(wish, ''),
       expires_at
  FROM emboux_mail.held_messages
"""
_UTC = "(clock_timestamp() AT TIME ZONE 'UTC')::timestamp(0)"
# A message that was released and is on hold again was put there by somebody: what has been
# charged is not held for a limit a second time.
_REGISTER = f"""
INSERT INTO emboux_mail.held_messages AS h
       (host, queue_id, arrived, arrived_at, login, sender, domain_id, recipients, recipient_count,
        size, reason, state, held_since, expires_at)
SELECT %(host)s, %(queue_id)s, %(arrived)s, to_timestamp(%(arrived)s) AT TIME ZONE 'UTC',
       %(login)s, %(sender)s, %(domain)s, %(recipients)s, %(count)s, %(size)s, %(reason)s,
       %(state)s, {_UTC},
       CASE WHEN %(reason)s = 'over_limit' AND days > 0 THEN {_UTC} + days * interval '1 day' END
  FROM (SELECT emboux_mail.parameter('emboux_mail_api.held_days', 5) AS days) AS setting
    ON CONFLICT (host, queue_id, arrived) DO UPDATE
   SET reason = CASE WHEN h.charged_at IS NOT NULL AND excluded.reason = 'over_limit'
                     THEN 'by_hand' ELSE excluded.reason END,
       state = excluded.state, held_since = excluded.held_since, expires_at = excluded.expires_at,
       wish = NULL, note = NULL, done_at = NULL
 WHERE h.state NOT IN ('holding', 'held', 'releasing', 'discarding')
RETURNING {_ROWS.partition('SELECT')[2].partition('FROM')[0]}
"""


class Store(BaseStore):
    """What the agent's rounds need."""

    name = "emboux_queue"
    channels = ("emboux_queue", "emboux_policy")  # wishes; suspensions and limits

    def _begin(self, cursor):
        self._be_alone(cursor, f"another agent already serves the mail server {self.host}")

    # -- what is there ---------------------------------------------------------------------

    def rows(self):
        """The rows of this mail server whose message matters."""
        found = self._all(_ROWS + " WHERE host = %s AND state = ANY(%s) ORDER BY arrived, id",
                          [self.host, list(rules.OPEN)])
        return [Row(*row) for row in found]

    def now(self):
        """Naive UTC, by the database's clock."""
        return self._all(f"SELECT {_UTC}")[0][0]

    def logins(self, names):
        """Login to ``rules.Login``, for those that are known."""
        found = self._all(
            """SELECT login, id, mailbox_suspended OR suspended IS NOT NULL OR blocked IS NOT NULL,
                      over_limit = 'hold'
                 FROM emboux_mail.sending WHERE login = ANY(%s)""", [sorted(names)])
        return {login: Login(*values) for login, *values in found}

    def stopped_domains(self, names):
        """Those of these domains that are suspended or blocked, or whose parent is."""
        found = self._all(
            """SELECT name FROM emboux_mail.sending_domains
                WHERE name = ANY(%s) AND owned
                  AND (suspended IS NOT NULL OR blocked IS NOT NULL)""",
            [sorted(names)])
        return {name for (name,) in found}

    def suspended(self, names):
        """Those of these logins that are suspended, or whose domain is."""
        found = self._all("SELECT email FROM emboux_mail.users"
                          " WHERE suspended AND email = ANY(%s)", [sorted(names)])
        return {name for (name,) in found}

    def hold_rules(self):
        return tuple(HoldRule(*row) for row in self._all(
            "SELECT sender_domain, login, recipient_domain, reason FROM emboux_mail.hold_rules"))

    # -- what waits ------------------------------------------------------------------------

    def listed(self):
        """Key to ``Listed`` of what this mail server has listed."""
        return {(queue_id, arrived): Listed(*values) for queue_id, arrived, *values in self._all(
            "SELECT queue_id, arrived, queue, reason, next_try FROM emboux_mail.queue_message"
            " WHERE host = %s", [self.host])}

    def hosted(self, names):
        """Name to number, of the domains that are ours."""
        return dict(self._all("SELECT * FROM emboux_mail.hosted_numbers(%s)", [sorted(names)]))

    def list_messages(self, new, changed, gone):
        """``new``: [(message, envelope, domain's number, ``Listed``)]; ``changed``: key to
        ``Listed``; ``gone``: keys."""
        with self._transaction() as cursor:
            if gone:
                cursor.execute(
                    """DELETE FROM emboux_mail.queue_message q
                        USING unnest(%s::text[], %s::bigint[]) AS g(queue_id, arrived)
                        WHERE q.host = %s AND (q.queue_id, q.arrived) = (g.queue_id, g.arrived)""",
                    [*map(list, zip(*gone, strict=True)), self.host])
            if changed:
                cursor.execute(
                    """UPDATE emboux_mail.queue_message q
                          SET queue = c.queue, reason = c.reason, next_try = c.next_try
                         FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[],
                                     %s::timestamp[])
                              AS c(queue_id, arrived, queue, reason, next_try)
                        WHERE q.host = %s AND (q.queue_id, q.arrived) = (c.queue_id, c.arrived)""",
                    [[key[0] for key in changed], [key[1] for key in changed],
                     [row.queue for row in changed.values()],
                     [row.reason for row in changed.values()],
                     [row.next_try for row in changed.values()], self.host])
            if new:
                execute_values(cursor, """
                    INSERT INTO emboux_mail.queue_message
                           (host, queue_id, arrived, queue, login, sender, domain_id, recipients,
                            recipient_count, size, reason, next_try)
                    VALUES %s ON CONFLICT (host, queue_id, arrived) DO NOTHING""", [
                    (self.host, message.queue_id, message.arrived, row.queue,
                     envelope.login if envelope else "", message.sender, number,
                     "\n".join(envelope.recipients) if envelope else "",
                     envelope.count if envelope else 0, message.size, row.reason, row.next_try)
                    for message, envelope, number, row in new])

    def wishes(self):
        """[``Wish``] of people, about what is listed."""
        return [Wish(*row) for row in self._all(
            "SELECT id, queue_id, arrived, wish, wish_until FROM emboux_mail.queue_message"
            " WHERE host = %s AND wish IS NOT NULL ORDER BY id", [self.host])]

    def fulfilled(self, ids, notes):
        """``notes``: id to why it was not done."""
        with self._transaction() as cursor:
            cursor.execute("UPDATE emboux_mail.queue_message SET wish = NULL, wish_until = NULL,"
                           " note = NULL WHERE id = ANY(%s)", [ids])
            for number, note in notes.items():
                cursor.execute("UPDATE emboux_mail.queue_message SET note = %s WHERE id = %s",
                               [note, number])

    # -- what is written -------------------------------------------------------------------

    def register(self, registrations):
        """Write a row for each ``rules.Registration``; returns the rows."""
        made = []
        with self._transaction() as cursor:
            for new in registrations:
                message = new.message
                cursor.execute(_REGISTER, {
                    "host": self.host, "queue_id": message.queue_id, "arrived": message.arrived,
                    "login": new.envelope.login, "sender": message.sender, "domain": new.domain_id,
                    "recipients": "\n".join(new.envelope.recipients),
                    "count": new.envelope.count, "size": message.size, "reason": new.reason,
                    "state": new.state})
                made += [Row(*row) for row in cursor.fetchall()]
        return made

    def set_states(self, states, unless_wished=False):
        """``states``: row id to state.  A wish is fulfilled, or moot, by any of them but held.

        ``unless_wished``: not for those about which somebody has decided meanwhile.
        """
        by_state = {}
        for row_id, state in states.items():
            by_state.setdefault(state, []).append(row_id)
        with self._transaction() as cursor:
            for state, row_ids in sorted(by_state.items()):
                cursor.execute(
                    f"""UPDATE emboux_mail.held_messages
                           SET state = %(state)s,
                               wish = CASE WHEN %(state)s = 'held' THEN wish END,
                               note = CASE WHEN %(state)s = 'held' THEN note END,
                               done_at = CASE WHEN %(closed)s THEN {_UTC} END
                         WHERE id = ANY(%(ids)s) AND NOT (%(unless)s AND wish IS NOT NULL)""",
                    {"state": state, "ids": row_ids, "closed": state not in rules.OPEN,
                     "unless": unless_wished})

    def refuse(self, row, sentence):
        """Say why a wish is not fulfilled, which answers it."""
        self._write("UPDATE emboux_mail.held_messages SET note = %s, wish = NULL WHERE id = %s",
                    [sentence, row.id])

    def note(self, row, sentence):
        """Say why it waits, where that has changed."""
        self._write("UPDATE emboux_mail.held_messages SET note = %s"
                    " WHERE id = %s AND note IS DISTINCT FROM %s", [sentence, row.id, sentence])

    def may_leave(self, row, envelope):
        """What the policy says to a message over a limit now; charges nothing.

        Returns the ``Decision``, and what the message counts.
        """
        with self._transaction() as cursor:
            ask = _ask(cursor, row, envelope, forced=False)
            if ask is None:
                return _UNKNOWN, 0
            return drive(ledger.look([ask]), cursor)[0][0], amount(ask.settings, ask.request)

    def charge(self, row, envelope, forced=False):
        """Charge a message and mark its row as being released, in one transaction.

        Whatever ends the agent afterwards, the row says that it is paid for, and the next round
        goes on with the release.  ``forced``: somebody has decided, so the limits do not count,
        but suppression and suspension do.  Returns the ``Decision``.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT charged_at IS NOT NULL FROM emboux_mail.held_messages"
                " WHERE id = %s AND state = 'held' AND (%s OR wish IS NULL) FOR UPDATE",
                [row.id, forced])
            found = cursor.fetchone()
            if not found:
                return Decision("defer", reason="Somebody has decided about it meanwhile.")
            if not found[0]:
                ask = _ask(cursor, row, envelope, forced)
                verdict = drive(ledger.charge([ask]), cursor)[0][0] if ask else _UNKNOWN
                if not verdict.accepted:
                    return verdict
            cursor.execute(
                f"""UPDATE emboux_mail.held_messages
                       SET charged_at = coalesce(charged_at, {_UTC}), state = 'releasing',
                           wish = NULL, note = NULL
                     WHERE id = %s""", [row.id])
            return Decision("accept", "accept")

    def beat(self, waiting, held, problem=None):
        """Tell Odoo that the agent lives, and how long the queue is."""
        self._write(
            f"""INSERT INTO emboux_mail.queue_agents AS a (name, seen_at, waiting, held, problem)
                VALUES (%s, {_UTC}, %s, %s, %s)
                    ON CONFLICT (name) DO UPDATE
                   SET seen_at = excluded.seen_at,
                       waiting = coalesce(excluded.waiting, a.waiting),
                       held = coalesce(excluded.held, a.held), problem = excluded.problem""",
            [self.host, waiting, held, problem])


class Routing(BaseStore):
    """By which relays mail leaves; a connection of its own, because a round of the agent may take a
    minute."""

    name = "emboux_queue"
    channels = ("emboux_routing",)

    def mark(self):
        """A text that is another one when it has changed."""
        return self._all("SELECT mark FROM emboux_mail.routing")[0][0]

    def told(self):
        """The mark of when Postfix of this mail server was last told; None: never."""
        found = self._all("SELECT routing FROM emboux_mail.queue_agents WHERE name = %s",
                          [self.host])
        return found[0][0] if found else None

    def tell(self, mark, problem=None):
        """Postfix has been reloaded, or why not."""
        self._write(
            f"""INSERT INTO emboux_mail.queue_agents AS a
                       (name, seen_at, reloaded_at, routing, reload_problem)
                VALUES (%(host)s, {_UTC}, {_UTC}, %(mark)s, %(problem)s)
                    ON CONFLICT (name) DO UPDATE
                   SET reload_problem = excluded.reload_problem,
                       reloaded_at = CASE WHEN %(problem)s IS NULL THEN excluded.reloaded_at
                                          ELSE a.reloaded_at END,
                       routing = CASE WHEN %(problem)s IS NULL THEN excluded.routing
                                      ELSE a.routing END""",
            {"host": self.host, "mark": None if problem else mark, "problem": problem})


_UNKNOWN = Decision("reject", reason="Its login is no mailbox here any more.")


def _ask(cursor, row, envelope, forced):
    """The question that the policy daemon would ask at END-OF-MESSAGE; None without a mailbox."""
    settings = drive(ledger.load_settings([row.login]), cursor).get(row.login)
    if settings is None:
        return None
    if forced:
        settings = replace(settings, enforcement="off")
    check = tuple((to, ledger.pair_hash(row.login, to)) for to in envelope.recipients)
    return Ask(settings, Request(END, len(check)), check, tuple(pair for _to, pair in check))
