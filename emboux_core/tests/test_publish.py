# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The Publish dialog against a real server that takes updates."""

from dataclasses import replace
from unittest.mock import patch

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from ..dns import domain_connect, publish
from ..dns.domain_connect import DnsProvider
from ..dns.publish import OwnedRecord
from ..transactions import in_own_transaction
from .publish_case import OURS, PublishCase


@tagged("post_install", "-at_install")
class TestPublish(PublishCase):
    def test_the_difference_is_shown_and_nothing_is_changed_yet(self):
        wizard = self.open()
        self.assertEqual(set(self.lines(wizard).values()), {"add"})
        self.assertEqual((wizard.state, wizard.has_changes, wizard.has_merge),
                         ("plan", True, False))
        self.assertEqual(wizard.zone, self.zone)
        self.assertFalse(self.content(()))
        self.assertFalse(self.rows())

    def test_publish_then_the_check_says_verified(self):
        wizard = self.publish()
        self.assertEqual(self.content(), OURS)
        self.assertEqual(set(self.lines(wizard, "outcome").values()), {"done"})
        self.assertEqual(set(self.lines(wizard, "verdict").values()), {"ok"})
        self.assertEqual((wizard.state, wizard.kind), ("done", "success"))
        self.assertIn("5 records were written", wizard.message)
        self.assertEqual(self.domain.state, "verified")
        self.assertEqual(set(self.rows().mapped("state")), {"published"})
        self.assertEqual(len(self.rows()), 5)
        self.assertTrue(self.domain.is_published)

    def test_twice_is_once(self):
        self.publish()
        wizard = self.open()
        self.assertEqual(set(self.lines(wizard).values()), {"there"})
        self.assertFalse(wizard.has_changes)
        wizard.action_apply()
        self.assertEqual(self.content(), OURS)
        self.assertEqual(len(self.rows()), 5)

    def test_what_the_platform_wants_else_takes_the_place_of_ours_alone(self):
        self.knot.change(self.zone, '@ TXT "something else"')
        self.publish()
        self.service = replace(self.service, verification="another")
        self.domain._provision()
        self.commit()
        wizard = self.publish()
        self.assertEqual(self.lines(wizard)["verification"], "replace")
        there = self.content()
        self.assertIn('_emboux TXT "emboux-verification=another"', there)
        self.assertNotIn('_emboux TXT "emboux-verification=0123456789abcdef"', there)
        self.assertIn('@ TXT "something else"', there)

    def test_records_of_others_are_left_alone(self):
        self.knot.change(self.zone, "@ MX 5 elsewhere.test.")
        wizard = self.open()
        [line] = wizard.line_ids.filtered(lambda line: line.key == "mx")
        self.assertEqual((line.action, line.found), ("conflict", "5 elsewhere.test."))
        self.assertIn("did not make", line.note)
        self.assertEqual(wizard.line_ids[0], line, "what needs attention comes first")
        wizard.action_apply()
        self.assertIn("@ MX 5 elsewhere.test.", self.content())
        self.assertNotIn("@ MX 10 mail.memory.example.", self.content())
        self.assertEqual(wizard.kind, "warning")
        self.assertNotIn("mx", self.rows().mapped("key"))

    def test_an_spf_record_is_merged_only_when_that_is_confirmed(self):
        theirs = '@ TXT "v=spf1 ip4:192.0.2.9 -all"'
        self.knot.change(self.zone, theirs)
        wizard = self.open()
        self.assertTrue(wizard.has_merge)
        self.assertFalse(wizard.confirm_merge)
        wizard.action_apply()
        self.assertEqual(self.lines(wizard, "outcome")["spf"], "unconfirmed")
        self.assertIn(theirs, self.content())
        self.publish(confirm_merge=True)
        merged = '@ TXT "v=spf1 ip4:192.0.2.9 a:mail.memory.example -all"'
        self.assertIn(merged, self.content())
        spf = self.rows().filtered(lambda row: row.key == "spf")
        self.assertEqual(spf.value, "a:mail.memory.example", "the rest stays theirs")
        self.publish(mode="withdraw", confirm_merge=True)
        self.assertEqual(self.content(()), {theirs})

    def test_a_zone_that_changed_meanwhile_is_shown_anew(self):
        wizard = self.open()
        self.knot.change(self.zone, "@ MX 5 elsewhere.test.")
        wizard.action_apply()
        self.assertEqual(wizard.state, "plan")
        self.assertIn("has changed since you looked", wizard.message)
        self.assertEqual(self.lines(wizard)["mx"], "conflict")
        self.assertEqual(self.content(()), {"@ MX 5 elsewhere.test."})
        wizard.action_apply()
        self.assertEqual(wizard.state, "done")

    def test_a_zone_that_changes_between_look_and_update(self):
        wizard = self.open()
        original = publish.apply

        def late(*arguments, **options):
            self.knot.change(self.zone, "@ MX 5 elsewhere.test.")
            return original(*arguments, **options)

        with patch.object(publish, "apply", late):
            wizard.action_apply()
        self.assertIn("has changed since you looked", wizard.message)
        self.assertEqual(self.content(()), {"@ MX 5 elsewhere.test."})
        self.assertFalse(self.rows(), "what was claimed is not claimed any more")

    def test_rows_are_written_before_the_update_goes_out(self):
        wizard = self.open()
        seen = []
        original = publish.apply

        def look(*arguments, **options):
            seen.extend(in_own_transaction(self.published.sudo(), "_read_rows", []))
            return original(*arguments, **options)

        with patch.object(publish, "apply", look):
            wizard.action_apply()
        self.assertEqual(len([row for row in seen if row.name.endswith(self.zone)]), 5)

    def test_withdraw_removes_only_our_records(self):
        self.knot.change(self.zone, '@ TXT "something else"')
        self.publish()
        wizard = self.open("withdraw")
        self.assertEqual(set(self.lines(wizard).values()), {"remove"})
        wizard.action_apply()
        self.assertEqual(self.content(()), {'@ TXT "something else"'})
        self.assertFalse(self.rows())
        self.assertEqual((wizard.state, wizard.kind), ("done", "success"))

    def test_errors_are_said_in_words(self):
        self.server.sudo().key_secret = "bm90IHRoZSByaWdodCBvbmU="
        wizard = self.open()
        self.assertEqual((wizard.state, wizard.kind), ("failed", "danger"))
        self.assertIn("the secret of the TSIG key", wizard.message)
        self.assertNotIn("bm90", wizard.message)
        self.server.sudo().key_secret = self.key["key_secret"]
        wizard.action_look()
        self.assertEqual(wizard.state, "plan")
        patcher = self.cut()
        wizard.action_apply()
        self.assertEqual(wizard.kind, "danger")
        self.assertIn("cannot be reached", wizard.message)
        patcher.stop()
        self.assertFalse(self.content(()))

    def test_private_addresses_need_the_parameter(self):
        self.env["ir.config_parameter"].set_param("emboux_core.dns_allow_private", "False")
        wizard = self.open()
        self.assertIn("not on the public internet", wizard.message)


@tagged("post_install", "-at_install")
class TestElsewhere(PublishCase):
    """Zones that no server of ours holds."""

    PROVIDER = DnsProvider(
        "shop.test", "", "dns.example", "DNS Example", "https://api.dns.example",
        "https://connect.dns.example", "https://panel.dns.example/",
    )  # fmt: skip

    def setUp(self):
        super().setUp()
        self.domain.dns_server_id = False
        self.server.active = False

    def provide(self, provider, supports=True):
        provider = provider and replace(provider, zone=self.zone)
        self.startPatcher(patch.object(domain_connect, "discover", return_value=provider))
        self.startPatcher(patch.object(domain_connect, "supports", return_value=supports))

    def test_nobody_known(self):
        self.provide(None)
        wizard = self.open()
        self.assertEqual(wizard.state, "elsewhere")
        self.assertIn("MX 10 mail.memory.example.", wizard.zone_text)
        self.assertFalse(wizard.provider_url)

    def test_a_provider_that_does_not_know_us_has_its_panel_shown(self):
        self.provide(self.PROVIDER, supports=False)
        wizard = self.open()
        self.assertEqual((wizard.control_panel, wizard.provider_url),
                         ("https://panel.dns.example/", False))

    def test_a_provider_that_knows_our_template_is_offered(self):
        template = domain_connect.make_template(replace(self.service, dkim=(), verification=""))
        self.env["ir.config_parameter"].set_param(
            "emboux_core.domain_connect_template", domain_connect.template_text(template)
        )
        self.provide(self.PROVIDER)
        wizard = self.open()
        self.assertIn("can set the records for you", wizard.message)
        action = wizard.action_connect()
        self.assertEqual((action["type"], action["target"]), ("ir.actions.act_url", "new"))
        self.assertTrue(action["url"].startswith("https://connect.dns.example/v2/"))
        self.assertIn("verification=0123456789abcdef", action["url"])

    def test_a_policy_that_is_there_is_neither_replaced_nor_undercut(self):
        """Templates replace what begins alike, and a zone file is pasted beside it."""
        template = domain_connect.make_template(replace(self.service, dkim=(), verification=""))
        self.env["ir.config_parameter"].set_param(
            "emboux_core.domain_connect_template", domain_connect.template_text(template)
        )
        self.provide(self.PROVIDER)
        record = self.domain.dns_record_ids.filtered(lambda r: r.key == "dmarc").sudo()
        for state, found, offered in (
            ("missing", False, True), ("ok", record.expected, True),
            ("ok", "v=DMARC1; p=reject", False), ("wrong", "v=DMARC1; p=reject; adkim=s", False),
        ):  # fmt: skip
            with self.subTest(state=state, found=found):
                record.write({"state": state, "found": found})
                wizard = self.open()
                self.assertEqual("dmarc" in wizard.provider_url, offered)
                self.assertEqual("v=DMARC1" in wizard.zone_text, offered)

    def test_a_template_of_other_records_is_not_offered(self):
        self.provide(self.PROVIDER)  # the one in the file has other hosts
        with self.assertLogs("odoo.addons.emboux_core.wizard.publish_elsewhere", "WARNING"):
            self.assertFalse(self.open().provider_url)


@tagged("post_install", "-at_install")
class TestServer(PublishCase):
    def test_the_server_is_proposed_by_its_zones(self):
        nearer = self.make_server("nearer", zones=f"sub.{self.zone}\nelsewhere.test")
        self.assertEqual(self.domain.dns_server_id, self.server)
        self.assertEqual(self.make_domain(f"a.sub.{self.zone}").dns_server_id, nearer)
        self.assertFalse(self.make_domain("nowhere.example").dns_server_id)
        self.assertFalse(self.make_domain(f"not{self.zone}.example").dns_server_id)

    def test_zones_are_written_as_names(self):
        server = self.make_server("names", zones=" Bücher.example.\nTEST\n\ntest ")
        self.assertEqual(server.zones, "xn--bcher-kva.example\ntest")
        with self.assertRaises(ValidationError):
            server.zones = "a b/c"

    def test_a_domain_of_none_of_its_zones_is_refused(self):
        stranger = self.make_domain("nowhere.example")
        with self.assertRaisesRegex(ValidationError, "lies in none of the zones"):
            stranger.dns_server_id = self.server
        self.server.zones = False
        stranger.dns_server_id = self.server

    def test_the_test_says_what_the_key_may_do(self):
        self.server.zones = self.zone
        self.server.action_test()
        self.assertEqual((self.server.state, self.server.state_message),
                         ("connected", f"The key may change: {self.zone}"))
        self.server.sudo().write(
            {"key_name": "reader", "key_secret": "dGhpcyBvbmUgbWF5IGFzayBhbmQgbm90aGluZyBlbHNl"}
        )
        self.server.action_test()
        self.assertEqual(self.server.state, "error")
        self.server.sudo().write({"port": 1, **self.key})
        action = self.server.action_test()
        self.assertIn("cannot be reached", action["params"]["message"])
        self.assertFalse(self.content(()), "it changes nothing")

    def test_without_zones_it_says_that_the_key_is_not_tested(self):
        self.server.zones = False
        self.server.action_test()
        self.assertEqual(self.server.state, "connected")
        self.assertIn("Enter its zones", self.server.state_message)
        self.cut()
        self.server.action_test()
        self.assertEqual(self.server.state, "error")

    def test_a_secret_that_is_not_the_servers(self):
        self.server.zones = self.zone
        self.server.sudo().key_secret = "bm90IHRoZSByaWdodCBvbmU="
        self.server.action_test()
        self.assertIn("secret of the TSIG key", self.server.state_message)

    def test_a_server_with_records_of_ours_stays(self):
        self.publish()
        with self.assertRaisesRegex(UserError, "still holds 5 records"):
            self.server.unlink()

    def test_host_and_port(self):
        for host in ("ns1.example.com:53", "two words", "http://x"):
            with self.assertRaises(ValidationError):
                self.server.host = host
        self.server.host = "2001:db8::1"

    def test_values_longer_than_an_index_takes(self):
        entry = OwnedRecord("dkim:x", "TXT", f"x.{self.zone}", "v=DKIM1; p=" + "QUJD" * 2000)
        place = (self.server.id, self.zone, self.domain.id, self.domain.company_id.id)
        from ..models.dns_published import Place

        self.published.sudo()._claim(Place(*place), (entry,))
        self.assertEqual(self.rows()._as_published(), entry)
