# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import email

from odoo.tests import TransactionCase, new_test_user, tagged

from ..models.mail_thread import _is_automatic
from .dns_server import PlainTest


@tagged("post_install", "-at_install")
class TestGateway(TransactionCase):
    """What the mail gateway asks for each message is asked once for those that come together."""

    def setUp(self):
        super().setUp()
        self.document = self.env["res.partner"].create({"name": "A document"})
        self.note = self.document.message_post(body="A note").message_id
        self.partners = self.env["res.partner"].with_context(emboux_push=True)
        self.env.flush_all()

    def find(self, *emails):
        return [found.id for found in self.partners._find_or_create_from_emails(
            list(emails), no_create=True)]

    def message(self, number):
        return (f"From: Somebody <s{number}@outside.example>\r\nTo: team@acme.example\r\n"
                f"Subject: {number}\r\nMessage-ID: <{number}@outside.example>\r\n"
                f"In-Reply-To: {self.note}\r\n\r\nAn answer\r\n").encode()

    def test_a_contact_that_is_made_meanwhile_is_found(self):
        self.assertEqual(self.find("New <New@outside.example>"), [False])
        made = self.env["res.partner"].create({"name": "N", "email": "new@outside.example"})
        self.assertEqual(self.find("New <New@outside.example>"), [made.id])
        self.assertEqual(self.find("other@outside.example"), [False])
        made.email = "other@outside.example"
        self.assertEqual(self.find("other@outside.example", "x@y.example"), [made.id, False])

    def test_one_that_only_others_see_is_none_of_theirs_and_not_forgotten(self):
        company = self.env["res.company"].create({"name": "Another"})
        hidden = self.env["res.partner"].create(
            {"name": "H", "email": "hidden@outside.example", "company_id": company.id})
        user = new_test_user(self.env, "gateway-reader")
        asked = self.partners.with_user(user)._find_or_create_from_emails(
            ["hidden@outside.example"], no_create=True)
        self.assertFalse(asked[0])
        self.assertEqual(self.find("hidden@outside.example"), [hidden.id])

    def test_whoever_may_be_created_is(self):
        [made] = self.partners._find_or_create_from_emails(["made@outside.example"])
        self.assertEqual(made.email, "made@outside.example")
        self.assertEqual(self.find("made@outside.example"), [made.id])

    def test_what_is_no_address_is_looked_for_as_ever(self):
        odd = self.env["res.partner"].create({"name": "Odd", "email": "no address"})
        self.assertEqual(self.find("no address"), [odd.id])

    def test_messages_that_come_together_ask_less_of_the_database(self):
        thread = self.env["mail.thread"]
        thread._file_pushed(self.message(0))  # what is loaded once

        def statements(messages, together):
            before = self.env.cr.sql_log_count
            if together:
                thread._look_up_together(messages)
            for raw in messages:
                thread._file_pushed(raw)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        alone = statements([self.message(number) for number in range(1, 6)], False)
        together = statements([self.message(number) for number in range(6, 11)], True)
        # for each who they are from: whether an alias, and whether a contact
        self.assertLessEqual(together, alone - 5 * 3 + 5, (alone, together))
        emails = self.document.message_ids.filtered(lambda m: m.message_type == "email")
        self.assertEqual(len(emails), 11)


class TestAutomatic(PlainTest):
    """Whom the gateway does not answer (RFC 3834, section 2)."""

    def automatic(self, *headers):
        return _is_automatic(email.message_from_string("\n".join([*headers, "", "Hello"])))

    def test_robots_and_lists(self):
        for header in (
            "Auto-Submitted: auto-replied", "Auto-Submitted: AUTO-GENERATED; x=y",
            "Return-Path: <>", "Precedence: Bulk", "Precedence: list", "Precedence: junk",
            "List-Id: <news.example>",
        ):
            with self.subTest(header):
                self.assertTrue(self.automatic("From: a@b.example", header))

    def test_people(self):
        for header in (
            "Auto-Submitted: no", "Auto-Submitted: No", "Return-Path: <a@b.example>",
            "Precedence: first-class", "Subject: Auto-Submitted",
        ):
            with self.subTest(header):
                self.assertFalse(self.automatic("From: a@b.example", header))
