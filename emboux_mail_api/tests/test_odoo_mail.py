# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import file_open

from odoo.addons.base.models.ir_mail_server import IrMail_Server, MailDeliveryException
from odoo.addons.emboux_core import uninstall_hook
from odoo.addons.emboux_core.backends.base import Room
from odoo.addons.emboux_core.models.odoo_mail import TEST_PATIENCE
from odoo.addons.emboux_core.net.errors import Unreachable

from ..backends.local import LocalBackend
from .odoo_mail_case import OdooMailCase


@tagged("post_install", "-at_install")
class TestOdooMail(OdooMailCase):
    """What each step writes, and that undo leaves nothing; real mail goes in ``tests/``."""

    def states(self, setup):
        return {step.kind: step.state for step in setup.step_ids}

    def traces(self):
        """All that a setup may change, to be compared."""
        self.env.flush_all()
        self.env.invalidate_all()
        env = self.env(su=True)
        archived = {"active_test": False}
        return {
            "servers": env["ir.mail_server"].with_context(**archived).search([]).ids,
            "incoming": env["fetchmail.server"].with_context(**archived).search([]).ids,
            "alias domains": env["mail.alias.domain"].search([]).ids,
            "companies": [(c.id, c.alias_domain_id.id) for c in env["res.company"].search([])],
            "aliases": [(a.id, a.alias_full_name) for a in env["mail.alias"].search([])],
            "addresses": sorted(env["emboux.address"].search([]).mapped("email")),
            "allowed": env["ir.config_parameter"].get_param("mail.catchall.domain.allowed"),
        }

    def test_it_shows_what_it_will_do_and_does_nothing_yet(self):
        before = self.traces()
        setup = self.start()
        self.assertEqual(set(self.states(setup).values()), {"planned"})
        self.assertTrue(all(step.found and step.plan for step in setup.step_ids))
        self.assertEqual(self.traces(), before)

    def test_all_steps(self):
        setup = self.apply()
        self.assertEqual(setup.state, "done", setup.step_ids.mapped("outcome"))
        self.assertEqual(self.company.alias_domain_id.name, "unit.example")
        self.assertEqual(self.company.catchall_email, "catchall@unit.example")
        self.assertEqual(self.company.default_from_email, "notifications@unit.example")
        self.assertEqual(setup.server_id.smtp_user, "odoo@unit.example")
        self.assertEqual(setup.server_id.from_filter, "unit.example")
        self.assertTrue(setup.mailbox_id.sudo().push_secret)
        self.assertFalse(setup.fetchmail_id, "pushed mail need not be fetched")
        aliases = self.env["emboux.alias"].search([("domain_id", "=", self.domain.id)])
        self.assertLessEqual({"bounce", "catchall", "notifications"},
                             set(aliases.mapped("local_part")))
        self.assertEqual(set(aliases.mapped("destinations")), {"odoo@unit.example"})

    def test_undo_leaves_all_as_it_was(self):
        self.env["ir.config_parameter"].set_param("mail.catchall.domain.allowed", "other.example")
        before = self.traces()
        setup = self.apply()
        self.assertNotEqual(self.traces(), before)
        setup.action_undo()
        self.assertEqual(self.traces(), before)
        self.assertEqual(set(self.states(setup).values()), {"undone"})

    def test_odoo_takes_mail_for_the_domain_beside_those_that_it_took(self):
        allowed = "mail.catchall.domain.allowed"
        self.env["ir.config_parameter"].set_param(allowed, "one.example, two.example")
        setup = self.start()
        step = self.step(setup, "allowed")
        self.assertEqual(step.found, "Odoo takes mail for one.example, two.example only.")
        setup.action_apply()
        self.env.invalidate_all()
        self.assertEqual((step.state, step.outcome), ("done", "unit.example is added."))
        self.assertEqual(self.env["ir.config_parameter"].get_param(allowed),
                         "one.example,two.example,unit.example")
        setup.action_undo()
        self.env["ir.config_parameter"].set_param(allowed, False)
        setup.action_apply()
        self.env.invalidate_all()
        self.assertEqual((step.state, step.outcome),
                         ("kept", "Odoo takes mail for unit.example."))
        self.assertFalse(self.env["ir.config_parameter"].get_param(allowed), "it takes all")

    def test_uninstalling_leaves_all_as_it_was(self):
        before = self.traces()
        self.apply()
        uninstall_hook(self.env)
        self.assertEqual(self.traces(), before)

    def test_a_copy_for_staging_takes_no_mail_and_sends_none(self):
        setup = self.apply()
        self.env.flush_all()
        for module in ("base", "mail", "emboux_core"):
            with file_open(f"{module}/data/neutralize.sql") as script:
                self.env.cr.execute(script.read())
        self.env.invalidate_all()
        self.assertFalse(setup.mailbox_id.sudo().push_secret)
        self.assertFalse(setup.server_id.active)

    def test_an_alias_domain_of_before_comes_back(self):
        former = self.env["mail.alias.domain"].create({"name": "former.example"})
        self.company.alias_domain_id = former
        before = self.traces()
        setup = self.apply()
        self.assertNotEqual(self.company.alias_domain_id, former)
        setup.action_undo()
        self.assertEqual(self.traces(), before)

    def test_where_nothing_can_be_pushed_mail_is_fetched(self):
        self.startPatcher(patch.object(LocalBackend, "pushes", False))
        setup = self.apply()
        self.assertEqual(setup.state, "done", setup.step_ids.mapped("outcome"))
        self.assertFalse(setup.mailbox_id.sudo().push_secret)
        self.assertEqual(setup.fetchmail_id.user, "odoo@unit.example")

    def test_a_step_that_fails_says_why_and_can_be_done_later(self):
        refusal = self.startPatcher(patch.object(
            type(self.env["emboux.mailbox"]), "_start_push", side_effect=UserError("Not today.")))
        imap, self.backend.imap_host = self.backend.imap_host, False
        self.env.flush_all()
        setup = self.apply()
        self.assertEqual(setup.state, "partly")
        self.assertEqual(self.states(setup)["incoming"], "failed")
        outcome = setup.step_ids.filtered(lambda s: s.kind == "incoming").outcome
        self.assertEqual(outcome, "Not today.")
        self.backend.imap_host = imap
        refusal.side_effect = None
        self.env.flush_all()
        setup.action_apply()
        self.env.invalidate_all()
        self.assertEqual(setup.state, "done")
        self.assertEqual(len(self.domain.mailbox_ids), 1, "nothing is done twice")

    def test_each_step_is_undone_and_done_again_by_itself(self):
        """In the order of the list no step is in the way of another."""
        before = self.traces()
        setup = self.apply()
        after = self.traces()
        for step in setup.step_ids.sorted(reverse=True).filtered(lambda s: s.state == "done"):
            step.action_undo()
            self.env.invalidate_all()
            self.assertEqual(step.state, "undone", step.outcome)
        self.assertEqual(self.traces(), before)
        for step in setup.step_ids.sorted().filtered(lambda s: s.state == "undone"):
            step.action_apply()
            self.env.invalidate_all()
            self.assertEqual(step.state, "done", step.outcome)
        self.assertEqual(setup.state, "done")
        self.assertEqual({**self.traces(), "servers": 0, "alias domains": 0, "companies": 0},
                         {**after, "servers": 0, "alias domains": 0, "companies": 0})

    def step(self, setup, kind):
        return setup.step_ids.filtered(lambda step: step.kind == kind)

    def test_what_others_build_on_is_undone_last(self):
        setup = self.apply()
        with self.assertRaisesRegex(UserError, "“Outgoing mail server”.*need it. Undo them first"):
            self.step(setup, "mailbox").action_undo()
        self.assertEqual(setup.state, "done", "nothing has happened")
        setup.action_undo()
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "builds on “Odoo's mailbox”. Do that first"):
            self.step(setup, "outgoing").action_apply()

    def test_a_mailbox_with_mail_is_kept_and_comes_back(self):
        setup = self.apply()
        mailbox = setup.mailbox_id
        with patch.object(type(mailbox), "message_total", 3):
            setup.action_undo()
            self.env.invalidate_all()
        self.assertFalse(mailbox.active)
        self.assertIn("is archived, with the mail in it", self.step(setup, "mailbox").outcome)
        again = self.apply()
        self.assertEqual(again.state, "done", again.step_ids.mapped("outcome"))
        self.assertEqual((again, again.mailbox_id), (setup, mailbox))
        self.assertTrue(mailbox.active)

    # -- the test mail

    def send_test(self, **answer):
        setup = self.apply()
        with patch.object(IrMail_Server, "send_email", autospec=True, **answer) as sent:
            setup.action_test()
        self.env.invalidate_all()
        return setup, sent.call_args.args[1]

    def test_a_test_mail_that_does_not_leave_says_why(self):
        refused = MailDeliveryException("Not sent", "550 5.7.1 Not today")
        setup, _mail = self.send_test(side_effect=refused)
        self.assertEqual(setup.test_state, "failed")
        self.assertEqual(setup.test_outcome, "It did not leave: 550 5.7.1 Not today")

    def give_up(self, setup):
        setup.test_at -= TEST_PATIENCE
        self.look_at_tests()

    def look_at_tests(self):
        self.env.flush_all()
        self.env.ref("emboux_core.ir_cron_end_mail_tests").method_direct_trigger()
        self.env.invalidate_all()

    def test_a_test_mail_that_does_not_come_back_says_so_until_it_does(self):
        setup, mail = self.send_test(return_value="<one@unit.example>")
        self.assertEqual(setup.test_state, "sent")
        self.look_at_tests()
        self.assertEqual(setup.test_state, "sent", "it is too early to say")
        self.give_up(setup)
        self.assertEqual(setup.test_state, "failed")
        self.assertIn("did not come back within 5 minutes. Check that the MX", setup.test_outcome)
        mail.replace_header("From", "notifications@unit.example")
        self.env["mail.thread"].message_process(None, mail.as_bytes())
        self.env.invalidate_all()
        self.assertEqual(setup.test_state, "arrived")

    def test_the_message_log_tells_what_became_of_the_test_mail(self):
        setup, _mail = self.send_test(return_value="<two@unit.example>")
        self.log_message(self.domain, message_id="two@unit.example", status="delayed",
                         answer="451 4.3.0 Odoo is away")
        self.give_up(setup)
        self.assertIn("The message log says: Delayed: 451 4.3.0 Odoo is away.",
                      setup.test_outcome)

    def test_a_test_mail_is_fetched_soon_where_mail_is_fetched(self):
        self.startPatcher(patch.object(LocalBackend, "pushes", False))
        triggers = self.env["ir.cron.trigger"].search_count
        job = [("cron_id", "=", self.env.ref("mail.ir_cron_mail_gateway_action").id)]
        before = triggers(job)
        self.send_test(return_value="<three@unit.example>")
        self.assertEqual(triggers(job), before + 3)

    def test_addresses_that_are_taken_are_avoided(self):
        self.make_mailbox("catchall")
        self.make_mailbox("odoo")
        setup = self.apply()
        self.assertEqual(setup.state, "done", setup.step_ids.mapped("outcome"))
        self.assertEqual(self.company.catchall_email, "odoo-catchall@unit.example")
        self.assertEqual(setup.mailbox_id.email, "odoo-mail@unit.example")

    def test_aliases_of_documents_have_addresses_of_their_own(self):
        self.apply()
        model = self.env["ir.model"]._get_id("res.partner")
        alias = self.env["mail.alias"].create({"alias_name": "service", "alias_model_id": model})
        self.assertEqual(self.addresses("service", "dienst"), {"service": "odoo@unit.example"})
        alias.alias_name = "dienst"
        self.assertEqual(self.addresses("service", "dienst"), {"dienst": "odoo@unit.example"})
        alias.alias_name = False
        self.assertFalse(self.addresses("service", "dienst"))
        alias.alias_name = "service"
        alias.unlink()
        self.assertFalse(self.addresses("service", "dienst"))

    def addresses(self, *local_parts):
        found = self.env["emboux.alias"].search([("local_part", "in", local_parts)])
        return {alias.local_part: alias.destinations for alias in found}

    def test_an_alias_whose_address_is_a_mailbox_is_refused_with_both_named(self):
        self.apply()
        self.make_mailbox("service", name="Ann Service")
        model = self.env["ir.model"]._get_id("res.partner")
        with self.assertRaisesRegex(UserError, "service@unit.example.*mailbox Ann Service"):
            self.env["mail.alias"].create({"alias_name": "service", "alias_model_id": model})

    def test_one_company_does_not_get_anothers_alias_domain(self):
        other = self.env["res.company"].create({"name": "Other"})
        other.alias_domain_id = False
        self.env["mail.alias.domain"].search([]).unlink()
        self.apply()
        self.assertFalse(other.alias_domain_id)

    def test_aliases_of_another_companys_documents_stay_with_it(self):
        other = self.env["res.company"].create({"name": "Other"})
        other.alias_domain_id = False
        model = self.env["ir.model"]._get_id("res.partner")
        theirs = self.env["res.partner"].create({"name": "Theirs", "company_id": other.id})
        ours = theirs.copy({"company_id": self.company.id})
        parent = {"alias_model_id": model, "alias_parent_model_id": model}
        aliases = self.env["mail.alias"].create([
            {**parent, "alias_name": "theirs", "alias_parent_thread_id": theirs.id},
            {**parent, "alias_name": "ours", "alias_parent_thread_id": ours.id},
        ])
        aliases.alias_domain_id = False
        setup = self.apply()
        self.assertEqual(setup.state, "done", setup.step_ids.mapped("outcome"))
        self.assertEqual(aliases.mapped("alias_domain_id.name"), ["unit.example"])
        self.assertFalse(aliases[0].alias_domain_id)

    def test_users_of_other_domains_are_listed(self):
        user = self.env["res.users"].create(
            {"name": "Out", "login": "out", "email": "out@elsewhere.example"}
        )
        setup = self.start()
        self.assertIn((user, "out@elsewhere.example"), setup._senders_outside())
        self.assertIn("Create a mailbox for them", setup.outside_note)
        user.email = "out@unit.example"
        setup.invalidate_recordset()
        self.assertNotIn(user, [record for record, _address in setup._senders_outside()])

    def test_the_company_and_templates_of_other_domains_are_listed(self):
        self.company.email = "info@elsewhere.example"
        model = self.env["ir.model"]._get_id("res.partner")
        fixed, free = self.env["mail.template"].create([
            {"name": "Fixed", "model_id": model, "email_from": "Shop <shop@elsewhere.example>"},
            {"name": "Free", "model_id": model, "email_from": "{{ user.email_formatted }}"},
        ])
        setup = self.start()
        senders = dict(setup._senders_outside())
        self.assertEqual(senders.get(self.company), "info@elsewhere.example")
        self.assertEqual(senders.get(fixed), "Shop <shop@elsewhere.example>")
        self.assertNotIn(free, senders)
        self.assertIn("Use an address of unit.example", setup.outside_note)
        self.assertIn("Empty its From", setup.outside_note)

    def make_server(self, name, from_filter, **values):
        return self.env["ir.mail_server"].create(
            {"name": name, "smtp_host": f"{name}.example", "from_filter": from_filter, **values})

    def test_servers_that_do_not_send_as_expected_are_listed(self):
        any_ = self.make_server("any", False)
        ours = self.make_server("ours", "else.example, shop@unit.example")
        theirs = self.make_server("theirs", "else.example")
        setup = self.apply()
        listed = dict(setup._senders_outside())
        self.assertEqual(listed.get(any_), "any address")
        self.assertEqual(listed.get(ours), "shop@unit.example")
        self.assertNotIn(theirs, listed)
        self.assertNotIn(setup.server_id, listed)
        for words in ("Odoo no longer uses it", "leaves by this server instead"):
            self.assertIn(words, setup.outside_note)
        choose = self.env["ir.mail_server"]._find_mail_server
        self.assertEqual(choose("shop@unit.example")[0], ours, "as the list says")
        self.assertEqual(choose("who@nowhere.example")[0], setup.server_id)

    def test_a_server_of_another_company_sends_for_nobody_here(self):
        user = self.env["res.users"].create(
            {"name": "Out", "login": "out", "email": "out@second.example"})
        other = self.env["res.company"].create({"name": "Other"})
        second = self.make_domain("second.example", company_id=other.id, state="verified")
        server = self.make_server("second", "second.example")
        setup = self.start()
        self.assertNotIn(user, dict(setup._senders_outside()))
        server.emboux_mailbox_id = self.make_mailbox("odoo", second)
        self.assertIn(user, dict(setup._senders_outside()))
        self.env.flush_all()
        self.env.invalidate_all()
        theirs_alone = new_test_user(
            self.env, "founder", groups="base.group_system,emboux_core.group_admin")
        self.assertIn(user, dict(setup.with_user(theirs_alone)._senders_outside()))

    def test_it_sends_before_other_servers_of_the_same_domain(self):
        former = self.make_server("former", "unit.example", sequence=1)
        choose = self.env["ir.mail_server"]._find_mail_server
        self.assertEqual(choose("ann@unit.example")[0], former)
        setup = self.apply()
        self.assertEqual(choose("ann@unit.example")[0], setup.server_id)
        setup.action_undo()
        self.assertEqual(choose("ann@unit.example")[0], former)

    def test_a_domain_that_is_not_verified_is_refused(self):
        setup = self.start(self.make_domain("late.example"))
        with self.assertRaisesRegex(UserError, "not verified yet"):
            setup.action_apply()

    def test_a_customers_domain_is_refused(self):
        owner = self.env["res.partner"].create({"name": "A customer"})
        theirs = self.make_domain("theirs.example", state="verified", partner_id=owner.id)
        with self.assertRaisesRegex(UserError, "belongs to A customer"):
            self.start(theirs)

    def test_a_second_domain_waits_for_the_first(self):
        self.apply()
        with self.assertRaisesRegex(UserError, "Undo that first"):
            self.start(self.make_domain("second.example", state="verified"))

    # -- within what the domain may send

    def send(self, mails):
        """What leaves, as numbers of mails."""
        sent = []
        self.patch(type(mails), "_split_by_delayed_batch", lambda mails, _server: mails)
        with patch.object(IrMail_Server, "_connect__"), patch.object(
            type(mails), "_send", lambda mails, **_more: sent.extend(mails.ids)
        ):
            mails.send()
        return sent

    def test_what_is_beyond_the_limit_stays_in_the_queue(self):
        self.apply()
        self.domain.write({"outbound_daily_limit": 20, "outbound_hourly_fraction": 1.0})
        mails = self.queued(25)
        self.assertEqual(self.send(mails), mails[:20].ids, "the oldest leave")
        late = mails[20:]
        self.assertEqual(set(late.mapped("state")), {"outgoing"})
        self.assertEqual(set(late.mapped("waits_for_room")), {True})
        self.assertTrue(all(late.mapped("scheduled_date")))
        [again] = set(late.mapped("scheduled_date"))
        queue = self.env.ref("mail.ir_cron_mail_scheduler_action")
        self.assertTrue(self.env["ir.cron.trigger"].search_count(
            [("cron_id", "=", queue.id), ("call_at", "=", again)]), "they leave by themselves")
        self.domain.outbound_daily_limit = 1000
        self.assertEqual(self.send(late), late.ids)

    def test_a_batch_asks_once(self):
        setup = self.apply()
        mails = self.queued(25)
        with patch.object(
            type(setup.mailbox_id), "_room_to_send", return_value=Room(15)
        ) as asked:
            self.assertEqual(self.send(mails), mails[:15].ids)
        asked.assert_called_once_with()

    def test_who_writes_to_many_is_told_how_long_it_takes(self):
        self.apply()
        self.domain.write({"outbound_daily_limit": 20, "outbound_hourly_fraction": 1.0})
        partners = self.env["res.partner"].create(
            [{"name": f"P{n}", "email": f"p{n}@else.example"} for n in range(65)])

        def note(many):
            return self.env["mail.compose.message"].with_context(
                active_ids=many.ids, default_composition_mode="mass_mail",
                default_model="res.partner",
            ).create({"subject": "News", "body": "Hello"}).emboux_room_note

        self.assertFalse(note(partners[:20]))
        self.assertIn("21 emails take about 2 days: unit.example may send 20 more now",
                      note(partners[:21]))
        self.assertIn("about 3 days", note(partners[:60]))
        self.assertIn("about 4 days", note(partners))
        self.domain.outbound_daily_limit = 0
        self.assertFalse(note(partners))

    def test_a_few_mails_ask_nobody(self):
        setup = self.apply()
        with patch.object(type(setup.mailbox_id), "_room_to_send") as asked:
            mails = self.queued(3)
            self.assertEqual(self.send(mails), mails.ids)
        asked.assert_not_called()

    def test_where_nobody_knows_all_is_tried(self):
        setup = self.apply()
        with patch.object(
            type(setup.mailbox_id.backend_id._client()), "room_to_send",
            side_effect=Unreachable("away"),
        ), self.assertLogs("odoo.addons.emboux_core.models.mailbox_odoo", "WARNING"):
            mails = self.queued(12)
            self.assertEqual(self.send(mails), mails.ids)

    def test_one_mail_to_more_than_a_day_allows_does_not_wait_for_ever(self):
        self.apply()
        self.domain.write({"outbound_daily_limit": 10, "outbound_hourly_fraction": 1.0})
        many = self.queued(1)
        many.email_to = ",".join(f"d{n}@else.example" for n in range(30))
        self.assertEqual(self.send(many), many.ids)

    def test_the_next_step_until_a_companys_mail_goes_by_its_domain(self):
        company = self.env["res.company"].create({"name": "A new company"})
        self.env.user.company_ids += company
        setups = self.env["emboux.odoo.mail"].with_company(company)
        backends = self.env["emboux.backend"].search([])
        backends.active = False
        action = setups.action_set_up_company()
        self.assertEqual((action["res_model"], action["res_id"]), ("emboux.backend", False))
        self.backend.active = True
        self.backend.sudo().state = "error"
        self.assertEqual(setups.action_set_up_company()["res_id"], self.backend.id)
        other = self.env["emboux.backend"].create(
            {"name": "Elsewhere", "kind": "emboux", "url": "https://platform.example",
             "company_id": self.env.company.id})
        self.assertEqual(setups.action_set_up_company()["res_id"], self.backend.id, "not another's")
        other.company_id = company
        self.assertEqual(setups.action_set_up_company()["domain"],
                         [("id", "in", (self.backend + other).ids)])
        other.sudo().state = "connected"
        action = setups.action_set_up_company()
        self.assertEqual((action["res_model"], action["res_id"]), ("emboux.domain", False))
        domain = self.make_domain("first.example", company_id=company.id)
        self.assertEqual(setups.action_set_up_company()["res_id"], domain.id)
        self.make_domain("sold.example", company_id=company.id, state="verified",
                         partner_id=self.env["res.partner"].create({"name": "A customer"}).id)
        self.assertEqual(setups.action_set_up_company()["res_id"], domain.id)
        other = self.make_domain("second.example", company_id=company.id)
        self.assertEqual(setups.action_set_up_company()["domain"],
                         [("id", "in", (domain + other).ids)])
        other.state = "verified"
        action = setups.action_set_up_company()
        self.assertEqual(action["res_model"], "emboux.odoo.mail")
        self.assertEqual(setups.browse(action["res_id"]).domain_id, other)
        domain.state = "verified"
        self.assertEqual(setups.action_set_up_company(), action, "it is begun with the other")
        setup = setups.browse(action["res_id"])
        setup.step_ids.write({"state": "undone", "plan": "of long ago"})
        setups.action_set_up_company()
        self.assertEqual(set(setup.step_ids.mapped("state")), {"planned"})

    def test_only_system_administrators(self):
        user = self.env["res.users"].create(
            {"name": "Manager", "login": "manager@unit.example",
             "group_ids": [(4, self.env.ref("emboux_core.group_manager").id)]}
        )
        with self.assertRaises(AccessError):
            self.domain.with_user(user).action_use_for_odoo()
