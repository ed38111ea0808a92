# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest import mock

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from odoo.addons.emboux_core.dns.judge import Verdict
from odoo.addons.emboux_core.dns.lookup import DomainCheck
from odoo.addons.emboux_mail_api import keys

from .portal_case import PortalCase


@tagged("post_install", "-at_install")
class TestPortalForms(PortalCase):
    """What customers do, and what they are told when it is refused."""

    def setUp(self):
        super().setUp()
        self.log_in(self.acme)
        self.at = f"/my/email/domains/{self.acme.domain.id}"
        self.box = f"/my/email/mailboxes/{self.acme.mailbox.id}"

    def test_no_form_is_taken_without_its_token(self):
        answer = self.url_open(f"{self.box}/delete", data={"x": "1"}, allow_redirects=False)
        self.assertEqual(answer.status_code, 400)
        self.assertTrue(self.acme.mailbox.exists())

    # -- domains ---------------------------------------------------------------------------

    def test_adding_ones_own_domain(self):
        text = self.sent("/my/email/domains/new", kind="own", name="Bücher-Acme.example")
        self.assertIn("bücher-acme.example was added", text)
        domain = self.env["emboux.domain"].search([("unicode_name", "=", "bücher-acme.example")])
        self.assertEqual((domain.partner_id, domain.state), (self.acme.partner, "pending"))
        self.assertEqual(domain.transfer_limit, self.plan.transfer_limit_gb * 10**9)

    def look(self, state):
        """What the DNS says of each record from now on."""
        self.startPatcher(mock.patch.object(
            self.env.registry["emboux.domain"], "_look_up",
            lambda domains, _deadline: {
                domain.id: DomainCheck(domain.name, tuple(
                    Verdict(record.key, state) for record in domain.dns_record_ids))
                for domain in domains
            }))

    def test_a_name_under_a_parent_is_not_ready_before_mail_to_it_arrives(self):
        parent = self.make_parent()
        for label, state in (("lost", "missing"), ("dark", "unknown")):
            self.look(state)
            text = self.sent("/my/email/domains/new", kind="under", label=label,
                             parent_id=str(parent.id))
            self.assertIn("Sends, cannot receive yet", text)
            self.assertNotIn("is ready", text)
            self.assertNotIn("You need not set any DNS record", text)
            self.assertNotIn("Create this record", text)
            self.assertNotIn("_imaps._tcp", text, "they cannot set it, and do without")

    def test_a_name_under_a_parent_is_ready_at_once(self):
        parent = self.make_parent()
        self.look("ok")
        text = self.sent("/my/email/domains/new", kind="under", label="Shop",
                         parent_id=str(parent.id))
        self.assertIn("shop.parent.example is ready", text)
        self.assertIn("You need not set any DNS record", text)
        self.assertIn("we set these records", text)
        domain = self.env["emboux.domain"].search([("name", "=", "shop.parent.example")])
        self.assertEqual((domain.parent_id, domain.state), (parent, "verified"))

    def test_below_an_own_parent_the_customer_sets_the_records(self):
        self.acme.domain.is_wildcard = True
        self.look("missing")
        text = self.sent("/my/email/domains/new", kind="own", name="sub.acme.example")
        self.assertIn("mail to it does not arrive", text)
        self.assertIn("*.acme.example", text)
        self.assertNotIn("we set these records", text)

    def test_domain_errors_are_shown_at_their_field(self):
        parent = self.make_parent()
        path = "/my/email/domains/new"
        under = {"kind": "under", "parent_id": str(parent.id)}
        self.make_domain("taken.parent.example", partner_id=self.rival.partner.id)
        for values, field, words in (
            ({"kind": "own", "name": ""}, "name", "fill this in"),
            ({"kind": "own", "name": "no domain"}, "name", "no domain"),
            ({"kind": "own", "name": "acme.example"}, "name", "already"),
            ({"kind": "own", "name": "gmail.com"}, "name", "mail provider"),
            ({"kind": "own", "name": "x\0.example"}, "name", "control character"),
            ({**under, "label": "taken"}, "label", "is taken"),
            ({**under, "label": "mail"}, "label", "is reserved"),
            ({**under, "label": "a.b"}, "label", "without a dot"),
            ({**under, "label": "x", "parent_id": str(self.rival.domain.id)}, "label",
             "choose a domain for your name"),
        ):
            faults = self.faults(path, **values)
            self.assertEqual(list(faults), [field], values)
            self.assertIn(words, faults[field])
            if "\0" not in values[field]:
                self.assertEqual(self.kept(path, field, **values) or "", values[field])
        self.assertEqual(self.acme.customer.domains_used, 1)

    def test_the_limit_of_domains(self):
        self.acme.customer.domain_limit = 1
        faults = self.faults("/my/email/domains/new", kind="own", name="more.example")
        self.assertIn("limit of 1 domains", faults["name"])

    def test_the_script_asks_whether_a_name_is_free(self):
        parent = self.make_parent()
        self.make_domain("taken.parent.example", partner_id=self.rival.partner.id)
        for label, free in (("shop", True), ("taken", False), ("www", False), ("", False)):
            answer = self.url_open(f"/my/email/names?label={label}&parent_id={parent.id}").json()
            self.assertEqual(answer["free"], free, answer)

    def test_no_name_below_another_customers_domain(self):
        """Not by the form alone: by every way that a customer has."""
        self.make_parent()
        self.make_domain("shop.parent.example", partner_id=self.rival.partner.id)
        domains = self.env(user=self.acme.user, context={})["emboux.domain"]
        for name in ("x.shop.parent.example", "postmaster.parent.example"):
            with self.assertRaises(ValidationError) as caught:
                domains.create({"name": name})
            self.assertIn("Choose another name", str(caught.exception))
        mine = domains.create({"name": "mine.parent.example"})
        self.assertEqual(domains.create({"name": "sub.mine.parent.example"}).sudo().parent_id,
                         mine.sudo().parent_id)

    def test_deleting_a_domain_wants_its_name(self):
        path = f"{self.at}/delete"
        self.assertIn("name", self.faults(path, name="other.example"))
        self.assertTrue(self.acme.mailbox.exists())
        self.assertIn("acme.example was deleted", self.sent(path, name="ACME.example"))
        for record in (self.acme.domain, self.acme.mailbox, self.acme.alias):
            self.assertFalse(record.exists())

    # -- mailboxes -------------------------------------------------------------------------

    def test_making_a_mailbox(self):
        text = self.sent(f"{self.at}/mailboxes/new", local_part="Bob", name="Bob",
                         password="good enough 1", quota_mb="700", catch_all="1")
        self.assertIn("bob@acme.example is ready", text)
        mailbox = self.env["emboux.mailbox"].search([("email", "=", "bob@acme.example")])
        self.assertEqual((mailbox.quota_mb, mailbox.catch_all, mailbox.has_password),
                         (700, True, True))

    def test_mailbox_errors_are_shown_at_their_field(self):
        path = f"{self.at}/mailboxes/new"
        good = {"local_part": "bob", "name": "Bob", "password": "good enough 1",
                "quota_mb": "700"}
        for values, field in (
            ({"local_part": ""}, "local_part"), ({"local_part": "b ob"}, "local_part"),
            ({"local_part": "ann"}, "local_part"), ({"password": "short"}, "password"),
            ({"quota_mb": "lots"}, "quota_mb"), ({"quota_mb": "5000"}, "quota_mb"),
        ):
            faults = self.faults(path, **good | values)
            self.assertEqual(list(faults), [field], values)
        self.assertEqual(self.kept(path, "name", **good | {"local_part": ""}), "Bob")
        self.assertNotEqual(self.kept(path, "password", **good | {"local_part": ""}),
                            "good enough 1")
        self.assertEqual(self.acme.domain.mailbox_count, 1)

    def test_changing_a_mailbox(self):
        self.assertIn("Saved", self.sent(self.box, name="Ann B.", quota_mb="800", catch_all="1"))
        self.assertEqual(
            (self.acme.mailbox.name, self.acme.mailbox.quota_mb, self.acme.mailbox.catch_all),
            ("Ann B.", 800, True),
        )
        self.sent(self.box, name="", quota_mb="800")
        self.assertEqual((self.acme.mailbox.name or "", self.acme.mailbox.catch_all), ("", False))
        self.assertIn("quota_mb", self.faults(self.box, name="", quota_mb="1001"))

    def test_a_new_password(self):
        before = self.acme.mailbox.sudo().password_hash
        self.assertIn("password", self.faults(f"{self.box}/password", password="x"))
        self.sent(f"{self.box}/password", password="another good one")
        self.env.invalidate_all()
        self.assertNotEqual(self.acme.mailbox.sudo().password_hash, before)

    def test_suspending_and_activating(self):
        self.assertIn("is suspended", self.sent(f"{self.box}/suspend"))
        self.assertEqual(self.acme.mailbox.state, "suspended")
        self.assertIn("is active again", self.sent(f"{self.box}/activate"))

    def test_only_the_operator_lifts_the_operators_suspension(self):
        self.acme.mailbox.action_suspend()
        text = self.text_of(self.url_open(self.box))
        self.assertIn("Suspended by the operator", text)
        self.assertNotIn("Activate Again", text)
        self.assertIn("suspended by the operator", self.sent(f"{self.box}/activate"))
        self.acme.alias.unlink()
        for path, values in ((f"{self.box}/delete", {}),
                             (f"/my/email/domains/{self.acme.domain.id}/delete",
                              {"name": self.acme.domain.name})):
            self.assertIn("suspended by the operator", self.faults(path, **values)[""])
        self.env.invalidate_all()
        self.assertEqual(self.acme.mailbox.state, "suspended")

    def test_a_domain_that_is_stopped_cannot_be_deleted(self):
        self.acme.domain.write({"outbound_status": "blocked"})
        path = f"/my/email/domains/{self.acme.domain.id}/delete"
        said = self.faults(path, name=self.acme.domain.name)[""]
        self.assertIn("neither deleted nor archived", said)
        self.assertTrue(self.acme.mailbox.exists())
        self.assertEqual(self.acme.mailbox.state, "active")

    def test_deleting_is_asked_about_and_refused_while_needed(self):
        self.assertIn("cannot be undone",
                      self.text_of(self.url_open(f"{self.box}/delete")))
        self.assertTrue(self.acme.mailbox.exists())
        self.assertIn("delivers to", self.faults(f"{self.box}/delete")[""])
        self.acme.alias.unlink()
        self.assertIn("was deleted", self.sent(f"{self.box}/delete"))
        self.assertFalse(self.acme.mailbox.exists())

    # -- webhooks --------------------------------------------------------------------------

    def test_webhooks_from_the_first_to_the_last(self):
        at = "/my/email/webhooks"
        for wrong, field in (({"url": "http://x.example/"}, "url"), ({"url": ""}, "url"),
                             ({"name": ""}, "name"), ({"domain": "999999"}, "domain"),
                             ({"url": "https://127.0.0.1/"}, "url"),
                             ({"headers": "nonsense"}, "url")):
            values = {"name": "Shop", "url": "https://shop.example/", "domain": "", **wrong}
            self.assertIn(field, self.faults(f"{at}/new", **values), wrong)
        text = self.sent(f"{at}/new", name="Shop", url="https://shop.example/", domain="",
                         types=["message.failed", "message.bounced"], headers="X-A: 1")
        self.assertIn("Shop is created", text)
        hook = self.env["emboux.webhook"].search(
            [("name", "=", "Shop"), ("partner_id", "=", self.acme.partner.id)])
        self.assertEqual(hook.type_ids.mapped("code"), ["message.failed", "message.bounced"])
        self.assertIn(hook.signing_secret, text)
        one = f"{at}/{hook.id}"
        self.sent(f"{one}/edit", name="Store", url="https://store.example/", headers="",
                  domain=str(self.acme.domain.id))
        self.assertEqual((hook.name, hook.url, hook.domain_id, hook.type_ids.ids, hook.headers),
                         ("Store", "https://store.example/", self.acme.domain, [], False))
        self.sent(f"{one}/test")
        delivery = self.env["emboux.webhook.delivery"].search([("webhook_id", "=", hook.id)])
        self.assertEqual(delivery.type, "webhook.test")
        self.sent(f"/my/email/deliveries/{delivery.id}/again")
        before = hook.signing_secret
        self.assertNotIn(before, self.sent(f"{one}/secret"))
        for act, state in (("pause", "paused"), ("resume", "enabled")):
            self.sent(f"{one}/{act}")
            self.assertEqual(hook.state, state)
        box = f"{self.box}/webhook"
        self.assertIn("webhook", self.faults(box, webhook=str(self.rival.webhook.id)))
        self.sent(box, webhook=str(hook.id))
        self.assertEqual(self.acme.mailbox.webhook_id, hook)
        self.assertIn("goes to this webhook", self.faults(f"{one}/delete")[""])
        self.sent(box, webhook="")
        self.sent(f"{one}/delete")
        self.assertFalse(hook.exists())

    def test_forwarding(self):
        path = f"{self.box}/forward"
        self.sent(path, forward_to="a@world.example\nb@world.example", forward_keep="1")
        self.assertEqual(self.acme.mailbox._forward_list(), ("a@world.example", "b@world.example"))
        self.assertTrue(self.acme.mailbox.forward_keep)
        for wrong in ("no address", "sales@acme.example"):  # the alias leads back here
            self.assertIn("forward_to", self.faults(path, forward_to=wrong))
        self.assertEqual(self.kept(path, "forward_to", forward_to="no address"), "no address")
        self.sent(path, forward_to="")
        self.assertFalse(self.acme.mailbox.forward_to)

    def test_out_of_office(self):
        path = f"{self.box}/away"
        good = {"vacation_on": "1", "vacation_text": "I am away.", "vacation_days": "3",
                "vacation_subject": "Away", "vacation_from": "2030-01-01",
                "vacation_until": "2030-01-09"}
        self.sent(path, **good)
        self.assertTrue(self.acme.mailbox.vacation_on)
        self.assertEqual(str(self.acme.mailbox.vacation_until), "2030-01-09")
        self.assertIn("vacation_text", self.faults(path, **good | {"vacation_text": ""}))
        self.assertIn("vacation_from", self.faults(path, **good | {"vacation_from": "soon"}))
        self.assertIn("before the first",
                      self.faults(path, **good | {"vacation_until": "2029-12-31"})[""])

    # -- aliases ---------------------------------------------------------------------------

    def test_aliases(self):
        path = f"{self.at}/aliases/new"
        self.sent(path, local_part="Info", destinations="ann@acme.example\nx@world.example")
        alias = self.env["emboux.alias"].search([("email", "=", "info@acme.example")])
        self.assertEqual(alias._destination_list(), ("ann@acme.example", "x@world.example"))
        self.assertEqual(list(self.faults(path, local_part="", destinations="")),
                         ["local_part", "destinations"])
        self.assertIn("", self.faults(path, local_part="new", destinations="no@acme.example"))
        own = f"/my/email/aliases/{alias.id}"
        self.sent(own, destinations="x@world.example")
        self.assertEqual(alias._destination_list(), ("x@world.example",))
        self.assertIn("destinations", self.faults(own, destinations="nobody"))
        self.assertIn("was deleted", self.sent(f"{own}/delete"))
        self.assertFalse(alias.exists())

    # -- keys ------------------------------------------------------------------------------

    def test_a_keys_secret_is_shown_once(self):
        answer = self.post("/my/email/keys/new", name="Shop", area="mailboxes", read_only="1",
                           test="1", lifetime="30", networks="192.0.2.0/24")
        text = self.text_of(answer)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        key = self.env["emboux.api.key"].search([("name", "=", "Shop")])
        self.assertEqual((key.partner_id, key.area, key.read_only, key.networks),
                         (self.acme.partner, "mailboxes", True, "192.0.2.0/24"))
        self.assertTrue(key.test)
        [secret] = [word for word in text.split() if keys.is_well_formed(word)]
        self.assertEqual(keys.digest(secret), key.sudo().token_hash)
        self.assertNotIn(secret, self.text_of(self.url_open("/my/email/keys")))
        self.assertIn("has been revoked",
                      self.sent(f"/my/email/keys/{key.id}/revoke"))
        self.assertEqual(key.state, "revoked")

    def test_what_is_wrong_with_a_key(self):
        good = {"name": "Shop", "area": "all", "lifetime": "30", "networks": ""}
        for values, field in (
            ({"name": ""}, "name"), ({"area": "master"}, "area"),
            ({"lifetime": "9999"}, "lifetime"), ({"networks": "everywhere"}, "networks"),
        ):
            self.assertEqual(list(self.faults("/my/email/keys/new", **good | values)), [field])

    # -- plan ------------------------------------------------------------------------------

    def test_another_plan_is_requested_and_not_applied(self):
        large = self.plan.copy({"name": "Large"})
        hidden = self.hide_plan()
        self.assertIn("plan_id", self.faults("/my/email/plan", plan_id=str(hidden.id), words=""))
        for words in ("soon, please", "now <b>please</b>"):
            text = self.sent("/my/email/plan", plan_id=str(large.id), words=words)
        self.assertIn("We have your request for Large", text)
        self.assertIn("We are looking at your request", text)
        self.assertEqual(self.acme.customer.plan_id, self.plan)
        activities = self.acme.customer.activity_ids
        self.assertTrue(activities)
        self.assertEqual(len(activities), len(activities.user_id))  # asked twice, one each
        self.assertIn("now &lt;b&gt;please", activities[0].note)
        said = self.acme.customer.message_ids.filtered(lambda m: "Large" in (m.body or ""))
        self.assertEqual(said.author_id, self.acme.partner)
