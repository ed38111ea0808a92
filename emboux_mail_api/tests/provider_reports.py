# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Reports as the providers send them, in the shapes of their documentation."""

import hashlib
import hmac
import itertools
import json
import time

_NUMBERS = itertools.count(1)
SIGNING_KEY = "signing-key-of-the-tests"


def mailgun_event(event="failed", recipient="alice@example.com", sender="bob@unit.example",
                  number="G9Bn5sl1TC6nu79C8C0bwg", at=None, **changed):
    """What Mailgun posts below ``event-data``."""
    at = time.time() if at is None else at
    common = {
        "event": event,
        "id": number,
        "timestamp": at,
        "log-level": "info",
        "recipient": recipient,
        "recipient-domain": recipient.rpartition("@")[2],
        "tags": ["my_tag_1", "my_tag_2"],
        "campaigns": [],
        "user-variables": {"my_var_1": "Mailgun Variable #1", "my-var-2": "awesome"},
        "message": {
            "headers": {
                "to": f"Alice <{recipient}>",
                "message-id": "20130503192659.13651.20287@unit.example",
                "from": f"Bob <{sender}>",
                "subject": "Test webhook",
            },
            "attachments": [],
            "size": 111,
        },
        "flags": {"is-routed": False, "is-authenticated": True, "is-system-test": False,
                  "is-test-mode": False},
    }
    if event == "failed":
        common |= {
            "log-level": "error",
            "severity": "permanent",
            "reason": "bounce",
            "envelope": {"transport": "smtp", "sender": sender, "sending-ip": "209.61.154.250",
                         "targets": recipient},
            "delivery-status": {
                "attempt-no": 1, "code": 550, "enhanced-code": "5.1.1", "tls": True,
                "mx-host": "mx.example.com", "description": "", "utf8": True,
                "message": "5.1.1 The email account that you tried to reach does not exist.",
                "session-seconds": 0.4331989288330078, "retry-seconds": 600,
                "bounce-type": "hard",
            },
            "storage": {"url": "https://storage.example/v3/x", "key": "message_key"},
        }
    elif event == "delivered":
        common |= {
            "envelope": {"transport": "smtp", "sender": sender, "sending-ip": "209.61.154.250",
                         "targets": recipient},
            "delivery-status": {"tls": True, "mx-host": "mx.example.com", "code": 250,
                                "description": "", "message": "OK", "attempt-no": 1},
        }
    elif event == "unsubscribed":
        common |= {"ip": "50.56.129.169", "geolocation": {"country": "US", "region": "CA"},
                   "client-info": {"client-os": "Linux", "device-type": "desktop"}}
    return common | changed


def mailgun_body(data, key=SIGNING_KEY, age=0, **changed):
    """The whole body, signed; ``changed`` afterwards."""
    signed = {
        "timestamp": str(int(time.time()) - age),
        "token": hashlib.sha256(f"{time.time_ns()} {next(_NUMBERS)}".encode()).hexdigest()[:50],
    }
    text = (signed["timestamp"] + signed["token"]).encode()
    signed["signature"] = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    return {"signature": signed | changed, "event-data": data}


def accept_mailgun(events, data):
    """As the controller does it."""
    body = mailgun_body(data)
    signed = body["signature"]
    events._accept_mailgun(
        signed["timestamp"], signed["token"], signed["signature"], json.dumps(body)
    )


def ses_mail(recipients, sender="john@unit.example"):
    return {
        "timestamp": "2026-11-25T09:59:38.000Z",
        "source": sender,
        "sourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/unit.example",
        "sourceIp": "127.0.3.0",
        "callerIdentity": "IAM_user_or_role_name",
        "sendingAccountId": "123456789012",
        "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
        "destination": recipients,
        "headersTruncated": False,
        "headers": [{"name": "From", "value": f'"John Doe" <{sender}>'}],
        "commonHeaders": {"from": [f"John Doe <{sender}>"], "to": recipients,
                          "messageId": "custom-message-ID", "subject": "Hello"},
    }


def ses_bounce(*recipients, kind="Permanent", subtype="General", shape="notificationType",
               number="00000138111222aa-44455566-cccc-cccc-cccc-ddddaaaa068a-000000",
               at="2026-11-25T10:00:00.000Z", sender="john@unit.example"):
    return {
        shape: "Bounce",
        "bounce": {
            "bounceType": kind,
            "bounceSubType": subtype,
            "bouncedRecipients": [
                {"emailAddress": recipient, "status": "5.1.1", "action": "failed",
                 "diagnosticCode": "smtp; 550 5.1.1 <jane@example.com>... User"}
                for recipient in recipients
            ],
            "timestamp": at,
            "remoteMtaIp": "127.0.2.0",
            "reportingMTA": "dns; email.example.com",
            "feedbackId": number,
        },
        "mail": ses_mail(list(recipients), sender),
    }


def ses_complaint(*recipients, feedback="abuse", subtype=None, shape="notificationType",
                  number="000001378603177f-18c07c78-fa81-4a58-9dd1-fedc3cb8f49a-000000",
                  at="2026-11-25T10:00:00.000Z", sender="john@unit.example"):
    return {
        shape: "Complaint",
        "complaint": {
            "userAgent": "AnyCompany Feedback Loop (V0.01)",
            "complainedRecipients": [{"emailAddress": recipient} for recipient in recipients],
            "complaintFeedbackType": feedback,
            "complaintSubType": subtype,
            "arrivalDate": "2026-11-25T09:59:58.000Z",
            "timestamp": at,
            "feedbackId": number,
        },
        "mail": ses_mail(list(recipients), sender),
    }


def ses_delivery(*recipients, shape="notificationType", sender="john@unit.example"):
    return {
        shape: "Delivery",
        "mail": ses_mail(list(recipients), sender),
        "delivery": {
            "timestamp": "2026-11-25T10:00:00.000Z",
            "processingTimeMillis": 546,
            "recipients": list(recipients),
            "smtpResponse": "250 ok:  Message 64111812 accepted",
            "reportingMTA": "a8-70.smtp-out.amazonses.com",
            "remoteMtaIp": "127.0.2.0",
        },
    }


def ses_unsubscription(recipient, everything=True):
    return {
        "eventType": "Subscription",
        "mail": ses_mail([recipient]),
        "subscription": {
            "contactList": "ContactListName",
            "timestamp": "2026-11-25T10:00:00.000Z",
            "source": "UnsubscribeHeader",
            "newTopicPreferences": {
                "unsubscribeAll": everything,
                "topicSubscriptionStatus": [
                    {"topicName": "News", "subscriptionStatus": "OptOut"}],
            },
            "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": []},
        },
    }
