# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the providers' reports say, in the shapes of their documentation.  No Odoo, no network."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..events import mailgun, ses
from ..events.base import Unreadable, domain_of, identity, words
from ..events.rates import Excess, Rates, excess
from .provider_reports import (
    mailgun_event,
    ses_bounce,
    ses_complaint,
    ses_delivery,
    ses_mail,
    ses_unsubscription,
)

AT = 1521233195.375624
DAY = datetime(2018, 3, 16, 20, 46, 35, 375624, UTC)


class TestMailgun(PlainTest):
    def parse(self, *args, **changed):
        return mailgun.parse(mailgun_event(*args, at=AT, **changed))

    def test_a_bounce_for_good(self):
        event = self.parse()
        self.assertEqual(
            (event.provider, event.kind, event.permanent, event.fresh), ("mailgun", "bounce", True,
                                                                         True))
        self.assertEqual((event.recipient, event.domain), ("alice@example.com", "unit.example"))
        self.assertEqual(event.at, DAY)
        self.assertEqual(
            event.reason,
            "bounce 550 5.1.1 The email account that you tried to reach does not exist.")
        self.assertIsNone(event.sent_at)

    def test_an_id_is_unique_within_its_day_only(self):
        first, again = self.parse(), self.parse()
        self.assertEqual(first.provider_id, again.provider_id)
        tomorrow = mailgun.parse(mailgun_event(at=AT + 86400))
        self.assertNotEqual(first.provider_id, tomorrow.provider_id)

    def test_kinds(self):
        for event, changed, expected in (
            ("failed", {"severity": "temporary", "reason": "generic"}, ("bounce", False, True)),
            ("failed", {"severity": "permanent", "reason": "old"}, ("bounce", False, True)),
            ("failed", {"reason": "suppress-bounce"}, ("bounce", True, False)),
            ("failed", {"reason": "suppress-complaint"}, ("complaint", True, False)),
            ("failed", {"reason": "suppress-unsubscribe"}, ("unsubscribe", True, False)),
            ("complained", {}, ("complaint", True, True)),
            ("unsubscribed", {}, ("unsubscribe", True, True)),
            ("delivered", {}, ("delivery", False, True)),
        ):
            with self.subTest(event=event, **changed):
                found = self.parse(event, **changed)
                self.assertEqual((found.kind, found.permanent, found.fresh), expected)
        for event in ("opened", "clicked", "accepted", "stored", "something new"):
            self.assertIsNone(self.parse(event))

    def test_who_sent_it(self):
        """What a customer can write into a message does not make it another customer's."""
        spoof = {"headers": {"from": "Bob <bob@victim.example>"}}
        for event, changed, expected in (
            ("failed", {"message": spoof}, "unit.example"),
            ("complained", {}, "unit.example"),
            ("complained", {"domain": {"name": "unit.example"}}, "unit.example"),
            ("complained", {"domain": {"name": "example"}}, "unit.example"),
            ("complained", {"domain": {"name": "unit.example"}, "message": spoof}, "unit.example"),
            ("complained", {"domain": {"name": "im.example"},
                            "message": {"headers": {"from": "x@victim.example"}}}, "im.example"),
            ("complained", {"message": {}}, ""),
            ("complained", {"message": "strange"}, ""),
        ):
            with self.subTest(event=event, **changed):
                self.assertEqual(self.parse(event, **changed).domain, expected)

    def test_what_cannot_be_understood(self):
        for changed in (
            {"id": None}, {"id": 7}, {"recipient": ""}, {"recipient": ["a@b.example"]},
            {"timestamp": None}, {"timestamp": "1521233195"}, {"timestamp": True},
            {"timestamp": 1e300}, {"timestamp": float("nan")},
        ):
            with self.subTest(**changed), self.assertRaises(Unreadable):
                mailgun.parse(mailgun_event() | changed)
        for data in ({}, {"event": None}, {"event": ["failed"]}):
            self.assertIsNone(mailgun.parse(data))
        for strange in ("text", 7, None, ["list"]):
            self.assertEqual(self.parse(**{"delivery-status": strange}).reason, "bounce")


class TestSes(PlainTest):
    def parse(self, said):
        return ses.parse(json.dumps(said))

    def test_a_bounce_of_two_recipients(self):
        for shape in ("notificationType", "eventType"):
            jane, richard = self.parse(
                ses_bounce("jane@example.com", "richard@example.com", shape=shape))
            self.assertEqual((jane.provider, jane.kind, jane.permanent, jane.fresh),
                             ("ses", "bounce", True, True))
            self.assertEqual((jane.recipient, richard.recipient),
                             ("jane@example.com", "richard@example.com"))
            self.assertEqual(jane.domain, "unit.example")
            self.assertEqual(jane.at, datetime(2026, 11, 25, 10, tzinfo=UTC))
            self.assertEqual(jane.sent_at, datetime(2026, 11, 25, 9, 59, 38, tzinfo=UTC))
            self.assertIn("Permanent General 5.1.1 smtp; 550", jane.reason)
            self.assertNotEqual(jane.provider_id, richard.provider_id)

    def test_both_ways_of_reporting_are_one_event(self):
        ids = {self.parse(ses_bounce("Jane@Example.com", shape=shape))[0].provider_id
               for shape in ("notificationType", "eventType")}
        self.assertEqual(len(ids), 1)

    def test_kinds(self):
        jane = "jane@example.com"
        for said, expected in (
            (ses_bounce(jane, kind="Transient", subtype="MailboxFull"), ("bounce", False, True)),
            (ses_bounce(jane, kind="Undetermined", subtype="Undetermined"),
             ("bounce", False, True)),
            (ses_bounce(jane, subtype="Suppressed"), ("bounce", True, True)),
            (ses_bounce(jane, subtype="OnAccountSuppressionList"), ("bounce", True, False)),
            (ses_bounce(jane, subtype="UnsubscribedRecipient"), ("unsubscribe", True, False)),
            (ses_complaint(jane), ("complaint", True, True)),
            (ses_complaint(jane, feedback=None), ("complaint", True, True)),
            (ses_complaint(jane, subtype="OnAccountSuppressionList"), ("complaint", True, False)),
            (ses_delivery(jane), ("delivery", False, True)),
            (ses_unsubscription(jane), ("unsubscribe", True, True)),
        ):
            with self.subTest(json.dumps(said)[:200]):
                [event] = self.parse(said)
                self.assertEqual((event.kind, event.permanent, event.fresh), expected)
        self.assertEqual(self.parse(ses_complaint(jane, feedback="fraud"))[0].reason, "fraud")

    def test_irrelevant_events(self):
        for said in (
            ses_complaint("jane@example.com", feedback="not-spam"),
            ses_unsubscription("jane@example.com", everything=False),
            {"eventType": "Open", "mail": ses_mail(["jane@example.com"])},
            {"eventType": "DeliveryDelay", "mail": ses_mail(["jane@example.com"])},
            {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "..."},
        ):
            self.assertEqual(self.parse(said), ())

    def test_who_sent_it(self):
        bounce = ses_bounce("jane@example.com", sender="Who@Sub.Unit.Example")
        self.assertEqual(self.parse(bounce)[0].domain, "sub.unit.example")
        del bounce["mail"]["source"]
        self.assertEqual(self.parse(bounce)[0].domain, "unit.example")
        bounce["mail"]["sourceArn"] = "arn:aws:ses:eu-west-1:1:identity/ann@mail.example"
        self.assertEqual(self.parse(bounce)[0].domain, "mail.example")
        del bounce["mail"]["sourceArn"]
        self.assertEqual(self.parse(bounce)[0].domain, "")

    def test_what_cannot_be_understood(self):
        bounce = ses_bounce("jane@example.com")
        for said in (
            {}, [], "text", 7, None,
            {"notificationType": "Bounce"},
            bounce | {"bounce": None},
            bounce | {"bounce": bounce["bounce"] | {"bouncedRecipients": "jane@example.com"}},
            bounce | {"bounce": bounce["bounce"] | {"bouncedRecipients": ["jane@example.com"]}},
            bounce | {"bounce": bounce["bounce"] | {"bouncedRecipients": [{"x": 1}]}},
            bounce | {"mail": None},
            bounce | {"mail": bounce["mail"] | {"messageId": None}},
            bounce | {"mail": {"messageId": "x"},
                      "bounce": bounce["bounce"] | {"timestamp": "yesterday"}},
            ses_delivery("jane@example.com") | {"delivery": {"recipients": None}},
            ses_delivery("jane@example.com") | {"delivery": {"recipients": [7]}},
            ses_unsubscription("x@y.example") | {"mail": {"destination": "x@y.example"}},
        ):
            with self.subTest(json.dumps(said)[:200]), self.assertRaises(Unreadable):
                self.parse(said)
        for text in ("", "{", "[" * 100_000):
            with self.assertRaises(Unreadable):
                ses.parse(text)


class TestWords(PlainTest):
    def test_an_identity_fits_an_index(self):
        self.assertEqual(identity("a", "b"), "a/b")
        for long in ("x" * 3000, "nul\0", "surrogate\ud800", "line\nbreak"):
            name = identity(long, "b")
            self.assertTrue(name.startswith("sha256/") and len(name) < 100 and name.isprintable())
            self.assertEqual(name, identity(long, "b"))
            self.assertNotEqual(name, identity(long, "c"))

    def test_a_reason_is_one_line(self):
        self.assertEqual(
            words("a\r\nb", None, "", 0, 550, {"x": 1}, "c\0d\ud800e"), "a b 550 c d e")
        self.assertEqual(len(words("x" * 9999)), 500)

    def test_the_domain_of_an_address(self):
        for text, expected in (
            ("Bob <bob@A.Example>", "a.example"), ("bob@a.example.", "a.example"), ("", ""),
            ("nobody", ""), (None, ""), (7, ""), ("<>", ""),
        ):
            self.assertEqual(domain_of(text), expected, text)


class TestRates(PlainTest):
    def judge(self, sent, bounces=0, complaints=0, least_sent=200, least_events=3):
        rates = Rates(datetime(2026, 11, 18, tzinfo=UTC), sent, bounces, complaints)
        return excess(rates, Decimal("0.5"), Decimal("0.1"), least_sent, least_events)

    def test_edges(self):
        """A limit that is just reached blocks nobody; the next report does."""
        bounce = Excess("bounce", 5, Decimal("0.5"))
        complaint = Excess("complaint", 3, Decimal("0.1"))
        for sent, bounces, complaints, expected in (
            (1000, 4, 0, None), (1000, 5, 0, None), (999, 5, 0, bounce), (1001, 5, 0, None),
            (3000, 0, 3, None), (2999, 0, 3, complaint), (3001, 0, 3, None),
            (2000, 0, 2, None), (1000, 0, 2, None),
            (900, 5, 3, complaint),
            (10**9, 5 * 10**6, 0, None), (10**9 - 1, 5 * 10**6, 0,
                                          Excess("bounce", 5 * 10**6, Decimal("0.5"))),
        ):
            with self.subTest(sent=sent, bounces=bounces, complaints=complaints):
                self.assertEqual(self.judge(sent, bounces, complaints), expected)

    def test_the_smallest_sample(self):
        self.assertIsNone(self.judge(199, 199, 199))
        self.assertEqual(self.judge(200, 3).count, 3)
        self.assertIsNone(self.judge(200, 2, 2))
        self.assertIsNone(self.judge(0, 5, 5, least_sent=0))
        self.assertEqual(self.judge(1, 1, least_sent=0, least_events=1).count, 1)

    def test_percent(self):
        rates = Rates(datetime(2026, 11, 18, tzinfo=UTC), 300, 1, 0)
        self.assertEqual(f"{rates.percent(1):.2f}", "0.33")
        self.assertEqual(Rates(rates.since, 0, 1, 0).percent(1), 0)
