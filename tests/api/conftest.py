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


class Growth:
    """Fills domains with ten thousand mailboxes and aliases, as the ORM would leave them, each
    mailbox with its use, until ``end``."""

    def __init__(self, connection, odoo):
        self._connection, self._odoo, self._filled = connection, odoo, []

    def __call__(self, name):
        self._filled.append(name)
        [domain] = self._odoo("emboux.domain").search([("name", "=", name)])
        values = {"domain": domain, "name": name, "many": 10_000}
        self._connection.cursor().execute(
            """INSERT INTO emboux_mailbox (local_part, domain_id, company_id, email, active, state,
                                           send_as, quota_mb, mail_folder, sync_state, create_date)
               SELECT 'n' || n, d.id, d.company_id, 'n' || n || '@' || d.name, true, 'active',
                      'self', 1024, 'cost' || d.id || '-' || n, 'done', now() AT TIME ZONE 'UTC'
                 FROM emboux_domain d, generate_series(1, %(many)s) n WHERE d.id = %(domain)s;
               INSERT INTO emboux_alias (local_part, domain_id, company_id, email, kind, active,
                                         destinations, sync_state, create_date)
               SELECT 'a' || n, d.id, d.company_id, 'a' || n || '@' || d.name, 'forward', true,
                      'n' || n || '@' || d.name, 'done', now() AT TIME ZONE 'UTC'
                 FROM emboux_domain d, generate_series(1, %(many)s) n WHERE d.id = %(domain)s;
               INSERT INTO emboux_address (email, backend_id, domain_id, mailbox_id)
               SELECT m.email, d.backend_id, d.id, m.id FROM emboux_mailbox m
                 JOIN emboux_domain d ON d.id = m.domain_id WHERE d.id = %(domain)s
                   ON CONFLICT (email, domain_id) DO NOTHING;
               INSERT INTO emboux_address (email, backend_id, domain_id, alias_id)
               SELECT a.email, d.backend_id, d.id, a.id FROM emboux_alias a
                 JOIN emboux_domain d ON d.id = a.domain_id WHERE d.id = %(domain)s
                   ON CONFLICT (email, domain_id) DO NOTHING;
               INSERT INTO emboux_mail.usage (username, bytes, messages)
               SELECT email, 5, 1 FROM emboux_mailbox WHERE domain_id = %(domain)s
                   ON CONFLICT (username) DO NOTHING;
               ANALYZE emboux_mailbox; ANALYZE emboux_alias; ANALYZE emboux_address;
               ANALYZE emboux_change; ANALYZE emboux_mail.usage""",
            values,
        )
        return domain

    def end(self):
        for name in self._filled:
            self._connection.cursor().execute(
                """DELETE FROM emboux_alias a USING emboux_domain d
                    WHERE d.id = a.domain_id AND d.name = %(name)s;
                   DELETE FROM emboux_mail.usage u USING emboux_mailbox m, emboux_domain d
                    WHERE u.username = m.email AND d.id = m.domain_id AND d.name = %(name)s;
                   DELETE FROM emboux_mailbox m USING emboux_domain d
                    WHERE d.id = m.domain_id AND d.name = %(name)s;
                   DELETE FROM emboux_change WHERE domain_name = %(name)s""",
                {"name": name},
            )
        self._connection.close()


@pytest.fixture
def grown(connection, odoo):
    """Fill a domain until the test is over."""
    growth = Growth(connection("odoo"), odoo)
    yield growth
    growth.end()


@pytest.fixture(scope="module")
def grown_for_all(connection, odoo):
    """Fill a domain until the tests of the file are over."""
    growth = Growth(connection("odoo"), odoo)
    yield growth
    growth.end()
