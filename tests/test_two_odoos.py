"""A customer's Odoo, with emboux_core alone, runs its mail on the platform over the REST API."""

import time

import psycopg2
import pytest
from parts import odoo_server
from support.api_client import Heard, done
from support.mail_client import eventually
from support.odoo_client import OdooError
from support.traces import NEEDED_ANYWHERE, assert_clean, in_tables

from odoo.addons.emboux_mail_api.tests.mailgun_server import MailgunServer

DATABASE = "customer"
PASSWORD = "a password chosen at B"


@pytest.fixture(scope="module")
def backend(customer_odoo, customers):
    """The platform as B's backend, with a customer's key."""
    api = customers()
    backend = customer_odoo("emboux.backend").create(
        {"name": "The platform", "kind": "emboux", "url": api.url, "secret": api.key}
    )
    customer_odoo("emboux.backend").action_test([backend])
    [row] = customer_odoo("emboux.backend").read([backend], ["state", "state_message"])
    assert row["state"] == "connected", row
    return backend, api


@pytest.fixture
def domain(customer_odoo, backend, hosting, odoo):
    """A domain added in B, its records published, verified on the platform: (id in B, name)."""
    name = f"two{time.time_ns() % 10**10}.example"
    domain = customer_odoo("emboux.domain").create({"name": name, "backend_id": backend[0]})
    [row] = customer_odoo("emboux.domain").read([domain], ["state", "sync_state", "zone_text"])
    assert (row["state"], row["sync_state"]) == ("pending", "done"), row
    hosting.publish_text(row["zone_text"])
    [there] = odoo("emboux.domain").search([("name", "=", name)])
    odoo("emboux.domain").action_check_now([there])
    return domain, name


def test_installing_core_alone_warns_of_nothing(customer_odoo, state):
    assert odoo_server.install_warnings(state, ("emboux_core",)) == []


def test_a_mailbox_from_a_form_in_b_is_real_at_the_platform(customer_odoo, domain, mail, backend):
    """As the web client saves a form: ``web_save``, password and catch-all in the same save."""
    number, name = domain
    [saved] = customer_odoo("emboux.mailbox").web_save(
        [], {"domain_id": number, "local_part": "ann", "name": "Ann", "password": PASSWORD,
             "catch_all": True, "quota_mb": 50},
        {"email": {}, "sync_state": {}, "catch_all": {}})
    assert (saved["email"], saved["sync_state"]) == (f"ann@{name}", "done")
    mail.from_outside("someone@outside.example", f"anything@{name}", f"to b {name}")
    mail.arrives(f"ann@{name}", PASSWORD, f"to b {name}")
    shown = done(backend[1].get(f"/users/ann@{name}"))
    assert (shown["quota"], shown["catch_all"], shown["display_name"]) == (50 * 2**20, True, "Ann")
    # what B changes is so at the platform: here the password, then suspension
    customer_odoo("emboux.mailbox").write([saved["id"]], {"password": "another password at B"})
    assert not mail.can_login(f"ann@{name}", PASSWORD)
    assert mail.can_login(f"ann@{name}", "another password at B")
    customer_odoo("emboux.mailbox").action_suspend([saved["id"]])
    assert done(backend[1].get(f"/users/ann@{name}"))["suspended"]
    # and what Dovecot counted comes back by the feed
    customer_odoo("emboux.mailbox").action_activate([saved["id"]])
    customer_odoo("ir.cron").method_direct_trigger(
        customer_odoo("ir.cron").search([("cron_name", "like", "Fetch Mailbox Usage")]))
    [row] = customer_odoo("emboux.mailbox").read([saved["id"]], ["message_total", "usage_bytes"])
    assert row["message_total"] == 1 and row["usage_bytes"] > 0


def test_a_reply_a_forward_and_another_address_set_in_b_hold_at_the_platform(
    customer_odoo, domain, mail, backend
):
    number, name = domain
    assert check(customer_odoo, number)["state"] == "verified"
    mailboxes = customer_odoo("emboux.mailbox")
    ann, bob = (mailboxes.create({"domain_id": number, "local_part": local, "password": PASSWORD})
                for local in ("ann", "bob"))
    mailboxes.write([ann], {"vacation_on": True, "vacation_text": "Until Monday.",
                            "forward_to": f"bob@{name}"})
    sender = f"asks.{time.time_ns()}@outside.tests.example"
    mail.from_outside(sender, f"ann@{name}", f"asking {name}")
    mail.arrives(f"bob@{name}", PASSWORD, f"asking {name}")
    assert "Until Monday." in mail.outside(f"Auto: asking {name}").decode()
    wizard = customer_odoo("emboux.mailbox.rename").create(
        {"mailbox_id": ann, "local_part": "married"})
    customer_odoo("emboux.mailbox.rename").action_change([wizard])
    mail.arrives(f"married@{name}", PASSWORD, f"asking {name}")
    assert not mail.can_login(f"ann@{name}", PASSWORD)
    mail.from_outside(sender, f"ann@{name}", f"to the former {name}")
    mail.arrives(f"married@{name}", PASSWORD, f"to the former {name}")
    shown = done(backend[1].get(f"/users/married@{name}"))
    assert (shown["vacation_on"], shown["forward_to"]) == (True, [f"bob@{name}"])
    mailboxes.write([ann], {"vacation_on": False, "forward_to": False})
    shown = done(backend[1].get(f"/users/married@{name}"))
    assert (shown["vacation_on"], shown["forward_to"]) == (False, [])
    assert mailboxes.read([ann, bob], ["sync_state"])[0]["sync_state"] == "done"


def test_odoos_own_mail_in_b_goes_out_by_the_platform_and_comes_back(
    customer_odoo, customer_browser, domain, odoo, backend
):
    number, name = domain
    odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "True")
    assert check(customer_odoo, number)["state"] == "verified"
    # set up, and a test mail out and back into the chatter
    customer_browser.tour("emboux_use_for_odoo", f"/odoo/email-domains/{number}", seconds=120)
    customer_browser.picture("odoo_mail_at_a_customer")
    [setup] = customer_odoo("emboux.odoo.mail").search([("domain_id", "=", number)])

    def read(field):
        return customer_odoo("emboux.odoo.mail").read([setup], [field])[0][field]

    steps = customer_odoo("emboux.odoo.mail.step").search_read(
        [("setup_id", "=", setup)], ["kind", "state", "outcome"])
    assert read("state") == "done", steps
    assert done(backend[1].get(f"/users/odoo@{name}"))["push_url"].startswith(customer_odoo.url)
    assert read("test_state") == "arrived"
    customer_odoo("emboux.odoo.mail").action_undo([setup])
    assert read("state") == "planned"
    assert not [row["email"] for row in done(backend[1].get(f"/users/?domain={name}"))["items"]]
    odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "False")


def test_where_the_platform_does_not_push_b_fetches_and_the_test_mail_comes_back(
    customer_odoo, domain
):
    """The platform hands nothing to an Odoo on a private address, as this one is."""
    number, _name = domain
    assert check(customer_odoo, number)["state"] == "verified"
    setup = customer_odoo("emboux.domain").action_use_for_odoo([number])["res_id"]
    customer_odoo("emboux.odoo.mail").action_apply([setup])

    def read(field):
        return customer_odoo("emboux.odoo.mail").read([setup], [field])[0][field]

    [step] = customer_odoo("emboux.odoo.mail.step").search_read(
        [("setup_id", "=", setup), ("kind", "=", "incoming")], ["state", "outcome"])
    assert step["state"] == "done" and "Odoo fetches from" in step["outcome"], step
    assert read("state") == "done" and read("fetchmail_id")
    customer_odoo("emboux.odoo.mail").action_test([setup])
    [job] = customer_odoo("ir.model.data").search_read(
        [("module", "=", "mail"), ("name", "=", "ir_cron_mail_gateway_action")], ["res_id"])

    def arrived():
        customer_odoo("ir.cron").method_direct_trigger([job["res_id"]])
        return read("test_state") == "arrived"

    eventually("the test mail, fetched", arrived)
    customer_odoo("emboux.odoo.mail").action_undo([setup])
    assert read("state") == "planned" and not read("fetchmail_id")


def rows_of(odoo, domain, *names):
    return odoo("emboux.dns.record").search_read([("domain_id", "=", domain)], list(names))


def check(odoo, domain):
    """Check Now, in B; returns what the domain is then."""
    odoo("emboux.domain").action_check_now([domain])
    [row] = odoo("emboux.domain").read([domain], ["state", "state_reason", "dns_state"])
    return row


def test_with_a_provider_state_records_and_reason_are_the_platforms(
    customer_odoo, backend, hosting, odoo, status
):
    """All is right in the DNS, also as B would see it; the platform waits for its provider."""
    host, port = status["dns"]["host"], status["dns"]["port"]
    for name, value in (("nameservers", f"{host}:{port}"), ("port", str(port)),
                        ("allow_private", "True")):
        customer_odoo("ir.config_parameter").set_param(f"emboux_core.dns_{name}", value)
    odoo("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
    mailgun = MailgunServer("key-of-two").start()
    try:
        provider = odoo("emboux.provider").create({
            "name": "Mailgun of two", "kind": "mailgun", "region": "eu", "api_key": "key-of-two",
            "endpoint": f"http://127.0.0.1:{mailgun.port}", "sequence": 95})
        name = f"two{time.time_ns() % 10**10}.example"
        domain = customer_odoo("emboux.domain").create({"name": name, "backend_id": backend[0]})
        [there] = odoo("emboux.domain").search([("name", "=", name)])
        odoo("emboux.domain").write([there], {"provider_id": provider})
        hosting.publish(there)
        # the provider is told once the check is saved; the next one looks up its records
        row = eventually("its records", lambda: (
            found := check(customer_odoo, domain))["dns_state"] == "ok" and found)
        assert row["state"] == "pending", row
        records = {(r["record_type"], r["name"]): (r["expected"], r["state"], r["level"])
                   for r in rows_of(customer_odoo, domain, "record_type", "name", "expected",
                                    "state", "level")}
        assert records == {(r["record_type"], r["name"]): (r["expected"], r["state"], r["level"])
                           for r in rows_of(odoo, there, "record_type", "name", "expected",
                                            "state", "level")}
        assert "include:mailgun.org" in records["TXT", name][0]
        assert records["TXT", f"k1._domainkey.{name}"][1] == "ok"
        mailgun.in_dns.add(name)
        row = check(customer_odoo, domain)
        assert (row["state"], row["state_reason"]) == (
            "verified", "Mailgun has verified the domain."), row
        odoo("emboux.domain").action_suspend([there])
        assert check(customer_odoo, domain)["state"] == "suspended"
        odoo("emboux.domain").action_activate([there])
        assert check(customer_odoo, domain)["state"] == "verified"
    finally:
        mailgun.stop()


def test_odoo_sends_at_once_by_the_hosts_that_the_platform_tells(
    customer_odoo, domain, backend, mail, odoo
):
    number, name = domain
    fields = ["smtp_host", "smtp_tls_port", "smtp_starttls_port", "imap_host", "imap_tls_port",
              "imap_starttls_port", "mail_host"]
    [here] = customer_odoo("emboux.backend").read([backend[0]], fields)
    [there] = odoo("emboux.backend").search_read([("kind", "=", "local")], fields)
    assert {f: here[f] for f in fields} == {f: there[f] for f in fields}
    box = customer_odoo("emboux.mailbox").create({"domain_id": number, "local_part": "odoo"})
    assert check(customer_odoo, number)["state"] == "verified"
    for encryption in ("tls", "starttls"):
        getattr(customer_odoo("emboux.mailbox"), f"action_use_as_outgoing_{encryption}")([box])
    [server] = customer_odoo("ir.mail_server").search_read(
        [("smtp_user", "=", f"odoo@{name}")], ["smtp_host", "smtp_port"])
    assert (server["smtp_host"], server["smtp_port"]) == (
        there["smtp_host"], there["smtp_starttls_port"])


def test_a_subdomain_of_the_operators_parent_is_verified_here_too(customer_odoo, backend, hosting):
    _parent, name = hosting.domain("twowild", is_wildcard=True)
    child = customer_odoo("emboux.domain").create(
        {"name": f"shop.{name}", "backend_id": backend[0]})
    [row] = customer_odoo("emboux.domain").read([child], ["state", "parent_id"])
    assert (row["state"], row["parent_id"]) == ("verified", False), row


def test_what_the_platform_refuses_is_not_saved(customer_odoo, domain, backend):
    number, name = domain
    taken = f"taken{time.time_ns() % 10**10}.gmail.com"  # a mail provider's, nobody's to claim
    with pytest.raises(OdooError, match="The platform refused"):
        customer_odoo("emboux.domain").create({"name": taken, "backend_id": backend[0]})
    assert not customer_odoo("emboux.domain").search([("name", "=", taken)])
    # made behind B's back, with something in its way
    done(backend[1].post("/aliases/", {"address": f"bob@{name}", "destinations": ["x@y.example"]}))
    with pytest.raises(OdooError, match="exists already"):
        customer_odoo("emboux.mailbox").create({"domain_id": number, "local_part": "bob"})
    assert not customer_odoo("emboux.mailbox").search([("email", "=", f"bob@{name}")])


def test_a_platform_that_is_away_gets_the_change_later(
    customer_odoo, domain, backend, mail, state
):
    number, name = domain
    url = backend[1].url
    nowhere = f"http://127.0.0.1:{state.port('nobody')}/emboux/v1"
    customer_odoo("emboux.backend").write([backend[0]], {"url": nowhere})
    box = customer_odoo("emboux.mailbox").create(
        {"domain_id": number, "local_part": "later", "password": PASSWORD})
    [row] = customer_odoo("emboux.mailbox").read([box], ["sync_state", "sync_message"])
    assert row["sync_state"] == "pending" and "cannot be reached" in row["sync_message"], row
    assert backend[1].get(f"/users/later@{name}").status_code == 404
    customer_odoo("emboux.backend").write([backend[0]], {"url": url})
    customer_odoo("emboux.mailbox").action_try_now([box])
    [row] = customer_odoo("emboux.mailbox").read([box], ["sync_state", "sync_message"])
    assert row["sync_state"] == "done", row
    eventually("a login with the password of then",
               lambda: mail.can_login(f"later@{name}", PASSWORD))


def test_drift_is_found_and_resolved_both_ways(customer_odoo, domain, backend):
    number, name = domain
    api = backend[1]
    customer_odoo("emboux.mailbox").create({"domain_id": number, "local_part": "ann"})
    done(api.delete(f"/users/ann@{name}"), 204)
    done(api.post("/users/", {"email": f"found@{name}", "quota": 7 * 2**20}), 201)

    def compared():
        customer_odoo("emboux.backend").action_compare([backend[0]])
        rows = customer_odoo("emboux.drift").search_read(
            [("name", "like", f"@{name}")], ["name", "side"])
        return len(rows) == 2 and rows

    # what was told in the very second of the comparison counts as on its way
    rows = eventually("two rows of drift", compared)
    assert {(row["name"], row["side"]) for row in rows} == {
        (f"ann@{name}", "only_here"), (f"found@{name}", "only_there")}
    by_name = {row["name"]: row["id"] for row in rows}
    customer_odoo("emboux.drift").action_push([by_name[f"ann@{name}"]])
    customer_odoo("emboux.drift").action_adopt([by_name[f"found@{name}"]])
    assert api.get(f"/users/ann@{name}").ok
    [found] = customer_odoo("emboux.mailbox").search_read(
        [("email", "=", f"found@{name}")], ["quota_mb"])
    assert found["quota_mb"] == 7
    customer_odoo("emboux.backend").action_compare([backend[0]])
    assert not customer_odoo("emboux.drift").search([("name", "like", f"@{name}")])


def test_no_secret_has_stayed_at_b(customer_odoo, domain, state, status):
    """The last one: the database is dropped after it."""
    password = f"said at B {time.time_ns()}"
    customer_odoo("emboux.mailbox").create(
        {"domain_id": domain[0], "local_part": "secret", "password": password})
    connection = psycopg2.connect(
        host="127.0.0.1", port=status["postgres"]["port"], dbname=DATABASE, user="odoo",
        password=state.secret("odoo"))
    with connection.cursor() as cursor:
        texts = in_tables(cursor, NEEDED_ANYWHERE)
    connection.close()
    assert password in Heard.secrets and PASSWORD in Heard.secrets
    assert f"secret@{domain[1]}" in texts["emboux_operation"]
    assert "Mailbox created" in texts["mail_message"]
    assert_clean(texts, Heard.secrets)
