# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from concurrent.futures import ThreadPoolExecutor

import requests

from odoo.tests import TransactionCase

from .http_server import ScriptedServer, answer

SEND = requests.Session.send


class TestBackendSession(TransactionCase):
    """One client, and so one session, of each backend in a process."""

    def setUp(self):
        super().setUp()
        self.server = ScriptedServer().start()
        self.addCleanup(self.server.stop)
        self.env["ir.config_parameter"].set_param("emboux_core.backend_allow_private", "True")
        self.backend = self._backend("First")

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's tests let requests to 127.0.0.1 pass alone; ours resolve all names themselves."""
        return SEND(session, request, **options)

    def _backend(self, name, key="emboux_some_key"):
        return self.env["emboux.backend"].create(
            {"name": name, "kind": "emboux", "secret": key,
             "url": f"http://127.0.0.1:{self.server.port}"}
        )

    def _page(self, *names):
        return answer(200, {"items": [], "total": len(names), "next": None})

    def test_it_is_the_same_for_each_call_and_another_for_another_key(self):
        client = self.backend._client()
        self.assertIs(self.backend._client(), client)
        self.assertIs(self.env["emboux.backend"].browse(self.backend.id)._client(), client)
        self.assertIsNot(self._backend("Second")._client(), client, "another backend")
        self.backend.secret = "emboux_another_key"
        changed = self.backend._client()
        self.assertIsNot(changed, client)
        self.backend.url = f"http://localhost:{self.server.port}"
        self.assertIsNot(self.backend._client(), changed)
        self.env["ir.config_parameter"].set_param("emboux_core.backend_allow_private", "False")
        self.assertIsNot(self.backend._client(), client)

    def test_two_transactions_use_one_connection(self):
        self.server.script(self._page(), self._page(), self._page())
        for _ in range(3):
            self.env.invalidate_all()
            self.assertEqual(tuple(self.backend._client().domains()), ())
        self.assertEqual(len(self.server.seen), 3)
        self.assertEqual(self.server.connections, 1)

    def test_each_key_is_sent_to_its_own_platform_alone(self):
        other = self._backend("Second", "emboux_second_key")
        self.server.script(self._page(), self._page())
        self.backend._client().domains()
        other._client().domains()
        self.assertEqual(
            [seen.headers["Authorization"] for seen in self.server.seen],
            ["Bearer emboux_some_key", "Bearer emboux_second_key"],
        )

    def test_threads_may_use_it_at_once(self):
        """Each gets the answer to its own question."""
        client = self.backend._client()._http
        self.server.script(*[lambda handler: answer(200, handler.path)(handler)] * 64)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda number: client.call("GET", f"/{number}").body, range(64)))
        self.assertEqual(found, [f'"/emboux/v1/{number}"'.encode() for number in range(64)])
        self.assertEqual(len(self.server.seen), 64)
        self.assertLessEqual(self.server.connections, 10)
