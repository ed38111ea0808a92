# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

r"""Postfix' policy delegation protocol (SMTPD_POLICY_README), without I/O.

A request is lines ``name=value`` and an empty line; the answer ``action=...`` and an empty line,
on a connection that stays open.  A value may contain ``=`` and may be empty; names that are not
known here are passed over; of a name that comes twice the first counts.  ``\r\n`` is taken for
``\n``.
"""

from typing import NamedTuple

from . import sentences
from .decision import DATA, END, RCPT
from .normal import normal_address, without_tag

LARGEST_BLOCK = 64 * 1024  # bytes of one request
LONGEST_VALUE = 2048  # no address or number that Postfix sends is longer
MOST_RECIPIENTS = 1_000_000

#: What Postfix is told to go on with its other checks.
DUNNO = b"action=DUNNO\n\n"
#: Nothing was counted; the client tries again.
UNAVAILABLE = b"action=DEFER_IF_PERMIT 4.3.0 The sending limits cannot be looked up, try again\n\n"
#: The daemon was started between a message's recipients and its end: nobody knows where it goes.
FORGOTTEN = (b"action=DEFER_IF_PERMIT 4.3.0 The recipients of this message are not known any more,"
             b" send it again\n\n")
HOLD = "HOLD"
#: ``policy_context`` of the listener that takes what Dovecot's Sieve sends.
INJECT = "inject"

#: C0, DEL, C1, and Unicode's own ends of lines.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), 0x2028, 0x2029), "?")


class ProtocolError(Exception):
    """Not the policy protocol: the connection is closed.  ``str()`` says why, for the log."""


class Query(NamedTuple):
    """What is needed of a request.  Addresses are in their normal form.

    ``login``: whose message it is: who has logged in, or the mailbox whose Sieve script sends it;
    empty for mail from outside.
    """

    stage: str
    login: str
    recipient: str
    recipients: int
    instance: str
    queue_id: str
    by_sieve: bool = False
    sender_domain: str = ""

    @property
    def concerns_us(self):
        return self.stage in (RCPT, DATA, END)


class Parser:
    """Takes bytes as they come in, gives whole requests."""

    __slots__ = ("_buffer", "_seen")

    def __init__(self):
        self._buffer, self._seen = b"", 0

    def feed(self, data):
        self._buffer = self._buffer + data if self._buffer else data
        if b"\r" in self._buffer:  # not in data alone: the "\n" may come by itself
            self._buffer, self._seen = self._buffer.replace(b"\r\n", b"\n"), 0

    @property
    def waiting(self):
        """How many bytes have not been taken."""
        return len(self._buffer)

    def next(self):
        """The next ``Query``, or None until there is more.

        :raises ProtocolError: see ``parse``; or the request is too long.
        """
        end = self._buffer.find(b"\n\n", self._seen)
        if end < 0:
            if len(self._buffer) > LARGEST_BLOCK:
                raise ProtocolError("a request of more than 64 KiB")
            self._seen = max(0, len(self._buffer) - 1)
            return None
        if end > LARGEST_BLOCK:
            raise ProtocolError("a request of more than 64 KiB")
        block, self._buffer, self._seen = self._buffer[:end + 1], self._buffer[end + 2:], 0
        return parse(block)


def parse(block):
    """Read one request, ending in its last line's end.

    :raises ProtocolError: another kind of request, no number where one has to be, a value that is
        too long.
    """
    text = "\n" + block.decode("utf-8", "replace")
    if _value(text, "\nrequest=") != "smtpd_access_policy":
        raise ProtocolError("no request=smtpd_access_policy")
    count = _value(text, "\nrecipient_count=") or "0"
    if not (count.isascii() and count.isdigit() and len(count) < 8
            and int(count) <= MOST_RECIPIENTS):
        raise ProtocolError("a recipient_count that is no number")
    login, by_sieve = _value(text, "\nsasl_username="), False
    if not login and _value(text, "\npolicy_context=") == INJECT:
        # the envelope sender is the mailbox, see dovecot.conf; nobody else reaches this listener
        login, by_sieve = without_tag(normal_address(_value(text, "\nsender="))), True
    recipient = _value(text, "\nrecipient=")
    return Query(
        _value(text, "\nprotocol_state="),
        normal_address(login) if login else "",
        normal_address(recipient) if recipient else "",
        int(count),
        _value(text, "\ninstance="),
        _value(text, "\nqueue_id="),
        by_sieve,
        _value(text, "\nsender=").rpartition("@")[2].lower(),
    )


def _value(text, name):
    start = text.find(name)
    if start < 0:
        return ""
    start += len(name)
    end = text.find("\n", start)
    if end - start > LONGEST_VALUE:
        raise ProtocolError("a value that is too long")
    value = text[start:end]
    # a database takes no null byte and a log no line ends
    return value if value.isprintable() else value.translate(_CONTROL)


def hold(reason):
    """Take the message, for all of its recipients, and put it on hold."""
    return f"action={HOLD} {sentences.plain(reason)}\n\n".encode("ascii")


def answer(decision):
    """The answer to a decision, as bytes."""
    if decision.action == "accept":
        return DUNNO
    return f"action={decision.code} {sentences.plain(decision.reason)}\n\n".encode("ascii")
