"""A customer in the browser, on a screen and on a phone, and whether their mail really flows."""

import re
import time

import pytest
from support.browser import Browser

WIDTHS = {"desktop": (1360, 1000), "phone": (375, 812)}
PASSWORD = "portal password 1"  # as the tour types it


@pytest.fixture(scope="module")
def browser(status, state):
    browser = Browser(status, state.path("pictures"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def offer(odoo, hosting):
    """Two plans and a wildcard parent, as an operator offers them; returns the parent's name."""
    product = odoo("product.product").create({"name": "Mail hosting", "type": "service"})
    for name, limit in (("Tour Plan", 5), ("Tour Plan Large", 50)):
        odoo("emboux.plan").create(
            {"name": name, "product_id": product, "price": limit, "domain_limit": limit,
             "mailbox_limit": limit, "trial_days": 0, "description": "For tours."}
        )
    parameters = odoo("ir.config_parameter")
    parameters.set_param("emboux_saas.signups_per_hour", "100")
    # the first of those that are offered, whatever parents other tests have made
    name = f"0names-{time.time_ns() % 10**9}.example"
    hosting.domain(name=name, is_wildcard=True)
    return name


@pytest.fixture(params=WIDTHS)
def customer(request, browser, offer, odoo):
    """Somebody who has just signed up, in a window of this width; what they have got."""
    width, height = WIDTHS[request.param]
    browser.page.context.clear_cookies()
    browser.page.set_viewport_size({"width": width, "height": height})
    browser.tour("emboux_portal_signup", "/email/signup")
    browser.picture(f"portal_sign_up_sent_{request.param}")
    [sent] = odoo("mail.mail").search_read(
        [("email_to", "like", "@world.example"), ("subject", "like", offer)], ["body_html"],
        order="id desc", limit=1)
    browser.tour("emboux_portal_confirm", re.search(r"/email/signup/confirm/[\w-]+",
                                                     sent["body_html"])[0])
    browser.picture(f"portal_signed_up_{request.param}")
    number = int(browser.page.url.split("?")[0].rsplit("/", 1)[1])
    [row] = odoo("emboux.domain").read([number], ["name", "partner_id", "state", "parent_id"])
    assert row["name"].endswith(f".{offer}"), row
    assert row["state"] == "verified", row
    return {"width": width, "kind": request.param, "domain": number, "name": row["name"],
            "partner": row["partner_id"][0]}


def test_signed_up_and_mail_flows_both_ways(customer, mail, browser):
    address = f"hello@{customer['name']}"
    subject = f"welcome {time.time_ns()}"
    mail.from_outside("ann@outside.tests.example", address, subject)
    mail.arrives(address, PASSWORD, subject)
    mail.submit(address, PASSWORD, "ann@outside.tests.example", f"answer to {subject}")
    assert mail.outside(f"answer to {subject}")
    browser.open(f"/my/email/domains/{customer['domain']}/sending", "figure svg")
    heights = browser.page.eval_on_selector_all(
        "figure svg rect", "bars => bars.map(bar => Number(bar.getAttribute('height')))"
    )
    assert len(heights) == 8
    assert heights[-1] > 0
    assert heights[-1] == max(heights)
    browser.picture(f"portal_{customer['kind']}_sent")


def test_an_ordinary_day(customer, browser, odoo, mail):
    browser.tour("emboux_portal_day", "/my/email", seconds=120)
    boxes = odoo("emboux.mailbox").search_read(
        [("domain_id", "=", customer["domain"]), ("local_part", "like", "box-")],
        ["email", "state", "vacation_on"],
    )
    assert [(box["state"], box["vacation_on"]) for box in boxes] == [("active", True)]
    assert mail.can_login(boxes[0]["email"], "another password 1")
    [key] = odoo("emboux.api.key").search_read(
        [("partner_id", "=", customer["partner"])], ["state"]
    )
    assert key["state"] == "revoked"


def test_an_own_domain_is_checked_without_leaving_the_page(customer, browser, hosting, odoo):
    name = f"own-{time.time_ns() % 10**9}.example"
    domain = odoo("emboux.domain").create(
        {"name": name, "backend_id": hosting.backend, "partner_id": customer["partner"]}
    )
    hosting.publish(domain)
    browser.tour("emboux_portal_check", "/my/email")
    [row] = odoo("emboux.domain").read([domain], ["state"])
    assert row["state"] == "verified"


def test_no_page_is_wider_than_the_window(customer, browser, odoo):
    domain = customer["domain"]
    [mailbox] = odoo("emboux.mailbox").search([("domain_id", "=", domain)], limit=1)
    own = odoo("emboux.domain").create(
        {"name": f"a-rather-long-name-{time.time_ns() % 10**9}.example",
         "backend_id": odoo("emboux.backend").search([("kind", "=", "local")])[0],
         "partner_id": customer["partner"]}
    )
    paths = [
        "/my/home", "/my/email", "/my/email/domains/new", f"/my/email/domains/{own}",
        f"/my/email/domains/{domain}/mailboxes", f"/my/email/domains/{domain}/mailboxes/new",
        f"/my/email/mailboxes/{mailbox}", f"/my/email/mailboxes/{mailbox}/away",
        f"/my/email/mailboxes/{mailbox}/delete", f"/my/email/domains/{domain}/aliases/new",
        f"/my/email/domains/{domain}/sending", f"/my/email/domains/{domain}/delete",
        "/my/email/keys", "/my/email/keys/new", "/my/email/plan", "/my/email/usage",
        "/my/email/recipients?email=ann@world.example",
    ]
    for path in paths:
        browser.open(path, "#wrap")
        needed = browser.page.evaluate("document.documentElement.scrollWidth")
        name = path.removeprefix("/my/").split("?")[0].replace("/", "_")
        browser.picture(f"portal_{customer['kind']}_{name}")
        assert needed <= customer["width"], f"{path} needs {needed}"
        assert not browser.errors, (path, browser.errors)


def test_by_keyboard_alone(customer, browser):
    """From the top of the page to a new alias, without a mouse."""
    browser.open(f"/my/email/domains/{customer['domain']}/aliases/new", "#local_part")
    page = browser.page
    tab_to(page, "document.activeElement.id === 'local_part'")
    page.keyboard.type(f"keys-{customer['kind']}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "destinations"
    page.keyboard.type("ann@outside.tests.example")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(f".list-group-item:has-text('keys-{customer['kind']}')")


def tab_to(page, condition, most=60):
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(condition):
            return
    raise AssertionError(f"not reached by {most} times Tab: {condition}")
