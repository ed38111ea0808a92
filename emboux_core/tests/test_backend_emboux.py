# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How an ``EmbouxBackend`` makes domains, mailboxes and aliases be as they should."""

import uuid
from dataclasses import replace
from datetime import date

from odoo.addons.emboux_core.backends.base import (
    AliasSpec,
    DomainSpec,
    MailboxRules,
    MailboxSpec,
)
from odoo.addons.emboux_core.dns.expected import (
    DkimKey,
    ExpectedRecord,
    MailService,
    MxTarget,
)
from odoo.addons.emboux_core.net.errors import Refused, UnknownOutcome, Unreachable
from odoo.addons.emboux_core.tests.emboux_case import (
    KEY,
    NOT_FOUND,
    SERVICE,
    EmbouxCase,
    alias,
    domain,
    page,
    user,
)
from odoo.addons.emboux_core.tests.http_server import answer

A = DomainSpec("a.example")
ANN = MailboxSpec("ann@a.example")
MAIL_SERVICE = MailService(
    mx=(MxTarget(10, "mail.host.example"),),
    spf=("a:mail.host.example",),
    dkim=(DkimKey("s1", "rsa", "QUJD"),),
    verification="t0ken",
    imap_host="mail.host.example",
    smtp_host="mail.host.example",
)
CONFLICT = {"detail": "The domain a.example is here already."}
MASTER = {"detail": "Master token required"}


class TestDomains(EmbouxCase):
    def ensure(self, spec=A):
        return self.backend.ensure_domain(spec)

    def test_a_new_domain_is_posted(self):
        self.server.script(answer(201, domain()))
        self.assertEqual(self.ensure(), MAIL_SERVICE)
        self.assertEqual(self.requests(), ["POST /domains/"])
        [seen] = self.server.seen
        self.assertEqual(seen.json, {"name": "a.example"})
        self.assertEqual(seen.headers["Authorization"], f"Bearer {KEY}")
        self.assertEqual(seen.headers["Content-Type"], "application/json")
        self.assertEqual(seen.headers["Accept-Encoding"], "identity")
        self.assertEqual(str(uuid.UUID(seen.headers["Idempotency-Key"])),
                         seen.headers["Idempotency-Key"])

    def test_a_platform_that_knows_more(self):
        """``SERVICE`` is an older platform's, which does not know these fields."""
        record = {
            "key": "dkim:abc", "type": "CNAME", "name": "abc._domainkey.a.example",
            "value": "abc.dkim.example.", "level": "required", "purpose": "Why.", "later": 1,
        }  # fmt: skip
        newer = {
            "records": [record, record | {"key": "provider:x", "type": "SVCB"},
                        record | {"key": "provider:y", "level": "vital"}],
            "mta_sts_host": "web.host.example", "mta_sts_id": "a1",
            "tls_report": "tls@host.example", "autoconfig_host": "web.host.example",
            "invented": {"later": True},
        }  # fmt: skip
        self.server.script(answer(201, domain(service=SERVICE | newer)))
        made = ExpectedRecord("dkim:abc", "CNAME", "abc._domainkey.a.example",
                              "abc.dkim.example.", "required", "Why.")  # fmt: skip
        self.assertEqual(
            self.ensure(),
            replace(MAIL_SERVICE, records=(made,), mta_sts_host="web.host.example",
                    mta_sts_id="a1", tls_report="tls@host.example",
                    autoconfig_host="web.host.example"),
        )  # fmt: skip
        self.requests()

    def test_a_domain_that_is_there_is_read(self):
        self.server.script(answer(409, CONFLICT), answer(200, domain(state="verified")))
        self.assertEqual(self.ensure(), MAIL_SERVICE)
        self.assertEqual(self.requests(), ["POST /domains/", "GET /domains/a.example"])

    def test_somebody_elses_domain_is_refused_with_the_platforms_reason(self):
        self.server.script(answer(409, CONFLICT), answer(404, NOT_FOUND))
        said = self.failure(Refused, self.ensure)
        self.assertEqual(said, "The domain a.example is here already. It is not among the domains "
                               "that this key reaches.")

    def test_a_domain_is_suspended_and_activated_when_it_differs(self):
        for there, wish, verb in (("verified", True, "suspend"), ("suspended", False, "activate")):
            with self.subTest(verb):
                self.server.seen.clear()
                self.server.script(
                    answer(409, CONFLICT),
                    answer(200, domain(state=there)),
                    answer(200, domain(service=SERVICE | {"verification": "new"})),
                )
                service = self.ensure(DomainSpec("a.example", suspended=wish))
                self.assertEqual(service.verification, "new", "the last answer counts")
                self.assertEqual(self.requests()[2:], [f"PUT /domains/a.example/{verb}"])
                self.assertFalse(self.server.seen[2].body)

    def test_what_is_so_already_is_not_told(self):
        wish = DomainSpec("sub.a.example", suspended=True, parent="a.example", wildcard=True)
        there = domain("sub.a.example", state="suspended", parent="a.example", wildcard=True)
        self.server.script(answer(409, CONFLICT), answer(200, there))
        self.ensure(wish)
        self.assertEqual(len(self.requests()), 2)

    def test_a_parent_is_set_before_the_rest(self):
        there = domain("sub.a.example")
        self.server.script(answer(201, there), answer(200, there), answer(200, there))
        self.ensure(DomainSpec("sub.a.example", suspended=True, parent="a.example"))
        self.assertEqual(
            self.requests(),
            ["POST /domains/", "PUT /domains/sub.a.example/parent",
             "PUT /domains/sub.a.example/suspend"],
        )
        self.assertEqual(self.server.seen[1].json, {"parent": "a.example", "wildcard": False})

    def test_an_unrequested_parent_stays(self):
        there = domain("sub.a.example", parent="a.example")
        self.server.script(answer(201, there), answer(201, there), answer(200, there))
        self.ensure(DomainSpec("sub.a.example"))
        self.assertEqual(len(self.server.seen), 1)
        self.ensure(DomainSpec("sub.a.example", wildcard=True))
        self.assertEqual(self.server.seen[-1].json, {"parent": "a.example", "wildcard": True})

    def test_a_wildcard_that_the_operator_set_is_no_reason_to_refuse(self):
        self.server.script(
            answer(409, CONFLICT), answer(200, domain(wildcard=True)), answer(403, MASTER)
        )
        self.assertEqual(self.ensure(), MAIL_SERVICE)
        self.assertEqual(self.server.seen[2].json, {"parent": None, "wildcard": False})

    def test_a_missing_master_key_is_named(self):
        for wish, there, said in (
            (DomainSpec("a.example", suspended=True), domain(), "Suspending a.example"),
            (A, domain(state="suspended"), "Activating a.example"),
            (DomainSpec("a.example", wildcard=True), domain(),
             "Setting the parent or the wildcard mode of a.example"),
        ):
            with self.subTest(said):
                self.server.script(answer(409, CONFLICT), answer(200, there), answer(403, MASTER))
                self.assertEqual(self.failure(Refused, self.ensure, wish),
                                 f"{said} takes a master key. (Master token required)")
                self.requests()

    def test_nothing_is_left_of_a_new_domain_that_is_refused_in_part(self):
        wish = DomainSpec("a.example", wildcard=True)
        self.server.script(answer(201, domain()), answer(403, MASTER), answer(204))
        self.failure(Refused, self.ensure, wish)
        self.assertEqual(self.requests()[2:], ["DELETE /domains/a.example"])
        self.server.script(answer(201, domain()), answer(403, MASTER), answer(500))
        self.assertIn("was made nevertheless", self.failure(UnknownOutcome, self.ensure, wish))
        self.requests()

    def test_half_done_is_never_unreachable(self):
        wish = DomainSpec("a.example", suspended=True)
        self.server.script(answer(201, domain()), *[answer(503)] * 3)
        self.failure(UnknownOutcome, self.ensure, wish)
        self.server.script(answer(409, CONFLICT), answer(200, domain()), *[answer(503)] * 3)
        self.failure(Unreachable, self.ensure, wish)
        wish = DomainSpec("a.example", suspended=True, wildcard=True)
        self.server.script(answer(409, CONFLICT), answer(200, domain()), answer(200, domain()),
                           *[answer(503)] * 3)
        self.failure(UnknownOutcome, self.ensure, wish)
        self.requests()

    def test_an_answer_about_another_domain_is_no_success(self):
        self.server.script(answer(201, domain("b.example")))
        self.assertIn("something else", self.failure(UnknownOutcome, self.ensure))

    def test_deleting(self):
        self.server.script(answer(204), answer(404, NOT_FOUND),
                           answer(409, {"detail": "There are 3 mailboxes."}))
        self.backend.delete_domain("a.example")
        self.backend.delete_domain("a.example")
        self.assertEqual(self.failure(Refused, self.backend.delete_domain, "a.example"),
                         "There are 3 mailboxes.")
        self.assertEqual(self.requests(), ["DELETE /domains/a.example"] * 3)

    def test_a_page_of_something_else_is_no_proof_of_deletion(self):
        self.server.script(answer(404, b"<h1>404</h1>"), answer(200, b"<h1>Welcome</h1>"))
        self.assertIn("not as an Emboux platform does",
                      self.failure(Unreachable, self.backend.delete_domain, "a.example"))
        self.failure(UnknownOutcome, self.backend.delete_domain, "a.example")

    def test_listing(self):
        self.server.script(
            answer(200, page(domain("a.example", wildcard=True), next="c+1")),
            answer(200, page(domain("b.a.example", state="suspended", parent="a.example"))),
        )
        self.assertEqual(
            list(self.backend.domains()),
            [DomainSpec("a.example", wildcard=True),
             DomainSpec("b.a.example", suspended=True, parent="a.example")],
        )
        self.assertEqual(
            self.requests(),
            ["GET /domains/?limit=200", "GET /domains/?limit=200&cursor=c%2B1"],
        )


class TestMailboxes(EmbouxCase):
    def ensure(self, spec=ANN):
        return self.backend.ensure_mailbox(spec)

    def test_a_mailbox_that_is_there_takes_one_call(self):
        self.server.script(answer(200, user(quota=5, suspended=True, send_as_domain=True)))
        self.ensure(MailboxSpec("ann@a.example", 5, True, True, "Ann"))
        self.assertEqual(self.requests(), ["PUT /users/ann%40a.example"])
        self.assertEqual(
            self.server.seen[0].json,
            {"display_name": "Ann", "quota": 5, "suspended": True, "send_as_domain": True,
             "push_url": ""},
        )
        self.assertNotIn("Idempotency-Key", self.server.seen[0].headers)

    def test_rules_are_sent_where_there_are_any(self):
        rules = MailboxRules(("joe@b.example",), False, True, "Away", "Until Monday",
                             None, date(2026, 3, 9), 3)
        self.server.script(answer(200, user()))
        self.ensure(MailboxSpec("ann@a.example", rules=rules))
        self.assertLessEqual(
            {"forward_to": ["joe@b.example"], "forward_keep": False, "vacation_on": True,
             "vacation_subject": "Away", "vacation_text": "Until Monday", "vacation_from": None,
             "vacation_until": "2026-03-09", "vacation_days": 3}.items(),
            self.server.seen[0].json.items())

    def test_another_address(self):
        self.server.script(answer(200, user("ann.smith@a.example")))
        self.backend.rename_mailbox("ann@a.example", "ann.smith@a.example", keep=False)
        self.assertEqual(self.requests(), ["PUT /users/ann%40a.example/address"])
        self.assertEqual(self.server.seen[0].json, {"email": "ann.smith@a.example", "keep": False})

    def test_another_address_that_it_has_already(self):
        self.server.script(answer(404, NOT_FOUND), answer(200, user("ann.smith@a.example")))
        self.backend.rename_mailbox("ann@a.example", "ann.smith@a.example", keep=True)
        self.assertEqual(self.requests()[1:], ["GET /users/ann.smith%40a.example"])
        self.server.script(answer(404, NOT_FOUND), answer(404, NOT_FOUND))
        self.failure(Refused, self.backend.rename_mailbox, "ann@a.example", "b@a.example", True)
        self.requests()

    def test_a_new_mailbox_is_posted_after_that(self):
        self.server.script(answer(404, NOT_FOUND), answer(201, user()))
        self.ensure(MailboxSpec("ann@a.example", password="a secret password"))
        self.assertEqual(self.requests(), ["PUT /users/ann%40a.example", "POST /users/"])
        self.assertEqual(
            self.server.seen[1].json,
            {"email": "ann@a.example", "display_name": "", "quota": 0, "suspended": False,
             "send_as_domain": False, "password": "a secret password"},
        )

    def test_the_hash_goes_before_the_password(self):
        self.server.script(answer(200, user()))
        self.ensure(MailboxSpec("ann@a.example", password="a secret password",
                                password_hash="$argon2id$hash"))
        sent = self.server.seen[0].json
        self.assertEqual(sent["password_hash"], "$argon2id$hash")
        self.assertNotIn("password", sent)

    def test_a_mailbox_that_came_meanwhile_is_changed(self):
        taken = {"detail": "The address is taken."}
        self.server.script(answer(404, NOT_FOUND), answer(409, taken), answer(200, user()))
        self.ensure()
        self.assertEqual(self.requests()[2:], ["PUT /users/ann%40a.example"])
        self.server.script(answer(404, NOT_FOUND), answer(409, taken), answer(404, NOT_FOUND))
        self.assertEqual(self.failure(Refused, self.ensure), "The address is taken.")
        self.requests()

    def test_without_its_domain_it_is_refused(self):
        self.server.script(answer(404, NOT_FOUND), answer(404, NOT_FOUND))
        self.assertEqual(self.failure(Refused, self.ensure),
                         "The domain a.example is not among those that this key reaches.")

    def test_special_characters_stay_in_one_part_of_the_path(self):
        self.server.script(answer(204))
        self.backend.delete_mailbox("a/b?c#d%e+f@a.example")
        self.assertEqual(self.requests(), ["DELETE /users/a%2Fb%3Fc%23d%25e%2Bf%40a.example"])

    def test_deleting_twice(self):
        self.server.script(answer(204), answer(404, NOT_FOUND))
        self.backend.delete_mailbox("ann@a.example")
        self.backend.delete_mailbox("ann@a.example")
        self.requests()

    def test_listing(self):
        self.server.script(answer(200, page(
            user(quota=5, suspended=True, send_as_domain=True, display_name="A\tB"),
            user("bob@a.example"),
        )))
        self.assertEqual(
            list(self.backend.mailboxes("a.example")),
            [MailboxSpec("ann@a.example", 5, True, True, "A B"), MailboxSpec("bob@a.example")],
        )
        self.assertEqual(self.requests(), ["GET /users/?limit=200&domain=a.example"])

    def test_rows_of_another_domain_are_not_believed(self):
        self.server.script(answer(200, page(user("ann@b.example"))))
        self.failure(Unreachable, self.backend.mailboxes, "a.example")

    def test_an_answer_about_something_else_is_no_success(self):
        for other in (user("bob@a.example"), user(suspended=True), user(send_as_domain=True)):
            with self.subTest(other):
                self.server.script(answer(200, other))
                self.assertIn("something else", self.failure(UnknownOutcome, self.ensure))


class TestAliases(EmbouxCase):
    def test_an_alias_is_one_call_new_or_not(self):
        wish = AliasSpec("sales@a.example", ("ann@a.example", "b+c@else.example"))
        for status in (201, 200):
            self.server.script(answer(status, alias()))
            self.backend.ensure_alias(wish)
        self.assertEqual(self.requests(), ["POST /aliases/"] * 2)
        self.assertEqual(
            self.server.seen[0].json,
            {"address": "sales@a.example", "destinations": ["ann@a.example", "b+c@else.example"]},
        )
        keys = {seen.headers["Idempotency-Key"] for seen in self.server.seen}
        self.assertEqual(len(keys), 2, "two calls are two pieces of work")

    def test_without_its_domain_it_is_refused(self):
        self.server.script(answer(404, NOT_FOUND))
        said = self.failure(Refused, self.backend.ensure_alias, AliasSpec("@a.example", ()))
        self.assertIn("domain a.example is not among those", said)

    def test_a_catch_all_is_deleted_by_its_address(self):
        self.server.script(answer(204), answer(404, NOT_FOUND))
        self.backend.delete_alias("@a.example")
        self.backend.delete_alias("@a.example")
        self.assertEqual(self.requests(), ["DELETE /aliases/%40a.example"] * 2)

    def test_listing(self):
        self.server.script(answer(200, page(
            alias(destinations=["ann@a.example", "b@else.example"]), alias("@a.example"),
        )))
        self.assertEqual(
            list(self.backend.aliases("a.example")),
            [AliasSpec("sales@a.example", ("ann@a.example", "b@else.example")),
             AliasSpec("@a.example", ("ann@a.example",))],
        )
        self.assertEqual(self.requests(), ["GET /aliases/?limit=200&domain=a.example"])
