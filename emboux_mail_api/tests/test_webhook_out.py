# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Webhooks without their daemon: who may have which, what is written for them, and when."""

import asyncio
import json
import re
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import file_open

from ..controllers.api.schemas.webhook import EVENTS, example_of
from ..emboux_daemons.vitals import Vitals
from ..emboux_daemons.webhooks.post import Answer, parse_headers
from ..emboux_daemons.webhooks.sender import PAUSES, Sender, judge
from ..emboux_daemons.webhooks.store import Delivery
from .common import PlatformCase

AT = "2026-11-20T10:00:01+00:00"


@tagged("post_install", "-at_install")
class TestWebhookEvents(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hook = cls.make_hook()

    @classmethod
    def make_hook(cls, **values):
        return cls.env["emboux.webhook"].create(
            {"name": "Shop", "url": "https://shop.example/hook", **values})

    def told(self, hook=None):
        """[(type, about, data)] that wait for a webhook, as their schemas have them."""
        found = self.rows(
            """SELECT type, about, payload FROM emboux_mail.webhook_delivery
                WHERE webhook_id = %s ORDER BY id""", (hook or self.hook).id)
        for kind, _about, payload in found:
            EVENTS[kind].model_validate_json(payload)
        self.env.cr.execute("DELETE FROM emboux_mail.webhook_delivery WHERE webhook_id = %s",
                            [(hook or self.hook).id])
        return [(kind, about, json.loads(payload)["data"]) for kind, about, payload in found]

    def kinds(self, hook=None):
        return [kind for kind, *_rest in self.told(hook)]

    def happens(self, message, *kinds, **values):
        """As the reader of the logs appends to the row."""
        events = [{"at": AT, "kind": kind} for kind in kinds]
        names = "".join(f", {name} = %s" for name in values)
        self.env.cr.execute(
            f"UPDATE emboux_mail.message SET events = events || %s::jsonb{names} WHERE id = %s",
            [json.dumps(events), *values.values(), message.id])

    def test_the_list_of_types_is_that_of_the_schemas(self):
        types = self.env["emboux.webhook.type"].search([])
        self.assertEqual(set(types.mapped("code")) | {"webhook.test"}, set(EVENTS))
        for kind, model in EVENTS.items():
            model.model_validate(example_of(kind))

    def test_what_a_message_tells(self):
        message = self.log_message(self.domain, status="accepted")
        self.assertEqual(self.kinds(), ["message.accepted"])
        for kind, told in (
            ("delayed", "message.delayed"), ("held", "message.held"),
            ("release_asked", None), ("released", "message.released"), ("relayed", None),
            ("delivered", "message.delivered"), ("filed", None), ("reported", None),
            ("bounced", "message.bounced"), ("complained", "message.complained"),
            ("unsubscribed", None), ("failed", "message.failed"), ("expired", "message.failed"),
            ("deleted", "message.canceled"), ("taken_back", "message.canceled"),
            ("suppressed", "message.suppressed"), ("rejected", None), ("nonsense", None),
        ):
            self.happens(message, kind)
            self.assertEqual(self.kinds(), [told] if told else [], kind)

    def test_two_events_of_one_statement_in_the_order_of_their_time(self):
        message = self.log_message(self.domain)
        self.kinds()
        self.env.cr.execute(
            "UPDATE emboux_mail.message SET events = events || %s::jsonb WHERE id = %s",
            [json.dumps([{"at": "2026-11-20T10:00:09+00:00", "kind": "delivered"},
                         {"at": "2026-11-20T10:00:02+00:00", "kind": "delayed"}]), message.id])
        self.assertEqual(self.kinds(), ["message.delayed", "message.delivered"])

    def test_what_comes_with_its_row(self):
        self.log_message(self.domain, events=json.dumps([{"at": AT, "kind": "delivered"}]))
        self.assertEqual(self.kinds(), ["message.accepted", "message.delivered"])
        self.log_message(self.domain, events=json.dumps([{"at": AT, "kind": "rejected"}]))
        self.assertEqual(self.kinds(), [], "whoever submits by SMTP was told")
        self.log_message(self.domain, events=json.dumps([{"at": AT, "kind": "suppressed"}]))
        self.assertEqual(self.kinds(), ["message.suppressed"])
        self.log_message(self.domain, direction="in")
        self.assertEqual(self.kinds(), [])
        for direction in ("internal", "forwarded"):
            self.log_message(self.domain, direction=direction)
            self.assertEqual(self.kinds(), ["message.accepted"])

    def test_what_was_sent_by_http_is_accepted_once_the_mail_server_has_it(self):
        values = {"from_id": "a" * 26, "client": "HTTP", "queue_id": "", "status": "accepted",
                  "extra": '{"order": "7"}', "tags": '["a"]'}
        message = self.log_message(self.domain, **values)
        self.assertEqual(self.kinds(), [])
        self.happens(message, "scheduled")
        self.assertEqual(self.kinds(), [])
        self.happens(message, "delivered", queue_id="4ABC", status="delivered")
        [accepted, delivered] = self.told()
        self.assertEqual([accepted[0], delivered[0]], ["message.accepted", "message.delivered"])
        self.assertEqual(accepted[2]["extra"], {"order": "7"})
        self.assertEqual(accepted[2]["tags"], ["a"])
        self.assertEqual(delivered[2]["queue_id"], "4ABC")
        self.happens(message, "bounced", status="bounced")
        self.assertEqual(self.kinds(), ["message.bounced"])
        refused = self.log_message(self.domain, **values | {"from_id": "b" * 26})
        self.happens(refused, "rejected", status="rejected")
        self.assertEqual(self.kinds(), ["message.failed"])
        taken_back = self.log_message(self.domain, **values | {"from_id": "c" * 26})
        self.happens(taken_back, "taken_back", status="canceled")
        self.assertEqual(self.kinds(), ["message.canceled"])

    def test_a_report_of_what_is_known_tells_nothing(self):
        message = self.log_message(self.domain, status="delivered")
        self.kinds()
        self.happens(message, "arrived")
        self.assertEqual(self.kinds(), [])
        relayed = self.log_message(self.domain, status="accepted")
        self.kinds()
        self.happens(relayed, "arrived", status="delivered")
        self.assertEqual(self.kinds(), ["message.delivered"])

    def test_whose_webhook_hears(self):
        acme, rival = self.env["res.partner"].create([{"name": "acme"}, {"name": "rival"}])
        theirs = self.make_domain("acme.example", partner_id=acme.id, state="verified")
        second = self.make_domain("acme2.example", partner_id=acme.id, state="verified")
        other = self.env["res.company"].create({"name": "Other"})
        hooks = {
            "acme": self.make_hook(partner_id=acme.id), "rival": self.make_hook(
                partner_id=rival.id),
            "one": self.make_hook(partner_id=acme.id, domain_id=theirs.id),
            "other company": self.make_hook(company_id=other.id),
            "failed only": self.make_hook(partner_id=acme.id, type_ids=[(6, 0, self.env.ref(
                "emboux_mail_api.webhook_type_message_failed").ids)]),
        }
        for domain, heard in ((theirs, {"acme", "one", "operator"}),
                              (second, {"acme", "operator"}), (self.domain, {"operator"})):
            self.log_message(domain)
            self.assertEqual({name for name, hook in (hooks | {"operator": self.hook}).items()
                              if self.told(hook)}, heard)

    def test_domains(self):
        for step in (
            self.domain.action_suspend, self.domain.action_activate,
            lambda: self.domain.write({"outbound_status": "blocked"}),
            lambda: self.domain.write({"outbound_status": "open"}),
            lambda: self.domain._change_state("failed", "No record is left."),
        ):
            step()
            self.env.flush_all()  # each is a transaction of its own
        self.assertEqual([(kind, data["state"]) for kind, _about, data in self.told()], [
            ("domain.suspended", "suspended"), ("domain.verified", "verified"),
            ("domain.blocked", "verified"), ("domain.unblocked", "verified"),
            ("domain.unverified", "failed")])
        record = self.domain.dns_record_ids[:1]
        record.sudo().state = "missing"
        self.domain._notify_changes([(record, "ok")])
        [(kind, about, data)] = self.told()
        self.assertEqual((kind, about), ("domain.dns_changed", "unit.example"))
        self.assertEqual(data["records"], [{"type": record.record_type, "name": record.name,
                                            "before": "ok", "now": "missing"}])

    def test_nothing_without_a_webhook(self):
        self.hook.unlink()
        self.log_message(self.domain)
        self.domain.action_suspend()
        self.assertEqual(self.rows("SELECT count(*) FROM emboux_mail.webhook_delivery"), [(0,)])

    def test_old_ones_are_forgotten(self):
        self.log_message(self.domain)
        self.log_message(self.domain)
        deliveries = self.env["emboux.webhook.delivery"]
        [old, new] = deliveries.search([("webhook_id", "=", self.hook.id)])
        self.env.cr.execute("UPDATE emboux_mail.webhook_delivery SET created_at = created_at -"
                            " interval '15 days' WHERE id = %s", [old.id])
        self.assertEqual(deliveries._gc(), (1, False))
        self.assertEqual(deliveries.search([("webhook_id", "=", self.hook.id)]), new)

    def test_a_copy_for_staging_tells_nobody(self):
        self.log_message(self.domain)
        with file_open("emboux_mail_api/data/neutralize.sql") as script:
            lines = [line for line in script.read().split(";") if "webhook" in line]
        for line in lines:
            self.env.cr.execute(line)
        self.hook.invalidate_recordset()
        self.assertEqual(self.hook.state, "paused")
        self.assertEqual(self.told(), [])


@tagged("post_install", "-at_install")
class TestWebhookRoles(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        acme, rival = cls.env["res.partner"].create([{"name": "acme"}, {"name": "rival"}])
        cls.acme_domain = cls.make_domain("acme.example", partner_id=acme.id, state="verified")
        cls.rival_domain = cls.make_domain("rival.example", partner_id=rival.id, state="verified")
        cls.operators, cls.theirs = cls.env["emboux.webhook"].create([
            {"name": "Operator", "url": "https://op.example/hook"},
            {"name": "Rival", "url": "https://rival.example/hook", "partner_id": rival.id}])
        cls.acme = acme
        cls.users = {
            role: new_test_user(cls.env, f"hook.{role}", groups=group) for role, group in {
                "user": "emboux_core.group_user", "manager": "emboux_core.group_manager",
                "admin": "emboux_core.group_admin",
                "customer": "base.group_portal,emboux_mail_api.group_customer"}.items()}
        cls.users["customer"].sudo().emboux_partner_id = acme
        cls.env["emboux.customer"].sudo()._ensure(acme)

    def as_role(self, role):
        return self.env(user=self.users[role])["emboux.webhook"]

    def values(self, **more):
        return {"name": "Mine", "url": "https://acme.example/hook", **more}

    def test_customers_have_their_own(self):
        hooks = self.as_role("customer")
        mine = hooks.create(self.values(domain_id=self.acme_domain.id))
        self.assertEqual(mine.sudo().partner_id, self.acme)
        self.assertEqual(hooks.search([]), mine)
        self.assertRegex(mine.signing_secret, "^whsec_[A-Za-z0-9+/]{43}=$")
        for values in ({"partner_id": self.rival_domain.partner_id.id}, {"state": "paused"},
                       {"secret": "whsec_x"}, {"company_id": 1}, {"user_id": 2}):
            with self.assertRaises(AccessError, msg=values):
                hooks.create(self.values(**values))
            with self.assertRaises(AccessError, msg=values):
                mine.write(values)
        for domain in (self.rival_domain, self.domain):
            with self.assertRaises(UserError):
                hooks.create(self.values(domain_id=domain.id))
            with self.assertRaises(UserError):
                mine.domain_id = domain
        for other in (self.operators, self.theirs):
            seen = other.with_env(hooks.env)
            for call in (seen.action_pause, seen.action_resume, seen.action_rotate_secret,
                         seen.action_test, seen.unlink, lambda seen=seen: seen.read(["url"])):
                with self.assertRaises(AccessError):
                    call()
        mine.unlink()

    def test_a_customer_has_no_more_than_twenty(self):
        hooks = self.as_role("customer")
        for _ in range(20):
            hooks.create(self.values())
        with self.assertRaisesRegex(UserError, "20 webhooks"):
            hooks.create(self.values())

    def test_managers_look_and_administrators_change(self):
        with self.assertRaises(AccessError):
            self.as_role("user").search([])
        manager = self.as_role("manager")
        self.assertLessEqual(self.operators | self.theirs, manager.search([]).sudo(False))
        self.assertFalse(self.operators.with_env(manager.env).signing_secret)
        with self.assertRaises(AccessError):
            self.operators.with_env(manager.env).action_pause()
        admin = self.operators.with_env(self.as_role("admin").env)
        self.assertTrue(admin.signing_secret)
        admin.action_pause()
        self.assertEqual(admin.state, "paused")
        with self.assertRaisesRegex(UserError, "Resume"):
            admin.action_test()
        admin.action_resume()
        before = admin.signing_secret
        admin.action_rotate_secret()
        admin.invalidate_recordset()
        self.assertNotEqual(admin.signing_secret, before)
        self.assertEqual(admin.sudo().old_secret, before)

    def test_deliveries_are_seen_by_who_sees_the_webhook(self):
        mine = self.as_role("customer").create(self.values())
        for hook in (mine, self.theirs):
            hook.sudo()._make_test()
        deliveries = self.env(user=self.users["customer"])["emboux.webhook.delivery"].search([])
        self.assertEqual(deliveries.webhook_id, mine)
        theirs = self.env["emboux.webhook.delivery"].search([("webhook_id", "=", self.theirs.id)])
        with self.assertRaises(AccessError):
            theirs.with_env(deliveries.env).action_send_again()

    def test_headers(self):
        for headers in ("X", "Host: x", "webhook-id: 1", "X Y: 1", "X: ü", "X: 1\n" * 21):
            with self.assertRaises(ValidationError, msg=headers):
                self.operators.headers = headers
        self.operators.headers = "X-A: 1\n\nAuthorization: Basic YTpi\n"
        self.assertEqual(list(parse_headers(self.operators.headers)),
                         [("X-A", "1"), ("Authorization", "Basic YTpi")])

    def test_the_trail_has_no_secret(self):
        self.operators.write({"headers": "Authorization: Bearer classified"})
        self.operators.action_rotate_secret()
        self.env.flush_all()
        self.env.cr.precommit.run()
        entries = self.env["emboux.audit"].sudo().search(
            [("model", "=", "emboux.webhook"), ("res_id", "=", self.operators.id)])
        text = " ".join(filter(None, entries.mapped("changes")))
        self.assertNotIn("classified", text)
        self.assertNotIn("whsec_", text)


@tagged("post_install", "-at_install")
class TestWebhookJudgement(PlatformCase):
    def delivery(self, attempts=0):
        return Delivery(1, 1, "e", b"{}", attempts, "https://x.example", "s", None, None)

    def test_what_an_answer_means(self):
        for status, state in ((200, "delivered"), (204, "delivered"), (299, "delivered"),
                              (0, "pending"), (301, "pending"), (400, "pending"),
                              (410, "pending"), (500, "pending")):
            result = judge(self.delivery(), Answer(status, ""), 5)
            self.assertEqual(result.state, state, status)
            self.assertEqual(result.gone, status == 410)

    def test_a_fault_of_ours_is_tried_again(self):
        class Broken:
            async def post(self, _delivery):
                raise KeyError("ours")

        sender = Sender(None, None, Broken(), Vitals("webhooks", "unit.example", "1"))
        delivery = self.delivery()
        with self.assertLogs("odoo.addons.emboux_mail_api.emboux_daemons.webhooks.sender", "ERROR"):
            asyncio.run(sender._send(delivery))
        [result] = sender._results
        self.assertEqual((result.delivery, result.state, result.status), (delivery, "pending", 0))

    def test_the_pauses(self):
        total = 0
        for attempts, pause in enumerate(PAUSES[1:]):
            result = judge(self.delivery(attempts), Answer(500, ""), 5)
            self.assertEqual(result.state, "pending")
            self.assertTrue(0.9 * pause <= result.pause <= 1.1 * pause, attempts)
            total += pause
        self.assertEqual(judge(self.delivery(len(PAUSES) - 1), Answer(500, ""), 5).state, "failed")
        self.assertGreater(timedelta(seconds=total), timedelta(days=3))

    def test_retry_after_is_no_less(self):
        self.assertEqual(judge(self.delivery(), Answer(503, "", 900.0), 5).pause, 900.0)
        self.assertGreater(judge(self.delivery(4), Answer(503, "", 1.0), 5).pause, 1000)

    def test_five_days_without_a_success_stop_it(self):
        hook = self.env["emboux.webhook"].create({"name": "x", "url": "https://x.example/"})
        did = "SELECT emboux_mail.webhook_did(%s, %s, %s, 0, false)"
        self.env.flush_all()
        self.env.cr.execute(did, [hook.id, False, "500 Oops"])
        hook.invalidate_recordset()
        self.assertEqual((hook.state, hook.problem), ("enabled", "500 Oops"))
        for days, state in ((4, "enabled"), (6, "failing")):
            hook.sudo().failing_since = fields.Datetime.now() - timedelta(days=days)
            self.env.flush_all()
            self.env.cr.execute(did, [hook.id, False, "500 Oops"])
            hook.invalidate_recordset()
            self.assertEqual(hook.state, state)
        self.assertTrue(re.search("500 Oops", hook.health))
        hook.action_resume()
        self.assertEqual((hook.state, hook.failing_since), ("enabled", False))
