"""What daemons and Odoo say of themselves: numbers, health, and the page *Hosts*."""

import contextlib
import json
import re
import smtplib
import socket
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
import requests
from parts import inbound, report
from parts import webhooks as webhooks_part
from parts.supervisor import Service, Supervisor, listening
from prometheus_client.parser import text_string_to_metric_families
from support.api_client import detail, done
from support.browser import Browser
from support.mail_client import eventually

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "setup" / "monitoring"
HOST = webhooks_part.NAME
OUTSIDE = "ann@outside.tests.example"
LATER = "defer450@outside.tests.example"
#: Labels whose values are few, and are nobody's names.
LABELS = {"daemon", "host", "version", "stage", "action", "rule", "answer", "le", "queue", "age",
          "reason", "outcome", "what", "state"}
each_daemon = pytest.mark.parametrize("daemon", report.DAEMONS)


def page(url, path="/metrics", **kwargs):
    return requests.get(url + path, timeout=10, **kwargs)


def families(text):
    return list(text_string_to_metric_families(text))


@pytest.fixture(scope="module")
def urls(status):
    return status["metrics"]


@pytest.fixture
def number(urls):
    """The sum of a daemon's samples of this name with these labels."""

    def number(daemon, name, **labels):
        return sum(sample.value for family in families(page(urls[daemon]).text)
                   for sample in family.samples
                   if sample.name == name and labels.items() <= sample.labels.items())

    return number


@pytest.fixture(scope="module")
def reader(master):
    """The API with a key that reads metrics alone."""
    made = done(master.post("/api-keys/", {"name": "Prometheus", "role": "master",
                                           "area": "metrics", "read_only": True}), 201)
    return master.with_key(made["secret"])


def assert_harmless(found):
    samples = [sample for family in found for sample in family.samples]
    assert {label for sample in samples for label in sample.labels} <= LABELS
    assert not [s for s in samples if any("@" in text for text in s.labels.values())]
    assert len(samples) < 400


# -- over HTTP ---------------------------------------------------------------------------


@each_daemon
def test_each_daemon_tells_its_numbers_and_its_health(daemon, urls):
    url = urls[daemon]
    answer = page(url)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in families(answer.text)}
    assert_harmless(found.values())
    [info] = found["emboux_daemon_info"].samples
    assert (info.labels["daemon"], info.labels["host"]) == (daemon, HOST)
    assert [s.value for s in found["emboux_daemon_up"].samples] == [1.0]
    assert found["process_resident_memory_bytes"].samples[0].value > 1_000_000
    own = [name for name in found if name.startswith(f"emboux_{daemon}_")]
    assert len(own) >= 2
    health = page(url, "/health")
    assert (health.status_code, health.text) == (200, "ok\n")
    assert page(url, "/healthz").text == "alive\n"
    assert page(url, "/elsewhere").status_code == 404
    assert requests.post(url + "/metrics", timeout=10).status_code == 405
    assert requests.head(url + "/health", timeout=10).text == ""


@each_daemon
def test_each_daemon_listens_on_loopback_alone(daemon, urls):
    port = int(urls[daemon].rsplit(":", 1)[1])
    with pytest.raises(ConnectionRefusedError):  # 127.0.0.2 is this machine too
        socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_client_that_says_nothing_holds_up_nobody(urls):
    url = urls["policy"]
    port = int(url.rsplit(":", 1)[1])
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            silent.sendall(b"GET /metr")
        began = time.monotonic()
        assert page(url, "/health").status_code == 200
        assert time.monotonic() - began < 1
        silent.settimeout(10)
        assert silent.recv(10) == b""
        assert time.monotonic() - began < 8


def test_the_numbers_move_when_mail_moves(hosting, mail, number, odoo, acme):
    domain, name = acme
    ann = f"ann@{name}"

    def moved(daemon, name, by=1, **labels):
        before = number(daemon, name, **labels)
        return lambda: number(daemon, name, **labels) >= before + by

    accepted = moved("policy", "emboux_policy_decisions_total", stage="END-OF-MESSAGE",
                     action="accept")
    timed = moved("policy", "emboux_policy_seconds_count", stage="END-OF-MESSAGE")
    read = moved("transfer", "emboux_transfer_events_total", by=2)
    subject = f"counted {time.time_ns()}"
    mail.submit(ann, hosting.PASSWORD, OUTSIDE, subject)
    mail.outside(subject)
    eventually("the decision", lambda: accepted() and timed())
    eventually("the log's lines", read)
    assert number("transfer", "emboux_transfer_behind_seconds") < 30

    hold = moved("queue", "emboux_queue_messages_done_total", action="held")
    release = moved("queue", "emboux_queue_messages_done_total", action="released")
    mail.submit(ann, hosting.PASSWORD, LATER, f"later {time.time_ns()}")
    eventually("a message that waits", lambda: number(
        "queue", "emboux_queue_messages", queue="deferred", age="under_5m"))
    odoo("emboux.domain").action_suspend([domain])
    eventually("the hold", lambda: hold() and number(
        "queue", "emboux_queue_held", reason="suspended"))
    eventually("its age", lambda: number("queue", "emboux_queue_oldest_seconds", queue="hold"))
    odoo("emboux.domain").action_activate([domain])
    eventually("the release", release)


def test_the_numbers_of_incoming_mail_and_of_webhooks(number, state, acme, odoo):
    _domain, name = acme
    deferred = number("inbound", "emboux_inbound_messages_total", outcome="deferred")
    with smtplib.LMTP("127.0.0.1", state.port("inbound"), timeout=30) as lmtp:
        lmtp.ehlo_or_helo_if_needed()
        lmtp.mail("somebody@outside.tests.example")
        lmtp.rcpt(f"nobody@{name}")
        assert lmtp.data("Subject: x\r\n\r\nx\r\n")[0] == 451
    assert number("inbound", "emboux_inbound_messages_total", outcome="deferred") == deferred + 1
    assert number("inbound", "emboux_inbound_seconds_count") >= 1

    tried = number("webhooks", "emboux_webhooks_attempts_total", outcome="no_answer")
    hooks = odoo("emboux.webhook")
    hook = hooks.create({"name": "Nowhere", "url": "https://nowhere.outside.tests.example/"})
    hooks.action_test([hook])
    odoo("emboux.domain").action_suspend([acme[0]])  # an event
    odoo("emboux.domain").action_activate([acme[0]])
    eventually("an attempt", lambda: number(
        "webhooks", "emboux_webhooks_attempts_total", outcome="no_answer") > tried)
    hooks.unlink([hook])


@pytest.fixture(scope="module")
def acme(hosting):
    domain, name = hosting.domain("seen")
    hosting.mailbox(domain, "ann")
    return domain, name


# -- Odoo's numbers ----------------------------------------------------------------------


def test_metrics_get_a_key_for_metrics_and_no_other(reader, master, customers):
    answer = reader.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = families(answer.text)
    assert_harmless(found)
    numbers = {(s.name, *s.labels.values()): s.value for f in found for s in f.samples}
    assert numbers["emboux_job_next_run_timestamp_seconds", "emboux_core.ir_cron_check_dns"] > 1e9
    assert ("emboux_waiting", "webhook_deliveries") in numbers
    assert numbers["emboux_host_seen_timestamp_seconds", "queue", HOST] > time.time() - 60
    assert master.get("/metrics").status_code == 200
    detail(master.with_key(None).get("/metrics"), 401)
    detail(master.with_key("emboux_nonsense").get("/metrics"), 401)
    detail(customers().get("/metrics"), 403)
    narrow = done(master.post("/api-keys/", {"name": "n", "role": "master", "area": "domains"}))
    assert "domains only" in detail(master.with_key(narrow["secret"]).get("/metrics"), 403)


@pytest.mark.parametrize("path", [
    "/domains/", "/users/", "/aliases/", "/messages", "/webhooks/", "/api-keys/",
    "/api-keys/self/usage", "/suppression", "/suppression/check/ann@outside.tests.example",
    "/queue/",
])
def test_metrics_key_reaches_nothing_else(reader, path):
    assert "metrics only" in detail(reader.get(path), 403)


def test_metrics_key_is_no_customers(master, customers):
    answer = master.post("/api-keys/", {"name": "n", "partner_ref": customers.partner(),
                                        "area": "metrics"})
    assert answer.status_code == 422
    assert "master key" in answer.text


def test_usage_key_that_sends_hears_of_nothing_and_no_error(customers):
    key = customers.key(customers.partner(), area="send")
    assert done(key.get("/api-keys/self/usage"), 200)["items"] == []


# -- the page ----------------------------------------------------------------------------


@pytest.fixture
def another(state, status, odoo):
    """A daemon of the test's own, started with these options: ``.url`` of its pages, ``.name``."""

    class Another:
        name = f"test-{time.time_ns()}.example"
        supervisor = Supervisor(state, echo=False, pids="pids-another.json")
        port, listen = state.port("seen_metrics"), f"127.0.0.1:{state.port('seen_inbound')}"
        url = f"http://127.0.0.1:{port}"

        def start(self, part, *options):
            database = status["postgres"]["db"]
            address = f"127.0.0.1:{self.port}"
            argv = (inbound.command(state, database, self.listen, address, name=self.name)
                    if part is inbound else
                    (*part.command(state, database), "--metrics", address, "--name", self.name))
            self.supervisor.start(Service(
                "another", (*argv, *options), ready=listening(self.port),
                env=part.environment(state, database)))

        def stop(self):
            self.supervisor.stop()

    made = Another()
    yield made
    made.stop()
    daemons = odoo("emboux.daemon")
    daemons.unlink(daemons.search([("host", "=", made.name)]))


@pytest.fixture
def row(odoo):
    def row(name="webhooks", host=HOST):
        found = odoo("emboux.daemon").search_read(
            [("name", "=", name), ("host", "=", host)],
            ["state", "trouble", "remedy", "doing", "version", "display_name"])
        return found[0] if found else None

    return row


def test_a_stopped_daemon_is_in_trouble_until_it_is_started(
    row, another, odoo, connect, status, state
):
    def own():
        return row("inbound", another.name)

    another.start(inbound)
    eventually("its sign of life", lambda: (own() or {}).get("state") == "well")
    [job] = odoo("ir.model.data").search_read(
        [("name", "=", "ir_cron_watch_daemons")], ["res_id"])
    messages = odoo("mail.message")

    def look():
        odoo("ir.cron").method_direct_trigger([job["res_id"]])
        return [m["subject"] for m in messages.search_read(
            [("model", "=", "emboux.daemon"), ("res_id", "=", own()["id"]),
             ("message_type", "=", "notification"), ("subject", "!=", False)],
            ["subject"], order="id")]

    assert look() == []
    another.stop()
    found = own()
    assert found["state"] == "ended"
    assert "mail for Odoo waits" in found["trouble"]
    assert f"On {another.name}: systemctl restart emboux-inbound" in found["remedy"]
    assert look() == [], "not at once"
    connect("odoo").cursor().execute(
        "UPDATE emboux_daemon SET ended_at = ended_at - interval '10 minutes' WHERE host = %s",
        [another.name])
    assert look() == [f"{another.name} is in trouble"]
    assert look() == [f"{another.name} is in trouble"], "once"
    pictures(status, state, "hosts_trouble")
    another.start(inbound)
    eventually("its sign of life", lambda: own()["state"] == "well")
    assert look() == [f"{another.name} is in trouble", f"{another.name} is well again"]
    assert odoo("emboux.daemon").search([("state", "=", "well"), ("host", "=", another.name)])


def pictures(status, state, name):
    browser = Browser(status, state.path("pictures"))
    try:
        browser.log_in(status["odoo"]["login"], status["odoo"]["password"])
        for width, height, shown in ((1366, 768, ".o_list_view"), (390, 844, ".o_kanban_view")):
            browser.page.set_viewport_size({"width": width, "height": height})
            browser.open("/odoo/email-hosts", f"{shown}:has-text('Stopped')")
            browser.page.wait_for_timeout(500)
            browser.picture(f"{name}_{width}")
            text = browser.page.inner_text(shown)
            assert "systemctl restart emboux-inbound" in text
            too_wide = browser.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth")
            assert not too_wide
        browser.page.click(".o_kanban_record:has-text('Stopped')")
        browser.page.wait_for_selector(".o_form_view .alert-danger")
        browser.picture(f"{name}_form_390")
        assert browser.errors == []
    finally:
        browser.close()


def test_a_role_speaks_for_its_own_daemon_alone(connect):
    cursor = connect("emboux_webhooks").cursor()
    said = "SELECT emboux_mail.daemon_seen(%s, %s, '1', now(), NULL, false, %s, false)"
    for daemon, host, figures in (("policy", HOST, "{}"), ("queue", "x", "{}")):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(said, [daemon, host, figures])
    for host, figures in (("", "{}"), ("x" * 300, "{}"), ("x", json.dumps({"a": "b" * 9000}))):
        with pytest.raises(psycopg2.errors.InvalidParameterValue):
            cursor.execute(said, ["webhooks", host, figures])
    for statement in ("SELECT 1 FROM emboux_daemon", "DELETE FROM emboux_daemon"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        connect("emboux_mail").cursor().execute(said, ["webhooks", HOST, "{}"])


# -- trouble -----------------------------------------------------------------------------


def test_a_second_one_stands_by(another, row):
    another.start(webhooks_part)
    url = another.url
    found = eventually("its row", lambda: (found := row(host=another.name))
                       and found["state"] == "standby" and found)
    assert found["display_name"] == f"Webhooks on {another.name}"
    assert not found["trouble"]
    assert page(url, "/health").status_code == 200
    assert "emboux_daemon_standby{daemon=\"webhooks\"} 1.0" in page(url).text
    assert row()["state"] == "well", "that of the world goes on"


@pytest.mark.parametrize("kind", ["absent", "silent"])
def test_without_a_database_it_says_so_at_once(another, kind):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if kind == "silent":
            other.listen()  # takes connections, and never says a word
        another.start(webhooks_part, "--db-port", str(other.getsockname()[1]))
        url, began = another.url, time.monotonic()
        health = page(url, "/health")
        assert (health.status_code, health.text) == (503, "unavailable\n")
        assert page(url, "/healthz").status_code == 200
        assert "emboux_daemon_up{daemon=\"webhooks\"} 0.0" in page(url).text
        assert time.monotonic() - began < 2


def test_an_address_that_is_taken_is_named(state, status, urls):
    database = status["postgres"]["db"]
    taken = urls["policy"].removeprefix("http://")
    done = subprocess.run(
        [*webhooks_part.command(state, database, "--metrics", taken, "--name", "x")],
        env=webhooks_part.environment(state, database), capture_output=True, text=True,
        timeout=30, check=False)
    assert done.returncode == 1
    assert taken in done.stderr and "--metrics none" in done.stderr


# -- files and documents -----------------------------------------------------------------


@pytest.fixture(scope="module")
def exposed(urls, reader):
    """Name to family of all that the world exposes, and the whole text of each."""
    texts = [page(url).text for url in urls.values()] + [reader.get("/metrics").text]
    found = {}
    for text in texts:
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        for name, help_text in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
            found[name] = kinds[name], help_text
    return found, texts


def promtool(*arguments, **kwargs):
    done = subprocess.run(["/usr/bin/promtool", *arguments], capture_output=True, text=True,
                          check=False, timeout=60, **kwargs)
    return done.returncode, done.stdout + done.stderr


def test_the_alert_rules_are_right(tmp_path):
    rules = FOLDER / "emboux.rules.yml"
    code, said = promtool("check", "rules", str(rules))
    assert code == 0, said
    examples = tmp_path / "examples.yml"
    text = Path(__file__).with_name("monitoring_rules.yml").read_text()
    examples.write_text(text.replace("RULES", str(rules)))
    code, said = promtool("test", "rules", str(examples))
    assert code == 0, said
    code, said = promtool("check", "config", "--syntax-only", str(FOLDER / "prometheus.yml"))
    assert code == 0, said


def test_promtool_finds_no_fault_with_the_numbers(exposed):
    for text in exposed[1]:
        code, said = promtool("check", "metrics", input=text)
        assert code == 0, said


def test_each_name_in_rules_and_dashboard_is_exposed(exposed):
    names = exposed[0]
    known = {name + suffix for name, (kind, _help) in names.items()
             for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))}
    board = json.loads((FOLDER / "emboux.dashboard.json").read_text())
    wanted = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert len(wanted) > 30
    rules = (FOLDER / "emboux.rules.yml").read_text()
    texts = [*wanted, *re.findall(r"expr: (?:\|\n)?((?:.|\n {10})+)", rules)]
    used = set(re.findall(r"\b(?:emboux|process)_[a-z0-9_]+\b", " ".join(texts)))
    assert len(used) > 30
    assert used - known == set()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_the_document_has_each_number(exposed):
    text = (PROJECT / "docs" / "monitoring.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \| (.*) \|$", text, re.MULTILINE)
    assert {name: (kind, said) for name, kind, said in rows} == exposed[0]
    alerts = re.findall(r"alert: (\w+)", (FOLDER / "emboux.rules.yml").read_text())
    assert set(re.findall(r"^\| `(Emboux\w+)` \|", text, re.MULTILINE)) == set(alerts)
