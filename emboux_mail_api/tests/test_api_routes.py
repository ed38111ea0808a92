import threading

from odoo.tests import tagged

from odoo.addons.emboux_mail_api.controllers.api.openapi import document
from odoo.addons.emboux_mail_api.controllers.api.operation import BASE, OPERATIONS, operation

from .common import PlatformCase

#: Routes that are no operations: the document, its page, and what catches the rest.
OTHERS = {f"{BASE}/openapi.json", f"{BASE}/docs", BASE, f"{BASE}/", f"{BASE}/<path:rest>"}
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
                self.assertEqual(routing["auth"], "emboux_nobody", path)
                continue
            name = routing.get("emboux_operation")
            self.assertIn(name, OPERATIONS, f"{path} is no declared operation")
            declared = OPERATIONS[name]
            names.add(name)
            self.assertEqual(path, BASE + declared.path.replace("{", "<").replace("}", ">"))
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
        """A customer is not told that he needs a master key where he does not."""
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
