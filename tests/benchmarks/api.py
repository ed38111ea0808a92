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
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "emboux_core"), str(PROJECT / "setup")]

import passwords  # noqa: E402 - plain Python, needs no Odoo
from parts import odoo_server, report  # noqa: E402
from parts.state import State  # noqa: E402
from parts.supervisor import Service, Supervisor, listening  # noqa: E402

CREATE, BARE, READ, PAGE = "create with password", "create without", "read one", "page of 50"
ROWS = (0, 100, 10_000)
CLIENTS = (1, 8)
#: Aims: creates a second with 8 clients by number of workers (0 is one process with threads), CPU
#: of a page in ms, growth of the median from no row to the most, mailboxes a minute in bulk.
LEAST_CREATES = {0: 40, 2: 60}
MOST_PAGE_CPU = 15
MOST_GROWTH = 1.2
LEAST_BULK = 3000


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


@dataclass(frozen=True)
class Hashing:
    """What a password's hash takes without anything else: ms of time by clients, ms of CPU."""

    wall: dict[int, float]
    cpu: float

    @classmethod
    def measured(cls, clients, times=60):
        wall, cpu = {}, 0.0
        for threads in clients:
            started, spent = time.perf_counter(), time.process_time()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(passwords.HASHER.hash, [f"password {n}" for n in range(times)]))
            wall[threads] = 1000 * (time.perf_counter() - started) / times
            if threads == min(clients):
                cpu = 1000 * (time.process_time() - spent) / times
        return cls(wall, cpu)


def _servers(workers):
    return f"{workers} workers" if workers else "1 process"


@dataclass(frozen=True)
class Line:
    """One measurement; times in ms, ``cpu`` of all server processes for each request."""

    workers: int
    rows: int
    what: str
    clients: int
    rate: float
    p50: float
    p99: float
    cpu: float
    hash_wall: float = 0.0
    hash_cpu: float = 0.0

    HEAD = ("| servers | mailboxes | what | clients | a second | p50 ms | p99 ms | CPU ms "
            "| hashing of time | of CPU |\n|---|--:|---|--:|--:|--:|--:|--:|--:|--:|")

    def __str__(self):
        shares = (f"{100 * share:.0f} %" if share else "" for share in
                  (self.hash_wall, self.hash_cpu))
        return (f"| {_servers(self.workers)} | {self.rows} | {self.what} | {self.clients}"
                f" | {self.rate:.1f} | {self.p50:.1f} | {self.p99:.1f} | {self.cpu:.1f}"
                f" | {' | '.join(shares)} |")


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
        self.say(f"bulk, {_servers(self.workers)}: {answer['created']} mailboxes with passwords in"
                 f" {seconds:.1f} s, {rate:.0f} a minute; hashing {100 * alone / seconds:.0f} %")
        return rate


def aims(lines, bulks):
    """Each aim as (words, measured, whether it is met)."""
    for workers, least in LEAST_CREATES.items():
        for line in lines:
            if (line.workers, line.what, line.clients) == (workers, CREATE, 8):
                yield (f"{_servers(workers)}, 8 clients, {line.rows} mailboxes: at least {least}"
                       " creates a second", f"{line.rate:.1f}", line.rate >= least)
    for line in lines:
        if line.what == PAGE and line.clients == 1:
            yield (f"{_servers(line.workers)}, {line.rows} mailboxes: a page in at most"
                   f" {MOST_PAGE_CPU} ms of CPU", f"{line.cpu:.1f}", line.cpu <= MOST_PAGE_CPU)
    by_place = {(line.workers, line.what, line.clients, line.rows): line.p50 for line in lines}
    rows = sorted({line.rows for line in lines})
    for (workers, what, clients, at), p50 in by_place.items():
        if at == rows[-1] and at != rows[0]:
            growth = p50 / by_place[workers, what, clients, rows[0]]
            yield (f"{_servers(workers)}, {clients} clients, {what}: p50({at}) / p50({rows[0]})"
                   f" at most {MOST_GROWTH}", f"{growth:.2f}", growth <= MOST_GROWTH)
    for workers, rate in bulks.items():
        yield (f"{_servers(workers)}: at least {LEAST_BULK} mailboxes a minute in bulk",
               f"{rate:.0f}", rate >= LEAST_BULK)


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
    hashing = Hashing.measured(arguments.clients)
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
