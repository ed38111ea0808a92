# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from odoo.tests import Form, tagged

from odoo.addons.emboux_core.backends.base import Room
from odoo.addons.emboux_core.tests.remote_case import RemoteCase


@tagged("post_install", "-at_install")
class TestMailing(RemoteCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partners = cls.env["res.partner"].create(
            [{"name": f"P{n}", "email": f"p{n}@else.example"} for n in range(65)])

    def setUp(self):
        super().setUp()
        domain = self.make_domain("news.example")
        mailbox = self.make_mailbox(domain, "odoo")
        setups = self.env["emboux.odoo.mail"]
        setups.search([("company_id", "=", self.env.company.id)]).unlink()
        # as superuser: which mailbox it is is decided when the setup is applied
        setups._start(domain).sudo().mailbox_id = mailbox

    def allow(self, room):
        """What the platform says may still be sent."""
        return patch.object(type(self.far), "room_to_send", lambda *_args: room)

    def note(self, partners, room, **values):
        mailing = self.env["mailing.mailing"].create({
            "subject": "News", "email_from": "news@news.example",
            "mailing_model_id": self.env.ref("base.model_res_partner").id,
            "mailing_domain": repr([("id", "in", partners.ids)]), **values})
        with self.allow(room):
            return mailing.emboux_room_note

    def test_who_sends_a_mailing_is_told_how_long_it_takes(self):
        room = Room(left=20, per_day=20)
        self.assertIn("These 65 emails take about 4 days: news.example may send 20 more",
                      self.note(self.partners, room))
        self.assertFalse(self.note(self.partners[:20], room))

    def test_where_nobody_knows_of_a_day_it_is_said_without_days(self):
        self.assertIn("may send 20 more of these 65 emails now",
                      self.note(self.partners, Room(left=20)))

    def test_nothing_is_said_where_there_is_no_limit(self):
        self.assertFalse(self.note(self.partners, None))

    def test_a_part_that_is_tried_first_counts_as_that_part(self):
        self.assertIn("These 33 emails", self.note(
            self.partners, Room(left=20, per_day=20), ab_testing_enabled=True, ab_testing_pc=50))

    def test_a_server_of_somebody_elses_has_limits_of_its_own(self):
        server = self.env["ir.mail_server"].create(
            {"name": "Elsewhere", "smtp_host": "smtp.else.example"})
        room = Room(left=20, per_day=20)
        self.assertFalse(self.note(self.partners, room, mail_server_id=server.id))

    def test_what_was_sent_says_nothing_more(self):
        self.assertFalse(self.note(self.partners, Room(left=20, per_day=20), state="done"))

    def test_the_form_follows_the_list(self):
        with self.allow(Room(left=20, per_day=20)):
            form = Form(self.env["mailing.mailing"])
            form.subject = "News"
            form.email_from = "news@news.example"
            form.mailing_model_id = self.env.ref("base.model_res_partner")
            form.mailing_domain = repr([("id", "in", self.partners[:20].ids)])
            self.assertFalse(form.emboux_room_note)
            form.mailing_domain = repr([("id", "in", self.partners.ids)])
            self.assertIn("about 4 days", form.emboux_room_note)
