#!/usr/bin/env python3
"""Speed of the REST API, against a running world.

    ./setup/run --detach && .state/venv/bin/python tests/benchmarks/api.py

For one process with threads and for two workers, with 1 and with 8 clients, at 100 and at
10,000 mailboxes: creates with a password (argon2id), reads and pages of 50 in a second, median
time, and what the server's processes spend of CPU on each; then 1,000 mailboxes in one call.
It starts servers of its own on the world's database and leaves its mailboxes there: use a
world that you can ``--reset``, on a machine that does nothing else.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "emboux_core"), str(PROJECT / "setup")]

import passwords  # noqa: E402 - plain Python, needs no Odoo
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


def load(what, call, times, clients, pids):
    """Run ``call(number)`` by so many clients; print what it takes."""
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

    spent, started = cpu_seconds(pids), time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    spent = 1000 * (cpu_seconds(pids) - spent) / times
    if faults:
        raise SystemExit(f"{what}: {len(faults)} of {times} failed, such as {faults[0]}")
    print(f"  {what:<22} {clients} clients  {times / seconds:7.1f}/s"
          f"  p50 {statistics.median(taken):7.1f} ms  CPU {spent:5.1f} ms each", flush=True)


class Bench:
    def __init__(self, state, workers):
        self.state, self.workers = state, workers
        self.port = state.port(f"bench{workers}")
        self._supervisor = Supervisor(state, echo=False, pids=f"pids-bench{workers}.json")

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
        time.sleep(3)  # until the workers are there too

    def stop(self):
        self._supervisor.stop()

    def run(self, key, times):
        call = Client(f"http://127.0.0.1:{self.port}/emboux/v1", key)
        name = f"bench{self.workers}-{time.time_ns()}.example"
        call("POST", "/domains/", {"name": name})
        for _ in range(20):
            call("GET", "/domains/")  # caches of each worker
        pids = server_pids(self.port)
        made = 0
        for rows in (100, 10_000):
            while made < rows:
                count = min(1000, rows - made)
                call("POST", "/users/bulk",
                     {"users": [{"email": f"fill{made + n}@{name}"} for n in range(count)]})
                made += count
            print(f" at {rows} mailboxes", flush=True)
            for clients in (1, 8):
                load("create with password", lambda n, rows=rows, clients=clients: call(
                    "POST", "/users/", {"email": f"new{rows}.{clients}.{n}@{name}",
                                        "password": f"password number {n}"}), times, clients, pids)
                load("create without", lambda n, rows=rows, clients=clients: call(
                    "POST", "/users/", {"email": f"bare{rows}.{clients}.{n}@{name}"}),
                    times, clients, pids)
                load("read one", lambda n: call("GET", f"/users/fill{n % 100}@{name}"),
                     times, clients, pids)
                load("page of 50", lambda _n: call("GET", f"/users/?limit=50&domain={name}"),
                     times, clients, pids)
                made += 2 * times
        started = time.perf_counter()
        answer = call("POST", "/users/bulk", {"users": [
            {"email": f"bulk{n}@{name}", "password": f"password number {n}"} for n in range(1000)]})
        seconds = time.perf_counter() - started
        print(f"  bulk: {answer['created']} mailboxes with passwords in {seconds:.1f} s,"
              f" {60 * answer['created'] / seconds:.0f} a minute", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--times", type=int, default=160)
    parser.add_argument("--workers", type=int, nargs="*", default=(0, 2))
    arguments = parser.parse_args()
    state = State(Path(arguments.state))
    status = report.read(state)
    printed = odoo_server.run(
        state, "emboux_key", "--role", "master", "--name", "Benchmark", "--days", "1",
        env=odoo_server.environment(state)
        | {"ODOO_RC": str(odoo_server.config(state, status["odoo"]["db"]))},
    )
    key = printed.strip().splitlines()[-1]
    subprocess.run(
        [str(odoo_server.command(state)), "shell", "-c",
         str(odoo_server.config(state, status["odoo"]["db"])), "--no-http", "--log-level=error"],
        input="env['ir.config_parameter'].set_param('emboux_mail_api.requests_per_second', '1e6')\n"
              "env.cr.commit()\n",
        text=True, check=True, capture_output=True)
    one = [0.0] * 40
    for number in range(40):
        started = time.perf_counter()
        passwords.hash_all([f"password number {number}"])
        one[number] = 1000 * (time.perf_counter() - started)
    print(f"hashing one password: {statistics.median(one):.1f} ms")
    for workers in arguments.workers:
        bench = Bench(state, workers)
        print("two workers" if workers else "one process", flush=True)
        bench.start()
        try:
            bench.run(key, arguments.times)
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
