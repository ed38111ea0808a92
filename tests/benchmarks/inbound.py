#!/usr/bin/env python3
"""Speed of incoming mail into the chatter: handed over, and fetched by Odoo's own fetchmail.

    ./setup/run --reset --detach && .state/venv/bin/python tests/benchmarks/inbound.py [--mails 200]

In turn, twice: so many answers to a note on a document are handed to an ``odoo emboux_inbound`` of
its own, twenty at a time as Postfix does, with an Odoo of its own (one process with threads, then
two workers); as many are sent to Postfix, twenty a second, which hands them to the world's own
daemon and Odoo; and as many are put into a mailbox and fetched by ``fetchmail.server.fetch_mail``
of one process, from its first call to the last message.  The document has one follower, who reads
in Odoo, or gets each of these as an email.

Mails a second; for what is handed over the median and 95th percentile from the first byte to the
answer after the commit, and for what goes by Postfix from its 250 until the message can be read in
Odoo, looked at in the database twenty times a second.  It leaves its messages in the world's
database: use a world that you can ``--reset``, on a machine that does nothing else.
"""

import argparse
import contextlib
import os
import signal
import smtplib
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "setup"), str(PROJECT / "tests")]

import psycopg2  # noqa: E402
from conftest import Hosting  # noqa: E402
from parts import inbound, odoo_server, report  # noqa: E402
from parts.state import State  # noqa: E402
from parts.supervisor import Service, Supervisor, listening  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

SENDERS = 20
RATE = 20  # mails a second that are sent to Postfix
LOOK = 0.05  # seconds between two looks for what has arrived
PASSWORD = "a password of the benchmark"


class World:
    def __init__(self, root):
        self.state = State(root, os.environ.get("EMBOUX_CODE"))
        self.status = report.read(self.state)
        where = self.status["odoo"]
        self.database = where["db"]
        self.odoo = Odoo(where["url"], where["db"], where["login"], where["password"])
        self.run = time.time_ns()

    def prepare(self):
        odoo = self.odoo
        self.domain, self.name = Hosting(odoo, self.state).domain("bench")
        # so many to one recipient would be taken for a loop
        odoo("emboux.domain").write([self.domain], {"outbound_enforcement": "off"})
        self.setup = odoo("emboux.domain").action_use_for_odoo([self.domain])["res_id"]
        odoo("emboux.odoo.mail").action_apply([self.setup])
        [row] = odoo("emboux.odoo.mail").read([self.setup], ["state", "mailbox_local_part"])
        if row["state"] == "planned":
            raise SystemExit("Odoo's own mail could not be set up; see Odoo's Own Mail.")
        self.mailbox = f"{row['mailbox_local_part']}@{self.name}"
        self.fetched = odoo("emboux.mailbox").create(
            {"domain_id": self.domain, "local_part": f"fetched{self.run}", "password": PASSWORD})
        self.fetched_address = f"fetched{self.run}@{self.name}"
        self.server = odoo("fetchmail.server").create(
            {"name": "Benchmark", "server_type": "imap", "server": "localhost", "is_ssl": True,
             "port": self.status["imaps"]["port"], "user": self.fetched_address,
             "password": PASSWORD, "state": "done"})
        self.document = odoo("res.partner").create({"name": "A document"})
        note = odoo("res.partner").message_post([self.document], body="A note")
        [row] = odoo("mail.message").read(note, ["message_id"])
        self.note = row["message_id"]

    @contextlib.contextmanager
    def follower(self, told):
        """Who made the document follows it.  ``told``: ``inbox`` or ``email``."""
        users, uid = self.odoo("res.users"), self.odoo.uid
        [before] = users.read([uid], ["notification_type", "email"])
        users.write([uid], {"notification_type": told, "email": "follower@outside.tests.example"})
        try:
            yield
        finally:
            users.write([uid], {name: before[name] for name in ("notification_type", "email")})

    def end(self):
        self.odoo("fetchmail.server").unlink([self.server])
        self.odoo("emboux.odoo.mail").action_undo([self.setup])

    def answer(self, number, to):
        return (f"From: Somebody <somebody{number % 500}@outside.example>\r\nTo: {to}\r\n"
                f"Subject: Answer {number}\r\nMessage-ID: <{self.run}.{number}@outside.example>\r\n"
                f"In-Reply-To: {self.note}\r\n\r\nAn answer {number}\r\n").encode()

    def filed(self, numbers):
        ids = [f"<{self.run}.{number}@outside.example>" for number in numbers]
        return self.odoo("mail.message").search_count([("message_id", "in", ids)])

    @contextlib.contextmanager
    def servers(self, workers):
        """An Odoo and a daemon; gives the daemon's port."""
        http, gevent, lmtp = (self.state.port(f"inbound_bench_{n}") for n in ("h", "g", "l"))
        supervisor = Supervisor(self.state, echo=False, pids="pids-inbound-bench.json")
        supervisor.start(Service(
            "bench_odoo",
            (str(odoo_server.command(self.state)), "server", "-c",
             str(odoo_server.config(self.state, self.database)), f"--workers={workers}",
             f"--http-port={http}", f"--gevent-port={gevent}", "--max-cron-threads=0"),
            ready=listening(http), env=odoo_server.environment(self.state), start_seconds=60))
        supervisor.start(Service(
            "bench_inbound",
            inbound.command(self.state, self.database, f"127.0.0.1:{lmtp}", "none",
                            "--odoo", f"http://127.0.0.1:{http}"),
            ready=listening(lmtp), env=inbound.environment(self.state, self.database)))
        try:
            yield lmtp
        finally:
            supervisor.stop()

    def hand_over(self, port, numbers):
        """Returns (mails a second, [seconds of each])."""

        def one(number):
            began = time.perf_counter()
            with smtplib.LMTP("127.0.0.1", port, timeout=120) as lmtp:
                lmtp.sendmail(f"somebody{number % 500}@outside.example", [self.mailbox],
                              self.answer(number, "anybody@outside.example"))
            return time.perf_counter() - began

        began = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as pool:
            took = list(pool.map(one, numbers))
        rate = len(numbers) / (time.perf_counter() - began)
        assert self.filed(numbers) == len(numbers)
        return rate, took

    def send(self, numbers):
        """By Postfix.  Returns (mails a second until the last is there, [seconds of each])."""
        accepted, there = {}, {}
        rows = psycopg2.connect(
            host="127.0.0.1", port=self.status["postgres"]["port"], dbname=self.database,
            user="odoo", password=self.state.secret("odoo")).cursor()
        rows.connection.autocommit = True

        def one(number, at):
            time.sleep(max(0, at - time.perf_counter()))
            with smtplib.SMTP("localhost", self.status["smtp"]["port"], timeout=120) as smtp:
                smtp.ehlo("outside.example")
                smtp.sendmail(f"somebody{number % 500}@outside.example", [self.mailbox],
                              self.answer(number, self.mailbox))
                accepted[f"<{self.run}.{number}@outside.example>"] = time.perf_counter()

        began = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as pool:
            sending = [pool.submit(one, number, began + at / RATE)
                       for at, number in enumerate(numbers)]
            while len(there) < len(numbers):
                time.sleep(LOOK)
                rows.execute("SELECT message_id FROM mail_message WHERE message_id = ANY(%s)",
                             [[name for name in accepted if name not in there]])
                now = time.perf_counter()
                there |= {name: now for (name,) in rows.fetchall()}
                if now - began > 600:
                    raise SystemExit(f"{len(numbers) - len(there)} have not arrived")
        for done in sending:
            done.result()
        rows.connection.close()
        return len(numbers) / (max(there.values()) - began), [
            there[name] - at for name, at in accepted.items()]

    def wait_for_queue(self):
        """Until what Odoo told the follower has left."""
        end = time.monotonic() + 300
        while self.odoo("mail.mail").search_count([("state", "=", "outgoing")]):
            if time.monotonic() > end:
                raise SystemExit("Odoo's mail queue is not emptied")
            time.sleep(1)

    def fetch(self, numbers):
        with smtplib.SMTP("localhost", self.status["smtp"]["port"], timeout=60) as smtp:
            smtp.ehlo("outside.example")
            for number in numbers:
                smtp.sendmail(f"somebody{number % 500}@outside.example", [self.fetched_address],
                              self.answer(number, self.fetched_address))
        time.sleep(5)  # until all are in the mailbox
        began = time.perf_counter()
        while self.filed(numbers) < len(numbers):
            self.odoo("fetchmail.server").fetch_mail([self.server])
            if time.perf_counter() - began > 600:
                raise SystemExit("not all was fetched")
        return len(numbers) / (time.perf_counter() - began)


def tell(what, rate, took):
    took = sorted(took)
    print(f"{what}: {rate:5.1f} mails/s, median {statistics.median(took):.2f} s, "
          f"95 % {took[int(len(took) * 0.95)]:.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--mails", type=int, default=200)
    arguments = parser.parse_args()
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    world = World(arguments.state)
    world.prepare()
    numbers = iter(range(10**9))
    try:
        for told in ("inbox", "email") * 2:
            with world.follower(told):
                for workers in (0, 2):
                    with world.servers(workers) as port:
                        world.hand_over(port, [next(numbers) for _ in range(20)])  # warm
                        rate, took = world.hand_over(
                            port, [next(numbers) for _ in range(arguments.mails)])
                    tell(f"{told}: handed over, {workers or 'no'} workers", rate, took)
                    world.wait_for_queue()
                world.send([next(numbers) for _ in range(20)])  # warm
                tell(f"{told}: by Postfix, {RATE} a second, no workers",
                     *world.send([next(numbers) for _ in range(arguments.mails)]))
                world.wait_for_queue()
                rate = world.fetch([next(numbers) for _ in range(arguments.mails)])
                print(f"{told}: fetched: {rate:5.1f} mails/s", flush=True)
                world.wait_for_queue()
    finally:
        world.end()


if __name__ == "__main__":
    main()
