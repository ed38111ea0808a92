# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
import threading
from unittest.mock import patch
from urllib.parse import quote

from argon2 import PasswordHasher

from odoo.exceptions import AccessError
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.emboux_mail_api.controllers.api import dispatcher
from odoo.addons.emboux_mail_api.controllers.api.openapi import document
from odoo.addons.emboux_mail_api.controllers.api.operation import BASE, OPERATIONS, operation

from ..models.customer import QuotaReached
from .common import PlatformCase

#: Routes that are no operations, with their auth: the document, its page, the text for Prometheus,
#: and what catches the rest.
OTHERS = {
    **dict.fromkeys((f"{BASE}/openapi.json", f"{BASE}/docs", BASE, f"{BASE}/",
                     f"{BASE}/<path:rest>"), "emboux_nobody"),
    f"{BASE}/metrics": "emboux_key",
}  # fmt: skip
AUTH = {"customer": "emboux_key", "master": "emboux_key", "nobody": "emboux_nobody",
        "signature": "emboux_nobody"}


@tagged("post_install", "-at_install")
class TestRoutes(PlatformCase):
    """A route without a declaration would have no role: there is none."""

    def setUp(self):
        super().setUp()
        thread = threading.current_thread()
        if not hasattr(thread, "dbname"):  # Odoo's own test runner sets it
            thread.dbname = self.env.cr.dbname
            self.addCleanup(delattr, thread, "dbname")

    def rules(self):
        """(path, endpoint) of each route below the API's base."""
        return [
            (rule.rule, rule)
            for rule in self.env["ir.http"].routing_map().iter_rules()
            if rule.rule == BASE or rule.rule.startswith(f"{BASE}/")
        ]

    def test_each_route_is_a_declared_operation(self):
        names = set()
        for path, rule in self.rules():
            routing = rule.endpoint.routing
            self.assertEqual(routing["type"], "emboux", path)
            if path in OTHERS:
                self.assertEqual(routing["auth"], OTHERS[path], path)
                continue
            name = routing.get("emboux_operation")
            self.assertIn(name, OPERATIONS, f"{path} is no declared operation")
            declared = OPERATIONS[name]
            names.add(name)
            self.assertEqual(
                path.replace("<path:", "<"),
                BASE + declared.path.replace("{", "<").replace("}", ">"))
            self.assertEqual(routing["auth"], AUTH[declared.role], path)
            self.assertLessEqual(rule.methods - {"OPTIONS", "HEAD"}, {declared.method}, path)
            self.assertEqual(routing["readonly"], not declared.writes, path)
        self.assertEqual(names, set(OPERATIONS))
        self.assertGreater(len(names), 40)

    def test_no_route_of_another_type_is_near(self):
        """Neither with a prefix (a language) nor by another spelling."""
        strange = [
            rule.rule
            for rule in self.env["ir.http"].routing_map().iter_rules()
            if "emboux/v" in rule.rule and not (
                rule.rule == BASE or rule.rule.startswith(f"{BASE}/"))
        ]
        self.assertEqual(strange, [])

    def test_a_role_that_there_is_not_is_refused_where_it_is_declared(self):
        for role in ("everybody", "", None, "Master"):
            with self.assertRaisesRegex(ValueError, "unknown role"):

                @operation("GET", "/nothing", role=role, tag="x", summary="x")
                def nothing(self):  # pragma: no cover - never called
                    """Declared for this test."""

        self.assertNotIn("nothing", OPERATIONS)

    def test_the_examples_of_errors_are_those_of_the_operation(self):
        """Customers are not told that they need a master key where they do not."""
        seen = {}
        for methods in document("0")["paths"].values():
            for declared in methods.values():
                if "403" in declared["responses"]:
                    content = declared["responses"]["403"]["content"]["application/json"]
                    example = content.get("example", {}).get("detail")
                    seen.setdefault(declared["x-required-role"], set()).add(example)
        self.assertEqual(seen["master"], {"Master token required"})
        self.assertEqual(
            seen["customer"],
            {"This key may only read", "This key may not be used from your address"},
        )

    def test_each_operation_is_in_the_document(self):
        paths = document("0")["paths"]
        listed = {
            declared["operationId"]: (path, method.upper(), declared["x-required-role"])
            for path, methods in paths.items()
            for method, declared in methods.items()
        }
        self.assertEqual(
            listed, {o.name: (o.path, o.method, o.role) for o in OPERATIONS.values()}
        )


class RequestCase(HttpCase, PlatformCase):
    """Requests to the Odoo of this process, which share the test's one transaction."""

    def setUp(self):
        super().setUp()
        self.partner = self.env["res.partner"].create({"name": "Acme", "ref": "ACME"})
        self.limits = self.env["emboux.customer"].create({"partner_id": self.partner.id})
        self.domain.partner_id = self.partner
        # there is nobody to wait for
        self.startPatcher(patch.object(dispatcher, "take_lock"))

    def key(self, **values):
        _key, secret = self.env["emboux.api.key"]._make({"name": "Key", **values})
        self.env.flush_all()
        return secret

    def call(self, secret, method, path, body=None):
        self.env.flush_all()
        headers = {"Authorization": f"Bearer {secret}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body)
        answer = self.url_open(BASE + path, data=data, method=method, headers=headers)
        self.env.invalidate_all()
        return answer


@tagged("post_install", "-at_install")
class TestReading(RequestCase):
    def test_get_changes_nothing(self):
        """On a cursor that may not write: Odoo would say so, and repeat it on one that may."""
        mailbox = self.make_mailbox("ann")
        self.make_alias("sales", "ann@unit.example")
        # like a restored row, or one from before there were keys
        self.domain.sudo().dkim_key_ids.unlink()
        secret = self.key(role="master")
        # in a transaction of its own, which a test cannot have beside one that only reads
        self.startPatcher(patch.object(self.env.registry["emboux.api.key"], "_record_use"))
        # what is known of a domain is refreshed in a transaction of its own
        self.startPatcher(patch.object(
            self.env.registry["emboux.domain"], "_refresh_status", lambda _domain: False))
        values = {"name": "unit.example", "email": mailbox.email, "address": "sales@unit.example",
                  "recipient": "bob@outside.example", "token": "self",
                  "key_id": str(self.env["emboux.api.key"].search([], limit=1).id),
                  "id": str(self.log_message(self.domain).id),
                  "webhook_id": str(self.env["emboux.webhook"].create(
                      {"name": "Shop", "url": "https://shop.example/"}).id)}
        seen = 0
        for declared in OPERATIONS.values():
            if declared.method != "GET":
                continue
            path = declared.path
            for name in declared.path_parameters:
                path = path.replace(f"{{{name}}}", quote(values[name], safe=""))
            with patch("odoo.http._logger.warning") as warned:
                answer = self.call(secret, "GET", path)
            self.assertEqual(answer.status_code, 200, f"{path}: {answer.text}")
            self.assertFalse(warned.called, f"{path}: {warned.call_args}")
            seen += 1
        self.assertGreater(seen, 12)
        self.assertFalse(self.domain.sudo().dkim_key_ids)


@tagged("post_install", "-at_install")
class TestHashing(RequestCase):
    """Hashing is the most expensive work of the API: once for each request, and only if it is
    allowed."""

    def setUp(self):
        super().setUp()
        self.hashed = []
        original = PasswordHasher.hash

        def counted(hasher, password, **options):
            self.hashed.append(password)
            return original(hasher, password, **options)

        self.startPatcher(patch.object(PasswordHasher, "hash", counted))
        self.make_domain("others.example")
        self.secret = self.key(partner_id=self.partner.id)

    def user(self, email, password=None):
        return {"email": email, "password": password or "a password of ann's"}

    def test_nothing_for_what_the_caller_does_not_have(self):
        self.make_mailbox("theirs", self.env["emboux.domain"].search(
            [("name", "=", "others.example")]))
        for method, path, body in (
            ("POST", "/users/", self.user("ann@others.example")),
            ("POST", "/users/", self.user("ann@nowhere.example")),
            ("PUT", "/users/theirs@others.example", {"password": "a password of ann's"}),
            ("PUT", "/users/nobody@unit.example", {"password": "a password of ann's"}),
        ):
            answer = self.call(self.secret, method, path, body)
            self.assertEqual(answer.status_code, 404, answer.text)
            self.assertFalse(self.hashed, (method, path))

    def test_nothing_for_what_there_is_no_room_for(self):
        self.limits.mailbox_limit = 1
        self.make_mailbox("first")
        answer = self.call(self.secret, "POST", "/users/", self.user("ann@unit.example"))
        self.assertEqual(answer.status_code, 409)
        self.assertIn("limit of 1 mailboxes", answer.text)
        self.assertFalse(self.hashed)

    def test_nothing_in_bulk_for_what_is_certain_to_be_refused(self):
        self.limits.mailbox_limit = 2
        self.make_mailbox("first")
        rows = [self.user(f"{name}@unit.example", f"a password of {name}")
                for name in ("first", "second", "third")]
        rows.append(self.user("ann@others.example"))
        answer = self.call(self.secret, "POST", "/users/bulk", {"users": rows})
        statuses = [item["status"] for item in answer.json()["items"]]
        self.assertEqual(statuses, [409, 201, 409, 404], answer.text)
        self.assertEqual(self.hashed, ["a password of second"])

    def test_nothing_on_a_form_for_another_domain_or_without_room(self):
        user = self.env["res.users"].browse(
            self.env["emboux.api.key"].search([("partner_id", "=", self.partner.id)])
            .sudo().user_id.id)
        theirs = self.env["emboux.domain"].search([("name", "=", "others.example")])
        boxes = self.env["emboux.mailbox"].with_user(user)
        with self.assertRaises(AccessError):
            boxes.create({"local_part": "ann", "domain_id": theirs.id, "password": "some words"})
        self.limits.mailbox_limit = 1
        self.make_mailbox("first")
        with self.assertRaises(QuotaReached):
            boxes.create(
                {"local_part": "ann", "domain_id": self.domain.id, "password": "some words"})
        self.assertFalse(self.hashed)

    @mute_logger("odoo.sql_db")
    def test_once_however_often_the_transaction_is_repeated(self):
        model = self.env.registry["emboux.mailbox"]
        original, tries = model.create, []

        def meets(mailboxes, vals_list):
            tries.append(1)
            if len(tries) < 3:
                mailboxes.env.cr.execute(
                    "DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '40001'; END $$")
            return original(mailboxes, vals_list)

        with (patch.object(model, "create", meets),
              patch("odoo.service.model.random.uniform", lambda *_: 0)):
            answer = self.call(self.secret, "POST", "/users/", self.user("ann@unit.example"))
        self.assertEqual((answer.status_code, len(tries)), (201, 3), answer.text)
        self.assertEqual(len(self.hashed), 1)
