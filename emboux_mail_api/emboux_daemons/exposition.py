# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Numbers, and Prometheus' text format for them (version 0.0.4).

Not ``prometheus_client``, which brings an HTTP server, TLS and 5 to 14 MB into each daemon for what
is a screenful; the tests read the result with its parser, and with ``promtool``.

Each number is written by one thread and read by another, so there are no locks.
"""

from bisect import bisect_left
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_IN_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Family(NamedTuple):
    """``kind``: counter, gauge or histogram; ``samples``: [(suffix, {label: value}, number)]."""

    name: str
    kind: str
    text: str
    samples: list


def gauge(name, text, value, **labels):
    """A ``Family`` of one number."""
    return Family(name, "gauge", text, [("", labels, value)])


def render(families):
    """The families as the body of an answer, in bytes."""
    lines = []
    for family in families:
        lines.append(f"# HELP {family.name} {family.text.translate(_IN_HELP)}\n")
        lines.append(f"# TYPE {family.name} {family.kind}\n")
        for suffix, labels, value in family.samples:
            inner = ",".join(f'{key}="{str(text).translate(_IN_LABEL)}"'
                             for key, text in labels.items())
            braced = f"{{{inner}}}" if inner else ""
            lines.append(f"{family.name}{suffix}{braced} {float(value)!r}\n")
    return "".join(lines).encode()


class Counter:
    """``labels``: their names; ``known``: values of them that are there from the beginning."""

    kind = "counter"

    def __init__(self, name, text, *labels, known=()):
        self.name, self._text, self._labels = name, text, labels
        self._values = dict.fromkeys(known, 0) if labels else {(): 0}

    def add(self, *values, by=1):
        self._values[values] = self._values.get(values, 0) + by

    def family(self):
        return Family(self.name, self.kind, self._text, [
            ("", dict(zip(self._labels, values, strict=True)), number)
            for values, number in list(self._values.items())])


class Gauge(Counter):
    kind = "gauge"

    def set(self, number, *values):
        self._values[values] = number

    def replace(self, numbers):
        """``numbers``: {values of the labels: number}; there are no others any more."""
        self._values = numbers


class Histogram:
    """How long something takes.  ``bounds``: of its buckets, in seconds."""

    def __init__(self, name, text, bounds, *labels):
        self.name, self._text, self._labels, self._bounds = name, text, labels, bounds
        self._buckets, self._seconds = {}, {}
        if not labels:
            self._begin(())

    def _begin(self, values):
        self._seconds[values] = 0.0
        self._buckets[values] = [0] * (len(self._bounds) + 1)
        return self._buckets[values]

    def observe(self, seconds, *values):
        buckets = self._buckets.get(values) or self._begin(values)
        buckets[bisect_left(self._bounds, seconds)] += 1
        self._seconds[values] += seconds

    def family(self):
        samples = []
        for values, buckets in list(self._buckets.items()):
            labels, total = dict(zip(self._labels, values, strict=True)), 0
            for bound, count in zip((*self._bounds, "+Inf"), list(buckets), strict=True):
                total += count
                samples.append(("_bucket", labels | {"le": bound}, total))
            samples.append(("_sum", labels, self._seconds[values]))
            samples.append(("_count", labels, total))
        return Family(self.name, "histogram", self._text, samples)
