"""Messages to be charged, and what the ledger says of them."""

from datetime import UTC, datetime

from emboux_daemons.policy.decision import END, Request
from emboux_daemons.policy.ledger import Ask, charge, pair_hash

NOW = datetime(2026, 11, 25, 13, 37, 12, tzinfo=UTC)


def message(settings, n=1, stage=END, to=()):
    check = tuple((recipient, pair_hash(settings.login, recipient)) for recipient in to)
    return Ask(settings, Request(stage, n), check, tuple(pair for _to, pair in check))


def rules(ledger, asks, now=NOW):
    decided, _facts = ledger(charge(asks, now))
    return [verdict.rule or "ok" for verdict in decided]
