"""A key that was made narrow stays narrow, whatever it asks for."""

import threading

import pytest
from support.api_client import detail, done, new_name


@pytest.fixture
def own(customers):
    customer = customers()
    name = new_name("reach")
    done(customer.post("/domains/", {"name": name}), 201)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    return customer, name


def narrow(master, **scope):
    made = done(master.post("/api-keys/", {"name": "Narrow", "role": "master", **scope}), 201)
    return master.with_key(made["secret"])


def test_usage_get_master_of_one_domain_hears_of_no_other(master, own):
    _customer, name = own
    everything = done(master.get("/api-keys/?limit=1"))["items"][0]["id"]
    one = narrow(master, domain=name)
    assert detail(one.get(f"/api-keys/{everything}/usage"), 404) == "Not found"
    told = done(one.get("/api-keys/self/usage"))["items"]
    assert {item["domain"] for item in told} == {name}


def test_domains_delete_customer_of_the_area_domains_keeps_mailboxes(customers, master):
    ref = customers.partner()
    customer, name = customers.key(ref), new_name("area")
    done(customer.post("/domains/", {"name": name}), 201)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    domains_only = customers.key(ref, area="domains")
    assert "domains only" in detail(domains_only.delete(f"/domains/{name}?cascade=true"), 403)
    assert customer.get(f"/users/ann@{name}").ok
    kinds = {item["kind"] for item in done(domains_only.get("/api-keys/self/usage"))["items"]}
    assert kinds == {"domain"}
    mailboxes_only = customers.key(ref, area="mailboxes")
    kinds = {item["kind"] for item in done(mailboxes_only.get("/api-keys/self/usage"))["items"]}
    assert kinds == {"mailbox"}


def test_api_keys_post_master_makes_none_that_reach_more(master):
    until = "2099-01-01T00:00:00Z"
    here = narrow(master, networks=["127.0.0.0/8"], expires_at=until)
    made = done(here.post("/api-keys/", {"name": "Child", "role": "master"}), 201)
    assert made["networks"] == ["127.0.0.0/8"] and made["expires_at"] == until
    body = {"name": "Child", "role": "master", "networks": ["0.0.0.0/0"]}
    assert "its own networks" in detail(here.post("/api-keys/", body), 403)


def test_users_bulk_one_at_a_time_for_each_key(own):
    """The others are told to wait; nobody else's requests have to."""
    customer, name = own
    rows = [{"email": f"u{n}@{name}", "password": f"password {n}"} for n in range(100)]
    statuses, start = [], threading.Barrier(3)

    def send():
        start.wait()
        answer = customer.with_key(customer.key).post("/users/bulk", {"users": rows})
        statuses.append((answer.status_code, answer.headers.get("Retry-After")))

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _wait in statuses)[0] == 200
    assert (429, "5") in statuses
    assert done(customer.get("/users/?limit=1"))["total"] == 101
