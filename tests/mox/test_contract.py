"""The contract of backends, kept by that for mox: against the stand-in of both generations, and a
real mox."""

import re
import time
import unittest
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from asking import Asking, send
from real import KINDS
from support.plain_core.backends.base import AliasSpec, DomainSpec, ListRules, MailboxSpec
from support.plain_core.backends.mox import MoxBackend
from support.plain_core.backends.mox_api import MoxNo
from support.plain_core.backends.mox_directory import ACCOUNT_NAME, account_name
from support.plain_core.net.errors import NotAuthorised, Refused
from support.plain_core.tests.contract import BackendContract

CANNOT = {
    "wildcard": "key of its own", "send_as_domain": "own addresses alone",
    "outside": "own mailboxes alone",
}
OLD = {"several": "too old", "suspend": "too old"}


class _Contract(BackendContract):
    kind = None

    @pytest.fixture(autouse=True)
    def _mox(self, servers):
        self.servers, self.server = servers, (server := servers(self.kind))
        self.old = server.generation == "old"
        self.name = f"contract{time.time_ns()}.example"
        self.client = MoxBackend(server.url, server.password, allow_private=True)
        self.cannot = CANNOT | (OLD if self.old else {})

    def ask(self, function, *params):
        """As somebody else would; anew each time, because an old mox forgets any session."""
        return Asking(self.server.url).log_in(self.server.password)(function, *params)

    def domain(self, *local_parts):
        self.client.ensure_domain(DomainSpec(self.name))
        for local_part in local_parts:
            self.client.ensure_mailbox(MailboxSpec(f"{local_part}@{self.name}"))

    def test_what_is_found_names_the_account_that_gets_reports(self):
        self.assertRegex(self.client.check(), r"answers.*reports on domains go to mox\.")
        other = MoxBackend(self.server.url, self.server.password, "nobody", allow_private=True)
        with self.assertRaisesRegex(Refused, "no account nobody"):
            other.check()

    def test_a_wrong_password_is_said_and_never_repeated(self):
        wrong = MoxBackend(self.server.url, "not the password", allow_private=True)
        with self.assertRaisesRegex(NotAuthorised, "does not accept the password") as caught:
            wrong.check()
        self.assertNotIn("not the password", str(caught.exception))

    def test_the_records_are_those_of_mox(self):
        self.domain()
        service = self.client.ensure_domain(DomainSpec(self.name))
        self.assertRegex(service.tls_report, f"tls-?reports@{self.name}")
        self.assertRegex(service.dmarc_report, f"dmarc-?reports@{self.name}")
        kinds = {"rsa", "ed25519"} if self.old else {"rsa"}
        self.assertEqual({key.key_type for key in service.dkim}, kinds)
        self.assertEqual(service.smtp_host, service.mx[0].host)
        self.assertTrue(service.autoconfig_host)

    def test_a_domain_whose_dns_does_not_answer_has_its_keys_all_the_same(self):
        self.domain()
        usual = self.client.ensure_domain(DomainSpec(self.name))
        real = self.client.api.ask

        def read(function, *params):
            if function == "DomainRecords":
                raise MoxNo("DomainRecords", "server:error", "looking up record: no answer")
            return real(function, *params)

        self.client.api.ask = read
        found = self.client.ensure_domain(DomainSpec(self.name))
        self.assertEqual(found.dkim, usual.dkim)
        self.assertEqual((found.mx, found.verification), (usual.mx, usual.verification))

    def test_a_suspended_domain(self):
        self.domain()
        for suspended in (True, True, False):
            if self.old and suspended:
                with self.assertRaisesRegex(Refused, "too old"):
                    self.client.ensure_domain(DomainSpec(self.name, suspended=True))
                continue
            self.client.ensure_domain(DomainSpec(self.name, suspended=suspended))
            found = {spec.name: spec for spec in self.client.domains()}
            self.assertEqual(found[self.name].suspended, suspended)

    def test_a_password_opens_the_account_and_a_hash_does_not_get_there(self):
        self.domain()
        email = f"ann@{self.name}"
        self.client.ensure_mailbox(MailboxSpec(email, password="a long password"))
        with self.assertRaisesRegex(Refused, "Set the password again"):
            self.client.ensure_mailbox(MailboxSpec(email, password_hash="$argon2id$"))
        self.assertEqual(list(self._mailboxes()), [email])

    def test_settings_that_nobody_asked_for_stay(self):
        self.domain("ann")
        account = account_name(f"ann@{self.name}")
        more = [] if self.old else [False]
        self.ask("AccountSettingsSave", account, 7, 3, 0, False, *more)
        self.client.ensure_mailbox(MailboxSpec(f"ann@{self.name}", quota=5_000_000))
        config = self.ask("Account", account)[0]
        self.assertEqual(
            (config["MaxOutgoingMessagesPerDay"], config["MaxFirstTimeRecipientsPerDay"],
             config["QuotaMessageSize"], config["NoFirstTimeSenderDelay"]),
            (7, 3, 5_000_000, True))
        self.assertEqual(config.get("NoCustomPassword", False), False)

    def test_no_limit_is_none_on_a_server_with_a_default_too(self):
        """0 is mox's default, and a negative number its "no limit"."""
        default, more = 900_000_000, [] if self.old else [True]
        self.server = server = self.servers(self.kind, quota=default)
        self.client = MoxBackend(server.url, server.password, allow_private=True)
        self.domain()
        ann, bob = f"ann@{self.name}", f"bob@{self.name}"
        for email in (ann, bob):
            self.ask("AccountAdd", account_name(email), email)
        self.assertEqual(self._mailboxes()[ann].quota, default)
        self.assertIn("without a quota of its own holds 858 MB", self.client.check())
        for wish, stored in ((0, -1), (5_000_000, 5_000_000), (0, -1), (default, default)):
            for email in (ann, f"cid{wish}@{self.name}"):
                self.client.ensure_mailbox(MailboxSpec(email, quota=wish))
                self.assertEqual(self._mailboxes()[email].quota, wish)
            self.assertEqual(self.ask("Account", account_name(ann))[0]["QuotaMessageSize"], stored)
        self.ask("AccountSettingsSave", account_name(bob), 0, 0, -5, True, *more)
        # what somebody else changes is seen some seconds later
        self.client = MoxBackend(server.url, server.password, allow_private=True)
        self.assertEqual(self._mailboxes()[bob].quota, 0)

    def test_an_account_of_somebody_elses_is_found_by_its_address(self):
        self.domain()
        account = f"older{time.time_ns()}"
        self.ask("AccountAdd", account, f"zoe@{self.name}")
        self.ask("AddressAdd", f"zoe.lee@{self.name}", account)
        self.client.ensure_mailbox(MailboxSpec(f"zoe@{self.name}", quota=1_000_000))
        self.assertEqual(self.ask("Account", account)[0]["QuotaMessageSize"], 1_000_000)
        self.assertEqual(list(self._mailboxes()), [f"zoe@{self.name}"])
        self.assertEqual(self._aliases()[f"zoe.lee@{self.name}"].destinations,
                         (f"zoe@{self.name}",))
        # a further address is an alias that may go, and comes back as one
        self.client.ensure_alias(AliasSpec(f"zoe.lee@{self.name}", (f"zoe@{self.name}",)))
        self.client.delete_alias(f"zoe.lee@{self.name}")
        self.assertFalse(self._aliases())
        self.client.delete_alias(f"zoe@{self.name}")
        self.assertEqual(list(self._mailboxes()), [f"zoe@{self.name}"], "it is no alias")

    def test_an_account_with_addresses_elsewhere_loses_this_one_alone(self):
        self.domain()
        other = f"other{self.name}"
        self.client.ensure_domain(DomainSpec(other))
        account = f"both{time.time_ns()}"
        self.ask("AccountAdd", account, f"zoe@{other}")
        self.ask("AddressAdd", f"zoe@{self.name}", account)
        self.client.delete_mailbox(f"zoe@{self.name}")
        self.assertEqual(list(self.ask("Account", account)[0]["Destinations"]), [f"zoe@{other}"])

    def test_reports_take_nobodys_address(self):
        """mox would give them all mail for it, without a word."""
        self.domain("ann")
        server, home = self.client.server, self.client._home()
        server.send_reports_to(self.name, "dmarc", "reports", home, "DMARC")
        server.send_reports_to(self.name, "tls", "reports", home, "TLSRPT")
        taken = {"ann": f"the mailbox ann@{self.name}"}
        if not self.old:
            self.client.ensure_alias(AliasSpec(f"team@{self.name}", (f"ann@{self.name}",)))
            taken["team"] = f"the alias team@{self.name}"
        for kind in ("dmarc", "tls"):
            for local_part, holder in taken.items():
                with self.assertRaisesRegex(Refused, f"^{local_part}@{self.name} .* {holder}"):
                    server.send_reports_to(self.name, kind, local_part, home, "R")
        # and nobody takes theirs, or mox's own: it would be the mailbox of another account
        self.ask("AddressAdd", f"postmaster@{self.name}", home)
        for local_part in ("reports", "postmaster"):
            with self.assertRaisesRegex(Refused, f"^{local_part}@{self.name} .* reports"):
                self.client.ensure_mailbox(
                    MailboxSpec(f"{local_part}@{self.name}", password="a long password"))
        config = self.ask("DomainConfig", self.name)
        self.assertEqual([config[kind]["Localpart"] for kind in ("DMARC", "TLSRPT")],
                         ["reports"] * 2)

    def test_the_account_of_a_catch_all_goes_with_its_mailbox(self):
        self.domain("ann")
        ann = f"ann@{self.name}"
        self.client.ensure_alias(AliasSpec(f"@{self.name}", (ann,)))
        self.client.delete_mailbox(ann)
        self.assertNotIn(account_name(ann), str(self.ask("Accounts")))
        self.client.ensure_mailbox(MailboxSpec(ann))

    def test_who_goes_leaves_the_reports_of_others_as_they_were(self):
        other = f"other{self.name}"
        self.domain("ann")
        self.client.ensure_domain(DomainSpec(other))
        account = account_name(f"ann@{self.name}")
        for name in (self.name, other):
            self.client.server.send_reports_to(name, "dmarc", "dmarc", account, "D")
            self.client.server.send_reports_to(name, "tls", "tls", account, "T")
        self.client.delete_mailbox(f"ann@{self.name}")
        self.assertNotIn(account, str(self.ask("Accounts")))
        for name in (self.name, other):
            config = self.ask("DomainConfig", name)
            self.assertEqual(
                [(config[kind]["Localpart"], config[kind]["Account"], config[kind]["Mailbox"])
                 for kind in ("DMARC", "TLSRPT")],
                [("dmarc", "mox", "D"), ("tls", "mox", "T")])

    def test_a_list_has_rules(self):
        if self.old:
            return
        self.domain("ann", "bob")
        both = (f"ann@{self.name}", f"bob@{self.name}")
        wish = AliasSpec(f"team@{self.name}", both, ListRules(open=False, shows_members=True))
        self.client.ensure_alias(wish)
        self.assertEqual(self._aliases()[wish.address].rules, wish.rules)
        wish = replace(wish, rules=ListRules(open=True, send_as=False))
        self.client.ensure_alias(wish)
        self.assertEqual(self._aliases()[wish.address].rules, wish.rules)
        self.client.ensure_alias(replace(wish, rules=None))
        self.assertEqual(self._aliases()[wish.address].rules, wish.rules, "as they were")

    def test_a_further_address_may_lead_elsewhere(self):
        self.domain("ann", "bob")
        ann, bob, more = (f"{who}@{self.name}" for who in ("ann", "bob", "more"))
        self.ask("AddressAdd", more, account_name(ann))
        self.client.ensure_alias(AliasSpec(more, (bob,)))
        self.assertEqual(self._aliases()[more].destinations, (bob,))
        if self.old:
            return
        self.client.ensure_alias(AliasSpec(more, (ann, bob)))
        self.assertEqual(set(self._aliases()[more].destinations), {ann, bob})

    def test_a_further_address_is_open_to_all_and_its_mailbox_sends_as_it(self):
        if self.old:
            return
        self.domain("ann", "bob")
        ann, bob, more = (f"{who}@{self.name}" for who in ("ann", "bob", "more"))
        self.ask("AddressAdd", more, account_name(ann))
        self.client.ensure_alias(AliasSpec(more, (ann,), ListRules(shows_members=True)))
        self.assertIn(more, self.ask("Account", account_name(ann))[0]["Destinations"])
        self.client.ensure_alias(AliasSpec(f"team@{self.name}", (more, bob)))
        wish = AliasSpec(more, (ann,), ListRules(open=False))
        with self.assertRaisesRegex(Refused, f"{more} is a member of team@{self.name}"):
            self.client.ensure_alias(wish)
        self.client.ensure_alias(AliasSpec(f"team@{self.name}", (bob,)))
        # what cannot be is said before the address is given up
        with self.assertRaisesRegex(Refused, "nobody@.* is none of them"):
            self.client.ensure_alias(replace(wish, destinations=(f"nobody@{self.name}",)))
        self.assertEqual(self._aliases()[more].destinations, (ann,))
        self.client.ensure_alias(wish)
        self.assertEqual(self._aliases()[more], wish)

    def test_a_mailbox_with_two_addresses_is_in_a_list_once(self):
        self.domain("ann", "bob")
        ann, more, bob = (f"{who}@{self.name}" for who in ("ann", "ann.lee", "bob"))
        self.ask("AddressAdd", more, account_name(ann))
        team = f"team@{self.name}"
        if self.old:
            self.assertEqual(self.client.ensure_alias(AliasSpec(team, (ann, more))), (more,))
            self.assertEqual(self._aliases()[team].destinations, (ann,))
            return
        self.assertEqual(self.client.ensure_alias(AliasSpec(team, (ann, bob, more))), (more,))
        self.assertEqual(self._aliases()[team].destinations, (ann, bob))
        # one that somebody else has put in goes too
        self.ask("AliasAddressesAdd", "team", self.name, [more])
        self.assertEqual(self.client.ensure_alias(AliasSpec(team, (ann, more, bob))), (more,))
        self.assertEqual(self._aliases()[team].destinations, (ann, bob))
        self.assertEqual(self.client.ensure_alias(AliasSpec(team, (ann, bob))), ())

    def test_the_last_member_of_a_list_stays(self):
        if self.old:
            return
        self.domain("ann", "bob")
        team = f"team@{self.name}"
        self.client.ensure_alias(AliasSpec(team, (f"ann@{self.name}", f"bob@{self.name}")))
        self.client.delete_mailbox(f"bob@{self.name}")
        self.assertEqual(self._aliases()[team].destinations, (f"ann@{self.name}",))
        with self.assertRaisesRegex(Refused, f"only member of {team}"):
            self.client.delete_mailbox(f"ann@{self.name}")
        self.assertEqual(list(self._mailboxes()), [f"ann@{self.name}"])

    def test_one_name_is_one_thing(self):
        self.domain("ann", "bob")
        ann, bob = f"ann@{self.name}", f"bob@{self.name}"
        with self.assertRaisesRegex(Refused, "is the address of a mailbox"):
            self.client.ensure_alias(AliasSpec(ann, (bob,)))
        self.client.ensure_alias(AliasSpec(f"team@{self.name}", (bob,)))
        if not self.old:
            with self.assertRaisesRegex(Refused, "is an alias on this mox"):
                self.client.ensure_mailbox(MailboxSpec(f"team@{self.name}"))

    def test_the_catch_all_moves(self):
        self.domain("ann", "bob")
        for who in ("ann", "bob", "bob"):
            self.client.ensure_alias(AliasSpec(f"@{self.name}", (f"{who}@{self.name}",)))
            self.assertEqual(self._aliases()[f"@{self.name}"].destinations,
                             (f"{who}@{self.name}",))
        with self.assertRaisesRegex(Refused, "one mailbox"):
            self.client.ensure_alias(AliasSpec(f"@{self.name}", ("a@x.example", "b@x.example")))

    def test_a_domain_with_people_in_it_stays(self):
        self.domain("ann")
        with self.assertRaisesRegex(Refused, f"still has mailboxes: ann@{self.name}"):
            self.client.delete_domain(self.name)
        self.assertIn(self.name, [spec.name for spec in self.client.domains()])

    def test_a_name_in_use_is_refused_in_words(self):
        self.domain()
        self.ask("AccountAdd", account_name(f"ann@{self.name}"), f"somebody@{self.name}")
        with self.assertRaisesRegex(Refused, "without the address ann@"):
            self.client.ensure_mailbox(MailboxSpec(f"ann@{self.name}"))

    def test_what_a_mailbox_holds_is_asked_in_turns(self):
        self.domain("ann", "bob")
        page = self.client.usage()
        self.assertTrue({f"ann@{self.name}", f"bob@{self.name}"} <= {r.email for r in page.rows})
        self.assertIsNone(page.rows[0].messages, "mox does not count them")

    def test_what_may_still_be_sent_is_the_days_limit_without_what_was(self):
        self.domain("ann")
        room = self.client.room_to_send(self.name, f"ann@{self.name}")
        self.assertEqual((room.left, room.again, room.per_day), (1000, None, 1000))
        self.assertIsNone(self.client.room_to_send(self.name, f"nobody@{self.name}"))
        mox, more = Asking(self.server.url).log_in(self.server.password), [] if self.old else [True]
        before = 1000 - self.client.room_to_send("localhost", "mox@localhost").left
        rule = mox("QueueHoldRuleAdd", {})
        try:
            send(mox, ["joe@far.example", "zoe@far.example"])
            [dropped] = send(mox, ["bob@far.example"])
            mox("QueueDrop", {"IDs": [dropped]})  # its account keeps those that are gone
            for limit, left in ((before + 5, 2), (before + 3, 0), (before + 2, 0)):
                mox("AccountSettingsSave", "mox", limit, 0, 0, True, *more)
                room = self.client.room_to_send("localhost", "mox@localhost")
                self.assertEqual((room.left, room.per_day), (left, limit))
            wait = room.again - datetime.now(UTC)
            self.assertTrue(timedelta(hours=23) < wait <= timedelta(hours=24), wait)
        finally:
            mox("QueueHoldRuleRemove", rule["ID"])
            mox("QueueDrop", {})
            mox("AccountSettingsSave", "mox", 0, 0, 0, True, *more)

    def test_moxs_own_check_has_all_its_sections(self):
        self.domain()
        sections = self.client.checked(self.name)
        self.assertEqual(len(sections), 14)
        self.assertTrue(any(section.errors for section in sections))


# a TestCase takes no parameters
for _kind in KINDS:
    _name = f"Test_{re.sub('[^a-z0-9]', '_', _kind.rpartition('/')[2])}"
    globals()[_name] = type(_name, (_Contract, unittest.TestCase), {"kind": _kind})


@pytest.mark.parametrize("email", [
    "ann@acme.example", "../escape@acme.example", "a/b@acme.example", "o'brien@acme.example",
    ".@acme.example", "a_b@acme.example", "x" * 64 + "@acme.example",
])
def test_the_name_of_an_account_is_safe(email):
    """mox takes any, and makes a folder of that name."""
    assert ACCOUNT_NAME.fullmatch(account_name(email))


def test_two_addresses_have_two_names():
    names = [account_name(email) for email in (
        "a@b.c.example", "a.b@c.example", "a_b@c.example", "a-b@c.example", "a/b@c.example",
        "a'b@c.example")]
    assert len(set(names)) == len(names)
