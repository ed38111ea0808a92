# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A message that has come in, taken apart for a webhook."""

import base64
import email
import email.policy
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

INLINE = 100 * 1024  # bytes of an attachment that is sent along; a larger one by a link
INLINE_IN_ALL = 1024 * 1024
LONGEST_TEXT = 1024 * 1024  # characters of a text or HTML part
_MOST_PARTS = 200
#: How Postfix names who brought a message: "from helo (name [address])".
_FROM = re.compile(r"from (\S+) \((?:\S+ )?\[(?:IPv6:)?([0-9A-Fa-f.:]+)\]\)").match


@dataclass(frozen=True)
class Attachment:
    name: str
    content_type: str
    content_id: str
    content: bytes


@dataclass(frozen=True)
class Client:
    """Who brought it; ``address`` is empty where that is not known."""

    address: str = ""
    helo: str = ""


@dataclass(frozen=True)
class Received:
    """``sender`` and ``recipients``: of the envelope.  ``data``: of the event, without attachments.
    ``raw``: as it was received, without what was put on top of it."""

    sender: str
    recipients: tuple[str, ...]
    client: Client
    data: dict
    attachments: tuple[Attachment, ...]
    raw: bytes


def take_apart(body: bytes) -> Received:
    """``body``: a message with Return-Path and Delivered-To on top, as ``odoo emboux_inbound``
    hands it over.  What is malformed is read as far as it can be."""
    top, raw = _split(body)
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    texts, attachments, structure = _parts(mail)
    found = _FROM(" ".join(str(mail.get("Received", "")).split()))
    data = {
        "message_id": _plain(mail.get("Message-ID")).strip("<>") or None,
        **{name: _addresses(mail, header) for name, header in (
            ("from", "From"), ("to", "To"), ("cc", "Cc"), ("reply_to", "Reply-To"))},
        "subject": _plain(mail.get("Subject")),
        "date": _date(mail.get("Date")),
        "in_reply_to": _plain(mail.get("In-Reply-To")).strip("<>") or None,
        "references": re.findall(r"<([^<>\s]+)>", _plain(mail.get("References"))),
        "text": texts.get("plain"),
        "html": texts.get("html"),
        "headers": [{"name": name, "value": _plain(value)} for name, value in _headers(mail)],
        "structure": structure,
        "size": len(raw),
    }
    return Received(
        top.get("return-path", [""])[0], tuple(top.get("delivered-to", ())),
        Client(found[2], found[1]) if found else Client(), data, tuple(attachments), raw)


def shown(attachment, content=None, url=None):
    """An attachment in an event: with its content in Base64, or by a link."""
    return {
        "name": attachment.name, "content_type": attachment.content_type,
        "content_id": attachment.content_id or None, "size": len(attachment.content),
        "content": base64.b64encode(content).decode() if content is not None else None,
        "url": url,
    }


def _split(body):
    """({header: [values]} of what was put on top, the message itself)"""
    top, rest = {}, body
    while rest.lower().startswith((b"return-path:", b"delivered-to:")):
        line, _end, rest = rest.partition(b"\r\n")
        name, _colon, value = line.decode("utf-8", "replace").partition(":")
        top.setdefault(name.lower(), []).append(value.strip().strip("<>"))
    return top, rest


def _headers(mail):
    # one that the library cannot parse is left as it came
    for name, value in mail.raw_items():
        try:
            yield name, mail.policy.header_fetch_parse(name, value)
        except (ValueError, TypeError, AttributeError, IndexError, KeyError):
            yield name, value


def _plain(value):
    """Text for JSON, one line, without NUL or halves of characters."""
    text = " ".join(str(value or "").split())
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _addresses(mail, header):
    try:
        found = mail.get(header)
        boxes = found.addresses if found else ()
    except (ValueError, TypeError, AttributeError, IndexError, KeyError):
        return []
    return [{"name": _plain(box.display_name), "address": _plain(box.addr_spec)} for box in boxes]


def _date(value):
    try:
        return parsedate_to_datetime(str(value)).isoformat() if value else None
    except (ValueError, TypeError, IndexError):
        return None


def _parts(mail):
    """({plain, html: the first text of each}, attachments, the structure)"""
    texts, attachments, count = {}, [], 0

    def visit(part):
        nonlocal count
        count += 1
        node = {"content_type": part.get_content_type()}
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            node["parts"] = [visit(inner) for inner in part.iter_parts() if count < _MOST_PARTS]
            return node
        content = _content(part)
        name, subtype = _filename(part), part.get_content_subtype()
        node["size"] = len(content)
        is_text = (part.get_content_maintype() == "text" and subtype in ("plain", "html")
                   and part.get_content_disposition() != "attachment" and not name)
        if is_text and subtype not in texts:
            texts[subtype] = _text(part, content)
        else:
            node["name"] = name or None
            attachments.append(Attachment(
                name or "attachment", part.get_content_type(),
                _plain(part.get("Content-ID")).strip("<>"), content))
        return node

    try:
        structure = visit(mail)
    except RecursionError:  # parts within parts, so many that nobody means them
        structure = {"content_type": mail.get_content_type()}
    return texts, attachments, structure


def _content(part):
    if part.get_content_maintype() == "message":
        return part.get_payload(0).as_bytes() if part.is_multipart() else b""
    return part.get_payload(decode=True) or b""


def _text(part, content):
    try:
        text = content.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):  # no such encoding
        text = content.decode("utf-8", "replace")
    return text.replace("\0", "")[:LONGEST_TEXT]


def _filename(part):
    try:
        return _plain(part.get_filename())[:200]
    except (ValueError, TypeError, AttributeError, IndexError, KeyError):
        return ""
