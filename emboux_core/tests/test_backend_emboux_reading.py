# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What an ``EmbouxBackend`` reads of a platform: lists, use, and whether it is there at all."""

from datetime import UTC, datetime

from odoo.addons.emboux_core.backends.base import Room, Usage, UsagePage
from odoo.addons.emboux_core.net.errors import NotAuthorised, Refused, Unreachable
from odoo.addons.emboux_core.tests.emboux_case import EmbouxCase, alias, domain, page
from odoo.addons.emboux_core.tests.http_server import answer


class TestLists(EmbouxCase):
    def test_a_list_that_goes_round_ends(self):
        self.server.script(*[answer(200, page(alias(), next="c1"))] * 2)
        self.assertIn("come to an end",
                      self.failure(Unreachable, self.backend.aliases, "a.example"))
        self.requests()

    def test_a_list_of_empty_pages_ends(self):
        self.server.script(answer(200, page(next="c1")))
        self.failure(Unreachable, self.backend.domains)
        self.requests()

    def test_a_list_without_its_next_is_not_the_last_page(self):
        self.server.script(answer(200, {"items": [domain()], "total": 1}))
        self.assertIn('"next"', self.failure(Unreachable, self.backend.domains))


class TestRoom(EmbouxCase):
    """What a domain may still send."""

    def room(self, body):
        self.server.script(answer(200, body))
        found = self.backend.room_to_send("a.example", "odoo@a.example")
        self.assertEqual(
            self.requests()[-1], "GET /domains/a.example/outbound?login=odoo%40a.example")
        return found

    def test_room_now_and_when_there_is_more(self):
        self.assertEqual(
            self.room({"room": {"left": 7, "again_at": "2026-11-20T10:00:00Z", "per_day": 200}}),
            Room(7, datetime(2026, 11, 20, 10, tzinfo=UTC), 200))
        self.assertEqual(self.room({"room": {"left": 0, "again_at": None, "per_day": 0}}), Room(0))

    def test_a_platform_that_knows_of_no_limit(self):
        self.assertIsNone(self.room({"room": None}))
        self.assertIsNone(self.room({}), "an older one")

    def test_an_answer_that_makes_no_sense(self):
        for room in ({"left": -1, "again_at": None, "per_day": 0}, {"left": "many"}, [7],
                     {"left": 1, "again_at": "soon", "per_day": 0}):
            with self.subTest(room):
                self.server.script(answer(200, {"room": room}))
                self.failure(Unreachable, self.backend.room_to_send, "a.example", "odoo@a.example")
        self.requests()


class TestUsage(EmbouxCase):
    def item(self, name="ann@a.example", kind="usage", gone=False, size=None, messages=None):
        return {"kind": kind, "name": name, "domain": "a.example", "gone": gone,
                "state": None, "size": size, "messages": messages}

    def changes(self, *items, next="c1", more=False):
        return answer(200, {"items": list(items), "next": next, "more": more})

    def test_everything_page_after_page(self):
        self.server.script(
            self.changes(
                self.item("a.example", kind="domain", size=9),
                self.item(kind="mailbox", size=1, messages=1),
                self.item("bob@a.example", size=7, messages=2),
                more=True,
            ),
            self.changes(
                self.item(size=3, messages=4), self.item("bob@a.example", "mailbox", gone=True),
                self.item("cat@a.example", "mailbox"), next="c2",
            ),
        )
        self.assertEqual(
            self.backend.usage(), UsagePage("c2", (Usage("ann@a.example", 3, 4),))
        )
        self.assertEqual(
            self.requests(),
            ["GET /api-keys/self/usage?limit=1000", "GET /api-keys/self/usage?limit=1000&since=c1"],
        )

    def test_what_is_new_since_a_cursor(self):
        self.server.script(self.changes(next="c8"))
        self.assertEqual(self.backend.usage("c=7"), UsagePage("c8", ()))
        self.assertEqual(self.requests(), ["GET /api-keys/self/usage?limit=1000&since=c%3D7"])

    def test_another_platforms_cursor_begins_anew(self):
        wrong = {"detail": [{"field": "since", "message": "it is not a cursor of ours"}]}
        self.server.script(answer(422, wrong), self.changes(self.item(size=5)))
        self.assertEqual(self.backend.usage("old").rows, (Usage("ann@a.example", 5, 0),))
        self.server.script(answer(422, wrong))
        self.failure(Refused, self.backend.usage)
        self.requests()

    def test_changes_that_go_round_end(self):
        self.server.script(self.changes(more=True), self.changes(more=True))
        self.assertIn("circle", self.failure(Unreachable, self.backend.usage))
        self.requests()


class TestCheck(EmbouxCase):
    def test_it_says_what_was_found(self):
        health = {"status": "ok", "database": "ok", "version": "19.0.1.0.0"}
        for total, said in ((1, "1 domain"), (12, "12 domains")):
            self.server.script(answer(200, health), answer(200, page(total=total)))
            self.assertEqual(self.backend.check(),
                             f"Emboux 19.0.1.0.0 answers, and this key reaches {said}.")
        self.assertEqual(self.requests()[2:], ["GET /health", "GET /domains/?limit=1"])

    def test_a_key_that_is_not_accepted(self):
        health = {"status": "ok", "database": "ok", "version": "19.0.1.0.0"}
        self.server.script(answer(200, health), answer(401, {"detail": "The key has expired"}))
        self.assertEqual(
            self.failure(NotAuthorised, self.backend.check),
            "It does not accept the key (The key has expired). Make a new key on the platform "
            "and enter it here.",
        )

    def test_no_platform_at_this_address(self):
        self.server.script(answer(404, b"<html>"), answer(200, b"<html>"))
        self.assertIn("address is not right", self.failure(Unreachable, self.backend.check))
        self.assertIn("not JSON", self.failure(Unreachable, self.backend.check))

    def test_a_version_that_nobody_could_store(self):
        for version in ("19\0", "1" * 51):
            self.server.script(answer(200, {"version": version}))
            self.assertIn("not plain text", self.failure(Unreachable, self.backend.check))

    def test_the_base_path_may_be_given(self):
        for path in ("/", "/emboux/v1", "/emboux/v1/", "/mail/"):
            self.server.script(answer(204))
            self.client(f"http://127.0.0.1:{self.server.port}{path}").delete_alias("@a.example")
        self.assertEqual(
            [seen.path.removesuffix("/aliases/%40a.example") for seen in self.server.seen],
            ["/emboux/v1", "/emboux/v1", "/emboux/v1", "/mail/emboux/v1"],
        )
