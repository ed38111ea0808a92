# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from lxml import html

from odoo import fields
from odoo.tests import new_test_user, tagged

from odoo.addons.emboux_core.dns import lookup

from ..controllers import messages
from .portal_case import PASSWORD, PortalCase


@tagged("post_install", "-at_install")
class TestPortalPages(PortalCase):
    """What a customer sees."""

    def setUp(self):
        super().setUp()
        self.log_in(self.acme)

    def test_the_card_counts_the_customers_domains(self):
        self.assertTrue(self.get("/my/home").xpath("//a[@href='/my/email']"))
        answer = self.make_jsonrpc_request("/my/counters", {"counters": ["emboux_domain_count"]})
        self.assertEqual(answer, {"emboux_domain_count": 1})

    def test_non_customers_have_no_pages(self):
        new_test_user(self.env, "stranger", groups="base.group_portal", password=PASSWORD)
        self.authenticate("stranger", PASSWORD)
        self.assertEqual(self.url_open("/my/email").status_code, 404)
        answer = self.make_jsonrpc_request("/my/counters", {"counters": ["emboux_domain_count"]})
        self.assertEqual(answer, {"emboux_domain_count": 0})

    def test_anonymous_visitors_are_sent_to_the_log_in(self):
        self.logout()
        answer = self.url_open("/my/email", allow_redirects=False)
        self.assertEqual(answer.status_code, 303)
        self.assertIn("/web/login", answer.headers["Location"])

    def test_the_first_page_lists_domains_and_what_is_used(self):
        tree = self.get("/my/email")
        self.assertEqual(
            [a.get("href") for a in tree.xpath("//ul[contains(@class, 'o_emboux_domains')]//a")],
            [f"/my/email/domains/{self.acme.domain.id}"],
        )
        bars = {
            dt.text: dt.getnext().xpath("string(span)") for dt in tree.xpath("//dl//dt")
        }
        self.assertEqual(bars["Domains"], "1 of 3")
        self.assertEqual(bars["Storage given to mailboxes"], "500 MB of 2.9 GB")

    def test_it_is_found_by_search_and_says_when_nothing_is(self):
        self.assertIn("acme.example", html.tostring(self.get("/my/email?q=acm")).decode())
        self.assertIn("No domain contains", html.tostring(self.get("/my/email?q=zzz")).decode())

    def test_without_a_domain_it_says_what_to_do(self):
        self.acme.domain._delete_contents()
        self.acme.domain.unlink()
        self.assertIn("You have no domain yet", html.tostring(self.get("/my/email")).decode())

    def test_many_domains_stand_on_several_pages(self):
        self.acme.customer.domain_limit = 0
        self.env.flush_all()
        for number in range(25):
            self.make_domain(f"d{number:02}.acme-more.example", partner_id=self.acme.partner.id)
        first, second = self.get("/my/email"), self.get("/my/email/page/2")
        links = "//ul[contains(@class, 'o_emboux_domains')]//a"
        self.assertEqual(len(first.xpath(links)), 20)
        self.assertEqual(len(second.xpath(links)), 6)

    def test_the_home_pages_queries_do_not_grow_with_the_domains(self):
        self.acme.customer.domain_limit = 0
        self.env.flush_all()
        self.get("/my/email")  # what is read once for all
        counts = []
        for round_ in range(2):
            for number in range(8):
                domain = self.make_domain(
                    f"q{round_}{number}.acme.example", partner_id=self.acme.partner.id
                )
                self.make_mailbox("info", domain, quota_mb=10)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.get("/my/email")
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 2, counts)
        self.assertLess(counts[1], 80, counts)

    def test_a_domains_records_with_what_is_wrong(self):
        records = self.acme.domain.dns_record_ids
        mx = records.filtered(lambda r: r.key == "mx")
        mx.sudo().write({"state": "wrong", "found": "5 old.example."})
        text = self.text_of(self.url_open(f"/my/email/domains/{self.acme.domain.id}"))
        self.assertIn("Needs attention", text)
        self.assertIn("Found: 5 old.example.", text)
        tree = self.get(f"/my/email/domains/{self.acme.domain.id}")
        copied = {b.get("data-text") for b in tree.xpath("//button[@data-text]")}
        for record in records:
            self.assertIn(record.name, copied)
            for value in record.expected.split("\n") if record.record_type == "MX" else [
                record.expected
            ]:
                self.assertIn(value, copied)
        self.assertEqual(len(tree.xpath("//div[contains(@class, 'o_emboux_record')]")),
                         len(records))

    def test_check_now_looks_and_says_what_it_found(self):
        domain = self.acme.domain

        def look(jobs, *_arguments, **_options):
            return {
                name: lookup.DomainCheck(
                    name, tuple(lookup.Verdict(r.key, "ok", r.value) for r in expected), "here"
                )
                for name, expected in jobs
            }

        self.patch(lookup, "check_domains", look)
        text = self.sent(f"/my/email/domains/{domain.id}/check")
        self.assertIn("all required records are set", text)
        self.assertEqual(set(domain.dns_record_ids.mapped("state")), {"ok"})

    def test_sending_in_words_and_as_a_table(self):
        url = f"/my/email/domains/{self.acme.domain.id}/sending"
        text = self.text_of(self.url_open(url))
        self.assertIn("Nothing was sent in these days", text)
        self.env["emboux.outbound.count"].create(
            {
                "domain_id": self.acme.domain.id, "window": "day", "recipients": 41,
                "since": fields.Date.today() - timedelta(1),
            }
        )
        tree = self.get(url)
        self.assertEqual(len(tree.xpath("//figure//tbody/tr")), 8)
        self.acme.domain.write({"outbound_status": "blocked"})
        self.assertIn("Sending is stopped", self.text_of(self.url_open(url)))

    def test_messages_and_what_became_of_them(self):
        for number in range(3):
            self.log_message(
                self.acme.domain, recipient=f"many{number}@outside.example", status="failed",
                answer="host mx.outside.example[192.0.2.1] said: 550 5.1.1 <nobody>",
                at=f"2026-11-20 10:00:0{number}")
        url = f"/my/email/domains/{self.acme.domain.id}/messages"
        rows = self.get(f"{url}?q=many&show=trouble").xpath(
            "//div[contains(@class, 'list-group')]/a")
        self.assertEqual(len(rows), 3)
        text = " ".join(rows[0].text_content().split())
        self.assertIn("many2@outside.example", text, "the newest first")
        self.assertIn("Failed", text)
        self.assertIn("550 5.1.1 <nobody>", text)
        self.assertNotIn("said:", text)
        page = " ".join(self.get(rows[0].get("href")).text_content().split())
        self.assertIn("ann@acme.example submitted", page)
        empty = " ".join(self.get(f"{url}?q=nothing").text_content().split())
        self.assertIn("No message fits.", empty)
        with patch.object(messages, "ROWS", 2):
            [older] = self.get(f"{url}?q=many").xpath("//a[contains(@href, 'before=')]")
            rows = self.get(url + older.get("href")).xpath(
                "//div[contains(@class, 'list-group')]/a")
            self.assertEqual(len(rows), 1)
            self.assertIn("many0", rows[0].text_content())
        for odd in ("before=nonsense", "before=2026-01-01", "show=other", "q=%00"):
            self.get(f"{url}?{odd}")

    def test_the_sending_of_a_subdomain_is_what_decides(self):
        parent = self.make_parent(outbound_daily_limit=900, outbound_monthly_limit=9000)
        self.plan.sudo().write({"outbound_daily_limit": 12, "outbound_monthly_limit": 120})
        child = self.make_domain("acme.parent.example", partner_id=self.acme.partner.id)
        page, url = f"/my/email/domains/{child.id}", f"/my/email/domains/{child.id}/sending"
        text = self.text_of(self.url_open(url))
        self.assertIn("0 of 12 ", text)
        self.assertIn("0 of 120 ", text)
        parent.action_suspend()
        for path in (page, url):
            self.assertIn("parent.example, through which it sends, is suspended",
                          self.text_of(self.url_open(path)))

    def test_a_suspended_customer_reads_why(self):
        self.acme.customer._change_customer_state("suspended", "Nobody answers our letters.")
        text = self.text_of(self.url_open("/my/email"))
        self.assertIn("Nobody answers our letters.", text)
        self.assertIn("Suspended", text)

    def test_recipient_look_up_is_limited_to_the_customer(self):
        suppress = self.env["emboux.suppression"]
        suppress.create({"email": "gone@world.example", "partner_id": self.acme.partner.id,
                         "reason": "bounce"})
        suppress.create({"email": "rivals@world.example", "partner_id": self.rival.partner.id})
        url = "/my/email/recipients?email="
        self.assertIn("is stopped", self.text_of(self.url_open(f"{url}Gone@World.example")))
        for other in ("rivals@world.example", "fine@world.example"):
            self.assertIn("Nothing stops", self.text_of(self.url_open(url + other)))
        self.assertTrue(self.get(f"{url}nonsense").xpath("//*[@id='email_fault']"))

    def test_usage_shows_only_the_customers_own(self):
        for who, mailboxes in ((self.acme, 7), (self.rival, 77)):
            self.env["emboux.usage"].sudo().create(
                {
                    "customer_id": who.customer.id, "domain_name": who.domain.name,
                    "day": fields.Date.today().replace(day=1), "has_domain": True,
                    "mailboxes": mailboxes, "bytes": 10**9, "messages": 5,
                }
            )
        tree = self.get("/my/email/usage")
        self.assertEqual([td.text for td in tree.xpath("//tbody/tr[1]/td")],
                         ["7.0", "1.00", "5", "0.00"])
        self.assertTrue(tree.xpath("//a[@href='/my/invoices']"))

    def test_every_field_has_a_label_and_every_page_one_heading(self):
        domain, mailbox = self.acme.domain.id, self.acme.mailbox.id
        for path in (
            "", "/domains/new", f"/domains/{domain}", f"/domains/{domain}/mailboxes",
            f"/domains/{domain}/mailboxes/new", f"/domains/{domain}/aliases",
            f"/domains/{domain}/aliases/new", f"/domains/{domain}/sending",
            f"/domains/{domain}/messages", f"/messages/{self.acme.message.id}",
            f"/domains/{domain}/delete", f"/mailboxes/{mailbox}",
            f"/mailboxes/{mailbox}/password", f"/mailboxes/{mailbox}/forward",
            f"/mailboxes/{mailbox}/away", f"/mailboxes/{mailbox}/webhook",
            f"/mailboxes/{mailbox}/suspend",
            f"/mailboxes/{mailbox}/delete", f"/aliases/{self.acme.alias.id}", "/keys",
            "/keys/new", "/webhooks", "/webhooks/new", f"/webhooks/{self.acme.webhook.id}",
            f"/webhooks/{self.acme.webhook.id}/edit", f"/webhooks/{self.acme.webhook.id}/delete",
            f"/deliveries/{self.acme.delivery.id}", "/plan", "/usage", "/recipients",
        ):
            tree = self.get(f"/my/email{path}")
            self.assertEqual(len(tree.xpath("//h1")), 1, path)
            [main] = tree.xpath("//div[contains(@class, 'o_emboux')][not(ancestor::div["
                                "contains(@class, 'o_emboux')])]")
            for field in main.xpath(".//input[not(@type='hidden')]|.//select|.//textarea"):
                labelled = field.get("aria-label") or tree.xpath(
                    f"//label[@for='{field.get('id')}']"
                )
                self.assertTrue(labelled, f"{path}: {html.tostring(field)}")
            for button in main.xpath(".//button|.//a[contains(@class, 'btn')]"):
                said = button.get("aria-label") or button.text_content().strip()
                self.assertTrue(said, f"{path}: {html.tostring(button)}")
            for label in main.xpath(".//label[@for]"):
                self.assertTrue(tree.xpath(f"//*[@id='{label.get('for')}']"),
                                f"{path}: {label.get('for')} has no field")
            ids = [node.get("id") for node in tree.xpath("//*[@id]")]
            self.assertEqual(len(ids), len(set(ids)), f"{path}: {sorted(ids)}")
