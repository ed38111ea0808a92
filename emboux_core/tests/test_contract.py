"""The contract is one that can be met: a platform in a dictionary meets it."""



from ..backends.base import (
    AliasSpec,
    Backend,
    DomainSpec,
    MailboxSpec,
    Refused,
    Usage,
    UsagePage,
)
from ..dns.expected import DkimKey, MailService, MxTarget
from .contract import BackendContract
from .dns_server import PlainTest


class MemoryBackend(Backend):
    """A platform in memory, as strict as a real one about domains that are not there."""

    transactional = False

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
        )

    def delete_domain(self, name):
        self._domains.pop(name, None)

    def ensure_mailbox(self, mailbox: MailboxSpec):
        self._domain_of(mailbox.email)
        self._mailboxes[mailbox.email] = mailbox

    def delete_mailbox(self, email):
        self._mailboxes.pop(email, None)

    def ensure_alias(self, alias: AliasSpec):
        self._domain_of(alias.address)
        self._aliases[alias.address] = alias

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


class TestContractInMemory(BackendContract, PlainTest):
    def setUp(self):
        super().setUp()
        self.client = MemoryBackend()

    def test_a_mailbox_without_its_domain_is_refused(self):
        with self.assertRaisesRegex(Refused, "no domain"):
            self.client.ensure_mailbox(MailboxSpec("ann@nowhere.example"))

    def test_a_password_is_not_shown(self):
        self.assertNotIn("s3cret", repr(MailboxSpec("ann@a.example", password="s3cret")))
