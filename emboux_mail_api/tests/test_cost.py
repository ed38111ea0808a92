# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestCost(PlatformCase):
    """SQL statements, counted: the same for the first rows as for the ten-thousandth."""

    CREATE, PAGE = 15, 6

    @contextmanager
    def _statements(self, at_most):
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        yield
        self.env.flush_all()
        count = self.env.cr.sql_log_count - before
        self.assertLessEqual(count, at_most)
        self.counts.append(count)

    def _grow(self, to):
        """Rows as the ORM would leave them, without its time: what counts is their number."""
        self.rows(
            "INSERT INTO emboux_mailbox (local_part, domain_id, company_id, email, active, state,"
            " send_as, quota_mb, mail_folder) SELECT 'n' || n, %(domain)s, %(company)s,"
            " 'n' || n || '@unit.example', true, 'active', 'self', 1024, 'f' || n"
            " FROM generate_series((SELECT count(*) FROM emboux_mailbox) + 1, %(to)s) n"
            " RETURNING 1".replace("%(domain)s", str(self.domain.id))
            .replace("%(company)s", str(self.domain.company_id.id)).replace("%(to)s", str(to))
        )
        self.rows(
            "INSERT INTO emboux_address (email, backend_id, domain_id, mailbox_id)"
            " SELECT email, %s, domain_id, id FROM emboux_mailbox"
            " ON CONFLICT (email, domain_id) DO NOTHING RETURNING 1",
            self.backend.id,
        )
        self.env.cr.execute("ANALYZE emboux_mailbox, emboux_address")

    def _page(self, model, specification):
        domain = [("domain_id", "=", self.domain.id)] if model == "emboux.mailbox" else []
        return self.env[model].web_search_read(domain, specification, limit=50, count_limit=10001)

    def test_create_and_page(self):
        self.counts = []
        mailbox_page = {
            field: {} for field in ("display_name", "name", "catch_all", "usage_percent",
                                    "usage_mb", "quota_mb", "state", "send_as")
        } | {"user_id": {"fields": {"display_name": {}}},
             "domain_id": {"fields": {"display_name": {}}}}
        self.make_mailbox("warm.up", password="a password to warm up")
        self._page("emboux.mailbox", mailbox_page)
        seen = []
        for rows in (100, 10_000):
            self._grow(rows)
            with self._statements(self.CREATE):
                self.make_mailbox(f"created{rows}", password="some password here")
            with self._statements(self.PAGE):
                page = self._page("emboux.mailbox", mailbox_page)
            self.assertEqual(len(page["records"]), 50)
            seen.append(self.counts[-2:])
        self.assertEqual(seen[0], seen[1], "the same at row 10,000 as at row 100")

    def test_views_of_50_000_mailboxes(self):
        """What the web client asks when it opens list, kanban, graph, form and domain form."""
        self.counts = []
        self._grow(50_000)
        mailboxes = self.env["emboux.mailbox"]
        arch = mailboxes.get_views(
            [(False, "list"), (False, "kanban"), (False, "form"), (False, "search")]
        )
        shown = {
            field: {} for field in arch["models"]["emboux.mailbox"]["fields"]
            if field in mailboxes._fields and mailboxes._fields[field].type
            not in ("one2many", "many2many", "properties")
        }
        with self._statements(25):  # all fields of all these views at once
            page = mailboxes.web_search_read(
                [], shown, limit=80, count_limit=10001, order="email"
            )
        self.assertEqual(len(page["records"]), 80)
        self.assertEqual(page["length"], 10001, "counting stops, it does not read them all")
        with self._statements(20):
            mailboxes.browse(page["records"][7]["id"]).web_read(shown)
        with self._statements(6):
            mailboxes.formatted_read_group([], ["domain_id"], ["usage_mb:sum", "__count"])
        with self._statements(6):
            mailboxes.web_search_read(
                [("email", "ilike", "n4999")], {"display_name": {}}, limit=80
            )
        domain_form = {
            "display_name": {}, "mailbox_count": {}, "alias_count": {}, "usage_bytes": {},
            "dns_record_ids": {"fields": {"name": {}, "expected": {}, "advice": {}}, "limit": 40},
        }
        with self._statements(15):
            self.domain.web_read(domain_form)

    def test_page_of_domains(self):
        self.counts = []
        self.env["emboux.domain"].create(
            [{"name": f"d{n}.example", "backend_id": self.backend.id} for n in range(50)]
        )
        page = {
            field: {} for field in ("display_name", "mailbox_count", "alias_count", "usage_bytes",
                                    "dns_state", "state", "last_check")
        }
        self._page("emboux.domain", page)
        with self._statements(8):
            self._page("emboux.domain", page)

    def test_who_leads_to_an_address_is_found_by_an_index(self):
        """Asked for each mailbox that goes, each alias of a limited customer, each reply."""
        self._grow(10_000)
        self.rows(
            "INSERT INTO emboux_alias (local_part, domain_id, email, kind, destinations, active)"
            " SELECT 'a' || n, %s, 'a' || n || '@unit.example', 'forward',"
            " 'x@y.example' || E'\n' || 'n' || n || '@unit.example', true"
            " FROM generate_series(1, 10000) n RETURNING 1",
            self.domain.id,
        )
        self.env.cr.execute("ANALYZE emboux_alias")
        aliases = self.env["emboux.alias"]
        boxes = self.env["emboux.mailbox"].search([("email", "in", ["n77@unit.example"])])

        def read():
            return self.rows(
                "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
                " FROM pg_stat_xact_user_tables WHERE relname = 'emboux_alias'")[0][0]

        before = read()
        with self.assertRaisesRegex(UserError, "a77@unit.example delivers to n77@unit.example"):
            boxes._assert_not_needed()
        self.assertLess(read() - before, 100, "rows of aliases read")
        many = self.env["emboux.mailbox"].search(
            [("domain_id", "=", self.domain.id), ("email", "like", "n990%")])
        self.assertGreater(len(many), 10)
        with self.assertRaises(UserError):
            many._assert_not_needed()
        tagged_alias = self.make_alias("tagged", "n78+shop@unit.example")
        found = aliases.sudo().search(aliases._delivering_to({"n78@unit.example"}))
        self.assertEqual(found.mapped("email"), ["a78@unit.example", tagged_alias.email])
        boxes.write({"vacation_text": "Away", "vacation_on": True, "vacation_days": 7})
        before = read()
        [(script,)] = self.rows(
            "SELECT script FROM emboux_mail.sieve WHERE username = 'n77@unit.example'")
        self.assertIn('"n77@unit.example", "a77@unit.example"', script)
        self.assertLess(read() - before, 100)
        customer = self.env["res.partner"].create({"name": "Limited"})
        self.env["emboux.customer"].create({"partner_id": customer.id, "alias_limit": 3})
        self.domain.partner_id = customer
        before = read()
        self.make_alias("limited", "n79@unit.example")
        self.assertLess(read() - before, 100)

    def test_every_look_up_of_postfix_and_dovecot_uses_an_index(self):
        self._grow(10_000)
        self.rows(
            "INSERT INTO emboux_alias (local_part, domain_id, email, kind, destinations, active)"
            " SELECT 'a' || n, %s, 'a' || n || '@unit.example', 'forward', 'x@y.example', true"
            " FROM generate_series(1, 10000) n RETURNING 1",
            self.domain.id,
        )
        self.rows(
            "INSERT INTO emboux_domain (name, backend_id, company_id, state, active, owned_since,"
            " outbound_tier, outbound_enforcement, outbound_status, outbound_warmup_profile,"
            " outbound_unit,"
            " outbound_over_limit, transfer_over_limit)"
            " SELECT 'bulk' || n || '.example', %s, %s, 'verified', true, now(),"
            " 'standard', 'enforce', 'open', 'standard', 'recipients', 'defer', 'defer'"
            " FROM generate_series(1, 5000) n RETURNING 1",
            self.backend.id, self.domain.company_id.id,
        )
        self.env.cr.execute("ANALYZE emboux_mailbox, emboux_alias, emboux_domain")
        one = "n77@unit.example"
        look_ups = {
            "domains": ("name", "bulk7.example"),
            "mailboxes": ("email", one),
            "aliases": ("address", one),
            "inbound": ("key", one),
            "senders": ("address", one),
            "domain_senders": ("domain", "bulk7.example"),
            "outbound": ("login", one),
            "sending": ("login", one),
            "relays": ("domain", "bulk7.example"),
            "relay_logins": ("domain", "bulk7.example"),
            "logins": ("email", one),
            "service_logins": ("email", one),
            "users": ("email", one),
            "dkim_signing": ("lookup", "bulk7.example"),
            "header_senders": ("login", one),
            "sieve": ("username", one),
        }
        for view, (column, value) in look_ups.items():
            plan = "\n".join(
                row[0] for row in self.rows(
                    f"EXPLAIN SELECT * FROM emboux_mail.{view} WHERE {column} = %s", value)
            )
            for table in ("emboux_mailbox", "emboux_alias", "emboux_domain"):
                self.assertNotIn(f"Seq Scan on {table} ", plan, f"{view}:\n{plan}")
