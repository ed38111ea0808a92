"""Runs last: no key, no password and no hash of all the tests' traffic has stayed anywhere.

``tests/conftest.py`` puts this file behind all others; the API client has remembered every
secret that it sent or was told (``support.api_client.Heard``), and every error body.
"""

import logging
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from parts.supervisor import is_alive, start_time
from support.api_client import Heard, detail, done, new_name
from support.mail_client import eventually
from support.odoo_client import OdooError
from support.traces import HASH, KEY, assert_clean, in_tables, of_these_databases

#: The world's, the add-ons' own tests', and the customer's of test_two_odoos.py.
DATABASES = ("e2e", "unit", "customer")


@pytest.fixture
def logs(logged, status):
    """Read the logs of all services."""
    assert status["postgres"]["db"] in DATABASES
    return lambda: {name: of_these_databases(text, DATABASES) for name, text in logged().items()}


@pytest.fixture
def cursor(connect):
    return connect("odoo").cursor()


@pytest.fixture(scope="module")
def traffic(master, customers, domains, odoo):
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
    [box] = odoo("emboux.mailbox").search([("email", "=", address)])
    odoo("emboux.mailbox").write([box], {"password": f"over RPC {secrets.token_hex(8)}"})
    with pytest.raises(OdooError):
        odoo("emboux.mailbox").write([box], {"password": f"{secrets.token_hex(8)}\n", "state": 1})
    return address, password


def test_secrets_have_been_heard(traffic):
    keys = {secret for secret in Heard.secrets if KEY.fullmatch(secret)}
    assert len(keys) >= 2 and traffic[1] in Heard.secrets
    assert len(Heard.errors) >= 3
    assert any(secret.startswith("over RPC ") for secret in Heard.secrets)
    assert any("control character" in error for error in Heard.errors), "an error of Odoo's RPC"


def test_secrets_in_no_log(traffic, logs):
    texts = logs()
    assert "POST /users/" in texts["odoo.log"] and "ERROR" in texts["postgres.log"]
    assert_clean(texts, Heard.secrets)


def add_ons_tests_have_ended():
    """Those that ``setup/test`` has begun beside these."""
    beside = os.environ.get("EMBOUX_BESIDE")
    return not beside or not is_alive(int(beside), start_time(int(beside)))


def test_secrets_in_the_log_of_the_add_ons_own_tests(traffic, logs):
    """They run beside these tests, or in this process; each has a log of its own."""
    words = f"said by test_secrets {secrets.token_hex(4)}"
    logging.getLogger("odoo.addons.emboux_core").critical(words)
    eventually("the end of the add-ons' own tests", add_ons_tests_have_ended, seconds=1800)
    texts = logs()
    assert words in texts["tests.log"]
    of_units = texts["tests.log"] + texts.get("unit.log", "")
    # keys that a unit test has made are known to nobody here: there must be none of any kind
    assert not KEY.findall(of_units)
    assert not KEY.findall(of_these_databases(texts["postgres.log"], ["unit"]))


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
    assert "\tSET y = 'in ours'" in of_these_databases(failed.format("ours"), ["ours"])
    assert of_these_databases(failed.format("theirs"), ["ours"]) == "odoo     | 2026 INFO theirs"
