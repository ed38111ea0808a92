# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestLoopGuard(PlatformCase):
    """What Odoo takes is nobody's catch-all, by whatever route, and neither forwards nor replies.

    Whatever comes second is refused: the catch-all, the alias between, the forward, or Odoo.
    """

    def setUp(self):
        super().setUp()
        self.odoos = self.make_mailbox("odoo")
        self.ann = self.make_mailbox("ann")

    def take(self):
        self.odoos._set_push("https://odoo.far.example/emboux/inbound/1", "whsec_" + "QUJD" * 8)

    def fetch(self):
        self.env["fetchmail.server"].sudo().create(
            {"name": "Ours", "user": self.odoos.email, "password": "x", "server": "imap.example"})

    def catch(self, destinations):
        return self.make_alias(False, destinations, kind="catch_all")

    def refused(self, call):
        """Nothing of the call stays."""
        with self.assertRaises(UserError) as caught, self.env.cr.savepoint():
            call()
        self.env.invalidate_all()
        return str(caught.exception)

    def assert_refused(self, call):
        text = self.refused(call)
        self.assertIn("odoo@unit.example goes to Odoo", text)
        self.assertIn("the catch-all @unit.example must not lead there", text)

    def test_a_catch_all_that_leads_there_by_an_alias(self):
        for take in (self.take, self.fetch):
            with self.subTest(take.__name__), self.env.cr.savepoint() as undo:
                take()
                self.assert_refused(lambda: self.catch("odoo@unit.example"))
                self.make_alias("sales", "ann@unit.example\nodoo+sales@unit.example")
                self.make_alias("shop", "sales@unit.example")
                self.assert_refused(lambda: self.catch("shop@unit.example"))
                self.assert_refused(lambda: self.odoos.write({"catch_all": True}))
                self.catch("ann@unit.example")
                undo.rollback()

    def test_an_alias_on_the_way_of_a_catch_all(self):
        self.take()
        shop = self.make_alias("shop", "ann@unit.example")
        self.catch("shop@unit.example")
        self.assert_refused(lambda: shop.write({"destinations": "odoo@unit.example"}))
        sales = self.make_alias("sales", "odoo@unit.example")
        self.assert_refused(lambda: shop.write({"destinations": "sales@unit.example"}))
        self.assertEqual(sales.destinations, "odoo@unit.example", "it is none of a catch-all's")

    def test_a_mailbox_on_the_way_of_a_catch_all(self):
        self.take()
        catching = self.catch("ann@unit.example")
        self.assert_refused(lambda: self.ann.write({"forward_to": "odoo@unit.example"}))
        catching.unlink()
        self.ann.forward_to = "odoo@unit.example"
        self.assert_refused(lambda: self.catch("ann@unit.example"))

    def test_odoo_on_the_way_of_a_catch_all(self):
        self.make_alias("shop", "odoo@unit.example")
        catching = self.catch("shop@unit.example")
        self.assert_refused(self.take)
        catching.active = False
        self.take()
        self.assert_refused(lambda: catching.write({"active": True}))

    def test_another_owners_catch_all_is_no_obstacle(self):
        owner = self.env["res.partner"].create({"name": "A customer"})
        theirs = self.make_domain("theirs.example", state="verified", partner_id=owner.id)
        self.make_alias(False, "odoo@unit.example", theirs, kind="catch_all")
        self.take()
        self.assertTrue(self.odoos.sudo().push_secret)

    def test_a_stranger_who_claims_the_domain_too_is_no_obstacle(self):
        """Nor does anybody learn whose mail an Odoo takes."""
        ours, theirs = (
            self.make_domain("claimed.example", partner_id=self.env["res.partner"].create(
                {"name": name}).id) for name in ("We", "They"))
        mine, other = (self.make_mailbox("odoo", domain) for domain in (ours, theirs))
        other._set_push("https://odoo.far.example/emboux/inbound/2", "whsec_" + "QUJD" * 8)
        self.make_alias(False, "odoo@claimed.example", ours, kind="catch_all")
        mine.write({"vacation_on": True, "vacation_text": "Gone fishing"})
        self.assertTrue(mine.catch_all)

    def test_odoos_mailbox_neither_forwards_nor_replies(self):
        away = {"vacation_on": True, "vacation_text": "Gone fishing"}
        for take in (self.take, self.fetch):
            with self.subTest(take.__name__), self.env.cr.savepoint() as undo:
                take()
                for rule in (away, {"forward_to": "ann@unit.example"}):
                    self.assertIn("neither forwards nor replies",
                                  self.refused(lambda rule=rule: self.odoos.write(rule)))
                undo.rollback()
        self.odoos.write(away)
        self.assertIn("neither forwards nor replies", self.refused(self.take))
