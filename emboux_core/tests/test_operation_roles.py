# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .remote_case import CUT, RemoteCase


@tagged("post_install", "-at_install")
class TestOperationRoles(RemoteCase):
    """Who sees pending changes, and that nobody writes them."""

    def setUp(self):
        super().setUp()
        self.company = self.env["res.company"].create({"name": "Other Company"})
        self.users = {
            role: new_test_user(self.env, f"way.{role}", groups=f"emboux_core.group_{role}")
            for role in ("user", "manager", "admin")
        }
        self.stranger = new_test_user(
            self.env, "way.stranger", groups="emboux_core.group_manager",
            company_id=self.company.id, company_ids=[(6, 0, self.company.ids)],
        )
        self.domain = self.make_domain()
        self.far.faults["*"] = CUT
        self.mailbox = self.make_mailbox(self.domain, user_id=self.users["user"].id)
        self.row = self.open_operations()

    def test_a_manager_reads_and_tries_but_does_not_write(self):
        for role in ("manager", "admin"):
            row = self.row.with_user(self.users[role])
            self.assertEqual(row.read(["key"])[0]["key"], "ann@far.example")
            for call in (
                lambda row=row: row.write({"state": "done"}),
                lambda row=row: row.unlink(),
                lambda row=row: row.copy(),
            ):
                with self.assertRaises(AccessError):
                    call()
            self.assertEqual(row.action_try_now()["params"]["type"], "warning")
            self.assertEqual(row.action_open_record()["res_id"], self.mailbox.id)
        self.far.faults.clear()
        self.mailbox.with_user(self.users["manager"]).action_try_now()
        self.assert_done(self.mailbox)

    def test_a_mailbox_user_sees_the_banner_and_no_operations(self):
        env = self.env(user=self.users["user"])
        self.assertEqual(self.mailbox.with_env(env).sync_state, "pending")
        with self.assertRaises(AccessError):
            env["emboux.operation"].search([])
        with self.assertRaises(AccessError):
            self.mailbox.with_env(env).action_try_now()
        with self.assertRaises(AccessError):
            self.row.with_env(env).action_try_now()
        with self.assertRaises(AccessError):
            self.row.with_env(env).action_open_record()

    def test_a_mailbox_user_sets_a_password_while_the_platform_is_down(self):
        env = self.env(user=self.users["user"])
        dialog = env["emboux.set.password"]
        dialog.create({"mailbox_id": self.mailbox.id, "password": "my own new password"})
        self.commit()
        self.assertTrue(self.open_operations().with_password)
        self.far.faults.clear()
        self.later(minutes=2)
        self.run_cron()
        told = self.far._mailboxes["ann@far.example"]
        self.assertEqual(told.password_hash, self.mailbox.sudo().password_hash)

    def test_companies_do_not_see_each_other(self):
        row = self.row.with_user(self.stranger)
        self.assertFalse(row.search([]))
        for call in (row.action_try_now, row.action_open_record, lambda: row.read(["key"])):
            with self.assertRaises(AccessError):
                call()
        backend = self.backend.with_user(self.stranger)
        self.assertEqual(backend.operation_count, 0)
        self.env.invalidate_all()  # as another request
        self.assertEqual(self.backend.with_user(self.users["manager"]).operation_count, 1)

    def test_the_outcome_is_nobodys_to_write(self):
        alias = self.make_alias(self.domain)
        for role in ("manager", "admin"):
            for record in (self.domain, self.mailbox, alias):
                for values in (
                    {"sync_state": "done"},
                    {"sync_message": "all is well"},
                    {"sync_next_try": "2020-01-01 00:00:00"},
                    {"sync_state": "done", "active": False},
                ):
                    with self.assertRaises(AccessError, msg=f"{role} {record} {values}"):
                        record.with_user(self.users[role]).write(values)

    def test_defaults_in_the_context_change_no_outcome(self):
        sneaky = {"default_sync_state": "refused", "default_sync_message": "x"}
        mailbox = self.mailbox.with_user(self.users["manager"]).with_context(**sneaky).create(
            {"local_part": "bob", "domain_id": self.domain.id}
        )
        self.commit()
        self.assertEqual(mailbox.sync_state, "pending")
        self.assertNotEqual(mailbox.sync_message, "x")
        self.far.faults.clear()
        elsewhere = self.make_domain("b.example", self.other)
        seen = []
        self.further.during = lambda: seen.append(self.operation("c@b.example").state)
        alias = self.env["emboux.alias"].with_user(self.users["manager"]).with_context(
            **sneaky, default_state="done", default_verb="delete", default_with_password=True
        ).create({"local_part": "c", "domain_id": elsewhere.id,
                  "destinations": "x@elsewhere.example"})
        self.commit()
        self.assertEqual(seen, ["pending"], "known before the call is made")
        self.assertEqual(alias.sync_state, "done")
        self.assertIn("c@b.example", self.further._aliases)
        row = self.operation("c@b.example")
        self.assertEqual((row.verb, row.with_password), ("ensure", False))
        self.further.during = lambda: seen.append(self.operation("c@b.example")[0].state)
        # only the step to superuser cleans a context, not what is called after it
        alias.sudo().with_context(default_state="done").write(
            {"destinations": "y@elsewhere.example"}
        )
        self.assertEqual(seen, ["pending"] * 2)

    def test_a_copy_begins_anew(self):
        self.assertFalse(self.mailbox.copy_data()[0].keys() & {"sync_state", "sync_message"})
