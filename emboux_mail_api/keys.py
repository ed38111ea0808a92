# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The secret of an API key: made, recognised and hashed nowhere else. Plain Python.

``emboux_`` + 36 random characters + 6 characters of checksum.  The prefix lets scanners find a
key that leaked into a repository, the checksum tells a typo from a revoked key without a
look-up.  214 random bits need no slow hash: SHA-256 is enough, and can be looked up by index.
"""

import hashlib
import logging
import re
import secrets
import string
import zlib

PREFIX = "emboux_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 36, 6
_FORMAT = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}")
_IN_TEXT = re.compile(rf"{PREFIX}[0-9A-Za-z]{{8,}}")


def generate():
    """A new secret."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{_checksum(body)}"


def is_well_formed(text):
    """Whether this can be a key at all: right length, right checksum."""
    if not _FORMAT.fullmatch(text):
        return False
    body = text.removeprefix(PREFIX)
    return _checksum(body[:_RANDOM]) == body[_RANDOM:]


def digest(secret):
    """What is stored of a secret: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def redact(text):
    """The text without any key that stands in it."""
    return _IN_TEXT.sub(f"{PREFIX}***", text)


class RedactKeys(logging.Filter):
    """The server's access log shows whole URLs, and somebody may put a key into one."""

    def filter(self, record):
        message = record.getMessage()
        if PREFIX in message:
            record.msg, record.args = redact(message), ()
        return True


def _checksum(body):
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
