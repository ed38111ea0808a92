#!/usr/bin/env python3
"""Speed of the REST API, against a running world.

    ./setup/run --reset --detach && .state/venv/bin/python tests/benchmarks/api.py --output FILE

For one process with threads and for two workers, with 1 and with 8 clients, at 0, 100 and 10,000
mailboxes in the domain: creates with a password (argon2id) and without, reads and pages of 50:
how many a second, median and 99th percentile, what the server's processes spend of CPU on each,
and what share hashing has of both; then 1,000 mailboxes with passwords in one call.  At the end
the aims, and whether they are met.  It starts servers of its own on the world's database and
leaves its mailboxes there: use a world that you can ``--reset``, on a machine that does nothing
else.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "emboux_core"), str(PROJECT / "setup")]

import passwords  # noqa: E402 - plain Python, needs no Odoo
from figures import (  # noqa: E402
    BARE,
    CLIENTS,
    CREATE,
    LEAST_CREATES,
    PAGE,
    READ,
    ROWS,
    Hashing,
    Line,
    aims,
    servers,
)
from parts import odoo_server, report  # noqa: E402
from parts.state import State  # noqa: E402
from parts.supervisor import Service, Supervisor, listening  # noqa: E402


class Failed(Exception):
    """An answer that is none of success."""


class Client:
    """One request, one connection, as Odoo's own server has it."""

    def __init__(self, url, key):
        self._where = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __call__(self, method, path, body=None):
        connection = http.client.HTTPConnection(self._where.hostname, self._where.port, timeout=300)
        sent = None if body is None else json.dumps(body)
        connection.request(method, self._where.path + path, sent, self._headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)


def cpu_seconds(pids):
    """User and system time of these processes."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def server_pids(port):
    """The processes that serve a port: the one that listens, and its children."""
    return [
        process.pid for process in psutil.process_iter(["cmdline"])
        if f"--http-port={port}" in (process.info["cmdline"] or ())
    ]


def load(call, times, clients):
    """Run ``call(number)`` by so many clients; returns (seconds for all, ms of each)."""
    taken, numbers, guard, faults = [], iter(range(times)), threading.Lock(), []

    def work():
        while True:
            with guard:
                number = next(numbers, None)
            if number is None:
                return
            started = time.perf_counter()
            try:
                call(number)
            except (OSError, http.client.HTTPException, Failed) as error:
                faults.append(repr(error))
                continue
            taken.append(1000 * (time.perf_counter() - started))

    started = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise SystemExit(f"{len(faults)} of {times} failed, such as {faults[0]}")
    return time.perf_counter() - started, sorted(taken)


class Bench:
    """A server of its own on the world's database, and what is measured there."""

    def __init__(self, state, workers, key, say):
        self.state, self.workers, self.say = state, workers, say
        self.port = state.port(f"bench{workers}")
        self.call = Client(f"http://127.0.0.1:{self.port}/emboux/v1", key)
        self._supervisor = Supervisor(state, echo=False, pids=f"pids-bench{workers}.json")
        self.lines, self.pids = [], []

    def start(self):
        status = report.read(self.state)
        argv = (
            str(odoo_server.command(self.state)), "server", "-c",
            str(odoo_server.config(self.state, status["odoo"]["db"])),
            f"--http-port={self.port}", f"--gevent-port={self.state.port('bench_gevent')}",
            "--max-cron-threads=0", f"--workers={self.workers}", "--log-level=warn",
        )
        self._supervisor.start(Service(
            f"bench{self.workers}", argv, ready=listening(self.port),
            env=odoo_server.environment(self.state), start_seconds=60))
        deadline = time.monotonic() + 60  # until the workers are there too, and the gevent process
        while len(server_pids(self.port)) < 1 + (self.workers and self.workers + 1):
            if time.monotonic() > deadline:
                raise SystemExit("The workers did not start.")
            time.sleep(0.2)

    def stop(self):
        self._supervisor.stop()

    def domain(self, prefix):
        name = f"{prefix}{self.workers}-{time.time_ns()}.example"
        self.call("POST", "/domains/", {"name": name})
        return name

    def warm_up(self):
        """The caches of each worker."""
        name = self.domain("warm")
        load(lambda n: self.create(name, f"warm{n}", "some password"), 24, 8)
        for path in (f"/users/warm1@{name}", f"/users/?domain={name}", "/users/"):
            load(lambda _n, path=path: self.call("GET", path), 24, 8)
        self.pids = server_pids(self.port)

    def create(self, name, local_part, password=None):
        body = {"email": f"{local_part}@{name}"} | ({"password": password} if password else {})
        self.call("POST", "/users/", body)

    def fill(self, name, count):
        """Make so many mailboxes, named fill0 and so on."""
        for start in range(0, count, 1000):
            rows = [{"email": f"fill{n}@{name}"} for n in range(start, min(start + 1000, count))]
            self.call("POST", "/users/bulk", {"users": rows})
        if count:
            self.settle()

    def settle(self):
        """What autovacuum does within a minute: nobody's 10,000 mailboxes are a second old."""
        status = json.loads(self.state.path("run", "status.json").read_text())
        with contextlib.closing(psycopg2.connect(
            host="127.0.0.1", port=status["postgres"]["port"], dbname=status["postgres"]["db"],
            user="postgres", password=self.state.secret("postgres"),
        )) as connection:
            connection.autocommit = True
            connection.cursor().execute("VACUUM ANALYZE emboux_mailbox")

    def measure(self, rows, what, clients, times, hashing, call):
        spent = cpu_seconds(self.pids)
        seconds, taken = load(call, times, clients)
        cpu = 1000 * (cpu_seconds(self.pids) - spent) / times
        each = 1000 * seconds / times
        line = Line(
            self.workers, rows, what, clients, times / seconds, statistics.median(taken),
            taken[min(len(taken) - 1, int(0.99 * len(taken)))], cpu,
            hashing.wall[clients] / each if what == CREATE else 0.0,
            hashing.cpu / cpu if what == CREATE and cpu else 0.0,
        )
        self.lines.append(line)
        self.say(str(line))

    def run(self, rows, clients, times, hashing):
        """All operations in one domain that has so many mailboxes at first."""
        name = self.domain("bench")
        self.fill(name, rows)
        call = self.call
        self.measure(rows, CREATE, clients, times, hashing,
                     lambda n: self.create(name, f"new{n}", f"password number {n}"))
        self.measure(rows, BARE, clients, times, hashing,
                     lambda n: self.create(name, f"bare{n}"))
        self.measure(rows, READ, clients, times, hashing,
                     lambda n: call("GET", f"/users/new{n}@{name}"))
        self.measure(rows, PAGE, clients, times, hashing,
                     lambda _n: call("GET", f"/users/?limit=50&domain={name}"))

    def bulk(self, count):
        """Mailboxes a minute, and the share of hashing if it ran on all processors at its best."""
        name = self.domain("bulk")
        words = [f"password number {n}" for n in range(count)]
        started = time.perf_counter()
        passwords.hash_all(words)
        alone = time.perf_counter() - started
        started = time.perf_counter()
        answer = self.call("POST", "/users/bulk", {"users": [
            {"email": f"bulk{n}@{name}", "password": word} for n, word in enumerate(words)]})
        seconds = time.perf_counter() - started
        rate = 60 * answer["created"] / seconds
        self.say(f"bulk, {servers(self.workers)}: {answer['created']} mailboxes with passwords in"
                 f" {seconds:.1f} s, {rate:.0f} a minute; hashing {100 * alone / seconds:.0f} %")
        return rate


def prepare(state):
    """A master key that is not throttled."""
    status = report.read(state)
    configuration = str(odoo_server.config(state, status["odoo"]["db"]))
    printed = odoo_server.run(
        state, "emboux_key", "--role", "master", "--name", "Benchmark", "--days", "1",
        env=odoo_server.environment(state) | {"ODOO_RC": configuration},
    )
    subprocess.run(
        [str(odoo_server.command(state)), "shell", "-c", configuration, "--no-http",
         "--log-level=error"],
        input="env['ir.config_parameter'].set_param('emboux_mail_api.requests_per_second', '1e6')\n"
              "env.cr.commit()\n",
        text=True, check=True, capture_output=True)
    return printed.strip().splitlines()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--times", type=int, default=200, help="requests for each line")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENTS)
    parser.add_argument("--workers", type=int, nargs="*", default=tuple(LEAST_CREATES))
    parser.add_argument("--bulk", type=int, default=1000, help="mailboxes in one call")
    parser.add_argument("--output", type=Path, help="a file for what is printed")
    arguments = parser.parse_args()
    # EMBOUX_CODE as ./setup/test sets it: its world has the code elsewhere
    state, told = State(Path(arguments.state), os.environ.get("EMBOUX_CODE")), []

    def say(text):
        print(text, flush=True)
        told.append(text)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and the server ends too
    key = prepare(state)
    hashing = Hashing.measured(passwords.HASHER.hash, arguments.clients)
    say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; a hash alone: "
        + ", ".join(f"{wall:.1f} ms each with {clients} threads"
                    for clients, wall in hashing.wall.items())
        + f", {hashing.cpu:.1f} ms of CPU\n\n{Line.HEAD}")
    lines, bulks = [], {}
    for workers in arguments.workers:
        bench = Bench(state, workers, key, say)
        bench.start()
        try:
            bench.warm_up()
            for rows in arguments.rows:
                for clients in arguments.clients:
                    bench.run(rows, clients, arguments.times, hashing)
            say("")
            bulks[workers] = bench.bulk(arguments.bulk)
            say("")
        finally:
            bench.stop()
        lines += bench.lines
    say("| aim | measured | |\n|---|--:|---|")
    for words, measured, met in aims(lines, bulks):
        say(f"| {words} | {measured} | {'met' if met else 'MISSED'} |")
    if arguments.output:
        arguments.output.write_text("\n".join(told) + "\n")


if __name__ == "__main__":
    main()
