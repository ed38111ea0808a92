# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The list of recipients that get no mail: whose it is, how it is found, filled and emptied."""

import hashlib
from datetime import timedelta

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, tagged

from ..models.suppression import hash_of, looked_up
from .reputation_case import ReputationCase

ROWS = 5000


@tagged("post_install", "-at_install")
class TestEntries(ReputationCase):
    def suppress(self, email="ann@far.example", **values):
        return self.list.create({"email": email, **values})

    def found(self, email, partner=None):
        return self.list._find(email, partner)

    def test_an_address_is_normalised_and_hashed(self):
        entry = self.suppress(" Ann+News@Bücher.example ")
        self.assertEqual(entry.email, "ann+news@xn--bcher-kva.example")
        digest = hashlib.sha256(b"ann+news@xn--bcher-kva.example").digest()[:8]
        self.assertEqual(entry.hash, int.from_bytes(digest, "big", signed=True))
        self.assertEqual(self.rows("SELECT hash FROM emboux_suppression WHERE id = %s", entry.id),
                         [(entry.hash,)])
        entry.email = "Bob@far.example"
        self.assertEqual((entry.email, entry.hash), ("bob@far.example", hash_of("bob@far.example")))
        for bad in ("", "x", "a@", "a\nb@far.example", "@far.example"):
            with self.assertRaises(ValidationError):
                self.suppress(bad)
            with self.assertRaises(ValidationError):
                entry.email = bad

    def test_hashes_need_all_64_bits(self):
        hashes = [hash_of(f"a{number}@far.example") for number in range(100)]
        self.assertTrue(min(hashes) < -(2**62) and max(hashes) > 2**62)
        for number in range(100):
            self.suppress(f"a{number}@far.example")
        self.env.invalidate_all()
        for number in range(100):
            self.assertTrue(self.found(f"a{number}@far.example"))

    def test_the_database_computes_the_same_hash(self):
        """What the policy daemon may do in SQL."""
        entry = self.suppress()
        [[number]] = self.rows(
            "SELECT ('x' || left(encode(sha256(convert_to(%s, 'UTF8')), 'hex'), 16))"
            "::bit(64)::bigint", entry.email)
        self.assertEqual(number, entry.hash)

    def test_the_look_up_uses_the_index(self):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        [[plan]] = self.rows(
            "EXPLAIN (FORMAT TEXT) SELECT 1 FROM emboux_suppression WHERE hash = 1")[:1]
        self.assertIn("emboux_suppression_hash_index", plan + str(self.rows(
            "EXPLAIN SELECT 1 FROM emboux_suppression WHERE hash = 1")))

    def test_an_address_with_a_tag(self):
        self.assertEqual(looked_up("a+b+c@x.example"), ("a+b+c@x.example", "a@x.example"))
        self.assertEqual(looked_up("a@x.example"), ("a@x.example",))
        self.assertEqual(looked_up("+a@x.example"), ("+a@x.example",))
        self.suppress("ann@far.example")
        self.suppress("bob+news@far.example")
        for email, expected in (("ann@far.example", True), ("ann+news@far.example", True),
                                ("bob+news@far.example", True), ("bob@far.example", False),
                                ("bob+else@far.example", False), ("an@far.example", False)):
            self.assertEqual(bool(self.found(email)), expected, email)

    def test_once_for_each_customer_and_once_for_all(self):
        other = self.env["res.partner"].create({"name": "Other"})
        self.suppress(partner_id=self.acme.id)
        self.suppress(partner_id=other.id)
        self.suppress()
        for partner in (self.acme.id, False):
            self.assert_taken("emboux.suppression",
                              lambda partner=partner: self.suppress(partner_id=partner),
                              "suppressed already")

    def test_own_and_global_entries(self):
        other = self.env["res.partner"].create({"name": "Other"})
        entry = self.suppress(partner_id=self.acme.id, reason="complaint")
        self.assertEqual(self.found("ann@far.example", self.acme), entry)
        self.assertFalse(self.found("ann@far.example", other))
        self.assertFalse(self.found("ann@far.example", other.browse()))
        self.assertEqual(self.found("ann@far.example"), entry, "any interests the operator")
        for_all = self.suppress(reason="bounce")
        for partner in (self.acme, other, other.browse(), None):
            self.assertEqual(self.found("ann@far.example", partner), for_all)

    def test_an_expiry(self):
        entry = self.suppress(expires_at=self.now + timedelta(days=1))
        self.assertTrue(entry.in_force and self.found("ann@far.example"))
        self.later(days=1, seconds=1)
        entry.invalidate_recordset()
        self.assertFalse(entry.in_force or self.found("ann@far.example"))
        self.list._gc_expired()
        self.assertTrue(entry.exists())
        self.later(days=31)
        self.list._gc_expired()
        self.assertFalse(entry.exists())

    def test_a_report_renews_and_strengthens(self):
        put = self.list.sudo()._suppress
        entry = self.suppress(partner_id=self.acme.id, expires_at=self.now - timedelta(days=1))
        for reason, shown in (("bounce", "bounce"), ("complaint", "complaint"),
                              ("bounce", "complaint"), ("unsubscribe", "complaint")):
            found = put("ann@far.example", self.acme, reason, "SES", f"said {reason}")
            self.assertEqual(found, entry)
            self.assertEqual((entry.reason, entry.detail), (shown, f"said {shown}"))
            self.assertFalse(entry.expires_at)
        fresh = put("bob@far.example", self.acme.browse(), "bounce", "SES", "")
        self.assertEqual((fresh.hash, fresh.company_id.id, fresh.partner_id.id, fresh.detail),
                         (hash_of("bob@far.example"), False, False, False))
        self.assertEqual(fresh.create_uid.id, 1 if self.env.uid == 1 else self.env.uid)

    def test_changes_by_people_leave_a_trail(self):
        entry = self.suppress()
        entry.reason = "complaint"
        entry.unlink()
        self.env.flush_all()
        self.env.cr.precommit.run()
        trail = self.env["emboux.audit"].search([("model", "=", "emboux.suppression")])
        self.assertEqual(sorted(trail.mapped("action")), ["create", "unlink", "write"])

    def test_the_form_and_bulk_removal(self):
        with Form(self.list) as form:
            form.email = "Ann@far.example"
            form.reason = "unsubscribe"
        entries = form.record | self.suppress("bob@far.example")
        self.assertEqual(entries[0].email, "ann@far.example")
        entries.action_remove()
        self.assertFalse(entries.exists())


@tagged("post_install", "-at_install")
class TestImport(ReputationCase):
    def load(self, emails, env=None):
        return (env or self.env)["emboux.suppression"].load(
            ["email", "reason"], [[email, "Unsubscribed"] for email in emails])

    def statements(self, emails):
        before = self.env.cr.sql_log_count
        done = self.load(emails)
        self.env.flush_all()
        self.assertFalse(done["messages"])
        return self.env.cr.sql_log_count - before

    def test_many_rows_need_no_statement_each(self):
        self.load(["warm@far.example"])
        few = self.statements([f"few{number}@far.example" for number in range(10)])
        many = self.statements([f"many{number}@far.example" for number in range(ROWS)])
        self.assertEqual(self.list.search_count([("email", "=like", "many%@far.example")]), ROWS)
        # Odoo inserts a hundred or a thousand rows at a time
        self.assertLess(many - few, ROWS / 25, f"{few} statements for 10 rows, {many} for {ROWS}")

    def test_with_odoos_blacklist_too(self):
        self.set_parameter("suppression_blacklist", "True")
        self.load(["warm@far.example"])
        few = self.statements([f"few{number}@far.example" for number in range(10)])
        many = self.statements([f"many{number}@far.example" for number in range(ROWS)])
        self.assertEqual(self.env["mail.blacklist"].search_count(
            [("email", "=like", "many%@far.example")]), ROWS)
        self.assertLess(many - few, ROWS / 10, f"{few} statements for 10 rows, {many} for {ROWS}")

    def test_an_existing_address_stays_one_entry(self):
        there = self.list.create({"email": "ann@far.example", "reason": "complaint"})
        done = self.load(["Ann@far.example", "bob@far.example", "BOB@far.example "])
        self.assertFalse(done["messages"])
        self.assertEqual(done["ids"][0], there.id)
        self.assertEqual(done["ids"][1], done["ids"][2])
        self.assertEqual(there.reason, "complaint")
        self.assertEqual(self.load(["ann@far.example"])["ids"], [there.id])

    def test_an_expired_entry_becomes_permanent_again(self):
        over = self.list.create(
            {"email": "ann@far.example", "expires_at": self.now - timedelta(days=1)})
        self.assertEqual(self.load(["ann@far.example"])["ids"], [over.id])
        self.assertFalse(over.expires_at)
        self.assertTrue(self.list._find("ann@far.example"))

    def test_a_bad_row_is_named(self):
        done = self.load(["ann@far.example", "not an address", "bob@far.example"])
        self.assertFalse(done["ids"])
        named = {message["record"] for message in done["messages"] if message["type"] == "error"}
        self.assertIn(1, named)
        self.assertTrue(all("has no @" in message["message"] for message in done["messages"]))
        self.assertFalse(self.list.search([("email", "=", "ann@far.example")]))

    def test_a_managers_import_is_for_customers(self):
        env = self.as_role("manager")
        done = self.load(["ann@far.example"], env)
        self.assertFalse(done["ids"])
        self.assertIn("administrator", done["messages"][0]["message"])
        done = env["emboux.suppression"].load(
            ["email", "partner_id/.id"], [["ann@far.example", str(self.acme.id)]])
        self.assertFalse(done["messages"])


@tagged("post_install", "-at_install")
class TestBlacklist(ReputationCase):
    """Odoo's own list and ours as one."""

    def setUp(self):
        super().setUp()
        self.set_parameter("suppression_blacklist", "True")
        self.black = self.env(user=1)["mail.blacklist"]

    def ours(self):
        return set(self.list.search([("email", "like", "far.example")]).mapped("email"))

    def theirs(self):
        return set(self.black.search([("email", "like", "far.example")]).mapped("email"))

    def test_suppression_to_blacklist(self):
        entry = self.list.create({"email": "Ann@far.example"})
        self.assertEqual(self.theirs(), {"ann@far.example"})
        entry.email = "bob@far.example"
        self.assertEqual(self.theirs(), {"bob@far.example"})
        entry.expires_at = self.now + timedelta(days=1)
        self.assertEqual(self.theirs(), set(), "the blacklist knows no end")
        entry.expires_at = False
        self.assertEqual(self.theirs(), {"bob@far.example"})
        entry.partner_id = self.acme
        self.assertEqual(self.theirs(), set(), "a customer's entry is none of this Odoo's")
        entry.partner_id = False
        entry.unlink()
        self.assertEqual((self.theirs(), self.ours()), (set(), set()))
        self.list.create({"email": "bob@far.example"})
        self.assertEqual(self.theirs(), {"bob@far.example"}, "put back")

    def test_blacklist_to_suppression(self):
        entry = self.black.create({"email": "Ann@far.example"})
        self.assertEqual(self.ours(), {"ann@far.example"})
        entry.email = "bob@far.example"
        self.assertEqual(self.ours(), {"bob@far.example"})
        entry.action_archive()
        self.assertEqual(self.ours(), set())
        entry.action_unarchive()
        self.assertEqual(self.ours(), {"bob@far.example"})
        entry.unlink()
        self.assertEqual(self.ours(), set())
        self.black._add("ann@far.example", message="they asked")
        self.assertEqual(self.ours(), {"ann@far.example"})
        self.black._remove("ann@far.example", message="they asked again")
        self.assertEqual((self.ours(), self.theirs()), (set(), set()))

    def test_both_ways_in_turn(self):
        entry = self.list.create({"email": "ann@far.example"})
        self.black._remove("ann@far.example")
        self.assertFalse(entry.exists())
        self.black._add("ann@far.example")
        self.list.search([("email", "=", "ann@far.example")]).unlink()
        self.assertEqual(self.theirs(), set())

    def test_the_blacklist_removes_an_expiry(self):
        entry = self.list.create(
            {"email": "ann@far.example", "expires_at": self.now + timedelta(days=1)})
        self.black._add("ann@far.example")
        self.assertFalse(entry.expires_at)

    def test_a_customers_entry_stays_the_customers(self):
        entry = self.list.create({"email": "ann@far.example", "partner_id": self.acme.id})
        self.assertEqual(self.theirs(), set())
        self.black._add("ann@far.example")
        self.black._remove("ann@far.example")
        self.assertTrue(entry.exists())

    def test_reports_reach_it(self):
        self.mailgun(sender="x@operator.example", recipient="ann@far.example")
        self.assertEqual(self.theirs(), {"ann@far.example"})
        self.mailgun(number="2", recipient="bob@far.example")
        self.assertEqual(self.theirs(), {"ann@far.example"}, "of a customer's mail")

    def test_addresses_that_nobody_could_create_here(self):
        """Whatever Odoo has on its list can have been written to, so it is on ours too."""
        entries = self.black.create([{"email": "ü@far.example"}, {"email": "ann@far.example"},
                                     {"email": "x@localhost"}])
        self.assertEqual(self.ours(), {"ann@far.example", "ü@far.example"})
        self.assertTrue(self.list._find("x@localhost"))
        entries.unlink()
        self.assertEqual(self.ours(), set())

    def test_off_by_default(self):
        self.set_parameter("suppression_blacklist", False)
        entry = self.list.create({"email": "ann@far.example"})
        self.black.create({"email": "bob@far.example"})
        self.assertEqual((self.ours(), self.theirs()), ({"ann@far.example"}, {"bob@far.example"}))
        entry.unlink()
        self.black._remove("bob@far.example")
        self.assertEqual((self.ours(), self.theirs()), (set(), set()))

    def test_by_a_person_without_rights_on_the_other(self):
        system = self.env.ref("base.group_system")
        self.assertNotIn(system, self.users["admin"].all_group_ids)
        entry = self.as_role("admin")["emboux.suppression"].create({"email": "ann@far.example"})
        self.assertEqual(self.theirs(), {"ann@far.example"})
        entry.unlink()
        self.assertEqual(self.theirs(), set())


@tagged("post_install", "-at_install")
class TestRoles(ReputationCase):
    def setUp(self):
        super().setUp()
        self.for_all = self.list.create({"email": "all@far.example"})
        self.acmes = self.list.create({"email": "acme@far.example", "partner_id": self.acme.id})
        self.mailgun()

    def seen(self, env):
        return env["emboux.suppression"].search([("email", "like", "far.example")])

    def test_who_may_not_read(self):
        for env in (self.as_role("nobody"), self.as_role("user"), self.as_customer()):
            for model in ("suppression", "webhook.event", "webhook.token"):
                with self.assertRaises(AccessError):
                    env[f"emboux.{model}"].search([])
            for entry in (self.for_all, self.acmes):
                with self.assertRaises(AccessError):
                    entry.with_env(env).write({"reason": "bounce"})
                with self.assertRaises(AccessError):
                    entry.with_env(env).unlink()
            with self.assertRaises(AccessError):
                env["emboux.suppression"].create({"email": "x@far.example"})

    def test_a_customer_may_ask(self):
        found = self.as_customer()["emboux.suppression"]._find("acme@far.example", self.acme)
        self.assertTrue(found)

    def test_a_manager_changes_customers_entries_alone(self):
        env = self.as_role("manager")
        self.assertEqual(self.seen(env), (self.for_all | self.acmes).with_env(env).sorted("email"))
        acmes, for_all = self.acmes.with_env(env), self.for_all.with_env(env)
        acmes.reason = "complaint"
        for change in (
            lambda: for_all.write({"reason": "complaint"}), for_all.unlink, for_all.action_remove,
            lambda: acmes.write({"partner_id": False}),
            lambda: env["emboux.suppression"].create({"email": "new@far.example"}),
            lambda: (for_all | acmes).action_remove(),
        ):
            with self.assertRaises(AccessError):
                change()
        env["emboux.suppression"].create({"email": "new@far.example", "partner_id": self.acme.id})
        acmes.unlink()
        self.assertTrue(self.for_all.exists())

    def test_an_administrator_changes_all(self):
        env = self.as_role("admin")
        self.for_all.with_env(env).reason = "complaint"
        self.acmes.with_env(env).partner_id = False
        env["emboux.suppression"].create({"email": "new@far.example"})
        self.seen(env).action_remove()
        self.assertFalse(self.seen(env))

    def test_reports_are_read_and_never_written(self):
        for role in ("manager", "admin"):
            env = self.as_role(role)
            event = env["emboux.webhook.event"].search([])
            self.assertEqual(event.recipient, "alice@example.com")
            for change in (lambda e=event: e.write({"counts": False}), event.unlink,
                           lambda e=env: e["emboux.webhook.event"].create(
                               {"provider": "ses", "provider_id": "x", "state": "noted"})):
                with self.assertRaises(AccessError):
                    change()
        self.assertTrue(event.payload)
        with self.assertRaises(AccessError):
            event.with_env(self.as_role("manager")).read(["payload"])

    def test_reports_of_no_domain_are_the_administrators(self):
        self.mailgun(number="far", sender="x@far.example")
        self.assertEqual(len(self.as_role("manager")["emboux.webhook.event"].search([])), 1)
        self.assertEqual(len(self.as_role("admin")["emboux.webhook.event"].search([])), 2)

    def test_companies_do_not_see_each_other(self):
        other = self.env["res.company"].create({"name": "Other Company"})
        for role in ("manager", "admin"):
            self.users[role].write({"company_ids": [(6, 0, other.ids)], "company_id": other.id})
            env = self.as_role(role)
            self.assertEqual(self.seen(env), self.for_all.with_env(env))
            self.assertFalse(env["emboux.webhook.event"].search([]))
            with self.assertRaises(AccessError):
                self.acmes.with_env(env).unlink()

    def test_views_open(self):
        for role in ("manager", "admin"):
            env = self.as_role(role)
            for model, kinds in (("suppression", ("list", "form", "search")),
                                 ("webhook.event", ("list", "form", "search", "graph", "pivot"))):
                record = env[f"emboux.{model}"].search([], limit=1)
                views = record.get_views([(False, kind) for kind in kinds])
                names = views["models"][f"emboux.{model}"]["fields"]
                self.assertTrue(record.read([name for name in names if name in record._fields]))
