"""A database of the last release, kept as a file; and what a database has of ours, to be compared
before an upgrade and after it."""

import json
import lzma
from pathlib import Path

from . import odoo_server, postgres
from .odoo_code import PROJECT

#: Runs in ``odoo shell``: makes something of each kind.
FILL = Path(__file__).resolve().parents[1] / "upgrade_fill.py"
#: What the jobs of a running world write at any time, and Odoo in a new cluster (emboux.change).
VOLATILE = {
    "write_date", "write_uid", "last_check", "next_check", "check_message", "checked_at",
    "next_poll", "answered_at", "seen_at", "last_seen", "reloaded_at", "inode", "head", "offset",
    "read_at", "written_by",
}
RELEASE = PROJECT / "tests" / "upgrade" / "release.sql.xz"
# What an update makes anew, or is of no use without Odoo's folder of attachments.
NOT_KEPT = "DELETE FROM ir_attachment WHERE url LIKE '/web/assets/%'"
OURS = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
     WHERE schemaname = 'emboux_mail' OR (schemaname = 'public' AND tablename LIKE 'emboux\\_%')
"""


def snapshot(state, database):
    """Table to its rows, as dictionaries."""
    tables = postgres.sql(state, OURS, database).splitlines()
    return {
        table: json.loads(postgres.sql(
            state, f"SELECT coalesce(json_agg(t), '[]') FROM {table} AS t", database
        ))
        for table in tables
    }


def differences(before, after):
    for table, rows in sorted(before.items()):
        now = after.get(table)
        if now is None:
            yield f"{table}: is no more, it had {len(rows)} rows"
            continue
        there = {identity(row): row for row in now}
        for row in rows:
            found = there.get(identity(row))
            if found is None:
                yield f"{table}: {row} is no more"
                continue
            for column, value in row.items():
                if column not in found:
                    yield f"{table}.{column}: is no more"
                elif column not in VOLATILE and found[column] != value:
                    yield f"{table}.{column} of {identity(row)}: {value!r} -> {found[column]!r}"


def identity(row):
    """By what a row is found again: its number, else all that does not change by itself."""
    return row.get("id") or tuple(
        sorted((name, str(value)) for name, value in row.items() if name not in VOLATILE)
    )


def keep(state, database):
    """Write the database, which was filled by ``FILL``, as that of the release."""
    odoo_server.shell(state, FILL, database)
    postgres.sql(state, NOT_KEPT, database)
    RELEASE.parent.mkdir(exist_ok=True)
    RELEASE.write_bytes(lzma.compress(
        postgres.dump_as_text(state, database).encode(), preset=9 | lzma.PRESET_EXTREME))


def restore(state, database):
    """Make the database what that of the release was."""
    postgres.drop(state, database)
    postgres.create(state, database)
    postgres.sql(state, lzma.decompress(RELEASE.read_bytes()).decode(), database)
