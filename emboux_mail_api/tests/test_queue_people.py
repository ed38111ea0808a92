# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Who sees and decides about what waits in the queues; hold rules and routes as entered."""

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestQueuePeople(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        other = cls.env["res.company"].create({"name": "Other"})
        cls.theirs = cls.make_domain("theirs.example", state="verified", company_id=other.id)
        cls.users = {role: new_test_user(cls.env, f"queue.{role}", groups=group)
                     for role, group in {
                         "user": "emboux_core.group_user",
                         "manager": "emboux_core.group_manager",
                         "admin": "emboux_core.group_admin"}.items()}
        cls.numbers = {name: cls.queued(domain) for name, domain in {
            "ours": cls.domain, "theirs": cls.theirs, "nobody": None}.items()}

    @classmethod
    def queued(cls, domain):
        cls.env.cr.execute(
            """INSERT INTO emboux_mail.queue_message
                      (host, queue_id, arrived, queue, login, sender, domain_id, recipients,
                       recipient_count, size, reason)
               VALUES ('unit', %s, 1, 'deferred', '', '', %s, '', 0, 0, '') RETURNING id""",
            [f"4A1B2C3D{domain.id if domain else 0:04X}", domain.id if domain else None])
        return cls.env.cr.fetchone()[0]

    def seen(self, role):
        found = self.env(user=self.users[role])["emboux.queue.message"].search(
            [("host", "=", "unit")])
        return {name for name, number in self.numbers.items() if number in found.ids}

    def test_who_sees_what(self):
        with self.assertRaises(AccessError):
            self.seen("user")
        self.assertEqual(self.seen("manager"), {"ours"})
        self.assertEqual(self.seen("admin"), {"ours", "nobody"})

    def test_who_decides_about_what(self):
        messages = self.env(user=self.users["manager"])["emboux.queue.message"]
        messages.browse(self.numbers["ours"]).action_hold()
        self.assertEqual(self.rows("SELECT wish FROM emboux_mail.queue_message WHERE id = %s",
                                   self.numbers["ours"]), [("hold",)])
        for name in ("theirs", "nobody"):
            for act in ("deliver", "hold", "release", "fail", "drop", "undo"):
                with self.assertRaises(AccessError):
                    getattr(messages.browse(self.numbers[name]), f"action_{act}")()

    def test_an_act_waits_for_the_log(self):
        message = self.env["emboux.queue.message"].browse(self.numbers["ours"])
        message.action_hold()
        message.action_drop()
        message = self.log_message(
            self.domain, host="unit", queue_id=f"4A1B2C3D{self.domain.id:04X}", status="canceled")
        self.assertEqual(
            [event["kind"] for event in message.events], ["hold_asked", "discard_asked"])
        self.assertEqual(self.rows("SELECT count(*) FROM emboux_mail.message_act"), [(0,)])

    def test_hold_rules(self):
        rules = self.env["emboux.hold.rule"]
        rule = rules.create({"name": "All of it"})
        self.assertTrue(rule.everything)
        rule.write({"sender_domain": "BÜCHER.example", "login": "Ann@Unit.example"})
        self.assertEqual((rule.sender_domain, rule.login, rule.everything),
                         ("xn--bcher-kva.example", "ann@unit.example", False))
        for values in ({"sender_domain": "not a domain"}, {"login": "nobody"},
                       {"recipient_domain": "x_y"}, {"name": "two\nlines"}):
            with self.assertRaises(UserError, msg=values):
                rules.create({"name": "x", **values})
        for role in ("user", "manager"):
            with self.assertRaises(AccessError):
                self.env(user=self.users[role])["emboux.hold.rule"].create({"name": "x"})
        self.env.flush_all()
        self.assertEqual(
            self.rows("SELECT sender_domain, login, recipient_domain, reason"
                      " FROM emboux_mail.hold_rules"),
            [("xn--bcher-kva.example", "ann@unit.example", "", "Held by the rule: All of it")])
        rule.active = False
        self.assertEqual(self.rows("SELECT * FROM emboux_mail.hold_rules"), [])

    def test_routes(self):
        routes = self.env["emboux.route"]
        route = routes.create({"domain": "Far.example", "host": "[2001:DB8::7]", "port": 2525})
        self.assertEqual((route.domain, route.host), ("far.example", "2001:db8::7"))
        self.assertEqual(self.rows("SELECT * FROM emboux_mail.routes"),
                         [("far.example", "smtp:[2001:db8::7]:2525")])
        for values in ({"domain": "unit.example", "host": "x.example"},
                       {"domain": "no domain", "host": "x.example"},
                       {"domain": "x.example", "host": "a b"},
                       {"domain": "x.example", "host": "x.example]:25 error:"}):
            with self.assertRaises((UserError), msg=values):
                routes.create(values)
        for values in ({"domain": "far.example", "host": "x.example"},
                       {"domain": "y.example", "host": "x.example", "port": 0}):
            with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), \
                    self.env.cr.savepoint():
                routes.create(values)
        with self.assertRaises(AccessError):
            self.env(user=self.users["manager"])["emboux.route"].create(
                {"domain": "z.example", "host": "x.example"})
        with self.assertRaises(ValidationError):
            route.host = "-x"
