# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""SNS for tests: keys and certificates of its own, and messages signed with them.

The text that is signed is built here from Amazon's documentation, apart from the code under
test, so that a mistake there is not made here too.
"""

import base64
import datetime
import json
import socket
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from odoo.addons.emboux_core.tests.http_server import ScriptedServer

HOST = "sns.eu-west-1.amazonaws.com"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE_URL = f"https://{HOST}/SimpleNotificationService-0123456789abcdef.pem"
TOKEN = "2336412f37fb687f5d51e6e2425c464de02e0ddc"
CONFIRM_URL = (
    f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"
)
_DIGESTS = {"1": hashes.SHA1, "2": hashes.SHA256}  # noqa: S303 - version 1 is SHA-1


@cache
def rsa_key(name="signer", bits=2048):
    """One key for each name; making one takes a while."""
    return rsa.generate_private_key(65537, bits)


def certificate(key=None, days=(-1, 1), host="sns.amazonaws.com"):
    """A certificate of this key as PEM, valid from and until so many days from now."""
    key = key or rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(serialization.Encoding.PEM)


def sign(message, key=None, version="2"):
    """The message with its signature, as SNS posts it."""
    message = message | {"SignatureVersion": version}
    if message["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    signature = (key or rsa_key()).sign(text.encode(), padding.PKCS1v15(), _DIGESTS[version]())
    return message | {"Signature": base64.b64encode(signature).decode()}


def notification(said, number="22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", **changed):
    """A message that carries this notification of SES's, not signed yet."""
    return {
        "Type": "Notification",
        "MessageId": number,
        "TopicArn": TOPIC,
        "Message": said if isinstance(said, str) else json.dumps(said),
        "Timestamp": "2026-11-25T10:00:01.123Z",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": f"https://{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:c9135db0",
    } | changed


def confirmation(kind="SubscriptionConfirmation", **changed):
    return {
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": TOKEN,
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic ...\nTo confirm, visit the URL.",
        "SubscribeURL": CONFIRM_URL,
        "Timestamp": "2026-11-25T10:00:00.000Z",
        "SigningCertURL": CERTIFICATE_URL,
    } | changed


def tls_server(folder, host=HOST):
    """A server that is ``host`` to whoever trusts the file that is returned beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem, key_file = f"{folder}/{host}.pem", f"{folder}/{host}.key"
    with open(pem, "wb") as file:
        file.write(certificate(key, host=host))
    with open(key_file, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )  # fmt: skip
    return ScriptedServer((pem, key_file)).start(), pem


def resolve_to(server, asked):
    """A ``getaddrinfo`` for which every name is this server; notes the names in ``asked``."""
    original = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **options):
        if host == "127.0.0.1":  # the test itself asks the Odoo under test
            return original(host, port, *args, **options)
        asked.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    return getaddrinfo
