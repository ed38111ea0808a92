# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Signatures as Standard Webhooks say: the headers ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature`` (HMAC with SHA-256)."""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

TOLERANCE = 300  # seconds between the clocks of both sides
_PREFIX = "whsec_"


def new_secret() -> str:
    """32 random bytes, in Base64 with its prefix."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signed(secret: str, number: str, body: bytes, now: float | None = None) -> dict[str, str]:
    """The three headers.  ``number``: the same whenever this message is handed over."""
    moment = str(int(time.time() if now is None else now))
    return {
        "webhook-id": number,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{_signature(secret, number, moment, body)}",
    }


def is_secret(text: str) -> bool:
    """Whether it can sign: the prefix, and Base64 of 24 to 64 bytes (Standard Webhooks)."""
    try:
        return text.startswith(_PREFIX) and 24 <= len(_key_of(text)) <= 64
    except binascii.Error:
        return False


def is_signed(
    secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None
) -> bool:
    """Whether the secret signed this, not long ago."""
    number, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    now = time.time() if now is None else now
    if not (moment.isascii() and moment.isdigit()) or abs(now - int(moment[:12])) > TOLERANCE:
        return False
    given = [
        value for version, _comma, value in
        (part.partition(",") for part in headers.get("webhook-signature", "").split())
        if version == "v1" and value.isascii()
    ]  # fmt: skip
    expected = _signature(secret, number, moment, body)
    return any(hmac.compare_digest(expected, value) for value in given)


def _key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)


def _signature(secret: str, number: str, moment: str, body: bytes) -> str:
    content = f"{number}.{moment}.".encode() + body
    digest = hmac.new(_key_of(secret), content, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
