# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestRoles(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env["res.company"].create({"name": "Other Company"})
        cls.mine = cls.make_mailbox("mine")
        cls.alias = cls.make_alias("sales", "mine@unit.example")
        cls.theirs_domain = cls.make_domain("theirs.example", company_id=cls.other_company.id)
        cls.theirs = cls.make_mailbox("boss", cls.theirs_domain)
        cls.theirs_alias = cls.make_alias("info", "boss@theirs.example", cls.theirs_domain)
        groups = {
            "nobody": "base.group_user",
            "user": "emboux_core.group_user",
            "manager": "emboux_core.group_manager",
            "admin": "emboux_core.group_admin",
        }
        cls.users = {
            role: new_test_user(cls.env, f"role.{role}", groups=group)
            for role, group in groups.items()
        }
        cls.stranger = new_test_user(
            cls.env,
            "role.stranger",
            groups="emboux_core.group_admin",
            company_id=cls.other_company.id,
            company_ids=[(6, 0, cls.other_company.ids)],
        )
        cls.own = cls.make_mailbox("own", user_id=cls.users["user"].id)

    def _as(self, role):
        return self.env(user=self.users[role])

    def test_an_employee_without_a_role_sees_nothing(self):
        for model in ("domain", "mailbox", "alias", "dns.record", "backend", "address"):
            with self.assertRaises(AccessError, msg=model):
                self._as("nobody")[f"emboux.{model}"].search([])

    def test_a_user_sees_only_the_own_mailbox_and_its_domain(self):
        env = self._as("user")
        self.assertEqual(env["emboux.mailbox"].search([]), self.own.with_env(env))
        self.assertEqual(env["emboux.domain"].search([]), self.domain.with_env(env))
        for model in ("alias", "dns.record"):
            with self.assertRaises(AccessError):
                env[f"emboux.{model}"].search([])
        with self.assertRaises(AccessError):
            self.mine.with_env(env).read(["email"])

    def test_a_user_changes_only_the_own_password(self):
        env = self._as("user")
        own = self.own.with_env(env)
        for values in ({"quota_mb": 9}, {"send_as": "domain"}, {"state": "suspended"}):
            with self.assertRaises(AccessError):
                own.write(values)
        with self.assertRaises(AccessError):
            env["emboux.mailbox"].create({"local_part": "x", "domain_id": self.domain.id})
        with self.assertRaises(AccessError):
            own.unlink()
        dialog = env["emboux.set.password"]
        dialog.create({"mailbox_id": own.id, "password": "my own new password"})
        self.assertTrue(self.own.has_password)
        with self.assertRaises(AccessError):
            dialog.create({"mailbox_id": self.mine.id, "password": "not my mailbox"})
        self.assertFalse(self.mine.has_password)

    def test_a_user_opens_the_own_form(self):
        env = self._as("user")
        own = self.own.with_env(env)
        views = own.get_views([(False, "form"), (False, "list"), (False, "search")])
        fields = [name for name in views["models"]["emboux.mailbox"]["fields"]
                  if name not in ("password", "message_ids")]
        self.assertEqual(own.read(fields)[0]["email"], "own@unit.example")

    def test_a_manager_works_with_the_companys(self):
        env = self._as("manager")
        self.assertIn(self.mine.with_env(env), env["emboux.mailbox"].search([]))
        mailbox = env["emboux.mailbox"].create(
            {"local_part": "new", "domain_id": self.domain.id, "catch_all": True}
        )
        mailbox.action_suspend()
        env["emboux.alias"].create(
            {"local_part": "a", "domain_id": self.domain.id, "destinations": mailbox.email}
        )
        domain = env["emboux.domain"].create({"name": "managed.example"})
        self.assertTrue(domain.dns_record_ids)
        with self.assertRaises(AccessError):
            env["emboux.dns.record"].create(
                {"domain_id": domain.id, "key": "k", "record_type": "MX", "name": "n",
                 "expected": "e", "level": "required"}
            )
        with self.assertRaises(AccessError):
            env["emboux.address"].create(
                {"email": "f@unit.example", "backend_id": self.backend.id,
                 "mailbox_id": mailbox.id}
            )
        with self.assertRaises(AccessError):
            self.backend.with_env(env).name = "x"
        with self.assertRaises(AccessError):
            self.backend.with_env(env).read(["secret"])

    def test_an_administrator_works_with_backends_but_secrets_are_for_system_users(self):
        env = self._as("admin")
        self.backend.with_env(env).name = "Renamed"
        with self.assertRaises(AccessError):
            self.backend.with_env(env).read(["secret"])
        keys = env["emboux.dkim.key"].search([])
        self.assertTrue(keys)
        with self.assertRaises(AccessError):
            keys.read(["private_key"])

    def test_fields_that_follow_are_nobodys_to_write(self):
        """A form's readonly does not bind who calls the API; defaults come by the context."""
        for role in ("manager", "admin"):
            env = self._as(role)
            records = {
                "emboux.domain": self.domain, "emboux.mailbox": self.mine,
                "emboux.alias": self.alias,
            }
            for model, record in records.items():
                for name in env[model]._collect_names("_system_fields"):
                    field = env[model]._fields[name]
                    value = {"char": "boss@theirs.example", "integer": 7, "float": 7.0,
                             "datetime": "2020-01-01 00:00:00", "date": "2020-01-01",
                             "json": ["arn"], "selection": "ok", "boolean": True}.get(field.type)
                    if field.type == "many2one":
                        value = self.env[field.comodel_name].search([], limit=1).id
                    with self.assertRaises(AccessError, msg=f"{role} {model}.{name}"):
                        record.with_env(env).write({name: value})
        env = self._as("manager")
        sneaky = env["emboux.domain"].with_context(
            default_owned_since="2020-01-01", default_state_before="verified",
            default_parent_id=self.domain.id, default_dns_state="ok",
        ).create({"name": "sneaky.example", "state": "suspended"})
        self.assertFalse(sneaky.owned_since)
        self.assertFalse(sneaky.parent_id)
        sneaky.action_activate()
        self.assertEqual(sneaky.state, "pending")
        spoof = env["emboux.mailbox"].with_context(default_email="boss@theirs.example").create(
            {"local_part": "spoof", "domain_id": self.domain.id}
        )
        self.assertEqual(spoof.email, "spoof@unit.example")
        for values in ({"company_id": self.other_company.id}, {"backend_id": False}):
            with self.assertRaises(AccessError):
                self.domain.with_env(env).write(values)

    def test_public_methods_of_a_mailbox_user(self):
        env = self._as("user")
        own, domain = self.own.with_env(env), self.domain.with_env(env)
        for call in (own.action_use_as_outgoing_tls, own.action_use_as_outgoing_starttls,
                     own.action_suspend, own.action_activate, domain.action_suspend,
                     domain.action_check_now):
            with self.assertRaises(AccessError, msg=call.__name__):
                call()
        self.assertEqual((self.own.send_as, self.own.state), ("self", "active"))
        with self.assertRaises(AccessError):
            self._as("manager")["emboux.mailbox"].browse(self.mine.id).action_use_as_outgoing_tls()
        self.assertEqual(self.mine.send_as, "self")

    def test_companies_do_not_see_each_other(self):
        theirs = {
            "domain": self.theirs_domain,
            "mailbox": self.theirs,
            "alias": self.theirs_alias,
            "dns.record": self.theirs_domain.dns_record_ids,
            "address": self.env["emboux.address"].search([("email", "like", "theirs.example")]),
            "dkim.key": self.env["emboux.dkim.key"].search(
                [("domain_id", "=", self.theirs_domain.id)]
            ),
        }
        env = self._as("admin")
        stranger = self.env(user=self.stranger)
        for name, records in theirs.items():
            model = f"emboux.{name}"
            self.assertTrue(records, model)
            self.assertFalse(records.with_env(env) & env[model].search([]), model)
            self.assertEqual(
                stranger[model].search([]), records.with_env(stranger), model
            )
            with self.assertRaises(AccessError, msg=model):
                records.with_env(env).read(["id", "create_date"] if name != "address"
                                           else ["email"])
        for record in (self.theirs_domain, self.theirs, self.theirs_alias):
            with self.assertRaises(AccessError):
                record.with_env(env).write({"active": False})
            with self.assertRaises(AccessError):
                record.with_env(env).unlink()

    def test_a_mailbox_in_another_companys_domain_is_refused(self):
        with self.assertRaises(AccessError):
            self._as("manager")["emboux.mailbox"].create(
                {"local_part": "spy", "domain_id": self.theirs_domain.id}
            )
