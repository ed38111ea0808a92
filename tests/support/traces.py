"""Looks for secrets where a request could leave traces: in logs, tables and errors."""

import re

#: Where traces of a request could lie; every column that holds text is read.
TABLES = re.compile(r"mail_message|mail_tracking_value|mail_mail|mail_notification|emboux_audit|"
                    r"ir_logging|emboux_idempotency|emboux_webhook_event|emboux_change|"
                    r"emboux_operation|emboux_drift|"
                    r"emboux_api_failure|bus_.*|mail_activity|ir_attachment")
#: In every Odoo, and on a platform.
NEEDED_ANYWHERE = frozenset({"mail_message", "mail_tracking_value", "ir_logging", "bus_bus",
                             "emboux_operation", "emboux_drift"})
NEEDED = NEEDED_ANYWHERE | {"emboux_audit", "emboux_idempotency", "emboux_webhook_event"}
KEY = re.compile(r"emboux_[0-9A-Za-z]{42}")
HASH = re.compile(r"\$argon2id?\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{8,}\$[A-Za-z0-9+/]{16,}"
                  r"|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")

#: A record that PostgreSQL logged, in its own file or in that of all services, or its next line.
POSTGRES = re.compile(r"(?:postgres +\| )?(?:\w*@(?P<database>\w*) +[A-Z]+: |\t)")


def of_these_databases(text, databases):
    """Without the statements of other databases: while developing, others use the server too."""
    kept, ours = [], True
    for line in text.splitlines():
        if record := POSTGRES.match(line):
            if record["database"] is not None:
                ours = record["database"] in (*databases, "")
            if not ours:
                continue
        kept.append(line)
    return "\n".join(kept)


def in_tables(cursor, needed=NEEDED):
    """Name to text of each table in which a trace could be."""
    cursor.execute(
        """SELECT table_name, array_agg(column_name::text) FROM information_schema.columns
            WHERE table_schema = 'public'
              AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'USER-DEFINED')
            GROUP BY table_name""")
    texts = {}
    for table, columns in cursor.fetchall():
        if TABLES.fullmatch(table):
            shown = ", ".join(f'"{column}"::text' for column in columns)
            cursor.execute(f"SELECT concat_ws(E'\\n', {shown}) FROM {table}")
            texts[table] = "\n".join(row[0] for row in cursor.fetchall())
    assert set(texts) >= needed, needed - set(texts)
    return texts


def found_in(text, wanted):
    """Which of the secrets stand in a text; keys by their form, for there are many."""
    keys = {secret for secret in wanted if KEY.fullmatch(secret)}
    return (set(KEY.findall(text)) & keys) | {
        secret for secret in wanted - keys if secret in text}


def assert_clean(places, wanted):
    for name, text in places.items():
        found = found_in(text, wanted)
        assert not found, f"{len(found)} secrets of the tests stand in {name}: {sorted(found)[:3]}"
        hashes = HASH.findall(text)
        assert not hashes, f"{len(hashes)} hashes of passwords stand in {name}: {hashes[:1]}"
        assert "BEGIN PRIVATE KEY" not in text, name
