# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestDomain(PlatformCase):
    def test_name_is_an_a_label_and_people_see_unicode(self):
        domain = self.make_domain("  BÜCHER.Example. ")
        self.assertEqual(domain.name, "xn--bcher-kva.example")
        self.assertEqual(domain.display_name, "bücher.example")
        for text in ("bücher.example", "BÜCHER.EXAMPLE", "xn--bcher-kva.example", "bücher"):
            found = self.env["emboux.domain"].name_search(text)
            self.assertIn(domain.id, [row[0] for row in found], text)

    def test_the_same_domain_in_another_spelling_is_refused(self):
        self.make_domain("bücher.example")
        self.assert_taken(
            "emboux.domain",
            lambda: self.make_domain("xn--bcher-kva.example"),
            "on the backend already",
        )

    def test_a_new_domain_waits_for_its_dns_and_lists_what_to_set(self):
        domain = self.make_domain("new.example")
        self.assertEqual(domain.state, "pending")
        records = {record.key: record for record in domain.dns_record_ids}
        self.assertEqual(records["mx"].expected, "10 mail.unit.example.")
        self.assertEqual(records["mx"].level, "required")
        self.assertIn(domain.token, records["verification"].expected)
        self.assertTrue(all(record.purpose for record in domain.dns_record_ids))
        self.assertEqual(set(domain.dns_record_ids.mapped("state")), {"unknown"})

    def test_zone_text_has_every_record(self):
        text = self.make_domain("zone.example").zone_text
        for part in ("zone.example.", "MX", "mail.unit.example.", "v=spf1", "v=DKIM1", "_dmarc"):
            self.assertIn(part, text)

    def test_changing_the_mail_host_changes_the_records_and_forgets_their_verdict(self):
        domain = self.make_domain("host.example")
        mx = domain.dns_record_ids.filtered(lambda r: r.key == "mx")
        dkim = domain.dns_record_ids.filtered(lambda r: r.record_type == "TXT" and
                                              "_domainkey" in r.name)
        (mx | dkim).sudo().write({"state": "ok", "found": "x"})
        self.backend.mail_host = "mx2.unit.example"
        self.assertEqual(mx.expected, "10 mx2.unit.example.")
        self.assertEqual(mx.state, "unknown")
        self.assertEqual(set(dkim.mapped("state")), {"ok"}, "unchanged ones keep their verdict")

    def test_subdomain_of_a_wildcard_parent_is_linked_and_verified(self):
        self.domain.is_wildcard = True
        child = self.make_domain("shop.unit.example")
        self.assertEqual(child.parent_id, self.domain)
        self.assertEqual(child.state, "verified")
        keys = set(child.dns_record_ids.mapped("key"))
        self.assertNotIn("verification", keys)
        self.assertFalse([key for key in keys if key.startswith("dkim")])

    def test_subdomain_of_a_plain_or_unverified_domain_stands_alone(self):
        self.assertFalse(self.make_domain("a.unit.example").parent_id)
        pending = self.make_domain("late.example", is_wildcard=True)
        self.assertFalse(self.make_domain("a.late.example").parent_id)
        self.assertEqual(pending.state, "pending")

    def test_subdomain_of_another_company_is_not_linked(self):
        self.domain.is_wildcard = True
        company = self.env["res.company"].create({"name": "Other"})
        child = self.make_domain("b.unit.example", company_id=company.id)
        self.assertFalse(child.parent_id)
        self.assertEqual(child.state, "pending")

    def test_a_subdomain_is_no_wildcard_parent(self):
        self.domain.is_wildcard = True
        child = self.make_domain("c.unit.example")
        with self.assertRaisesRegex(ValidationError, "cannot be a wildcard"):
            child.is_wildcard = True
        with self.assertRaisesRegex(ValidationError, "has to stay a wildcard parent"):
            self.domain.is_wildcard = False

    def test_rename_is_refused_with_the_remedy(self):
        with self.assertRaisesRegex(UserError, "Add the new domain instead"):
            self.domain.name = "other.example"
        self.domain.name = "UNIT.example"  # the same name is no change
        self.assertEqual(self.domain.name, "unit.example")

    def test_suspend_and_activate_restore_what_was(self):
        pending = self.make_domain("p.example")
        both = pending | self.domain
        both.action_suspend()
        self.assertEqual(both.mapped("state"), ["suspended", "suspended"])
        both.action_suspend()
        both.action_activate()
        self.assertEqual([pending.state, self.domain.state], ["pending", "verified"])

    def test_only_dns_or_an_administrator_verifies(self):
        manager = self.env["res.users"].create(
            {
                "name": "Manager",
                "login": "manager.verify",
                "group_ids": [(4, self.env.ref("emboux_core.group_manager").id)],
            }
        )
        domain = self.make_domain("claim.example").with_user(manager)
        for state in ("verified", "draft"):
            with self.assertRaisesRegex(AccessError, "Check Now"):
                domain.state = state
        with self.assertRaises(AccessError):
            domain.owned_since = "2026-01-01"
        with self.assertRaises(AccessError):
            domain.create({"name": "claim2.example", "state": "verified"})
        domain.action_suspend()
        with self.assertRaises(AccessError):
            domain.state = "verified"
        domain.action_activate()
        self.assertEqual(domain.state, "pending")

    def test_deleting_is_refused_while_mailboxes_or_subdomains_exist(self):
        mailbox = self.make_mailbox("ann")
        mailbox.active = False
        with self.assertRaisesRegex(UserError, "still has 1 mailboxes"):
            self.domain.unlink()
        mailbox.unlink()
        self.domain.is_wildcard = True
        child = self.make_domain("d.unit.example")
        with self.assertRaisesRegex(UserError, "still has subdomains"):
            self.domain.unlink()
        child.unlink()
        self.make_alias("sales", "ann@elsewhere.example.net")
        self.domain.unlink()
        self.assertFalse(self.env["emboux.address"].search([("email", "like", "unit.example")]))

    def test_archiving_a_parent_names_its_subdomains(self):
        self.domain.is_wildcard = True
        self.make_domain("e.unit.example")
        with self.assertRaisesRegex(UserError, "e.unit.example"):
            self.domain.active = False

    def test_without_a_mail_host_no_domain_can_be_added(self):
        self.domain.unlink()
        # those that other tests have left stopped too
        others = self.env["emboux.domain"].search([("backend_id", "=", self.backend.id)]).sudo()
        others.with_context(emboux_erase=True).active = False
        self.env.cr.execute("UPDATE emboux_backend SET mail_host = NULL")
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "no mail host yet"):
            self.make_domain("early.example")

    def test_the_mail_host_cannot_be_emptied_under_domains(self):
        with self.assertRaisesRegex(UserError, "no mail host yet"):
            self.backend.mail_host = False

    def test_archive_and_unarchive(self):
        self.domain.is_wildcard = True
        child = self.make_domain("f.unit.example")
        keys = self.domain.dns_record_ids.mapped("key")
        for domain in (child, self.domain, self.domain, child):
            domain.active = not domain.active
        self.assertEqual(self.domain.dns_record_ids.mapped("key"), keys)
        self.assertEqual(self.domain.state, "verified")

    def test_a_suspended_parent_stops_its_subdomains_from_sending(self):
        self.domain.is_wildcard = True
        child = self.make_domain("g.unit.example")
        self.make_mailbox("ann", child)
        query = "SELECT action FROM emboux_mail.outbound WHERE login = 'ann@g.unit.example'"
        self.assertFalse(self.rows(query))
        self.domain.action_suspend()
        self.assertTrue(self.rows(query))

    def test_called_twice_with_the_same_values(self):
        """As Odoo does after a serialization failure."""
        self.domain.is_wildcard = True
        values = {"name": "H.unit.example", "backend_id": self.backend.id}
        before = dict(values)
        for _attempt in range(2):
            with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
                child = self.env["emboux.domain"].create(values)
                self.assertEqual(child.parent_id, self.domain)
                raise ZeroDivisionError
        self.assertEqual(values, before)

    def test_hosts_are_normalised(self):
        self.backend.write({"mail_host": " Mail.BÜCHER.example. ", "smtp_host": "LOCALHOST"})
        self.assertEqual(self.backend.mail_host, "mail.xn--bcher-kva.example")
        for field in ("mail_host", "smtp_host", "imap_host"):
            for host in ("mail server", "192.0.2.1", "under_score.example"):
                with self.assertRaises(ValidationError):
                    self.backend[field] = host

    def test_test_button_says_what_is_missing(self):
        self.env.cr.execute("UPDATE emboux_backend SET mail_host = NULL")
        self.env.invalidate_all()
        self.backend.action_test()
        self.assertEqual(self.backend.state, "error")
        self.assertIn("mail host", self.backend.state_message)
        self.backend.mail_host = "mail.unit.example"
        self.backend.action_test()
        self.assertEqual(self.backend.state, "connected", self.backend.state_message)

    def test_there_is_one_local_backend(self):
        self.assert_taken(
            "emboux.backend",
            lambda: self.env["emboux.backend"].create({"name": "Second", "kind": "local"}),
            "one mail platform",
        )
