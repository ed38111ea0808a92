# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What is left in the DNS of domains that are gone, and who may see to it."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..dns import publish
from ..models import dns_published
from .publish_case import OURS, PublishCase


@tagged("post_install", "-at_install")
class TestWithdraw(PublishCase):
    def setUp(self):
        super().setUp()
        self.now = fields.Datetime.now()
        self.startPatcher(patch.object(fields.Datetime, "now", lambda *_args: self.now))
        self.publish()

    def delete(self, domain=None):
        (domain or self.domain).unlink()
        self.commit()

    def test_deleting_a_domain_takes_its_records_out_at_once(self):
        self.delete()
        self.assertFalse(self.content(()))
        self.assertFalse(self.rows())

    def test_a_deletion_that_is_rolled_back_takes_nothing_out(self):
        with self.env.cr.savepoint() as savepoint:
            self.domain.unlink()
            savepoint.rollback()
        self.commit()
        self.assertEqual(self.content(), OURS)
        self.assertEqual(len(self.rows()), 5)

    def test_an_outage_leaves_rows_which_the_cron_repeats_with_pauses(self):
        patcher = self.cut()
        self.delete()
        rows = self.rows()
        self.assertEqual(len(rows), 5)
        self.assertFalse(rows.domain_id)
        self.assertIn("nothing takes connections there", rows[0].error)
        self.assertGreater(rows[0].next_try, self.now)
        patcher.stop()
        self.run_cron()
        self.assertEqual(len(self.rows()), 5, "not due yet")
        self.now += timedelta(minutes=2)
        self.run_cron()
        self.assertFalse(self.rows())
        self.assertFalse(self.content(()))

    def test_pauses_grow(self):
        self.cut()
        self.delete()
        pauses = []
        for _try in range(4):
            pauses.append(self.rows()[0].next_try - self.now)
            self.now = self.rows()[0].next_try
            self.run_cron()
        self.assertEqual(pauses, sorted(pauses))
        self.assertGreater(pauses[-1], 4 * pauses[0])
        self.assertEqual(set(self.rows().mapped("attempts")), {5})

    def test_one_servers_outage_holds_up_no_other(self):
        other = self.make_server("other", zones="elsewhere.test")
        zone, second = next(self.zones), next(self.zones)
        for name in (zone, second):
            domain = self.make_domain(name)
            self.publish(domain=domain)
            self.rows(name).sudo().server_id = other
            self.rows(name).sudo().domain_id = False
        self.cut(other)
        self.rows(self.zone).sudo().domain_id = False
        self.run_cron()
        self.assertFalse(self.rows(self.zone))
        left = self.rows(zone) + self.rows(second)
        self.assertEqual(len(left), 10)
        self.assertEqual(set(left.mapped("attempts")), {1}, "asked once for all of them")

    def test_adding_the_domain_again_adopts_its_rows(self):
        patcher = self.cut()
        self.delete()
        patcher.stop()
        domain = self.make_domain(self.zone)
        self.assertEqual(self.rows().domain_id, domain)
        self.now += timedelta(hours=2)
        self.run_cron()
        self.assertEqual(self.content(), OURS, "what is a domain's is not taken out")
        self.assertEqual(set(self.rows().mapped("state")), {"published"})

    def test_what_stays_in_the_zone_says_why(self):
        wizard_zone = self.zone
        self.rows().sudo().domain_id = False
        original = publish.remove

        def obstructed(name, published, *arguments, **options):
            kept = published[:1]
            result = original(name, published[1:], *arguments, **options)
            return publish.Result(
                (publish.Outcome("mx", "MX", name, "conflict", "It cannot be."),), kept
            ) if result else None

        with patch.object(publish, "remove", obstructed):
            self.run_cron()
        [row] = self.rows(wizard_zone)
        self.assertIn("It cannot be.", row.error)
        self.assertTrue(row.next_try)

    def test_a_claim_that_nobody_settled_is_looked_up(self):
        self.rows().sudo().state = "claimed"
        self.published.sudo().create(
            {"server_id": self.server.id, "domain_name": self.zone, "domain_id": self.domain.id,
             "company_id": self.domain.company_id.id, "key": "x", "record_type": "TXT",
             "name": f"x.{self.zone}", "value": "never sent"}
        )  # fmt: skip
        self.run_cron()
        self.assertEqual(len(self.rows()), 6, "somebody may be at it just now")
        self.now += timedelta(minutes=11)
        self.run_cron()
        self.assertEqual(len(self.rows()), 5)
        self.assertEqual(set(self.rows().mapped("state")), {"published"})
        self.assertEqual(self.content(), OURS)

    def test_a_defect_holds_up_no_other(self):
        zone = next(self.zones)
        self.publish(domain=self.make_domain(zone))
        (self.rows() + self.rows(zone)).sudo().domain_id = False
        original = publish.remove

        def defect(name, *arguments, **options):
            if name == self.zone:
                raise RuntimeError("a defect")
            return original(name, *arguments, **options)

        with patch.object(publish, "remove", defect), mute_logger(
            "odoo.addons.emboux_core.models.dns_withdraw"
        ):
            self.run_cron()
        self.assertFalse(self.rows(zone))
        self.assertIn("see the server log", self.rows()[0].error)

    def test_try_now(self):
        patcher = self.cut()
        self.delete()
        action = self.rows().action_try_now()
        self.assertEqual(action["params"]["type"], "warning")
        self.assertIn("nothing takes connections there", action["params"]["message"])
        patcher.stop()
        self.assertEqual(self.rows().action_try_now()["params"]["type"], "success")
        self.assertFalse(self.content(()))

    def test_rows_in_progress_are_left_to_their_worker(self):
        self.rows().sudo().domain_id = False
        original = dns_published.advisory_lock

        def taken(*arguments):
            turn = original(*arguments)
            turn.__enter__()
            self.addCleanup(turn.__exit__, None, None, None)

            class Busy:
                def __enter__(self):
                    return False

                def __exit__(self, *_error):
                    return False

            return Busy()

        with patch.object(dns_published, "advisory_lock", taken):
            self.assertEqual(self.published.sudo()._withdraw(self.server, self.zone), "busy")
            wizard = self.env["emboux.publish"].create(
                {"domain_id": self.domain.id, "mode": "publish"}
            )
            wizard.action_apply()
        self.assertIn("Somebody else", wizard.message)
        self.assertEqual(len(self.rows()), 5)


@tagged("post_install", "-at_install")
class TestPublishRoles(PublishCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create({"name": "Other"})
        cls.users = {
            role: new_test_user(cls.env, f"dns {role}", groups=f"emboux_core.group_{role}")
            for role in ("user", "manager", "admin")
        }
        cls.users["stranger"] = new_test_user(
            cls.env, "dns stranger", groups="emboux_core.group_manager",
            company_id=cls.company.id, company_ids=[(6, 0, cls.company.ids)],
        )  # fmt: skip

    def test_a_manager_publishes_and_withdraws_without_seeing_the_key(self):
        manager = self.users["manager"]
        wizard = self.publish(user=manager)
        self.assertEqual(wizard.state, "done")
        self.assertEqual(self.content(), OURS)
        with self.assertRaises(AccessError):
            self.server.with_user(manager).read(["key_secret"])
        with self.assertRaises(AccessError):
            self.server.with_user(manager).host = "192.0.2.1"
        self.publish(mode="withdraw", user=manager)
        self.assertFalse(self.content(()))

    def test_nobody_writes_rows(self):
        self.publish()
        for user in (self.users["manager"], self.users["admin"]):
            rows = self.rows().with_user(user)
            for deed in (rows.unlink, lambda rows=rows: rows.write({"value": "x"}),
                         lambda rows=rows: rows.copy()):
                with self.assertRaises(AccessError):
                    deed()

    def test_users_and_strangers_cannot(self):
        self.publish()
        for role in ("user", "stranger"):
            user = self.users[role]
            with self.assertRaises(AccessError):
                self.domain.with_user(user).action_publish()
            with self.assertRaises(AccessError):
                self.rows().with_user(user).action_try_now()
        self.assertFalse(self.published.with_user(self.users["stranger"]).search_count([]))
        own = self.make_server("own", company_id=self.env.company.id)
        self.assertNotIn(own, own.with_user(self.users["stranger"]).search([]))

    def test_another_companys_server_is_not_used(self):
        self.server.company_id = self.company
        with self.assertRaisesRegex(UserError, "company inconsistencies"):
            self.domain.dns_server_id = self.server
        self.assertFalse(self.make_domain(f"a.{self.zone}").dns_server_id)

    def test_a_strangers_wizard_is_not_mine(self):
        wizard = self.open(user=self.users["manager"])
        with self.assertRaises(AccessError):
            wizard.with_user(self.users["admin"]).read(["message"])

    def test_a_wizard_on_a_strangers_domain(self):
        with self.assertRaises(AccessError):
            self.env["emboux.publish"].with_user(self.users["stranger"]).create(
                {"domain_id": self.domain.id, "mode": "publish"}
            ).action_look()

    def test_the_key_does_not_follow_to_where_an_administrator_sends_it(self):
        admin = self.users["admin"]
        server = self.server.with_user(admin)
        server.name = "renamed"
        self.assertTrue(self.server.sudo().key_secret)
        server.host = "192.0.2.1"
        self.assertFalse(self.server.sudo().key_secret)
        with self.assertRaises(AccessError):
            server.key_secret = "YWJj"
        with self.assertRaises(AccessError):
            server.state = "connected"

    def test_only_an_administrator_forgets(self):
        self.publish()
        self.rows().action_forget()
        self.assertEqual(len(self.rows()), 5, "a domain's own are not forgotten")
        self.rows().sudo().domain_id = False
        with self.assertRaises(AccessError):
            self.rows().with_user(self.users["manager"]).action_forget()
        self.rows().with_user(self.users["admin"]).action_forget()
        self.assertFalse(self.rows())
        self.assertEqual(self.content(), OURS, "they stay in the DNS")

    def test_a_copy_for_staging_writes_nowhere(self):
        from odoo.tools import file_open

        self.publish()
        self.env.flush_all()
        with file_open("emboux_core/data/neutralize.sql") as source:
            self.env.cr.execute(source.read())
        self.env.invalidate_all()
        server = self.server.with_context(active_test=False).sudo()
        self.assertFalse(server.key_secret)
        self.assertFalse(server.active)
        self.domain.unlink()
        self.commit()
        self.assertEqual(self.content(), OURS)
