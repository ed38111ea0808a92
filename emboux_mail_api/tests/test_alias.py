# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestAlias(PlatformCase):
    def test_destinations_are_normalised_one_a_line(self):
        alias = self.make_alias(
            "Sales", " Ann@Elsewhere.Example.net, bob+x@BÜCHER.example\n\nann@elsewhere.example.net"
        )
        self.assertEqual(alias.email, "sales@unit.example")
        self.assertEqual(
            alias.destinations.split("\n"),
            ["ann@elsewhere.example.net", "bob+x@xn--bcher-kva.example"],
        )
        self.assertEqual(alias.destination_count, 2)
        self.assertIn("bob+x@bücher.example", alias.destinations_shown, "people see Unicode")

    def test_chain_that_ends_in_a_mailbox_is_fine(self):
        self.make_mailbox("ann")
        self.make_alias("a", "ann@unit.example")
        self.make_alias("b", "a@unit.example\nann+work@unit.example")

    def test_what_an_alias_needs_is_neither_archived_nor_deleted(self):
        other = self.make_domain("other.example", state="verified")
        ann = self.make_mailbox("ann")
        first = self.make_alias("first", "ann@unit.example", other)
        self.make_alias("second", "first@other.example")
        for needed in (ann, first):
            with self.assertRaisesRegex(UserError, "delivers to"):
                needed.active = False
            with self.assertRaisesRegex(UserError, "delivers to"):
                needed.unlink()

    def test_an_archived_mailbox_is_no_destination(self):
        self.make_mailbox("ann").active = False
        with self.assertRaisesRegex(ValidationError, "does not exist"):
            self.make_alias("a", "ann@unit.example")

    def test_a_mere_claim_does_not_spoil_others_aliases(self):
        self.make_domain("big-provider.example")
        alias = self.make_alias("a", "friend@big-provider.example")
        self.assertEqual(alias.destinations, "friend@big-provider.example")

    def test_loop_of_two_and_of_three_is_refused(self):
        self.make_mailbox("ann")
        first = self.make_alias("a", "ann@unit.example")
        second = self.make_alias("b", "a@unit.example")
        with self.assertRaisesRegex(ValidationError, "loop"):
            first.destinations = "ann@unit.example\nb@unit.example"
        self.make_alias("c", "b@unit.example")
        with self.assertRaisesRegex(ValidationError, "loop"):
            first.destinations = "c@unit.example"
        self.assertEqual(second.destinations, "a@unit.example")

    def test_loop_across_domains_and_through_a_catch_all_is_refused(self):
        other = self.make_domain("other.example")
        self.make_mailbox("ann", other)
        catch_all = self.make_alias(False, "ann@other.example", other, kind="catch_all")
        first = self.make_alias("a", "nobody@other.example")
        with self.assertRaisesRegex(ValidationError, "caught by it again"):
            catch_all.destinations = "a@unit.example"
        self.assertEqual(first.destinations, "nobody@other.example")

    def test_a_tag_does_not_hide_a_loop(self):
        self.make_mailbox("ann")
        first = self.make_alias("a", "ann@unit.example")
        self.make_alias("b", "a+tag@unit.example")
        with self.assertRaisesRegex(ValidationError, "loop"):
            first.destinations = "b+other@unit.example"

    def test_too_long_a_chain_is_refused(self):
        self.make_mailbox("ann")
        self.make_alias("a0", "ann@unit.example")
        with self.assertRaisesRegex(ValidationError, "more than 10"):
            for number in range(1, 15):
                self.make_alias(f"a{number}", f"a{number - 1}@unit.example")

    def test_an_alias_to_nobody_in_a_hosted_domain_is_refused(self):
        with self.assertRaisesRegex(ValidationError, "does not exist"):
            self.make_alias("a", "nobody@unit.example")

    def test_address_and_kind_do_not_change(self):
        alias = self.make_alias("a", "ann@elsewhere.example.net")
        for values in ({"local_part": "b"}, {"kind": "catch_all"}):
            with self.assertRaisesRegex(UserError, "cannot be changed"):
                alias.write(values)
        alias.write({"local_part": "A", "kind": "forward"})

    def test_archived_alias_is_not_published(self):
        alias = self.make_alias("a", "ann@elsewhere.example.net")
        query = "SELECT 1 FROM emboux_mail.aliases WHERE address = 'a@unit.example'"
        self.assertTrue(self.rows(query))
        alias.active = False
        self.assertFalse(self.rows(query))
