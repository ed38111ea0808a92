#!/usr/bin/env python3
"""Times of the main calls, at 100 and at 10,000 mailboxes, against a running world.

    ./setup/run --detach && .state/venv/bin/python tests/benchmarks/mailboxes.py

Prints milliseconds (median and 95th percentile) over Odoo's external API, HTTP included, and
what share of a create is the hashing of its password.  It makes a domain of its own and
leaves its mailboxes there: use a world that you can ``--reset``.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "emboux_core"), str(PROJECT / "tests")]

import passwords  # noqa: E402 - plain Python, needs no Odoo
from support.odoo_client import Odoo  # noqa: E402

PAGE = {
    "display_name": {}, "name": {}, "catch_all": {}, "usage_percent": {}, "usage_mb": {},
    "quota_mb": {}, "state": {},
}


def timed(call, times):
    """Milliseconds of each call."""
    taken = []
    for number in range(times):
        started = time.perf_counter()
        call(number)
        taken.append(1000 * (time.perf_counter() - started))
    return taken


def report(what, rows, taken):
    ordered = sorted(taken)
    late = ordered[int(0.95 * (len(ordered) - 1))]
    print(f"{what:<34} {rows:>7} rows  p50 {statistics.median(taken):8.1f} ms"
          f"  p95 {late:8.1f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--times", type=int, default=60)
    arguments = parser.parse_args()
    status = json.loads((Path(arguments.state) / "run" / "status.json").read_text())
    odoo = Odoo(**status["odoo"])
    backend = odoo("emboux.backend").search([("kind", "=", "local")])[0]
    stamp = int(time.time())
    domain = odoo("emboux.domain").create(
        {"name": f"bench{stamp}.example", "backend_id": backend, "state": "verified"}
    )
    hashing = timed(lambda n: passwords.hash_all([f"password number {n}"]), arguments.times)
    report("hash a password (argon2id)", 1, hashing)
    made = 0
    for rows in (100, 10_000):
        started = time.perf_counter()
        while made < rows:
            count = min(500, rows - made)
            odoo("emboux.mailbox").create(
                [{"domain_id": domain, "local_part": f"fill{made + n}"} for n in range(count)]
            )
            made += count
        print(f"filled up to {rows} in {time.perf_counter() - started:.1f} s (no passwords)")

        def create(number, rows=rows):
            odoo("emboux.mailbox").create(
                {"domain_id": domain, "local_part": f"new{rows}.{number}",
                 "password": f"password number {number}"}
            )

        report("create a mailbox, with password", rows, timed(create, arguments.times))
        report("create an alias", rows, timed(lambda n, rows=rows: odoo("emboux.alias").create(
            {"domain_id": domain, "local_part": f"alias{rows}.{n}",
             "destinations": "somebody@elsewhere.example.net"}), arguments.times))
        report("page of 50", rows, timed(lambda n: odoo("emboux.mailbox").web_search_read(
            [("domain_id", "=", domain)], PAGE, limit=50, count_limit=10001), arguments.times))
        report("find one by address", rows, timed(lambda n: odoo("emboux.mailbox").search_read(
            [("email", "=", f"fill7@bench{stamp}.example")], ["email", "state"]), arguments.times))
        made += arguments.times


if __name__ == "__main__":
    main()
