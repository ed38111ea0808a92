# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Messages of Amazon SNS: their signature, and the certificate that proves it.

What a stranger sends decides about nothing here: a certificate is fetched from a host of the
form ``sns.<region>.amazonaws.com`` (``.com.cn``) alone, by HTTPS with that host's certificate
verified, without following redirections and without a proxy of the environment, within a
deadline and a size, and not often.

Of the certificate that signs, checked are its dates (each time it is used) and that its key is
RSA of 2048 bits or more.  Not checked are its chain, its name and whether it was revoked: Amazon
promises no name, and that it came from this host over a verified connection is the proof.

Not ``aws-sns-message-validator``, which knows SHA-1 alone, nor ``aws-sns-verifier``, which logs
whole messages: both fetch what an address begins to look right for, without deadline or size.

A message is not refused for its age: SNS itself repeats some for weeks.  What an old one says is
known by its number (see ``models/webhook_event.py``), so that a replay changes nothing.
"""

import base64
import binascii
import hashlib
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .fetch import Fetcher, FetchFailed

_HOST = r"sns\.[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(rf"https://{_HOST}/(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+\.pem")
_CONFIRMATION = re.compile(rf"https://{_HOST}/\?[A-Za-z0-9_.~%&=:+-]+")
_TOPIC = re.compile(r"arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]+:[0-9]{1,20}:[A-Za-z0-9_.-]{1,260}")
#: Version to the digest under its RSA signature (PKCS #1 v1.5).  SHA-1 is what version 1 is: to
#: avoid it, set the topic's ``SignatureVersion`` to 2.
_DIGESTS = {"1": hashes.SHA1, "2": hashes.SHA256}  # noqa: S303
#: Type to the fields that are signed, in the order of Amazon's documentation; those that a
#: message does not have (``Subject``) are left out.
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}  # fmt: skip
_OPTIONAL = {"Subject"}
_KEPT = 16  # certificates; a topic has one, and a new one now and then
_FETCHES = 20  # within a minute, so that made-up addresses cost Amazon and us little
_MAX_CERTIFICATE_BYTES = 16 * 1024  # bytes
_MAX_RESPONSE_BYTES = 64 * 1024  # bytes, of a confirmation
_MIN_KEY_BITS = 2048  # bits


class NotSigned(Exception):
    """The message is not Amazon's, or not for us; ``str()`` is for the log."""


class TryLater(Exception):
    """Nothing is known about the message, because Amazon did not answer."""


@dataclass(frozen=True)
class _Certificate:
    parsed: x509.Certificate
    key: rsa.RSAPublicKey


class SnsVerifier:
    """Checks messages; one for a process, because it remembers certificates.

    ``fetcher`` and ``clock`` (an aware datetime) are for tests.
    """

    def __init__(
        self,
        fetcher: Fetcher | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._fetcher = fetcher or Fetcher()
        self._clock = clock
        self._certificates: OrderedDict[str, _Certificate] = OrderedDict()
        self._fetched: deque[float] = deque(maxlen=_FETCHES)
        self._lock = threading.Lock()

    def verify(self, message: Mapping[str, str], topics: frozenset[str]) -> None:
        """Nothing is asked of anybody for a topic that is not one of ``topics``.

        :raises NotSigned: do not believe it; :raises TryLater: let it be sent again.
        """
        if message.get("TopicArn") not in topics:
            raise NotSigned("the topic is not configured")
        digest = _DIGESTS.get(message.get("SignatureVersion", ""))
        if digest is None:
            raise NotSigned("the signature version is neither 1 nor 2")
        text = canonical(message)
        try:
            signature = base64.b64decode(message.get("Signature", ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotSigned("the signature is not Base64") from error
        certificate = self._certificate(message.get("SigningCertURL", ""))
        now = self._clock()
        if not (
            certificate.parsed.not_valid_before_utc <= now <= certificate.parsed.not_valid_after_utc
        ):
            raise NotSigned("the certificate is not valid today")
        try:
            certificate.key.verify(signature, text, padding.PKCS1v15(), digest())
        except InvalidSignature as error:
            raise NotSigned("the signature is not of this message") from error

    def confirm(self, message: Mapping[str, str]) -> None:
        """Subscribe, as a verified ``SubscriptionConfirmation`` asks for.

        :raises NotSigned: the address is not SNS's; :raises TryLater: it did not answer.
        """
        url = message.get("SubscribeURL", "")
        if not is_confirmation_url(url, message.get("TopicArn", "")):
            raise NotSigned("the address to confirm is not one of SNS")
        try:
            status, _body = self._fetcher.get(url, _MAX_RESPONSE_BYTES)
        except FetchFailed as error:
            raise TryLater(str(error)) from error
        if status != 200:
            raise TryLater(f"SNS answered the confirmation with {status}")

    def _certificate(self, url: str) -> _Certificate:
        if not is_certificate_url(url):
            raise NotSigned("the certificate's address is not one of SNS")
        with self._lock:
            if found := self._certificates.get(url):
                self._certificates.move_to_end(url)
                return found
            now = time.monotonic()
            if len(self._fetched) == _FETCHES and now - self._fetched[0] < 60:
                raise TryLater("too many certificates were asked for within a minute")
            self._fetched.append(now)
        made = self._fetch(url)
        with self._lock:
            self._certificates[url] = made
            while len(self._certificates) > _KEPT:
                self._certificates.popitem(last=False)
        return made

    def _fetch(self, url: str) -> _Certificate:
        try:
            status, body = self._fetcher.get(url, _MAX_CERTIFICATE_BYTES)
        except FetchFailed as error:
            raise TryLater(str(error)) from error
        if status >= 500 or status == 429:
            raise TryLater(f"SNS answered with {status}")
        if status != 200:
            raise NotSigned(f"there is no certificate at that address ({status})")
        try:
            parsed = x509.load_pem_x509_certificate(body)
            key = parsed.public_key()
        except Exception as error:  # noqa: BLE001 - whatever cryptography finds wrong with it
            raise NotSigned("what is at that address is no certificate") from error
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _MIN_KEY_BITS:
            raise NotSigned("the certificate has no RSA key of 2048 bits or more")
        return _Certificate(parsed, key)


def canonical(message: Mapping[str, str]) -> bytes:
    """The text that is signed: a line with the name and a line with the value for each field.

    :raises NotSigned: an unknown type, or a field is missing.
    """
    names = _SIGNED.get(message.get("Type", ""))
    if names is None:
        raise NotSigned("the type is none of SNS")
    lines = []
    for name in names:
        value = message.get(name)
        if value is None:
            if name in _OPTIONAL:
                continue
            raise NotSigned(f"{name} is missing")
        lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode(errors="surrogatepass")


def is_topic(text: str) -> bool:
    """Whether this is the ARN of a topic."""
    return bool(_TOPIC.fullmatch(text))


def is_certificate_url(url: str) -> bool:
    """Whether a certificate may be fetched from there.

    The whole address is matched as it is written, so that there is nothing in it that two
    programs could read differently: no user, no port, no query, no dot at the end, no capitals.
    """
    return bool(_CERTIFICATE.fullmatch(url))


def is_confirmation_url(url: str, topic: str) -> bool:
    """Whether visiting it does nothing but confirm a subscription to this topic."""
    if not _CONFIRMATION.fullmatch(url):
        return False
    asked = parse_qs(urlsplit(url).query)
    return asked.get("Action") == ["ConfirmSubscription"] and asked.get("TopicArn") == [topic]


def fingerprint(message: Mapping[str, str]) -> str:
    """A name for a message in the log, without what it says."""
    return hashlib.sha256(message.get("MessageId", "").encode()).hexdigest()[:12]
