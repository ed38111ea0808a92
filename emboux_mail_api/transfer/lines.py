"""One line of a mail server's log, as an event; most lines are none.

Parts of these lines are anybody's to choose: addresses, host names, what another server said.  So
each pattern begins at the line's own beginning, and an address may not hold what could pass for
the rest of the line: mail of such an address is not counted.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

MONTHS = {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
          "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}

#: As syslog, Postfix and Dovecot write it: "Nov  6 03:01:42", or RFC 3339; then the host's name.
_HEAD = (r"(?:(?P<short>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(?P<long>\d{4}-\d\d-\d\dT\S+))?\s*")
_POSTFIX = re.compile(
    _HEAD + r"(?:\S+ )?postfix(?:/[\w.-]+)*/(?P<program>smtpd|qmgr|lmtp|local|virtual|pickup)"
    r"\[\d+\]: (?P<id>[0-9A-Za-z]{6,30}): (?P<rest>.*)$")
_DOVECOT = re.compile(
    _HEAD + r"(?:\S+ dovecot(?:\[\d+\])?: )?(?:imap|pop3)\((?P<user>[^()\s\"]+)\)(?:<[^<>\s]*>)*: "
    r"(?:Info: )?(?P<rest>.*)$")
_ADDRESS = r"[^<>\"\s]+"
_LOGIN = re.compile(rf"client=.*, sasl_username=({_ADDRESS})$")
_SIZE = re.compile(r"from=<.*>, size=(\d{1,15}), nrcpt=\d+ \(queue active\)$")
_DELIVERED = re.compile(
    rf"to=<({_ADDRESS})>, (?:orig_to=<[^<>\"\s]*>, )?relay=\S+, (?:conn_use=\d+, )?"
    r"delay=[\d.e+-]+, delays=[\d./e+-]+, dsn=2\.[\d.]+, status=sent ")
_MOVED = re.compile(r"\bin=(\d{1,15}) out=(\d{1,15})\b(?!.*\bin=\d+ out=\d)")


class Submitted(NamedTuple):
    """A login has begun a message."""

    queue_id: str
    login: str


class Sized(NamedTuple):
    """Postfix begins to deliver a message; again at each further try."""

    queue_id: str
    size: int


class Delivered(NamedTuple):
    """A message has reached a mailbox."""

    queue_id: str
    address: str


class Removed(NamedTuple):
    """A message has left the queue; its id may be given to another one."""

    queue_id: str


class Session(NamedTuple):
    """Somebody has read mail; bytes that came from him and went to him."""

    login: str
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class Event:
    what: NamedTuple
    moment: datetime  # aware, UTC


def parse(line, now):
    """The ``Event`` in a line, or None.  ``now``: the aware time, for lines that name no year."""
    if found := _POSTFIX.match(line):
        what = _postfix(found["program"], found["id"], found["rest"])
    elif found := _DOVECOT.match(line):
        moved = _MOVED.search(found["rest"])
        what = moved and Session(found["user"].lower(), int(moved[1]), int(moved[2]))
    else:
        return None
    return Event(what, _moment(found, now)) if what else None


def _postfix(program, queue_id, rest):
    if program == "smtpd":
        found = _LOGIN.match(rest)
        return found and Submitted(queue_id, found[1].lower())
    if program == "qmgr":
        if rest == "removed":
            return Removed(queue_id)
        found = _SIZE.match(rest)
        return found and Sized(queue_id, int(found[1]))
    if program in ("lmtp", "local", "virtual"):
        found = _DELIVERED.match(rest)
        return found and Delivered(queue_id, found[1].lower())
    return None


def _moment(found, now):
    """When it happened; the time of reading where the line does not say it."""
    try:
        if found["long"]:
            return datetime.fromisoformat(found["long"]).astimezone(UTC)
        if found["short"]:
            month, day, clock = found["short"].split()
            hour, minute, second = map(int, clock.split(":"))
            local = now.astimezone()
            moment = local.replace(month=MONTHS[month], day=int(day), hour=hour, minute=minute,
                                   second=second, microsecond=0)
            # a line of December that is read in January
            if moment > local + timedelta(days=1):
                moment = moment.replace(year=moment.year - 1)
            return moment.astimezone(UTC)
    except (ValueError, KeyError):
        return now
    return now
