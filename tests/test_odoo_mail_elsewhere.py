"""A customer's Odoo with two companies, each with an account of its own at the platform, and with
*Email Marketing*: each kind of mail leaves by its own company's domain here too."""

import contextlib
import time

import pytest
import test_odoo_mail as kinds
from support.another_odoo import another_odoo
from support.mail_client import eventually
from support.odoo_client import OdooError
from support.smtp_recorder import SmtpRecorder


class Elsewhere:
    """Makes domains as ``Hosting`` does, each on a backend of its own."""

    def __init__(self, there, odoo, hosting, customers):
        self.there, self.odoo, self.hosting, self.customers = there, odoo, hosting, customers
        self.state = hosting.state

    def domain(self, prefix, company_id):
        api, name = self.customers(), f"{prefix}{time.time_ns() % 10**10}.example"
        backend = self.there("emboux.backend").create(
            {"name": f"Of {name}", "kind": "emboux", "url": api.url, "secret": api.key,
             "company_id": company_id})
        domain = self.there("emboux.domain").create(
            {"name": name, "backend_id": backend, "company_id": company_id})
        self.publish(domain)
        self.odoo("emboux.domain").action_check_now(
            self.odoo("emboux.domain").search([("name", "=", name)]))
        self.there("emboux.domain").action_check_now([domain])
        return domain, name

    def publish(self, domain):
        [row] = self.there("emboux.domain").read([domain], ["zone_text"])
        self.hosting.publish_text(row["zone_text"])


def install(odoo, name):
    """Whether it is; Odoo refuses while one of its scheduled actions runs."""
    modules = odoo("ir.module.module")
    with contextlib.suppress(OdooError):
        modules.button_immediate_install(modules.search([("name", "=", name)]))
    return modules.search_count([("name", "=", name), ("state", "=", "installed")])


@pytest.fixture(scope="module")
def there(state, odoo):
    with another_odoo(state, "elsewhere", ("emboux_core",), crons=1) as made:
        made("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
        odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "True")
        eventually("Email Marketing", lambda: install(made, "mass_mailing"), 120)
        yield made
        odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "False")


@pytest.fixture(scope="module")
def companies(there, odoo, hosting, customers):
    def set_up(domain):
        setup = there("emboux.domain").action_use_for_odoo([domain])["res_id"]
        there("emboux.odoo.mail").action_apply([setup])

    main = there("res.users").read([there.uid], ["company_id"])[0]["company_id"][0]
    other = there("res.company").create({"name": "Other"})
    there("res.users").write([there.uid], {"company_ids": [(4, other)]})
    elsewhere = Elsewhere(there, odoo, hosting, customers)
    made = [kinds.Company(there, elsewhere, name, company, set_up)
            for name, company in (("main", main), ("other", other))]
    made[0].neighbour, made[1].neighbour = reversed(made)
    return made


@pytest.fixture(scope="module")
def recorder(companies, there, state, status):
    made = SmtpRecorder(
        state.path("tls", "cert.pem"), state.path("tls", "key.pem"),
        state.path("tls", "ca-bundle.pem"), status["smtps"]["port"]).start()
    there("ir.mail_server").write(
        [company.read("server_id")["server_id"][0] for company in companies],
        {"smtp_port": made.port})
    yield made
    made.stop()


def marketing(company, odoo, status):
    """By *Email Marketing*, to a contact of the company."""
    partner, address = company.partner("marketing")
    [model] = odoo("ir.model").search([("model", "=", "res.partner")])
    here = {"allowed_company_ids": [company.id]}
    made = odoo("mailing.mailing").create(
        {"subject": "News", "email_from": company.login, "reply_to_mode": "update",
         "body_html": "<p>News</p>", "mailing_model_id": model,
         "mailing_domain": repr([("id", "=", partner)])}, context=here)
    odoo("mailing.mailing").action_send_mail([made], context=here)
    return address


KINDS = (*(kind for kind in kinds.KINDS if kind is not kinds.invoice), marketing)


def test_all_steps_are_done(companies, there):
    assert there("ir.module.module").search_count(
        [("name", "=", "emboux_mass_mailing"), ("state", "=", "installed")])
    for company in companies:
        assert company.read("state")["state"] == "done", company.steps()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_mail_leaves_by_its_own_companys_domain(
    companies, there, status, mail, kind, recorder
):
    here = status | {"odoo": {"url": there.url, "db": "elsewhere"}}
    for company in companies:
        kinds.assert_it_leaves_by_its_own_domain(company, kind, there, here, mail, recorder)


def test_no_mail_failed_for_its_sender(companies, there):
    failed = there("mail.mail").search_read(
        [("state", "=", "exception"), ("id", ">", companies[-1].last_mail)],
        ["subject", "failure_reason"])
    assert not failed
