# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..backends.base import MailboxRules, MailboxSpec
from ..net.errors import UnknownOutcome
from .remote_case import CUT, RemoteCase


@tagged("post_install", "-at_install")
class TestMailboxRules(RemoteCase):
    """Forwarding and replies of a mailbox on another platform."""

    def setUp(self):
        super().setUp()
        self.domain = self.make_domain()
        self.mailbox = self.make_mailbox(self.domain)

    def there(self, mailbox=None):
        return self.far._mailboxes[(mailbox or self.mailbox).email].rules

    def test_the_platform_is_told(self):
        self.mailbox.write({
            "forward_to": "Joe@Else.example", "forward_keep": False, "vacation_on": True,
            "vacation_text": "Until Monday", "vacation_until": "2026-03-09",
        })
        self.commit()
        self.assertEqual(self.there(), MailboxRules(
            ("joe@else.example",), False, True, "", "Until Monday", None, date(2026, 3, 9), 7))
        self.mailbox.write({"forward_to": False, "vacation_on": False})
        self.commit()
        self.assertFalse(self.there().forward_to or self.there().vacation_on)

    def test_what_was_set_over_there_stays_until_it_is_set_here(self):
        there = MailboxRules(vacation_on=True, vacation_text="Set in the portal")
        self.far._mailboxes[self.mailbox.email] = MailboxSpec(
            self.mailbox.email, rules=there)
        self.mailbox.quota_mb = 5
        self.commit()
        self.assertEqual(self.there(), there)
        self.mailbox.forward_to = "joe@else.example"
        self.commit()
        self.assertEqual(self.there(), MailboxRules(("joe@else.example",)))

    def test_a_new_one_may_have_them(self):
        made = self.make_mailbox(self.domain, "bob", forward_to="joe@else.example")
        self.assertEqual(self.there(made).forward_to, ("joe@else.example",))
        self.assertFalse(made.sudo().rules_set)
        made.forward_to = False
        self.commit()
        self.assertFalse(self.there(made).forward_to)

    def test_a_platform_that_can_neither_says_so(self):
        self.far.rules = False
        self.env.invalidate_all()
        self.assertFalse(self.mailbox.has_rules)
        for values in ({"forward_to": "joe@else.example"},
                       {"vacation_on": True, "vacation_text": "Away"}):
            with self.assertRaisesRegex(UserError, "neither forwards nor replies"):
                self.mailbox.write(values)

    def test_rules_that_differ_are_told_and_taken_over(self):
        self.mailbox.forward_to = "joe@else.example"
        self.commit()
        self.far.ensure_mailbox(MailboxSpec(
            self.mailbox.email,
            rules=MailboxRules(vacation_on=True, vacation_text="Away", vacation_until=self.day())))
        self.later(minutes=1)  # what was told in this second is not compared
        self.backend.action_compare()
        [drift] = self.env["emboux.drift"].search([("name", "=", self.mailbox.email)])
        self.assertIn("Forwards To: joe@else.example → nobody", drift.difference)
        self.assertIn("Out of Office: no → yes", drift.difference)
        drift.action_adopt()
        self.commit()
        self.assertFalse(self.mailbox.forward_to)
        self.assertEqual(self.mailbox.vacation_text, "Away")
        self.assertEqual(self.mailbox.vacation_until, self.day())

    def day(self):
        return fields.Date.today() + timedelta(9)

    def test_forwards_that_lead_back_are_refused(self):
        self.domain.sudo().owned_since = "2026-01-01"
        other = self.make_mailbox(self.domain, "bob", forward_to="ann@far.example")
        with self.assertRaisesRegex(UserError, "would come back to it"):
            self.mailbox.forward_to = other.email

    # -- people

    def user(self):
        return self.env["res.users"].create({
            "name": "Ann Smith", "login": "ann-of-far", "email": "ann@far.example",
            "group_ids": [(4, self.env.ref("emboux_core.group_user").id)]})

    def test_an_employee_sets_their_own(self):
        user = self.user()
        self.mailbox.user_id = user
        rules = self.env["emboux.my.rules"].with_user(user).with_context(
            default_mailbox_id=self.mailbox.id)
        rules.create({"vacation_on": True, "vacation_text": "Back soon"}).action_save()
        self.commit()
        self.assertEqual(self.there().vacation_text, "Back soon")
        with self.assertRaises(AccessError):
            self.mailbox.with_user(user).vacation_on = False

    def test_a_colleague_gets_the_mail_of_who_has_left(self):
        user = self.user()
        self.mailbox.user_id = user
        colleague = self.make_mailbox(self.domain, "bob")
        user.active = False
        self.commit()
        self.assertTrue(self.far._mailboxes[self.mailbox.email].suspended)
        action = self.mailbox.action_hand_over()
        wizard = self.env[action["res_model"]].with_context(**action["context"]).create(
            {"colleague_id": colleague.id, "reply": "Gone"})
        wizard.action_hand_over()
        self.commit()
        there = self.far._mailboxes[self.mailbox.email]
        self.assertFalse(there.suspended)
        self.assertEqual(there.rules.forward_to, ("bob@far.example",))
        self.assertEqual(there.rules.vacation_text, "Gone")
        self.mailbox.action_end_handover()
        self.commit()
        there = self.far._mailboxes[self.mailbox.email]
        self.assertTrue(there.suspended)
        self.assertFalse(there.rules.forward_to or there.rules.vacation_on)

    # -- another address

    def change(self, local_part="ann.smith", **values):
        action = self.mailbox.action_change_address()
        self.env[action["res_model"]].with_context(**action["context"]).create(
            {"local_part": local_part, **values}).action_change()
        self.commit()

    def test_another_address(self):
        alias = self.make_alias(self.domain, to="ann@far.example")
        self.mailbox.user_id = self.user()
        self.change()
        self.assertEqual(self.mailbox.email, "ann.smith@far.example")
        self.assertEqual(self.mailbox.user_id.email, "ann.smith@far.example")
        self.assertEqual(alias.destinations, "ann.smith@far.example")
        self.assertEqual(set(self.far._mailboxes), {"ann.smith@far.example"})
        self.assertEqual({key: found.destinations for key, found in self.far._aliases.items()}, {
            "ann@far.example": ("ann.smith@far.example",),
            "sales@far.example": ("ann.smith@far.example",)})
        self.later(minutes=1)
        self.backend.action_compare()
        self.assertFalse(self.env["emboux.drift"].search([]), "both sides say the same")
        self.change("ann")
        self.assertEqual(set(self.far._mailboxes), {"ann@far.example"})
        self.assertIn("ann.smith@far.example", self.far._aliases)

    def test_a_change_whose_answer_was_lost_is_repeated(self):
        self.far.faults["after rename"] = UnknownOutcome("no answer within 10 seconds")
        with self.assertRaisesRegex(UserError, "[Rr]epeating is safe"):
            self.change()
        self.assertEqual(self.mailbox.email, "ann@far.example")
        self.far.faults.clear()
        self.change()
        self.assertEqual(self.mailbox.email, "ann.smith@far.example")
        self.assertEqual(set(self.far._mailboxes), {"ann.smith@far.example"})

    def test_one_that_waits_for_its_platform_keeps_its_address(self):
        self.far.faults["*"] = CUT
        self.mailbox.quota_mb = 7
        self.commit()
        self.far.faults.clear()
        with self.assertRaisesRegex(UserError, "waits for its platform"):
            self.change()

    def test_a_platform_that_cannot_rename_says_so(self):
        self.far.renames = False
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "cannot be changed"):
            self.change()
