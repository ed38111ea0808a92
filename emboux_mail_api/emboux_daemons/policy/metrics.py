# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the daemon has decided, for Prometheus."""

from ..exposition import Counter, Family, Histogram, gauge

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)  # seconds


class Metrics:
    """Plain numbers, turned into families when somebody asks: a decision takes microseconds."""

    def __init__(self):
        self._decisions = {}
        self._seconds = Histogram(
            "emboux_policy_seconds", "From a request to its answer.", BUCKETS, "stage")
        self._passed_over = self._repeated = 0
        self._unavailable = {True: 0, False: 0}
        self._away = self._malformed = 0
        self.sessions, self.engine = (), None

    def decided(self, stage, verdict, seconds):
        key = (stage, verdict.action, verdict.rule)
        self._decisions[key] = self._decisions.get(key, 0) + 1
        self._seconds.observe(seconds, stage)

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

    @property
    def is_ready(self):
        return bool(self.engine and self.engine.ready)

    def problem(self):
        return None if self.is_ready else "PostgreSQL is away."

    def figures(self):
        return {"connections": len(self.sessions)}

    def families(self):
        yield Family(
            "emboux_policy_decisions_total", "counter",
            "Decisions by stage, action and the rule that decided.",
            [("", {"stage": stage, "action": action, "rule": rule}, count)
             for (stage, action, rule), count in list(self._decisions.items())])
        yield self._seconds.family()
        for name, text, value in (
            ("not_ours", "Requests without a login, or in a stage that is not asked about.",
             self._passed_over),
            ("repeated", "Requests that Postfix asked a second time.", self._repeated),
            ("malformed", "Connections closed for what they sent.", self._malformed),
            ("database_losses", "How often a connection to PostgreSQL was lost.", self._away),
        ):
            counted = Counter(f"emboux_policy_{name}_total", text)
            counted.add(by=value)
            yield counted.family()
        yield Family(
            "emboux_policy_unavailable_total", "counter",
            "Answers without a decision, PostgreSQL being away.",
            [("", {"answer": "passed"}, self._unavailable[True]),
             ("", {"answer": "deferred"}, self._unavailable[False])])
        for name, text, value in (
            ("connections", "Open connections of Postfix.", len(self.sessions)),
            ("database_up", "Whether PostgreSQL answers.", self.is_ready),
            ("settings_cached", "Logins whose settings are kept.",
             len(self.engine.settings) if self.engine else 0),
        ):
            yield gauge(f"emboux_policy_{name}", text, value)
