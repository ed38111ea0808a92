# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A provider in a dictionary, whose line may be cut, for tests."""

from odoo.addons.emboux_core.dns.expected import REQUIRED, ExpectedRecord
from odoo.addons.emboux_core.net.errors import Refused

from ..providers.base import PENDING, VERIFIED, Credential, Provider, Registration, Relay


class MemoryProvider(Provider):
    """``domains``: name to parent. ``verified``: names that are. ``faults``: verb to exception."""

    def __init__(self):
        self.domains, self.credentials, self.verified = {}, {}, set()
        self.calls, self.faults = [], {}
        self.during = None  # called while a call is under way

    def _do(self, verb, name):
        self.calls.append((verb, name))
        if self.during:
            during, self.during = self.during, None
            during()
        if verb in self.faults:
            raise self.faults[verb]

    def check(self):
        self._do("check", "")
        return "It is there."

    def register(self, name, parent=None):
        self._do("register", name)
        self.domains[name] = parent
        return self._registration(name)

    def verify(self, name):
        self._do("verify", name)
        if name not in self.domains:
            raise Refused("It has no such domain.")
        return self._registration(name)

    def status(self, name):
        self._do("status", name)
        return self._registration(name) if name in self.domains else None

    def delete(self, name):
        self._do("delete", name)
        self.domains.pop(name, None)
        self.credentials.pop(name, None)

    def relay(self):
        return Relay("relay.example", 465, "implicit")

    def ensure_credential(self, name, password=""):
        self._do("credential", name)
        self.credentials[name] = password
        return Credential(f"emboux@{name}", password)

    def has_credential(self, name):
        return name in self.credentials

    def delete_credential(self, name):
        self.credentials.pop(name, None)

    def _registration(self, name):
        state = VERIFIED if name in self.verified else PENDING
        record = ExpectedRecord(
            "dkim:k1", "TXT", f"k1._domainkey.{name}", "k=rsa; p=AAAA", REQUIRED, "Signs.")
        return Registration(name, state, f"It is {state}.", (record,), ("include:memory.example",))
