# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user
from odoo.tools import mute_logger

from odoo.addons.emboux_core.dns.judge import Verdict
from odoo.addons.emboux_core.dns.lookup import DomainCheck
from odoo.addons.emboux_core.net.errors import NotAuthorised, Refused, UnknownOutcome, Unreachable

from .memory_provider import MemoryProvider
from .registration_case import RegistrationCase


class TestTelling(RegistrationCase):
    def test_the_provider_is_called_after_the_commit_and_not_before(self):
        domain = self.make_domain("p.example", provider_id=self.provider.id)
        self.assertFalse(self.far.calls)
        self.commit()
        self.assertEqual(self.far.domains, {"p.example": None})
        self.assertEqual((domain.registration_state, domain.state), ("done", "pending"))
        keys = domain.dns_record_ids.mapped("key")
        self.assertIn("dkim:k1", keys)
        self.assertFalse([key for key in keys if key.startswith("dkim:rsa-")])
        spf = domain.dns_record_ids.filtered(lambda r: r.key == "spf")
        self.assertIn("include:memory.example", spf.expected)

    def test_own_domains_have_no_registration(self):
        domain = self.make_domain("own.example")
        self.commit()
        self.assertEqual(domain.provider_id, self.env.ref("emboux_mail_api.provider_own"))
        self.assertFalse(self.row("own.example"))

    def test_a_name_that_several_claim_is_registered_once(self):
        """For the first who claims it, then for its owner; it goes with the last of them."""
        partners = self.env["res.partner"].create([{"name": n} for n in "ABC"])
        first, second, third = (self.make(partner_id=partner.id) for partner in partners)
        [row] = self.row()
        self.assertEqual(row.domain_id, first)
        self.assertEqual([name for name, *_rest in self.far.calls].count("register"), 1)
        second.sudo().owned_since = self.now
        self.commit()
        [row] = self.row()
        self.assertEqual((row.domain_id, row.wish, row.state), (second, "present", "done"))
        self.assertIn("dkim:k1", second.dns_record_ids.mapped("key"))
        first.unlink()
        self.commit()
        self.assertEqual((self.row().domain_id, self.row().wish), (second, "present"))
        second.unlink()
        self.commit()
        self.assertEqual((self.row().domain_id, self.row().wish), (third, "present"))
        self.assertEqual(set(self.far.domains), {"p.example"})
        third.unlink()
        self.commit()
        self.assertFalse(self.far.domains)

    def test_an_unreachable_provider_is_told_later_with_growing_pauses(self):
        self.far.faults["register"] = Unreachable("the line is cut")
        domain = self.make()
        self.assertIn("the line is cut", domain.registration_error)
        self.assertEqual(domain.registration_state, "pending")
        first = self.row().next_try - self.now
        self.later(minutes=1)
        self.run_cron()
        second = self.row().next_try - self.now
        self.assertGreater(second, first)
        calls = len(self.far.calls)
        self.run_cron()
        self.assertEqual(len(self.far.calls), calls, "not before its time")
        del self.far.faults["register"]
        self.later(hours=1)
        self.run_cron()
        self.assertEqual(domain.registration_state, "done")

    def test_a_lost_answer_is_recovered(self):
        self.far.faults["register"] = UnknownOutcome("no answer")
        self.make()
        del self.far.faults["register"]
        self.later(hours=1)
        self.run_cron()
        self.assertEqual(self.row().state, "done")

    def test_what_is_refused_fails_the_domain_and_is_said(self):
        self.far.faults["register"] = Refused("it is somebody else's")
        domain = self.make()
        self.assertEqual((domain.state, domain.registration_state), ("failed", "refused"))
        self.assertIn("somebody else", domain.state_reason)
        self.assertIn("somebody else", domain.message_ids.mapped("body")[0]
                      + "".join(domain.message_ids.mapped("body")))
        self.run_cron()
        self.assertEqual(len(self.far.calls), 1, "not repeated by itself")
        del self.far.faults["register"]
        domain.provider_id = domain.provider_id  # nothing new, nothing told
        self.row()._request("present")
        self.run_cron()
        self.assertEqual(domain.registration_state, "done")

    def test_a_bad_key_keeps_all_domains_waiting_for_a_good_one(self):
        self.far.faults["register"] = NotAuthorised("the key is not accepted")
        first, second = self.make("p.example"), self.make("q.example")
        self.assertEqual(self.provider.state, "error")
        self.assertEqual([first.state, second.state], ["pending", "pending"])
        del self.far.faults["register"]
        self.provider.action_test()
        self.commit()
        self.assertEqual(
            [first.registration_state, second.registration_state], ["done", "done"])

    def test_one_providers_outage_holds_up_no_other_one(self):
        other = self.env["emboux.provider"].create(
            {"name": "Other", "kind": "mailgun", "region": "us", "sequence": 91})
        further = MemoryProvider()
        model = self.env.registry["emboux.provider"]
        original = model._client
        self.startPatcher(patch.object(
            model, "_client",
            lambda provider: further if provider.id == other.id else original(provider)))
        self.far.faults["register"] = Unreachable("the line is cut")
        names = [f"n{n}.example" for n in range(20)]
        self.env["emboux.domain"].create(
            [{"name": name, "backend_id": self.backend.id,
              "provider_id": (other if n % 2 else self.provider).id}
             for n, name in enumerate(names)])
        self.env.flush_all()
        self.env.cr.postcommit.clear()
        self.run_cron()
        self.assertEqual(len(further.domains), 10)
        self.assertEqual(len(self.far.calls), 1, "the others would only wait too")

    @mute_logger("odoo.addons.emboux_core.models.outbox")
    def test_a_defect_here_is_no_end(self):
        self.far.faults["register"] = ZeroDivisionError("a defect")
        self.make()
        self.assertEqual(self.row().state, "pending")
        self.assertNotIn("a defect", self.row().error)


class TestAskedAgain(RegistrationCase):
    """Whatever a provider said before: it is asked again, and what it says now is so."""

    def setUp(self):
        super().setUp()
        # a test's cursor refuses it
        self.startPatcher(patch.object(self.env.cr, "commit", self.commit))

    def refused(self, verb="register", **values):
        self.far.faults[verb] = Refused("the topic does not exist")
        domain = self.make(**values)
        if verb == "register":
            self.assertEqual(domain.registration_state, "refused")
        return domain

    def test_a_resolved_refusal_is_retried_by_every_entry_point(self):
        for name, door in (
            ("check.example", lambda domain: domain.action_check_now()),
            ("try.example", lambda domain: domain.registration_id.action_try_now()),
            ("test.example", lambda domain: self.provider.action_test()),
            ("send.example", lambda domain: domain.action_activate_sending()),
        ):
            domain = self.refused(name=name)
            with patch.object(type(domain), "_look_up", lambda domains, _deadline: {
                domain.id: DomainCheck(domain.name, ()) for domain in domains
            }):
                door(domain)
                self.commit()
                self.assertEqual(domain.registration_state, "refused", "asked, and refused again")
                del self.far.faults["register"]
                door(domain)
                self.commit()
            self.assertEqual((domain.registration_state, domain.registration_error),
                             ("done", False), name)
            self.assertIn(name, self.far.domains)

    def test_try_now_says_what_was_said_now(self):
        domain = self.refused()
        self.far.faults["register"] = Refused("another reason")
        shown = domain.registration_id.action_try_now()["params"]
        self.assertIn("another reason", shown["message"])

    def test_activate_sending_claims_nothing_that_it_did_not_see(self):
        def said(domain):
            shown = domain.action_activate_sending()["params"]
            return shown["type"], shown["message"]

        domain = self.refused("credential", state="verified")
        self.assertEqual(said(domain)[0], "warning")
        self.assertIn("topic does not exist", said(domain)[1])
        del self.far.faults["credential"]
        self.assertEqual(said(domain), ("success", "p.example can send."))
        self.far.credentials.clear()
        self.far.faults["register"] = Unreachable("the line is cut")
        self.assertIn("the line is cut", said(domain)[1])
        self.assertFalse(domain.sending_note, "that it does not answer now stops no mail")
        del self.far.faults["register"]
        self.assertEqual(said(domain)[0], "success")
        self.assertIn("p.example", self.far.credentials, "made again")
        self.env.cr.execute(
            "UPDATE emboux_provider SET kind = 'ses' WHERE id = %s", [self.provider.id])
        self.env.invalidate_all()
        self.assertIn("no SMTP login", said(domain)[1])
        for values, words in (({"outbound_status": "blocked"}, "stopped its sending"),
                              ({"state": "suspended"}, "is suspended"),
                              ({"state": "pending"}, "not verified")):
            other = self.make_domain("own.example", state="verified")
            other.write(values)
            self.assertIn(words, said(other)[1])
            other.state = "verified"
            other.outbound_status = "open"
            other.unlink()

    def test_a_login_that_vanished_is_made_again_with_its_password(self):
        domain = self.make(state="verified")
        domain._request_sending()
        self.commit()
        password = self.far.credentials.pop("p.example")
        self.row().next_poll = self.now
        self.run_cron("_cron_poll")
        self.assertEqual(self.far.credentials, {"p.example": password})

    def test_asking_again_stops_no_mail(self):
        domain = self.make(state="verified")
        self.env.cr.execute(
            "UPDATE emboux_provider SET kind = 'ses', smtp_password = 'x' WHERE id = %s",
            [self.provider.id])
        self.env.invalidate_all()
        self.make_mailbox("ann", domain)

        def stopped():
            self.env.flush_all()
            return self.rows("SELECT action FROM emboux_mail.outbound WHERE login = %s",
                             f"ann@{domain.name}")

        self.assertFalse(stopped() or domain.sending_note)
        self.row()._request_again()
        self.assertEqual(self.row().state, "pending")
        self.assertFalse(stopped() or domain.sending_note)
        self.far.faults["register"] = Refused("no more")
        self.commit()
        self.assertTrue(stopped() and domain.sending_note)
        self.row()._request_again()
        self.assertTrue(stopped() and domain.sending_note, "it has to say yes first")

    def test_increment_says_what_postfix_says(self):
        domain = self.make(state="verified")
        self.make_mailbox("ann", domain)
        [(sentence,)] = self.rows(
            "SELECT action FROM emboux_mail.outbound WHERE login = 'ann@p.example'")
        for login in ("ann@p.example", None):
            decision, today, _month = domain._decide_outgoing(1, login=login)
            self.assertEqual((decision.action, decision.rule, today), ("reject", "relay", 0))
            self.assertEqual(f"{decision.code} {decision.reason}", f"{sentence}.")
        domain.outbound_enforcement = "off"
        self.assertFalse(domain._decide_outgoing(1)[0].accepted, "nor does Postfix let it pass")
        domain._request_sending()
        self.commit()
        self.assertTrue(domain._decide_outgoing(1, login="ann@p.example")[0].accepted)

    def test_verified_without_a_login_is_not_announced_as_sending(self):
        domain = self.make()
        domain.sudo().owned_since = self.now
        self.far.verified.add("p.example")
        self.row().next_poll = self.now
        self.run_cron("_cron_poll")
        self.assertEqual(domain.state, "verified")
        told = "".join(domain.message_ids.mapped("body"))
        self.assertIn("cannot send yet", told)
        self.assertNotIn("may send", told)

    def test_status_is_at_most_a_minute_old(self):
        domain = self.make()
        checked = []

        def look(domains, deadline):
            checked.append(deadline)
            return {d.id: DomainCheck(d.name, tuple(
                Verdict(r.key, "ok", r.expected) for r in d.dns_record_ids)) for d in domains}

        self.startPatcher(patch.object(type(domain), "_look_up", look))
        self.far.calls.clear()
        self.assertTrue(domain._refresh_status())
        self.env.invalidate_all()
        self.assertTrue(domain.owned_since)
        self.assertEqual(self.far.calls, [], "it has answered a moment ago")
        self.assertFalse(domain._refresh_status())
        self.later(seconds=61)
        self.far.verified.add("p.example")
        self.assertTrue(domain._refresh_status())
        self.env.invalidate_all()
        self.assertEqual((domain.state, self.row().verdict), ("verified", "verified"))
        self.assertEqual(self.far.calls, [("status", "p.example")], "nobody is made to look")
        self.assertTrue(all(deadline <= 5 for deadline in checked))

    def test_asking_for_the_status_changes_nothing_at_the_provider(self):
        domain = self.make()
        self.startPatcher(patch.object(type(domain), "_look_up", lambda domains, _deadline: {
            d.id: DomainCheck(d.name, ()) for d in domains}))
        self.far.domains.clear()
        self.later(seconds=61)
        domain._refresh_status()
        self.env.invalidate_all()
        self.assertEqual(self.row().state, "done")
        self.assertEqual((self.far.domains, self.row().next_poll), ({}, self.now))
        self.far.faults["status"] = Unreachable("the line is cut")
        self.later(seconds=61)
        domain._refresh_status()
        self.env.invalidate_all()
        self.assertIn("the line is cut", self.row().error)


class TestLeaving(RegistrationCase):
    def test_deleted_there_after_the_domain_is_deleted_here(self):
        domain = self.make()
        domain.unlink()
        self.assertIn("p.example", self.far.domains)
        self.commit()
        self.assertEqual(self.far.domains, {})
        self.assertFalse(self.row())

    def test_a_failure_halfway_is_shown_and_finished(self):
        domain = self.make()
        self.far.faults["delete"] = Unreachable("the line is cut")
        domain.unlink()
        self.commit()
        row = self.row()
        self.assertEqual((row.wish, row.state, row.domain_id.id), ("absent", "pending", False))
        self.assertIn("the line is cut", row.error)
        del self.far.faults["delete"]
        self.later(hours=1)
        self.run_cron()
        self.assertFalse(self.row())
        self.assertEqual(self.far.domains, {})

    def test_added_again_before_it_was_removed(self):
        domain = self.make()
        self.far.faults["delete"] = Unreachable("the line is cut")
        domain.unlink()
        self.commit()
        anew = self.make()
        self.assertEqual(self.far.domains, {"p.example": None})
        row = self.row()
        self.assertEqual((row.wish, row.state, row.domain_id), ("present", "done", anew))
        self.later(hours=1)
        self.run_cron()
        self.assertEqual(self.far.domains, {"p.example": None}, "the old wish is forgotten")

    def test_added_again_while_it_is_being_removed(self):
        domain = self.make()
        domain.unlink()
        self.env.flush_all()
        self.far.during = lambda: (
            self.make_domain("p.example", provider_id=self.provider.id), self.env.flush_all())
        self.env.cr.postcommit.run()
        self.env.invalidate_all()
        self.later(hours=1)
        self.run_cron()
        self.assertEqual(self.far.domains, {"p.example": None})
        self.assertEqual((self.row().wish, self.row().state), ("present", "done"))

    def test_another_provider_takes_over_and_the_first_forgets(self):
        domain = self.make()
        domain.provider_id = self.env.ref("emboux_mail_api.provider_own")
        self.commit()
        self.assertEqual(self.far.domains, {})
        self.assertFalse(self.row())
        keys = domain.dns_record_ids.mapped("key")
        self.assertTrue(any(key.startswith("dkim:rsa-") for key in keys), keys)


class TestAsking(RegistrationCase):
    def proven(self, name="p.example"):
        domain = self.make(name)
        domain.sudo().owned_since = self.now
        self.far.verified.add(name)
        self.row(name).next_poll = self.now
        self.run_cron("_cron_poll")
        return domain

    def test_verified_by_the_provider_once_ownership_is_proven(self):
        domain = self.make()
        self.far.verified.add("p.example")
        self.row().next_poll = self.now
        self.run_cron("_cron_poll")
        self.assertEqual(domain.state, "pending", "the provider's word is not enough")
        domain.sudo().owned_since = self.now
        self.row().next_poll = self.now
        self.run_cron("_cron_poll")
        self.assertEqual(domain.state, "verified")
        self.assertEqual(domain.state_reason, "It is verified.")

    def test_a_verified_one_is_asked_daily_and_not_made_to_look(self):
        self.proven()
        self.assertEqual(self.row().next_poll, self.now + timedelta(days=1))
        self.later(days=1)
        self.far.calls.clear()
        self.run_cron("_cron_poll")
        self.assertEqual(self.far.calls, [("status", "p.example")])

    def test_lost_after_three_days_not_after_one(self):
        domain = self.proven()
        self.far.verified.clear()
        for day in range(1, 4):
            self.later(days=1)
            with patch.object(fields.Date, "today", lambda: self.now.date()):
                self.run_cron("_cron_poll")
            self.assertEqual(domain.state, "verified" if day < 3 else "failed")

    def test_amazon_is_asked_every_two_hours(self):
        self.make()
        self.provider.sudo().registration_ids  # noqa: B018 - read before its kind is another
        self.env.cr.execute(
            "UPDATE emboux_provider SET kind = 'ses' WHERE id = %s", [self.provider.id])
        self.env.invalidate_all()
        self.row().next_poll = self.now
        self.run_cron("_cron_poll")
        self.assertEqual(self.row().next_poll, self.now + timedelta(hours=2))

    def test_removed_there_by_somebody_it_is_made_again(self):
        self.proven()
        self.far.domains.clear()
        self.row().next_poll = self.now
        self.run_cron("_cron_poll")
        self.later(minutes=1)
        self.run_cron()
        self.assertEqual(self.far.domains, {"p.example": None})

    def test_an_outage_changes_no_verdict(self):
        domain = self.proven()
        self.far.faults["status"] = Unreachable("the line is cut")
        self.row().next_poll = self.now
        self.run_cron("_cron_poll")
        self.assertEqual((domain.state, self.row().verdict), ("verified", "verified"))
        self.assertIn("the line is cut", self.row().error)
        self.assertGreater(self.row().next_poll, self.now)


class TestSending(RegistrationCase):
    def refusal(self, login):
        return self.rows("SELECT action FROM emboux_mail.outbound WHERE login = %s", login)

    def logins(self, name):
        return self.rows("SELECT login FROM emboux_mail.relay_logins WHERE domain = %s", name)

    def test_no_mail_before_activate_all_after(self):
        domain = self.make(state="verified")
        self.make_mailbox("ann", domain)
        [(sentence,)] = self.refusal("ann@p.example")
        self.assertTrue(sentence.startswith("554 5.7.1 ") and "activate" in sentence)
        self.assertIn("activate", domain.sending_note)
        self.assertEqual(self.logins("p.example"), [])
        row = domain._request_sending()
        self.commit()
        self.assertTrue(row.credential_at)
        self.assertEqual(self.refusal("ann@p.example"), [])
        password = self.far.credentials["p.example"]
        self.assertEqual(len(password), 32)
        self.assertEqual(self.logins("p.example"), [(f"emboux@p.example:{password}",)])
        transport = self.rows(
            "SELECT transport FROM emboux_mail.relays WHERE domain = %s", "p.example")
        self.assertEqual(transport, [("relay-implicit:[smtp.eu.mailgun.org]:465",)])
        self.assertFalse(domain.sending_note)
        self.assertEqual(domain._request_sending(), row)
        self.commit()
        self.assertEqual(self.far.credentials["p.example"], password, "idempotent")
        self.assertEqual(row.state, "done")

    def test_a_subdomain_gets_its_login_at_once(self):
        parent = self.make(state="verified", is_wildcard=True)
        child = self.make_domain("shop.p.example")
        self.commit()
        self.assertEqual(child.provider_id, parent.provider_id)
        self.assertEqual(self.far.domains["shop.p.example"], "p.example")
        self.assertTrue(self.far.credentials["shop.p.example"])
        self.assertEqual(child.state, "verified")

    def test_subdomains_go_with_their_parent_to_another_provider(self):
        parent = self.make(state="verified", is_wildcard=True)
        child = self.make_domain("shop.p.example")
        self.commit()
        own = self.env.ref("emboux_mail_api.provider_own")
        parent.provider_id = own
        self.commit()
        self.assertEqual(child.provider_id, own)
        self.assertEqual(self.far.domains, {})

    def test_each_look_up_of_postfix_has_an_index(self):
        self.make(state="verified")
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        for view in ("relays", "relay_logins"):
            plan = "\n".join(row[0] for row in self.rows(
                f"EXPLAIN SELECT * FROM emboux_mail.{view} WHERE domain = 'p.example'"))
            self.assertIn("emboux_domain", plan)
            self.assertNotIn("Seq Scan on emboux_domain", plan)


class TestProviders(RegistrationCase):
    def test_keys_are_for_system_users_alone(self):
        manager = new_test_user(self.env, "pm", groups="emboux_core.group_manager")
        provider = self.provider.with_user(manager)
        self.assertEqual(provider.name, "Memory")
        for field in ("api_key", "access_key", "smtp_password", "endpoint"):
            with self.assertRaises(AccessError):
                provider.read([field])
        with self.assertRaises(AccessError):
            provider.name = "Mine"
        self.make()
        self.assertTrue(self.row().with_user(manager).name)
        with self.assertRaises(AccessError):
            self.row().with_user(manager).wish = "absent"

    def test_the_key_does_not_follow_to_another_address(self):
        self.provider.sudo().api_key = "secret"
        admin = new_test_user(self.env, "pa", groups="emboux_core.group_admin")
        self.provider.with_user(admin).region = "us"
        self.assertFalse(self.provider.sudo().api_key)

    def test_addresses_and_regions_are_checked(self):
        for values in ({"region": "mars"}, {"endpoint": "http://10.0.0.1/"},
                       {"webhook_url": "ftp://platform.example"}):
            with self.assertRaises(ValidationError):
                self.provider.write(values)

    def test_a_provider_with_domains_cannot_be_deleted(self):
        self.make()
        with self.assertRaises(UserError):
            self.provider.unlink()
        with self.assertRaises(AccessError):
            self.provider.kind = "ses"

    def test_a_customer_chooses_no_provider(self):
        partner = self.env["res.partner"].create({"name": "Customer"})
        customer = self.env["emboux.customer"].create({"partner_id": partner.id})
        key, _secret = self.env["emboux.api.key"]._make(
            {"name": "k", "role": "customer", "partner_id": partner.id})
        self.assertTrue(customer)
        user = key.sudo().user_id
        with self.assertRaises(AccessError):
            self.env["emboux.domain"].with_user(user).create(
                {"name": "c.example", "provider_id": self.provider.id})
        domain = self.env["emboux.domain"].with_user(user).create({"name": "c.example"})
        self.assertEqual(domain.sudo().provider_id.kind, "dkim")
