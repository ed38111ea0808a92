"""Access: the database's roles, companies, mailbox users."""

import psycopg2
import pytest
from support.odoo_client import Odoo, OdooError

PASSWORD = "a password for users"


@pytest.mark.parametrize("role", ["emboux_mail", "emboux_usage", "emboux_dkim", "emboux_relay"])
def test_a_role_reads_no_table(role, connect):
    cursor = connect(role).cursor()
    for table in ("emboux_mailbox", "emboux_domain", "emboux_alias", "emboux_dkim_key",
                  "res_users", "ir_config_parameter", "ir_mail_server"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"SELECT * FROM public.{table} LIMIT 1")


def test_the_reading_role_reads_views_and_writes_nothing(connect, hosting):
    hosting.mailbox(hosting.domain("roles")[0], "ann")
    cursor = connect("emboux_mail").cursor()
    cursor.execute("SELECT count(*) FROM emboux_mail.mailboxes")
    assert cursor.fetchone()[0] > 0
    cursor.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'emboux_mail'"
    )
    views = [row[0] for row in cursor.fetchall()]
    assert "logins" in views
    assert not {"dkim_keys", "usage", "hosted"} & set(views)
    for view in views:
        for statement in (f"DELETE FROM emboux_mail.{view}",
                          f"INSERT INTO emboux_mail.{view} DEFAULT VALUES"):
            # "not auto-updatable" comes before the privilege for a view of several tables
            with pytest.raises((psycopg2.errors.InsufficientPrivilege,
                                psycopg2.errors.ObjectNotInPrerequisiteState)):
                cursor.execute(statement)
    for statement in ("CREATE TABLE public.mine (n int)", "CREATE SCHEMA mine",
                      "CREATE TABLE emboux_mail.mine (n int)"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)


def test_the_other_roles_do_their_own_job_alone(connect):
    for role, view in (("emboux_dkim", "logins"), ("emboux_usage", "logins"),
                       ("emboux_mail", "dkim_keys"), ("emboux_usage", "dkim_keys"),
                       ("emboux_dkim", "usage"), ("emboux_mail", "usage")):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            connect(role).cursor().execute(f"SELECT * FROM emboux_mail.{view}")
    cursor = connect("emboux_usage").cursor()
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("DELETE FROM emboux_mail.usage")


@pytest.fixture(scope="module")
def people(odoo, hosting, status):
    """Two companies, each with a manager and a mailbox user who is logged in."""

    def user(login, group, company):
        [group_id] = odoo("ir.model.data").search_read(
            [("module", "=", "emboux_core"), ("name", "=", group)], ["res_id"]
        )
        known = odoo("res.users").search([("login", "=", login)])
        if not known:
            known = [odoo("res.users").create(
                {"name": login, "login": login, "password": PASSWORD, "company_id": company,
                 "company_ids": [(6, 0, [company])], "group_ids": [(4, group_id["res_id"])]}
            )]
        return known[0], Odoo(status["odoo"]["url"], status["odoo"]["db"], login, PASSWORD)

    people = {}
    for name in ("Red", "Blue"):
        company = odoo("res.company").search([("name", "=", f"{name} Ltd")])
        company = company[0] if company else odoo("res.company").create({"name": f"{name} Ltd"})
        domain, domain_name = hosting.domain(name.lower(), company_id=company)
        user_id, client = user(f"user.{name}", "group_user", company)
        own = hosting.mailbox(domain, "own", user_id=user_id)
        hosting.mailbox(domain, "colleague")
        odoo("emboux.alias").create(
            {"domain_id": domain, "local_part": "info", "destinations": f"own@{domain_name}"}
        )
        people[name] = {"domain": domain, "own": own, "user": client,
                        "manager": user(f"manager.{name}", "group_manager", company)[1]}
    return people


@pytest.mark.parametrize("model", ["domain", "mailbox", "alias", "dns.record", "address"])
def test_a_company_sees_nothing_of_another(model, people):
    seen = {
        name: set(person["manager"](f"emboux.{model}").search([]))
        for name, person in people.items()
    }
    assert seen["Red"] and seen["Blue"]
    assert not seen["Red"] & seen["Blue"]
    for record in list(seen["Blue"])[:3]:
        with pytest.raises(OdooError, match="(?i)access|not allowed"):
            people["Red"]["manager"](f"emboux.{model}").read([record])


def test_a_company_changes_nothing_of_another(people):
    red, blue = people["Red"]["manager"], people["Blue"]
    for model, record, values in (("emboux.domain", blue["domain"], {"state": "suspended"}),
                                  ("emboux.mailbox", blue["own"], {"password": "taken over!"})):
        with pytest.raises(OdooError):
            red(model).write([record], values)
    with pytest.raises(OdooError):
        red("emboux.mailbox").create({"domain_id": blue["domain"], "local_part": "spy"})


def test_a_mailbox_user_sees_only_the_own_mailbox(people):
    for person in people.values():
        assert person["user"]("emboux.mailbox").search([]) == [person["own"]]
        assert person["user"]("emboux.domain").search([]) == [person["domain"]]
        with pytest.raises(OdooError):
            person["user"]("emboux.alias").search([])
        with pytest.raises(OdooError):
            person["user"]("emboux.mailbox").write([person["own"]], {"quota_mb": 99999})


def test_no_hash_ever_comes_over_the_api(people, odoo):
    for client in (odoo, people["Red"]["manager"], people["Red"]["user"]):
        assert not {"password_hash", "service_password_hash"} & set(
            client("emboux.mailbox").fields_get()
        )
        for field in ("password_hash", "service_password_hash"):
            with pytest.raises(OdooError):
                client("emboux.mailbox").search_read([], [field])
            with pytest.raises(OdooError):
                client("emboux.mailbox").search([(field, "like", "argon")])
        rows = client("emboux.mailbox").search_read([], ["password"])
        assert not any(row["password"] for row in rows)
