#!/usr/bin/env python3
"""The outgoing policy daemon under load: decisions a second, latency, CPU, against a running world.

    ./setup/run --detach && .state/venv/bin/python tests/benchmarks/policy.py [--only NAME] ...

Starts daemons of its own on the world's database and asks them with ``policybench.c`` beside
this file (END-OF-MESSAGE: every answer is committed before it leaves), with all rules on: limits
of domain and mailbox, hourly share, spike, loop brake, suppression list.  It leaves its domains
there: use a world that you can ``--reset``.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "setup")]

from parts import policy  # noqa: E402
from parts.state import State  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
LIMITS = """outbound_daily_limit = 10000000, outbound_monthly_limit = 100000000,
            outbound_hourly_fraction = 0.5, outbound_mailbox_daily_limit = 1000000,
            outbound_spike_multiplier = 1000, outbound_warmup_profile = 'none',
            outbound_enforcement = 'enforce',
            outbound_status = 'open', state = 'verified'"""


class Bench:
    def __init__(self, state, folder):
        self.state, self.folder = state, folder
        status = json.loads(state.path("run", "status.json").read_text())
        self.database = status["postgres"]["db"]
        self.connection = psycopg2.connect(
            host="127.0.0.1", port=status["postgres"]["port"], dbname=self.database,
            user="postgres", password=state.secret("postgres"))
        self.connection.autocommit = True
        self.program = folder / "policybench"
        subprocess.run(["cc", "-O2", "-o", self.program,
                        Path(__file__).with_name("policybench.c"), "-lm"], check=True)

    def sql(self, text, *parameters):
        with self.connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def fill(self, domains, mailboxes):
        """``dom<i>.test`` with ``user<j>@dom<j mod domains>.test``, copied from one of each."""
        self._copy("emboux_domain", "emboux.example", "name", "name",
                   "'dom' || n || '.test'", domains)
        self._copy("emboux_mailbox", "alice@emboux.example", "email", "email",
                   f"'user' || n || '@dom' || mod(n, {domains}) || '.test'", mailboxes)
        self.sql(f"UPDATE emboux_domain SET {LIMITS} WHERE name LIKE 'dom%.test'")
        self.sql("""UPDATE emboux_mailbox m SET domain_id = d.id FROM emboux_domain d
                     WHERE m.email LIKE 'user%@dom%.test'
                       AND d.name = split_part(m.email, '@', 2) AND m.domain_id <> d.id""")
        self.sql("TRUNCATE emboux_mail.sent, emboux_mail.pair")
        for table in ("emboux_domain", "emboux_mailbox", "emboux_suppression"):
            self.sql(f"VACUUM ANALYZE {table}")
        self.sql("CHECKPOINT")

    def _copy(self, table, like, key, unique, value, count):
        columns = [name for (name,) in self.sql(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
            " AND column_name <> 'id'", table)]
        chosen = [value if name == unique else f't."{name}"' for name in columns]
        if table == "emboux_mailbox":
            chosen = ["'user' || n" if name == "local_part" else text
                      for name, text in zip(columns, chosen, strict=True)]
        listed = ", ".join(f'"{name}"' for name in columns)
        self.sql(f"""INSERT INTO {table} ({listed}) SELECT {', '.join(chosen)}
                       FROM {table} t, generate_series(0, {count} - 1) AS n
                      WHERE t.{key} = %s AND NOT EXISTS (
                            SELECT FROM {table} o WHERE o.{unique} = {value})""", like)

    def suppress(self, count):
        self.sql("""INSERT INTO emboux_suppression (email, hash, reason)
                    SELECT address, emboux_mail.address_hash(address), 'bounce'
                      FROM generate_series(1, %s) AS n
                     CROSS JOIN LATERAL (
                           SELECT 'suppressed' || n || '@elsewhere.test' AS address) AS one
                        ON CONFLICT DO NOTHING""", count)
        self.sql("VACUUM ANALYZE emboux_suppression")

    @contextlib.contextmanager
    def daemons(self, count=1):
        """Started daemons as (process, port)."""
        running = []
        try:
            for number in range(count):
                port = self.state.port(f"policy_bench{number}")
                running.append((subprocess.Popen(
                    policy.command(self.state, self.database, f"127.0.0.1:{port}", "none"),
                    env=policy.environment(self.state, self.database), start_new_session=True,
                    stdout=subprocess.DEVNULL), port))
            for _process, port in running:
                self._await(port)
            yield running
        finally:
            for process, _port in running:
                process.send_signal(signal.SIGTERM)
                process.wait(20)

    def _await(self, port):
        deadline = time.monotonic() + 20
        argv = [self.program, "127.0.0.1", str(port), "1", "10", "10", "--domains", "10"]
        while subprocess.run(argv, capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise SystemExit("The daemon does not answer.")
            time.sleep(0.1)

    def load(self, port, connections, count, senders=10_000, domains=1000, *options):
        return subprocess.Popen(
            [self.program, "127.0.0.1", str(port), str(connections), str(count), str(senders),
             "--domains", str(domains), "--state", "END-OF-MESSAGE", "--json",
             "--seed", str(time.monotonic_ns() % 10**6), *options],
            stdout=subprocess.PIPE, text=True)

    def run(self, what, running, connections, count, *arguments):
        """One line of the table; several daemons share the connections."""
        before = self._cpu(running)
        loads = [self.load(port, connections // len(running), count // len(running), *arguments)
                 for _process, port in running]
        found = [json.loads(load.communicate()[0]) for load in loads]
        after = self._cpu(running)
        answered = sum(f["decisions"] for f in found) * 1.05  # and the warm-up
        daemon, database = ((b - a) / answered * 1e6 for a, b in zip(before, after, strict=True))
        rate = sum(f["per_s"] for f in found)
        other = {a: n for f in found for a, n in f["actions"].items() if a != "DUNNO"}
        half, late = (max(f[key] for f in found) for key in ("p50_ms", "p99_ms"))
        print(f"{what:<40} {connections:>4} conn {rate:>8,.0f}/s  p50 {half:6.2f}"
              f"  p99 {late:6.2f} ms   CPU {daemon:4.0f} + {database:4.0f} us   {other or ''}",
              flush=True)
        return rate

    def _cpu(self, running):
        """Seconds of the daemons and of PostgreSQL."""
        daemon = sum(_seconds(process.pid) for process, _port in running)
        server = self.state.path("postgres", "data", "postmaster.pid").read_text().split()[0]
        family = [int(server), *_children(int(server))]
        return daemon, sum(_seconds(pid) for pid in family)


def _seconds(pid):
    """CPU of a process, with that of the children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / TICK


def _children(pid):
    return map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def by_connections(bench, times):
    bench.fill(1000, 10_000)
    with bench.daemons() as running:
        bench.run("warming up", running, 50, 20_000)
        for _ in range(times):
            for connections, count in ((1, 5000), (10, 20_000), (50, 50_000), (200, 50_000)):
                bench.run("one daemon", running, connections, count)


def two(bench, times):
    bench.fill(1000, 10_000)
    with bench.daemons(2) as running:
        bench.run("warming up", running, 50, 20_000)
        for _ in range(times):
            for connections, count in ((2, 5000), (10, 20_000), (50, 50_000), (200, 50_000)):
                bench.run("two daemons side by side", running, connections, count)


def rate(bench, times):
    bench.fill(1000, 10_000)
    with bench.daemons() as running:
        bench.run("warming up", running, 50, 20_000)
        for _ in range(times):
            bench.run("2,000 a second, fixed due times", running, 100, 20_000, 10_000, 1000,
                      "--rate", "2000")


def stages(bench, times):
    bench.fill(1000, 10_000)
    with bench.daemons() as running:
        bench.run("warming up", running, 50, 20_000)
        for _ in range(times):
            for stage in ("RCPT", "DATA"):
                bench.run(stage, running, 50, 50_000, 10_000, 1000, "--state", stage)


def one_sender(bench, times):
    bench.fill(1000, 10_000)
    for _ in range(times):
        with bench.daemons() as running:
            rates = [bench.run(f"one sender, decisions {n * 5000:,} on", running, 10, 5000, 1, 1)
                     for n in range(4)]
            print(f"   last 5,000 against first 5,000: {rates[-1] / rates[0]:.2f}")


def many_domains(bench, times):
    for domains in (100, 1000, 10_000, 100_000):
        bench.fill(domains, domains)
        with bench.daemons() as running:
            bench.run(f"{domains:,} domains, settings not loaded", running, 50, 50_000, domains,
                      domains)
            for _ in range(times):
                bench.run(f"{domains:,} domains", running, 50, 50_000, domains, domains)


def suppression(bench, times):
    bench.fill(1000, 10_000)
    for count in (0, 1_000_000):
        if count:
            bench.suppress(count)
        with bench.daemons() as running:
            bench.run("warming up", running, 50, 20_000)
            for _ in range(times):
                bench.run(f"{count:,} more suppressed, END", running, 50, 50_000)
                bench.run(f"{count:,} more suppressed, RCPT", running, 50, 50_000, 10_000, 1000,
                          "--state", "RCPT")


PARTS = {f.__name__: f for f in (
    by_connections, two, rate, stages, one_sender, suppression, many_domains)}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that its daemons end too
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, action="append")
    arguments = parser.parse_args()
    state = State(arguments.state)
    bench = Bench(state, state.folder("run"))
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores, PostgreSQL "
          f"{bench.sql('SHOW server_version')[0][0]}, Python {sys.version.split()[0]}")
    for name in arguments.only or PARTS:
        PARTS[name](bench, arguments.times)


if __name__ == "__main__":
    main()
