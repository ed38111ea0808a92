"""Keys: made, listed, revoked; and what each of them reaches."""

from datetime import UTC, datetime, timedelta

import pytest
from support.api_client import detail, done, faults, mistyped, new_name, pages

SHOWN = {"id", "name", "role", "partner_ref", "read_only", "area", "domain", "sender", "test",
         "networks", "expires_at", "revoked_at", "last_used", "state", "hint", "created_at"}
OUTSIDE = "ann@outside.tests.example"


@pytest.fixture(scope="module")
def ref(customers):
    """The customer whom the tests of this file share."""
    return customers.partner()


@pytest.fixture(scope="module")
def customer(customers, ref):
    return customers.key(ref)


# -- POST --------------------------------------------------------------------------------


def test_api_keys_post_master_shows_the_secret_once(master, ref, connect):
    made = done(master.post("/api-keys/", {"name": "Shop", "partner_ref": ref}), 201)
    assert set(made) == SHOWN | {"secret"}
    secret = made.pop("secret")
    assert secret.startswith("emboux_") and len(secret) == len("emboux_") + 42
    assert made | {"id": 0, "created_at": ""} == {
        "id": 0, "name": "Shop", "role": "customer", "partner_ref": ref, "read_only": False,
        "area": "all", "domain": None, "sender": None, "test": False, "networks": [],
        "expires_at": None, "revoked_at": None,
        "last_used": None, "state": "active", "hint": secret[-4:], "created_at": ""}
    answer = master.get(f"/api-keys/{made['id']}")
    assert done(answer, 200) == made
    listed = master.get("/api-keys/", params={"partner_ref": ref, "limit": 200})
    assert made in done(listed, 200)["items"]
    assert secret not in answer.text and secret not in listed.text
    assert "secret" not in listed.text and "hash" not in listed.text
    with connect("odoo").cursor() as cr:
        cr.execute("SELECT k::text FROM emboux_api_key k WHERE id = %s", [made["id"]])
        assert secret not in cr.fetchone()[0]
    done(master.with_key(secret).get("/domains/"), 200)


def test_api_keys_post_master_all_options_come_back(master, ref):
    until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    wanted = {"name": "Narrow", "partner_ref": ref, "read_only": True, "area": "mailboxes",
              "domain": "Bücher.example", "networks": ["192.0.2.0/24", "2001:db8::/32"],
              "expires_at": until.isoformat()}
    made = done(master.post("/api-keys/", wanted), 201)
    assert made["domain"] == "xn--bcher-kva.example"
    assert datetime.fromisoformat(made["expires_at"]) == until
    for field in ("name", "partner_ref", "read_only", "area", "networks"):
        assert made[field] == wanted[field]


def test_api_keys_post_master_makes_another_master(master):
    made = done(master.post("/api-keys/", {"name": "Second", "role": "master"}), 201)
    assert (made["role"], made["partner_ref"]) == ("master", None)
    second = master.with_key(made["secret"])
    done(second.get(f"/api-keys/{made['id']}"), 200)
    done(master.delete(f"/api-keys/{made['id']}"), 204)
    detail(second.get("/domains/"), 401)


@pytest.mark.parametrize(("body", "field"), [
    ({}, "partner_ref"), ({"partner_ref": "nobody"}, "partner_ref"),
    ({"role": "master", "partner_ref": "REF"}, "partner_ref"),
    ({"partner_ref": "REF", "role": "owner"}, "role"),
    ({"partner_ref": "REF", "name": ""}, "name"),
    ({"partner_ref": "REF", "name": "x" * 201}, "name"),
    ({"partner_ref": "REF", "area": "keys"}, "area"),
    ({"partner_ref": "REF", "domain": "a b"}, "domain"),
    ({"partner_ref": "REF", "networks": ["192.0.2.0/99"]}, "networks.0"),
    ({"partner_ref": "REF", "networks": ["here"]}, "networks.0"),
    ({"partner_ref": "REF", "expires_at": "2020-01-01T00:00:00Z"}, None),
    ({"partner_ref": "REF", "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
    ({"partner_ref": "REF", "expires_at": "soon"}, "expires_at"),
    ({"partner_ref": "REF", "secret": "emboux_mine"}, "secret"),
])
def test_api_keys_post_master_bad_value_is_named(master, ref, body, field):
    body = {"name": "Bad"} | {key: ref if value == "REF" else value for key, value in body.items()}
    before = done(master.get("/api-keys/?limit=1"))["total"]
    assert set(faults(master.post("/api-keys/", body))) == {field}
    assert done(master.get("/api-keys/?limit=1"))["total"] == before


def test_api_keys_post_master_repeated_shows_no_secret_again(master, ref):
    headers = {"Idempotency-Key": new_name("key")}
    body = {"name": "Repeated", "partner_ref": ref}
    first = done(master.post("/api-keys/", body, headers=headers), 201)
    again = master.post("/api-keys/", body, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert done(again, 201) == first | {"secret": None}
    assert first["secret"] not in again.text
    detail(master.with_key(mistyped(first["secret"])).get("/domains/"), 401)
    done(master.with_key(first["secret"]).get("/domains/"), 200)


# -- GET, DELETE -------------------------------------------------------------------------


def test_api_keys_list_master_pages_and_filters(master, customers):
    ref = customers.partner()
    keys = [done(master.post("/api-keys/", {"name": f"{name} of {ref}", "partner_ref": ref}))
            for name in ("One", "Two", "Three")]
    done(master.delete(f"/api-keys/{keys[0]['id']}"), 204)
    ids = [key["id"] for key in keys]
    assert [item["id"] for item in pages(master, "/api-keys/", partner_ref=ref)] == ids

    def found(**params):
        page = done(master.get("/api-keys/", params={"partner_ref": ref} | params))
        return [item["id"] for item in page["items"]]

    assert found(state="active") == ids[1:]
    assert found(state="revoked") == ids[:1]
    assert found(state="expired") == []
    assert found(q="two of") == [ids[1]]
    assert set(faults(master.get("/api-keys/?state=lost"))) == {"state"}


def test_api_keys_delete_master_revokes_at_once_and_keeps_it_listed(master, ref):
    made = done(master.post("/api-keys/", {"name": "Lost", "partner_ref": ref}), 201)
    key = master.with_key(made["secret"])
    done(key.get("/domains/"), 200)
    answer = master.delete(f"/api-keys/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "revoked" in detail(key.get("/domains/"), 401)
    first = done(master.get(f"/api-keys/{made['id']}"), 200)
    assert first["state"] == "revoked" and first["revoked_at"]
    done(master.delete(f"/api-keys/{made['id']}"), 204)  # again is harmless
    assert done(master.get(f"/api-keys/{made['id']}"))["revoked_at"] == first["revoked_at"]


def test_api_keys_delete_master_not_the_one_in_use(master):
    made = done(master.post("/api-keys/", {"name": "Own", "role": "master"}), 201)
    own = master.with_key(made["secret"])
    assert "that you are using" in detail(own.delete(f"/api-keys/{made['id']}"), 409)
    done(own.get("/domains/?limit=1"), 200)
    done(master.delete(f"/api-keys/{made['id']}"), 204)


def test_api_keys_get_master_unknown_is_not_found(master):
    for key in ("999999999", "0", "-1", "self", "x", str(2**40)):
        detail(master.get(f"/api-keys/{key}"), 404)
        detail(master.delete(f"/api-keys/{key}"), 404)


def test_api_keys_get_master_last_used_is_kept(master, customers, ref):
    made = done(master.post("/api-keys/", {"name": "Used", "partner_ref": ref}), 201)
    path = f"/api-keys/{made['id']}"
    assert done(master.get(path))["last_used"] is None
    seen = master.get(path).headers["ETag"]
    done(master.with_key(made["secret"]).get("/domains/"), 200)
    used = datetime.fromisoformat(done(master.get(path))["last_used"])
    assert abs(datetime.now(UTC) - used) < timedelta(seconds=30)
    assert master.get(path).headers["ETag"] == seen  # being used is no change


# -- what a key reaches ------------------------------------------------------------------


def test_api_keys_read_only_customer_reads_and_writes_nothing(customers, customer, ref, domains):
    name = domains(customer)
    reader = customers.key(ref, read_only=True)
    done(reader.get(f"/domains/{name}"), 200)
    for answer in (reader.post("/domains/", {"name": new_name()}),
                   reader.delete(f"/domains/{name}"),
                   reader.post("/users/", {"email": f"a@{name}"}),
                   reader.post(f"/domains/{name}/verify")):
        assert "only read" in detail(answer, 403)
    done(reader.get("/api-keys/self/usage"), 200)
    assert done(customer.get(f"/domains/{name}"))["mailboxes"] == 0


def test_api_keys_area_customer_reaches_one_area(customers, customer, ref, domains):
    name = domains(customer)
    for_domains = customers.key(ref, area="domains")
    for_mailboxes = customers.key(ref, area="mailboxes")
    done(for_domains.get(f"/domains/{name}"), 200)
    assert "reaches domains only" in detail(for_domains.get("/users/"), 403)
    assert "domains only" in detail(for_domains.post("/users/", {"email": f"a@{name}"}), 403)
    assert "domains only" in detail(for_domains.get(f"/aliases/a@{name}"), 403)
    assert "reaches mailboxes only" in detail(for_mailboxes.get(f"/domains/{name}"), 403)
    assert "mailboxes only" in detail(for_mailboxes.delete(f"/domains/{name}"), 403)
    done(for_mailboxes.post("/users/", {"email": f"a@{name}"}), 201)
    done(for_mailboxes.post("/aliases/", {"address": f"b@{name}", "destinations": [OUTSIDE]}), 201)
    for key in (for_domains, for_mailboxes):
        done(key.get("/api-keys/self/usage"), 200)


def test_api_keys_domain_customer_reaches_one_domain(customers, customer, ref, domains):
    name, other = domains(customer), domains(customer)
    for domain in (name, other):
        done(customer.post("/users/", {"email": f"ann@{domain}"}), 201)
        done(customer.post("/aliases/", {"address": f"b@{domain}", "destinations": [OUTSIDE]}), 201)
    key = customers.key(ref, domain=name)
    assert [item["name"] for item in done(key.get("/domains/"))["items"]] == [name]
    assert [item["email"] for item in done(key.get("/users/"))["items"]] == [f"ann@{name}"]
    assert [item["address"] for item in done(key.get("/aliases/"))["items"]] == [f"b@{name}"]
    for path in (f"/domains/{other}", f"/users/ann@{other}", f"/aliases/b@{other}",
                 f"/domains/{other}/verify-status", f"/users/ann@{other}/quota"):
        detail(key.get(path), 404)
    detail(key.post("/users/", {"email": f"x@{other}"}), 404)
    detail(key.delete(f"/users/ann@{other}"), 404)
    assert key.post("/domains/", {"name": new_name()}).status_code in (403, 404)
    names = {item["domain"] for item in done(key.get("/api-keys/self/usage"))["items"]}
    assert names == {name}
    done(key.post("/users/", {"email": f"x@{name}"}), 201)


def test_api_keys_domain_master_reaches_one_domain(master, domains):
    name, other = domains(master), domains(master)
    made = done(master.post("/api-keys/", {"name": "One", "role": "master", "domain": name}), 201)
    key = master.with_key(made["secret"])
    done(key.put(f"/domains/{name}/suspend"), 200)
    detail(key.put(f"/domains/{other}/suspend"), 404)
    for answer in (key.get("/api-keys/"), key.post("/api-keys/", {"name": "x", "role": "master"}),
                   key.get("/suppression"), key.post("/outbound/reset-daily")):
        assert "one domain only" in detail(answer, 403)
    assert done(master.get(f"/domains/{other}"))["state"] == "pending"


def test_api_keys_area_master_makes_no_wider_key(master):
    """A key that reaches mailboxes alone could else make itself one that reaches everything."""
    for scope in ({"area": "mailboxes"}, {"area": "domains"}):
        made = done(master.post("/api-keys/", {"name": "Narrow", "role": "master"} | scope), 201)
        key = master.with_key(made["secret"])
        answer = key.post("/api-keys/", {"name": "Wide", "role": "master"})
        detail(answer, 403)


def test_api_keys_networks_customer_elsewhere_is_refused(customers, ref):
    body = ["192.0.2.0/24", "2001:db8::/32"]
    assert "from your address" in detail(customers.key(ref, networks=body).get("/domains/"), 403)
    for networks in (["127.0.0.0/8"], ["192.0.2.0/24", "127.0.0.1"]):
        done(customers.key(ref, networks=networks).get("/domains/"), 200)
    spoofed = customers.key(ref, networks=["192.0.2.0/24"]).get(
        "/domains/", headers={"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1"})
    detail(spoofed, 403)


def test_api_keys_expiry_customer_ends_by_itself(master, customers, ref, connect):
    made = done(master.post("/api-keys/", {
        "name": "Short", "partner_ref": ref,
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}), 201)
    key = master.with_key(made["secret"])
    done(key.get("/domains/"), 200)
    connect("odoo").cursor().execute(
        "UPDATE emboux_api_key SET expires_at = now() AT TIME ZONE 'UTC' - interval '1 second'"
        " WHERE id = %s", [made["id"]])
    assert "expired" in detail(key.get("/domains/"), 401)
    assert done(master.get(f"/api-keys/{made['id']}"))["state"] == "expired"


def test_api_keys_customer_may_not_look_at_keys(customer, master, ref):
    [key, *_more] = done(master.get("/api-keys/", params={"partner_ref": ref}))["items"]
    for answer in (customer.get("/api-keys/"), customer.get(f"/api-keys/{key['id']}"),
                   customer.delete(f"/api-keys/{key['id']}"), customer.get("/api-keys/999999999"),
                   customer.post("/api-keys/", {"name": "Mine", "partner_ref": ref})):
        assert detail(answer, 403) == "Master token required"
