"""What the tests of the REST API share."""

import pytest
from parts import dns
from support.api_client import done, new_name


@pytest.fixture(autouse=True)
def no_failures_counted(connect):
    """All tests come from one address: what they fail at on purpose is forgotten."""
    connect("odoo").cursor().execute("DELETE FROM emboux_api_failure")


@pytest.fixture
def parameter(odoo):
    """Set a system parameter of the API until the test is over."""
    before = {}

    def set_parameter(name, value):
        name = f"emboux_mail_api.{name}"
        before.setdefault(name, odoo("ir.config_parameter").get_param(name))
        odoo("ir.config_parameter").set_param(name, value)

    yield set_parameter
    for name, value in before.items():
        odoo("ir.config_parameter").set_param(name, value)


class Domains:
    """Makes domains over the API."""

    def __init__(self, odoo, state):
        self.odoo, self.state = odoo, state

    def id(self, name):
        [found] = self.odoo("emboux.domain").search([("name", "=", name)])
        return found

    def publish(self, name):
        """Put into the DNS what the domain needs there."""
        [row] = self.odoo("emboux.domain").read([self.id(name)], ["zone_text"])
        dns.publish(self.state, row["zone_text"])

    def __call__(self, api, prefix="d", name=None, verified=False, **body):
        name = name or new_name(prefix)
        done(api.post("/domains/", {"name": name, **body}), 201)
        if verified:
            self.publish(name)
            answer = done(api.post(f"/domains/{name}/verify"), 200)
            assert answer["verified"], answer
        return name

    def parent(self, master, owner=None):
        """A verified wildcard parent, the operator's unless it has an owner."""
        name = self(master, "parent", verified=True, **({"partner_ref": owner} if owner else {}))
        done(master.put(f"/domains/{name}/parent", {"wildcard": True}), 200)
        return name


@pytest.fixture(scope="session")
def domains(odoo, state):
    return Domains(odoo, state)


@pytest.fixture
def used(connect):
    """How many domains the counter of a customer says."""
    cursor = connect("odoo").cursor()

    def count(ref):
        cursor.execute(
            "SELECT domains_used FROM emboux_customer c JOIN res_partner p ON p.id = c.partner_id"
            " WHERE p.ref = %s", [ref])
        return cursor.fetchone()[0]

    return count
