"""Odoo controls the queue of the real Postfix through the agent that the world has started."""

import contextlib
import imaplib
import json
import smtplib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from emboux_daemons.queue.forget import RELOAD_SECONDS
from parts import postgres, system
from parts import queue as queue_part
from parts.supervisor import Supervisor, is_alive
from support.browser import Browser
from support.mail_client import eventually, message
from support.postqueue import flush

OUTSIDE = "ann@outside.tests.example"
LATER = "defer450@outside.tests.example"


@pytest.fixture
def sender(hosting, odoo):
    """(domain id, login) of a new verified domain with a mailbox, and these settings."""

    def make(**values):
        domain, name = hosting.domain("hold")
        if values:
            odoo("emboux.domain").write([domain], values)
        hosting.mailbox(domain, "ann")
        return domain, f"ann@{name}"

    return make


@pytest.fixture
def browser(status, state):
    made = Browser(status, state.path("pictures"))
    yield made
    made.close()


@pytest.fixture
def postfix(state):
    config = str(state.path("postfix", "etc"))

    class Queue:
        """The queue by Postfix' own commands, as an operator would see and change it."""

        def call(self, *argv, text=None):
            program, *arguments = argv
            return system.run(system.as_root([f"/usr/sbin/{program}", "-c", config, *arguments]),
                              input=text)

        def of(self, sender):
            """Queue id to the name of its queue, of this sender's messages."""
            rows = map(json.loads, self.call("postqueue", "-j").splitlines())
            return {row["queue_id"]: row["queue_name"] for row in rows if row["sender"] == sender}

        def waits(self, sender, queues, count=1):
            """Until that many messages are in one of these queues, and no others."""
            def probe():
                found = self.of(sender)
                if len(found) == count and set(found.values()) <= set(queues):
                    return found
                return None

            return eventually(f"{count} messages of {sender} in {queues}", probe)

    return Queue()


class WorldAgent:
    """The agent that serves the world's Postfix: killed, and another in its place."""

    def __init__(self, state, database):
        self._state = state
        [self._service] = queue_part.services(state, database)
        self._own = Supervisor(state, echo=False, pids="pids-queue.json")

    def _found(self):
        pids = "pids-queue.json" if self._own.running else "pids.json"
        pid, started, *_ = json.loads(self._state.path("run", pids).read_text())["queue"]
        return pid, started

    def signal(self, name):
        pid, _started = self._found()
        system.run(system.as_root(["sh", "-c", 'kill -s "$0" -- "-$1"', name, str(pid)]))

    def kill(self):
        if self._own.running:
            self._own.kill("queue")
            return
        pid, started = self._found()
        self.signal("KILL")
        eventually("its end", lambda: not is_alive(pid, started))

    def start(self):
        self._own.start(self._service)

    def stop(self):
        self._own.stop()


@pytest.fixture(scope="session")
def world_agent(state, status):
    """After the test there must be one again."""
    made = WorldAgent(state, status["postgres"]["db"])
    yield made
    made.stop()


@pytest.fixture
def sent(connect):
    cursor = connect("odoo").cursor()

    def read(domain):
        cursor.execute("SELECT in_month FROM emboux_mail.sent WHERE subject = %s", [domain])
        return (cursor.fetchone() or (0,))[0]

    return read


@pytest.fixture
def held(odoo):
    def read(domain):
        return odoo("emboux.held.message").search_read(
            [("domain_id", "=", domain)],
            ["queue_id", "state", "reason", "recipients", "recipient_count", "login", "note"],
            order="arrived_at, id")

    return read


WAITING = ("active", "deferred")


def test_a_suspension_ends_the_sessions_that_are_open(sender, mail, hosting, odoo):
    domain, ann = sender()
    _other, bob = sender()
    session, stays = (mail.imap(login, hosting.PASSWORD) for login in (ann, bob))
    session.select("INBOX")
    odoo("emboux.domain").action_suspend([domain])

    def is_over():
        try:
            session.noop()
        except (imaplib.IMAP4.abort, OSError):
            return True
        return False

    eventually("the end of the session", is_over)
    assert not mail.can_login(ann, hosting.PASSWORD)
    assert stays.noop()[0] == "OK"
    stays.logout()


def test_a_suspension_reaches_the_queue_and_its_end_too(sender, mail, hosting, odoo, postfix, held):
    domain, ann = sender()
    _other, bob = sender()
    mail.submit(ann, hosting.PASSWORD, LATER, f"later {ann}")
    mail.submit(bob, hosting.PASSWORD, LATER, f"later {bob}")
    # from outside with a sender of the suspended domain: not its mail
    mail.from_outside(ann, bob, f"forged {ann}")
    mail.arrives(bob, hosting.PASSWORD, f"forged {ann}")
    postfix.waits(ann, WAITING)
    postfix.waits(bob, WAITING)
    began = time.monotonic()
    odoo("emboux.domain").action_suspend([domain])
    [queue_id] = postfix.waits(ann, ["hold"])
    assert time.monotonic() - began < 10
    assert set(postfix.waits(bob, WAITING).values()) <= set(WAITING)
    row = eventually("its row", lambda: [r for r in held(domain) if r["state"] == "held"])[0]
    assert (row["queue_id"], row["reason"], row["login"], row["recipients"],
            row["recipient_count"]) == (queue_id, "suspended", ann, LATER, 1)
    began = time.monotonic()
    odoo("emboux.domain").action_activate([domain])
    postfix.waits(ann, WAITING)
    assert time.monotonic() - began < 10
    eventually("its row", lambda: [r["state"] for r in held(domain)] == ["released"])
    postfix.call("postsuper", "-d", "-", text=f"{queue_id}\n")
    postfix.call("postsuper", "-d", "-", text="".join(f"{i}\n" for i in postfix.of(bob)))


def test_mail_under_way_when_its_domain_is_suspended_arrives_once(
        sender, mail, hosting, odoo, postfix, held):
    """The sink takes five seconds for it; meanwhile it is put on hold."""
    domain, ann = sender()
    subject = f"under way {ann}"
    mail.submit(ann, hosting.PASSWORD, "slow@outside.tests.example", subject)
    postfix.waits(ann, ["active"])
    odoo("emboux.domain").action_suspend([domain])
    postfix.waits(ann, ["hold"])
    mail.outside(subject)
    eventually("its row", lambda: [r["state"] for r in held(domain)] == ["held"])
    odoo("emboux.domain").action_activate([domain])
    eventually("an empty queue", lambda: not postfix.of(ann), seconds=40)
    assert mail.outside_subjects().count(subject) == 1


def test_mail_held_in_a_suspension_arrives_after_it(sender, mail, hosting, odoo, postfix):
    """A message that nobody has tried to deliver yet goes out when the suspension is lifted."""
    domain, ann = sender()
    subject = f"after all {ann}"
    postfix.call("postconf", "-e", "defer_transports=smtp")
    postfix.call("postfix", "reload")
    try:
        mail.submit(ann, hosting.PASSWORD, OUTSIDE, subject)
        postfix.waits(ann, WAITING)
        odoo("emboux.domain").action_suspend([domain])
        postfix.waits(ann, ["hold"])
    finally:
        postfix.call("postconf", "-X", "defer_transports")
        postfix.call("postfix", "reload")
    assert subject not in mail.outside_subjects()
    odoo("emboux.domain").action_activate([domain])
    mail.outside(subject)
    eventually("an empty queue", lambda: not postfix.of(ann))


def test_over_the_limit_mail_is_held_listed_and_decided_about(
        sender, mail, hosting, odoo, postfix, held, sent):
    domain, ann = sender(outbound_over_limit="hold", outbound_monthly_limit=2)
    subjects = [f"{word} {ann}" for word in ("passes", "decided", "dropped", "waits")]
    with mail.login(ann, hosting.PASSWORD) as smtp:
        def submit(subject):
            to = [OUTSIDE, "bob@outside.tests.example"]
            smtp.send_message(message(ann, OUTSIDE, subject), ann, to)

        for number, subject in enumerate(subjects):
            submit(subject)  # taken, all of them
            if number:
                eventually("its row", lambda n=number: len(held(domain)) == n)
    mail.outside(subjects[0])
    rows = eventually("notes", lambda: [r for r in held(domain) if r["note"]] and held(domain))
    assert [(r["state"], r["reason"], r["recipient_count"]) for r in rows] == [
        ("held", "over_limit", 2)] * 3
    assert "sending limit of 2 recipients per month reached" in rows[0]["note"]
    assert set(postfix.of(ann).values()) == {"hold"}
    assert sent(domain) == 2
    by_subject = {}
    for row in rows:
        text = postfix.call("postcat", "-h", "-q", row["queue_id"])
        [subject] = [s for s in subjects if s in text]
        by_subject[subject] = row
    messages = odoo("emboux.held.message")
    messages.action_release([by_subject[subjects[1]]["id"]])
    messages.action_discard([by_subject[subjects[2]]["id"]])
    mail.outside(subjects[1])
    eventually("the discarding", lambda: [r["state"] for r in held(domain)] == [
        "released", "discarded", "held"])
    assert list(postfix.of(ann)) == [by_subject[subjects[3]]["queue_id"]]
    assert sent(domain) == 4
    odoo("emboux.domain").write([domain], {"outbound_monthly_limit": 6})
    mail.outside(subjects[3])
    eventually("its row", lambda: [r["state"] for r in held(domain)] == [
        "released", "discarded", "released"])
    assert sent(domain) == 6
    assert subjects[2] not in mail.outside_subjects()
    assert [mail.outside_subjects().count(s) for s in subjects] == [1, 1, 0, 1]


def test_the_agent_is_killed_again_and_again(
        sender, mail, hosting, odoo, held, sent, world_agent):
    """While it releases fifteen messages it is killed five times; at the end each has arrived once
    and was counted once."""
    domain, ann = sender(outbound_over_limit="hold", outbound_monthly_limit=1)
    subjects = [f"kill {n} {ann}" for n in range(16)]
    with mail.login(ann, hosting.PASSWORD) as smtp:
        for subject in subjects:
            smtp.send_message(message(ann, OUTSIDE, subject), ann, [OUTSIDE])
    eventually("all in the list", lambda: len(held(domain)) == 15, seconds=30)

    def touched():
        return sum(row["state"] != "held" for row in held(domain))

    for number in range(5):
        # some more may go each time, so that there is work while it is killed
        before = touched()
        odoo("emboux.domain").write([domain], {"outbound_monthly_limit": 4 + 3 * number})
        eventually("work", lambda n=before: touched() > n, seconds=30)
        world_agent.kill()
        world_agent.start()
    odoo("emboux.domain").write([domain], {"outbound_monthly_limit": 100})
    eventually("all at the outside", lambda: set(subjects) <= set(mail.outside_subjects()),
               seconds=60)
    eventually("all released", lambda: {r["state"] for r in held(domain)} == {"released"})
    assert sent(domain) == 16
    assert [mail.outside_subjects().count(s) for s in subjects] == [1] * 16


def test_odoo_says_when_the_agent_is_away(odoo, connect, world_agent, browser, status):
    agents = odoo("emboux.queue.agent")
    [row] = agents.search_read([("name", "=", queue_part.NAME)], ["seen_at", "problem", "waiting"])
    assert not row["problem"]
    eventually("a later sign of life", lambda: agents.search_read(
        [("name", "=", queue_part.NAME)], ["seen_at"])[0]["seen_at"] > row["seen_at"])
    world_agent.signal("STOP")
    try:
        cursor = connect("odoo").cursor()
        cursor.execute("UPDATE emboux_queue_agent SET seen_at = seen_at - interval '3 minutes'")
        assert "was last seen" in agents.warning()
        browser.log_in(status["odoo"]["login"], status["odoo"]["password"])
        browser.open("/odoo/email-held", ".o_emboux_agent_warning")
        assert "was last seen" in browser.page.text_content(".o_emboux_agent_warning")
        assert not browser.errors
    finally:
        world_agent.signal("CONT")
    eventually("all well", lambda: queue_part.NAME not in agents.warning())


def test_a_message_is_released_in_the_browser(sender, mail, hosting, held, browser, status):
    domain, ann = sender(outbound_over_limit="hold", outbound_monthly_limit=1)
    subjects = [f"{word} in the browser {ann}" for word in ("first", "second")]
    for subject in subjects:
        mail.submit(ann, hosting.PASSWORD, OUTSIDE, subject)
    eventually("its row", lambda: held(domain))
    browser.log_in(status["odoo"]["login"], status["odoo"]["password"])
    browser.open("/odoo/email-held", "tr.o_data_row")
    assert not browser.page.query_selector(".o_emboux_agent_warning")
    browser.page.click(f"tr.o_data_row:has-text('{ann}') td[name=login]")
    browser.page.wait_for_selector(".o_form_view")
    browser.picture("held_message")
    browser.page.click("button[name=action_release]")
    mail.outside(subjects[1])
    assert not browser.errors


def answers(mail, recipient, sessions=6):
    """What Postfix says to a recipient in as many sessions at once, each a process of its own."""
    said = []
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(smtplib.SMTP("localhost", mail.status["smtp"]["port"],
                                                    timeout=30)) for _ in range(sessions)]
        for client in clients:
            client.ehlo("outside.tests.example")
            code, _text = client.mail(OUTSIDE)
            said.append(client.rcpt(recipient)[0] if code == 250 else code)
    return set(said)


def test_a_sender_refused_before_the_proof_is_accepted_after_it(hosting, mail, odoo):
    """The same sender and recipient, by the same processes of Postfix, before and after."""
    domain, name = hosting.domain("fresh", verified=False)
    hosting.mailbox(domain, "ann")
    address = f"ann@{name}"
    assert answers(mail, address) == {554}
    hosting.publish(domain)
    odoo("emboux.domain").action_check_now([domain])
    assert answers(mail, address) == {250}
    mail.from_outside(OUTSIDE, address, "after the proof")
    mail.arrives(address, hosting.PASSWORD, "after the proof")
    # and the reverse: a process that knows the domain finds no address in it, the others no domain
    odoo("emboux.domain").write([domain], {"active": False})
    assert answers(mail, address) <= {550, 554}
    odoo("emboux.domain").write([domain], {"active": True})
    assert answers(mail, address) == {250}
    boxes = odoo("emboux.mailbox")
    boxes.unlink(boxes.search([("domain_id", "=", domain)]))
    odoo("emboux.domain").unlink([domain])
    assert answers(mail, address) <= {550, 554}


def crash(state):
    pid = postgres.sql(state, "SELECT pid FROM pg_stat_activity"
                              " WHERE usename = 'emboux_mail' LIMIT 1")
    system.run(system.as_root(["kill", "-9", pid]))


def wait_for_database(state):
    def is_back():
        with contextlib.suppress(SystemExit):
            return postgres.sql(state, "SELECT 1") == "1"

    eventually("the database", is_back, seconds=90)  # on a busy machine it takes its time


def test_mail_flows_again_soon_after_the_database_was_away(hosting, mail, state):
    """One killed process of PostgreSQL ends all its connections and keeps it busy for a moment;
    a process of Postfix that asked meanwhile would answer 451 for a minute."""
    domain, name = hosting.domain("back")
    hosting.mailbox(domain, "ann")
    assert answers(mail, f"ann@{name}") == {250}
    for _try in range(10):
        crash(state)
        if 451 in answers(mail, f"ann@{name}"):
            break
    else:
        pytest.fail("Postfix never noticed")
    wait_for_database(state)
    began = time.monotonic()
    # one after the other: see forget.py about sessions that are open in a reload
    eventually("the mail is taken", lambda: answers(mail, f"ann@{name}", 1) == {250})
    assert time.monotonic() - began < RELOAD_SECONDS + 3


def test_dovecot_finds_its_connections_dead_and_no_mail_is_lost(hosting, mail, state):
    """It keeps some to the database, tries a query by two of them, and defers the mail: Postfix'
    next try finds new ones."""
    domain, name = hosting.domain("dead")
    hosting.mailbox(domain, "ann")
    ann, subjects = f"ann@{name}", [f"mail {number}" for number in range(12)]

    def there():
        flush(state)
        return sorted(mail.subjects(ann, hosting.PASSWORD))

    def taken(subject):
        try:
            mail.from_outside(OUTSIDE, ann, subject)
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _text)] = error.recipients.values()
            assert code == 451, "Postfix has dead connections too: other servers try again"
            return False
        return True

    def at_once(some):
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda subject: eventually(subject, lambda: taken(subject)), some))
        eventually("all mail", lambda: set(some) <= set(there()))

    at_once(subjects[:6])
    crash(state)
    wait_for_database(state)
    eventually("the mail is taken", lambda: answers(mail, ann, 1) == {250})
    at_once(subjects[6:])
    assert there() == sorted(subjects)


def test_once_ends_by_itself(odoo, state, status):
    """Where it is run by cron: while the world's agent is there, it says so and ends."""
    argv = system.as_root(queue_part.command(state, status["postgres"]["db"], "--once"))
    eventually("the world's agent, after the database was away", lambda: queue_part.is_seen(
        state, status["postgres"]["db"]))
    with pytest.raises(SystemExit, match="another agent already serves"):
        system.run(argv)
    argv[argv.index(queue_part.NAME)] = "by-cron"
    system.run(argv)
    agents = odoo("emboux.queue.agent")
    [found] = agents.search([("name", "=", "by-cron")])
    agents.unlink([found])
