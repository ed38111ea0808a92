"""The contract of backends, kept by the client of the REST API and a platform that runs."""

import time
import unittest
from datetime import date

import pytest
from support.api_client import done, pages
from support.plain_core import passwords
from support.plain_core.backends.base import (
    AliasSpec,
    DomainSpec,
    MailboxRules,
    MailboxSpec,
    Usage,
)
from support.plain_core.backends.emboux import EmbouxBackend
from support.plain_core.net.errors import NotAuthorised, Refused
from support.plain_core.tests.contract import BackendContract

PASSWORD = "a password for tests"


def client(api):
    """The backend that an Odoo with this API's key would use."""
    return EmbouxBackend(api.url, api.key, allow_private=True)


def free_name():
    return f"contract{time.time_ns()}.example"


class _Contract(BackendContract):
    @pytest.fixture(autouse=True)
    def _world(self, master, odoo, hosting):
        self.master, self.odoo, self.hosting = master, odoo, hosting
        self.name = free_name()

    def want_domain(self, spec):
        """The operator makes wildcard parents, and subdomains may lean on verified ones alone."""
        if not spec.wildcard:
            return self.client.ensure_domain(spec)
        self.client.ensure_domain(DomainSpec(spec.name))
        [domain] = self.odoo("emboux.domain").search([("name", "=", spec.name)])
        self.hosting.publish(domain)
        self.odoo("emboux.domain").action_check_now([domain])
        return client(self.master).ensure_domain(spec)

    def test_rules_stay_until_others_are_set(self):
        away = MailboxRules(
            ("friend@outside.tests.example",), False, True, "Away", "Until Monday.\nAnn",
            date(2026, 3, 1), date(2026, 3, 9), 3)
        email = f"ann@{self.name}"
        self.want_domain(DomainSpec(self.name))
        for given, expected in (
            (None, MailboxRules()), (away, away), (None, away), (MailboxRules(), MailboxRules()),
        ):
            self.want_mailbox(MailboxSpec(email, rules=given))
            self.assertEqual(self._mailboxes()[email].rules, expected)


class TestWithMasterKey(_Contract, unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _client(self, master):
        self.client = client(master)

    def test_suspending_and_activating(self):
        for suspended in (True, True, False):
            self.client.ensure_domain(DomainSpec(self.name, suspended=suspended))
            found = {spec.name: spec for spec in self.client.domains()}
            self.assertEqual(found[self.name].suspended, suspended)

    def test_a_wildcard_parent_comes_and_goes(self):
        for wildcard in (True, True, False):
            self.want_domain(DomainSpec(self.name, wildcard=wildcard))
            found = {spec.name: spec for spec in self.client.domains()}
            self.assertEqual(found[self.name].wildcard, wildcard)


class TestWithCustomerKey(_Contract, unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _client(self, customers):
        self.customers = customers
        self.api = customers(domain_limit=3)
        self.client = client(self.api)

    def test_what_takes_a_master_key_is_refused_and_leaves_nothing(self):
        for wish in (DomainSpec(self.name, suspended=True), DomainSpec(self.name, wildcard=True)):
            with self.assertRaisesRegex(Refused, "takes a master key"):
                self.client.ensure_domain(wish)
            self.assertFalse(list(self.client.domains()))

    def test_what_the_operator_decided_stands(self):
        self.client.ensure_domain(DomainSpec(self.name))
        client(self.master).ensure_domain(DomainSpec(self.name, suspended=True))
        with self.assertRaisesRegex(Refused, f"Activating {self.name} takes a master key"):
            self.client.ensure_domain(DomainSpec(self.name))

    def test_somebody_elses_things_are_refused(self):
        stranger = client(self.customers())
        stranger.ensure_domain(DomainSpec(self.name))
        stranger.ensure_mailbox(MailboxSpec(f"ann@{self.name}"))
        for wish in (MailboxSpec(f"ann@{self.name}"), MailboxSpec(f"bob@{self.name}")):
            with self.assertRaisesRegex(Refused, f"{self.name} is not among those"):
                self.client.ensure_mailbox(wish)
        with self.assertRaisesRegex(Refused, f"{self.name} is not among those"):
            self.client.ensure_alias(AliasSpec(f"@{self.name}", ("ann@else.example",)))
        self.client.delete_mailbox(f"ann@{self.name}")
        self.client.delete_domain(self.name)
        self.assertEqual([spec.email for spec in stranger.mailboxes(self.name)],
                         [f"ann@{self.name}"])

    def test_a_limit_is_named_and_does_not_stop_what_is_there(self):
        names = [f"{label}.{self.name}" for label in "abc"]
        for name in names:
            self.client.ensure_domain(DomainSpec(name))
        with self.assertRaisesRegex(Refused, "limit of 3 domains"):
            self.client.ensure_domain(DomainSpec(self.name))
        self.client.ensure_domain(DomainSpec(names[0]))

    def test_a_domain_with_mailboxes_stays(self):
        self.client.ensure_domain(DomainSpec(self.name))
        self.client.ensure_mailbox(MailboxSpec(f"ann@{self.name}"))
        with self.assertRaises(Refused):
            self.client.delete_domain(self.name)
        self.assertEqual([spec.name for spec in self.client.domains()], [self.name])

    def test_usage_tells_of_a_new_mailbox_once(self):
        before = self.client.usage()
        self.client.ensure_domain(DomainSpec(self.name))
        self.client.ensure_mailbox(MailboxSpec(f"ann@{self.name}"))
        page = self.client.usage(before.cursor)
        self.assertEqual(page.rows, (Usage(f"ann@{self.name}", 0, 0),))
        self.assertFalse(self.client.usage(page.cursor).rows)
        self.assertEqual(self.client.usage("of another platform").rows, page.rows)

    def test_more_mailboxes_than_a_page_holds(self):
        self.client.ensure_domain(DomainSpec(self.name))
        emails = [f"box{number:03}@{self.name}" for number in range(203)]
        done(self.api.post("/users/bulk", {"users": [{"email": email} for email in emails]}))
        self.assertEqual([spec.email for spec in self.client.mailboxes(self.name)], emails)

    def test_a_revoked_key(self):
        self.client.ensure_domain(DomainSpec(self.name))
        [mine] = [key for key in pages(self.master, "/api-keys/", limit=200)
                  if self.api.key.endswith(key["hint"])]
        done(self.master.delete(f"/api-keys/{mine['id']}"))
        with self.assertRaises(NotAuthorised) as caught:
            self.client.check()
        self.assertNotIn(self.api.key, str(caught.exception))


def test_a_password_hash_opens_the_mailbox(customers, mail, hosting, odoo):
    backend, name = client(customers()), free_name()
    email = f"ann@{name}"
    backend.ensure_domain(DomainSpec(name))
    backend.ensure_mailbox(MailboxSpec(email, password_hash=passwords.HASHER.hash(PASSWORD)))
    assert not mail.can_login(email, PASSWORD), "nobody has proven the domain yet"
    domain = odoo("emboux.domain").search([("name", "=", name)])
    hosting.publish(domain[0])
    odoo("emboux.domain").action_check_now(domain)
    assert mail.can_login(email, PASSWORD)
    backend.ensure_mailbox(MailboxSpec(email, password="another password"))
    assert mail.can_login(email, "another password")
    assert not mail.can_login(email, PASSWORD)
    backend.ensure_mailbox(MailboxSpec(email, suspended=True))
    assert not mail.can_login(email, "another password")
