# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.emboux_core import transactions

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestHeldMessage(PlatformCase):
    """The list and its buttons; that the queue obeys is shown in tests/ on real Postfix."""

    def make_held(self, domain=None, **values):
        domain = domain or self.domain
        now = fields.Datetime.now()
        number = self.env["emboux.held.message"].sudo().search_count([]) + 1
        # as superuser: the agent writes the rows
        made = self.env["emboux.held.message"].sudo().create(
            {
                "host": "mail.unit.example",
                "queue_id": f"ABC{number:06d}",
                "arrived": 1_795_000_000 + number,
                "arrived_at": now,
                "login": f"ann@{domain.name}",
                "sender": f"ann@{domain.name}",
                "domain_id": domain.id,
                "recipients": "x@outside.example",
                "recipient_count": 1,
                "reason": "over_limit",
                "state": "held",
                "held_since": now,
                **values,
            }
        )
        return made.sudo(False)

    def user(self, login, group, **values):
        return new_test_user(self.env, login, group, **values)

    def test_a_manager_decides_for_the_own_company(self):
        manager = self.user("holder", "emboux_core.group_manager")
        mine = self.make_held().with_user(manager)
        mine.action_release()
        self.assertEqual(mine.wish, "release")
        mine.action_keep_waiting()
        self.assertFalse(mine.wish)
        mine.action_discard()
        self.assertEqual(mine.wish, "discard")
        self.env.flush_all()
        self.env.cr.precommit.run()
        trail = self.env["emboux.audit"].search(
            [("model", "=", "emboux.held.message"), ("res_id", "=", mine.id)]
        )
        self.assertEqual(trail.user_id, manager | self.env.user)

    def test_a_manager_of_another_company_sees_nothing(self):
        held = self.make_held()
        company = self.env["res.company"].sudo().create({"name": "Elsewhere"})
        stranger = self.user("stranger", "emboux_core.group_manager", company_id=company.id,
                             company_ids=[(6, 0, company.ids)])
        self.assertFalse(held.with_user(stranger).search([("id", "=", held.id)]))
        with self.assertRaises(AccessError):
            held.with_user(stranger).action_release()

    def test_users_and_customers_have_nothing_to_do_with_it(self):
        held = self.make_held()
        for login, group in (("own", "emboux_core.group_user"),
                             ("customer", "emboux_mail_api.group_customer")):
            user = self.user(login, group)
            with self.assertRaises(AccessError):
                held.with_user(user).read(["login"])
            with self.assertRaises(AccessError):
                held.with_user(user).action_discard()
            with self.assertRaises(AccessError):
                self.env["emboux.queue.agent"].with_user(user).warning()

    def test_nobody_writes_what_the_agent_has_seen(self):
        held = self.make_held()
        for values in ({"state": "released"}, {"recipients": "a@b.example"}, {"charged_at": False},
                       {"domain_id": False}, {"expires_at": False}):
            with self.assertRaises(AccessError):
                held.write(values)
        with self.assertRaises(AccessError):
            held.copy()
        with self.assertRaises(AccessError):
            held.unlink()

    def test_closed_messages_cannot_be_decided_again(self):
        for state in ("releasing", "discarding", "released", "discarded", "gone"):
            with self.assertRaisesRegex(UserError, "not on hold any more"):
                self.make_held(state=state).action_release()

    def test_the_administrator_decides_for_deleted_domains(self):
        domain = self.make_domain("leaving.example", state="verified")
        held = self.make_held(domain)
        domain.unlink()
        manager = self.user("holder", "emboux_core.group_manager")
        self.assertTrue(held.search([("id", "=", held.id)]))
        self.assertFalse(held.with_user(manager).search([("id", "=", held.id)]))

    def test_expired_mail_is_told_of_once_and_kept(self):
        self.domain.user_id = self.env.user
        ago = fields.Datetime.now() - timedelta(minutes=1)
        held, later, over = (
            self.make_held(expires_at=ago),
            self.make_held(expires_at=fields.Datetime.now() + timedelta(days=1)),
            self.make_held(expires_at=ago, state="released"),
        )
        self.assertEqual((held | later | over).filtered("is_expired"), held)
        found = held.search([("is_expired", "=", True)])
        self.assertIn(held, found)
        self.assertFalse(found & (later | over))
        self.assertIn(later, held.search([("is_expired", "=", False)]))
        before = len(self.domain.message_ids)
        for _ in range(2):
            self.expire()
        self.assertEqual(len(self.domain.message_ids), before + 1)
        self.assertIn("needs a decision", self.domain.message_ids[0].body)
        self.assertIn(self.env.user, self.domain.activity_ids.user_id)
        self.assertFalse(held.wish)

    def test_expired_mail_is_discarded_where_the_setting_says_so(self):
        self.env["ir.config_parameter"].sudo().set_param("emboux_mail_api.held_expired", "discard")
        held = self.make_held(expires_at=fields.Datetime.now() - timedelta(minutes=1))
        self.expire()
        self.assertEqual(held.wish, "discard")

    @mute_logger("odoo.addons.emboux_core.transactions")
    def test_a_domain_whose_people_cannot_be_told_holds_up_no_other_one(self):
        ago = fields.Datetime.now() - timedelta(minutes=1)
        first = self.make_held(expires_at=ago)
        second = self.make_held(self.make_domain("other.example"), expires_at=ago)
        model = self.env.registry["emboux.held.message"]
        original = model._notify_expired

        def fails(messages, domain, discard):
            if domain == self.domain:
                raise ZeroDivisionError
            return original(messages, domain, discard)

        with patch.object(model, "_notify_expired", fails):
            self.expire()
        self.assertFalse(first.told_at)
        self.assertTrue(second.told_at)

    def expire(self):
        self.env.flush_all()
        with self.enter_registry_test_mode(), self.env.registry.cursor() as cr:
            self.env(cr=cr, user=1)["emboux.held.message"]._cron_expire()
        self.env.invalidate_all()

    def test_old_closed_messages_are_removed(self):
        ago = fields.Datetime.now() - timedelta(days=31)
        old = self.make_held(state="gone", done_at=ago)
        kept = self.make_held(state="released", done_at=fields.Datetime.now()) | self.make_held()
        self.assertEqual(self.env["emboux.held.message"].sudo()._gc(), (1, False))
        self.assertEqual((old | kept).exists(), kept)

    def test_old_messages_are_removed_in_batches(self):
        ago = fields.Datetime.now() - timedelta(days=31)
        old = self.make_held(state="gone", done_at=ago)
        for _more in range(4):
            old |= self.make_held(state="gone", done_at=ago)
        with patch.object(transactions, "BATCH", 2):
            said = [self.env["emboux.held.message"].sudo()._gc() for _ in range(3)]
        self.assertEqual(said, [(2, True), (2, True), (1, False)], "Odoo calls again at once")
        self.assertFalse(old.exists())

    def test_the_list_says_when_the_agent_is_away(self):
        agents = self.env["emboux.queue.agent"].sudo()
        agents.search([], limit=100).unlink()
        self.assertIn("No agent serves", agents.warning())
        agent = agents.create({"name": "mail.unit.example", "seen_at": fields.Datetime.now()})
        self.assertFalse(agents.warning())
        agent.problem = "postqueue took more than 60 s"
        self.assertIn("postqueue took more", agents.warning())
        agent.seen_at = fields.Datetime.now() - timedelta(minutes=3)
        self.assertIn("was last seen", agents.warning())
