"""What mail moves is read from the logs of the real Postfix and Dovecot, each line once."""

import smtplib
import time
from email import policy

import psycopg2
import pytest
from parts import traffic
from parts.supervisor import Service, Supervisor
from support.api_client import done
from support.mail_client import eventually, message

OUTSIDE = "ann@outside.tests.example"


@pytest.fixture
def moved(connect):
    """(bytes in, bytes out) of a domain."""
    rows = connect("odoo").cursor()

    def moved(domain):
        rows.execute("""SELECT coalesce(sum(bytes_in), 0)::int, coalesce(sum(bytes_out), 0)::int
                          FROM emboux_mail.transfer WHERE domain_id = %s""", [domain])
        return rows.fetchone()

    return moved


def test_mail_between_two_domains(hosting, mail, master, moved):
    (one, one_name), (two, two_name) = hosting.domain("from"), hosting.domain("to")
    hosting.mailbox(one, "ann")
    hosting.mailbox(two, "bob")
    hosting.mailbox(two, "eve")
    large = "x" * 70 + "\n"
    text = message(f"ann@{one_name}", f"bob@{two_name}", "counted", large * 100)
    with mail.login(f"ann@{one_name}", hosting.PASSWORD) as smtp:
        smtp.send_message(text, f"ann@{one_name}", [f"bob@{two_name}", f"eve@{two_name}"])
    for name in ("bob", "eve"):
        eventually(f"mail for {name}", lambda: moved(two)[0] > 10_000)
    size = moved(one)[1]
    assert 7_100 < size < 10_000, "the message, with what the signer and Postfix put on top"
    assert moved(one) == (0, size)
    eventually("both copies", lambda: moved(two)[0] == 2 * size)
    assert moved(two)[1] == 0
    # reading it moves it once more
    client = mail.imap(f"bob@{two_name}", hosting.PASSWORD)
    client.select("INBOX")
    client.fetch("1", "(BODY.PEEK[])")
    client.logout()
    eventually("the session", lambda: moved(two)[1] > size)
    answer = master.get(f"/domains/{two_name}/transfer").json()
    assert answer["used"] == sum(moved(two))


def test_a_client_that_names_the_original_submitter(hosting, mail, moved):
    """With AUTH= (RFC 4954 5) Postfix' line goes on behind the login, as the client chose."""
    domain, name = hosting.domain("auth")
    hosting.mailbox(domain, "ann")
    chosen = "x,+20sasl_username+3Deve@other.example"  # xtext
    for number, said in enumerate((f"ann@{name}", "<>", chosen)):
        before = moved(domain)[1]
        with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
            text = message(f"ann@{name}", OUTSIDE, f"on behalf {number}", "x" * 70 + "\n")
            smtp.sendmail(f"ann@{name}", [OUTSIDE], text.as_bytes(policy=policy.SMTP),
                          mail_options=[f"AUTH={said}"])
        eventually(f"AUTH={said}", lambda b=before: moved(domain)[1] > b)


def test_a_second_try_counts_once(hosting, mail, moved):
    domain, name = hosting.domain("again")
    hosting.mailbox(domain, "ann")
    mail.submit(f"ann@{name}", hosting.PASSWORD, "defer450@outside.tests.example", "tried twice")
    size = eventually("the message", lambda: moved(domain)[1])
    time.sleep(12)  # Postfix here tries again after ten seconds
    assert moved(domain) == (0, size)


def test_over_its_transfer_mail_waits(hosting, mail, master, moved):
    domain, name = hosting.domain("over")
    address, path = f"ann@{name}", f"/domains/{name}/transfer"
    hosting.mailbox(domain, "ann")
    mail.from_outside(OUTSIDE, address, "within", "x" * 70 + "\n")
    mail.submit(address, hosting.PASSWORD, OUTSIDE, "goes out")
    used = eventually("both counted", lambda: all(moved(domain)) and sum(moved(domain)))
    shown = done(master.put(path, {"limit": used, "over_limit": "warn"}), 200)
    assert shown["over_limit"] == "warn"
    mail.from_outside(OUTSIDE, address, "only warned")
    assert done(master.put(path, {"limit": used, "over_limit": "enforce"}), 200)["limit"] == used

    assert_waits(hosting, mail, address)
    done(master.put(path, {"limit": 10**9}), 200)
    mail.from_outside(OUTSIDE, address, "within again")
    eventually("sending again", lambda: refusal(hosting, mail, address) is None)


def test_a_transfer_limit_holds_where_nothing_else_is_said(hosting, mail, master, moved):
    """In and out, also where the limit is smaller than what was moved already."""
    domain, name = hosting.domain("holds")
    address = f"ann@{name}"
    hosting.mailbox(domain, "ann")
    mail.submit(address, hosting.PASSWORD, OUTSIDE, "goes out")
    eventually("it to be counted", lambda: sum(moved(domain)))
    shown = done(master.put(f"/domains/{name}/transfer", {"limit": 1}), 200)
    assert (shown["limit"], shown["over_limit"]) == (1, "enforce")
    assert_waits(hosting, mail, address)


def refusal(hosting, mail, address):
    """What the submission is told: (code, text), None when it is taken."""
    try:
        mail.submit(address, hosting.PASSWORD, OUTSIDE, "too much to send")
    except smtplib.SMTPRecipientsRefused as error:
        [(code, text)] = error.recipients.values()
        return code, text.decode()
    return None


def assert_waits(hosting, mail, address):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        mail.from_outside(OUTSIDE, address, "too much")
    [(code, text)] = caught.value.recipients.values()
    assert (code, b"4.2.2" in text, b"traffic of this month" in text) == (450, True, True), text
    code, text = eventually("the policy's refusal", lambda: refusal(hosting, mail, address))
    assert (code, "used up its traffic" in text) == (450, True), text


class Reader:
    """A reader of the test's own, on a log of its own; killed and started again."""

    def __init__(self, state, database, path):
        self._argv = traffic.command(
            state, database, "--metrics", "none", name="test-reader", logs=[path])
        self._env = traffic.environment(state, database)
        self._supervisor = Supervisor(state, echo=False, pids="pids-traffic.json")

    def start(self, ready=lambda: True):
        self._supervisor.start(Service("reader", self._argv, ready=ready, env=self._env))

    def kill(self):
        self._supervisor.kill("reader")

    def stop(self):
        self._supervisor.stop()


@pytest.fixture
def log(state):
    path = state.folder("run") / f"test-{time.time_ns()}.log"
    path.write_text("Nov 26 00:00:00 mail postfix/master[1]: daemon started\n")
    yield path
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


@pytest.fixture
def reader(state, status, log):
    made = Reader(state, status["postgres"]["db"], log)
    yield made
    made.stop()


def lines_of(number, name):
    """A message of 100 bytes that comes to a mailbox, with its four lines."""
    head, ident = "mail postfix", f"{number:010X}"
    return (f"{head}/submission/smtpd[7]: {ident}: client=x[1.2.3.4], sasl_method=PLAIN,"
            f" sasl_username=ann@{name}\n"
            f"{head}/qmgr[7]: {ident}: from=<ann@{name}>, size=100, nrcpt=1 (queue active)\n"
            f"{head}/lmtp[7]: {ident}: to=<ann@{name}>, relay=x, delay=1, delays=1/1/1/1,"
            " dsn=2.0.0, status=sent (250 saved)\n"
            f"{head}/qmgr[7]: {ident}: removed\n")


def test_each_line_counts_once_whatever_ends_the_reader(hosting, reader, log, moved, connect):
    """Killed five times while it reads, with the log rotated while nobody does."""
    domain, name = hosting.domain("once")
    rows = connect("emboux_transfer").cursor()

    def position():
        rows.execute('SELECT inode, "offset" FROM emboux_mail.log_position WHERE path = %s',
                     [str(log)])
        return rows.fetchone()

    reader.start(ready=position)
    total = 0
    for turn in range(5):
        with log.open("a") as file:
            for _ in range(15_000):
                file.write(lines_of(total, name))
                total += 1
        before = position()
        eventually("some of it being read", lambda before=before: position() != before)
        reader.kill()
        if turn == 2:
            log.rename(log.with_name(f"{log.name}.1"))
            log.touch()
        reader.start()
    assert eventually("the rest", lambda: moved(domain) == (100 * total, 100 * total), seconds=60)
    time.sleep(3)
    assert moved(domain) == (100 * total, 100 * total)
    rows.execute("SELECT count(*) FROM emboux_mail.log_message WHERE host = 'test-reader'")
    assert rows.fetchone() == (0,)
    log_of_messages = connect("odoo").cursor()
    log_of_messages.execute(
        "SELECT status, count(*), count(DISTINCT queue_id), sum(attempts)"
        " FROM emboux_mail.message WHERE domain_id = %s GROUP BY status", [domain])
    assert log_of_messages.fetchall() == [("received", total, total, total)]


def test_its_role_adds_up_alone(connect):
    cursor = connect("emboux_transfer").cursor()
    for statement in ("SELECT * FROM emboux_mailbox", "SELECT * FROM emboux_mail.transfer",
                      "UPDATE emboux_mail.transfer SET bytes_in = 0",
                      "SELECT * FROM emboux_mail.logins", "SELECT * FROM emboux_mail.sieve"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
