# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re

from lxml import html

from odoo.http import Request
from odoo.tests import HttpCase, new_test_user

from odoo.addons.emboux_mail_api.tests.common import PlatformCase

PASSWORD = "a portal password"


class PortalCase(HttpCase, PlatformCase):
    """Two customers, each with a portal user and one of everything; a plan for both."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        product = cls.env["product.product"].create({"name": "Mail", "type": "service"})
        cls.plan = cls.env["emboux.plan"].create(
            {
                "name": "Small", "product_id": product.id, "price": 5, "domain_limit": 3,
                "mailbox_limit": 5, "mailbox_quota_limit_mb": 1000, "storage_limit_mb": 3000,
                "trial_days": 0, "description": "For one person.",
            }
        )
        cls.acme = cls._make_customer("acme")
        cls.rival = cls._make_customer("rival")

    @classmethod
    def _make_customer(cls, name):
        """A namespace of what one customer has."""
        partner = cls.env["res.partner"].create({"name": name, "email": f"{name}@mail.example"})
        customer = cls.env["emboux.customer"].create(
            {"partner_id": partner.id, "plan_id": cls.plan.id}
        )
        user = new_test_user(
            cls.env, name, groups="base.group_portal", password=PASSWORD, partner_id=partner.id,
            name=name, email=f"{name}@mail.example",
        )
        domain = cls.make_domain(f"{name}.example", state="verified", partner_id=partner.id)
        mailbox = cls.make_mailbox("ann", domain, quota_mb=500, name=f"Ann of {name}")
        alias = cls.make_alias("sales", f"ann@{name}.example", domain)
        key, _secret = cls.env["emboux.api.key"]._make(
            {"name": f"Key of {name}", "partner_id": partner.id}
        )
        webhook = cls.env["emboux.webhook"].create({
            "name": f"Webhook of {name}", "url": f"https://{name}.example/hook",
            "partner_id": partner.id})
        records = {
            "name": name, "partner": partner, "customer": customer, "user": user,
            "domain": domain, "mailbox": mailbox, "alias": alias, "key": key,
            "message": cls.log_message(domain), "webhook": webhook,
            "delivery": cls.env["emboux.webhook.delivery"].browse(webhook._make_test()),
        }
        return type(name, (), records)

    def log_in(self, who):
        self.authenticate(who.name, PASSWORD)

    def get(self, path):
        """The page as a tree; fails unless it is there."""
        answer = self.url_open(path)
        self.assertEqual(answer.status_code, 200, path)
        return html.fromstring(answer.text)

    def post(self, path, **values):
        """Send a form as the page would; returns the answer without following it."""
        values["csrf_token"] = Request.csrf_token(self)
        return self.url_open(path, data=values, allow_redirects=False)

    def sent(self, path, **values):
        """Send a form that must be taken; returns the text of the page that it leads to."""
        answer = self.post(path, **values)
        self.assertEqual(answer.status_code, 303, self.text_of(answer))
        return self.text_of(self.url_open(answer.headers["Location"]))

    def faults(self, path, **values):
        """Send a form that must be refused; returns what is said by name of the field."""
        answer = self.post(path, **values)
        self.assertEqual(answer.status_code, 200, answer.headers.get("Location"))
        tree = html.fromstring(answer.text)
        said = {
            node.get("id").removesuffix("_fault"): node.text_content().strip()
            for node in tree.xpath("//*[substring(@id, string-length(@id) - 5) = '_fault']")
        }
        whole = tree.xpath("//*[@id='o_emboux_errors']")
        if whole and not said:
            said[""] = whole[0].text_content().strip()
        self.assertTrue(said, self.text_of(answer))
        self.assertTrue(
            tree.xpath("//*[@role='alert']") or tree.xpath("//*[@aria-invalid='true']")
        )
        return said

    def kept(self, path, field, **values):
        """What stands in a field after the form was refused."""
        tree = html.fromstring(self.post(path, **values).text)
        [node] = tree.xpath(f"//*[@name='{field}'][self::input or self::textarea]")
        return node.get("value") if node.tag == "input" else node.text

    def text_of(self, answer):
        tree = html.fromstring(answer.text)
        for node in tree.xpath("//script|//style"):
            node.drop_tree()
        return re.sub(r"\s+", " ", tree.text_content()).strip()

    def make_parent(self, name="parent.example", **values):
        return self.make_domain(name, state="verified", is_wildcard=True, **values)

    def hide_plan(self):
        """A plan that is not offered to everybody."""
        return self.plan.copy({"name": "Secret", "is_public": False,
                               "company_id": self.env.company.id})
