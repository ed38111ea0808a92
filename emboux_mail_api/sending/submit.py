# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Composed mail into Postfix' queue, over its submission port (RFC 6409, 8314)."""

import re
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

PIECE = 256 * 1024  # bytes that are sent at once
TIMEOUT = 30.0  # seconds, for each answer
_QUEUED = re.compile(rb"queued as ([0-9A-Za-z]{6,30})")
_DSN = re.compile(r"([245]\.\d{1,3}\.\d{1,3}) (.*)", re.DOTALL)


class Unreachable(Exception):
    """The mail server takes nothing just now; ``str()`` is what it said, or what went wrong.

    ``unsure``: whether it may have taken it all the same.
    """

    def __init__(self, sentence: str, unsure: bool = False):
        super().__init__(sentence)
        self.unsure = unsure


@dataclass(frozen=True)
class Server:
    host: str
    port: int  # TLS from the start


@dataclass(frozen=True)
class Outcome:
    """Of one envelope.  ``queue_id``: empty where it was refused; ``code``: of SMTP."""

    queue_id: str
    code: int
    dsn: str
    text: str


class Submission:
    """A session that has logged in; a context manager.

    :raises Unreachable: no session comes about.
    """

    def __init__(self, server: Server, login: str, password: str, timeout: float = TIMEOUT):
        self._server, self._login, self._password = server, login, password
        self._timeout = timeout

    def __enter__(self):
        try:
            self._smtp = smtplib.SMTP_SSL(
                self._server.host, self._server.port, timeout=self._timeout,
                context=ssl.create_default_context())
            self._smtp.login(self._login, self._password)
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(_said(error)) from None
        return self

    def __exit__(self, *_error):
        try:
            self._smtp.quit()
        except (smtplib.SMTPException, OSError):
            self._smtp.close()

    def send(self, sender: str, recipient: str, raw: bytes) -> Outcome:
        """:raises Unreachable: the session is over."""
        handed = False
        try:
            for step in (lambda: self._smtp.mail(sender, [f"SIZE={len(raw)}"]),
                         lambda: self._smtp.rcpt(recipient)):
                code, text = step()
                if code // 100 != 2:
                    self._smtp.rset()
                    return _outcome(code, text)
            handed = True
            code, text = self._smtp.docmd("DATA")
            if code != 354:
                raise smtplib.SMTPDataError(code, text)
            for piece in stuffed(raw):
                self._smtp.send(piece)
            code, text = self._smtp.getreply()
        except smtplib.SMTPDataError as error:
            self._smtp.rset()
            return _outcome(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(_said(error), unsure=handed) from None
        return _outcome(code, text)


def stuffed(raw: bytes) -> Iterator[bytes]:
    """The message as it follows DATA (RFC 5321, 4.5.2), with its end, in pieces: smtplib would make
    two copies of it.  ``raw``: lines that end in CRLF."""
    at, begins = 0, True  # whether a line begins here
    while at < len(raw):
        piece = raw[at:at + PIECE]
        at += len(piece)
        if piece.endswith(b"\n") or at >= len(raw):
            rest = b""
        else:  # a dot that follows is in the same piece as the line end before it
            cut = piece.rfind(b"\n") + 1
            rest, piece = (piece[cut:], piece[:cut]) if cut else (b"", piece)
            at -= len(rest)
        dot = b"." if begins and piece.startswith(b".") else b""
        begins = piece.endswith(b"\n")
        yield dot + piece.replace(b"\n.", b"\n..")
    yield b".\r\n" if begins else b"\r\n.\r\n"


def _outcome(code: int, text: bytes) -> Outcome:
    queued = _QUEUED.search(text) if code // 100 == 2 else None
    said = " ".join(text.decode("utf-8", "replace").split())
    found = _DSN.match(said)
    dsn, said = found.groups() if found else ("", said)
    return Outcome(queued[1].decode() if queued else "", code, dsn, said)


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode(errors="replace") if isinstance(text, bytes) else text
        return f"{error.smtp_code} {said}"
    return str(error) or type(error).__name__
