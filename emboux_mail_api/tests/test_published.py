# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestPublished(PlatformCase):
    """What the views say to Postfix, Dovecot and the signer."""

    def _get(self, view, key, value, column):
        return sorted(
            row[0]
            for row in self.rows(f"SELECT {column} FROM emboux_mail.{view} WHERE {key} = %s", value)
        )

    def test_only_proven_domains_take_mail(self):
        self.make_domain("claimed.example")
        self.assertFalse(self._get("domains", "name", "claimed.example", "name"))
        self.assertTrue(self._get("domains", "name", "unit.example", "name"))

    def test_a_claimed_domain_shows_in_no_look_up_of_recipients(self):
        """Else everybody's mail to it would go to whoever claimed it."""
        domain = self.make_domain("big-provider.example")
        self.make_mailbox("bob", domain, catch_all=True)
        self.make_alias("ann", "spy@elsewhere.example.net", domain)
        domain.action_suspend()
        for view, column in (("domains", "name"), ("mailboxes", "email"), ("aliases", "address"),
                             ("inbound", "key"), ("users", "email")):
            self.assertFalse(
                self.rows(f"SELECT 1 FROM emboux_mail.{view}"
                          f" WHERE {column} LIKE '%%big-provider.example'"),
                view,
            )

    def test_a_suspended_domain_still_takes_mail_to_defer_it(self):
        self.make_mailbox("ann")
        self.domain.action_suspend()
        self.assertTrue(self._get("domains", "name", "unit.example", "name"))
        [action] = self._get("inbound", "key", "unit.example", "action")
        self.assertTrue(action.startswith("450 4.2.1"))
        self.assertEqual(self._get("users", "email", "ann@unit.example", "suspended"), [True])
        self.domain.action_activate()
        self.assertFalse(self._get("inbound", "key", "unit.example", "action"))
        self.assertEqual(self._get("users", "email", "ann@unit.example", "suspended"), [False])

    def test_a_mailbox_is_an_alias_of_itself_beside_the_catch_all(self):
        self.make_mailbox("ann", catch_all=True)
        self.make_mailbox("bob")
        for address, expected in (("@unit.example", ["ann@unit.example"]),
                                  ("bob@unit.example", ["bob@unit.example"])):
            self.assertEqual(self._get("aliases", "address", address, "destination"), expected)

    # -- postmaster and abuse (RFC 5321 4.5.1, RFC 2142) ---------------------------------

    def _leads(self, address):
        return [row[0] for row in self.rows("SELECT * FROM emboux_mail.aliases_of(%s)", address)]

    def _owned(self, **values):
        owner = self.env["res.partner"].create({"name": "Owner", **values})
        self.domain.write({"partner_id": owner.id, "user_id": False})
        return owner

    def test_postmaster_and_abuse_lead_to_the_owner(self):
        self._owned(email='"Owner" <Owner@Outside.example>')
        for role in ("postmaster", "abuse"):
            self.assertEqual(self._leads(f"{role}@unit.example"), ["owner@outside.example"])
        for other in ("root@unit.example", "postmaster@outside.example", "@unit.example",
                      "postmaster", "abuse@claimed.example"):
            self.assertEqual(self._leads(other), [], other)
        self.make_domain("claimed.example", partner_id=self.domain.partner_id.id)
        self.assertEqual(self._leads("abuse@claimed.example"), [])

    def test_whoever_has_the_address_gets_its_mail(self):
        self._owned(email="owner@outside.example")
        self.make_mailbox("postmaster")
        alias = self.make_alias("abuse", "ann@outside.example")
        self.assertEqual(self._leads("postmaster@unit.example"), ["postmaster@unit.example"])
        self.assertEqual(self._leads("abuse@unit.example"), ["ann@outside.example"])
        alias.active = False
        self.assertEqual(self._leads("abuse@unit.example"), ["owner@outside.example"])
        self.make_mailbox("ann", catch_all=True)
        self.assertEqual(self._leads("abuse@unit.example"), [], "the catch-all is asked next")

    def test_who_stands_in_for_an_owner_without_an_address(self):
        company = self.env["res.partner"].create(
            {"name": "Company", "is_company": True, "email": "office@outside.example"})
        owner = self._owned(parent_id=company.id)
        leads = lambda: self._leads("abuse@unit.example")  # noqa: E731
        self.assertEqual(leads(), ["office@outside.example"])
        company.email = "two@outside.example, three@outside.example"
        user = self.env.ref("base.user_admin")
        user.email = "responsible@outside.example"
        self.domain.user_id = user
        self.assertNotIn("two@outside.example, three@outside.example", leads())
        company.email = owner.email = False
        self.assertEqual(leads(), ["responsible@outside.example"])
        self.domain.user_id = False
        self.backend.postmaster = "Operator@Outside.example"
        self.assertEqual(leads(), ["operator@outside.example"])
        self.backend.postmaster = False
        self.env.ref("base.main_company").email = "company@outside.example"
        self.assertEqual(leads(), ["company@outside.example"])

    def test_no_role_address_leads_into_itself_or_nowhere(self):
        self.backend.postmaster = "operator@outside.example"
        owner = self._owned()
        second = self.make_domain("second.example", state="verified", partner_id=owner.id)
        abuse = self.make_mailbox("abuse")
        self.make_alias("info", "abuse@unit.example", second)
        self.make_alias("via", "info+x@second.example")
        bob = self.make_mailbox("bob", second)
        self.make_alias("fine", "bob+x@second.example")
        # no person can take away what an alias leads to
        self.env.flush_all()
        self.env.cr.execute("UPDATE emboux_mailbox SET active = false WHERE id = %s", [abuse.id])
        for email, expected in (
            ("abuse@unit.example", "operator@outside.example"),
            ("postmaster@unit.example", "operator@outside.example"),
            ("abuse@second.example", "operator@outside.example"),
            ("nobody@unit.example", "operator@outside.example"),
            ("info@second.example", "operator@outside.example"),
            ("via@unit.example", "operator@outside.example"),
            ("postmaster@mail.unit.example", "operator@outside.example"),
            ("bob@second.example", "bob@second.example"),
            ("bob+y@second.example", "bob+y@second.example"),
            ("fine@unit.example", "fine@unit.example"),
        ):
            owner.email = email
            self.assertEqual(self._leads("abuse@unit.example"), [expected], email)
        bob.action_suspend()
        owner.email = "fine@unit.example"
        self.assertEqual(self._leads("abuse@unit.example"), ["operator@outside.example"])

    def test_the_mail_server_has_a_postmaster(self):
        self.backend.write({"postmaster": "operator@outside.example",
                            "mail_host": "Mail.Unit.example"})
        self.assertEqual(self._leads("postmaster@mail.unit.example"), ["operator@outside.example"])
        self.assertEqual(self._leads("ann@mail.unit.example"), [])
        self.assertTrue(self._get("domains", "name", "mail.unit.example", "name"))

    def test_abuse_of_a_suspended_domain_is_heard(self):
        def inbound(address):
            return [row[0] for row in self.rows(
                "SELECT * FROM emboux_mail.inbound_of(%s, 'unit.example')", address)]

        self._owned(email="owner@outside.example")
        self.domain.action_suspend()
        self.assertEqual(inbound("abuse@unit.example"), [])
        self.assertEqual(len(inbound("ann@unit.example")), 1)

    def test_logins(self):
        mailbox = self.make_mailbox("ann")
        self.assertFalse(self._get("logins", "email", mailbox.email, "email"))
        mailbox.password = "a password that is set"
        self.assertTrue(self._get("logins", "email", mailbox.email, "email"))
        for suspend, activate in (
            (mailbox.action_suspend, mailbox.action_activate),
            (self.domain.action_suspend, self.domain.action_activate),
            (mailbox.action_archive, mailbox.action_unarchive),
        ):
            suspend()
            self.assertFalse(self._get("logins", "email", mailbox.email, "email"))
            activate()
            self.assertTrue(self._get("logins", "email", mailbox.email, "email"))

    def test_senders(self):
        self.domain.is_wildcard = True
        self.make_domain("shop.unit.example")
        ann = self.make_mailbox("ann")
        odoo = self.make_mailbox("odoo", send_as="domain")
        self.assertEqual(self._get("senders", "address", ann.email, "login"), [ann.email])
        for domain in ("unit.example", "shop.unit.example"):
            self.assertEqual(
                self._get("domain_senders", "domain", domain, "login"), [odoo.email]
            )
        self.assertEqual(
            self._get("header_senders", "login", odoo.email, "domain"),
            ["shop.unit.example", "unit.example"],
        )
        self.assertFalse(
            self._get("header_senders", "login", ann.email, "domain"), "only its own address"
        )

    def test_whose_messages_have_a_return_address_each(self):
        def returned(sender):
            [[found]] = self.rows("SELECT emboux_mail.return_address_of(%s)", sender) or [[None]]
            return found

        ann = self.make_mailbox("ann", own_return_address=True)
        bob = self.make_mailbox("bob")
        self.make_alias("sales", "ann@unit.example")
        for sender in ("ann@unit.example", "Ann+shop@Unit.Example", '"ann"@unit.example'):
            first, second = returned(sender), returned(sender)
            self.assertRegex(first, r"^bounce\+[a-z2-7]{26}@unit\.example$")
            self.assertNotEqual(first, second)
            # Postfix asks again for what it has got
            self.assertEqual(returned(first), first)
        for sender in ("bob@unit.example", "sales@unit.example", "ann@far.example", "ann", ""):
            self.assertIsNone(returned(sender), sender)
        # an alias is of all who send for the domain
        bob.send_as = "domain"
        self.assertIsNone(returned("sales@unit.example"))
        bob.own_return_address = True
        self.assertTrue(returned("sales@unit.example"))
        ann.write({"send_as": "domain", "own_return_address": False})
        self.assertIsNone(returned("sales@unit.example"), "or was it ann?")
        self.assertIsNone(returned("ann@unit.example"), "it is ann's, whoever sends by it")
        bob.action_archive()
        self.assertIsNone(returned("bob@unit.example"), "nobody has that address any more")

    def test_send_as_reaches_no_subdomain_of_another_owner(self):
        ours, theirs = self.env["res.partner"].create([{"name": "Ours"}, {"name": "Theirs"}])
        self.domain.is_wildcard = True
        child = self.make_domain("shop.unit.example")
        odoo = self.make_mailbox("odoo", send_as="domain")
        nobody = self.env["res.partner"]
        for parent_of, child_of, reaches in (
            (nobody, nobody, True), (ours, ours, True),
            (nobody, theirs, False), (ours, theirs, False), (ours, nobody, False),
        ):
            with self.subTest(parent=parent_of.name, child=child_of.name):
                self.domain.partner_id, child.partner_id = parent_of, child_of
                self.assertEqual(
                    self._get("domain_senders", "domain", child.name, "login"),
                    [odoo.email] if reaches else [],
                )
                self.assertEqual(
                    self._get("header_senders", "login", odoo.email, "domain"),
                    [child.name, "unit.example"] if reaches else ["unit.example"],
                )

    def test_an_unverified_domain_may_not_send(self):
        domain = self.make_domain("claimed.example", state="verified")
        self.make_mailbox("ann", domain)
        domain.state = "failed"  # it is still the owner's
        [action] = self._get("outbound", "login", "ann@claimed.example", "action")
        self.assertIn("claimed.example is not verified yet", action)
        self.assertTrue(action.startswith("554 5.7.1"))

    def test_a_subdomain_signs_with_its_parents_key(self):
        self.domain.is_wildcard = True
        self.make_domain("shop.unit.example")
        parent = self._get("dkim_signing", "lookup", "unit.example", "key_name")
        self.assertEqual(self._get("dkim_signing", "lookup", "shop.unit.example", "key_name"),
                         parent)
        [[domain, selector, pem]] = self.rows(
            "SELECT domain, selector, private_key FROM emboux_mail.dkim_keys WHERE key_name = %s",
            parent[0],
        )
        self.assertEqual(domain, "unit.example")
        self.assertTrue(selector.startswith("rsa-"), selector)
        self.assertTrue(pem.startswith("-----BEGIN PRIVATE KEY-----"))

    def test_no_role_of_ours_may_read_a_table_or_write_a_view(self):
        roles = [row[0] for row in self.rows(
            "SELECT rolname FROM pg_roles WHERE rolname IN"
            " ('emboux_mail', 'emboux_usage', 'emboux_dkim', 'emboux_relay')")]
        self.assertEqual(len(roles), 4, "the set-up makes four roles")
        readable = self.rows(
            "SELECT r.rolname, n.nspname || '.' || c.relname, c.relkind::text"
            "  FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE r.rolname = ANY(%s) AND n.nspname IN ('public', 'emboux_mail')"
            "   AND c.relkind IN ('r', 'v') AND has_table_privilege(r.oid, c.oid, 'SELECT')",
            roles,
        )
        tables = [row for row in readable if row[2] == "r"]
        self.assertEqual(tables, [("emboux_usage", "emboux_mail.usage", "r")])
        self.assertGreater(len(readable), 10)
        writable = self.rows(
            "SELECT r.rolname, c.relname FROM pg_roles r, pg_class c"
            "  JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE r.rolname = ANY(%s) AND n.nspname IN ('public', 'emboux_mail')"
            "   AND c.relkind IN ('r', 'v')"
            "   AND has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')",
            roles,
        )
        self.assertEqual(writable, [("emboux_usage", "usage")])
        secret = self.rows(
            "SELECT has_table_privilege('emboux_mail', 'emboux_mail.dkim_keys', 'SELECT'),"
            " has_table_privilege('emboux_dkim', 'emboux_mail.logins', 'SELECT'),"
            " has_table_privilege('emboux_usage', 'emboux_mail.usage', 'DELETE'),"
            " has_table_privilege('emboux_mail', 'emboux_mail.relay_logins', 'SELECT')"
        )
        self.assertEqual(secret, [(False, False, False, False)])
