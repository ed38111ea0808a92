# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from dataclasses import replace
from unittest.mock import patch

from odoo.tests import TransactionCase

from ..dns.expected import DkimKey, MailService, MxTarget
from .knot_server import SECRETS, KnotServer
from .memory_backend import FarBackend

ZONES = [f"shop{number}.test" for number in range(40)]
SERVICE = MailService(
    mx=(MxTarget(10, "mail.memory.example"),),
    spf=("a:mail.memory.example",),
    dkim=(DkimKey("memory", "rsa", "TUVNT1JZ" * 30),),
    verification="0123456789abcdef",
)
#: What publishing that leads to, as ``KnotServer.content`` gives it, but for the key.
OURS = {
    "@ MX 10 mail.memory.example.",
    '@ TXT "v=spf1 a:mail.memory.example ~all"',
    '_emboux TXT "emboux-verification=0123456789abcdef"',
    '_dmarc TXT "v=DMARC1; p=none; adkim=r; aspf=r"',
}


class PublishCase(TransactionCase):
    """Domains whose zones are on a real server that takes updates; each test has its own zone.

    Own cursors are savepoints of the test's transaction here.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.knot = KnotServer(ZONES)
        cls.addClassCleanup(cls.knot.stop)
        cls.knot.start()
        cls.zones = iter(ZONES)
        # not as the superuser, who may do what no person may
        cls.env = cls.env(user=cls.env.ref("base.user_admin"))
        cls.env["emboux.dns.server"].search([]).active = False
        cls.env["ir.config_parameter"].set_param("emboux_core.dns_allow_private", "True")
        # the check asks no other server either
        cls.env["ir.config_parameter"].set_param(
            "emboux_core.dns_nameservers", f"127.0.0.1:{cls.knot.port}"
        )
        cls.env["ir.config_parameter"].set_param("emboux_core.dns_port", str(cls.knot.port))
        algorithm, secret = SECRETS["emboux"]
        cls.key = {"key_name": "emboux", "key_algorithm": algorithm, "key_secret": secret}
        cls.server = cls.make_server("knot")
        cls.backend = cls.env["emboux.backend"].create({"name": "far", "kind": "emboux"})
        cls.published = cls.env["emboux.dns.published"]

    @classmethod
    def make_server(cls, name, **values):
        return cls.env["emboux.dns.server"].create(
            {"name": name, "host": "127.0.0.1", "port": cls.knot.port, "zones": "test",
             **cls.key, **values}
        )  # fmt: skip

    def setUp(self):
        super().setUp()
        self.far = FarBackend()
        self.service = SERVICE
        self.startPatcher(patch.object(FarBackend, "ensure_domain", lambda *_a: self.service))
        self.startPatcher(
            patch.object(self.env.registry["emboux.backend"], "_client", lambda _b: self.far)
        )
        self.registry_enter_test_mode()
        self.zone = next(self.zones)
        self.domain = self.make_domain(self.zone)

    def make_domain(self, name, **values):
        domain = self.env["emboux.domain"].create(
            {"name": name, "backend_id": self.backend.id, **values}
        )
        self.commit()
        return domain

    def commit(self):
        """The end of the user's transaction, as far as a test can play it."""
        self.env.flush_all()
        self.env.cr.postcommit.run()
        self.env.cr.postrollback.clear()
        self.env.invalidate_all()

    def open(self, mode="publish", domain=None, user=None):
        domain = domain or self.domain
        domain = domain.with_user(user) if user else domain
        action = domain.action_publish() if mode == "publish" else domain.action_withdraw()
        return domain.env["emboux.publish"].browse(action["res_id"])

    def publish(self, confirm_merge=False, **options):
        wizard = self.open(**options)
        wizard.confirm_merge = confirm_merge
        wizard.action_apply()
        self.env.invalidate_all()
        return wizard

    def lines(self, wizard, field="action"):
        return {line.key: line[field] for line in wizard.line_ids}

    def content(self, without=("memory._domainkey",)):
        return {line for line in self.knot.content(self.zone)
                if not line.startswith(tuple(without))}  # fmt: skip

    def rows(self, name=None):
        return self.published.search([("domain_name", "=", name or self.zone)])

    def run_cron(self):
        self.env.flush_all()
        with self.env.registry.cursor() as cr:
            self.env(cr=cr, user=1)["emboux.dns.published"]._cron_withdraw()
        self.env.invalidate_all()

    def cut(self, server=None):
        """The server is unreachable until the returned patcher is stopped."""
        model = self.env.registry["emboux.dns.server"]
        original = model._primary
        servers = server or self.server

        def primary(record, **limits):
            # nothing listens at port 1
            found = original(record, **limits)
            return replace(found, port=1) if record in servers else found

        patcher = patch.object(model, "_primary", primary)
        patcher.start()
        self.addCleanup(patcher.stop)
        return patcher
