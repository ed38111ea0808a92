#!/usr/bin/env python3
"""What Odoo costs over a mox's own admin API: accounts made by both, in turn.

    ./setup/run --no-mail --detach
    EMBOUX_MOX=/path/to/mox .state/venv/bin/python tests/benchmarks/mox.py [--accounts 1000]

Each round starts a mox of its own, without limits, and makes so many accounts with password and
quota: in one by the calls that its admin pages make, one after the other (AccountAdd, SetPassword,
AccountSettingsSave), in the other by saving mailboxes in Odoo (``web_save``, one after the other),
of which the time that mox took itself is measured too, by a proxy between the two.  mox writes its
whole configuration at each change, so a call takes the longer the more accounts there are.

Prints the medians of the rounds and what Odoo adds.
"""

import argparse
import http.client
import http.server
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "tests" / "mox")]

from asking import Asking  # noqa: E402
from real import RealMox  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

PASSWORD, QUOTA_MB = "a password for tests", 500


class Proxy(http.server.BaseHTTPRequestHandler):
    """Hands on each call and adds up what mox takes for it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:  # Odoo's threads have a connection each
            started = time.perf_counter()
            server.connection.request("POST", self.path, body, dict(self.headers))
            answer = server.connection.getresponse()
            text = answer.read()
            server.seconds += time.perf_counter() - started
            server.calls += 1
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_arguments):
        """Nothing: thousands of calls."""


def proxy_of(url):
    parts = urlsplit(url)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.lock = threading.Lock()
    server.connection = http.client.HTTPConnection(parts.hostname, parts.port)
    server.seconds, server.calls = 0.0, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def by_hand(mox, count):
    ask = Asking(mox.url).log_in(mox.password)
    ask("DomainAdd", False, "bench.example", "mox", "")
    started = time.perf_counter()
    for number in range(count):
        account = f"box{number}_bench.example"
        ask("AccountAdd", account, f"box{number}@bench.example")
        ask("SetPassword", account, PASSWORD)
        ask("AccountSettingsSave", account, 0, 0, QUOTA_MB * 2**20, True, True)
    return time.perf_counter() - started


def by_odoo(mox, count, odoo):
    """Seconds in all, seconds of mox in them, calls."""
    proxy = proxy_of(mox.url)
    port = proxy.server_address[1]
    backend = odoo("emboux.backend").create(
        {"name": "Benchmark", "kind": "mox", "url": f"http://127.0.0.1:{port}/admin/",
         "secret": mox.password})
    domain = odoo("emboux.domain").create({"name": "bench.example", "backend_id": backend})
    [row] = odoo("emboux.domain").read([domain], ["sync_state", "sync_message"])
    assert row["sync_state"] == "done", row
    proxy.seconds, proxy.calls = 0.0, 0
    started = time.perf_counter()
    for number in range(count):
        [saved] = odoo("emboux.mailbox").web_save(
            [], {"domain_id": domain, "local_part": f"box{number}", "password": PASSWORD,
                 "quota_mb": QUOTA_MB}, {"sync_state": {}, "sync_message": {}})
        assert saved["sync_state"] == "done", saved
    taken = time.perf_counter() - started
    mine, calls = proxy.seconds, proxy.calls
    boxes = odoo("emboux.mailbox").search([("domain_id", "=", domain)])
    for start in range(0, len(boxes), 500):
        odoo("emboux.mailbox").write(boxes[start:start + 500], {"active": False})
    proxy.shutdown()
    # the mox is gone with this round, and so is what it would be told
    odoo("emboux.backend").write([backend], {"active": False})
    odoo("emboux.domain").write([domain], {"active": False})
    return taken, mine, calls


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    status = json.loads((Path(arguments.state) / "run" / "status.json").read_text())
    odoo = Odoo(**status["odoo"])
    odoo("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
    hand, whole, mox_in_it = [], [], []
    for number in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            with RealMox(os.environ["EMBOUX_MOX"], Path(folder) / "hand") as mox:
                hand.append(by_hand(mox, arguments.accounts))
            with RealMox(os.environ["EMBOUX_MOX"], Path(folder) / "odoo") as mox:
                taken, mine, calls = by_odoo(mox, arguments.accounts, odoo)
        whole.append(taken)
        mox_in_it.append(mine)
        print(f"round {number + 1}: by hand {hand[-1]:.1f} s; by Odoo {taken:.1f} s, of which mox "
              f"{mine:.1f} s in {calls} calls: Odoo adds {100 * (taken / mine - 1):.0f} % to mox's "
              f"own time, {100 * (taken / hand[-1] - 1):.0f} % to the calls by hand", flush=True)
    print(f"medians of {arguments.accounts} accounts: by hand {statistics.median(hand):.1f} s, by "
          f"Odoo {statistics.median(whole):.1f} s (mox in it {statistics.median(mox_in_it):.1f} s)")


if __name__ == "__main__":
    main()
