# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The contract is one that can be met: a platform in a dictionary meets it."""

from ..backends.base import MailboxSpec
from ..net.errors import Refused
from .contract import BackendContract
from .dns_server import PlainTest
from .memory_backend import MemoryBackend


class TestContractInMemory(BackendContract, PlainTest):
    def setUp(self):
        super().setUp()
        self.client = MemoryBackend()

    def test_a_mailbox_without_its_domain_is_refused(self):
        with self.assertRaisesRegex(Refused, "no domain"):
            self.client.ensure_mailbox(MailboxSpec("ann@nowhere.example"))

    def test_a_password_is_not_shown(self):
        self.assertNotIn("s3cret", repr(MailboxSpec("ann@a.example", password="s3cret")))
