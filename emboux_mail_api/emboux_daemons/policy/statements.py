# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The SQL of the policy, each statement once; ``sql/policy.sql`` has the tables and functions.

A ``Step`` is one statement with its parameters.  The ledger yields it, a driver carries it out
and sends the rows back: ``connection.py`` in the daemon, ``cursor.py`` in Odoo's transaction.
Lists travel as PostgreSQL's array literals, which are put together here from whole numbers
alone; texts as parameters of the driver.
"""

from dataclasses import dataclass

#: What a step does to the transaction.  The daemon's driver puts BEGIN and COMMIT around them;
#: Odoo's leaves the transaction alone.  ONCE is a transaction in itself, for the daemon alone.
READ, LOCK, ADD, STORE, RELEASE, ONCE = "read", "lock", "add", "store", "release", "once"


@dataclass(frozen=True, slots=True)
class Statement:
    """``text`` with a ``%s`` for each of ``types``; ``name`` for PREPARE."""

    name: str
    text: str
    types: tuple[str, ...]

    def prepare(self):
        numbered = self.text
        for number in range(1, len(self.types) + 1):
            numbered = numbered.replace("%s", f"${number}", 1)
        types = f"({', '.join(self.types)}) " if self.types else ""
        return f"PREPARE {self.name} {types}AS {numbered}"

    def call(self):
        """To be executed with the parameters, after ``prepare``."""
        marks = ", ".join(["%s"] * len(self.types))
        return f"EXECUTE {self.name} ({marks})" if marks else f"EXECUTE {self.name}"


@dataclass(frozen=True, slots=True)
class Step:
    kind: str
    statement: Statement | None = None
    parameters: tuple = ()


_FACTS = """
SELECT 1, subject, extract(epoch FROM at)::float8, in_hour, in_day, in_month,
       extract(epoch FROM clock_timestamp())::float8, NULL::text
  FROM {sent}
 UNION ALL
SELECT 2, hash, 0, n, 0, 0, 0, NULL FROM emboux_mail.pair
 WHERE hour = %s::integer AND hash = ANY(%s::bigint[])
 UNION ALL
SELECT 3, place, 0, 0, 0, 0, 0, why
  FROM emboux_mail.suppressed(%s::integer[], string_to_array(%s::text, E'\\n'))
 UNION ALL
SELECT 4, place, 0, coalesce(of_domain, 0), coalesce(partner, 0), 0, 0,
       concat_ws(E'\\n', address, fate, coalesce(why, ''))
  FROM emboux_mail.expand(string_to_array(%s::text, E'\\n'), %s::boolean)
"""
_FACT_TYPES = ("bigint[]", "integer", "bigint[]", "integer[]", "text", "text", "boolean")

#: What is known of subjects (1), pairs (2) and recipients (3), and where addresses lead to (4).
LOOK = Statement("emboux_look", _FACTS.format(
    sent="emboux_mail.sent WHERE subject = ANY(%s::bigint[])"), _FACT_TYPES)

#: The same, and nobody else charges these subjects until the transaction ends.  In the order of
#: the subjects, so that two daemons never wait for each other in a circle.
LOCK_FACTS = Statement("emboux_lock", "WITH held AS MATERIALIZED ("
    " SELECT subject, at, in_hour, in_day, in_month FROM emboux_mail.sent"
    "  WHERE subject = ANY(%s::bigint[]) ORDER BY subject FOR UPDATE)"
    + _FACTS.format(sent="held"), _FACT_TYPES)

#: What subjects have sent, with nothing locked.
SENT = Statement("emboux_sent", """
SELECT subject, extract(epoch FROM at)::float8, in_hour, in_day, in_month
  FROM emboux_mail.sent WHERE subject = ANY(%s::bigint[])
""", ("bigint[]",))

#: Rows for subjects that have never sent.
ADD_SUBJECTS = Statement("emboux_add", """
INSERT INTO emboux_mail.sent (subject, at)
SELECT unnest(%s::bigint[]), clock_timestamp() ORDER BY 1
    ON CONFLICT (subject) DO NOTHING
""", ("bigint[]",))

_CHARGE = """
UPDATE emboux_mail.sent AS s
   SET at = to_timestamp(%s::float8), in_hour = v.h, in_day = v.d, in_month = v.m
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS v(subject, h, d, m)
 WHERE s.subject = v.subject
"""
_CHARGE_TYPES = ("float8", "bigint[]", "bigint[]", "bigint[]", "bigint[]")

CHARGE = Statement("emboux_charge", _CHARGE, _CHARGE_TYPES)

CHARGE_PAIRS = Statement("emboux_charge_pairs", f"""
WITH pairs AS (
    INSERT INTO emboux_mail.pair AS p (hour, hash, n)
    SELECT %s::integer, hash, n FROM unnest(%s::bigint[], %s::integer[]) AS v(hash, n)
        ON CONFLICT (hour, hash) DO UPDATE SET n = p.n + excluded.n
) {_CHARGE}""", ("integer", "bigint[]", "integer[]", *_CHARGE_TYPES))

#: All in one, if what the daemon remembers is still so.
CHARGE_KNOWN = Statement("emboux_charge_known", """
SELECT emboux_mail.charge_known(
    %s::float8, %s::bigint[], %s::float8[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::bigint[], %s::integer, %s::bigint[], %s::integer[],
    %s::integer, %s::integer[], string_to_array(%s::text, E'\\n'),
    string_to_array(%s::text, E'\\n'))
""", ("float8", "bigint[]", "float8[]", *["bigint[]"] * 6, "integer", "bigint[]", "integer[]",
      "integer", "integer[]", "text", "text"))

#: Windows that are over.
RECORD = Statement("emboux_record", """
SELECT emboux_mail.record(%s::integer[], %s::text[], %s::date[], %s::bigint[])
""", ("integer[]", "text[]", "date[]", "bigint[]"))

_COLUMNS = """
       {login} AS login, {mailbox} AS mailbox_id, id, name, coalesce(parent_id, 0), partner_id,
       {suspended}, suspended, blocked, reason, unverified, enforcement, unit, over_limit,
       per_message, hourly_fraction, daily, monthly, warmup_profile, warmup_start, warmup_since,
       spike_multiplier, spike_floor, loop_limit, {daily}, {monthly},
       emboux_mail.usual(id, today), today, over_transfer
"""
_TODAY = "(SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS today) AS clock"

#: The settings of logins, a row for each that is known.
SETTINGS = Statement("emboux_settings", "SELECT " + _COLUMNS.format(
    login="login", mailbox="mailbox_id", suspended="mailbox_suspended", daily="own_daily",
    monthly="own_monthly") + f"""
  FROM emboux_mail.sending, {_TODAY} WHERE login = ANY(%s::text[])""", ("text[]",))

#: The same of domains without a login.
DOMAIN_SETTINGS = Statement("emboux_domain_settings", "SELECT " + _COLUMNS.format(
    login="''", mailbox="0", suspended="false", daily="0", monthly="0") + f"""
  FROM emboux_mail.sending_domains, {_TODAY} WHERE id = ANY(%s::integer[])""", ("integer[]",))

#: Old pairs, a bounded number of them; returns how many went.
SWEEP = Statement("emboux_sweep", """
WITH gone AS (
    DELETE FROM emboux_mail.pair WHERE (hour, hash) IN (
        SELECT hour, hash FROM emboux_mail.pair
         WHERE hour < extract(epoch FROM clock_timestamp())::bigint / 3600 LIMIT 10000)
    RETURNING 1
) SELECT count(*) FROM gone""", ())

CLOCK = Statement(
    "emboux_clock", "SELECT extract(epoch FROM clock_timestamp())::float8", ())

FLAG = Statement("emboux_flag", "SELECT emboux_mail.flag(%s::integer)", ("integer",))

HOLD_RULES = Statement(
    "emboux_hold_rules",
    "SELECT sender_domain, login, recipient_domain, reason FROM emboux_mail.hold_rules", ())

#: All that a daemon prepares.
ALL = (LOOK, LOCK_FACTS, SENT, ADD_SUBJECTS, CHARGE, CHARGE_PAIRS, CHARGE_KNOWN, RECORD,
       SETTINGS, DOMAIN_SETTINGS, SWEEP, CLOCK, FLAG, HOLD_RULES)


def array(numbers):
    """A list of whole numbers as PostgreSQL's array literal."""
    return f"{{{str(numbers)[1:-1]}}}"


def lines(texts):
    """Texts without line ends as one parameter, which SQL takes apart again (``split``)."""
    return "\n".join(texts)
