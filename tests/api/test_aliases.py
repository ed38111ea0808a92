"""Aliases: upsert, catch-all, lists; and what they deliver to."""

import pytest
from support.api_client import detail, done, faults, in_path, new_name, pages

OUTSIDE = "ann@outside.tests.example"
SHOWN = {"address", "kind", "domain", "destinations", "active", "created_at"}


@pytest.fixture(scope="module")
def customer(customers):
    return customers()


@pytest.fixture(scope="module")
def name(customer, domains, hosting):
    """A verified domain with a mailbox ann, which this file shares."""
    name = domains(customer, "aliases", verified=True)
    done(customer.post("/users/", {"email": f"ann@{name}", "password": hosting.PASSWORD}), 201)
    return name


@pytest.fixture
def address(name):
    """An address that nobody has."""
    return f"{new_name('a').removesuffix('.example')}@{name}"


# -- POST /aliases/ ----------------------------------------------------------------------


def test_aliases_post_customer_delivers(customer, name, address, mail, hosting):
    body = {"address": address.upper(), "destinations": [f"Ann@{name}", OUTSIDE]}
    made = done(customer.post("/aliases/", body), 201)
    assert set(made) == SHOWN
    assert made | {"created_at": ""} == {
        "address": address, "kind": "forward", "domain": name, "active": True,
        "destinations": [f"ann@{name}", OUTSIDE], "created_at": ""}
    assert done(customer.get(f"/aliases/{address}"), 200) == made
    mail.from_outside("bob@outside.tests.example", address, f"to {address}")
    mail.arrives(f"ann@{name}", hosting.PASSWORD, f"to {address}")
    mail.outside(f"to {address}")


def test_aliases_post_customer_twice_is_one(customer, name, address):
    body = {"address": address, "destinations": [f"ann@{name}"]}
    first = done(customer.post("/aliases/", body), 201)
    for _ in range(2):
        assert done(customer.post("/aliases/", body), 200) == first
    assert done(customer.get("/aliases/", params={"q": address}))["total"] == 1


def test_aliases_post_customer_again_changes_where_it_leads(customer, name, address):
    done(customer.post("/aliases/", {"address": address, "destinations": [f"ann@{name}"]}), 201)
    body = {"address": address, "destinations": [OUTSIDE, OUTSIDE.upper()]}
    changed = done(customer.post("/aliases/", body), 200)
    assert changed["destinations"] == [OUTSIDE]
    assert done(customer.get(f"/aliases/{address}")) == changed


def test_aliases_post_customer_catch_all_receives(customer, domains, mail, hosting):
    name = domains(customer, verified=True)
    target, path = f"ann@{name}", f"/aliases/%40{name}"
    done(customer.post("/users/", {"email": target, "password": hosting.PASSWORD}), 201)
    body = {"address": f"@{name}", "destinations": [target]}
    made = done(customer.post("/aliases/", body), 201)
    assert (made["address"], made["kind"]) == (f"@{name}", "catch_all")
    assert done(customer.post("/aliases/", body), 200) == made
    for written in (path, f"/aliases/@{name}", f"/aliases/{in_path('@' + name.upper())}"):
        assert done(customer.get(written), 200) == made
    assert done(customer.get(f"/users/{target}"))["catch_all"] is True
    mail.from_outside(OUTSIDE, f"any.thing@{name}", f"caught {name}")
    mail.arrives(target, hosting.PASSWORD, f"caught {name}")
    done(customer.delete(path), 204)
    detail(customer.get(path), 404)
    assert done(customer.get(f"/users/{target}"))["catch_all"] is False


def test_aliases_post_customer_idna(customer, domains):
    stem = new_name("idna").removesuffix(".example")
    name = domains(customer, name=f"{stem}.xn--bcher-kva.example")
    body = {"address": f"Info@{stem}.BÜCHER.example", "destinations": ["x@münchen.example"]}
    made = done(customer.post("/aliases/", body), 201)
    assert made["address"] == f"info@{name}"
    assert made["destinations"] == ["x@xn--mnchen-3ya.example"]
    assert done(customer.get(f"/aliases/{in_path(f'info@{stem}.bücher.example')}")) == made
    found = done(customer.get("/aliases/", params={"domain": f"{stem}.bücher.example"}))
    assert found["items"] == [made]


def test_aliases_post_customer_mailboxs_address_is_taken(customer, name):
    body = {"address": f"ann@{name}", "destinations": [OUTSIDE]}
    assert "exists already" in detail(customer.post("/aliases/", body), 409)
    detail(customer.get(f"/aliases/ann@{name}"), 404)


def test_aliases_post_customer_foreign_domain_is_not_there(customer, master, domains):
    foreign, missing = domains(master), new_name()
    addresses = [f"{local}@{domain}" for local in ("spy", "") for domain in (foreign, missing)]
    answers = [customer.post("/aliases/", {"address": address, "destinations": [OUTSIDE]})
               for address in addresses]
    assert {(a.status_code, a.content) for a in answers} == {(404, b'{"detail": "Not found"}')}
    assert done(master.get("/aliases/", params={"domain": foreign}))["total"] == 0


@pytest.mark.parametrize("destinations", [[], ["nobody"], ["a b@c.example"], [""], [7], None, "x",
                                          ["ok@b.example", "bad@"],
                                          [f"u{n}@b.example" for n in range(101)]])
def test_aliases_post_customer_bad_destination_is_named(customer, address, destinations):
    answer = customer.post("/aliases/", {"address": address, "destinations": destinations})
    assert all(field.startswith("destinations") for field in faults(answer))
    detail(customer.get(f"/aliases/{address}"), 404)


@pytest.mark.parametrize("wrong", ["", "@", "x", "a+b@{name}", "a b@{name}", "a@b@{name}", 5])
def test_aliases_post_customer_bad_address_is_refused(customer, name, wrong):
    wrong = wrong.replace("{name}", name) if isinstance(wrong, str) else wrong
    assert faults(customer.post("/aliases/", {"address": wrong, "destinations": [OUTSIDE]}))


def test_aliases_post_customer_loop_is_refused(customer, name, address):
    body = {"address": address, "destinations": [address]}
    assert "points at itself" in str(faults(customer.post("/aliases/", body)))
    done(customer.post("/aliases/", {"address": address, "destinations": [f"ann@{name}"]}), 201)
    done(customer.post("/aliases/", {"address": f"b-{address}", "destinations": [address]}), 201)
    body = {"address": address, "destinations": [f"b-{address}"]}
    assert "loop" in str(faults(customer.post("/aliases/", body)))
    assert done(customer.get(f"/aliases/{address}"))["destinations"] == [f"ann@{name}"]


def test_aliases_post_customer_nowhere_is_refused(customer, name, address):
    body = {"address": address, "destinations": [f"nobody-{address}"]}
    assert "does not exist" in str(faults(customer.post("/aliases/", body)))
    detail(customer.get(f"/aliases/{address}"), 404)


def test_aliases_post_customer_over_the_aliases_of_a_mailbox_is_refused(customers, domains):
    customer = customers(alias_limit=2)
    name = domains(customer)
    for who in ("ann", "bob"):
        done(customer.post("/users/", {"email": f"{who}@{name}"}), 201)

    def alias(local, to="ann"):
        return customer.post("/aliases/", {"address": f"{local}@{name}",
                                           "destinations": [f"{to}@{name}"]})

    done(alias("a"), 201)
    done(alias("b"), 201)
    done(alias("b"), 200)
    sentence = detail(alias("c"), 409)
    assert "limit of 2 aliases" in sentence and f"ann@{name}" in sentence
    detail(customer.get(f"/aliases/c@{name}"), 404)
    done(alias("c", "bob"), 201)
    assert "limit of 2 aliases" in detail(alias("c"), 409)
    assert done(customer.get(f"/aliases/c@{name}"))["destinations"] == [f"bob@{name}"]
    done(customer.delete(f"/aliases/a@{name}"), 204)
    done(alias("c"), 200)


def test_aliases_post_master_makes_one_anywhere(master, customer, name, address):
    done(master.post("/aliases/", {"address": address, "destinations": [f"ann@{name}"]}), 201)
    done(customer.get(f"/aliases/{address}"), 200)


# -- GET, DELETE -------------------------------------------------------------------------


def test_aliases_list_customer_pages_and_filters(customers, master, domains):
    customer = customers()
    one, two = domains(customer), domains(customer)
    for address in (f"a@{one}", f"@{one}", f"a@{two}"):
        body = {"address": address, "destinations": [f"to-{address.strip('@')}@b.example"
                                                     if address[0] == "@" else OUTSIDE]}
        done(customer.post("/aliases/", body), 201)
    foreign = domains(master)
    done(master.post("/aliases/", {"address": f"x@{foreign}", "destinations": [OUTSIDE]}), 201)
    everything = {f"a@{one}", f"@{one}", f"a@{two}"}
    listed = [item["address"] for item in pages(customer, "/aliases/")]
    assert len(listed) == 3 and set(listed) == everything

    def found(**params):
        return {item["address"] for item in done(customer.get("/aliases/", params=params))["items"]}

    assert found(domain=one) == {f"a@{one}", f"@{one}"}
    assert found(kind="catch_all") == {f"@{one}"}
    assert found(kind="forward") == {f"a@{one}", f"a@{two}"}
    assert found(q=f"a@{two[:-8]}") == {f"a@{two}"}
    assert found(q="to-") == {f"@{one}"}  # where it leads is looked at too
    assert found(domain=foreign) == set()
    assert set(faults(customer.get("/aliases/?kind=list"))) == {"kind"}


def test_aliases_delete_customer_is_gone(customer, name, address):
    done(customer.post("/aliases/", {"address": address, "destinations": [f"ann@{name}"]}), 201)
    answer = customer.delete(f"/aliases/{in_path(address)}")
    assert (answer.status_code, answer.content) == (204, b"")
    detail(customer.get(f"/aliases/{address}"), 404)
    detail(customer.delete(f"/aliases/{address}"), 404)
    done(customer.get(f"/users/ann@{name}"), 200)


def test_aliases_delete_customer_refused_while_another_needs_it(customer, name, address):
    done(customer.post("/aliases/", {"address": address, "destinations": [f"ann@{name}"]}), 201)
    done(customer.post("/aliases/", {"address": f"b-{address}", "destinations": [address]}), 201)
    assert f"b-{address}" in detail(customer.delete(f"/aliases/{address}"), 409)
    done(customer.get(f"/aliases/{address}"), 200)


def test_aliases_delete_customer_a_mailbox_is_no_alias(customer, name):
    detail(customer.delete(f"/aliases/ann@{name}"), 404)
    done(customer.get(f"/users/ann@{name}"), 200)


# -- POST /aliases/bulk ------------------------------------------------------------------


def test_aliases_bulk_customer_each_row_has_its_answer(customer, master, domains, name, address):
    foreign = domains(master)
    there = f"there-{address}"
    done(customer.post("/aliases/", {"address": there, "destinations": [OUTSIDE]}), 201)
    to_ann = [f"ann@{name}"]
    rows = [
        ({"address": address.upper(), "destinations": to_ann}, 201, None),
        ({"address": there, "destinations": to_ann}, 200, None),
        ({"address": f"ann@{name}", "destinations": [OUTSIDE]}, 409, "exists already"),
        ({"address": f"spy@{foreign}", "destinations": to_ann}, 404, "Not found"),
        ({"address": f"@{new_name()}", "destinations": to_ann}, 404, "Not found"),
        ({"address": f"self-{address}", "destinations": [f"self-{address}"]}, 422, "itself"),
        ({"address": f"lost-{address}", "destinations": [f"lost@{name}"]}, 422, "not exist"),
        ({"address": f"@{name}", "destinations": to_ann}, 201, None),
        ({"address": f"a!b@{name}", "destinations": to_ann}, 422, "letters"),
    ]
    body = done(customer.post("/aliases/bulk", {"aliases": [row for row, _s, _d in rows]}), 200)
    assert (body["created"], body["updated"], body["failed"]) == (2, 1, 6)
    for (row, status, words), item in zip(rows, body["items"], strict=True):
        assert (item["address"], item["status"]) == (row["address"].lower(), status), item
        if words:
            assert item["alias"] is None and words in item["detail"], item
        else:
            assert item["detail"] is None
            assert done(customer.get(f"/aliases/{in_path(item['address'])}")) == item["alias"]
    assert done(customer.get(f"/aliases/{there}"))["destinations"] == to_ann


def test_aliases_bulk_customer_same_address_twice_is_an_upsert(customer, name, address):
    rows = [{"address": address, "destinations": [OUTSIDE]},
            {"address": address, "destinations": [f"ann@{name}"]}]
    body = done(customer.post("/aliases/bulk", {"aliases": rows}), 200)
    assert [item["status"] for item in body["items"]] == [201, 200], body
    assert done(customer.get(f"/aliases/{address}"))["destinations"] == [f"ann@{name}"]


def test_aliases_bulk_customer_a_thousand_twice(customer, domains):
    name = domains(customer, "bulk")
    rows = [{"address": f"a{n:04}@{name}", "destinations": [OUTSIDE]} for n in range(1000)]
    first = done(customer.post("/aliases/bulk", {"aliases": rows}), 200)
    assert (first["created"], first["updated"], first["failed"]) == (1000, 0, 0)
    again = done(customer.post("/aliases/bulk", {"aliases": rows}), 200)
    assert (again["created"], again["updated"], again["failed"]) == (0, 1000, 0)
    assert [item["address"] for item in again["items"]] == [row["address"] for row in rows]
    assert done(customer.get("/aliases/", params={"domain": name}))["total"] == 1000


def test_aliases_bulk_customer_too_many_or_none_is_refused(customer, name):
    before = done(customer.get("/aliases/"))["total"]
    for count in (0, 1001):
        rows = [{"address": f"m{n}@{name}", "destinations": [OUTSIDE]} for n in range(count)]
        assert set(faults(customer.post("/aliases/bulk", {"aliases": rows}))) == {"aliases"}
    assert done(customer.get("/aliases/"))["total"] == before
