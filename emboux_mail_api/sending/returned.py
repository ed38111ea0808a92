# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a mail says that came back to the envelope sender of a message: a report of its delivery
(RFC 3464, 6533), a complaint (RFC 5965), an answer by a machine, or something else.

To which message it belongs says the address that it came to; of what was sent by HTTP also to which
recipient.  A message by SMTP has one such address for all its recipients: there the report has to
name whom it is about.
"""

import email
import email.header
import email.policy
import re
from dataclasses import dataclass

from odoo.addons.emboux_core import addresses, dsn

COMPAT = email.policy.compat32
_LONGEST = 500  # characters of what the server said
_MOST_NAMES = 100  # addresses in the words of a report
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'`]+@[^\s<>()\[\],;:\"'`]+")
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_REPLY = re.compile(r"\b([45]\d\d)[ -](?:[45]\.\d{1,3}\.\d{1,3})?")
#: How programs that know no RFC 3464 begin (qmail, Exim before 4.89, Exchange, Yahoo and others).
_BOUNCE_WORDS = re.compile(
    r"(?i)undeliver|delivery (?:status|failure|has failed|to the following)|returned mail"
    r"|failure notice|mail delivery (?:failed|system)|could not be delivered|nicht zugestellt"
    r"|unzustellbar|non remis|no se pudo entregar|message status - undeliverable")
_DELAY_WORDS = re.compile(
    r"(?i)delay|warning: message .* not sent|will (?:continue|be retried|keep trying)")
_ARF_KINDS = {"abuse", "fraud", "virus", "other", "opt-out", "not-spam"}


@dataclass(frozen=True)
class Returned:
    """``kind``: bounced, delayed, arrived, complained, or answered, of which the log says that it
    came and no more.  ``by``: who reports it; ``code``: of SMTP; ``text``: what the recipient's
    server said.  ``names``: addresses that it may be about, in sets; the first set with one of the
    recipients in it tells more than those behind it."""

    kind: str
    by: str = ""
    dsn: str = ""
    code: str = ""
    text: str = ""
    names: tuple = ()


def read(raw: bytes, sender: str) -> list[Returned]:
    """One for each recipient that it is about, the worst first; at least one.

    ``sender``: of the envelope in which it came; empty for reports.
    """
    try:
        return _read(raw, sender)
    except RecursionError:  # parts within parts, so many that nobody means them
        return [Returned("answered")]


def _read(raw, sender):
    mail = email.message_from_bytes(raw, policy=COMPAT)
    kinds = {part.get_content_type(): part for part in mail.walk()}
    if "message/feedback-report" in kinds:
        return [_complaint(mail, kinds["message/feedback-report"])]
    status = next((kinds[name] for name in dsn.STATUS_TYPES if name in kinds), None)
    if status is not None:
        return _delivery_status(mail, status)
    words = _words(mail)
    if _is_bounce(mail, sender, words):
        return [_in_words(mail, words)]
    return [_answer(mail)]


def _complaint(mail, part):
    fields = dsn.blocks(part)[0] if part.is_multipart() or part.get_payload() else {}
    kind = _plain(fields.get("Feedback-Type", "abuse")).lower()
    if kind == "not-spam":
        return _answer(mail)
    # RFC 5965, 3.2; many leave it out, to protect who complained
    names = _names(fields.get_all("Original-Rcpt-To", []) if fields else [])
    return Returned("complained", by=_plain(fields.get("User-Agent", "")) or _from(mail),
                    text=kind if kind in _ARF_KINDS else "abuse", names=(names,))


def _delivery_status(mail, part):
    about, *recipients = dsn.blocks(part)
    if not recipients:  # some put all of it into one group
        recipients = [about]
    recipients.sort(key=lambda fields: (
        not dsn.is_failure(fields), _action(fields) != "delayed"))
    return [_of_recipient(mail, about, fields) for fields in recipients]


def _action(fields):
    return _plain(fields.get("Action", "")).lower()


def _of_recipient(mail, about, fields):
    said = _plain(fields.get("Diagnostic-Code", "")).partition(";")
    text = (said[2] or said[0]).strip()
    found = _STATUS.search(_plain(fields.get("Status", ""))) or _STATUS.search(text)
    kind = "bounced" if dsn.is_failure(fields) else {
        "delayed": "delayed", "delivered": "arrived", "relayed": "arrived", "expanded": "arrived",
    }.get(_action(fields), "delayed" if found and found[1] == "4" else "bounced")
    code = _REPLY.search(text)
    by = _plain(about.get("Reporting-MTA", "")).rpartition(";")[2].strip()
    return Returned(
        kind, by or _from(mail), found[0] if found else "", code[1] if code else "",
        text[:_LONGEST],
        # as we wrote it, and as the server that gave up called it
        names=tuple(_names([fields.get(name, "")]) for name in (
            "Original-Recipient", "Final-Recipient")))


def _is_bounce(mail, sender, words):
    if _plain(mail.get("Auto-Submitted", "")).lower().startswith("auto-replied"):
        return bool(_BOUNCE_WORDS.search(_subject(mail)))
    subject = _subject(mail)
    return bool(_BOUNCE_WORDS.search(subject) or (not sender.strip("<>") and (
        _DELAY_WORDS.search(subject) or _BOUNCE_WORDS.search(words) or _STATUS.search(words))))


def _in_words(mail, words):
    """Of a report without RFC 3464: what it quotes of the other server."""
    found, code = _STATUS.search(words), _REPLY.search(words)
    lines = [line.strip() for line in words.splitlines()]
    said = next((line for line in lines if _REPLY.search(line) or _STATUS.search(line)), "")
    temporary = (found or code) and (found or code)[1][:1] == "4"
    if not found and not code:
        temporary = bool(_DELAY_WORDS.search(f"{_subject(mail)}\n{words[:1000]}"))
    return Returned(
        "delayed" if temporary else "bounced", _from(mail), found[0] if found else "",
        code[1] if code else "", (said or " ".join(lines))[:_LONGEST].strip(),
        names=(_names(mail.get_all("X-Failed-Recipients", [])),  # Exim, Gmail
               _names(_ADDRESS.findall(words)[:_MOST_NAMES])))


def _answer(mail):
    return Returned("answered", by=_from(mail), names=(_names([_from(mail)]),))


def _names(values):
    """The addresses of such header fields, as the message log writes them."""
    found = set()
    for value in values:
        kind, semicolon, rest = _plain(value).partition(";")
        for part in (rest if semicolon else kind).split(","):
            text = dsn.XTEXT.sub(lambda letter: chr(int(letter[1], 16)), part)
            try:
                found.add(addresses.normalise_reported(text.strip(" .")))
            except (addresses.AddressError, ValueError, OverflowError):
                continue
    return frozenset(found)


def _words(mail):
    """The text, without the message that came back."""
    for part in mail.walk():
        if part.get_content_type() in ("text/plain", "text/html"):
            data = part.get_payload(decode=True) or b""
            text = data.decode("utf-8", "replace")
            if part.get_content_subtype() == "html":
                text = re.sub(r"<[^>]*>", " ", text)
            return re.split(
                r"(?im)^(?:-+ ?(?:original message|below this line|this is a copy|returned message)"
                r"|return-path:)", text)[0][:20_000]
    return ""


def _subject(mail):
    value = str(mail.get("Subject", ""))
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (ValueError, LookupError):
        return value


def _from(mail):
    return _plain(mail.get("From", ""))[:200]


def _plain(value):
    return "".join(c for c in " ".join(str(value).split()) if c.isprintable())
