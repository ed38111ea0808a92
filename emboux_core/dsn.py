# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Reports that come back, as Odoo's mail gateway can read them.

Odoo 19 takes each ``multipart/report`` for a bounce: it reads neither ``Action`` nor the report's
type, takes the first recipient of several, and knows nothing of RFC 6533
(``mail.thread._detect_is_bounce``, ``_message_parse_extract_bounce``).  So a delayed message, one
that was delivered on request, and a read receipt (RFC 8098) would each mark an address as bad.
"""

import email
import email.policy
import re
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from . import addresses

POLICY = email.policy.compat32.clone(linesep="\r\n")
STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
RETURNED_TYPES = (
    "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers",
)
#: Header fields of the report that its parts keep; what describes the body is made anew.
ENVELOPE = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Return-Path")
XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")


def failures(raw):
    """What a mail reports as failed for good: a bounce for each recipient.

    :param raw: the mail, as bytes.
    :return: None where the mail is no report, or one that Odoo reads rightly as it is; else a list
        of mails, each as bytes, with one recipient (RFC 3464).  It is empty where the report tells
        of no failure.
    """
    if b"multipart/report" not in raw.lower():
        return None  # nearly all mail: not worth parsing twice
    report = email.message_from_bytes(raw, policy=POLICY)
    if report.get_content_type() != "multipart/report":
        return None
    kind = str(report.get_param("report-type") or "").lower()
    if kind == "disposition-notification":
        return []  # somebody has read it, or deleted it unread
    if kind != "delivery-status":
        return None
    status = next((p for p in report.walk() if p.get_content_type() in STATUS_TYPES), None)
    if status is None:
        return None
    about, *recipients = blocks(status)
    failed = [fields for fields in recipients if is_failure(fields)]
    if recipients == failed[:1] and status.get_content_type() == STATUS_TYPES[0]:
        return None
    return [_bounce(report, about, fields) for fields in failed]


def blocks(status):
    """The groups of fields: one for the message, one for each recipient."""
    if status.get_content_type() == STATUS_TYPES[0]:
        blocks = [part for part in status.get_payload() if part.keys()]
        return blocks or [Message()]
    # Python parses other kinds of message/* as one mail: its fields, and the rest as its text
    if str(status.get("Content-Transfer-Encoding", "")).lower() in ("base64", "quoted-printable"):
        inner = Message()
        inner["Content-Transfer-Encoding"] = status["Content-Transfer-Encoding"]
        inner.set_payload(_text(status))
        text = inner.get_payload(decode=True).decode(errors="replace")
    else:
        text = _text(status)
    groups = re.split(r"\r?\n[ \t]*\r?\n", text.strip())
    return [email.message_from_string(group) for group in groups if group.strip()] or [Message()]


def _text(part):
    """What is in a part of type message/*, as it was written."""
    payload = part.get_payload()
    text = payload[0].as_bytes(policy=POLICY) if isinstance(payload, list) else payload.encode()
    return text.decode(errors="replace").lstrip("\r\n")


def is_failure(fields):
    """RFC 3464, section 2.3.3; some servers leave ``Action`` out."""
    action = (fields.get("Action") or "").strip().lower()
    return action == "failed" or not action and (fields.get("Status") or "").strip()[:1] == "5"


def _bounce(report, about, fields):
    bounce = MIMEMultipart("report", report_type="delivery-status", policy=POLICY)
    for name in ENVELOPE:
        if report[name] is not None:
            bounce[name] = report[name]
    words = next((p for p in report.walk() if p.get_content_type() == "text/plain"), None)
    text = words.get_payload(decode=True).decode(errors="replace") if words else ""
    bounce.attach(MIMEText(text, "plain", "utf-8"))
    status = Message(policy=POLICY)
    status["Content-Type"] = STATUS_TYPES[0]
    status.set_payload([_copy(about), _copy(fields)])
    bounce.attach(status)
    returned = next((p for p in report.walk() if p.get_content_type() in RETURNED_TYPES), None)
    if returned is not None:
        bounce.attach(_headers(returned))
    return bounce.as_bytes()


def _copy(fields):
    copy = Message(policy=POLICY)
    for name, value in fields.items():
        if name.lower() in ("final-recipient", "original-recipient"):
            value = _recipient(str(value))
        copy[name] = "".join(c for c in str(value) if c.isascii() and c.isprintable())
    return copy


def _recipient(value):
    """``utf-8;`` addresses as Odoo looks for them: ``rfc822;`` with the domain as A-label."""
    kind, _semicolon, address = value.partition(";")
    if kind.strip().lower() != "utf-8":
        return value
    address = XTEXT.sub(lambda found: chr(int(found[1], 16)), address.strip())
    try:
        address = addresses.normalise_reported(address)
    except addresses.AddressError:
        return value
    return f"rfc822; {address}"


def _headers(returned):
    """The headers of the message that came back; its text is of no use here."""
    text = _text(returned).split("\n\n", 1)[0].split("\r\n\r\n", 1)[0]
    part = Message(policy=POLICY)
    part["Content-Type"] = "text/rfc822-headers"
    part.set_payload(text.encode("ascii", "replace").decode() + "\r\n")
    return part
