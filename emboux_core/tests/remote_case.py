# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import TransactionCase

from ..net.errors import Unreachable
from .memory_backend import FarBackend

CUT = Unreachable("the line is cut")


class RemoteCase(TransactionCase):
    """Two backends whose platforms are far away, in memory: a rollback here changes nothing there.

    Own cursors are savepoints of the test's transaction here.  ``assertRaises`` would roll their
    rows back too, so refusals are caught without it.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # not as the superuser, who may do what no person may
        cls.env = cls.env(user=cls.env.ref("base.user_admin"))
        cls.backend, cls.other = cls.env["emboux.backend"].create(
            [{"name": name, "kind": "emboux", "url": f"https://{name}.example", "sequence": 1}
             for name in ("far", "other")]
        )
        cls.operations = cls.env["emboux.operation"]
        # existing rows do not concern these tests and must not be called
        cls.operations.sudo().search([]).unlink()
        cls.env["emboux.drift"].sudo().search([]).unlink()
        strangers = cls.env["emboux.backend"].search([]).filtered("is_remote")
        (strangers - cls.backend - cls.other).active = False

    def setUp(self):
        super().setUp()
        self.far, self.further = FarBackend(), FarBackend()
        clients = {self.backend.id: self.far, self.other.id: self.further}
        model = self.env.registry["emboux.backend"]
        original = model._client

        def client(backend):
            return clients.get(backend.id) or original(backend)

        self.startPatcher(patch.object(model, "_client", client))
        self.registry_enter_test_mode()
        self.now = fields.Datetime.now()
        self.startPatcher(patch.object(fields.Datetime, "now", lambda *_args: self.now))

    # -- making things ---------------------------------------------------------------------

    def make_domain(self, name="far.example", backend=None, **values):
        domain = self.env["emboux.domain"].create(
            {"name": name, "backend_id": (backend or self.backend).id, **values}
        )
        self.commit()
        return domain

    def make_mailbox(self, domain, local_part="ann", **values):
        mailbox = self.env["emboux.mailbox"].create(
            {"local_part": local_part, "domain_id": domain.id, **values}
        )
        self.commit()
        return mailbox

    def make_alias(self, domain, local_part="sales", to="ann@elsewhere.example", **values):
        alias = self.env["emboux.alias"].create(
            {"local_part": local_part, "domain_id": domain.id, "destinations": to, **values}
        )
        self.commit()
        return alias

    # -- what transactions do ---------------------------------------------------------------

    def commit(self):
        """The end of the user's transaction, as far as a test can play it."""
        self.env.flush_all()
        self.env.cr.postcommit.run()
        self.env.cr.postrollback.clear()
        self.env.invalidate_all()

    def roll_back(self):
        """As far as a test may: the hooks; undoing the records is the test's."""
        self.env.cr.postcommit.clear()
        self.env.cr.postrollback.run()
        self.env.invalidate_all()

    @contextmanager
    def refused(self, words):
        try:
            yield
        except UserError as error:
            self.assertIn(words, str(error))
            self.roll_back()
        else:
            self.fail("it was not refused")

    def later(self, **delta):
        self.now += timedelta(**delta)

    def run_cron(self):
        with self.env.registry.cursor() as cr:
            self.env(cr=cr, user=1)["emboux.operation"]._cron_run_operations()
        self.env.invalidate_all()

    def run_compare(self):
        with self.env.registry.cursor() as cr:
            self.env(cr=cr, user=1)["emboux.backend"]._cron_compare()
        self.env.invalidate_all()

    # -- what is asked ----------------------------------------------------------------------

    def open_operations(self):
        return self.operations.search([("state", "=", "pending")], order="turn")

    def operation(self, key):
        return self.operations.search([("key", "=", key)])

    def assert_pending(self, record, words="cannot be reached"):
        self.assertEqual(record.sync_state, "pending")
        self.assertIn(words, record.sync_message)
        self.assertTrue(record.sync_next_try)

    def assert_done(self, record):
        self.assertEqual((record.sync_state, record.sync_message), ("done", False))
        self.assertFalse(self.open_operations())
