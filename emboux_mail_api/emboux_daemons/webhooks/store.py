# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Deliveries in the database: what is due, and what became of it."""

from dataclasses import dataclass, field

from ..store import BaseStore


@dataclass(frozen=True)
class Delivery:
    """``attempts``: those before.  ``old_secret``: signs too, while a new one is brought in."""

    id: int
    webhook_id: int
    event_id: str
    body: bytes = field(repr=False)
    attempts: int
    url: str = field(repr=False)
    secret: str = field(repr=False)
    old_secret: str | None = field(repr=False)
    headers: str | None = field(repr=False)


@dataclass(frozen=True)
class Result:
    """What became of a delivery.

    ``state``: delivered, failed, or pending, to be tried again after ``pause`` seconds.
    ``status``: of HTTP, 0 where no answer came.  ``hold``: seconds for which the endpoint wants to
    be left alone.  ``gone``: it says that it is no more.
    """

    delivery: Delivery
    state: str
    status: int
    text: str
    milliseconds: int
    pause: float = 0.0
    hold: float = 0.0
    gone: bool = False

    @property
    def said(self):
        return " ".join(filter(None, (str(self.status) if self.status else "", self.text)))

    @property
    def well(self):
        return self.state == "delivered"


class Store(BaseStore):
    name = "emboux_webhooks"

    def _begin(self, cursor):
        # one sends, and others take over when it is gone
        self._be_alone(cursor, "another process sends the webhooks: this one waits for its end")

    def networks(self):
        """Private networks that may be reached, as text."""
        [[text]] = self._all("SELECT emboux_mail.webhook_networks()")
        return text

    def due(self, busy, enough, failing, most):
        """[``Delivery``]; see ``emboux_mail.due_deliveries``."""
        return [
            Delivery(number, hook, event, payload.encode(), *values)
            for number, hook, event, payload, *values in self._all(
                "SELECT id, webhook_id, event_id::text, payload, attempts, url, secret, old_secret,"
                " headers FROM emboux_mail.due_deliveries(%s::bigint[], %s::integer[],"
                " %s::integer[], %s)", [list(busy), list(enough), list(failing), most])
        ]

    def settle(self, results):
        """Write down what became of deliveries, and how their endpoints do: all or nothing."""
        with self._transaction() as cursor:
            cursor.execute(
                """UPDATE emboux_mail.webhook_delivery AS d
                      SET state = n.state, attempts = d.attempts + 1,
                          next_try = CASE WHEN n.state = 'pending' THEN
                              emboux_mail.utc_now() + n.pause * interval '1 second' END,
                          done_at = CASE WHEN n.state <> 'pending' THEN emboux_mail.utc_now() END,
                          last_status = n.status, last_answer = n.text,
                          tries = d.tries || jsonb_build_object(
                              'at', to_char(emboux_mail.utc_now(), 'YYYY-MM-DD"T"HH24:MI:SS'),
                              'status', n.status, 'text', n.text, 'ms', n.ms)
                     FROM unnest(%s::bigint[], %s::text[], %s::float8[], %s::integer[], %s::text[],
                                 %s::integer[]) AS n(id, state, pause, status, text, ms)
                    WHERE d.id = n.id AND d.state = 'pending'""",
                [[r.delivery.id for r in results], [r.state for r in results],
                 [r.pause for r in results], [r.status for r in results],
                 [r.text for r in results], [r.milliseconds for r in results]])
            for hook, result in _by_endpoint(results).items():
                cursor.execute(
                    "SELECT emboux_mail.webhook_did(%s, %s, %s, %s, %s)",
                    [hook, result.well, result.said, result.hold, result.gone])


class Listener(BaseStore):
    """Hears that there is something to send: a connection of its own."""

    name = "emboux_webhooks_listener"
    channels = ("emboux_webhooks",)


def _by_endpoint(results):
    """Endpoint to the result that says most of it: that it is gone, that it took something, that it
    wants to be left alone, or the last."""
    found = {}
    for result in results:
        known = found.get(result.delivery.webhook_id)
        if known is None or _weight(result) >= _weight(known):
            found[result.delivery.webhook_id] = result
    return found


def _weight(result):
    return result.gone, bool(result.hold), result.well
