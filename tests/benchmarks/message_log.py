#!/usr/bin/env python3
"""The message log: how fast it is written, beside pflogsumm, and how fast it is searched.

    ./setup/run --reset --detach && .state/venv/bin/python tests/benchmarks/message_log.py
        [--messages 160000] [--rows 10000000] [--only write|steady|search] [--state DIR]

*Write*: a log of so many messages (half go out, two fifths come in, a tenth is refused; of those
that go out a tenth is put off once), read by the follower of ``odoo emboux_transfer``, which stores
a row for each, and by Debian's ``pflogsumm``, which stores nothing; in turn, five times.

*Steady*: such a log grows by 100 messages a second for a minute; how much of a core ``odoo
emboux_transfer`` and its connections in PostgreSQL use meanwhile.

*Search*: so many rows in 30 partitions, filled by COPY, of 2,000 domains and 200 customers; then
each kind of question over the REST API, by a master's key and by a customer's, 200 times with
other values: median, 95th percentile and the statements of each.  How long a day takes to be
dropped while somebody reads.

It needs some 12 GB of disk for ten million rows, and leaves nothing but an empty day behind.
"""

import argparse
import io
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg2
import requests

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "setup"), str(PROJECT / "tests"), str(PROJECT / "emboux_mail_api")]

from emboux_daemons.transfer import copy, follow, logs, store  # noqa: E402
from parts import odoo_server, report, traffic  # noqa: E402
from parts.state import State  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

HOST = "benchmark"
DOMAINS, CUSTOMERS, DAYS = 2000, 200, 30
TRIES = 200
WORDS = ("mailbox full", "no such user here", "greylisted, try again later", "message refused",
         "blocked by policy", "domain not found", "connection timed out", "quota exceeded")


class World:
    def __init__(self, root):
        self.state = State(root, os.environ.get("EMBOUX_CODE"))
        self.status = report.read(self.state)
        where = self.status["odoo"]
        self.odoo = Odoo(where["url"], where["db"], where["login"], where["password"])
        self.rows = psycopg2.connect(**self.database("odoo")).cursor()
        self.rows.connection.autocommit = True

    def database(self, role):
        where = self.status["postgres"]
        return {"host": "127.0.0.1", "port": where["port"], "dbname": where["db"], "user": role,
                "password": self.state.secret(role)}

    def key(self, *options):
        printed = odoo_server.run(
            self.state, "emboux_key", "--name", "Benchmark", *options,
            env=odoo_server.environment(self.state)
            | {"ODOO_RC": str(odoo_server.config(self.state, self.status["odoo"]["db"]))})
        return printed.strip().splitlines()[-1]

    def prepare(self):
        """Domains of customers, as copies of one of ours; returns [(number, name, partner)]."""
        self.end()
        rows = self.rows
        partners = self.odoo("res.partner").create(
            [{"name": f"Benchmark {n}", "ref": f"BENCH{n}"} for n in range(CUSTOMERS)])
        rows.execute(
            """SELECT string_agg(quote_ident(column_name), ', ')
                 FROM information_schema.columns WHERE table_name = 'emboux_domain'
                  AND column_name NOT IN ('id', 'name', 'unicode_name', 'partner_id')""")
        [[columns]] = rows.fetchall()
        rows.execute(
            f"""INSERT INTO emboux_domain (name, unicode_name, partner_id, {columns})
                SELECT 'bench' || n || '.example', 'bench' || n || '.example',
                       (%s::integer[])[1 + n %% {CUSTOMERS}], {columns}
                  FROM (SELECT * FROM emboux_domain WHERE owned_since IS NOT NULL
                         ORDER BY id LIMIT 1) d, generate_series(0, {DOMAINS - 1}) n
                RETURNING id, name, partner_id""", [partners])
        return rows.fetchall()

    def end(self):
        self.rows.execute(
            """DELETE FROM emboux_domain WHERE name LIKE 'bench%.example';
               DELETE FROM emboux_customer WHERE partner_id IN
                      (SELECT id FROM res_partner WHERE ref LIKE 'BENCH%');
               DELETE FROM emboux_api_key WHERE partner_id IN
                      (SELECT id FROM res_partner WHERE ref LIKE 'BENCH%');
               DELETE FROM res_partner WHERE ref LIKE 'BENCH%'""")


# -- write -------------------------------------------------------------------------------


def log_of(messages):
    """The text of a log, as Postfix 3.7 and Dovecot 2.3 write it through syslog."""
    chance, moment = random.Random(1), datetime.now(UTC).replace(tzinfo=None)
    texts, ip = [], "192.0.2.7"
    moment -= timedelta(seconds=0.03 * messages)
    for number in range(messages):
        moment += timedelta(seconds=0.03 * chance.random())
        head, queue = f"{moment:%b} {moment.day:2} {moment:%H:%M:%S} mail ", f"{number * 7:011X}"
        name, pid = f"bench{chance.randrange(DOMAINS)}.example", chance.randrange(1000, 1200)
        kind, person = chance.random(), f"user{number % 50}"
        header = f"{chance.getrandbits(64):x}.{number}@{name}"
        size = chance.randrange(500, 90_000)
        if kind < 0.5:
            relay = f"mx.provider{chance.randrange(40)}.example[198.51.100.9]:25"
            to = f"person{chance.randrange(10**6)}@far{chance.randrange(500)}.example"
            active = f"postfix/qmgr[9]: {queue}: from=<{person}@{name}>, size={size}, nrcpt=1 "
            end = f"to=<{to}>, relay={relay}, delay=1.2, delays=0.1/0/0.5/0.6, "
            lines = [
                f"postfix/submission/smtpd[{pid}]: connect from laptop[{ip}]",
                f"postfix/submission/smtpd[{pid}]: {queue}: client=laptop[{ip}], "
                f"sasl_method=PLAIN, sasl_username={person}@{name}",
                f"postfix/submission/cleanup[{pid}]: {queue}: message-id=<{header}>",
                f"{active}(queue active)",
                f"postfix/submission/smtpd[{pid}]: disconnect from laptop[{ip}] ehlo=2 starttls=1 "
                "auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8",
                f"postfix/smtp[{pid}]: Trusted TLS connection established to {relay}: TLSv1.3 with "
                "cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519",
            ]
            if kind < 0.05:
                lines += [f"postfix/smtp[{pid}]: {queue}: {end}dsn=4.7.1, status=deferred (host "
                          f"{relay[:-3]} said: 450 4.7.1 Greylisted (in reply to RCPT TO command))",
                          f"{active}(queue active)"]
            lines.append(f"postfix/smtp[{pid}]: {queue}: {end}dsn=2.0.0, status=sent (250 2.0.0 "
                         f"OK {chance.getrandbits(60):x} - queued)")
        elif kind < 0.9:
            session, to = f"{chance.getrandbits(96):024x}", f"{person}@{name}"
            lines = [
                f"postfix/smtpd[{pid}]: connect from mx.far{number % 900}.example[203.0.113.9]",
                f"postfix/smtpd[{pid}]: {queue}: client=mx.far{number % 900}.example[203.0.113.9]",
                f"postfix/cleanup[{pid}]: {queue}: message-id=<{header}>",
                f"postfix/qmgr[9]: {queue}: from=<joe{number}@far{number % 900}.example>, "
                f"size={size}, nrcpt=1 (queue active)",
                f"postfix/smtpd[{pid}]: disconnect from mx.far{number % 900}.example[203.0.113.9] "
                "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
                f"dovecot: lmtp({to})<{pid}><{session}>: sieve: msgid=<{header}>: stored mail into "
                "mailbox 'INBOX'",
                f"postfix/lmtp[{pid}]: {queue}: to=<{to}>, relay=mail.example[private/lmtp], "
                "delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent "
                f"(250 2.0.0 <{to}> {session} Saved)",
            ]
        else:
            to = f"nobody{number}@{name}"
            lines = [
                f"postfix/smtpd[{pid}]: connect from unknown[203.0.113.5]",
                f"postfix/smtpd[{pid}]: NOQUEUE: reject: RCPT from unknown[203.0.113.5]: 550 5.1.1 "
                f"<{to}>: Recipient address rejected: User unknown in virtual mailbox table; "
                f"from=<spam{number}@far.example> to=<{to}> proto=ESMTP helo=<x>",
                f"postfix/smtpd[{pid}]: disconnect from unknown[203.0.113.5] ehlo=1 mail=1 "
                "rcpt=0/1 quit=1 commands=3/4",
            ]
        if kind < 0.9:
            lines.append(f"postfix/qmgr[9]: {queue}: removed")
        texts += [head + line for line in lines]
    return "\n".join(texts) + "\n"


class FromTheBeginning(logs.Log):
    def start(self):
        with self.path.open("rb") as file:
            return logs.Position(logs._inode(file), logs._head(file), 0)


def follow_once(world, path):
    """Seconds in which the log is read and stored, and how many rows that are."""
    for table in ("message", "log_message", "log_position", "log_session"):
        world.rows.execute(f"DELETE FROM emboux_mail.{table} WHERE host = %s", [HOST])
    world.rows.execute("VACUUM emboux_mail.message")
    database = world.database("emboux_transfer")
    follower = follow.Follower(
        [FromTheBeginning(path)], store.Store(database, HOST), store.Lookups(database, HOST))
    began = time.perf_counter()
    code = follow.run(follower, once=True)
    took = time.perf_counter() - began
    if code:
        raise SystemExit("The follower failed.")
    world.rows.execute("SELECT count(*) FROM emboux_mail.message WHERE host = %s", [HOST])
    return took, world.rows.fetchone()[0]


def measure_writing(world, messages):
    if not shutil.which("pflogsumm"):
        raise SystemExit("apt-get install pflogsumm, then try again.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mail.log")
        path.write_text(log_of(messages))
        with path.open() as file:
            lines = sum(1 for _line in file)
        ours, theirs = [], []
        for _turn in range(5):
            took, rows = follow_once(world, path)
            ours.append(took)
            began = time.perf_counter()
            subprocess.run(["pflogsumm", str(path)], check=True, stdout=subprocess.DEVNULL)
            theirs.append(time.perf_counter() - began)
    print(f"{lines} lines, {messages} messages, {rows} rows stored")
    for what, times in (("emboux_transfer", ours), ("pflogsumm", theirs)):
        median = statistics.median(times)
        print(f"| {what} | {median:.2f} s | {lines / median:,.0f} lines a second | "
              + ", ".join(f"{took:.2f}" for took in times) + " |")
    print(f"ratio of the medians {statistics.median(ours) / statistics.median(theirs):.2f}")


def measure_steady(world, rate=100, seconds=60):
    database = world.status["postgres"]["db"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mail.log")
        path.write_text("")
        Path(folder).chmod(0o755)
        lines = log_of(rate * seconds).splitlines(keepends=True)
        before = _backends(world)
        daemon = psutil.Popen(
            traffic.command(
                world.state, database, "--metrics", "none", name=HOST, logs=[path]),
            env=traffic.environment(world.state, database), stdout=subprocess.DEVNULL)
        try:
            time.sleep(8)  # it has begun, and has read nothing
            backends = [psutil.Process(pid) for pid in _backends(world) - before]
            used = [_seconds(process) for process in (daemon, *backends)]
            began = time.monotonic()
            with path.open("a") as log:
                for second in range(seconds):
                    at = len(lines) * second // seconds, len(lines) * (second + 1) // seconds
                    log.writelines(lines[slice(*at)])
                    log.flush()
                    time.sleep(max(0, began + second + 1 - time.monotonic()))
            took = time.monotonic() - began
            used = [_seconds(process) - earlier for process, earlier in
                    zip((daemon, *backends), used, strict=True)]
            time.sleep(4)
            world.rows.execute(
                "SELECT count(*) FROM emboux_mail.message WHERE host = %s", [HOST])
            [[rows]] = world.rows.fetchall()
        finally:
            daemon.terminate()
            daemon.wait()
    print(f"{rate} messages a second, {len(lines) / seconds:.0f} lines: the follower uses "
          f"{used[0] / took:.1%} of a core, PostgreSQL for it {sum(used[1:]) / took:.1%} "
          f"({rows} rows)")


def _backends(world):
    world.rows.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'emboux_transfer'")
    return {pid for (pid,) in world.rows.fetchall()}


def _seconds(process):
    times = process.cpu_times()
    return times.user + times.system


# -- search ------------------------------------------------------------------------------


def fill(world, domains, rows):
    world.rows.execute("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date")
    [[today]] = world.rows.fetchall()
    days = [today + timedelta(days=1 + number) for number in range(DAYS)]
    world.rows.execute("SELECT emboux_mail.message_days(%s)", [days])
    world.rows.execute("SELECT company_id FROM emboux_domain WHERE id = %s", [domains[0][0]])
    [[company]] = world.rows.fetchall()
    chance, number, began = random.Random(2), 10**13, time.perf_counter()
    for at, day in enumerate(days):
        midnight = datetime.combine(day - timedelta(days=DAYS), datetime.min.time())
        text = io.StringIO()
        for _row in range(rows // DAYS):
            number += 1
            moment = midnight + timedelta(seconds=86_399 * _row // (rows // DAYS))
            domain, name, partner = chance.choice(domains)
            good = chance.random() < 0.93
            inside = f"user{chance.randrange(50)}@{name}"
            outside = f"p{chance.getrandbits(30):x}@far{chance.randrange(5000)}.example"
            out = chance.random() < 0.5
            sender, to = (inside, outside) if out else (outside, inside)
            text.write("\t".join(map(str, (
                number, day, moment, moment, "out" if out else "in",
                ("delivered" if out else "received") if good else "failed", domain, partner,
                company, HOST, f"{number % 2**40:010X}", f"{number:x}.{chance.getrandbits(40):x}@x",
                inside if out else "", "client[192.0.2.1]", sender, to, "",
                chance.randrange(500, 90_000), 1, "mx.far.example[203.0.113.9]:25", "far.example",
                "2.0.0" if good else "5.1.1",
                "250 2.0.0 OK" if good else
                f"550 5.1.1 {chance.choice(WORDS)} ({chance.getrandbits(24):x})", "[]",
                "", "{}"))) + "\n")
        text.seek(0)
        world.rows.copy_expert(copy.STATEMENT, text, size=1 << 20)
        print(f"day {at + 1} of {DAYS}, {time.perf_counter() - began:.0f} s", flush=True)
    world.rows.execute("VACUUM ANALYZE emboux_mail.message")
    return days[0]


def questions(domains, chance):
    """Name to a function that gives the parameters of one such question."""
    def name():
        return chance.choice(domains)[1]

    return {
        "the newest": dict,
        "the newest of a domain": lambda: {"domain": name()},
        "a recipient": lambda: {"recipient": f"user{chance.randrange(50)}@{name()}"},
        "part of a recipient": lambda: {"recipient": f"@far{chance.randrange(1000, 5000)}.ex"},
        "rare part of a recipient": lambda: {"recipient": f"p{chance.getrandbits(30):x}"[:7]},
        "a part that nobody has": lambda: {"recipient": f"zz{chance.getrandbits(30):x}"},
        "part of a sender": lambda: {"sender": f"p{chance.getrandbits(30):x}"[:6]},
        "status and domain": lambda: {"status": "failed", "domain": name()},
        "an answer": lambda: {"q": f"({chance.getrandbits(24):x})"},
        "a common answer": lambda: {"q": "mailbox full"},
        "a Message-ID": lambda: {"message_id": f"{10**13 + chance.randrange(10**6):x}.0@x"},
        "a queue id": lambda: {"queue_id": f"{chance.getrandbits(40):010X}"},
        "an hour": lambda: {
            "since": f"{datetime.now(UTC) - timedelta(hours=chance.randrange(1, 600)):%FT%TZ}"},
    }


def ask(world, key, kinds):
    session, log = requests.Session(), world.state.path("log", "odoo.log")
    session.trust_env, session.headers["Authorization"] = False, f"Bearer {key}"
    url = f"{world.status['api']['url']}/messages"
    for what, parameters in kinds.items():
        times, size = [], log.stat().st_size
        for _try in range(TRIES):
            began = time.perf_counter()
            answer = session.get(url, params={**parameters(), "limit": 50}, timeout=60)
            times.append(1000 * (time.perf_counter() - began))
            answer.raise_for_status()
        with log.open() as file:
            file.seek(size)
            statements = {int(n) for n in re.findall(r"GET /messages: .* (\d+) statements",
                                                     file.read())}
        times.sort()
        print(f"| {what} | {statistics.median(times):.1f} | {times[int(0.95 * TRIES)]:.1f} | "
              f"{times[-1]:.0f} | {'/'.join(map(str, sorted(statements)))} |", flush=True)


def measure_dropping(world, day):
    """A day goes while somebody reads, over and over."""
    longest, over = [0.0], threading.Event()

    def read():
        rows = psycopg2.connect(**world.database("odoo")).cursor()
        rows.connection.autocommit = True
        while not over.is_set():
            began = time.perf_counter()
            rows.execute("SELECT * FROM emboux_mail.message ORDER BY at DESC, id DESC LIMIT 50")
            longest[0] = max(longest[0], time.perf_counter() - began)

    reader = threading.Thread(target=read)
    reader.start()
    part = f"emboux_mail.message_{day:%Y%m%d}"
    began = time.perf_counter()
    world.rows.execute(f"ALTER TABLE emboux_mail.message DETACH PARTITION {part} CONCURRENTLY")
    world.rows.execute(f"DROP TABLE {part}")
    took = time.perf_counter() - began
    over.set()
    reader.join()
    print(f"a day is dropped in {1000 * took:.0f} ms; the longest of the reads meanwhile took "
          f"{1000 * longest[0]:.0f} ms")


def measure_searching(world, rows):
    domains = world.prepare()
    [customer] = [partner for _number, _name, partner in domains[:1]]
    world.rows.execute("SELECT ref FROM res_partner WHERE id = %s", [customer])
    [[ref]] = world.rows.fetchall()
    keys = world.key("--role", "master"), world.key("--role", "customer", "--partner-ref", ref)
    oldest = fill(world, domains, rows)
    world.rows.execute("SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))) FROM"
                       " pg_inherits WHERE inhparent = 'emboux_mail.message'::regclass")
    print(f"{rows} rows, {world.rows.fetchone()[0]} with their indexes")
    chance = random.Random(3)
    own = [domain for domain in domains if domain[2] == customer]
    for whose, key, theirs in (
        ("a master key", keys[0], domains),
        ("a customer's key", keys[1], own),
    ):
        print(f"\nby {whose}:\n\n| what | p50 ms | p95 ms | most | statements |"
              "\n|---|--:|--:|--:|--:|")
        ask(world, key, questions(theirs, chance))
    measure_dropping(world, oldest)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=160_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", choices=("write", "steady", "search"))
    parser.add_argument("--state", default=PROJECT / ".state")
    arguments = parser.parse_args()
    world = World(arguments.state)
    try:
        if arguments.only != "search":
            world.prepare()
        if arguments.only in (None, "write"):
            measure_writing(world, arguments.messages)
        if arguments.only in (None, "steady"):
            measure_steady(world)
        if arguments.only in (None, "search"):
            measure_searching(world, arguments.rows)
    finally:
        world.rows.execute("SELECT part FROM emboux_mail.message_parts()")
        for (part,) in world.rows.fetchall():
            world.rows.execute(f"SELECT count(*) FROM emboux_mail.{part} WHERE host <> %s", [HOST])
            if not world.rows.fetchone()[0]:
                world.rows.execute(f"DROP TABLE emboux_mail.{part}")
        world.rows.execute("DELETE FROM emboux_mail.message WHERE host = %s", [HOST])
        world.end()


if __name__ == "__main__":
    main()
