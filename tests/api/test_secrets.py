"""Runs last: no key, no password and no hash of all the tests' traffic has stayed anywhere.

``tests/conftest.py`` puts this file behind all others; the API client has remembered every
secret that it sent or was told (``support.api_client.Heard``), and every error body.
"""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.api_client import Heard, detail, done, new_name

#: Where traces of a request could lie; every column that holds text is read.
TABLES = re.compile(r"mail_message|mail_tracking_value|mail_mail|mail_notification|emboux_audit|"
                    r"ir_logging|emboux_idempotency|emboux_webhook_event|emboux_change|"
                    r"emboux_api_failure|bus_.*|mail_activity|ir_attachment")
NEEDED = {"mail_message", "mail_tracking_value", "emboux_audit", "ir_logging",
          "emboux_idempotency", "emboux_webhook_event", "bus_bus"}
KEY = re.compile(r"emboux_[0-9A-Za-z]{42}")
HASH = re.compile(r"\$argon2id?\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{8,}\$[A-Za-z0-9+/]{16,}"
                  r"|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")

#: A record that PostgreSQL logged, in its own file or in that of all services, or its next line.
POSTGRES = re.compile(r"(?:postgres +\| )?(?:\w*@(?P<database>\w*) +[A-Z]+: |\t)")


def of_this_database(text, database):
    """Without the statements of other databases: while developing, others use the server too."""
    kept, ours = [], True
    for line in text.splitlines():
        if record := POSTGRES.match(line):
            if record["database"] is not None:
                ours = record["database"] in (database, "")
            if not ours:
                continue
        kept.append(line)
    return "\n".join(kept)


@pytest.fixture
def logs(logged, status):
    """Read the logs of all services."""
    return lambda: {name: of_this_database(text, status["postgres"]["db"])
                    for name, text in logged().items()}


def in_tables(cursor):
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
    assert set(texts) >= NEEDED, NEEDED - set(texts)
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


@pytest.fixture
def cursor(connect):
    return connect("odoo").cursor()


@pytest.fixture(scope="module")
def traffic(master, customers, domains):
    """Also when this file runs alone there is something to be found."""
    customer = customers()
    name = domains(customer)
    password = f"kept-{secrets.token_hex(8)}"
    address = f"ann@{name}"
    done(customer.post("/users/", {"email": address, "password": password},
                       headers={"Idempotency-Key": new_name("secret")}), 201)
    for _ in range(2):
        customer.post("/users/", {"email": address, "password": password})  # taken
        customer.put(f"/users/{address}", {"password": f"again-{secrets.token_hex(8)}"})
        customer.put(f"/users/{address}", {"password": address, "quota": "x"})
    with ThreadPoolExecutor(8) as pool:  # all but one fail in the database and are tried again
        list(pool.map(
            lambda number: customer.with_key(customer.key).put(
                f"/users/{address}", {"password": f"at once {number} {secrets.token_hex(8)}"}),
            range(8)))
    customer.post("/users/bulk", {"users": [{"email": address, "password": password}]})
    customer.post("/users/bulk", {"users": [{"email": "none", "password": password}]})
    detail(customer.with_key(customer.key[:-1] + "_").get("/domains/"), 401)
    customer.get(f"/api-keys/{customer.key}/usage")
    master.get(f"/api-keys/{customer.key}/usage")
    customer.get(f"/domains/?q={customer.key}")
    return address, password


def test_secrets_have_been_heard(traffic):
    keys = {secret for secret in Heard.secrets if KEY.fullmatch(secret)}
    assert len(keys) >= 2 and traffic[1] in Heard.secrets
    assert len(Heard.errors) >= 3


def test_secrets_in_no_log(traffic, logs):
    texts = logs()
    assert "POST /users/" in texts["odoo.log"] and "ERROR" in texts["postgres.log"]
    assert_clean(texts, Heard.secrets)


def test_secrets_in_no_table(traffic, cursor):
    texts = in_tables(cursor)
    assert traffic[0] in texts["emboux_audit"] and traffic[0] in texts["emboux_idempotency"]
    assert_clean(texts, Heard.secrets)


def test_secrets_in_no_error(traffic):
    assert_clean({"the bodies of errors": "\n".join(Heard.errors)}, Heard.secrets)


def test_secrets_of_mailboxes_in_no_log_and_no_table(traffic, logs, cursor):
    """Those that were made in Odoo's own forms too."""
    cursor.execute("SELECT password_hash FROM emboux_mailbox WHERE password_hash IS NOT NULL"
                   " UNION SELECT service_password_hash FROM emboux_mailbox"
                   " WHERE service_password_hash IS NOT NULL"
                   " UNION SELECT token_hash FROM emboux_api_key")
    hashes = {row[0] for row in cursor.fetchall()}
    assert any(HASH.fullmatch(text) for text in hashes)
    everything = logs() | in_tables(cursor)
    for name, text in everything.items():
        assert not set(HASH.findall(text)) & hashes, name
        assert not set(re.findall(r"\b[0-9a-f]{64}\b", text)) & hashes, name


@pytest.mark.parametrize("place", ["log", "table", "error"])
def test_secrets_that_are_planted_are_found(traffic, state, logs, odoo, cursor, place):
    """The same scan finds what is there: else it would find nothing ever."""
    planted = f"planted-{secrets.token_hex(8)}"
    wanted = Heard.secrets | {planted}
    if place == "log":
        file = state.path("log", "planted-by-test_secrets.log")
        file.write_text(f"2026 INFO somebody logged {planted} here\n")
        try:
            with pytest.raises(AssertionError, match=planted):
                assert_clean(logs(), wanted)
        finally:
            file.unlink()
    elif place == "table":
        [domain] = odoo("emboux.domain").search([], limit=1)
        message = odoo("emboux.domain").message_post([domain], body=f"It is {planted}.")
        message = message[0] if isinstance(message, list) else message
        try:
            with pytest.raises(AssertionError, match=planted):
                assert_clean(in_tables(cursor), wanted)
        finally:
            odoo("mail.message").unlink([message])
    else:
        with pytest.raises(AssertionError, match=planted):
            errors = Heard.errors | {f'{{"detail": "{planted}"}}'}
            assert_clean({"errors": "\n".join(errors)}, wanted)


def test_secrets_hash_is_recognised(cursor):
    cursor.execute("SELECT password_hash FROM emboux_mailbox WHERE password_hash IS NOT NULL")
    rows = [row[0] for row in cursor.fetchall()]
    assert rows and all(HASH.fullmatch(row) for row in rows)
    with pytest.raises(AssertionError, match="hashes of passwords"):
        assert_clean({"a log": f"bad query: UPDATE x SET password_hash = '{rows[0]}'"}, set())


def test_secrets_in_a_statement_that_failed_are_recognised():
    """What is left out is of other databases alone."""
    failed = ("postgres | odoo@{0} STATEMENT:  UPDATE x\npostgres | \tSET y = 'in {0}'\n"
              "odoo@{0} ERROR:  no\n\tand more of {0}\nodoo     | 2026 INFO {0}")
    assert "\tSET y = 'in ours'" in of_this_database(failed.format("ours"), "ours")
    assert of_this_database(failed.format("theirs"), "ours") == "odoo     | 2026 INFO theirs"
