# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Knot, a real authoritative server that takes signed updates, for a class of tests.

It runs as the current user in a folder of its own on a free port of loopback.
"""

import contextlib
import os
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import dns.zone

from odoo.addons.emboux_core.dns.publish import Primary, apply, plan
from odoo.addons.emboux_core.tests.dns_server import PlainTest

SECRETS = {
    "emboux": ("hmac-sha256", "ZW1ib3V4IG1heSBjaGFuZ2UgdGhlIHpvbmVzIGhlcmU="),
    "emboux512": ("hmac-sha512", "YW5vdGhlciBrZXkgdGhhdCBtYXkgZG8gdGhlIHNhbWU="),
    "reader": ("hmac-sha256", "dGhpcyBvbmUgbWF5IGFzayBhbmQgbm90aGluZyBlbHNl"),
}
ZONES = 60  # every test has one of its own
IDN_ZONE = "xn--bcher-kva.test"
_START_S = 10
_CONFIG = """
server:
    listen: 127.0.0.1@{port}
    rundir: "{folder}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    server: info
database:
    storage: "{folder}"
    journal-db-max-size: 50M
    journal-db-mode: asynchronous
key:
{keys}
acl:
  - id: change
    key: [emboux, emboux512]
    action: [update, transfer]
  - id: ask
    key: reader
    action: query
template:
  - id: default
    storage: "{folder}"
    file: "%s.zone"
    acl: [change, ask]
    zonefile-sync: -1
zone:
{zones}
"""


class KnotServer:
    """``zones``: names of zones with SOA and NS."""

    def __init__(self, zones):
        self.zones = tuple(zones)
        self.port = 0
        self._process = None
        self.folder = ""

    def start(self) -> "KnotServer":
        program = shutil.which("knotd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if not program:
            raise unittest.SkipTest("knotd is not installed")
        self.folder = tempfile.mkdtemp(prefix="knot")
        for zone in self.zones:
            with open(f"{self.folder}/{zone}.zone", "w") as file:
                file.write(f"{zone}. 300 SOA ns.{zone}. hostmaster.{zone}. 1 60 60 600 60\n"
                           f"{zone}. 300 NS ns.{zone}.\nns.{zone}. 300 A 127.0.0.1\n")  # fmt: skip
        for _attempt in range(5):  # somebody may take the port before Knot does
            if self._started(program):
                return self
            self._end()
        raise RuntimeError("Knot does not start.")

    def _started(self, program) -> bool:
        self.port = _free_port()
        keys = "".join(
            f"  - id: {name}\n    algorithm: {algorithm}\n    secret: {secret}\n"
            for name, (algorithm, secret) in SECRETS.items()
        )
        zones = "".join(f"  - domain: {zone}\n" for zone in self.zones)
        with open(f"{self.folder}/knot.conf", "w") as file:
            file.write(
                _CONFIG.format(port=self.port, folder=self.folder, keys=keys, zones=zones)
            )
        self._process = subprocess.Popen(  # noqa: S603 - program and options are ours
            [program, "-c", f"{self.folder}/knot.conf"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
        )  # fmt: skip
        said, end = b"", time.monotonic() + _START_S
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            while waiting.select(max(end - time.monotonic(), 0)):
                part = os.read(self._process.stdout.fileno(), 65536)
                said += part
                if b"server started" in said:  # which it is when the zones are loaded
                    return True
                if not part:
                    break
        return False

    def _end(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.communicate(timeout=_START_S)

    def stop(self) -> None:
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def primary(self, key="emboux", **options) -> Primary:
        algorithm, secret = SECRETS[key]
        return Primary(
            **{
                "host": "127.0.0.1", "port": self.port, "key_name": key, "key_secret": secret,
                "key_algorithm": algorithm, "allow_private": True, "timeout_s": 10, **options,
            }
        )  # fmt: skip

    def change(self, zone, add="", delete="") -> None:
        """Change a zone as another holder of a key; both as text of a zone file."""
        message = dns.update.UpdateMessage(zone, keyring=_key(), keyalgorithm="hmac-sha256")
        for text, method in ((delete, message.delete), (add, message.add)):
            origin = dns.name.from_text(zone)
            part = dns.zone.from_text(f"$TTL 300\n{text}", origin, relativize=False,
                                      check_origin=False)  # fmt: skip
            for name, rdataset in part.iterate_rdatasets():
                method(name, rdataset)
        answer = dns.query.tcp(message, "127.0.0.1", port=self.port, timeout=5)
        if answer.rcode() != dns.rcode.NOERROR:
            raise AssertionError(dns.rcode.to_text(answer.rcode()))

    def content(self, zone) -> set[str]:
        """Return the records as "name type value", without those of every zone; by transfer."""
        origin = dns.name.from_text(zone)
        query = dns.query.xfr("127.0.0.1", origin, port=self.port, keyring=_key(),
                              keyalgorithm="hmac-sha256", relativize=False, timeout=5)  # fmt: skip
        whole = dns.zone.from_xfr(query, relativize=False)
        return {
            f"{name.relativize(origin)} {rdataset.rdtype.name} {data.to_text()}"
            for name, rdataset in whole.iterate_rdatasets() for data in rdataset
            if rdataset.rdtype.name not in ("SOA", "NS", "A")
        }  # fmt: skip

    def ttl(self, name, rdtype) -> int:
        query = dns.message.make_query(name, rdtype)
        return dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=5).answer[0].ttl


class KnotCase(PlainTest):
    """``zone`` is an own zone of each test, on a server of the class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = iter([f"shop{number}.test" for number in range(ZONES)])
        names = [f"shop{number}.test" for number in range(ZONES)]
        cls.knot = KnotServer([*names, IDN_ZONE, f"sub.{names[0]}"])
        with contextlib.ExitStack() as stack:
            stack.callback(cls.knot.stop)
            cls.knot.start()
            cls.addClassCleanup(stack.pop_all().close)

    def setUp(self):
        super().setUp()
        self.zone = next(self.names)
        self.primary = self.knot.primary()

    def plan(self, records, published=(), **options):
        return plan(self.zone, records, self.knot.primary(**options), published)

    def publish(self, records, published=(), confirm_merge=False):
        return apply(self.plan(records, published), self.primary, confirm_merge)

    def actions(self, plan):
        return {step.key: step.action for step in plan.steps}

    def states(self, result):
        return {outcome.key: outcome.state for outcome in result.outcomes}


def _key():
    algorithm, secret = SECRETS["emboux"]
    return {dns.name.from_text("emboux"): dns.tsig.Key("emboux", secret, algorithm)}


def _free_port() -> int:
    for _attempt in range(20):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
    raise RuntimeError("There is no free port.")
