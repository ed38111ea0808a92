#!/usr/bin/env python3
"""What Odoo costs over a mox's own admin API: accounts made by both, in turn.

    ./setup/run --no-mail --detach
    EMBOUX_MOX=/path/to/mox .state/venv/bin/python tests/benchmarks/mox.py [--accounts 1000]
        [--rounds 3] [--only imported|saved]

Each round starts a mox of its own, without limits, twice, and makes so many accounts with a quota:
once by the calls that its admin pages make, one after the other, once by Odoo.  *Imported*: the
rows of a file (``load``), until the scheduled action has told mox of the last.  *Saved*: mailboxes
with a password, saved in the form one after the other (``web_save``).  A relay between the two adds
up the time in which mox had calls to answer.  mox writes its whole configuration at each change, so
a call takes the longer the more accounts there are.

Prints the medians of the rounds and what Odoo adds.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "tests" / "mox")]

from asking import Asking  # noqa: E402
from real import RealMox  # noqa: E402
from support.mox_relay import MoxRelay  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

PASSWORD, QUOTA_MB = "a password for tests", 500


def by_hand(mox, count, password):
    ask = Asking(mox.url).log_in(mox.password)
    ask("DomainAdd", False, "bench.example", "mox", "")
    started = time.perf_counter()
    for number in range(count):
        account = f"box{number}_bench.example"
        ask("AccountAdd", account, f"box{number}@bench.example")
        if password:
            ask("SetPassword", account, PASSWORD)
        ask("AccountSettingsSave", account, 0, 0, QUOTA_MB * 2**20, True, True)
    return time.perf_counter() - started


def saved(odoo, domain, count):
    """Saved in the form, one after the other."""
    for number in range(count):
        [row] = odoo("emboux.mailbox").web_save(
            [], {"domain_id": domain, "local_part": f"box{number}", "password": PASSWORD,
                 "quota_mb": QUOTA_MB}, {"sync_state": {}, "sync_message": {}})
        assert row["sync_state"] == "done", row


def imported(odoo, domain, count):
    """Imported from a file, until the scheduled action has told mox of the last."""
    rows = [[str(domain), f"box{number}", str(QUOTA_MB)] for number in range(count)]
    answer = odoo("emboux.mailbox").load(
        ["domain_id/.id", "local_part", "quota_mb"], rows, context={"import_file": True})
    assert answer["ids"], answer["messages"][:3]
    while odoo("emboux.mailbox").search_count(
            [("domain_id", "=", domain), ("sync_state", "!=", "done")]):
        time.sleep(0.5)


def by_odoo(mox, count, odoo, make):
    """Seconds in all, seconds of mox in them, calls."""
    with MoxRelay(mox) as relay:
        return by_relay(relay, count, odoo, make)


def by_relay(relay, count, odoo, make):
    backend = odoo("emboux.backend").create(
        {"name": "Benchmark", "kind": "mox", "url": relay.url, "secret": relay.password})
    domain = odoo("emboux.domain").create({"name": "bench.example", "backend_id": backend})
    [row] = odoo("emboux.domain").read([domain], ["sync_state", "sync_message"])
    assert row["sync_state"] == "done", row
    relay.begin()
    started = time.perf_counter()
    make(odoo, domain, count)
    taken = time.perf_counter() - started
    mine, calls = relay.seconds, len(relay.calls)
    boxes = odoo("emboux.mailbox").search([("domain_id", "=", domain)])
    for start in range(0, len(boxes), 500):
        odoo("emboux.mailbox").write(boxes[start:start + 500], {"active": False})
    # the mox is gone with this round, and so is what it would be told
    odoo("emboux.backend").write([backend], {"active": False})
    odoo("emboux.domain").write([domain], {"active": False})
    return taken, mine, calls


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("imported", "saved"))
    arguments = parser.parse_args()
    status = json.loads((Path(arguments.state) / "run" / "status.json").read_text())
    odoo = Odoo(**status["odoo"])
    odoo("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
    for make, password in ((imported, False), (saved, True)):
        if arguments.only in (None, make.__name__):
            measure(odoo, make, password, arguments.accounts, arguments.rounds)


def measure(odoo, make, password, accounts, rounds):
    hand, whole, own = [], [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            with RealMox(os.environ["EMBOUX_MOX"], Path(folder) / "hand") as mox:
                hand.append(by_hand(mox, accounts, password))
            with RealMox(os.environ["EMBOUX_MOX"], Path(folder) / "odoo") as mox:
                taken, mine, calls = by_odoo(mox, accounts, odoo, make)
        whole.append(taken)
        own.append(mine)
        print(f"{make.__name__}, round {number + 1}: by hand {hand[-1]:.1f} s; by Odoo {taken:.1f} "
              f"s, of which mox {mine:.1f} s in {calls} calls: Odoo adds "
              f"{100 * (taken / mine - 1):.0f} % to mox's own time, "
              f"{100 * (taken / hand[-1] - 1):.0f} % to the calls by hand", flush=True)
    median = statistics.median
    print(f"{make.__name__}, medians of {accounts} accounts: by hand {median(hand):.1f} s, by Odoo "
          f"{median(whole):.1f} s, of which mox {median(own):.1f} s")


if __name__ == "__main__":
    main()
