# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re
from datetime import timedelta
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
            "login": "nina@world.example",
        }
        self.password = "nina's long one"
        self.mail_before = self.env["mail.mail"].search([], order="id desc", limit=1).id or 0
        self.authenticate(None, None)

    def mails(self):
        """What was written to strangers: (to, subject, body)."""
        found = self.env["mail.mail"].search(
            [("id", ">", self.mail_before), ("email_to", "like", "@"),
             ("email_to", "not like", "<")], order="id")
        return [(mail.email_to, mail.subject, mail.body_html) for mail in found]

    def link(self, **values):
        """Fill in the form, and return the path of the link in the mail that comes."""
        text = self.sent(PATH, **self.good | values)
        self.assertIn("Open the link in it", text)
        [link] = re.findall(r"/email/signup/confirm/[\w-]+", self.mails()[-1][2])
        return link

    def sign_up(self, **values):
        return self.sent(self.link(**values), password=self.password)

    def test_with_ones_own_domain(self):
        counts = self._counts()
        link = self.link()
        self.assertEqual(self._counts(), counts, "nothing is made, and no name held")
        self.assertIn("hello@newcomer.example", self.text_of(self.url_open(link)))
        self.assertEqual(self._counts(), counts, "a program that follows links makes nothing")
        text = self.sent(link, password=self.password)
        self.assertIn("hello@newcomer.example has been created. Set these DNS records", text)
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
        text = self.sign_up(kind="under", name="", label="nina", parent_id=str(parent.id))
        self.assertIn("hello@nina.parent.example can send and receive at once", text)
        self.assertIn("You need not set any DNS record", text)

    def test_a_trial_begins(self):
        plan = self.plan.copy({"name": "Trial", "trial_days": 10})
        text = self.sign_up(plan_id=str(plan.id))
        self.assertIn("Trial ends on", text)
        customer = self.env["emboux.customer"].search([("plan_id", "=", plan.id)])
        self.assertEqual(customer.state, "trial")

    def test_errors_are_shown_at_their_field_and_nothing_is_created(self):
        hidden = self.hide_plan()
        counts = self._counts()
        for values, field in (
            ({"name": ""}, "name"), ({"name": "com"}, "name"), ({"name": "gmail.com"}, "name"),
            ({"name": "new\0comer.example"}, "name"),
            ({"local_part": "a b"}, "local_part"), ({"local_part": "-dash"}, "local_part"),
            ({"local_part": "a\0b"}, "local_part"),
            ({"person": ""}, "person"), ({"person": "Nina\r\nBcc: x"}, "person"),
            ({"person": "N\0"}, "person"), ({"person": "N" * 200_000}, "person"),
            ({"login": "nobody"}, "login"), ({"login": "a\0@world.example"}, "login"),
            ({"plan_id": str(hidden.id)}, "plan_id"), ({"plan_id": "x"}, "plan_id"),
        ):
            faults = self.faults(PATH, **self.good | values)
            self.assertEqual(list(faults), [field], values)
            self.assertEqual(self._counts(), counts, values)
        self.assertFalse(self.mails())
        wrong = self.good | {"login": "nobody"}
        self.assertEqual(self.kept(PATH, "person", **wrong), "Nina Newcomer")
        self.assertEqual(self.kept(PATH, "name", **wrong), "newcomer.example")
        link = self.link()
        for password in ("", "short", "nina@world.example"):
            faults = self.faults(link, password=password)
            self.assertEqual(list(faults), ["password"])
            self.assertEqual(self._counts(), counts)
        self.assertFalse(self.kept(link, "password", password="short"))

    def test_several_faults_are_said_at_once(self):
        faults = self.faults(PATH, **self.good | {"name": "", "local_part": "", "person": ""})
        self.assertEqual(set(faults), {"name", "local_part", "person"})

    def test_an_account_that_is_there_is_not_taken_over(self):
        """The page says what it says to everybody; the mail says it to whose account it is."""
        link = self.link(login="acme@mail.example")
        other = self.text_of(self.url_open("/email/signup/sent"))
        self.acme.user.login = "acme@mail.example"
        text = self.sent(PATH, **self.good | {"login": "acme@mail.example"})
        self.assertEqual(text.replace("We have sent an email to acme@mail.example. Open the link "
                                      "in it to continue. ", ""), other)
        to, subject, body = self.mails()[-1]
        self.assertEqual((to, subject), ("acme@mail.example", "You have an account already"))
        self.assertNotIn("/confirm/", body)
        faults = self.faults(link, password=self.password)
        self.assertIn("Log in instead", faults[""])

    def test_a_link_is_good_for_a_day_and_for_what_it_says(self):
        link = self.link()
        for bad in (link[:-1], f"{link}x", f"{PATH}/confirm/x", f"{PATH}/confirm/ü",
                    link.replace("/confirm/", "/confirm/AAAA")):
            self.assertIn("no longer valid", self.text_of(self.url_open(bad)), bad)
        counts = self._counts()
        with self.at_a_later_time(timedelta(hours=25)):
            self.assertIn("no longer valid", self.text_of(self.url_open(link)))
            answer = self.post(link, password=self.password)
            self.assertIn("no longer valid", self.text_of(answer))
        self.assertEqual(self._counts(), counts)
        self.sent(link, password=self.password)
        self.authenticate(None, None)
        self.assertIn("Log in instead", self.faults(link, password=self.password)[""])

    def at_a_later_time(self, delta):
        """For what looks at the clock when it reads the link."""
        import datetime as module  # noqa: PLC0415 - its class is replaced, for Odoo's tool alone

        class Later(module.datetime):
            @classmethod
            def now(cls, tz=None):
                return module.datetime.now(tz) + delta

        stand_in = type("datetime", (), {"datetime": Later, "timedelta": timedelta})
        return patch("odoo.tools.misc.datetime", stand_in)

    def test_nothing_is_looked_up_before_the_limit(self):
        """Not whether a name is free, and not who has an account."""
        parent = self.make_parent()
        self.env["ir.config_parameter"].set_param("emboux_saas.signups_per_hour", "1")
        taken = self.good | {"kind": "under", "name": "", "label": "taken",
                             "parent_id": str(parent.id)}
        self.make_domain("taken.parent.example")
        said = [self.faults(PATH, **taken) for _ in range(11)]
        self.assertEqual([list(faults) for faults in said], [["label"]] * 10 + [[""]])
        self.assertIn("Try again in an hour", said[-1][""])
        self.assertFalse(self.mails())

    def test_not_many_mails_to_one_address(self):
        self.env["ir.config_parameter"].set_param("emboux_saas.signups_per_hour", "100")
        for _ in range(5):
            self.link()
        self.assertIn("Try again tomorrow", self.faults(PATH, **self.good)[""])
        self.assertEqual(len(self.mails()), 5)

    def test_the_address_of_the_browser_is_counted_by_its_network(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("emboux_saas.signups_per_hour", "2")
        customers = self.env["emboux.customer"]
        for groups in (
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:DB8:1:2::3%eth0"),
            ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"),
        ):
            for number, address in enumerate(groups[:2]):
                customers._assert_may_sign_up(address, f"a{number}@{len(address)}.example")
            with self.assertRaisesRegex(UserError, "in an hour"):
                customers._assert_may_sign_up(groups[2], "c@x.example")
        customers._assert_may_sign_up("2001:db8:1:3::1", "d@x.example")
        customers._assert_may_sign_up("192.0.2.8", "e@x.example")

    def test_a_claim_blocks_nobody_and_reveals_nothing(self):
        """The name of somebody's domain here, and one that is not here: the same to the letter."""
        answers = []
        for name in ("rival.example", "rivao.example"):
            self.authenticate(None, None)
            text = self.sign_up(name=name, login=f"nina@{name}")
            text = re.sub(r"[0-9a-f]{32}|emboux=\S+|20\d\d-\d\d-\d\d[ \d:]*", "", text)
            text = re.sub(r"(rsa|ed25519)-\S+|p=\S+", "", text)
            answers.append(text.replace(name, "it.example"))
        self.assertEqual(*answers)

    def test_all_or_nothing(self):
        """What breaks at the last step leaves no user behind, and the words of the fault."""
        counts = self._counts()
        mailboxes = type(self.env["emboux.mailbox"])
        refuse = {"side_effect": UserError(REFUSAL)}
        link = self.link()
        with patch.object(mailboxes, "_assert_within_limits", **refuse):
            faults = self.faults(link, password=self.password)
        self.assertIn(REFUSAL, faults[""])
        self.assertEqual(self._counts(), counts)

    def test_not_many_times_in_an_hour(self):
        self.env["ir.config_parameter"].set_param("emboux_saas.signups_per_hour", "1")
        self.sent(PATH, **self.good)
        self.authenticate(None, None)
        faults = self.faults(PATH, **self.good | {"name": "two.example",
                                                  "login": "two@world.example"})
        self.assertIn("Try again in an hour", faults[""])

    def test_a_customer_is_sent_to_the_portal(self):
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
