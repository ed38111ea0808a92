# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A platform in a dictionary, and one with scripted outages, for tests."""

from dataclasses import replace

from ..backends.base import (
    AliasSpec,
    Backend,
    DomainSpec,
    MailboxRules,
    MailboxSpec,
    Usage,
    UsagePage,
)
from ..dns.expected import DkimKey, MailService, MxTarget
from ..net.errors import Refused


class MemoryBackend(Backend):
    """A platform in memory, as strict as a real one about domains that are not there."""

    transactional = False
    rules = True
    renames = True

    def __init__(self):
        self._domains = {}
        self._mailboxes = {}
        self._aliases = {}

    def check(self):
        return f"{len(self._domains)} domains in memory."

    def _domain_of(self, address):
        name = address.rpartition("@")[2]
        if name not in self._domains:
            raise Refused(f"There is no domain {name} here.")

    def ensure_domain(self, domain: DomainSpec):
        self._domains[domain.name] = domain
        return MailService(
            mx=(MxTarget(10, "mail.memory.example"),),
            spf=("a:mail.memory.example",),
            dkim=() if domain.parent else (DkimKey("memory", "rsa", "TUVNT1JZ"),),
            verification="" if domain.parent else "0123456789abcdef",
            imap_host="mail.memory.example",
            imaps_port=993,
            smtp_host="mail.memory.example",
            submissions_port=465,
            dkim_domain=domain.parent,
            wildcard=domain.wildcard,
        )

    def delete_domain(self, name):
        self._domains.pop(name, None)

    def ensure_mailbox(self, mailbox: MailboxSpec):
        self._domain_of(mailbox.email)
        before = self._mailboxes.get(mailbox.email)
        kept = before.rules if before else MailboxRules()
        self._mailboxes[mailbox.email] = replace(mailbox, rules=mailbox.rules or kept)

    def rename_mailbox(self, email, address, keep):
        if email not in self._mailboxes and address in self._mailboxes:
            return
        self._mailboxes[address] = replace(self._mailboxes.pop(email), email=address)
        self._aliases.pop(address, None)
        if keep:
            self._aliases[email] = AliasSpec(email, (address,))

    def delete_mailbox(self, email):
        self._mailboxes.pop(email, None)

    def ensure_alias(self, alias: AliasSpec):
        self._domain_of(alias.address)
        self._aliases[alias.address] = alias
        return ()

    def delete_alias(self, address):
        self._aliases.pop(address, None)

    def domains(self):
        return list(self._domains.values())

    def mailboxes(self, domain):
        return [m for m in self._mailboxes.values() if m.email.endswith(f"@{domain}")]

    def aliases(self, domain):
        return [a for a in self._aliases.values() if a.address.endswith(f"@{domain}")]

    def usage(self, since=""):
        rows = () if since else tuple(Usage(email, 0, 0) for email in self._mailboxes)
        return UsagePage("1", rows)


class FarBackend(MemoryBackend):
    """What a test scripts goes wrong; what was called is written down.

    ``faults``: "ensure", "delete" or "list", one of these with a key, or "*", to the exception
    that it raises; with "after " before it, the change is applied and its answer lost.  ``judges``
    as a test sets it: then ``standings`` is what the platform says, by name.
    """

    def __init__(self):
        super().__init__()
        self.calls = []
        self.faults = {}
        self.during = None  # called while a call is under way
        self.standings = {}

    def _do(self, verb, key, deed, *arguments):
        self.calls.append((verb, key))
        if self.during:
            during, self.during = self.during, None
            during()
        self._fail(f"{verb} {key}", verb, "*")
        result = deed(*arguments)
        self._fail(f"after {verb} {key}", f"after {verb}")
        return result

    def _fail(self, *names):
        for name in names:
            if name in self.faults:
                raise self.faults[name]

    def ensure_domain(self, domain):
        if domain.parent and domain.parent not in self._domains:
            raise Refused(f"There is no domain {domain.parent} here.")
        return self._do("ensure", domain.name, super().ensure_domain, domain)

    def domain_status(self, name, records=False, look=False):
        return self._do("look" if look else "ask", name, self.standings.get, name)

    def ensure_mailbox(self, mailbox):
        return self._do("ensure", mailbox.email, super().ensure_mailbox, mailbox)

    def rename_mailbox(self, email, address, keep):
        return self._do("rename", email, super().rename_mailbox, email, address, keep)

    def ensure_alias(self, alias):
        return self._do("ensure", alias.address, super().ensure_alias, alias)

    def delete_domain(self, name):
        return self._do("delete", name, super().delete_domain, name)

    def delete_mailbox(self, email):
        return self._do("delete", email, super().delete_mailbox, email)

    def delete_alias(self, address):
        return self._do("delete", address, super().delete_alias, address)

    def domains(self):
        return self._do("list", "domains", super().domains)

    def mailboxes(self, domain):
        return self._do("list", domain, super().mailboxes, domain)
