# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

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
#: What Postfix says of a message, "name=value" one after the other.  New ones come with a release
#: or with what the client says (AUTH= adds sasl_sender), in whatever place.  No value that is taken
#: holds a space, so nobody writes a field into one; with the first that does, the fields end.
_FIELD = re.compile(r"(?:^|, )(?P<name>[a-z0-9_]+)=(?P<value><[^<>\"\s]*>|[^<>\"\s,]*)(?=[, ]|$)")
_NUMBER = re.compile(r"\d{1,15}").fullmatch
#: In Dovecot's imap_logout_format, behind why the session ended; the last of each counts.
_MOVED = re.compile(r"(?<= )(in|out)=(\d{1,15})(?!\d)")


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
    """Somebody has read mail; bytes that came from them and went to them."""

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
        moved = dict(_MOVED.findall(found["rest"]))
        what = len(moved) == 2 and Session(
            found["user"].lower(), int(moved["in"]), int(moved["out"]))
    else:
        return None
    return Event(what, _moment(found, now)) if what else None


def _postfix(program, queue_id, rest):
    if program == "smtpd":
        login = rest.startswith("client=") and _fields(rest)[0].get("sasl_username")
        return Submitted(queue_id, login.lower()) if login else None
    if program == "qmgr":
        if rest == "removed":
            return Removed(queue_id)
        # behind the sender, which may hold anything
        fields, behind = _fields(rest.rpartition(">")[2])
        size = fields.get("size", "")
        if rest.startswith("from=<") and behind.startswith(" (queue active)") and _NUMBER(size):
            return Sized(queue_id, int(size))
    if program in ("lmtp", "local", "virtual") and rest.startswith("to=<"):
        fields, _behind = _fields(rest)
        address = fields["to"][1:-1] if "to" in fields else ""
        if address and fields.get("status") == "sent" and fields.get("dsn", "").startswith("2."):
            return Delivered(queue_id, address.lower())
    return None


def _fields(text):
    """({name: value}, what follows them); of two of a name the first, which is Postfix' own."""
    found, end = {}, 0
    while field := _FIELD.match(text, end):
        found.setdefault(field["name"], field["value"])
        end = field.end()
    return found, text[end:]


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
