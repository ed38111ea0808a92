# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One line of a mail server's log, as an event; many lines are none.

Parts of these lines are anybody's to choose: addresses, host names, what another server said.  So
each pattern begins at the line's own beginning, and an address may not hold what could pass for
the rest of the line: mail of such an address is not counted.
"""

import re
from datetime import UTC, datetime, timedelta
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import NamedTuple

MONTHS = {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
          "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}

#: As syslog, Postfix and Dovecot write it: "Nov  6 03:01:42", or RFC 3339; then the host's name.
_HEAD = r"(?:([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(\d{4}-\d\d-\d\dT\S+))?\s*"
_ID = r"([0-9A-Za-z]{6,30})"
#: (short time, long time, services, program, process, queue id or NOQUEUE or none, the rest)
_POSTFIX = re.compile(
    _HEAD + r"(?:\S+ )?postfix((?:/[\w.-]+)*)/"
    r"(smtpd|cleanup|qmgr|smtp|lmtp|local|virtual|error|bounce|pickup|postsuper)"
    rf"\[(\d+)\]: (?:{_ID}: )?(.*)$").match
#: A quarter of all lines, and of no use.
_CONNECT = re.compile(r"[^\]]*\]: (?:dis)?connect from ").match
_DOVECOT = re.compile(
    _HEAD + r"(?:\S+ dovecot(?:\[\d+\])?: )?(imap|pop3|lmtp)\(([^()\s\"]+)\)((?:<[^<>\s]*>)*): "
    r"(?:Info: )?(.*)$")
#: What Postfix says of a message, "name=value" one after the other.  New ones come with a release
#: or with what the client says (AUTH= adds sasl_sender), in whatever place.  No value that is taken
#: holds a space, so nobody writes a field into one; with the first that does, the fields end.
_FIELD = re.compile(r"(?:^|, )(?P<name>[a-z0-9_]+)=(?P<value><[^<>\"\s]*>|[^<>\"\s,]*)(?=[, ]|$)")
#: The same for lines as they nearly always are, in one go.
_CLIENT = re.compile(
    r"client=([^<>\"\s,]*)(?:, sasl_method=[^<>\"\s,]*, sasl_username=([^<>\"\s,]*))?$").match
_TO = re.compile(
    r"to=<([^<>\"\s]+)>(?:, orig_to=<([^<>\"\s]*)>)?, relay=([^<>\"\s,]*)(?:, conn_use=\d+)?, "
    r"delay=(\d+(?:\.\d+)?), delays=[\d./]+, dsn=([\d.]+), status=(\w+) \((.*)\)$").match
_ACTIVE = re.compile(
    r"from=<([^<>\"\s]*)>, size=(\d{1,15}), nrcpt=\d+ \(queue active\)$").match
_NUMBER = re.compile(r"\d{1,15}").fullmatch
#: In Dovecot's imap_logout_format, behind why the session ended; the last of each counts.
_MOVED = re.compile(r"(?<= )(in|out)=(\d{1,15})(?!\d)")
#: What Sieve did: (verb, folder or address, why it did not).
_SIEVE = re.compile(
    r"sieve: msgid=\S*: (stored mail into mailbox|forwarded to|discarded|rejected|marked message"
    r"|failed to store into mailbox)(?: '([^']*)'| <([^<>\s]*)>)?(?:: (.*))?")
_REFUSED = re.compile(
    r"(?:milter-)?(reject|hold): [A-Z-]+ from (\S+\[[0-9A-Fa-f.:]+\]): (?:(\d{3}) )?"
    r"(.*); from=<([^<>\"\s]*)>(?: to=<([^<>\"\s]*)>)?(?: proto=\w+)?(?: helo=<[^<>\"\s]*>)?"
    r"((?: [a-z_]+=[^\"\s]*)*)$")
#: Behind all that Postfix 3.10 says who has logged in; 3.7 does not.
_LOGGED_IN = re.compile(r" sasl_username=<?([^<>\s]+)>?")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= )")
_NOT_OWNED = re.compile(r"Sender address rejected: not owned by user (\S+)$")
#: By check_sender_access (sql-authors.cf) and header_checks (extra-headers) of our Postfix.
_OWN_RETURN = re.compile(
    r"info: DATA from \S+: own return address; from=<([^<>\"\s]+)>").match
_EXTRA = re.compile(r"strip: header X-Emboux-Extra-([A-Za-z0-9._-]{1,50}):", re.IGNORECASE).match
LONGEST_EXTRA = 500  # characters, as of what is sent by HTTP
#: The same as it is written, in encoded words perhaps: Postfix cuts what it gives to syslog after
#: 2000 bytes, and half a value is none.
LONGEST_WRITTEN = 1000
_TLS = re.compile(
    r"(\w+) TLS connection established to (\S+\[[0-9A-Fa-f.:]+\]:\d+): (\S+) with cipher (\S+)")
_REPORT = re.compile(rf"sender (non-delivery|delay|delivery status) notification: {_ID}$")
_ANSWER = re.compile(r" \((.*)\)$")
_BY_HAND = {"placed on hold": True, "released from hold": False}


class Accepted(NamedTuple):
    """A client has begun a message."""

    queue_id: str
    client: str  # name[address]; empty for one that was made here
    login: str  # empty for mail from outside
    service: str  # as in master.cf's syslog_name: "submission", "smtps", "inject"; or empty


class Identified(NamedTuple):
    """Its Message-ID has been read, without the angle brackets."""

    queue_id: str
    message_id: str


class Authored(NamedTuple):
    """Whose message it is, as the client said: its envelope sender is about to be replaced."""

    queue_id: str
    sender: str


class Labelled(NamedTuple):
    """Its header ``X-Emboux-Extra-NAME``, which Postfix has taken out."""

    queue_id: str
    name: str
    value: str


class Sized(NamedTuple):
    """Postfix begins to deliver a message; again at each further try."""

    queue_id: str
    size: int
    sender: str


class Attempt(NamedTuple):
    """An attempt to deliver it to one recipient has ended."""

    queue_id: str
    local: bool  # to a mailbox here, or to whom Odoo takes mail for
    service: str  # "relay": by a provider
    process: str
    recipient: str
    original: str  # where an alias was expanded: the recipient before that; or empty
    relay: str  # name[address]:port, or none
    delay: float  # seconds since it came
    dsn: str
    status: str  # sent, deferred, bounced
    text: str


class Refused(NamedTuple):
    """The client was told no, or (``hold``) yes, but it is on hold."""

    queue_id: str  # empty before there is one
    hold: bool
    client: str
    service: str
    login: str  # where the line says it
    sender: str
    recipient: str  # empty where the refusal is for all of them
    code: str
    dsn: str
    text: str


class Connected(NamedTuple):
    """A process of Postfix has a connection with TLS."""

    process: str
    relay: str
    tls: str


class Held(NamedTuple):
    queue_id: str
    on: bool


class Expired(NamedTuple):
    """It was tried for too long, and has been returned."""

    queue_id: str


class Reported(NamedTuple):
    """The sender has been told: by the message ``report_id``."""

    queue_id: str
    kind: str
    report_id: str


class Removed(NamedTuple):
    """A message has left the queue; its id may be given to another one."""

    queue_id: str
    by_hand: bool = False


class Filed(NamedTuple):
    """Dovecot has stored it, or not; ``session`` is in what it answered to Postfix."""

    session: str
    what: str  # stored, forwarded, discarded, rejected, failed
    where: str
    why: str


class Session(NamedTuple):
    """Somebody has read mail; bytes that came from them and went to them."""

    login: str
    bytes_in: int
    bytes_out: int


class Event(NamedTuple):
    what: NamedTuple
    moment: datetime  # aware, UTC


def parse(line, now):
    """The ``Event`` in a line, or None.  ``now``: the aware time, for lines that name no year."""
    if "connect from " in line and _CONNECT(line):
        return None
    if found := _POSTFIX(line):
        short, long, services, program, process, queue_id, rest = found.groups()
        what = _postfix(services.rpartition("/")[2], program, process, queue_id or "", rest)
    elif found := _DOVECOT.match(line):
        short, long, protocol, user, session, rest = found.groups()
        what = _dovecot(protocol, user, session, rest)
    else:
        return None
    return Event(what, _moment(short, long, now)) if what else None


def _postfix(service, program, process, queue_id, rest):
    if program in ("smtp", "lmtp", "local", "virtual", "error"):
        if queue_id:
            return rest.startswith("to=<") and _attempt(service, program, process, queue_id, rest)
        found = _TLS.match(rest)
        return found and Connected(
            f"{program}[{process}]", found[2], f"{found[3]} {found[4]} {found[1].lower()}")
    if program == "smtpd":
        if not queue_id:
            return None
        if rest.startswith("client="):
            return _client(service, queue_id, rest)
        if rest.startswith("info: "):
            found = _OWN_RETURN(rest)
            return found and Authored(queue_id, found[1].lower())
        return _refused(service, queue_id, rest)
    if not queue_id:
        return None
    return _OTHERS[program](queue_id, rest)


def _client(service, queue_id, rest):
    if usual := _CLIENT(rest):
        return Accepted(queue_id, usual[1], (usual[2] or "").lower(), service)
    fields = _fields(rest)[0]
    return Accepted(
        queue_id, fields.get("client", ""), fields.get("sasl_username", "").lower(), service)


def _cleanup(queue_id, rest):
    if rest.startswith("message-id="):
        return Identified(queue_id, rest[11:].strip("<>")[:998])
    if rest.startswith("strip: "):
        return _labelled(queue_id, rest)
    return _refused("", queue_id, rest)


def _labelled(queue_id, rest):
    found = _EXTRA(rest)
    if not found:
        return None
    # the header stands before it as well, cut after 200 letters
    value = rest.partition(f": emboux-extra {found[1]}=")[2].strip()
    if len(value) > LONGEST_WRITTEN or len(value := _decoded(value)) > LONGEST_EXTRA:
        return None
    return Labelled(queue_id, found[1], value)


def _decoded(value):
    """Without encoded words (RFC 2047), in one line."""
    if "=?" not in value:
        return value
    try:
        value = str(make_header(decode_header(value)))
    except (MessageError, ValueError, LookupError):
        return value
    return "".join(letter for letter in value if letter.isprintable())


def _qmgr(queue_id, rest):
    if rest == "removed":
        return Removed(queue_id)
    if usual := _ACTIVE(rest):
        return Sized(queue_id, int(usual[2]), usual[1].lower())
    # behind the sender, which may hold anything
    sender, _bracket, behind = rest.rpartition(">")
    if not sender.startswith("from=<"):
        return None
    if behind in (", status=expired, returned to sender",
                  ", status=force-expired, returned to sender"):
        return Expired(queue_id)
    fields, behind = _fields(behind)
    size = fields.get("size", "")
    if behind.startswith(" (queue active)") and _NUMBER(size):
        return Sized(queue_id, int(size), sender[6:].lower())
    return None


def _postsuper(queue_id, rest):
    if rest == "removed":
        return Removed(queue_id, by_hand=True)
    on = _BY_HAND.get(rest)
    return None if on is None else Held(queue_id, on)


def _bounce(queue_id, rest):
    found = _REPORT.match(rest)
    return found and Reported(queue_id, found[1], found[2])


def _pickup(queue_id, rest):
    return Accepted(queue_id, "", "", "pickup") if rest.startswith("uid=") else None


_OTHERS = {
    "cleanup": _cleanup, "qmgr": _qmgr, "postsuper": _postsuper, "bounce": _bounce,
    "pickup": _pickup,
}


def _attempt(service, program, process, queue_id, rest):
    local, process = program in ("lmtp", "local", "virtual"), f"{program}[{process}]"
    if usual := _TO(rest):
        recipient, original, relay, delay, dsn, status, text = usual.groups()
        return Attempt(
            queue_id, local, service, process, recipient.lower(), (original or "").lower(), relay,
            float(delay), dsn, status, text)
    fields, behind = _fields(rest)
    recipient = fields.get("to", "")[1:-1]
    if not recipient or "status" not in fields:
        return None
    text = _ANSWER.match(behind)
    delay = fields.get("delay", "")
    return Attempt(
        queue_id, local, service, process, recipient.lower(),
        fields.get("orig_to", "")[1:-1].lower(), fields.get("relay", ""),
        float(delay) if delay.replace(".", "", 1).isdigit() else 0.0, fields.get("dsn", ""),
        fields["status"], text[1] if text else "")


def _refused(service, queue_id, rest):
    found = _REFUSED.match(rest)
    if not found:
        return None
    kind, client, code, text, sender, recipient, further = found.groups()
    dsn = _ENHANCED.match(text)
    owner = _LOGGED_IN.search(further) or _NOT_OWNED.search(text)
    return Refused(
        "" if queue_id == "NOQUEUE" else queue_id, kind == "hold", client, service,
        owner[1].lower() if owner else "", sender.lower(), (recipient or "").lower(),
        code or "", dsn[0] if dsn else "", text[dsn.end() + 1:] if dsn else text)


def _dovecot(protocol, user, session, rest):
    if protocol == "lmtp":
        found = _SIEVE.match(rest)
        return found and session and Filed(
            session.rpartition("<")[2][:-1], found[1].split()[0], found[2] or found[3] or "",
            found[4] or "")
    moved = dict(_MOVED.findall(rest))
    return len(moved) == 2 and Session(user.lower(), int(moved["in"]), int(moved["out"]))


def _fields(text):
    """({name: value}, what follows them); of two of a name the first, which is Postfix' own."""
    found, end = {}, 0
    while field := _FIELD.match(text, end):
        found.setdefault(field["name"], field["value"])
        end = field.end()
    return found, text[end:]


_known = {}  # the moments of the last lines: many share a second


def _moment(short, long, now):
    """When it happened; the time of reading where the line does not say it."""
    key = short or long
    if not key:
        return now
    if (kept := _known.get(key)) and (not short or kept[0] == now):
        return kept[1]
    if len(_known) > 1000:
        _known.clear()
    found = _read_moment(short, long, now)
    _known[key] = now, found
    return found


def _read_moment(short, long, now):
    try:
        if long:
            # never one of days to come: the log has a place for each day
            return min(datetime.fromisoformat(long).astimezone(UTC), now + timedelta(days=1))
        if short:
            month, day, clock = short.split()
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
