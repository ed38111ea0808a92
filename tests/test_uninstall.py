"""The add-on is really uninstalled, and Odoo's mail is as it was before it."""

import time

import pytest
from parts import demo, odoo_server
from support.another_odoo import another_odoo
from support.api_client import done
from support.odoo_client import Odoo, OdooError
from support.relay import Relay

DATABASE = "leaving"
PASSWORD = "a password of the tests"
TEAMS = 25  # more than are told a platform while somebody waits


class Leaving:
    """An Odoo that had mail of its own before: a server for each direction, an alias domain."""

    def __init__(self, odoo):
        self.odoo = odoo
        self.company = odoo("res.users").read([odoo.uid], ["company_id"])[0]["company_id"][0]
        self._set("emboux_core.backend_allow_private", "True")
        self._set("base_setup.default_external_email_server", "True")
        self._set("mail.catchall.domain.allowed", "before.example")
        odoo("ir.mail_server").create({
            "name": "Before", "smtp_host": "smtp.before.example", "from_filter": "before.example"})
        odoo("fetchmail.server").create({
            "name": "Before", "server_type": "imap", "server": "imap.before.example",
            "user": "odoo", "password": "a relay of before"})
        former = odoo("mail.alias.domain").create({
            "name": "before.example", "bounce_alias": "returned", "catchall_alias": "answers",
            "default_from": "odoo"})
        odoo("res.company").write([self.company], {"alias_domain_id": former})
        [model] = odoo("ir.model").search([("model", "=", "res.partner")])
        odoo("mail.alias").create([
            {"alias_name": f"team{number}", "alias_model_id": model, "alias_domain_id": former}
            for number in range(TEAMS)])

    def _set(self, name, value):
        self.odoo("ir.config_parameter").set_param(name, value)

    def user_at(self, name):
        """A user with an address of that domain, who has no server of their own yet."""
        login = f"ann@{name}"
        [group] = self.odoo("ir.model.data").search_read(
            [("module", "=", "base"), ("name", "=", "group_user")], ["res_id"])
        self.ann = self.odoo("res.users").create(
            {"name": "Ann", "login": login, "email": login, "password": PASSWORD,
             "group_ids": [(6, 0, [group["res_id"]])]}, context={"no_reset_password": True})

    def traces(self):
        """What Odoo's mail is made of, by names that outlive an installation."""

        def rows(model, fields, domain=()):
            found = self.odoo(model).search_read(
                list(domain), fields, order="id", context={"active_test": False})
            return [[row[field] for field in fields] for row in found]

        return {
            "out": rows("ir.mail_server", ["id", "name", "smtp_host", "smtp_user", "from_filter",
                                           "sequence", "active", "owner_user_id"]),
            "in": rows("fetchmail.server", ["id", "name", "server", "user", "state", "active"]),
            "alias domains": rows("mail.alias.domain", [
                "id", "name", "bounce_alias", "catchall_alias", "default_from", "company_ids"]),
            "companies": rows("res.company", ["id", "alias_domain_id", "email"]),
            "aliases": rows("mail.alias", ["id", "alias_full_name"],
                            [("alias_name", "!=", False)]),
            "users": rows("res.users", ["id", "email", "login", "outgoing_mail_server_type"],
                          [("share", "=", False)]),
            "parameters": rows("ir.config_parameter", ["key", "value"], [
                "|", ("key", "=like", "mail.%"), ("key", "like", "default_external_email")]),
            "fetching": rows("ir.cron", ["active"], [("code", "like", "_fetch_mails")]),
        }

    def set_up(self, domain, name):
        """All by which this add-on changes Odoo's mail."""
        odoo = self.odoo
        odoo("emboux.domain").action_check_now([domain])
        setup = odoo("emboux.domain").action_use_for_odoo([domain])["res_id"]
        odoo("emboux.odoo.mail").action_apply([setup])
        steps = odoo("emboux.odoo.mail.step").search_read(
            [("setup_id", "=", setup)], ["kind", "state", "outcome"])
        assert {step["state"] for step in steps} == {"done"}, steps
        shop, _ann = odoo("emboux.mailbox").create([
            {"domain_id": domain, "local_part": "shop"},
            {"domain_id": domain, "local_part": "ann", "user_id": self.ann}])
        odoo("emboux.mailbox").action_use_as_outgoing_tls([shop])
        person = Odoo(odoo.url, DATABASE, f"ann@{name}", PASSWORD)
        person("res.users").action_setup_outgoing_mail_server("emboux")
        return setup

    def uninstall(self):
        [module] = self.odoo("ir.module.module").search([("name", "=", "emboux_core")])
        self.odoo("ir.module.module").button_immediate_uninstall([module])

    def installed(self):
        return self.odoo("ir.module.module").search_count(
            [("name", "like", "emboux_"), ("state", "=", "installed")])

    def told(self):
        """What is kept of it, for the administrators."""
        partner = self.odoo("res.company").read([self.company], ["partner_id"])[0]["partner_id"][0]
        rows = self.odoo("mail.message").search_read(
            [("model", "=", "res.partner"), ("res_id", "=", partner),
             ("body", "like", "is uninstalled")], ["body"])
        return " ".join(row["body"] for row in rows)


def defects(logged):
    return [line for line in logged()[f"{DATABASE}.log"].splitlines()
            if " ERROR " in line or " CRITICAL " in line]


@pytest.fixture
def customer(state, hosting, odoo, customers):
    """A customer's Odoo with a verified domain on the platform, which is not used yet."""
    with another_odoo(state, DATABASE, ("emboux_core",)) as there:
        leaving, api = Leaving(there), customers()
        backend = there("emboux.backend").create(
            {"name": "The platform", "kind": "emboux", "url": api.url, "secret": api.key})
        name = f"leaving{time.time_ns() % 10**10}.example"
        domain = there("emboux.domain").create({"name": name, "backend_id": backend})
        hosting.publish_text(there("emboux.domain").read([domain], ["zone_text"])[0]["zone_text"])
        odoo("emboux.domain").action_check_now(odoo("emboux.domain").search([("name", "=", name)]))
        odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "True")
        yield leaving, api, backend, domain, name
        odoo("ir.config_parameter").set_param("emboux_mail_api.push_allow_private", "False")


def addresses(api, name):
    """All of the domain that the platform has."""
    rows = [*done(api.get(f"/users/?domain={name}&limit=100"))["items"],
            *done(api.get(f"/aliases/?domain={name}&limit=100"))["items"]]
    return {row.get("email") or row["address"] for row in rows}


def test_a_customers_odoo(customer, logged):
    leaving, api, _backend, domain, name = customer
    leaving.user_at(name)
    before = leaving.traces()
    leaving.set_up(domain, name)
    assert leaving.traces() != before
    assert f"team0@{name}" in addresses(api, name)
    leaving.uninstall()
    assert not leaving.installed()
    assert leaving.traces() == before
    assert not leaving.told()
    assert not defects(logged)
    # people's mailboxes stay; what was Odoo's alone is gone
    assert addresses(api, name) == {f"ann@{name}", f"shop@{name}"}


def test_a_customers_odoo_whose_platform_is_away(customer, logged, state):
    leaving, api, backend, domain, name = customer
    leaving.user_at(name)
    before = leaving.traces()
    leaving.set_up(domain, name)
    leaving.odoo("emboux.backend").write(
        [backend], {"url": f"http://127.0.0.1:{state.port('nobody')}/emboux/v1"})
    leaving.odoo("emboux.mailbox").create({"domain_id": domain, "local_part": "waiting"})
    leaving.uninstall()
    assert not leaving.installed()
    assert leaving.traces() == before
    told = leaving.told()
    assert "The platform cannot be reached" in told
    assert f"team0@{name}" in told and " more" in told
    assert f"waiting@{name}" in told
    assert "The platform cannot be reached" in logged()[f"{DATABASE}.log"]
    assert not defects(logged)
    assert f"odoo@{name}" in addresses(api, name)


@pytest.fixture
def platform(state, status, hosting):
    """A platform's Odoo, which sends by a server of the test."""
    relay = Relay(state.path("tls", "cert.pem"), state.path("tls", "key.pem"), account_wide=True,
                  is_known=lambda _login, _password: True).start()
    with another_odoo(state, DATABASE, odoo_server.ADDONS) as there:
        leaving = Leaving(there)
        host, port = status["dns"]["host"], status["dns"]["port"]
        for name, value in (("nameservers", f"{host}:{port}"), ("port", str(port)),
                            ("allow_private", "True")):
            there("ir.config_parameter").set_param(f"emboux_core.dns_{name}", value)
        [backend] = there("emboux.backend").search([("kind", "=", "local")])
        there("emboux.backend").write([backend], {
            "mail_host": demo.MAIL_HOST, "smtp_host": "localhost", "smtp_tls_port": relay.port})
        name = f"leaving{time.time_ns() % 10**10}.example"
        domain = there("emboux.domain").create({"name": name, "backend_id": backend})
        hosting.publish_text(there("emboux.domain").read([domain], ["zone_text"])[0]["zone_text"])
        yield leaving, domain, name
    relay.stop()


def test_the_platform_itself(platform, logged):
    """Whose domains live in it: it says so, and is uninstalled once they are gone."""
    leaving, domain, name = platform
    leaving.user_at(name)
    before = leaving.traces()
    setup = leaving.set_up(domain, name)
    used = leaving.traces()
    with pytest.raises(OdooError, match=f"Domains still live on this Odoo: .*{name}"):
        leaving.uninstall()
    assert leaving.installed() == len(odoo_server.ADDONS)
    assert leaving.traces() == used, "refused, and nothing is changed"
    odoo = leaving.odoo
    with pytest.raises(OdooError, match="Use Undo All"):
        odoo("emboux.domain").unlink([domain])
    odoo("emboux.odoo.mail").action_undo([setup])
    for server in odoo("ir.mail_server").search([("emboux_mailbox_id", "!=", False)]):
        odoo("ir.mail_server").unlink([server])
    odoo("emboux.mailbox").unlink(odoo("emboux.mailbox").search([("domain_id", "=", domain)]))
    odoo("emboux.domain").unlink(odoo("emboux.domain").search([]))
    leaving.uninstall()
    assert not leaving.installed()
    assert leaving.traces() == before
    assert not leaving.told()
