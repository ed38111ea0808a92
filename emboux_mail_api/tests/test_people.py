# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestPeople(PlatformCase):
    """A person's mailbox comes and goes with their user."""

    def setUp(self):
        super().setUp()
        self.company = self.domain.company_id
        self.user = self.env["res.users"].create({
            "name": "Änn Marie Lee", "login": "ann-login", "email": "ann@elsewhere.example",
            "group_ids": [(4, self.env.ref("base.group_user").id)],
            "company_id": self.company.id, "company_ids": [(6, 0, self.company.ids)],
        })

    def wizard(self, user=None):
        action = (user or self.user).action_emboux_create_mailbox()
        made = self.env[action["res_model"]].with_context(**action["context"]).create({})
        made.domain_id = self.domain
        return made

    def make(self):
        wizard = self.wizard()
        action = wizard.action_create_mailbox()
        self.assertEqual(action["res_model"], "emboux.set.password", "the password comes next")
        return self.user.emboux_mailbox_ids

    def test_the_address_is_proposed_by_the_companys_pattern(self):
        self.assertEqual(self.wizard().local_part, "ann.lee")
        setup = self.env["emboux.odoo.mail"]._start(self.domain)
        for pattern, address in (("first", "ann"), ("flast", "alee"), ("last", "lee")):
            setup.address_pattern = pattern
            self.assertEqual(self.wizard().local_part, address)

    def test_an_address_that_is_taken_gets_a_number(self):
        self.make_mailbox("ann.lee")
        self.assertEqual(self.wizard().local_part, "ann.lee2")

    def test_it_becomes_the_users_email(self):
        mailbox = self.make()
        self.assertEqual(mailbox.email, "ann.lee@unit.example")
        self.assertEqual(self.user.email, mailbox.email)
        self.assertEqual(self.user.login, "ann-login")

    def test_who_is_archived_has_no_mailbox_until_they_are_back(self):
        mailbox = self.make()
        self.user.active = False
        self.assertEqual(mailbox.state, "suspended")
        self.user.active = True
        self.assertEqual(mailbox.state, "active")

    def test_what_was_suspended_before_stays_so(self):
        mailbox = self.make()
        mailbox.state = "suspended"
        self.user.active = False
        self.user.active = True
        self.assertEqual(mailbox.state, "suspended")

    def test_a_personal_outgoing_server_with_a_password_of_its_own(self):
        mailbox = self.make()
        users = self.env["res.users"].with_user(self.user)
        self.allow_personal_servers()
        users.action_setup_outgoing_mail_server("emboux")
        server = self.env["ir.mail_server"].search([("owner_user_id", "=", self.user.id)])
        self.assertEqual(server.smtp_user, mailbox.email)
        self.assertEqual(server.from_filter, mailbox.email)
        self.assertTrue(mailbox.sudo().service_password_hash)
        self.user.invalidate_recordset()
        self.assertEqual(self.user.outgoing_mail_server_type, "emboux")
        users.action_setup_outgoing_mail_server("default")
        self.assertFalse(server.exists())

    def allow_personal_servers(self):
        self.env["ir.config_parameter"].set_param("base_setup.default_external_email_server", True)
        self.user.invalidate_recordset()

    def test_a_personal_server_leaves_the_one_of_the_domain_its_password(self):
        mailbox = self.make()
        common = self.env["ir.mail_server"].create({
            "name": "Of the domain", "smtp_host": "mail.example", "smtp_pass": "the one",
            "smtp_user": mailbox.email, "emboux_mailbox_id": mailbox.id,
        })
        self.allow_personal_servers()
        self.env["res.users"].with_user(self.user).action_setup_outgoing_mail_server("emboux")
        own = self.env["ir.mail_server"].search([("owner_user_id", "=", self.user.id)])
        self.assertEqual(own.smtp_pass, common.smtp_pass)

    def test_a_stranger_of_the_same_address_leaves_a_personal_server_alone(self):
        claim = self.make_domain("claimed.example")
        mailbox = self.make_mailbox("ann", claim, user_id=self.user.id)
        server = self.env["ir.mail_server"].create({
            "name": "Ann's own", "smtp_host": "mail.example", "smtp_pass": "the one",
            "smtp_user": mailbox.email, "emboux_personal": True, "owner_user_id": self.user.id})
        owner = self.env["res.partner"].create({"name": "They"})
        theirs = self.make_domain("claimed.example", partner_id=owner.id)
        stranger = self.make_mailbox("ann", theirs)
        stranger._change_address("bob", keep=False)
        self.assertEqual(server.smtp_user, "ann@claimed.example")
        stranger._change_address("ann", keep=False)
        stranger.unlink()
        self.assertTrue(server.exists())
        mailbox.active = False
        self.assertFalse(server.exists())

    def test_without_a_mailbox_they_are_told_whom_to_ask(self):
        self.allow_personal_servers()
        with self.assertRaisesRegex(UserError, "no mailbox of yours"):
            self.env["res.users"].with_user(self.user).action_setup_outgoing_mail_server("emboux")

    def test_others_may_not_make_mailboxes(self):
        with self.assertRaises(AccessError):
            self.env["emboux.user.mailbox"].with_user(self.user).create({"user_id": self.user.id})

    # -- with the user

    def invite(self, login, name="Ann Lee"):
        return self.env["res.users"].with_context(no_reset_password=True).create({
            "name": name, "login": login, "email": login, "company_id": self.company.id,
            "group_ids": [(4, self.env.ref("base.group_user").id)],
            "company_ids": [(6, 0, self.company.ids)],
        })

    def test_new_users_get_a_mailbox_where_the_company_wants_it(self):
        self.assertFalse(self.invite("before@elsewhere.example").emboux_mailbox_ids)
        setup = self.env["emboux.odoo.mail"]._start(self.domain)
        setup.mailbox_for_new_users = True
        invited = self.invite("ann@private.example")
        self.assertEqual(invited.emboux_mailbox_ids.email, "ann.lee@unit.example")
        self.assertEqual(invited.email, "ann@private.example", "where the invitation goes")
        colleague = self.invite("Bob@Unit.example", "Robert Best")
        self.assertEqual(colleague.emboux_mailbox_ids.email, "bob@unit.example")
        portal = self.env["res.users"].create({
            "name": "A customer", "login": "customer@private.example",
            "company_id": self.company.id, "company_ids": [(6, 0, self.company.ids)],
            "group_ids": [(6, 0, self.env.ref("base.group_portal").ids)],
        })
        self.assertFalse(portal.emboux_mailbox_ids)

    def test_a_user_is_made_without_a_mailbox_where_none_can_be(self):
        setup = self.env["emboux.odoo.mail"]._start(self.domain)
        setup.mailbox_for_new_users = True
        self.assertFalse(self.invite("x@private.example", "…").emboux_mailbox_ids)
        self.assertIn("has no mailbox", setup.message_ids[:1].body)

    # -- somebody has left

    def handover(self, mailbox, **values):
        action = mailbox.action_hand_over()
        return self.env[action["res_model"]].with_context(**action["context"]).create(values)

    def left(self):
        """(mailbox of somebody who has left, that of a colleague)."""
        self.domain.sudo().owned_since = "2026-01-01"
        mailbox, colleague = self.make(), self.make_mailbox("bob", name="Bob Best")
        mailbox.password = "what she knew until now"
        self.user.active = False
        return mailbox, colleague

    def test_a_colleague_gets_the_mail_of_who_has_left_for_some_days(self):
        mailbox, colleague = self.left()
        known = mailbox.sudo().password_hash
        wizard = self.handover(mailbox, colleague_id=colleague.id)
        self.assertIn("Bob Best <bob@unit.example>", wizard.reply)
        wizard.action_hand_over()
        self.assertEqual(mailbox.state, "active")
        self.assertEqual(mailbox.forward_to, "bob@unit.example")
        self.assertTrue(mailbox.forward_keep)
        self.assertEqual(mailbox.vacation_text, wizard.reply)
        self.assertNotEqual(mailbox.sudo().password_hash, known, "who has left cannot log in")
        self.assertFalse(mailbox.sudo().service_password_hash)
        self.assertEqual((mailbox.handed_over_until - fields.Date.today()).days, 30)
        self.end_of(mailbox)
        self.assertEqual(mailbox.state, "active", "the last day is not over")
        mailbox.sudo().handed_over_until -= timedelta(31)
        self.end_of(mailbox)
        self.assertEqual(mailbox.state, "suspended")
        self.assertFalse(mailbox.forward_to or mailbox.vacation_on or mailbox.handed_over_until)

    def end_of(self, mailbox):
        with patch.object(type(self.env["ir.cron"]), "_commit_progress", lambda *_, **__: 1.0):
            mailbox._cron_end_handovers()

    def test_who_comes_back_has_their_mailbox_for_themselves(self):
        mailbox, colleague = self.left()
        self.handover(mailbox, colleague_id=colleague.id, reply_on=False).action_hand_over()
        self.assertFalse(mailbox.vacation_on)
        self.user.active = True
        self.assertEqual(mailbox.state, "active")
        self.assertFalse(mailbox.forward_to or mailbox.handed_over_until)

    def test_a_handover_can_be_ended_at_once(self):
        mailbox, colleague = self.left()
        self.handover(mailbox, colleague_id=colleague.id).action_hand_over()
        mailbox.action_end_handover()
        self.assertEqual(mailbox.state, "suspended")
        self.user.active = True
        self.assertEqual(mailbox.state, "active")

    def test_a_handover_that_cannot_be(self):
        mailbox, colleague = self.left()
        for day in ("2026-01-01", "2999-01-01"):
            with self.assertRaisesRegex(UserError, "last day from today"):
                self.handover(mailbox, colleague_id=colleague.id, until=day).action_hand_over()
        wizard = self.handover(mailbox, colleague_id=colleague.id)
        self.user.active = True
        with self.assertRaisesRegex(UserError, "still works here"):
            wizard.action_hand_over()
        with self.assertRaises(AccessError):
            wizard.with_user(self.user).action_hand_over()

    # -- another name

    def changed(self, mailbox, local_part, **values):
        action = mailbox.action_change_address()
        wizard = self.env[action["res_model"]].with_context(**action["context"]).create(
            {"local_part": local_part, **values})
        wizard.action_change()

    def test_another_address_and_what_refers_to_it(self):
        self.domain.sudo().owned_since = "2026-01-01"
        mailbox = self.make()
        mailbox.catch_all = True
        alias = self.env["emboux.alias"].create({
            "local_part": "info", "domain_id": self.domain.id,
            "destinations": "ann.lee+info@unit.example\nann.lee@outside.example"})
        bob = self.make_mailbox("bob", forward_to="ann.lee@unit.example\njoann.lee@unit.example")
        self.env.cr.execute(
            "INSERT INTO emboux_mail.usage VALUES ('ann.lee@unit.example', 500, 3)")
        server = self.env["ir.mail_server"].create({
            "name": "Of the domain", "smtp_host": "mail.example", "smtp_pass": "the one",
            "smtp_user": mailbox.email, "from_filter": mailbox.email,
            "emboux_mailbox_id": mailbox.id})
        folder = mailbox.sudo().mail_folder

        self.changed(mailbox, "Ann.Smith")
        self.assertEqual(mailbox.email, "ann.smith@unit.example")
        self.assertEqual(self.user.email, mailbox.email)
        self.assertEqual(mailbox.sudo().mail_folder, folder)
        self.assertTrue(mailbox.catch_all)
        self.assertEqual(
            alias.destinations, "ann.smith+info@unit.example\nann.lee@outside.example")
        self.assertEqual(bob.forward_to, "ann.smith@unit.example\njoann.lee@unit.example")
        self.assertEqual((server.smtp_user, server.from_filter), (mailbox.email, mailbox.email))
        self.assertEqual(mailbox._counted(), {mailbox.email: (500, 3)})
        former = self.env["emboux.address"]._holder(self.domain, "ann.lee@unit.example")
        self.assertEqual(former.destinations, mailbox.email)

    def test_the_former_address_is_free_where_it_is_not_kept(self):
        mailbox = self.make()
        self.changed(mailbox, "ann.smith", keep=False)
        self.assertFalse(
            self.env["emboux.address"]._holder(self.domain, "ann.lee@unit.example"))
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT name, gone FROM emboux_change WHERE kind = 'mailbox' AND name LIKE 'ann%%'"
            " ORDER BY name")
        self.assertEqual(self.env.cr.fetchall(), [
            ("ann.lee@unit.example", True), ("ann.smith@unit.example", False)])

    def test_back_to_the_former_address(self):
        mailbox = self.make()
        self.changed(mailbox, "ann.smith")
        self.changed(mailbox, "ann.lee")
        self.assertEqual(mailbox.email, "ann.lee@unit.example")
        alias = self.env["emboux.address"]._holder(self.domain, "ann.smith@unit.example")
        self.assertEqual(alias.destinations, mailbox.email)

    def test_an_address_that_cannot_be(self):
        mailbox = self.make()
        self.make_mailbox("bob")
        with self.assertRaisesRegex(UserError, "bob@unit.example exists already"):
            self.changed(mailbox, "bob")
        with self.assertRaisesRegex(ValidationError, "white space"):
            self.changed(mailbox, "ann smith")
        self.env["emboux.odoo.mail"]._start(self.domain).sudo().mailbox_id = mailbox
        with self.assertRaisesRegex(UserError, "Odoo's own mail"):
            self.changed(mailbox, "ann.smith")
        with self.assertRaises(AccessError):
            mailbox.with_user(self.user)._change_address("ann.smith")

    # -- what they do themselves

    def employee(self):
        self.user.group_ids += self.env.ref("emboux_core.group_user")
        return self.env["emboux.my.rules"].with_user(self.user)

    def test_an_employee_sets_their_own_reply_and_forwarding(self):
        self.domain.sudo().owned_since = "2026-01-01"
        mailbox = self.make()
        mailbox.vacation_subject = "From before"
        rules = self.employee().with_context(default_mailbox_id=mailbox.id)
        with Form(rules) as form:
            self.assertEqual(form.vacation_subject, "From before")
            form.vacation_on = True
            form.vacation_text = "Back on Monday."
            form.forward_to = "Friend@Outside.example"
        form.record.action_save()
        self.assertEqual(mailbox.vacation_text, "Back on Monday.")
        self.assertEqual(mailbox.forward_to, "friend@outside.example")
        with self.assertRaises(AccessError):
            mailbox.with_user(self.user).vacation_on = False

    def test_an_employee_does_not_touch_what_is_anothers(self):
        other = self.make_mailbox("other", user_id=self.env.user.id)
        rules = self.employee()
        with self.assertRaises(AccessError):
            rules.with_context(default_mailbox_id=other.id).default_get(["mailbox_id"])
        made = rules.sudo().create({"mailbox_id": other.id, "vacation_on": False}).with_user(
            self.user)
        with self.assertRaises(AccessError):
            made.action_save()

    def test_what_is_wrong_is_said_in_words(self):
        self.domain.sudo().owned_since = "2026-01-01"
        mailbox = self.make()
        made = self.employee().with_context(default_mailbox_id=mailbox.id).create(
            {"mailbox_id": mailbox.id, "forward_to": "nonsense"})
        with self.assertRaisesRegex((UserError, ValidationError), "nonsense"):
            made.action_save()
