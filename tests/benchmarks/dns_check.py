#!/usr/bin/env python3
"""1,000 domains through the cron that checks their DNS, at name servers 50 ms away.

    ./setup/run --detach && .state/venv/bin/python tests/benchmarks/dns_check.py

Prints how long one after another would take (looked up and stored, measured on a sample), how
long the cron takes: at first, when every verdict is new and somebody is told of each domain, and
again, as every day; its peak of memory; and when the domains are done while one name server keeps
silent.  The aim: the daily check takes at most 5 % of one after another, and nobody waits for the
silent one.  It makes domains of its own and deletes them again; the world's own DNS cron rests
meanwhile.  Needs a machine that does nothing else.
"""

import argparse
import json
import multiprocessing
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "setup"), str(PROJECT / "tests")]

from parts import odoo_server  # noqa: E402
from parts.state import State  # noqa: E402
from support.plain_core.tests.dns_server import DnsServer  # noqa: E402

SCRIPT = Path(__file__).with_name("dns_check_shell.py")
SILENT = "127.0.0.3"  # nobody is there


class FarServer(DnsServer):
    """Answers a question again with the same octets: its own work takes next to nothing."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._replies = {}

    def reply(self, wire, transport):
        key = wire[2:], transport
        if key not in self._replies:
            self._replies[key] = super().reply(wire, transport)
        known = self._replies[key]
        return known and wire[:2] + known[2:]


def serve(zones, port, ready):
    server = FarServer(zones, port=port, delay_s=0.05).start()
    ready.put(server.port)
    multiprocessing.Event().wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=20, help="domains one after another")
    arguments = parser.parse_args()
    state = State(Path(arguments.state))
    status = json.loads((state.root / "run" / "status.json").read_text())
    folder = state.folder("bench")
    wish = {"domains": arguments.domains, "sample": arguments.sample, "silent": SILENT,
            "zones": str(folder / "zones.json"), "port": str(folder / "port")}

    def shell(step):
        return json.loads(odoo_server.shell(
            state, SCRIPT, status["odoo"]["db"], EMBOUX_BENCH=json.dumps(wish), EMBOUX_STEP=step
        ).strip().splitlines()[-1])

    server = None
    try:
        shell("make")
        zones = json.loads(Path(wish["zones"]).read_text())
        ready = multiprocessing.Queue()
        server = multiprocessing.Process(target=serve, args=(zones, 0, ready), daemon=True)
        server.start()
        Path(wish["port"]).write_text(str(ready.get(timeout=60)))
        seen = shell("run")
    finally:
        if server:
            server.terminate()
        shell("clean")
    one_by_one = seen["sample_s"] / arguments.sample * arguments.domains
    share = seen["again_s"] / one_by_one
    print(f"{arguments.domains} domains, {seen['records']} records, 50 ms to each answer, "
          f"{os.cpu_count()} cores")
    print(f"one after another  {one_by_one:8.1f} s  ({arguments.sample} of them, stored, took "
          f"{seen['sample_s']:.1f} s)")
    print(f"the cron at first  {seen['cron_s']:8.1f} s  {100 * seen['cron_s'] / one_by_one:.1f} %, "
          f"CPU {seen['cpu_s']:.1f} s, all right: {seen['right']} of {arguments.domains}")
    print(f"the cron daily     {seen['again_s']:8.1f} s  {100 * share:.1f} % (aim: 5 %), CPU "
          f"{seen['again_cpu_s']:.1f} s")
    print(f"memory             {seen['before_mb']:8.0f} MB before, {seen['peak_mb']:.0f} MB "
          "at most")
    for name, times in seen["done"].items():
        print(f"done, {name:<22} p50 {times['p50']:5.2f} s  p99 {times['p99']:5.2f} s"
              f"  last {times['last']:5.2f} s")
    sys.exit(share > 0.05 or seen["right"] != arguments.domains)


if __name__ == "__main__":
    main()
