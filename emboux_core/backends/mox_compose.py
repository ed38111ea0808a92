# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A composed message as the fields of mox's ``Send``, which composes it again.

What that makes of them is in mox's ``webapisrv/server.go`` (v0.0.17): ``multipart/mixed`` around
``related`` around ``alternative``, each where it is needed; files are in Base64, ``In-Reply-To`` is
the last of the ``References``, and a recipient is in the header unless it is a ``BCC``.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import UTC
from email.header import Header
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from typing import Any

from ..addresses import AddressError, normalise_domain
from ..net.errors import Refused

#: Header fields that have a place of their own in the request, or that mox makes itself.
_OWN = {
    "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "references",
    "in-reply-to", "mime-version", "return-path",
}  # fmt: skip
_HEADERS = HeaderRegistry()
_LONGEST = 900  # characters of a header line; RFC 5322, 2.1.1 allows 998 with the name
_FOLD = re.compile(r"[\r\n\t]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class NotCarried(Refused):
    """This message would not arrive as it was composed; another way may carry it."""


def fields_of(message: EmailMessage, recipients: Sequence[str]) -> dict[str, Any]:
    """The fields of ``SendRequest``.

    ``recipients``: who is to get it, whatever its header says: those of whom that says nothing are
    in ``BCC``.
    :raises NotCarried: mox would make another message of it.
    """
    people = {name: _people(message, name) for name in ("From", "To", "Cc", "Reply-To")}
    if len(people["From"]) != 1:
        raise NotCarried("It has no single sender, as mox wants.")
    wanted = {_key(address): address for address in recipients}
    named = {_key(one["Address"]) for name in ("To", "Cc") for one in people[name]}
    if named - wanted.keys():
        raise NotCarried("Its header names recipients who are not to get it.")
    body = _Body()
    body.take(message, "top")
    if not body.text and not body.html:
        raise NotCarried("It has no text.")
    return {
        "From": people["From"], "To": people["To"], "CC": people["Cc"],
        "BCC": [{"Address": wanted[key]} for key in wanted.keys() - named],
        "ReplyTo": people["Reply-To"],
        "MessageID": _line(message, "Message-ID"), "Subject": _line(message, "Subject"),
        "Date": _date(message), "Text": body.text, "HTML": body.html,
        "AlternativeFiles": body.alternatives, "InlineFiles": body.inline,
        "AttachedFiles": body.attached, **_thread(message), "Headers": _others(message),
    }  # fmt: skip


def _key(address: str) -> str:
    """The same for two spellings of an address."""
    local, _at, domain = address.rpartition("@")
    try:
        domain = normalise_domain(domain)
    except AddressError:
        domain = domain.lower()
    return f"{local}@{domain}"


def _people(message: EmailMessage, name: str) -> list[dict[str, str]]:
    if len(message.get_all(name, [])) > 1:
        raise NotCarried(f"It has more than one {name}.")
    if message[name] is None:
        return []
    # anew from its text: Odoo sets lists of strings, which are never parsed
    header = _HEADERS(name, str(message[name]))
    if any(group.display_name is not None for group in header.groups):
        raise NotCarried(f"Its {name} is a group of people.")
    found = [{"Name": one.display_name, "Address": one.addr_spec} for one in header.addresses]
    if not all(re.fullmatch(r"[^@\s]+@[^@\s]+", one["Address"]) for one in found):
        raise NotCarried(f"Its {name} holds something that is no address.")
    return found


def _line(message: EmailMessage, name: str) -> str:
    text = _FOLD.sub(" ", str(message.get(name) or "")).strip()
    if _CONTROL.search(text):
        raise NotCarried(f"Its {name} holds control characters.")
    return text


def _date(message: EmailMessage) -> str | None:
    moment = getattr(message["Date"], "datetime", None)
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _thread(message: EmailMessage) -> dict[str, list[str]]:
    references = _line(message, "References").split()
    answered = _line(message, "In-Reply-To")
    if not answered or references[-1:] == [answered]:
        return {"References": references}
    if not references:
        return {"References": [answered]}
    raise NotCarried("What it answers is not the last of what it refers to.")


def _others(message: EmailMessage) -> list[list[str]]:
    """All other header fields, each as one line of ASCII."""
    found = []
    for name in message:
        if name.lower() in _OWN or name.lower().startswith("content-"):
            continue
        value = _line(message, name)
        if len(message.get_all(name)) > 1:
            raise NotCarried(f"It has more than one {name}.")
        if not value.isascii():
            value = _FOLD.sub("", Header(value, "utf-8").encode(linesep=""))
        if len(value) > _LONGEST:
            raise NotCarried(f"Its {name} is too long for one line.")
        found.append([name, value])
    return found


class _Body:
    """The parts of a message, sorted by what mox does with them."""

    def __init__(self):
        self.text, self.html = "", ""
        self.alternatives: list[dict] = []
        self.inline: list[dict] = []
        self.attached: list[dict] = []

    def take(self, part: EmailMessage, place: str) -> None:
        """``place``: "top", "body" or "alternative"."""
        kind = part.get_content_type()
        if kind == "multipart/mixed" and place == "top":
            self._with_files(part, self.attached)
        elif kind == "multipart/related":
            self._with_files(part, self.inline)
        elif kind == "multipart/alternative" and place != "alternative":
            for each in part.iter_parts():
                self.take(each, "alternative")
        elif part.is_multipart():
            raise NotCarried(f"A part of it is {kind}.")
        elif kind == "text/plain" and not self.text and not part.get_filename():
            self.text = _text(part)
        elif kind == "text/html" and not self.html and not part.get_filename():
            self.html = _text(part)
        elif place == "alternative":
            self.alternatives.append(_file(part))
        else:
            raise NotCarried(f"Its text is {kind}.")

    def _with_files(self, part: EmailMessage, files: list[dict]) -> None:
        first, *others = _parts(part)
        self.take(first, "body")
        for other in others:
            if other.is_multipart():
                # a message in Base64 is none (RFC 2046, 5.2.1)
                raise NotCarried(f"A part of it is {other.get_content_type()}.")
            files.append(_file(other))


def _parts(part: EmailMessage) -> list[EmailMessage]:
    found: Iterable[EmailMessage] = part.iter_parts()
    if not (found := list(found)):
        raise NotCarried("A part of it is empty.")
    return found


def _text(part: EmailMessage) -> str:
    if part.get_payload(decode=True) is None:
        return ""
    try:
        return part.get_content(errors="strict").replace("\r\n", "\n")
    except (LookupError, UnicodeError):
        raise NotCarried("Its text is not in the character set that it names.") from None


def _file(part: EmailMessage) -> dict[str, str]:
    kind = part.get_content_type()
    if kind in ("text/plain", "text/html") and not (
        part.get_filename() or part["Content-ID"]
        or part.get_content_disposition() == "attachment"
    ):
        # to be read in its place, and no file
        raise NotCarried("It has more than one text.")
    options = "".join(
        f'; {name}="{value}"' for name, value in part["Content-Type"].params.items()
        if name not in ("name", "boundary") and '"' not in value and value.isascii()
    ) if part["Content-Type"] else ""  # fmt: skip
    return {
        "Name": part.get_filename() or "", "ContentType": kind + options,
        "ContentID": _line(part, "Content-ID"),
        "Data": base64.b64encode(part.get_payload(decode=True) or b"").decode(),
    }
