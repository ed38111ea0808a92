"""A database of the last release is upgraded: nothing is lost, and it is as a new one.

``setup/upgrade-keep`` made it.
"""

import re

import pytest
from parts import odoo_server, postgres, upgrade

DATABASE = "release"
END = "-- end"  # of a line of the following: a view's definition has several
#: Of what is ours: columns, constraints, indexes, views, functions and triggers.
SCHEMA = f"""
SELECT line || '{END}' FROM (
WITH ours AS (
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE (n.nspname = 'emboux_mail' OR n.nspname = 'public' AND c.relname LIKE 'emboux\\_%')
       AND NOT c.relispartition)
SELECT name || '.' || attname || ' ' || format_type(atttypid, atttypmod)
       || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
       || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
  FROM ours JOIN pg_attribute a ON a.attrelid = oid AND attnum > 0 AND NOT attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT name || ' ' || conname || ' ' || pg_get_constraintdef(c.oid)
  FROM ours JOIN pg_constraint c ON c.conrelid = ours.oid
UNION ALL
SELECT name || ' ' || pg_get_indexdef(indexrelid) FROM ours JOIN pg_index ON indrelid = oid
UNION ALL
SELECT name || ' ' || pg_get_viewdef(oid) FROM ours WHERE relkind = 'v'
UNION ALL
SELECT name || ' ' || pg_get_triggerdef(t.oid)
  FROM ours JOIN pg_trigger t ON t.tgrelid = ours.oid WHERE NOT tgisinternal
UNION ALL
SELECT p.oid::regprocedure || ' ' || md5(p.prosrc) || coalesce(p.proacl::text, '')
  FROM pg_proc p WHERE pronamespace = 'emboux_mail'::regnamespace
) AS found(line)
"""


def schema(state, database):
    """A text for each of them, without the casts, brackets and blanks that PostgreSQL adds whenever
    it reads a definition of its own again, as from a dump."""
    cast = re.compile(r"::(character varying|text)(\[\])?|[()]")
    return {"".join(cast.sub("", line).split())
            for line in postgres.sql(state, SCHEMA, database).split(END)}


@pytest.fixture(scope="module")
def upgraded(state):
    """(rows before, rows after) of the database, which is there meanwhile."""
    upgrade.restore(state, DATABASE)
    before = upgrade.snapshot(state, DATABASE)
    odoo_server.prepare(state, DATABASE)
    state.fact(f"database {DATABASE}", "of the last release")
    try:
        odoo_server.make_database(state, DATABASE)
        yield before, upgrade.snapshot(state, DATABASE)
    finally:
        postgres.drop(state, DATABASE)
        state.forget(f"database {DATABASE}")


def test_no_row_is_lost_or_altered_and_nothing_warned_of(upgraded, state):
    before, after = upgraded
    assert list(upgrade.differences(before, after)) == []
    assert odoo_server.update_warnings(state) == []
    assert len(before["public.emboux_mailbox"]) == 60
    assert sum(map(len, before.values())) > 250


def test_what_is_lost_would_be_seen(upgraded):
    before, after = upgraded
    [lost, altered] = after["public.emboux_mailbox"][:2]
    now = after | {"public.emboux_mailbox": [
        altered | {"quota_mb": 7}, *after["public.emboux_mailbox"][2:]]}
    found = list(upgrade.differences(before, now))
    assert len(found) == 2 and repr(lost["email"]) in " ".join(found) and "-> 7" in " ".join(found)


def test_nothing_is_missing_that_a_new_one_has(upgraded, state, status):
    """It may have more: an update makes indexes for which Odoo had no extension at first, and
    columns that are not used any more stay."""
    here, new = (schema(state, name) for name in (DATABASE, status["postgres"]["db"]))
    assert sorted(new - here) == []
    assert len(new) > 500
