# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""May this message go out?  Pure: what is known goes in, with the time, and one decision comes out.

The rules in their order; the first that applies decides:

1. a recipient is suppressed                                    550 5.1.6
2. the mailbox or domain is suspended, or sending blocked       550 5.7.1
3. the domain is not verified                                   550 5.7.1
   it has used up its traffic of the month, if the plan waits  450 4.7.1
   (the rules below may only be watched, or be off: ``Settings.enforcement``)
   a message to too many recipients                             452 4.5.3
   the same sender and recipient too often in an hour           450 4.7.1
4. the share of the day's limit that may leave in an hour       450 4.7.1
5. the warm-up's limit of the day                               450 4.7.1
6. a day far above the usual ones                               450 4.7.1
7. the day's and the month's limit, of domain and mailbox       as the plan says

A domain that sends through a wildcard parent goes by its own state and by the parent's.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from . import sentences

RCPT, DATA, END = "RCPT", "DATA", "END-OF-MESSAGE"

#: A day's growth during the warm-up.
WARMUP_FACTORS = {"fast": 1.8, "standard": 1.1, "conservative": 1.05}

REJECT_SUPPRESSED, REJECT, DEFER, TOO_MANY = "550 5.1.6", "550 5.7.1", "450 4.7.1", "452 4.5.3"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a login goes by, as the view ``emboux_mail.sending`` says.

    Limits of 0 are none.  ``suspended``, ``blocked`` and ``unverified`` name the domain that is
    so (its own, or its parent), or are None; ``over_transfer`` likewise, but its own alone.
    ``usual`` is the mean of the last seven days on which the domain sent, None without any; it is
    that of the day ``as_of`` (UTC).
    """

    login: str
    mailbox_id: int  # 0: the domain alone is asked about
    domain_id: int
    domain: str
    parent_id: int = 0
    partner_id: int = 0
    mailbox_suspended: bool = False
    suspended: str | None = None
    blocked: str | None = None
    reason: str | None = None
    unverified: str | None = None
    enforcement: str = "enforce"  # or monitor, off
    unit: str = "recipients"  # or messages
    over_limit: str = "defer"  # or hold, reject
    per_message: int = 0
    hourly_fraction: float = 1 / 6
    daily: int = 0
    monthly: int = 0
    warmup_profile: str = "standard"  # or fast, conservative, none
    warmup_start: int = 0
    warmup_since: date | None = None
    spike_multiplier: float = 5.0
    spike_floor: int = 50
    loop_limit: int = 60
    mailbox_daily: int = 0
    mailbox_monthly: int = 0
    usual: float | None = None
    as_of: date | None = None
    over_transfer: str | None = None

    @property
    def counts_mailbox(self):
        """Whether the mailbox has counters of its own."""
        return bool(self.mailbox_id and (self.mailbox_daily or self.mailbox_monthly))


class Used(NamedTuple):
    """What was sent in the hour, day and month (UTC) that the decision is taken in.

    Named tuples where a decision makes some of them: to make a frozen dataclass takes four times
    as long.
    """

    hour: int = 0
    day: int = 0
    month: int = 0


NOTHING = Used()


class Counters(NamedTuple):
    """What is known of the past: of the domain, of the mailbox, of the recipients.

    ``suppressed``: the first recipient that is, with the reason.  ``pair``: the recipient that
    this login has written to most often in this hour, with how often.
    """

    domain: Used = NOTHING
    mailbox: Used = NOTHING
    suppressed: tuple[str, str] | None = None
    pair: tuple[str, int] | None = None


class Request(NamedTuple):
    """What Postfix asks.  ``recipients``: how many; at RCPT those that came before this one."""

    stage: str
    recipients: int = 1
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """``action``: accept, defer, hold or reject.  ``wanted``: what it would be if enforced.

    The rule that decided has its limit, what was used of it, and when to try again (UTC).
    """

    action: str
    wanted: str = ""
    code: str = ""
    reason: str = "Within the limits."
    rule: str = ""
    used: int = 0
    limit: int = 0
    retry_at: datetime | None = None

    @property
    def accepted(self):
        return self.action == "accept"


ACCEPT = Decision("accept", "accept")


class Cap(NamedTuple):
    """One limit as it is now."""

    rule: str
    limit: int
    used: int
    window: str = "day"  # hour, day or month
    who: str = ""  # a domain's or a mailbox's name

    @property
    def is_plans(self):
        """Whether the plan says what happens over it (rule 7); else the message is deferred."""
        return self.rule not in ("hourly", "warmup", "spike")


def decide(settings, counters, request, now):
    """Decide about one request at the aware UTC time ``now``."""
    if counters.suppressed:
        return refuse_suppressed(counters.suppressed)
    if refusal := standing_refusal(settings):
        return refusal
    if settings.enforcement == "off":
        return ACCEPT
    found = _too_often(settings, counters, request, now)
    if found is None:
        return ACCEPT
    return replace(found, action="accept") if settings.enforcement == "monitor" else found


def refuse_suppressed(found):
    """``found``: the recipient, and the reason for which it is suppressed."""
    return _refused("suppressed", REJECT_SUPPRESSED, sentences.suppressed(*found))


def standing_refusal(settings):
    """Rules 2 and 3, and the transfer: nothing may leave, whatever was sent; a ``Decision``, or
    None."""
    if settings.mailbox_suspended:
        return _refused("suspended", REJECT, sentences.mailbox_suspended(settings.login))
    if settings.suspended:
        return _refused("suspended", REJECT, sentences.suspended(settings.suspended))
    if settings.blocked:
        return _refused("blocked", REJECT, sentences.blocked(settings.blocked, settings.reason))
    if settings.unverified:
        return _refused("unverified", REJECT, sentences.unverified(settings.unverified))
    if settings.over_transfer:
        return Decision("defer", "defer", DEFER, sentences.over_transfer(settings.over_transfer),
                        "transfer")
    return None


def unknown_login(login):
    """Somebody logged in whose mailbox is not here, or not any more."""
    return _refused("unknown", REJECT, sentences.unknown(login))


def amount(settings, request):
    """What a message counts."""
    return 1 if settings.unit == "messages" else request.recipients


def caps(settings, counters, now):
    """The limits in their order, rules 4 to 7."""
    domain, name = counters.domain, settings.domain
    if settings.daily:
        hourly = max(1, int(settings.daily * settings.hourly_fraction + 1e-9))
        yield Cap("hourly", hourly, domain.hour, "hour", name)
    if settings.warmup_start and (warm := warmup_limit(settings, now)) is not None:
        yield Cap("warmup", warm, domain.day, "day", name)
    if settings.usual is not None:
        most = max(settings.spike_floor, int(settings.usual * settings.spike_multiplier + 1e-9))
        yield Cap("spike", most, domain.day, "day", name)
    if settings.daily:
        yield Cap("daily", settings.daily, domain.day, "day", name)
    if settings.monthly:
        yield Cap("monthly", settings.monthly, domain.month, "month", name)
    if settings.mailbox_id:
        mailbox, login = counters.mailbox, settings.login
        if settings.mailbox_daily:
            yield Cap("mailbox_daily", settings.mailbox_daily, mailbox.day, "day", login)
        if settings.mailbox_monthly:
            yield Cap("mailbox_monthly", settings.mailbox_monthly, mailbox.month, "month", login)


def warmup_limit(settings, now):
    """The warm-up's limit of this day, None when there is no warm-up or it is over.

    Day n after ``warmup_since`` has start x factor^n; it is over once that is the daily limit.
    """
    factor = WARMUP_FACTORS.get(settings.warmup_profile)
    if not factor or not settings.warmup_start or settings.warmup_since is None:
        return None
    # a warm-up that is to begin later holds the first day's limit until then
    days = min(max(0, (now.date() - settings.warmup_since).days), 3650)
    try:
        limit = int(settings.warmup_start * factor**days + 1e-9)
    except OverflowError:
        return None
    if (settings.daily and limit >= settings.daily) or limit >= 2**31:
        return None
    return limit


def next_window(window, now):
    """When the hour, day or month that ``now`` is in is over."""
    if window == "hour":
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return midnight + timedelta(days=1)
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)


def _too_often(settings, counters, request, now):
    """What the rules from the size of a message on say, None when the message may pass."""
    stage = request.stage
    if settings.per_message:
        count = request.recipients + 1 if stage == RCPT else request.recipients
        if count > settings.per_message:
            return Decision("defer", "defer", TOO_MANY, sentences.per_message(
                settings.domain, settings.per_message), "per_message", count - 1,
                settings.per_message)
    if settings.loop_limit and counters.pair and counters.pair[1] >= settings.loop_limit:
        recipient, times = counters.pair
        retry_at = next_window("hour", now)
        return Decision("defer", "defer", DEFER, sentences.loop(
            settings.login or settings.domain, recipient, times, retry_at), "loop", times,
            settings.loop_limit, retry_at)
    if stage == RCPT:
        return None
    count = amount(settings, request)
    for cap in caps(settings, counters, now):
        if cap.used + count > cap.limit:
            return _over(settings, cap, count, stage, now)
    return None


def _over(settings, cap, count, stage, now):
    retry_at = next_window(cap.window, now)
    action = settings.over_limit if cap.is_plans else "defer"
    if action == "hold" and stage == DATA:
        return None  # it is taken all the same, and held once it is complete
    code = {"defer": DEFER, "hold": "HOLD", "reject": REJECT}[action]
    return Decision(action, action, code, sentences.over(settings.unit, cap, count, retry_at, now),
                    cap.rule, cap.used, cap.limit, retry_at)


def _refused(rule, code, sentence):
    return Decision("reject", "reject", code, sentence, rule)


def utc(epoch):
    """The aware UTC time of seconds since 1970."""
    return datetime.fromtimestamp(epoch, UTC)
