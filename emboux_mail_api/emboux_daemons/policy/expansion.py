# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Where a message to one of our addresses really goes, and who is charged for what leaves.  Pure.

``emboux_mail.expand`` (``sql/views.sql``) follows aliases, catch-alls and forwards as Postfix and
Dovecot do; here its rows are read.  An address of somebody else has none: mail to it leaves.
"""

from dataclasses import replace
from typing import NamedTuple

from . import sentences
from .decision import DEFER, REJECT, REJECT_SUPPRESSED, Decision

ROUTING_LOOP = "554 5.4.6"  # RFC 3463 3.5


class End(NamedTuple):
    """One end of an expansion; ``domain_id`` passes mail on to it, ``partner_id`` owns that."""

    address: str
    domain_id: int
    partner_id: int
    fate: str  # leaves, local, unknown, stopped, suppressed, loop, many, deep
    why: str


class Share(NamedTuple):
    """What one recipient counts: ``own`` for the login, ``others`` for domains of other owners."""

    own: int
    others: dict[int, int]


#: An external recipient.
ONE = Share(1, {})


def read(rows):
    """Place to its ends, of rows (place, address, domain, partner, fate, why)."""
    found = {}
    for place, address, domain, partner, fate, why in rows:
        found.setdefault(place, []).append(
            End(address, domain or 0, partner or 0, fate, why or ""))
    return found


def refusal(recipient, ends):
    """The ``Decision`` where no mail for this recipient may be taken, or None."""
    by_fate = {end.fate: end for end in ends}
    if "loop" in by_fate:
        return _no("loop_of_aliases", ROUTING_LOOP, sentences.loop_of_aliases(recipient))
    if end := by_fate.get("many") or by_fate.get("deep"):
        return _no(f"too_{end.fate}", REJECT,
                   getattr(sentences, f"too_{end.fate}")(recipient, end.why))
    if by_fate.keys() & {"leaves", "local", "unknown"}:
        return None
    if end := by_fate.get("suppressed"):
        return _no("suppressed", REJECT_SUPPRESSED,
                   sentences.all_suppressed(recipient, end.address, end.why))
    if "stopped" in by_fate:
        return _no("blocked", REJECT, sentences.passes_nothing_on(recipient))
    return None


def share(ends, settings):
    """Who answers for a message to one recipient, sent by a login with these settings.

    ``settings``: None for mail from outside, which is its sender's to send and the alias's to pass
    on.  What addresses of the same owner pass on is the login's; a recipient counts at least one.
    """
    own, others = set(), {}
    for end in ends:
        if end.fate != "leaves":
            continue
        if settings and end.domain_id and (
            end.domain_id == settings.domain_id or end.partner_id == settings.partner_id
        ):
            own.add(end.address)
        else:
            others.setdefault(end.domain_id, set()).add(end.address)
    return Share(max(1, len(own)) if settings else 0,
                 {domain: len(addresses) for domain, addresses in others.items()})


def of_another(settings):
    """The settings of a domain that passes mail on, as that mail is decided by.

    The sender can neither send to fewer recipients nor see the message on hold.
    """
    return replace(settings, per_message=0, loop_limit=0,
                   over_limit="defer" if settings.over_limit == "hold" else settings.over_limit)


def told_others(recipient, verdict):
    """A refusal by another owner's limits, as shown to the sender: without their figures."""
    if verdict.action == "defer":
        return replace(verdict, code=DEFER, rule=f"passed_on_{verdict.rule}",
                       reason=sentences.passes_on_later(recipient, verdict.retry_at))
    return replace(verdict, rule=f"passed_on_{verdict.rule}",
                   reason=sentences.passes_nothing_on(recipient))


def _no(rule, code, sentence):
    return Decision("reject", "reject", code, sentence, rule)
