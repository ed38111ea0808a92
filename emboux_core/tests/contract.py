# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What any backend must do, whatever it talks to.

A test class of a backend mixes this in and says how a wish reaches it: over the wire the
interface is called, a backend that publishes records gets records.
"""

import contextlib

from ..backends.base import AliasSpec, DomainSpec, MailboxSpec
from ..net.errors import Refused


class BackendContract:
    """Mix into a ``TestCase``; ``client`` is the backend, ``name`` a domain free to use.

    ``cannot``: what this kind of platform has not, and so refuses in words: "wildcard",
    "send_as_domain", "outside" (aliases that lead elsewhere), "several" (aliases of several
    mailboxes) or "suspend", each with a part of the sentence.
    """

    client = None
    name = "contract.example"
    cannot = {}  # noqa: RUF012 - read alone

    def unless_refused(self, what):
        """For what this kind may not have: then it is refused, and this is the whole test."""
        if what in self.cannot:
            return self.assertRaisesRegex(Refused, self.cannot[what])
        return contextlib.nullcontext()

    # how a change reaches the platform, overridden where records are the change
    def want_domain(self, spec):
        return self.client.ensure_domain(spec)

    def want_mailbox(self, spec):
        self.client.ensure_mailbox(spec)

    def want_alias(self, spec):
        self.client.ensure_alias(spec)

    def drop_mailbox(self, email):
        self.client.delete_mailbox(email)

    def drop_alias(self, address):
        self.client.delete_alias(address)

    def drop_domain(self, name):
        self.client.delete_domain(name)

    def _mailboxes(self):
        return {spec.email: spec for spec in self.client.mailboxes(self.name)}

    def _aliases(self):
        return {spec.address: spec for spec in self.client.aliases(self.name)}

    def test_contract_check_says_what_was_found(self):
        self.assertTrue(self.client.check().strip())

    def test_contract_domain_says_what_dns_needs(self):
        service = self.want_domain(DomainSpec(self.name))
        self.assertTrue(service.mx, "a domain has to know where its mail goes")
        self.assertTrue(service.spf)
        self.assertTrue(service.dkim and service.dkim[0].public_key)
        self.assertTrue(service.verification, "ownership has to be proven somehow")
        self.assertIn(self.name, [spec.name for spec in self.client.domains()])

    def test_contract_domain_repeated_is_the_same(self):
        first = self.want_domain(DomainSpec(self.name))
        again = self.client.ensure_domain(DomainSpec(self.name))
        self.assertEqual(first, again)
        self.assertEqual([s.name for s in self.client.domains()].count(self.name), 1)

    def test_contract_subdomain_needs_no_key_and_no_proof(self):
        with self.unless_refused("wildcard"):
            self.want_domain(DomainSpec(self.name, wildcard=True))
            service = self.want_domain(DomainSpec(f"sub.{self.name}", parent=self.name))
            self.assertFalse(service.verification)
            self.assertFalse(service.dkim)
            self.assertEqual(service.dkim_domain, self.name)

    def test_contract_mailbox_is_as_wished(self):
        self.want_domain(DomainSpec(self.name))
        wish = MailboxSpec(f"ann@{self.name}", quota=5 * 1024 * 1024)
        self.want_mailbox(wish)
        self.client.ensure_mailbox(wish)
        found = self._mailboxes()
        self.assertEqual(list(found), [wish.email])
        self.assertEqual(found[wish.email].quota, wish.quota)
        self.assertFalse(found[wish.email].send_as_domain)
        self.assertFalse(found[wish.email].suspended)
        self.assertIsNone(found[wish.email].password, "a password never comes back")

    def test_contract_mailbox_sends_for_its_domain(self):
        self.want_domain(DomainSpec(self.name))
        with self.unless_refused("send_as_domain"):
            self.want_mailbox(MailboxSpec(f"ann@{self.name}", send_as_domain=True))
            self.assertTrue(self._mailboxes()[f"ann@{self.name}"].send_as_domain)

    def test_contract_mailbox_changes(self):
        self.want_domain(DomainSpec(self.name))
        self.want_mailbox(MailboxSpec(f"ann@{self.name}", quota=1024 * 1024))
        self.want_mailbox(MailboxSpec(f"ann@{self.name}", quota=0))
        self.assertEqual(self._mailboxes()[f"ann@{self.name}"].quota, 0)
        with self.unless_refused("suspend"):
            self.want_mailbox(MailboxSpec(f"ann@{self.name}", suspended=True))
            self.assertTrue(self._mailboxes()[f"ann@{self.name}"].suspended)

    def test_contract_alias_and_catch_all(self):
        self.want_domain(DomainSpec(self.name))
        self.want_mailbox(MailboxSpec(f"ann@{self.name}"))
        for address in (f"sales@{self.name}", f"@{self.name}"):
            self.want_alias(AliasSpec(address, (f"ann@{self.name}",)))
        found = self._aliases()
        self.assertEqual(set(found), {f"sales@{self.name}", f"@{self.name}"})
        self.assertEqual(found[f"sales@{self.name}"].destinations, (f"ann@{self.name}",))

    def test_contract_alias_of_several(self):
        self.want_domain(DomainSpec(self.name))
        both = (f"ann@{self.name}", f"bob@{self.name}")
        for email in both:
            self.want_mailbox(MailboxSpec(email))
        with self.unless_refused("several"):
            for destinations in (both, both[1:]):
                self.want_alias(AliasSpec(f"sales@{self.name}", destinations))
                found = self._aliases()[f"sales@{self.name}"]
                self.assertEqual(set(found.destinations), set(destinations))

    def test_contract_alias_leads_to_somebody_outside(self):
        self.want_domain(DomainSpec(self.name))
        with self.unless_refused("outside"):
            self.want_alias(AliasSpec(f"sales@{self.name}", ("else@where.example.net",)))
            self.assertEqual(
                self._aliases()[f"sales@{self.name}"].destinations, ("else@where.example.net",)
            )

    def test_contract_deleting_twice_is_no_error(self):
        self.want_domain(DomainSpec(self.name))
        self.want_mailbox(MailboxSpec(f"ann@{self.name}"))
        self.want_alias(AliasSpec(f"sales@{self.name}", (f"ann@{self.name}",)))
        self.drop_alias(f"sales@{self.name}")
        self.drop_mailbox(f"ann@{self.name}")
        self.assertFalse(self._mailboxes())
        self.assertFalse(self._aliases())
        self.drop_domain(self.name)
        self.assertNotIn(self.name, [spec.name for spec in self.client.domains()])
        self.client.delete_alias(f"sales@{self.name}")
        self.client.delete_mailbox(f"ann@{self.name}")
        self.client.delete_domain(self.name)

    def test_contract_usage_has_a_cursor(self):
        page = self.client.usage()
        again = self.client.usage(page.cursor)
        self.assertTrue(again.cursor)
        self.assertLessEqual(len(again.rows), len(page.rows))
