# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Message-IDs, as Odoo's mail gateway can read them.

Odoo knows a message by its Message-ID and drops the second one of the same, without a word.  What
Python's ``email`` makes of one that is not of RFC 5322's form is cut off at the first letter that
does not belong there (``<Re:1@acme.example>`` becomes ``<Re``), so that different messages are one;
before 3.13 it raises IndexError for some.  And to a message without any Odoo gives a number of the
moment, so that the same message, handed over twice, is two.
"""

import email.message
import email.parser
import email.policy
import hashlib
import re

_FIELD = re.compile(rb"(?im)^message-id(?=[ \t]*:)")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


def readable(raw: bytes) -> tuple[str, bytes]:
    """The Message-ID, and the message with one that reads as it is written.

    The same for the same message each time.  One that was replaced is kept as
    ``X-Original-Message-ID``.
    """
    end = _END_OF_HEADERS.search(raw)
    size = end.start() if end else len(raw)
    head, rest = raw[:size], raw[size:]
    fields = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(head)
    number = "".join(str(fields.get("Message-ID") or "").splitlines()).strip()
    if number and _as_python_reads(number) == number:
        return number, raw
    seed = number.encode("utf-8", "surrogateescape") if number else raw
    made = f"<{hashlib.sha256(seed).hexdigest()}@emboux.invalid>"
    head = _FIELD.sub(b"X-Original-Message-ID", head)
    return made, f"Message-ID: {made}\r\n".encode() + head + rest


def _as_python_reads(number: str) -> str:
    try:
        message = email.message.EmailMessage(policy=email.policy.SMTP)
        message["Message-ID"] = number
        return str(message["Message-ID"])
    except (IndexError, ValueError, LookupError):
        return ""
