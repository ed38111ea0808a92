# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Providers' reports: stored once, judged once, whatever comes however often in what order."""

import json
from datetime import timedelta

from odoo.tests import tagged

from odoo.addons.emboux_core.addresses import normalise_reported
from odoo.addons.emboux_core.tests.test_addresses import REPORTED

from ..models.webhook_event import SignatureRefused
from ..models.webhook_token import AGE
from .provider_reports import (
    accept_mailgun,
    mailgun_body,
    mailgun_event,
    ses_bounce,
    ses_complaint,
    ses_delivery,
    ses_unsubscription,
)
from .reputation_case import ReputationCase
from .sns_signer import confirmation, notification

ALICE = "alice@example.com"


@tagged("post_install", "-at_install")
class TestStored(ReputationCase):
    def test_a_bounce_of_mailgun(self):
        self.mailgun()
        [event] = self.stored()
        self.assertEqual(
            (event.provider, event.kind, event.permanent, event.counts, event.state),
            ("mailgun", "bounce", True, True, "judged"))
        self.assertEqual((event.recipient, event.domain_id), (ALICE, self.domain))
        self.assertEqual(event.happened_at, self.now)
        self.assertIn("5.1.1", event.reason)
        self.assertEqual(self.payloads()[0]["event-data"]["id"], "G9Bn5sl1TC6nu79C8C0bwg")
        self.assertEqual(self.suppressed(), [("Acme", "bounce")])
        entry = self.list.search([("email", "=", ALICE)])
        self.assertEqual((entry.source, entry.detail), ("Mailgun", event.reason))
        self.assertEqual(entry.company_id, self.domain.company_id)

    def test_a_bounce_of_ses_for_two(self):
        self.ses(ses_bounce("Jane+news@Example.com", "bob@Bücher.example"))
        jane, bob = self.stored().sorted("recipient", reverse=True)
        self.assertEqual((jane.recipient, bob.recipient),
                         ("jane+news@example.com", "bob@xn--bcher-kva.example"))
        self.assertTrue(jane.counts and bob.counts)
        self.assertEqual(len(self.payloads()), 1, "the message is kept once")
        self.assertEqual(self.suppressed("jane+news@example.com"), [("Acme", "bounce")])
        self.assertEqual(self.suppressed("bob@xn--bcher-kva.example"), [("Acme", "bounce")])

    def test_what_suppresses_and_what_counts(self):
        for number, (report, suppresses, counts) in enumerate((
            (ses_bounce(ALICE, kind="Transient", number="1"), False, False),
            (ses_bounce(ALICE, kind="Undetermined", number="2"), False, False),
            (ses_bounce(ALICE, subtype="OnAccountSuppressionList", number="3"), "bounce", False),
            (ses_bounce(ALICE, number="4"), "bounce", True),
            (ses_complaint(ALICE), "complaint", True),
            (ses_unsubscription(ALICE), "unsubscribe", False),
            (ses_delivery(ALICE), False, False),
        )):
            with self.subTest(number):
                self.ses(report, f"m{number}")
                newest = max(self.stored(), key=lambda event: event.id)
                self.assertEqual(newest.counts, counts)
                expected = [("Acme", suppresses)] if suppresses else []
                self.assertEqual(self.suppressed(), expected)
                self.list.search([]).unlink()

    def test_order_does_not_matter_for_the_result(self):
        reports = (ses_bounce(ALICE), ses_complaint(ALICE), ses_bounce(ALICE, kind="Transient",
                                                                       number="t"),
                   ses_unsubscription(ALICE))
        for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 1, 0)):
            for number in order:
                self.ses(reports[number])
            self.assertEqual(self.suppressed(), [("Acme", "complaint")], order)
            self.assertEqual(len(self.stored()), 4)
            self.stored().unlink()
            self.list.search([]).unlink()

    def test_the_domain_is_found(self):
        for sender, found in (
            ("bob@unit.example", self.domain), ("x@bounces.unit.example", self.domain),
            ("x@UNIT.example", self.domain), ("x@notunit.example", None), ("x@example", None),
            ("", None), ("x@[127.0.0.1]", None),
        ):
            self.mailgun(number=f"n {sender}", sender=sender, domain={"name": ""},
                         message={}, recipient="w@who.example")
            newest = max(self.stored(), key=lambda event: event.id)
            self.assertEqual(newest.domain_id, found or self.env["emboux.domain"], sender)
            self.assertEqual(newest.state, "judged" if found else "unmatched", sender)
        self.assertEqual(self.suppressed("w@who.example"), [("Acme", "bounce")])

    def test_the_nearest_domain_and_not_a_remote_one(self):
        sub = self.make_domain("shop.unit.example", state="verified")
        self.mailgun(sender="x@mail.shop.unit.example")
        self.assertEqual(self.stored().domain_id, sub)

    def test_a_report_on_a_domain_without_owner_applies_to_everybody(self):
        self.mailgun(sender="x@operator.example")
        self.assertEqual(self.suppressed(), [("", "bounce")])

    def test_a_setting_makes_it_apply_to_everybody(self):
        self.set_parameter("suppression_scope", "everybody")
        self.mailgun()
        self.assertEqual(self.suppressed(), [("", "bounce")])

    def test_a_clock_that_is_ahead(self):
        self.mailgun(at=self.now.timestamp() + 86400 * 365)
        self.assertEqual(self.stored().happened_at, self.now)

    def test_strange_recipients(self):
        for number, recipient in enumerate((
            "postmaster", "@a.example", "a@", "nul\0@a.example", "half\ud800@a.example",
            "x" * 5000 + "@a.example",
        )):
            self.mailgun(number=str(number), recipient=recipient)
        events = self.stored()
        self.assertEqual(len(events), 6)
        self.assertEqual(set(events.mapped("state")), {"noted"})
        self.assertTrue(all(len(event.recipient) <= 500 for event in events))
        self.assertFalse(self.list.search([("source", "=", "Mailgun")]))

    def test_whatever_was_sent_to_is_suppressed(self):
        """Each spelling of it: there is one entry, by the one spelling of the list."""
        written = {expected: typed for typed, expected in REPORTED}
        for number, (expected, typed) in enumerate(written.items()):
            with self.subTest(typed):
                if number % 2:
                    self.mailgun(number=str(number), recipient=typed)
                else:
                    self.ses(ses_complaint(typed, number=str(number)), str(number))
                [event] = self.stored(recipient=expected)
                self.assertEqual(event.state, "judged")
                self.assertEqual([who for who, _why in self.suppressed(expected)], ["Acme"])
        for typed, expected in REPORTED:
            self.assertEqual(self.list._find(normalise_reported(typed)).email, expected)

    def test_two_spellings_of_one_bounce_count_once(self):
        for number, (typed, expected) in enumerate(REPORTED):
            if expected == "u1@x.example":
                self.ses(ses_bounce(typed, "U1@X.example"), f"m{number}")
        [event] = self.stored()
        self.assertEqual(event.recipient, "u1@x.example")

    def test_a_recipient_without_address_does_not_lose_the_others(self):
        bounce = ses_bounce("", "bob@far.example", "postmaster")
        bounce["bounce"]["bouncedRecipients"] += [7, {"emailAddress": None}]
        self.ses(bounce)
        self.assertEqual(self.suppressed("bob@far.example"), [("Acme", "bounce")])
        self.assertEqual(self.stored(state="noted").recipient, "postmaster")

    def test_an_odd_recipient_is_suppressed_beside_odoos_blacklist(self):
        """Odoo takes it for no address; that costs the list nothing."""
        self.set_parameter("suppression_blacklist", "True")
        for number, recipient in enumerate(("josé2@far.example", '"a b"@far.example', "a@b@c")):
            self.mailgun(number=str(number), sender="x@operator.example", recipient=recipient)
            self.assertEqual(self.suppressed(normalise_reported(recipient)), [("", "bounce")])

    def test_what_is_not_understood_is_kept_once(self):
        for _ in range(2):
            self.ses("no JSON")
            self.ses({"notificationType": "Bounce"}, "m2")
        self.assertEqual(self.stored().mapped("state"), ["unreadable"] * 2)
        self.mailgun(id=None)
        self.assertEqual(len(self.stored(state="unreadable")), 3)

    def test_irrelevant_reports_leave_nothing(self):
        self.ses({"eventType": "Open", "mail": {}})
        self.mailgun("opened")
        self.events._accept_sns(confirmation())
        self.events._accept_sns(confirmation("UnsubscribeConfirmation"))
        self.assertFalse(self.stored())

    def test_text_that_postgresql_cannot_hold(self):
        self.ses(ses_bounce(ALICE, number="feed\0back", subtype="\0\ud800"))
        [event] = self.stored()
        self.assertTrue(event.reason.startswith("Permanent 5.1.1"))
        self.assertEqual(json.loads(json.loads(event.payload)["Message"])["bounce"]["feedbackId"],
                         "feed\0back")


@tagged("post_install", "-at_install")
class TestOnce(ReputationCase):
    def test_ten_thousand_duplicates_change_one_counter_once(self):
        """2,000 deliveries of one bounce by Mailgun, and 160 of one of fifty recipients by SES."""
        self.sent(100_000)
        bounce = mailgun_event(at=self.now.timestamp())
        said = ses_bounce(*(f"r{number}@far.example" for number in range(50)),
                          at=f"{self.now.isoformat()}Z")
        said["mail"]["timestamp"] = said["bounce"]["timestamp"]
        for number in range(2000):
            accept_mailgun(self.events, bounce)
            if number % 13 == 0 or number > 1993:
                said = dict(reversed(said.items()))  # another text each time, the same events
                self.ses(said, f"message {number}")
        self.assertEqual(self.domain.outbound_bounces, 1 + 50)
        self.assertEqual(len(self.stored()), 1 + 50)
        self.assertEqual(self.list.search_count([("partner_id", "=", self.acme.id)]), 1 + 50)
        self.assertEqual(self.domain.outbound_status, "open")
        [[tokens]] = self.rows("SELECT count(*) FROM emboux_webhook_token")
        self.assertEqual(tokens, 2000)

    def test_a_duplicate_suppresses_nobody_anew(self):
        """An operator who lets somebody get mail again is not overruled by a repetition."""
        self.mailgun()
        self.list.search([("email", "=", ALICE)]).unlink()
        self.mailgun()
        self.assertEqual(self.suppressed(), [])

    def test_both_shapes_and_other_messages_are_one_event(self):
        self.ses(ses_bounce("Jane@example.com", "JANE@example.com"))
        self.ses(ses_bounce("jane@example.com", shape="eventType"), "m2")
        self.assertEqual(len(self.stored()), 1)

    def test_new_recipients_of_a_known_bounce(self):
        self.ses(ses_bounce("a@x.example"))
        self.ses(ses_bounce("a@x.example", "b@x.example"), "m2")
        self.assertEqual(sorted(self.stored().mapped("recipient")), ["a@x.example", "b@x.example"])
        self.assertEqual(len(self.payloads()), 2)

    def test_mailguns_ids_are_of_their_day(self):
        self.mailgun()
        self.mailgun(at=self.now.timestamp() - 86400)
        self.assertEqual(len(self.stored()), 2)


@tagged("post_install", "-at_install")
class TestMailgunSignature(ReputationCase):
    def accept(self, body):
        signed = body["signature"]
        self.events._accept_mailgun(
            signed["timestamp"], signed["token"], signed["signature"], json.dumps(body))

    def refused(self, body):
        with self.assertRaises(SignatureRefused):
            self.accept(body)

    def test_a_token_is_good_once(self):
        body = mailgun_body(mailgun_event())
        self.accept(body)
        self.refused(body)
        self.refused(body | {"event-data": mailgun_event(number="another")})
        self.accept(mailgun_body(mailgun_event()))
        self.assertEqual(len(self.stored()), 1)

    def test_what_is_not_signed(self):
        data = mailgun_event()
        for body in (
            mailgun_body(data, key="another"), mailgun_body(data, key=""),
            mailgun_body(data, signature="0" * 64), mailgun_body(data, token="another"),
            mailgun_body(data, timestamp="1"), mailgun_body(data, age=AGE + 5),
            mailgun_body(data, age=-AGE - 5),
        ):
            self.refused(body)
        self.assertFalse(self.stored())
        [[tokens]] = self.rows("SELECT count(*) FROM emboux_webhook_token")
        self.assertEqual(tokens, 0)
        for age in (AGE - 5, 5 - AGE):
            self.accept(mailgun_body(data, age=age))

    def test_without_a_key_no_report_is_accepted(self):
        self.set_parameter("mailgun_signing_key", False)
        self.refused(mailgun_body(mailgun_event(), key=""))

    def test_tokens_are_kept_as_long_as_they_could_be_used(self):
        body = mailgun_body(mailgun_event(), age=-AGE + 5)
        self.accept(body)
        self.env(user=1)["emboux.webhook.token"]._gc()
        self.refused(body)
        self.later(seconds=4 * AGE + 60)
        self.assertEqual(self.env(user=1)["emboux.webhook.token"]._gc(), (1, 0))


@tagged("post_install", "-at_install")
class TestForgotten(ReputationCase):
    def test_payloads_go_and_what_they_said_stays(self):
        self.mailgun()
        self.mailgun("delivered", number="d")
        self.ses("no JSON")
        self.later(days=29)
        self.events._gc_payloads()
        self.assertEqual(len(self.stored().filtered("payload")), 3)
        self.later(days=2)
        done, remaining = self.events._gc_payloads()
        self.assertEqual((done, remaining), (3, 0))
        [event] = self.stored()
        self.assertEqual((event.kind, event.payload), ("bounce", False))
        self.now -= timedelta(days=31)
        self.mailgun()
        self.assertEqual(len(self.stored()), 1, "an old message is still known")

    def test_the_days_are_a_setting(self):
        self.set_parameter("event_payload_days", "2")
        self.mailgun()
        self.later(days=3)
        self.events._gc_payloads()
        self.assertFalse(self.payloads())


@tagged("post_install", "-at_install")
class TestTurn(ReputationCase):
    def test_reports_about_one_domain_wait_for_each_other(self):
        read = self.events._read_ses
        ours = read(notification(ses_bounce(ALICE)))
        below = read(notification(ses_bounce(ALICE, sender="x@bounce.unit.example")))
        self.assertEqual(self.events._lock_name(ours), f"reports about domain {self.domain.id}")
        self.assertEqual(self.events._lock_name(below), self.events._lock_name(ours))
        for found in (None, (), read(notification(ses_bounce(ALICE, sender="x@far.example")))):
            self.assertIsNone(self.events._lock_name(found))
