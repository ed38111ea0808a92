# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestMailboxRules(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.domain.sudo().owned_since = "2026-01-01"
        cls.ann = cls.make_mailbox("ann")
        cls.bob = cls.make_mailbox("bob")

    def script(self, mailbox):
        found = self.rows(
            "SELECT name, id, script FROM emboux_mail.sieve WHERE username = %s", mailbox.email)
        if not found:
            return None
        [(name, number, script)] = found
        self.assertEqual(name, "rules")
        self.assertTrue(number)
        return script

    # -- forwarding ----------------------------------------------------------------------

    def test_addresses_are_normalised(self):
        self.ann.forward_to = " Friend@Outside.Example, info@bücher.example\n"
        self.assertEqual(self.ann.forward_to, "friend@outside.example\ninfo@xn--bcher-kva.example")
        with self.assertRaisesRegex((UserError, ValidationError), "nonsense"):
            self.ann.forward_to = "nonsense"

    def test_it_does_not_forward_to_itself(self):
        for target in ("ann@unit.example", "ann+tag@unit.example", "ANN@Unit.example"):
            with self.assertRaisesRegex(ValidationError, "come back"):
                self.ann.forward_to = target

    def test_no_loop_through_an_alias_or_a_mailbox(self):
        self.make_alias("team", "ann@unit.example")
        with self.assertRaisesRegex(ValidationError, "team@unit.example.*come back"):
            self.ann.forward_to = "team@unit.example"
        self.bob.forward_to = "ann@unit.example"
        with self.assertRaisesRegex(ValidationError, "bob@unit.example.*come back"):
            self.ann.forward_to = "friend@outside.example\nbob@unit.example"
        self.ann.forward_to = "friend@outside.example"

    def test_no_loop_through_a_catch_all(self):
        self.ann.catch_all = True
        with self.assertRaisesRegex(ValidationError, "come back"):
            self.ann.forward_to = "nobody@unit.example"

    def test_an_alias_does_not_close_a_loop(self):
        self.ann.forward_to = "friend@outside.example"
        alias = self.make_alias("team", "bob@unit.example")
        self.ann.forward_to = "team@unit.example"
        with self.assertRaisesRegex(ValidationError, "come back to team@unit.example"):
            alias.destinations = "ann@unit.example"

    def test_an_address_that_nobody_has_is_refused(self):
        with self.assertRaisesRegex(ValidationError, "nobody@unit.example, which does not exist"):
            self.ann.forward_to = "nobody@unit.example"
        self.bob.catch_all = True
        self.ann.forward_to = "nobody@unit.example"

    def test_nothing_is_revealed_of_other_customers_domains(self):
        owner = self.env["res.partner"].create({"name": "Other"})
        theirs = self.make_domain("theirs.example", state="verified", partner_id=owner.id)
        theirs.sudo().owned_since = "2026-01-01"
        mine = self.make_domain(
            "mine.example", state="verified",
            partner_id=self.env["res.partner"].create({"name": "Mine"}).id,
        )
        box = self.make_mailbox("ann", mine)
        box.forward_to = "nobody@theirs.example"
        self.assertTrue(box.forward_to)

    def test_ten_addresses_are_enough(self):
        self.ann.forward_to = "\n".join(f"f{n}@outside.example" for n in range(10))
        with self.assertRaisesRegex(ValidationError, "11 addresses; 10 are possible"):
            self.ann.forward_to = "\n".join(f"f{n}@outside.example" for n in range(11))

    # -- the script ----------------------------------------------------------------------

    def test_every_mailbox_has_a_script(self):
        """Pigeonhole 2.4.1 defers mail for one that has none."""
        self.ann.quota_mb = 0
        self.assertEqual(self.script(self.ann), 'require "fileinto";\n')
        self.ann.write({"vacation_text": "Away", "vacation_on": False})
        self.assertEqual(self.script(self.ann), 'require "fileinto";\n')
        self.env.cr.execute("SELECT count(*) FROM emboux_mail.users u FULL JOIN emboux_mail.sieve s"
                            " ON s.username = u.email WHERE u.email IS NULL OR s.username IS NULL")
        self.assertEqual(self.env.cr.fetchone(), (0,))

    def test_a_full_mailbox_forwards_nothing(self):
        guard = 'if size :over %s {\n  fileinto "INBOX";\n  stop;\n}\n'
        self.ann.write({"quota_mb": 1, "forward_to": "friend@outside.example"})
        self.assertIn(guard % 1048576 + "if not envelope", self.script(self.ann))

        def number():
            return self.rows(
                "SELECT id FROM emboux_mail.sieve WHERE username = %s", self.ann.email)

        before = number()
        write_usage = "INSERT INTO emboux_mail.usage VALUES (%s, %s, 7)"
        self.env.cr.execute(write_usage, [self.ann.email, 1048000])
        self.assertIn(guard % 576, self.script(self.ann))
        # Dovecot has looked up the id when another message is stored
        self.assertEqual(number(), before)
        self.env.cr.execute("UPDATE emboux_mail.usage SET bytes = 2000000")
        self.assertIn(guard % 0, self.script(self.ann))
        self.ann.forward_keep = False  # stored nowhere
        self.assertNotIn("size", self.script(self.ann))
        self.ann.write({"forward_to": False, "quota_mb": 10_000})  # more than Sieve's numbers
        self.assertIn(guard % 2147483647, self.script(self.ann))

    def test_forwarding_with_and_without_a_copy(self):
        self.ann.forward_to = "friend@outside.example"
        unless_bounce = 'if not envelope :is "from" "" {\n  redirect %s"friend@outside.example";\n}'
        self.assertIn(unless_bounce % ":copy ", self.script(self.ann))
        self.ann.forward_keep = False
        self.assertIn(unless_bounce % "", self.script(self.ann))
        self.ann.forward_to = False
        self.assertNotIn("redirect", self.script(self.ann))

    def test_the_reply_is_quoted(self):
        text = 'She said "no" \\ ${hex:41}\n.\n/* # */ "; discard; #'
        self.ann.write({"vacation_on": True, "vacation_text": text, "vacation_subject": 'A "b" \\'})
        script = self.script(self.ann)
        self.assertIn('"She said \\"no\\" \\\\ ${dollar}{hex:41}\n.\n/* # */ \\"; discard; #";',
                      script)
        self.assertIn(':subject "A \\"b\\" \\\\"', script)
        self.assertNotIn("encoded-character", script)

    def test_the_reply_knows_days_and_aliases(self):
        self.make_alias("sales", "ann@unit.example")
        self.make_alias("others", "bob@unit.example")
        self.ann.write(
            {"vacation_on": True, "vacation_text": "Away", "vacation_from": "2026-03-01",
             "vacation_until": "2026-03-09", "vacation_days": 3}
        )
        script = self.script(self.ann)
        self.assertIn('currentdate :value "ge" "date" "2026-03-01"', script)
        self.assertIn('currentdate :value "le" "date" "2026-03-09"', script)
        self.assertIn("vacation :days 3 ", script)
        self.assertIn(':addresses ["ann@unit.example", "sales@unit.example", "${tagged}"]', script)
        self.assertNotIn(":subject", script)
        self.assertNotIn("others@", script)
        before = self.rows("SELECT id FROM emboux_mail.sieve WHERE username = %s", self.ann.email)
        self.ann.vacation_text = "Away still"
        after = self.rows("SELECT id FROM emboux_mail.sieve WHERE username = %s", self.ann.email)
        self.assertNotEqual(before, after)

    def test_the_reply_knows_every_way_to_the_mailbox(self):
        """In any domain of the owner's, by way of other aliases, with a tag on the way."""
        owner, other = self.env["res.partner"].create([{"name": "Owner"}, {"name": "Other"}])
        self.domain.partner_id = owner
        second, third = (self.make_domain(name, state="verified", partner_id=owner.id)
                         for name in ("second.example", "third.example"))
        claimed = self.make_domain("merely-claimed.example", partner_id=owner.id)
        foreign = self.make_domain("foreign.example", state="verified", partner_id=other.id)
        for local_part, to, domain in (
            ("sales", "ann+sales@unit.example", second),
            ("desk", "bob@unit.example\nsales@second.example", third),
            ("all", "desk+x@third.example", second),
            ("no", "ann@unit.example", claimed),
            ("no", "ann@unit.example", foreign),
            ("no", "ann@elsewhere.example", second),
        ):
            self.make_alias(local_part, to, domain)
        self.make_alias("gone", "ann@unit.example").active = False
        self.ann.write({"vacation_on": True, "vacation_text": "Away"})
        script = self.script(self.ann)
        self.assertIn(
            ':addresses ["ann@unit.example", "sales@second.example", "desk@third.example", '
            '"all@second.example", "${tagged}"]', script)
        self.assertIn(
            '["ann+*@unit.example", "sales+*@second.example", "desk+*@third.example", '
            '"all+*@second.example"]', script)

    def test_the_script_stays_within_what_dovecot_reads(self):
        """64 KiB, whatever leads to the mailbox and however long the reply is."""
        self.env["emboux.alias"].create([
            {"local_part": f"{n:04}{'x' * 50}", "domain_id": self.domain.id,
             "destinations": "ann@unit.example"} for n in range(300)])
        self.ann.write({"vacation_on": True, "vacation_text": "\N{GRINNING FACE}" * 10_000})
        script = self.script(self.ann)
        self.assertLess(len(script.encode()), 64 * 1024 - 500)
        self.assertGreater(script.count("@unit.example"), 200)

    # -- what cannot be ------------------------------------------------------------------

    def test_an_invalid_reply_is_refused(self):
        good = {"vacation_on": False, "vacation_text": False, "vacation_subject": False,
                "vacation_from": False, "vacation_until": False, "vacation_days": 7}
        for values, words in (
            ({"vacation_on": True}, "Write the reply"),
            ({"vacation_on": True, "vacation_text": "  \n "}, "Write the reply"),
            ({"vacation_text": "x" * 10_001}, "10000 letters"),
            ({"vacation_subject": "two\nlines"}, "line break|one line"),
            ({"vacation_from": "2026-03-02", "vacation_until": "2026-03-01"}, "before the first"),
            ({"vacation_from": "0001-01-01"}, "between 2000"),
            ({"vacation_days": 0}, "1 to 60"),
            ({"vacation_days": 61}, "1 to 60"),
        ):
            with self.assertRaisesRegex(ValidationError, words, msg=str(values)):
                self.ann.write(good | values)

    def test_only_where_this_odoo_delivers(self):
        self.rows("UPDATE emboux_backend SET kind = 'mox' WHERE id = %s RETURNING 1",
                  self.backend.id)
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "neither forwards nor replies"):
            self.ann.forward_to = "friend@outside.example"
        with self.assertRaisesRegex(UserError, "neither forwards nor replies"):
            self.ann.write({"vacation_on": True, "vacation_text": "Away"})

    # -- who may -------------------------------------------------------------------------

    def test_a_customer_sets_own_rules(self):
        owner = self.env["res.partner"].create({"name": "Owner"})
        domain = self.make_domain("owned.example", state="verified", partner_id=owner.id)
        box = self.make_mailbox("ann", domain)
        key, _secret = self.env["emboux.api.key"]._make({"name": "Shop", "partner_id": owner.id})
        env = self.env(user=key.sudo().user_id, context={})
        box.with_env(env).write(
            {"forward_to": "friend@outside.example", "forward_keep": False, "vacation_on": True,
             "vacation_text": "Away", "vacation_subject": "Away", "vacation_from": "2026-03-01",
             "vacation_until": False, "vacation_days": 2}
        )
        self.assertEqual(box.forward_to, "friend@outside.example")
        with self.assertRaises(AccessError):
            self.ann.with_env(env).write({"forward_to": "spy@outside.example"})
        with self.assertRaises(AccessError):
            box.with_env(env).write({"storage_warned": 0})

    def test_a_user_may_only_read(self):
        user = new_test_user(self.env, "reader", "emboux_core.group_user")
        self.ann.user_id = user
        with self.assertRaises(AccessError):
            self.ann.with_user(user).write({"vacation_on": True, "vacation_text": "x"})

    def test_the_form(self):
        with Form(self.ann) as form:
            form.vacation_on = True
            form.vacation_text = "Away"
            form.forward_to = "friend@outside.example"
        self.assertTrue(self.ann.vacation_on)
        self.assertIn("vacation", self.script(self.ann))
