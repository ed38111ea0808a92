# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import itertools
import threading

from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from .mox.faults import TOO_MANY
from .mox_case import MoxCase


@tagged("post_install", "-at_install")
class TestMox(MoxCase):
    """Domains, mailboxes and aliases whose platform is a mox."""

    def test_the_test_says_what_was_found(self):
        self.server.action_test()
        self.assertEqual(self.server.state, "connected")
        self.assertIn("mox v0.0.17 answers", self.server.state_message)
        self.server.secret = "something else"
        self.server.action_test()
        self.assertIn("does not accept the password", self.server.state_message)

    def test_a_domain_has_the_records_of_mox_and_the_backend_its_hosts(self):
        domain = self.make_mox_domain()
        self.assert_done(domain)
        values = {record.key: record.expected for record in domain.dns_record_ids}
        self.assertEqual(values["mx"], "10 localhost.")
        self.assertIn("ip4:127.0.0.1 mx", values["spf"])
        self.assertIn("rua=mailto:dmarcreports@acme.example", values["dmarc"])
        self.assertIn("rua=mailto:tlsreports@acme.example", values["tls_report"])
        self.assertEqual({key for key in values if key.startswith("dkim:")},
                         {"dkim:2026a", "dkim:2026b"})
        self.assertEqual((self.server.smtp_host, self.server.imap_host), ("localhost",) * 2)

    def test_what_mox_has_not_is_refused_in_words(self):
        domain = self.make_mox_domain("acme.example", "ann")
        with self.refused("no wildcard parents"):
            domain.is_wildcard = True
        with self.refused("own addresses alone"):
            domain.mailbox_ids.send_as = "domain"
        with self.refused("own mailboxes alone"):
            self.make_alias(domain, to="joe@far.example")

    def test_a_list_from_its_form(self):
        domain = self.make_mox_domain("acme.example", "ann", "bob", "cid")
        with Form(self.env["emboux.alias"].with_context(default_domain_id=domain.id)) as form:
            form.local_part = "team"
            form.destinations = "\n".join(f"{who}@acme.example" for who in ("ann", "bob", "cid"))
            self.assertTrue(form.has_rules)
            form.is_open = False
        there = self.mox.config.DomainLocalparts("acme.example")[1]["team"]
        self.assertEqual(len(there["Addresses"]), 3)
        self.assertEqual((there["PostPublic"], there["ListMembers"], there["AllowMsgFrom"]),
                         (False, False, True))
        form.record.write({"is_open": True, "shows_members": True})
        there = self.mox.config.DomainLocalparts("acme.example")[1]["team"]
        self.assertEqual((there["PostPublic"], there["ListMembers"]), (True, True))

    def test_a_list_with_two_addresses_of_one_mailbox_says_which_was_left_out(self):
        domain = self.make_mox_domain("acme.example", "ann", "bob")
        self.mox.config.AddressAdd("ann.lee@acme.example", "ann_acme.example")
        self.later(minutes=1)
        self.run_compare()
        self.server.drift_ids.filtered(lambda d: d.kind == "alias").action_adopt()
        team = self.make_alias(domain, "team", "ann@acme.example\nann.lee@acme.example\n"
                               "bob@acme.example")
        self.assert_done(team)
        self.assertEqual(team.destinations, "ann@acme.example\nbob@acme.example")
        self.assertIn("left out ann.lee@acme.example", str(team.message_ids.mapped("body")))
        calls = len(self.mox.calls)
        self.later(minutes=1)
        self.run_compare()
        self.assertEqual(self.server.drift_ids.mapped("name"), ["localhost"])
        self.assertFalse([c for c in self.mox.calls[calls:] if c[0].startswith("Alias")])

    def test_no_limit_is_one_thing_here_and_there(self):
        """On a mox with a default quota its own 0 is that."""
        self.mox.config.default_quota = 500 * 2**20
        mailbox = self.make_mailbox(self.make_mox_domain(), quota_mb=0)
        account = "ann_acme.example"
        self.assertEqual(self.mox.config.Account(account)[0]["QuotaMessageSize"], -1)
        self.later(minutes=1)
        self.run_compare()
        self.assertNotIn("ann@acme.example", self.server.drift_ids.mapped("name"))
        self.mox.config.change_account(account, "", QuotaMessageSize=0)
        self.server._client()._there.forget()
        self.run_compare()
        drift = self.server.drift_ids.filtered(lambda d: d.name == "ann@acme.example")
        self.assertEqual(drift.difference, "Quota: unlimited → 500 MB")
        drift.action_adopt()
        self.assertEqual(mailbox.quota_mb, 500)

    def test_a_catch_all_and_its_removal(self):
        domain = self.make_mox_domain("acme.example", "ann")
        domain.mailbox_ids.catch_all = True
        self.assertEqual(self.mox.config.DomainLocalparts("acme.example")[0][""],
                         "ann_acme.example")
        domain.mailbox_ids.catch_all = False
        self.assertNotIn("", self.mox.config.DomainLocalparts("acme.example")[0])

    def test_suspending_and_activating(self):
        domain = self.make_mox_domain("acme.example", "ann")
        domain.mailbox_ids.action_suspend()
        domain.action_suspend()
        self.assertTrue(self.mox.config.Account("ann_acme.example")[0]["LoginDisabled"])
        self.assertTrue(self.mox.config.DomainConfig("acme.example")["Disabled"])
        domain.action_activate()
        domain.mailbox_ids.action_activate()
        self.assertFalse(self.mox.config.Account("ann_acme.example")[0]["LoginDisabled"])

    def test_what_suspending_a_mailbox_does_is_said_as_its_platform_does_it(self):
        mailboxes = self.make_mox_domain("acme.example", "ann").mailbox_ids
        mailboxes += self.make_mailbox(self.make_domain())
        self.assertEqual(mailboxes.mapped("suspended_receives"), [True, False])

    def test_a_limit_is_waited_for_and_counts_as_no_try(self):
        domain = self.make_mox_domain()
        self.mox.too_many()
        mailbox = self.make_mailbox(domain)
        self.assert_pending(mailbox, "1,000 in a minute")
        # the client waits for the full minute too
        self.server._client().api._busy_until = 0
        self.later(minutes=2)
        self.run_cron()
        self.assert_done(mailbox)

    def test_an_import_goes_on_minute_by_minute_and_says_how_far_it_is(self):
        """It plans, stops at the limit, and goes on where it stopped."""
        domain = self.make_mox_domain()
        self.env["emboux.mailbox"].with_context(import_file=True).create(
            [{"domain_id": domain.id, "local_part": f"box{number:02}"} for number in range(30)])
        self.commit()
        self.assertEqual(self.server.operation_count, 30)
        self.assertEqual(
            self.server.operation_note,
            "30 changes wait for the platform. 1 were made in the last 10 minutes. At this pace "
            "the rest takes about 300 minutes.")
        self.mox.calls.clear()
        number, over, answer = itertools.count(), threading.Event(), self.mox.serve

        def serve(handler, path, body):
            if path.endswith("AccountAdd") and next(number) == 20:
                over.set()
            if over.is_set():
                handler.reply(429, {}, TOO_MANY)
            else:
                answer(handler, path, body)

        self.mox.serve = serve
        self.later(minutes=1)
        self.run_cron()
        self.assertEqual(len(self.mox.config.state.accounts), 21, "20, and mox's own")
        self.env.invalidate_all()
        # of those that were under way perhaps not all was told
        under_way = self.server._client().at_once - 1
        self.assertIn(self.server.operation_count, range(10, 11 + under_way))
        over.clear()
        self.server._client().api._busy_until = 0
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(len(self.mox.config.state.accounts), 31)
        self.assertFalse(self.open_operations())
        added = [params[1] for name, params in self.mox.calls if name == "AccountAdd"]
        self.assertEqual(len(set(added)), 30)
        self.assertEqual(len(added), 30, "none was made twice")

    def test_a_password_that_did_not_get_through_is_asked_for_again(self):
        domain = self.make_mox_domain()
        self.mox.cut_before("SetPassword")
        mailbox = self.make_mailbox(domain, password="a password for tests")
        self.assertEqual(mailbox.sync_state, "pending")
        self.later(minutes=2)
        self.run_cron()
        self.assertEqual(mailbox.sync_state, "refused")
        self.assertIn("Set the password again", mailbox.sync_message)
        mailbox.password = "a password for tests"
        self.commit()
        self.assert_done(mailbox)

    def test_a_comparison_finds_and_adopts_what_was_changed_on_mox(self):
        domain = self.make_mox_domain("acme.example", "ann", "bob")
        self.make_alias(domain, "team", "ann@acme.example\nbob@acme.example")
        self.later(minutes=5)  # what was told just now is no difference
        self.server._compare()
        self.assertFalse(self.env["emboux.drift"].search([("name", "like", "acme.example")]))
        self.mox.config.AliasUpdate("team", "acme.example", False, True, True)
        self.mox.config.AccountAdd("zoe", "zoe@acme.example")
        self.server._client()._there.forget()
        self.server._compare()
        found = {row.name: row for row in self.env["emboux.drift"].search(
            [("name", "like", "acme.example")])}
        self.assertEqual(set(found), {"team@acme.example", "zoe@acme.example"})
        self.assertIn("Anyone May Write: yes → no", found["team@acme.example"].difference)
        for row in found.values():
            row.action_adopt()
        self.assertFalse(domain.alias_ids.is_open)
        self.assertIn("zoe@acme.example", domain.mailbox_ids.mapped("email"))

    def test_what_a_mailbox_holds_is_known_without_the_number_of_messages(self):
        domain = self.make_mox_domain("acme.example", "ann")
        domain.mailbox_ids.sudo().message_total = 3
        self.mox.config.state.accounts["ann_acme.example"]["_size"] = 0
        self.server._sync_usage()
        self.assertEqual(domain.mailbox_ids.message_total, 3)
        self.assertTrue(self.server.usage_cursor)

    def test_the_account_for_reports(self):
        self.mox.config.AccountAdd("postmaster", "postmaster@localhost")
        self.server.mox_account = "postmaster"
        self.make_mox_domain("second.example")
        self.assertEqual(
            self.mox.config.DomainConfig("second.example")["DMARC"]["Account"], "postmaster")
        self.server.mox_account = "nobody"
        self.server.action_test()
        self.assertIn("no account nobody", self.server.state_message)

    def test_deleting_leaves_nothing(self):
        domain = self.make_mox_domain("acme.example", "ann")
        domain.mailbox_ids.catch_all = True
        self.make_alias(domain, "team", "ann@acme.example")
        domain.alias_ids.unlink()
        domain.mailbox_ids.unlink()
        domain.unlink()
        self.commit()
        self.assertNotIn("acme.example", self.mox.config.state.domains)
        self.assertEqual(list(self.mox.config.state.accounts), ["mox"])

    def test_the_url_has_to_be_one(self):
        with self.assertRaises(UserError):
            self.server.url = "mail.example.com"
