# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from unittest.mock import patch

from odoo.exceptions import UserError

from odoo.addons.base.models.ir_mail_server import IrMail_Server

from .. import transactions
from ..models import mailbox_mox
from .memory_backend import FarBackend
from .remote_case import RemoteCase


class FarMox(FarBackend):
    """As mox is: one password for each mailbox, which sends as itself."""

    takes_hashes = False
    sends_as_domain = False
    lists = True
    rules = False
    renames = False


class Account:
    """What the account API was asked for; ``fault``: an exception for the next call."""

    def __init__(self):
        self.calls, self.fault = [], None

    def __getattr__(self, name):
        def call(*arguments):
            if self.fault:
                fault, self.fault = self.fault, None
                raise fault
            self.calls.append((name, *arguments))

        return call


@contextmanager
def own_transaction(records):
    """With what is done after a commit, which Odoo's tests leave out."""
    with transactions.own_transaction(records) as own:
        yield own
        own.env.flush_all()
        own.env.cr.postcommit.run()


class MoxMailboxCase(RemoteCase):
    """``far`` is a mox without a network; ``account`` and ``webapi`` are what a mailbox calls."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.backend.write({"kind": "mox", "smtp_host": "mail.far.example"})
        cls.env["ir.config_parameter"].set_param("web.base.url", "https://odoo.far.example")

    def setUp(self):
        super().setUp()
        self.far.__class__ = FarMox
        self.account, self.accesses = Account(), []

        def account(*access, **_options):
            self.accesses.append(access)
            return self.account

        self.startPatcher(patch.object(mailbox_mox, "MoxAccount", account))
        self.startPatcher(patch.object(mailbox_mox, "own_transaction", own_transaction))
        self.tested = self.startPatcher(
            patch.object(IrMail_Server, "test_smtp_connection", autospec=True))

    def make_odoos(self, **values):
        """A mailbox on mox that Odoo sends through."""
        domain = self.make_domain()
        domain.sudo().state = "verified"
        mailbox = self.make_mailbox(domain, "odoo", **values)
        mailbox.action_use_as_outgoing_tls()
        self.commit()
        return mailbox

    def said(self, call):
        """The sentence of a refusal; ``assertRaises`` would roll back what others committed."""
        try:
            call()
        except UserError as error:
            return str(error)
        return self.fail("it was not refused")
