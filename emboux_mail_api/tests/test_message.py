# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The message log in Odoo: in words, who sees it, what others add, how it ends."""

import json
from datetime import date

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from odoo.addons.mail.tools.discuss import Store

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestMessage(PlatformCase):
    def told(self, *events, **values):
        """The sentences of a message with these events."""
        listed = [{"at": f"2026-11-20T10:00:{at:02}+00:00", **event}
                  for at, event in enumerate(events, 1)]
        message = self.logged(events=self.json(listed), **values)
        return [words for _event, words in message._story()]

    def json(self, value):
        return json.dumps(value)

    def logged(self, **values):
        return self.log_message(self.domain, **values)

    def test_each_event_in_words(self):
        server = "mx.far.example[203.0.113.9]:25"
        for event, values, words in (
            ({"kind": "delayed", "relay": server, "text": "host x[1.2.3.4] said: 450 later"}, {},
             "mx.far.example put it off: 450 later"),
            ({"kind": "delayed", "relay": "none", "text": "connection timed out"}, {},
             "It could not be delivered yet: connection timed out"),
            ({"kind": "delivered", "relay": server, "text": "250 ok", "tls": "TLSv1.3 trusted"},
             {}, "mx.far.example took it: 250 ok (TLSv1.3 trusted)"),
            ({"kind": "delivered", "text": "250 Saved"}, {"direction": "in"},
             "It is in the mailbox: 250 Saved"),
            ({"kind": "failed", "relay": server, "text": "550 no"}, {},
             "mx.far.example refused it: 550 no"),
            ({"kind": "filed", "what": "stored", "where": "Lists"}, {},
             "It was stored in the folder Lists."),
            ({"kind": "filed", "what": "failed", "where": "INBOX", "why": "Quota exceeded"}, {},
             "It was not stored in the folder INBOX: Quota exceeded"),
            ({"kind": "expired"}, {}, "It was tried for too long, and returned to the sender."),
            ({"kind": "held", "text": "over the limit"}, {}, "It was put on hold: over the limit"),
            ({"kind": "reported", "what": "non-delivery", "queue_id": "5F1"}, {},
             "The sender was told that it was not delivered (message 5F1)."),
            ({"kind": "bounced", "by": "mx.far.example", "text": "550 gone"}, {},
             "It came back: mx.far.example reports that it was not delivered: 550 gone"),
            ({"kind": "returned", "what": "bounced", "by": "mx.far.example", "text": "550 no"}, {},
             "mx.far.example reports about this message without saying for which of its "
             "recipients: not delivered: 550 no"),
            ({"kind": "something new"}, {}, "something new"),
        ):
            with self.subTest(event["kind"]):
                self.assertEqual(self.told(event, **values)[-1], words)

    def test_how_it_began(self):
        self.assertEqual(self.told(size=1536)[0],
                         "ann@unit.example submitted 1.50 Kb from laptop[192.0.2.7].")
        self.assertEqual(self.told(login="", size=None)[0],
                         "laptop[192.0.2.7] delivered a message to this server.")
        [refused] = self.told({"kind": "rejected", "client": "x[1.2.3.4]", "code": "550",
                               "dsn": "5.1.1", "text": "unknown"}, status="rejected")
        self.assertEqual(refused, "x[1.2.3.4] was told 550 5.1.1: unknown")

    def test_nothing_of_it_is_taken_for_html(self):
        message = self.logged(events=self.json([
            {"at": "2026-11-20T10:00:00+00:00", "kind": "failed", "text": "<script>x</script>"}]))
        self.assertNotIn("<script>", message.timeline)
        self.assertIn("&lt;script&gt;", message.timeline)

    def test_who_sees_it(self):
        message = self.logged()
        mine = new_test_user(self.env, "mine", "emboux_core.group_manager")
        company = self.env["res.company"].sudo().create({"name": "Elsewhere"})
        stranger = new_test_user(self.env, "stranger", "emboux_core.group_manager",
                                 company_id=company.id, company_ids=[(6, 0, company.ids)])
        messages, wanted = self.env["emboux.message"], [("id", "=", message.id)]
        self.assertTrue(messages.with_user(mine).search(wanted))
        self.assertFalse(messages.with_user(stranger).search(wanted))
        with self.assertRaises(AccessError):
            message.with_user(stranger).read(["recipient"])
        user = new_test_user(self.env, "user", "emboux_core.group_user")
        with self.assertRaises(AccessError):
            messages.with_user(user).search(wanted)
        for write in (lambda: message.with_user(mine).write({"status": "delivered"}),
                      lambda: message.with_user(mine).unlink()):
            with self.assertRaises(AccessError):
                write()

    def test_a_part_of_an_address_and_order(self):
        made = [self.logged(recipient=f"part{n}@far.example", at=f"2026-11-20 10:00:0{n % 2}")
                for n in range(4)]
        found = self.env["emboux.message"].search([("recipient", "ilike", "PART")])
        self.assertEqual(found.ids, [made[3].id, made[1].id, made[2].id, made[0].id])

    def test_a_part_by_the_rarest_letters_of_it(self):
        """The index is asked for some of the letters; what has those alone is not found."""
        messages = self.env["emboux.message"]
        self.patch(type(messages), "_sample", lambda *_args: "joe@far77.example\n" * 100)
        typed = "@far1234.ex"
        whole = [self.logged(recipient=f"joe{n}@Far1234.EXAMPLE", at=f"2026-11-20 10:00:0{n % 2}")
                 for n in range(4)]
        for recipient in ("ar1234.joe@far.example", "joe@bar1234.ex", "joe@far12345.ex"):
            self.logged(recipient=recipient)
        messages.search([("recipient", "=", "x")])  # fills caches of who may see what
        statements = []
        for domain in ([("to_address", "ilike", typed)], [("address", "ilike", typed)],
                       [("recipient", "ilike", typed)]):
            count = self.cr.sql_log_count
            self.assertEqual(messages.search(domain).ids,
                             [whole[3].id, whole[1].id, whole[2].id, whole[0].id])
            statements.append(self.cr.sql_log_count - count)
        self.assertEqual(len({*statements}), 1, "as many statements as without")

    def test_a_part_of_an_answer_by_the_rarest_letters_of_it(self):
        found = self.logged(status="failed", answer="550 Mailbox_full: 100% (quota)")
        self.logged(status="failed", answer="550 mailbox-full: 100 % (quota)")
        self.logged(answer="250 mailbox_full: 100% (quota)")
        for typed in ("mailbox_full", "FULL: 100%", "_full: 100% (quota)", "0%", "x_"):
            self.assertEqual(
                self.env["emboux.message"].search([("last_answer", "ilike", typed)]), found, typed)

    def test_the_sample_is_what_the_planner_knows(self):
        for n in range(9):
            self.logged(recipient=f"Sampled{n}@far.example")
        self.cr.execute("ANALYZE emboux_mail.message_20990101")
        sample = self.env["emboux.message"]._sample("recipient", -1)
        self.assertIn("sampled8@far.example", sample.split("\n"))

    # -- what others add

    def note(self, domain=None, **values):
        return self.env["emboux.message"]._note(
            domain or self.domain, values.pop("message_id", "one@x"), values.pop("handed", ""),
            "joe@outside.example", fields.Datetime.to_datetime("2026-11-21 00:00:00"),
            values.pop("kind", "bounced"), values.pop("status", "bounced"), **values)

    def test_a_report_finds_its_message(self):
        message = self.logged(message_id="one@x")
        self.assertEqual(self.note(text="550 no"), 1)
        message.invalidate_recordset()
        self.assertEqual(message.status, "bounced")
        self.note(text="550 no")
        message.invalidate_recordset()
        self.assertEqual(len(message.events), 1, "told twice, written once")
        # a later delivery does not make a bounce unread
        self.note(kind="arrived", status="delivered")
        message.invalidate_recordset()
        self.assertEqual((message.status, len(message.events)), ("bounced", 2))

    def test_a_report_about_anothers_message_changes_nothing(self):
        message = self.logged(message_id="one@x")
        self.assertEqual(self.note(self.make_domain("other.example", state="verified")), 0)
        self.assertEqual(self.note(message_id="two@x"), 0)
        message.invalidate_recordset()
        self.assertEqual(message.status, "delivered")

    def test_by_the_number_that_the_providers_server_gave(self):
        message = self.logged(status="accepted", answer="250 Ok 0102018f-abc-000000")
        self.assertEqual(self.note(message_id="", handed="0102018f-abc-000000"), 1)
        self.assertEqual(self.note(message_id="", handed=""), 0)
        message.invalidate_recordset()
        self.assertEqual(message.status, "bounced")

    # -- its end

    def test_days_are_named_and_listed(self):
        self.logged(expires="2099-03-04")
        parts = dict(self.rows("SELECT part, day FROM emboux_mail.message_parts()"))
        self.assertEqual(parts["message_20990304"], date(2099, 3, 4))

    def test_a_domain_keeps_it_for_fewer_days(self):
        def days():
            return self.rows(
                "SELECT days FROM emboux_mail.log_domains(ARRAY['unit.example', 'none.example'])")

        self.domain.sudo().owned_since = "2026-01-01"
        self.assertEqual(days(), [(30,)])
        self.domain.message_days = 7
        self.assertEqual(days(), [(7,)])
        self.domain.message_days = 90
        self.assertEqual(days(), [(30,)], "less, never more")
        self.env["ir.config_parameter"].sudo().set_param("emboux_mail_api.message_days", 100)
        self.assertEqual(days(), [(90,)])

    def test_what_is_deleted_is_referred_to_no_more(self):
        domain = self.make_domain("gone.example", state="verified")
        message = self.log_message(domain)
        domain.unlink()
        self.env.flush_all()
        message.invalidate_recordset()
        self.assertFalse(message.domain_id)

    def test_the_envelope_in_the_chatter_says_what_became_of_it(self):
        people = self.env["res.partner"].create([
            {"name": name, "email": f"{name}@outside.example"} for name in ("joe", "eve", "sue")])
        note = self.domain.sudo().message_post(body="Hello", partner_ids=people.ids)
        name = note.message_id.strip("<>")
        self.log_message(self.domain, message_id=name, recipient="joe@outside.example",
                         answer="250 2.0.0 queued as 4A1B", status="delivered")
        self.log_message(
            self.domain, message_id=name, recipient="x@far.example", status="failed",
            original_recipient="eve@outside.example",
            answer="host mx.far.example[192.0.2.1] said: 550 5.1.1 User unknown")
        self.log_message(self.domain, message_id=name, recipient="sue@outside.example",
                         direction="in", status="received")
        self.env.invalidate_all()
        notes = note.notification_ids.sorted("id")
        with self.assertQueryCount(admin=8):
            said = {n.res_partner_id.name: n.emboux_outcome for n in notes}
        self.assertEqual(said, {
            "joe": "Delivered: 250 2.0.0 queued as 4A1B", "eve": "Failed: 550 5.1.1 User unknown",
            "sue": False})
        store = Store().add(note.notification_ids).get_result()
        self.assertEqual(
            {row["emboux_outcome"] for row in store["mail.notification"]}, set(said.values()))
