"""Domains: what is the operator's: parents, owners, suspension; and subdomains below a parent."""

import smtplib

import pytest
from support.api_client import detail, done, faults, new_name
from support.mail_client import message

OUTSIDE = "ann@outside.tests.example"


@pytest.fixture(scope="module")
def customer(customers):
    """Whom the tests of this file share."""
    return customers()


@pytest.fixture(scope="module")
def parent(master, domains):
    """The operator's verified wildcard parent."""
    return domains.parent(master)


def sends(mail, address, password, subject, sender=None):
    """What reached the outside world of a message that was submitted."""
    mail.submit(address, password, OUTSIDE, subject, sender=sender)
    return mail.outside(subject).decode().replace("\r\n\t", " ").replace("\n\t", " ")


# -- subdomains --------------------------------------------------------------------------


def test_domains_post_customer_below_the_operators_parent_is_ready_at_once(
    customer, parent, hosting, mail
):
    name = f"shop.{parent}"
    made = done(customer.post("/domains/", {"name": name}), 201)
    assert (made["state"], made["parent"], made["wildcard"]) == ("verified", parent, False)
    assert made["owned_since"]
    assert (made["service"]["dkim_domain"], made["service"]["dkim"]) == (parent, [])
    detail(customer.get(f"/domains/{parent}"), 404)  # its name is known, it is not the customer's
    address = f"ann@{name}"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD}), 201)
    assert f"d={parent};" in sends(mail, address, hosting.PASSWORD, f"signed for {name}")


def test_domains_post_customer_below_somebody_elses_parent_stands_alone(
    customer, customers, master, domains
):
    ref = customers.partner()
    owner = customers.key(ref)
    parent = domains.parent(master, owner=ref)
    made = done(customer.post("/domains/", {"name": f"thief.{parent}"}), 201)
    assert (made["state"], made["parent"], made["owned_since"]) == ("pending", None, None)
    made = done(owner.post("/domains/", {"name": f"own.{parent}"}), 201)
    assert (made["state"], made["parent"]) == ("verified", parent)


def test_domains_post_customer_below_what_is_no_parent_stands_alone(customer, domains):
    above = domains(customer, verified=True)
    assert done(customer.post("/domains/", {"name": f"a.{above}"}), 201)["state"] == "pending"


def test_domains_post_customer_deep_below_a_parent_is_linked(customer, parent):
    made = done(customer.post("/domains/", {"name": f"a.b.{parent}"}), 201)
    assert (made["state"], made["parent"]) == ("verified", parent)


def test_domains_register_subdomain_customer_twice_is_one(customer, parent):
    path = f"/domains/reg.{parent}/register-subdomain"
    first = done(customer.post(path), 201)
    assert (first["state"], first["parent"]) == ("verified", parent)
    assert done(customer.post(path), 200) == first
    assert done(customer.get(f"/domains/?q=reg.{parent}"))["total"] == 1


def test_domains_register_subdomain_customer_can_send_with_nothing_else(
    customer, parent, hosting, mail
):
    name = f"selfcontained.{parent}"
    done(customer.post(f"/domains/{name}/register-subdomain"), 201)
    done(customer.post("/users/", {"email": f"ann@{name}", "password": hosting.PASSWORD}), 201)
    assert f"d={parent};" in sends(mail, f"ann@{name}", hosting.PASSWORD, f"sent by {name}")


def test_domains_register_subdomain_customer_adopts_one_that_waits(customer, master, domains):
    above = domains(master, "late", verified=True)
    name = domains(customer, name=f"shop.{above}")
    assert "no verified wildcard parent" in detail(
        customer.post(f"/domains/{name}/register-subdomain"), 409)
    done(master.put(f"/domains/{above}/parent", {"wildcard": True}))
    shown = done(customer.post(f"/domains/{name}/register-subdomain"), 201, 200)
    assert (shown["state"], shown["parent"]) == ("verified", above)
    assert done(customer.get(f"/domains/{name}"))["state"] == "verified"


def test_domains_register_subdomain_customer_below_nothing_is_refused(customer):
    name = f"shop.{new_name()}"
    assert "no verified wildcard parent" in detail(
        customer.post(f"/domains/{name}/register-subdomain"), 409)
    detail(customer.get(f"/domains/{name}"), 404)


def test_domains_register_subdomain_customer_somebody_elses_answers_as_if_not_there(
    customer, customers, domains
):
    name = f"shop.{new_name()}"
    before = customer.post(f"/domains/{name}/register-subdomain")
    domains(customers(), name=name)
    after = customer.post(f"/domains/{name}/register-subdomain")
    assert (before.status_code, before.content) == (after.status_code, after.content)


def test_domains_register_subdomain_customer_counts_towards_the_limit(customers, parent):
    customer = customers(domain_limit=1)
    done(customer.post(f"/domains/one.{new_name('x')[:-8]}.{parent}/register-subdomain"), 201)
    answer = customer.post(f"/domains/two.{new_name('x')[:-8]}.{parent}/register-subdomain")
    assert "limit of 1 domains" in detail(answer, 409)


# -- PUT parent --------------------------------------------------------------------------


def test_domains_parent_put_master_sets_and_takes_away(master, parent, domains, customers):
    ref = customers.partner()
    name = f"moved.{new_name('x')[:-8]}.{parent}"
    done(master.post("/domains/", {"name": name, "partner_ref": ref}), 201)
    alone = done(master.put(f"/domains/{name}/parent", {"parent": None}), 200)
    assert (alone["parent"], alone["state"], alone["owned_since"]) == (None, "pending", None)
    for _ in range(2):
        below = done(master.put(f"/domains/{name}/parent", {"parent": parent.upper()}), 200)
        assert (below["parent"], below["state"]) == (parent, "verified")
    assert done(master.get(f"/domains/{name}")) == below


def test_domains_parent_put_master_refuses_what_is_none(master, parent, domains):
    name = domains(master)
    other = domains(master)
    assert "not below" in detail(master.put(f"/domains/{name}/parent", {"parent": parent}), 409)
    assert detail(master.put(f"/domains/{name}/parent", {"parent": new_name()}), 404)
    child = domains(master, name=f"x.{other}")
    assert "not a verified wildcard parent" in detail(
        master.put(f"/domains/{child}/parent", {"parent": other}), 409)
    below = domains(master, name=f"both.{parent}")
    answer = master.put(f"/domains/{below}/parent", {"parent": parent, "wildcard": True})
    assert answer.status_code in (409, 422), answer.text
    answer = master.put(f"/domains/{parent}/parent", {"wildcard": False})
    assert answer.status_code in (409, 422), answer.text
    assert "own DNS records" in answer.text, "what would become of it"
    assert done(master.get(f"/domains/{parent}"))["wildcard"] is True
    assert set(faults(master.put(f"/domains/{name}/parent", {"parent": "a b"}))) == {"parent"}


# -- PUT owner ---------------------------------------------------------------------------


def test_domains_owner_put_master_moves_it_with_both_counters(master, customers, domains, used):
    old_ref, new_ref = customers.partner(), customers.partner()
    old, new = customers.key(old_ref), customers.key(new_ref)
    name = domains(old)
    done(old.post("/users/", {"email": f"ann@{name}"}), 201)
    assert (used(old_ref), used(new_ref)) == (1, 0)
    for _ in range(2):  # the second time changes nothing
        moved = done(master.put(f"/domains/{name}/owner", {"partner_ref": new_ref}), 200)
        assert moved["partner_ref"] == new_ref
        assert (used(old_ref), used(new_ref)) == (0, 1)
    for path in (f"/domains/{name}", f"/users/ann@{name}"):
        detail(old.get(path), 404)
        done(new.get(path), 200)


def test_domains_owner_put_master_refuses_who_has_no_active_key(master, customers, domains, used):
    old_ref, new_ref = customers.partner(), customers.partner()
    name = domains(customers.key(old_ref))
    path, body = f"/domains/{name}/owner", {"partner_ref": new_ref}
    assert "no active API key" in detail(master.put(path, body), 409)
    key = done(master.post("/api-keys/", {"name": "Revoked", "partner_ref": new_ref}), 201)
    done(master.delete(f"/api-keys/{key['id']}"), 204)
    assert "no active API key" in detail(master.put(path, body), 409)
    assert (used(old_ref), used(new_ref)) == (1, 0)
    assert done(master.get(f"/domains/{name}"))["partner_ref"] == old_ref


def test_domains_owner_put_master_refuses_over_the_limit(master, customers, domains, used):
    old_ref, full_ref = customers.partner(), customers.partner(domain_limit=1)
    domains(customers.key(full_ref))
    name = domains(customers.key(old_ref))
    answer = master.put(f"/domains/{name}/owner", {"partner_ref": full_ref})
    assert "limit of 1 domains" in detail(answer, 409)
    assert (used(old_ref), used(full_ref)) == (1, 1)


def test_domains_owner_put_master_unknown_customer_is_named(master, domains):
    path = f"/domains/{domains(master)}/owner"
    for body in ({"partner_ref": "nobody"}, {"partner_ref": None}, {}, {"partner_ref": 3}):
        assert set(faults(master.put(path, body))) == {"partner_ref"}


# -- suspend, activate -------------------------------------------------------------------


def test_domains_suspend_master_freezes_and_activate_restores(
    master, customer, domains, hosting, mail
):
    name = domains(customer, verified=True)
    address = f"ann@{name}"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD}), 201)
    mail.from_outside(OUTSIDE, address, f"before {name}")
    mail.arrives(address, hosting.PASSWORD, f"before {name}")
    for _ in range(2):
        assert done(master.put(f"/domains/{name}/suspend"), 200)["state"] == "suspended"
    assert done(customer.get(f"/domains/{name}"))["state"] == "suspended"
    assert not mail.can_login(address, hosting.PASSWORD)
    with pytest.raises((smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)):
        mail.from_outside(OUTSIDE, address, "meanwhile")
    for _ in range(2):
        assert done(master.put(f"/domains/{name}/activate"), 200)["state"] == "verified"
    assert mail.subjects(address, hosting.PASSWORD) == [f"before {name}"]
    assert "d=" in sends(mail, address, hosting.PASSWORD, f"after {name}")


def test_domains_activate_master_does_not_verify(master, customer, domains):
    name = domains(customer)
    assert done(master.put(f"/domains/{name}/activate"), 200)["state"] == "pending"
    done(master.put(f"/domains/{name}/suspend"), 200)
    assert done(master.put(f"/domains/{name}/activate"), 200)["state"] == "pending"


def test_domains_suspend_master_ends_an_open_session(master, customer, domains, hosting, mail):
    name = domains(customer, verified=True)
    address = f"ann@{name}"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD}), 201)
    with mail.login(address, hosting.PASSWORD) as smtp:
        done(master.put(f"/domains/{name}/suspend"), 200)
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="suspended"):
            smtp.send_message(message(address, OUTSIDE, "in session"), address, [OUTSIDE])


def test_domains_suspend_customer_cannot_lift_it(customer, domains, master, hosting, mail):
    """Verifying again, or registering below a parent, is no way out of a suspension."""
    name = domains(customer, verified=True)
    done(master.put(f"/domains/{name}/suspend"), 200)
    assert done(customer.post(f"/domains/{name}/verify"), 200)["state"] == "suspended"
    detail(customer.put(f"/domains/{name}/activate"), 403)
    assert done(customer.get(f"/domains/{name}"))["state"] == "suspended"


def test_domains_suspend_customer_subdomain_stays_suspended(customer, master, parent):
    name = f"stays.{new_name('x')[:-8]}.{parent}"
    done(customer.post(f"/domains/{name}/register-subdomain"), 201)
    done(master.put(f"/domains/{name}/suspend"), 200)
    assert done(customer.post(f"/domains/{name}/register-subdomain"), 200)["state"] == "suspended"


def test_domains_register_subdomain_customer_does_not_lift_a_suspension(customer, master, domains):
    """Nor when the parent above it becomes one only after the suspension."""
    above = domains(master, "above", verified=True)
    name = domains(customer, name=f"shop.{above}")
    done(master.put(f"/domains/{name}/suspend"), 200)
    done(master.put(f"/domains/{above}/parent", {"wildcard": True}))
    customer.post(f"/domains/{name}/register-subdomain")
    assert done(customer.get(f"/domains/{name}"))["state"] == "suspended"
