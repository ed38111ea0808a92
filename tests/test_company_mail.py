"""A company's mail from nothing, by clicks alone: set up, proven, a message to a customer outside,
and their answer in the chatter."""

import email
import email.policy
import time
from urllib.parse import urlparse

import pytest
from parts import dns
from support.mail_client import message

CONTACTS = "/odoo/action-base.action_partner_form"
PASSWORD = "a password of the tests"
GROUPS = ("base.group_system", "base.group_partner_manager", "emboux_core.group_admin")


def until_the_answer(browser, mail, name):
    """From the menu *Set Up Mail for This Company* on; returns the mail that the customer got."""
    domain = f"{name}{time.time_ns() % 10**10}.example"
    browser.tour("emboux_first_domain", "/odoo", seconds=180, domain=domain)
    browser.picture(f"{name}_set_up")
    customer = f"customer.{time.time_ns()}@outside.tests.example"
    browser.tour("emboux_write_to_customer", CONTACTS, customer=customer)
    browser.picture(f"{name}_written")
    contact = urlparse(browser.page.url).path
    sent = email.message_from_bytes(mail.received(customer), policy=email.policy.default)
    assert "Good morning, dear customer" in sent.get_body(("plain",)).get_content()
    assert sent["X-Envelope-From"] == f"<bounce@{domain}>"
    assert sent["From"].addresses[0].domain == domain
    [replies] = sent["Reply-To"].addresses
    answer = message(customer, replies.addr_spec, f"Re: {sent['Subject']}",
                     "Thank you for asking.\n")
    answer["In-Reply-To"] = sent["Message-ID"]
    mail.send(answer, customer, [replies.addr_spec])
    browser.tour("emboux_read_answer", contact)
    browser.picture(f"{name}_answered")


@pytest.fixture
def founder(odoo):
    """Who has just made a company in the platform's Odoo: (login, password)."""
    company = odoo("res.company").create({"name": f"Founded {time.time_ns()}"})
    [*groups] = (odoo("ir.model.data").search_read(
        [("module", "=", module), ("name", "=", name)], ["res_id"])[0]["res_id"]
        for module, name in (group.split(".") for group in GROUPS))
    login = f"founder-{time.time_ns()}@elsewhere.tests.example"
    odoo("res.users").create(
        {"name": "The founder", "login": login, "email": login, "password": PASSWORD,
         "company_id": company, "company_ids": [(6, 0, [company])], "tour_enabled": False,
         "group_ids": [(6, 0, groups)]}, context={"no_reset_password": True})
    odoo("res.users").write([odoo.uid], {"company_ids": [(4, company)]})
    yield login, PASSWORD
    odoo("emboux.odoo.mail").action_undo(
        odoo("emboux.odoo.mail").search([("company_id", "=", company)]))


def test_a_new_company_of_the_platform(founder, status, state, mail):
    from support.browser import Browser  # not above: see conftest.py

    browser = Browser(status, state.path("pictures"))
    try:
        browser.log_in(*founder)
        until_the_answer(browser, mail, "founded")
    finally:
        browser.close()


@pytest.fixture
def reachable(odoo):
    """The customer's Odoo is on loopback, where the platform hands mail to nobody by default."""
    odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "True")
    yield
    odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "False")


def test_another_odoo_where_nothing_is_there_yet(
    customer_odoo, customer_browser, customers, state, status, mail, reachable
):
    customer_odoo("ir.config_parameter").set_param("emboux_core.dns_allow_private", "True")
    api = customers()
    customer_browser.tour("emboux_connect_platform", "/odoo", url=api.url, key=api.key)
    customer_browser.picture("connected")
    customer_browser.tour(
        "emboux_name_server", "/odoo", host=status["dns"]["host"], port=status["dns"]["port"],
        zone=dns.ZONE.removesuffix("."), keyName=dns.KEY_NAME,
        keySecret=dns.tsig_secret(state))
    until_the_answer(customer_browser, mail, "connected")
