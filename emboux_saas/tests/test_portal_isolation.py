# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What one customer has, another one does not reach: neither by a page nor by a direct call."""

import re
import threading

from odoo import fields
from odoo.exceptions import AccessError, MissingError
from odoo.http import Request
from odoo.service.model import call_kw
from odoo.tests import tagged

from .portal_case import PortalCase

PREFIXES = ("/my/email", "/email/")
#: Which record the number in an address is of, by the word before it.
KINDS = {"domains": "domain", "mailboxes": "mailbox", "aliases": "alias", "keys": "key",
         "messages": "message", "webhooks": "webhook", "deliveries": "delivery"}
GROUP = "emboux_mail_api.group_customer"


@tagged("post_install", "-at_install")
class TestPortalIsolation(PortalCase):
    def setUp(self):
        super().setUp()
        thread = threading.current_thread()
        if not hasattr(thread, "dbname"):  # Odoo's own test runner sets it
            thread.dbname = self.env.cr.dbname
            self.addCleanup(delattr, thread, "dbname")

    def _rules(self):
        """Every route of the portal, from what the server really answers to."""
        return sorted(

                (rule.rule, method)
                for rule in self.env["ir.http"].routing_map().iter_rules()
                if rule.rule.startswith(PREFIXES)
                for method in sorted({"GET", "POST"} & set(rule.endpoint.routing["methods"]))

        )

    def _address(self, rule, owner):
        """The rule with the numbers of what this customer has."""

        def number(match):
            word = match.group(1)
            if match.group(3) == "at" or word == "page":
                return f"{word}/1"
            self.assertIn(word, KINDS, f"teach this test what {rule} is about")
            return f"{word}/{getattr(owner, KINDS[word]).id}"

        return re.sub(r"(\w+)/<(int):(\w+)>", number, rule)

    def _ask(self, rule, method, owner):
        path = self._address(rule, owner)
        data = {"csrf_token": Request.csrf_token(self)} if method == "POST" else None
        return self.url_open(path, data=data, allow_redirects=False)

    def _about_a_record(self):
        return [(rule, method) for rule, method in self._rules()
                if "<int:" in re.sub(r"page/<[^>]*>", "", rule)]

    def test_there_are_routes_to_try(self):
        self.assertGreater(len(self._about_a_record()), 20)

    def test_every_route_says_by_which_methods(self):
        for rule in self.env["ir.http"].routing_map().iter_rules():
            if rule.rule.startswith(PREFIXES):
                self.assertTrue(rule.endpoint.routing.get("methods"), rule.rule)
                self.assertTrue(rule.endpoint.routing.get("csrf", True), rule.rule)

    def test_another_customers_records_are_not_there(self):
        """Nor can they be told from what never was."""
        self.log_in(self.rival)
        never = type("never", (), {
            kind: type("gone", (), {"id": 2**31 - 1}) for kind in KINDS.values()
        })
        snapshot = self._snapshot(self.acme)
        for rule, method in self._about_a_record():
            answer = self._ask(rule, method, self.acme)
            self.assertEqual(answer.status_code, 404, f"{method} {rule}")
            self.assertNotIn("acme", answer.text, f"{method} {rule}")
            missing = self._ask(rule, method, never)
            self.assertEqual(missing.status_code, 404, f"{method} {rule}")
        self.assertEqual(self._snapshot(self.acme), snapshot)

    def test_own_records_are_there(self):
        """Else the test above would pass for a portal in which nothing works."""
        self.log_in(self.rival)
        for rule, method in self._about_a_record():
            if method == "GET":
                self.assertEqual(self._ask(rule, method, self.rival).status_code, 200, rule)

    def test_other_pages_show_nothing_of_others(self):
        self.log_in(self.rival)
        for rule, method in set(self._rules()) - set(self._about_a_record()):
            answer = self._ask(rule, method, self.rival)
            self.assertIn(answer.status_code, (200, 303), f"{method} {rule}")
            self.assertNotIn("acme", answer.text, f"{method} {rule}")

    def test_a_stranger_sees_the_sign_up_alone(self):
        parent = self.make_parent()
        self.authenticate(None, None)
        open_to_all = {"/email/signup", "/email/signup/confirm/<string:token>",
                       "/email/signup/sent", "/my/email/names"}
        for rule, method in self._rules():
            answer = self._ask(rule, method, self.acme)
            if rule in open_to_all:
                self.assertEqual(answer.status_code, 200, f"{method} {rule}")
            else:
                self.assertEqual(answer.status_code, 303, f"{method} {rule}")
                self.assertIn("/web/login", answer.headers["Location"])
            self.assertNotIn("acme", answer.text, f"{method} {rule}")
        answer = self.url_open(f"/my/email/names?label=new&parent_id={self.acme.domain.id}")
        self.assertEqual(answer.json(), {"free": False, "sentence": ""})
        self.assertTrue(
            self.url_open(f"/my/email/names?label=new&parent_id={parent.id}").json()["free"]
        )

    def test_a_form_does_not_reach_across(self):
        """Numbers in what is sent, instead of in the address."""
        self.acme.domain.is_wildcard = True
        self.make_parent()
        self.log_in(self.rival)
        faults = self.faults("/my/email/domains/new", kind="under", label="spy",
                             parent_id=str(self.acme.domain.id))
        self.assertIn("label", faults)
        self.sent(f"/my/email/domains/{self.rival.domain.id}/mailboxes/new", local_part="spy",
                  password="good enough 1", quota_mb="10",
                  domain_id=str(self.acme.domain.id), partner_id=str(self.acme.partner.id),
                  state="suspended", send_as="domain")
        spy = self.env["emboux.mailbox"].search([("local_part", "=", "spy")])
        self.assertEqual((spy.domain_id, spy.state, spy.send_as),
                         (self.rival.domain, "active", "self"))

    # -- direct calls ------------------------------------------------------------------------

    def test_no_public_method_reaches_another_customers_records(self):
        """All of them, as ``/web/dataset/call_kw`` would call them."""
        tried = 0
        snapshot = self._snapshot(self.acme)
        for record in self._records(self.acme):
            for name in self._public_methods(record):
                with self.subTest(model=record._name, method=name):
                    self._assert_refused(record, name, self._arguments(name))
                    tried += 1
        self.assertGreater(tried, 60)
        self.env.invalidate_all()
        self.assertEqual(self._snapshot(self.acme), snapshot)

    def test_searches_find_ones_own_alone(self):
        env = self.env(user=self.rival.user, context={})
        for record in self._records(self.acme):
            own = self._records(self.rival)
            for name, arguments in (
                ("search_read", [[], ["display_name"]]), ("name_search", [""]),
                ("read_group", [[], ["__count"], ["id"]]),
                ("web_search_read", [[], {"display_name": {}}]),
                ("formatted_read_group", [[], ["id"], ["__count"]]),
            ):
                if not hasattr(env[record._name], name):
                    continue
                try:
                    found = str(call_kw(env[record._name], name, arguments, {}))
                except AccessError:
                    continue  # the model is the operator's altogether
                self.assertNotIn("acme", found, f"{record._name}.{name}")
            self.assertTrue(own)

    def _records(self, who):
        """One of each model that some portal user may read, and of those that they may not."""
        domain = who.domain
        usage = self.env["emboux.usage"].sudo()
        if not usage.search([("domain_id", "=", domain.id)]):
            usage.create(
                {"customer_id": who.customer.id, "domain_name": domain.name,
                 "domain_id": domain.id, "day": fields.Date.today(), "has_domain": True}
            )
        self.env.flush_all()
        records = [
            domain, who.mailbox, who.alias, who.key, who.customer, who.message, who.webhook,
            who.delivery,
            domain.dns_record_ids[:1],
            self.env["emboux.change"].search([("domain_name", "=", domain.name)], limit=1),
            self.env["emboux.outbound.count"].search([("domain_id", "=", domain.id)], limit=1)
            or self.env["emboux.outbound.count"].create(
                {"domain_id": domain.id, "window": "day", "since": "2030-01-01", "recipients": 1}
            ),
            usage.search([("domain_id", "=", domain.id)], limit=1),
            self.env["emboux.usage.month"].sudo().search(
                [("customer_id", "=", who.customer.id)], limit=1
            ),
        ]
        self.assertTrue(all(records), records)
        known = {record._name for record in records}
        for access in self.env["ir.model.access"].sudo().search(
            [("group_id", "=", self.env.ref(GROUP).id)]
        ):
            # the platform, and the kinds of events, are everybody's
            if access.model_id.model not in ("emboux.backend", "emboux.webhook.type"):
                self.assertIn(access.model_id.model, known, "teach this test the new model")
        return records

    def _public_methods(self, record):
        """The ORM's own that touch records, and every action of the model."""
        basic = ("read", "web_read", "write", "web_save", "unlink", "copy", "message_post",
                 "message_subscribe", "activity_schedule")
        actions = {name for name in dir(type(record)) if name.startswith("action_")}
        return sorted(
            name for name in {*basic, *actions}
            if hasattr(record, name) and not getattr(getattr(record, name), "_api_private", False)
            and ("archive" not in name or "active" in record._fields)
        )

    def _arguments(self, name):
        return {
            "read": [["display_name"]], "web_read": [{"display_name": {}}],
            "write": [{"active": False}], "web_save": [{"active": False}, {"display_name": {}}],
            "message_subscribe": [self.rival.partner.ids],
        }.get(name, [])

    def _assert_refused(self, record, name, arguments):
        model = self.env(user=self.rival.user, context={})[record._name]
        self.env.invalidate_all()  # a call of its own finds nothing that others have read
        try:
            with self.env.cr.savepoint():
                found = call_kw(model, name, [record.ids, *arguments], {})
                self.env.flush_all()
        except (AccessError, MissingError):
            return
        if name == "message_subscribe" and found is False:
            return  # Odoo's way to say that it has done nothing
        # what merely opens a view names the record by its number, and knows nothing of it
        self.assertIsInstance(found, dict, f"{record._name}.{name}")
        self.assertEqual(found.get("type"), "ir.actions.act_window", f"{record._name}.{name}")
        self.assertNotIn("acme", str(found), f"{record._name}.{name}")

    def _snapshot(self, who):
        self.env.flush_all()
        self.env.invalidate_all()
        return {
            record._name: record.sudo().read(
                [name for name, field in record._fields.items()
                 if field.store and field.column_type and name != "write_date"]
            )
            for record in (who.domain, who.mailbox, who.alias, who.key, who.customer)
        }
