# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import ast
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..backends import mox_server
from .mox_case import MoxCase


@tagged("post_install", "-at_install")
class TestServerPages(MoxCase):
    """What an administrator sees of a mail server, and does there."""

    def setUp(self):
        super().setUp()
        self.domain = self.make_mox_domain("acme.example", "ann")
        self.messages = self.env["emboux.server.message"]

    def queue(self, count=3):
        numbers = [self.put(f"joe{n}@far.example", Subject=f"Offer {n}") for n in range(count)]
        self.messages.action_open()
        found = self.messages.search([("backend_id", "=", self.server.id)], order="id")
        self.assertEqual(sorted(map(int, found.mapped("key"))), numbers)
        return found

    # -- the queue -------------------------------------------------------------------------

    def test_the_queue_is_read_when_it_is_opened(self):
        messages = self.queue()
        self.assertEqual(messages[0].sender, "ann@acme.example")
        self.assertEqual(messages[0].login, "ann_acme.example")
        self.assertEqual(set(messages.mapped("queue")), {"deferred"})
        self.mox.queue.delays(int(messages[0].key), 451, "4.2.0", "try later")
        self.mox.queue.ends(int(messages[1].key), 550, "5.1.1", "nobody here")
        action = messages.action_refresh()
        self.assertEqual(action["res_model"], "emboux.server.message")
        self.assertEqual((messages[0].attempts, messages[0].reason), (1, "try later"))
        self.assertIn("451 try later", messages[0].story)

    def test_what_has_left_is_shown_as_long_as_its_account_keeps_it(self):
        self.mox.config.change_account(
            "ann_acme.example", "saving account", KeepRetiredMessagePeriod=10**15)
        first, second, third = self.queue()
        self.mox.queue.ends(int(first.key))
        self.mox.queue.ends(int(second.key), 550, "5.1.1", "nobody here")
        self.messages.action_open()
        self.assertEqual((first.queue, second.queue, third.queue),
                         ("delivered", "failed", "deferred"))
        self.assertTrue(first.ended_at)

    def test_hold_and_release(self):
        messages = self.queue()
        answer = messages[:2].action_hold()
        self.assertEqual(answer["params"]["message"], "Put on hold: 2.")
        self.assertEqual(messages.mapped("queue"), ["hold", "hold", "deferred"])
        self.assertTrue(self.mox.queue.waiting.rows[int(messages[0].key)]["Hold"])
        messages.action_release()
        self.assertEqual(set(messages.mapped("queue")), {"deferred"})
        self.assertIn("Released: 2.", self.server.message_ids[0].body)
        with self.assertRaisesRegex(UserError, "release what is on hold"):
            messages.action_release()

    def test_deliver_and_put_off(self):
        messages = self.queue(1)
        until = fields.Datetime.now() + timedelta(hours=5)
        self.env["emboux.server.change"].with_context(active_ids=messages.ids).create(
            {"what": "postpone", "until": until}).action_apply()
        self.assertLess(abs((messages.next_try - until).total_seconds()), 90)
        messages.action_deliver()
        self.assertLess(messages.next_try, until)
        for wrong in (fields.Datetime.now(), fields.Datetime.now() + timedelta(days=31)):
            with self.assertRaisesRegex(UserError, "within the next 30 days"):
                messages.postpone(wrong)

    def test_fail_and_drop(self):
        messages = self.queue()
        messages[0].action_fail()
        messages[1].exists().action_drop()
        self.messages.action_open()
        self.assertEqual(messages.exists(), messages[2])
        self.assertEqual(list(self.mox.queue.waiting.rows), [int(messages[2].key)])

    def test_what_has_left_meanwhile_is_said(self):
        messages = self.queue(2)
        self.mox.queue.ends(int(messages[0].key))
        answer = messages.action_drop()
        self.assertEqual(answer["params"]["type"], "warning")
        self.assertIn("meanwhile: 1", answer["params"]["message"])

    def test_nothing_chosen_is_not_everything(self):
        """An empty filter would mean the whole queue there."""
        self.queue(2)
        with self.assertRaises(UserError):
            self.messages.browse().action_drop()
        self.assertEqual(self.server._client().server.drop([]), 0)
        self.assertEqual(len(self.mox.queue.waiting.rows), 2)

    def test_tls_and_transport(self):
        messages = self.queue(1)
        change = self.env["emboux.server.change"].with_context(active_ids=messages.ids)
        change.create({"what": "tls", "tls": "yes"}).action_apply()
        self.assertEqual(messages.require_tls, "yes")
        change.create({"what": "tls", "tls": False}).action_apply()
        self.assertFalse(messages.require_tls)
        self.mox.config.transports = {"relay": {"Submission": {"Host": "relay.example"}}}
        change.create({"what": "transport", "transport": "relay"}).action_apply()
        self.assertEqual(messages.transport, "relay")
        with self.assertRaisesRegex(UserError, "no transport nowhere. It has: relay"):
            change.create({"what": "transport", "transport": "nowhere"}).action_apply()

    def test_a_server_that_is_away_leaves_what_was_seen(self):
        messages = self.queue(1)
        for _number in range(2):
            self.mox.cut_before("QueueList")
        answer = self.messages.action_open()
        self.assertEqual(answer["params"]["type"], "danger")
        self.assertEqual(answer["params"]["next"]["res_model"], "emboux.server.message")
        self.assertTrue(messages.exists())

    def test_several_pages(self):
        for number in range(7):
            self.put(f"joe{number}@far.example")
        with patch.object(mox_server, "PAGE", 3):
            self.messages.action_open()
        self.assertEqual(self.messages.search_count([("backend_id", "=", self.server.id)]), 7)

    # -- the other pages -------------------------------------------------------------------

    def test_hold_rules_are_made_and_taken_away_on_the_server(self):
        rules = self.env["emboux.server.hold.rule"]
        rule = rules.create({"backend_id": self.server.id, "recipient_domain": "far.example"})
        self.assertEqual(list(self.mox.queue.rules), [int(rule.key)])
        self.put()
        self.messages.action_open()
        self.assertEqual(self.messages.search([]).mapped("queue"), ["hold"])
        with self.assertRaises(AccessError):  # mox cannot change one
            rule.write({"recipient_domain": "else.example"})
        self.server._client().server.add_hold_rule("ann_acme.example", "", "")
        rules.action_open()
        self.assertEqual(rules.search([]).mapped("login"), [False, "ann_acme.example"])
        self.assertFalse(any(rules.search([]).mapped("everything")))
        rule.unlink()
        self.assertEqual(len(self.mox.queue.rules), 1)

    def test_routes_are_told_as_a_whole(self):
        routes = self.env["emboux.server.route"]
        self.mox.config.transports = {"relay": {"Submission": {}}, "direct": {"Direct": {}}}
        first = routes.create({
            "backend_id": self.server.id, "to_domains": "far.example, Bücher.example",
            "transport": "relay"})
        routes.create({"backend_id": self.server.id, "transport": "direct", "attempts": 3})
        there = self.server._client().server.routes()
        self.assertEqual([row.transport for row in there], ["relay", "direct"])
        self.assertEqual(there[0].to_domains, ("far.example", "xn--bcher-kva.example"))
        self.assertEqual(there[1].attempts, 3)
        # somebody else changes them on mox's own pages: nothing of it is overwritten
        self.server._client().server.save_routes([*there, there[0]])
        with self.assertRaisesRegex(UserError, "Refresh the list"):
            first.attempts = 5
        self.assertEqual(len(self.server._client().server.routes()), 3)
        self.server._client().server.save_routes(there)
        # dragged to another place: the web client writes one row after the other
        for place, route in enumerate((routes.search([]) - first) | first):
            route.sequence = place
        self.assertEqual([row.transport for row in self.server._client().server.routes()],
                         ["direct", "relay"])
        routes.action_open()
        self.assertEqual(routes.search([]).mapped("transport"), ["direct", "relay"])
        first.unlink()
        self.assertEqual([row.transport for row in self.server._client().server.routes()],
                         ["direct"])

    def test_webhook_calls(self):
        self.mox.hooks.set_url("ann_acme.example", "http://127.0.0.1:1/hook")
        self.mox.hooks.incoming("ann_acme.example", Subject="Hello")
        hooks = self.env["emboux.server.hook"]
        hooks.action_open()
        hook = hooks.search([("backend_id", "=", self.server.id)])
        self.assertEqual((hook.event, hook.subject, hook.state), ("incoming", "Hello", "waiting"))
        hook.action_try_now()
        hook.action_cancel()
        self.assertFalse(self.mox.hooks.waiting.rows)

    def test_suppressed_addresses_of_mailboxes_that_odoo_sends_through(self):
        mailbox = self.domain.mailbox_ids
        mailbox.password = "a password for tests"
        self.env["ir.mail_server"].create({
            "name": "Ann", "smtp_host": "mail.example", "smtp_user": mailbox.email,
            "smtp_pass": "a password for tests", "emboux_mailbox_id": mailbox.id})
        self.mox.webapi.SuppressionAdd(
            "ann_acme.example",
            {"EmailAddress": "x.5+tag@far.example", "Manual": False, "Reason": "550"})
        rows = self.env["emboux.server.suppression"]
        rows.action_open()
        found = rows.search([("mailbox_id", "=", mailbox.id)])
        self.assertEqual((found.address, found.reason, found.manual),
                         ("x.5+tag@far.example", "550", False))
        made = rows.create({"mailbox_id": mailbox.id, "address": "zoe@far.example"})
        self.assertTrue(made.since)
        with self.assertRaisesRegex(UserError, "written in another way"):
            rows.create({"mailbox_id": mailbox.id, "address": "x5@far.example"})
        (found | made).unlink()
        self.assertFalse(self.mox.webapi.suppressed)

    def test_one_that_is_not_let_in_hides_no_others_suppressions(self):
        ann = self.domain.mailbox_ids
        bob = self.make_mailbox(self.domain, "bob", password="a password for tests")
        ann.password = "a password for tests"
        self.env["ir.mail_server"].create([
            {"name": mailbox.email, "smtp_host": "mail.example", "smtp_user": mailbox.email,
             "smtp_pass": "a password for tests", "emboux_mailbox_id": mailbox.id}
            for mailbox in ann | bob])
        for name in ("ann", "bob"):
            self.mox.webapi.SuppressionAdd(
                f"{name}_acme.example",
                {"EmailAddress": f"{name}s@far.example", "Manual": False, "Reason": "550"})
        rows = self.env["emboux.server.suppression"]
        rows.action_open()
        bob.mail_server_ids.smtp_pass = "another one"
        self.mox.webapi.SuppressionAdd(
            "ann_acme.example",
            {"EmailAddress": "new@far.example", "Manual": False, "Reason": "550"})
        said = rows.action_open()["params"]
        self.assertEqual(said["type"], "danger")
        self.assertIn("bob@acme.example", said["message"])
        found = rows.search([("backend_id", "=", self.server.id)])
        self.assertEqual(set(found.mapped("address")),
                         {"anns@far.example", "bobs@far.example", "new@far.example"})
        bob.mail_server_ids.unlink()
        rows.action_open()
        self.assertEqual(set(found.exists().mapped("mailbox_id")), {ann})

    def test_reports_are_numbers_to_look_at(self):
        end = int(fields.Datetime.now().timestamp())
        record = self.mox.reports.dmarc_record
        self.mox.reports.put_dmarc("acme.example", end - 86400, end, [
            record("192.0.2.1", 40), record("192.0.2.9", 2, "reject", "fail", "fail")])
        moment = fields.Datetime.now().isoformat() + "Z"
        self.mox.reports.put_tls("acme.example", moment, moment, success=7, failure=1,
                                 details=[{"ResultType": "certificate-expired"}])
        reports = self.env["emboux.server.report"]
        reports.action_open()
        groups = {kind: (count, failed) for kind, count, failed in reports._read_group(
            [("backend_id", "=", self.server.id)], ["kind"], ["count:sum", "failed:sum"])}
        self.assertEqual(groups, {"dmarc": (42, 2), "tls": (8, 1)})
        self.assertEqual(reports.search([("kind", "=", "tls")]).result, "certificate-expired")
        for kind, right, wrong in (("dmarc", 40, 2), ("tls", 7, 1)):
            page = f"emboux_core.action_server_report_{kind}"
            action = reports.action_open(page)
            self.assertEqual(action["xml_id"], page)
            chart = self.env[action["res_model"]]
            self.assertEqual(
                dict(chart._read_group(
                    [*ast.literal_eval(action["domain"]), ("backend_id", "=", self.server.id)],
                    ["outcome"], ["count:sum"])),
                {"passed": right, "wrong": wrong})

    def test_log_ins(self):
        self.mox.reports.put_attempt("ann_acme.example", "badcreds", Protocol="imap")
        logins = self.env["emboux.server.login"]
        logins.action_open()
        failed = logins.search([("is_ok", "=", False)])
        self.assertEqual((failed.login, failed.protocol), ("ann_acme.example", "imap"))

    def test_signing_keys(self):
        action = self.domain.action_server_keys()
        keys = self.env["emboux.server.key"].search(action["domain"])
        self.assertEqual(keys.mapped("key"), ["2026a", "2026b"])
        self.assertEqual(keys.mapped("signs"), [True, False])
        self.env["emboux.server.key.new"].create(
            {"domain_id": self.domain.id, "selector": "2027", "algorithm": "ed25519"}
        ).action_apply()
        new = keys.search([("domain_id", "=", self.domain.id), ("key", "=", "2027")])
        self.assertFalse(new.signs)
        self.assertIn("dkim:2027", self.domain.dns_record_ids.mapped("key"))
        new.action_sign()
        self.assertTrue(new.signs)
        with self.assertRaisesRegex(UserError, "still signs"):
            keys[0].action_retire()
        keys[0].action_stop()
        keys[0].action_retire()
        self.assertNotIn("dkim:2026a", self.domain.dns_record_ids.mapped("key"))
        with self.assertRaisesRegex(UserError, "nothing would sign"):
            new.action_stop()

    def test_rows_that_are_as_they_were_are_not_written(self):
        self.domain.action_server_keys()
        keys = self.env["emboux.server.key"]
        with patch.object(type(keys), "_store") as written:
            self.domain.action_server_keys()
        written.assert_not_called()

    def test_reports_and_policies_of_a_domain(self):
        wizard = self.env["emboux.server.domain"].browse(
            self.domain.action_server_settings()["res_id"])
        self.assertEqual((wizard.dmarc_local_part, wizard.dmarc_account), ("dmarcreports", "mox"))
        self.assertFalse(wizard.sts_mode)
        self.mox.config.mta_sts = True  # what has a listener for it in mox.conf
        wizard.write({"dmarc_local_part": "dmarc", "tls_local_part": False, "sts_mode": "testing"})
        wizard.action_save()
        there = self.mox.config.DomainConfig("acme.example")
        self.assertEqual(there["DMARC"]["Localpart"], "dmarc")
        self.assertFalse(there["TLSRPT"])
        self.assertEqual(there["MTASTS"]["Mode"], "testing")
        values = {record.key: record.expected for record in self.domain.dns_record_ids}
        self.assertIn("rua=mailto:dmarc@acme.example", values["dmarc"])
        self.assertIn("mta_sts", values)
        self.assertNotIn("tls_report", values)

    def test_the_servers_own_check_stands_beside_ours(self):
        self.assertFalse(self.domain.server_check)
        self.domain.action_server_check()
        self.assertIn("no such host", self.domain.server_check)
        self.assertTrue(self.domain.server_check_at)
        with self.assertRaises(AccessError):
            self.domain.with_user(new_test_user(
                self.env, "server.reader", groups="emboux_core.group_user")).action_server_check()

    def test_the_status_of_a_server(self):
        wizard = self.env["emboux.server.status"].browse(
            self.server.action_server_status()["res_id"])
        self.assertIn("No blocklist is asked", wizard.blocklists)
        wizard.watched = "zen.blocklist.example\n"
        wizard.action_save()
        self.assertEqual(self.server._client().server.blocklists()[1], ["zen.blocklist.example"])
        wizard.watched = "no name!"
        with self.assertRaises(UserError):
            wizard.action_save()

    # -- who ---------------------------------------------------------------------------------

    def test_only_administrators_see_servers(self):
        message = self.queue(1)
        pages = ("message", "hold.rule", "hook", "suppression", "report", "report.outcome", "login",
                 "route", "key")
        for role, allowed in (("user", False), ("manager", False), ("admin", True)):
            env = self.env(user=new_test_user(
                self.env, f"server.{role}", groups=f"emboux_core.group_{role}"))
            for page in pages:
                if allowed:
                    env[f"emboux.server.{page}"].search([])
                else:
                    with self.assertRaises(AccessError):
                        env[f"emboux.server.{page}"].search([])
                    if page != "report.outcome":  # it is opened by the reports
                        with self.assertRaises(AccessError):
                            env[f"emboux.server.{page}"].action_open()
            if allowed:
                message.with_env(env).action_hold()
                with self.assertRaises(AccessError):
                    message.with_env(env).write({"sender": "x"})
            else:
                with self.assertRaises(AccessError):
                    message.with_env(env).action_drop()
                with self.assertRaises(AccessError):
                    self.domain.with_env(env).action_server_keys()

    def test_another_companys_server_is_not_seen(self):
        message = self.queue(1)
        other = self.env["res.company"].create({"name": "Other"})
        self.server.company_id = self.env.company
        stranger = new_test_user(self.env, "server.stranger", groups="emboux_core.group_admin",
                                 company_id=other.id, company_ids=[(6, 0, other.ids)])
        env = self.env(user=stranger)
        self.assertFalse(env["emboux.server.message"].search([("id", "=", message.id)]))
        with self.assertRaises(AccessError):
            message.with_env(env).action_hold()

    def test_the_menu_is_there_once_there_is_a_server(self):
        menu = self.env.ref("emboux_core.menu_server").id
        menus = self.env["ir.ui.menu"]
        self.assertIn(menu, menus.load_menus(False))
        self.env["emboux.backend"].search([("kind", "=", "mox")]).active = False
        self.assertNotIn(menu, menus.load_menus(False))
