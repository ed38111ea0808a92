from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged

from odoo.addons.emboux_core.dns.judge import Verdict
from odoo.addons.emboux_core.dns.lookup import DomainCheck

from .portal_case import PortalCase

PATH = "/email/signup"
REFUSAL = "not today"


@tagged("post_install", "-at_install")
class TestPortalSignup(PortalCase):
    """From a stranger to a customer."""

    def setUp(self):
        super().setUp()
        self.good = {
            "plan_id": str(self.plan.id), "kind": "own", "name": "newcomer.example", "label": "",
            "parent_id": "", "local_part": "hello", "person": "Nina Newcomer",
            "login": "nina@world.example", "password": "nina's long one",
        }
        self.authenticate(None, None)

    def test_with_ones_own_domain(self):
        text = self.sent(PATH, **self.good)
        self.assertIn("hello@newcomer.example is made. Set these DNS records", text)
        self.assertIn("_emboux.newcomer.example", text)
        user = self.env["res.users"].search([("login", "=", "nina@world.example")])
        domain = self.env["emboux.domain"].search([("name", "=", "newcomer.example")])
        self.assertTrue(user.has_group("emboux_mail_api.group_customer"))
        self.assertTrue(user._is_portal())
        self.assertEqual(user.sudo().emboux_partner_id, domain.partner_id)
        self.assertEqual((domain.state, domain.mailbox_ids.email, domain.mailbox_ids.has_password),
                         ("pending", "hello@newcomer.example", True))
        customer = self.env["emboux.customer"].search([("partner_id", "=", domain.partner_id.id)])
        self.assertEqual((customer.plan_id, customer.domain_limit, customer.domains_used),
                         (self.plan, 3, 1))

    def test_with_a_name_of_the_operators(self):
        parent = self.make_parent()
        self.startPatcher(patch.object(
            self.env.registry["emboux.domain"], "_look_up",
            lambda domains, _deadline: {
                domain.id: DomainCheck(domain.name, tuple(
                    Verdict(record.key, "ok") for record in domain.dns_record_ids))
                for domain in domains
            }))
        text = self.sent(PATH, **self.good | {"kind": "under", "name": "", "label": "nina",
                                              "parent_id": str(parent.id)})
        self.assertIn("hello@nina.parent.example can send and receive at once", text)
        self.assertIn("You need not set any DNS record", text)

    def test_a_trial_begins(self):
        plan = self.plan.copy({"name": "Trial", "trial_days": 10})
        text = self.sent(PATH, **self.good | {"plan_id": str(plan.id)})
        self.assertIn("You are trying us until", text)
        customer = self.env["emboux.customer"].search([("plan_id", "=", plan.id)])
        self.assertEqual(customer.state, "trial")

    def test_what_is_wrong_is_said_at_its_field_and_nothing_is_made(self):
        hidden = self.hide_plan()
        counts = self._counts()
        for values, field in (
            ({"name": ""}, "name"), ({"name": "rival.example"}, "name"),
            ({"name": "com"}, "name"), ({"local_part": "a b"}, "local_part"),
            ({"person": ""}, "person"), ({"login": "nobody"}, "login"),
            ({"password": "short"}, "password"), ({"plan_id": str(hidden.id)}, "plan_id"),
            ({"plan_id": "x"}, "plan_id"),
        ):
            faults = self.faults(PATH, **self.good | values)
            self.assertEqual(list(faults), [field], values)
            self.assertEqual(self._counts(), counts, values)
        wrong = self.good | {"password": "short"}
        self.assertEqual(self.kept(PATH, "person", **wrong), "Nina Newcomer")
        self.assertEqual(self.kept(PATH, "name", **wrong), "newcomer.example")
        self.assertFalse(self.kept(PATH, "password", **wrong))

    def test_several_faults_are_said_at_once(self):
        faults = self.faults(PATH, **self.good | {"name": "", "password": "", "person": ""})
        self.assertEqual(set(faults), {"name", "password", "person"})

    def test_an_account_that_is_there_is_not_taken_over(self):
        self.acme.user.login = "acme@mail.example"
        faults = self.faults(PATH, **self.good | {"login": "acme@mail.example"})
        self.assertIn("Log in instead", faults["login"])

    def test_all_or_nothing(self):
        """What breaks at the last step leaves no user behind, and the words of the fault."""
        counts = self._counts()
        mailboxes = type(self.env["emboux.mailbox"])
        refuse = {"side_effect": UserError(REFUSAL)}
        with patch.object(mailboxes, "_assert_within_limits", **refuse):
            faults = self.faults(PATH, **self.good)
        self.assertIn(REFUSAL, faults["name"])
        self.assertEqual(self._counts(), counts)

    def test_not_many_times_in_an_hour(self):
        self.env["ir.config_parameter"].set_param("emboux_saas.signups_per_hour", "1")
        self.sent(PATH, **self.good)
        self.authenticate(None, None)
        faults = self.faults(PATH, **self.good | {"name": "two.example",
                                                  "login": "two@world.example"})
        self.assertIn("Try again in an hour", faults[""])

    def test_who_is_a_customer_goes_to_his_pages(self):
        self.log_in(self.acme)
        answer = self.url_open(PATH, allow_redirects=False)
        self.assertEqual((answer.status_code, answer.headers["Location"][-9:]), (303, "/my/email"))

    def test_without_a_plan_to_choose_there_is_no_sign_up(self):
        self.env["emboux.plan"].search([]).is_public = False
        self.assertEqual(self.url_open(PATH).status_code, 404)
        self.assertNotIn(PATH, self.url_open("/web/login").text)

    def test_the_log_in_leads_here(self):
        self.assertIn(PATH, self.url_open("/web/login").text)

    def _counts(self):
        self.env.flush_all()
        return [
            self.env[model].sudo().with_context(active_test=False).search_count([])
            for model in ("res.users", "res.partner", "emboux.customer", "emboux.domain",
                          "emboux.mailbox")
        ]
