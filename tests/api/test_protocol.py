"""Paging, repeating with a key, and not overwriting what others changed."""

import pytest
from support.api_client import detail, done, faults, new_name, pages

OUTSIDE = "ann@outside.tests.example"


@pytest.fixture(scope="module")
def customer(customers):
    return customers()


@pytest.fixture(scope="module")
def name(customer, domains):
    return domains(customer, "protocol")


# -- pages -------------------------------------------------------------------------------


def test_paging_customer_is_stable_while_rows_come_and_go(customers, domains):
    customer = customers()
    name = domains(customer)
    rows = [{"email": f"{letter}@{name}"} for letter in "bdfhj"]
    assert done(customer.post("/users/bulk", {"users": rows}))["created"] == 5
    first = done(customer.get("/users/?limit=2"))
    assert [item["email"][0] for item in first["items"]] == ["b", "d"]
    assert first["total"] == 5
    done(customer.post("/users/", {"email": f"a@{name}"}), 201)  # before the page: not told
    done(customer.post("/users/", {"email": f"e@{name}"}), 201)  # behind it: told
    done(customer.delete(f"/users/d@{name}"), 204)  # the last one of the page
    second = done(customer.get("/users/", params={"limit": 2, "cursor": first["next"]}))
    assert [item["email"][0] for item in second["items"]] == ["e", "f"]
    assert second["total"] == 6
    third = done(customer.get("/users/", params={"limit": 2, "cursor": second["next"]}))
    assert [item["email"][0] for item in third["items"]] == ["h", "j"]
    assert third["next"] is None  # exactly full, and nothing behind it


LISTS = ("/domains/", "/users/", "/aliases/", "/api-keys/", "/suppression")


@pytest.mark.parametrize("path", LISTS)
def test_paging_master_bounds_of_limit(master, path):
    for limit in ("0", "201", "-1", "x", "", "1.5", "99999999999999999999"):
        assert set(faults(master.get(path, params={"limit": limit}))) == {"limit"}
    for limit in (1, 200):
        assert len(done(master.get(path, params={"limit": limit}), 200)["items"]) <= limit


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["x", "AAAA", "W10", "WzEsMl0", "bnVsbA", "W251bGxd", "W3RydWVd",
                                    "WzEuNV0", "WyJcdTAwMDAiXQ", "a b", "a" * 9000])
def test_paging_master_bad_cursor_is_named(master, path, cursor):
    assert set(faults(master.get(path, params={"cursor": cursor}))) == {"cursor"}


def test_paging_master_cursor_of_another_list_is_refused(master, customers):
    ref = customers.partner()
    for _ in range(2):
        customers.key(ref)
    cursor = done(master.get("/api-keys/", params={"limit": 1, "partner_ref": ref}))["next"]
    assert set(faults(master.get("/domains/", params={"cursor": cursor}))) == {"cursor"}


def test_paging_customer_foreign_cursor_shows_nothing_foreign(customer, customers, domains):
    other = customers()
    for _ in range(2):
        domains(other, "a")
    cursor = done(other.get("/domains/?limit=1"))["next"]
    listed = done(customer.get("/domains/", params={"cursor": cursor}))["items"]
    mine = {item["name"] for item in pages(customer, "/domains/", limit=200)}
    assert {item["name"] for item in listed} <= mine


def test_paging_customer_the_same_page_has_the_same_etag_and_another_another(customer, name):
    for path in (f"/users/?domain={name}", "/domains/"):
        first, second = (customer.get(path) for _ in range(2))
        assert first.headers["ETag"] == second.headers["ETag"], path
    before = customer.get(f"/users/?domain={name}").headers["ETag"]
    address = f"new-{new_name()[:-8]}@{name}"
    done(customer.post("/users/", {"email": address}), 201)
    with_one_more = customer.get(f"/users/?domain={name}").headers["ETag"]
    assert with_one_more != before
    done(customer.put(f"/users/{address}", {"display_name": "Changed"}))
    assert customer.get(f"/users/?domain={name}").headers["ETag"] not in (before, with_one_more)
    done(customer.delete(f"/users/{address}"), 204)
    assert customer.get(f"/users/?domain={name}").headers["ETag"] == before


# -- Idempotency-Key ---------------------------------------------------------------------


def test_idempotency_customer_repeated_is_answered_and_not_done(customer, name):
    headers = {"Idempotency-Key": new_name("once")}
    body = {"email": f"once@{name}", "password": "kept secret, once"}
    first = customer.post("/users/", body, headers=headers)
    assert done(first, 201) and "Idempotency-Replayed" not in first.headers
    done(customer.put(f"/users/once@{name}", {"display_name": "Changed since"}))
    again = customer.post("/users/", body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert done(customer.get(f"/users/once@{name}"))["display_name"] == "Changed since"
    assert "exists already" in detail(customer.post("/users/", body), 409)


def test_idempotency_customer_repeated_with_another_password_is_another_request(customer, name):
    headers = {"Idempotency-Key": new_name("other")}
    body = {"email": f"other@{name}", "password": "kept secret, first"}
    done(customer.post("/users/", body, headers=headers), 201)
    for changed in (body | {"password": "kept secret, other"}, body | {"display_name": "x"}):
        answer = customer.post("/users/", changed, headers=headers)
        assert set(faults(answer)) == {"Idempotency-Key"} and "kept" not in answer.text
    body = {"address": f"z@{name}", "destinations": [OUTSIDE]}
    found = faults(customer.post("/aliases/", body, headers=headers))
    assert set(found) == {"Idempotency-Key"}
    detail(customer.get(f"/aliases/z@{name}"), 404)


def test_idempotency_customer_what_failed_may_be_tried_again(customer, name):
    """Nothing was done, so nothing is remembered."""
    headers = {"Idempotency-Key": new_name("failed")}
    blocker = {"address": f"failed@{name}", "destinations": [OUTSIDE]}
    done(customer.post("/aliases/", blocker), 201)
    body = {"email": f"failed@{name}"}
    detail(customer.post("/users/", body, headers=headers), 409)
    done(customer.delete(f"/aliases/failed@{name}"), 204)
    answer = customer.post("/users/", body, headers=headers)
    assert done(answer, 201) and "Idempotency-Replayed" not in answer.headers


def test_idempotency_customer_what_is_over_begins_anew(customer, name, connect):
    """After 24 hours, also when nobody has swept the row away: neither replayed nor refused."""
    token = new_name("old")
    headers = {"Idempotency-Key": token}
    body = {"email": f"old@{name}"}
    done(customer.post("/users/", body, headers=headers), 201)
    other = {"email": f"older@{name}"}
    assert set(faults(customer.post("/users/", other, headers=headers))) == {"Idempotency-Key"}
    with connect("odoo").cursor() as cr:
        for hours, status in ((23, 422), (25, 201)):
            cr.execute("UPDATE emboux_idempotency SET made_at = (now() AT TIME ZONE 'UTC')"
                       " - %s * interval '1 hour' WHERE token = %s", [hours, token])
            answer = customer.post("/users/", other, headers=headers)
            assert answer.status_code == status, answer.text
    assert "Idempotency-Replayed" not in answer.headers
    again = customer.post("/users/", other, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true" and again.json() == answer.json()


def test_idempotency_customers_do_not_share_keys(customer, customers):
    headers = {"Idempotency-Key": new_name("shared")}
    name = new_name()
    first = customer.post("/domains/", {"name": name}, headers=headers)
    done(first, 201)
    answer = customers().post("/domains/", {"name": name}, headers=headers)
    # a claim of their own
    assert answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers


def test_idempotency_customer_bulk_and_register_are_replayed(customer, name, master, domains):
    headers = {"Idempotency-Key": new_name("bulk")}
    body = {"users": [{"email": f"b{n}@{name}"} for n in range(3)]}
    first = customer.post("/users/bulk", body, headers=headers)
    again = customer.post("/users/bulk", body, headers=headers)
    assert done(first, 200)["created"] == 3 and again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    path = f"/domains/x.{domains.parent(master)}/register-subdomain"
    headers = {"Idempotency-Key": new_name("register")}
    answers = [customer.post(path, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "\xfc"])
def test_idempotency_customer_bad_key_is_named(customer, key):
    name = new_name()
    answer = customer.post("/domains/", {"name": name},
                           headers={"Idempotency-Key": key.encode("latin-1")})
    assert set(faults(answer)) == {"Idempotency-Key"}
    detail(customer.get(f"/domains/{name}"), 404)


def test_idempotency_answers_are_stored_without_passwords(customer, name, connect):
    token = new_name("stored")
    body = {"email": f"stored@{name}", "password": "kept secret, stored"}
    done(customer.post("/users/", body, headers={"Idempotency-Key": token}), 201)
    with connect("odoo").cursor() as cr:
        cr.execute("SELECT i::text FROM emboux_idempotency i WHERE token = %s", [token])
        [row] = cr.fetchone()
    assert f"stored@{name}" in row and "kept secret" not in row


# -- ETag, If-Match ----------------------------------------------------------------------


def test_etag_customer_tells_of_a_change(customer, name):
    done(customer.post("/users/", {"email": f"etag@{name}"}), 201)
    path = f"/users/etag@{name}"
    first = customer.get(path).headers["ETag"]
    assert first == customer.get(path).headers["ETag"]
    assert first.startswith('"') and first.endswith('"')
    done(customer.put(path, {"display_name": "x"}))
    assert customer.get(path).headers["ETag"] != first


@pytest.mark.parametrize(("what", "body"), [
    ("suspend", None), ("activate", None), ("parent", {"wildcard": True}),
    ("owner", {"partner_ref": "REF"}),
])
def test_etag_master_domain_over_a_change_is_refused(master, customers, domains, what, body):
    ref = customers.partner()
    customers.key(ref)
    name = domains(master)
    seen = master.get(f"/domains/{name}").headers["ETag"]
    done(master.put(f"/domains/{name}/suspend"))
    now = done(master.get(f"/domains/{name}"))
    body = {key: ref if value == "REF" else value for key, value in (body or {}).items()}
    answer = master.put(f"/domains/{name}/{what}", body, headers={"If-Match": seen})
    assert "has changed" in detail(answer, 412)
    assert done(master.get(f"/domains/{name}")) == now
    seen = master.get(f"/domains/{name}").headers["ETag"]
    # a weak one proves nothing (RFC 9110, 13.1.1)
    detail(master.put(f"/domains/{name}/{what}", body, headers={"If-Match": f"W/{seen}"}), 412)
    done(master.put(f"/domains/{name}/{what}", body, headers={"If-Match": seen}), 200)


def test_etag_master_mailbox_in_it_is_no_change_of_a_domain(master, domains):
    name = domains(master)
    seen = master.get(f"/domains/{name}").headers["ETag"]
    done(master.post("/users/", {"email": f"ann@{name}"}), 201)
    assert master.get(f"/domains/{name}").headers["ETag"] == seen
