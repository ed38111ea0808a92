# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the daemon has done, in Prometheus' text format, and whether it is ready."""

import asyncio
import logging
from bisect import bisect_left

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

_logger = logging.getLogger(__name__)

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)  # seconds
_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Plain numbers, turned into Prometheus' families when somebody asks: a decision takes
    microseconds, and a counter of the library's some of them."""

    def __init__(self):
        self._decisions, self._buckets, self._seconds = {}, {}, {}
        self._passed_over = self._repeated = 0
        self._unavailable = {True: 0, False: 0}
        self._away = self._malformed = 0
        self.sessions, self.engine = (), None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def decided(self, stage, verdict, seconds):
        key = (stage, verdict.action, verdict.rule)
        self._decisions[key] = self._decisions.get(key, 0) + 1
        buckets = self._buckets.get(stage)
        if buckets is None:
            buckets = self._buckets[stage] = [0] * (len(BUCKETS) + 1)
            self._seconds[stage] = 0.0
        buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[stage] += seconds

    def passed_over(self):
        self._passed_over += 1

    def repeated(self):
        self._repeated += 1

    def malformed(self):
        self._malformed += 1

    def unavailable(self, passed):
        self._unavailable[passed] += 1

    def database_changed(self, up):
        self._away += not up

    def collect(self):
        """The interface of a collector of ``prometheus_client``."""
        decisions = CounterMetricFamily(
            "emboux_policy_decisions", "Decisions by stage, action and the rule that decided.",
            labels=["stage", "action", "rule"])
        for key, count in list(self._decisions.items()):
            decisions.add_metric(list(key), count)
        yield decisions
        latency = HistogramMetricFamily(
            "emboux_policy_seconds", "From a request to its answer.", labels=["stage"])
        for stage, buckets in self._buckets.items():
            total, counted = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
                total += count
                counted.append((bound, total))
            latency.add_metric([stage], counted, self._seconds[stage])
        yield latency
        for name, text, value in (
            ("not_ours", "Requests without a login, or in a stage that is not asked about.",
             self._passed_over),
            ("repeated", "Requests that Postfix asked a second time.", self._repeated),
            ("malformed", "Connections closed for what they sent.", self._malformed),
            ("database_losses", "How often a connection to PostgreSQL was lost.", self._away),
        ):
            yield CounterMetricFamily(f"emboux_policy_{name}", text, value=value)
        away = CounterMetricFamily(
            "emboux_policy_unavailable", "Answers without a decision, PostgreSQL being away.",
            labels=["answer"])
        away.add_metric(["passed"], self._unavailable[True])
        away.add_metric(["deferred"], self._unavailable[False])
        yield away
        for name, text, value in (
            ("connections", "Open connections of Postfix.", len(self.sessions)),
            ("database_up", "Whether PostgreSQL answers.", int(self._ready())),
            ("settings_cached", "Logins whose settings are kept.",
             len(self.engine.settings) if self.engine else 0),
        ):
            yield GaugeMetricFamily(f"emboux_policy_{name}", text, value=value)

    def _ready(self):
        return bool(self.engine and self.engine.ready)

    # -- over HTTP -------------------------------------------------------------------------

    async def serve(self, reader, writer):
        """One request of a plain HTTP/1.1 client; the connection is closed after it."""
        try:
            async with asyncio.timeout(5):
                head = await reader.readuntil(b"\r\n\r\n")
            status, kind, body = self._page(head.split(b" ", 2))
            writer.write(b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
                         b"Connection: close\r\n\r\n%b" % (status, kind, len(body), body))
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                OSError) as error:
            _logger.debug("no HTTP request: %s", error)  # a port scan, or somebody who left
        finally:
            writer.close()

    def _page(self, words):
        path = words[1].partition(b"?")[0] if len(words) > 1 else b""
        if words[0] not in (b"GET", b"HEAD"):
            return b"405 Method Not Allowed", _TYPE, b""
        if path == b"/metrics":
            return b"200 OK", _TYPE, generate_latest(self._registry)
        if path == b"/healthz":
            return b"200 OK", _TYPE, b"alive\n"
        if path == b"/ready":
            ready = self._ready()
            return (b"200 OK", _TYPE, b"ready\n") if ready else (
                b"503 Service Unavailable", _TYPE, b"PostgreSQL is away\n")
        return b"404 Not Found", _TYPE, b""
