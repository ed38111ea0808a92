"""Mailboxes that are changed, suspended, limited and deleted; and a thousand at once."""

import smtplib

import pytest
from support.api_client import detail, done, faults, in_path, new_name

OUTSIDE = "ann@outside.tests.example"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def customer(customers):
    return customers()


@pytest.fixture(scope="module")
def name(customer, domains):
    """A verified domain that this file shares."""
    return domains(customer, "changed", verified=True)


@pytest.fixture
def box(customer, name, hosting):
    """The address of a mailbox of the test's own."""
    address = f"{new_name('u').removesuffix('.example')}@{name}"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD}), 201)
    return address


# -- PUT /users/{email} ------------------------------------------------------------------


def test_users_put_customer_new_password_replaces_the_old(customer, box, mail, hosting):
    shown = done(customer.put(f"/users/{box}", {"password": "kept secret, the second"}), 200)
    assert "password" not in shown
    assert mail.can_login(box, "kept secret, the second")
    assert not mail.can_login(box, hosting.PASSWORD)


def test_users_put_customer_bad_password_changes_nothing(customer, box, mail, hosting):
    body = {"display_name": "Changed", "password": "zq7#"}
    answer = customer.put(f"/users/{box}", body)
    assert set(faults(answer)) == {"password"} and "zq7#" not in answer.text
    assert done(customer.get(f"/users/{box}"))["display_name"] == ""
    assert mail.can_login(box, hosting.PASSWORD)


def test_users_put_customer_password_like_the_address_is_refused(customer, box):
    assert set(faults(customer.put(f"/users/{box}", {"password": box}))) == {"password"}


def test_users_put_customer_changes_what_is_named(customer, box, mail, hosting):
    before = done(customer.get(f"/users/{box}"))
    changes = {"display_name": "Ann", "quota": 3 * MEGABYTE + 1, "send_as_domain": True,
               "own_return_address": True}
    for _ in range(2):
        shown = done(customer.put(f"/users/{box}", changes), 200)
        assert shown == before | changes | {"quota": 4 * MEGABYTE}
    assert done(customer.put(f"/users/{box}", {}), 200) == shown
    assert done(customer.put(f"/users/{box}", {"display_name": None}), 200) == shown
    assert done(customer.get(f"/users/{box}"), 200) == shown
    assert mail.can_login(box, hosting.PASSWORD)
    assert set(faults(customer.put(f"/users/{box}", {"email": box}))) == {"email"}


def test_users_put_customer_suspended_neither_receives_nor_logs_in(customer, box, mail, hosting):
    for _ in range(2):
        assert done(customer.put(f"/users/{box}", {"suspended": True}), 200)["suspended"] is True
    assert not mail.can_login(box, hosting.PASSWORD)
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="suspended"):
        mail.from_outside(OUTSIDE, box, "meanwhile")
    assert done(customer.put(f"/users/{box}", {"suspended": False}), 200)["suspended"] is False
    assert mail.can_login(box, hosting.PASSWORD)


def test_users_put_customer_catch_all_on_and_off(customer, domains):
    name = domains(customer)
    path, catch_all = f"/users/ann@{name}", f"/aliases/{in_path(f'@{name}')}"
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    for _ in range(2):
        assert done(customer.put(path, {"catch_all": True}), 200)["catch_all"] is True
        assert done(customer.get(catch_all))["destinations"] == [f"ann@{name}"]
    for _ in range(2):
        assert done(customer.put(path, {"catch_all": False}), 200)["catch_all"] is False
        detail(customer.get(catch_all), 404)


def test_users_put_customer_over_a_change_is_refused(customer, box, mail, hosting):
    path = f"/users/{box}"
    seen = customer.get(path).headers["ETag"]
    changed = customer.put(path, {"display_name": "Theirs"}, headers={"If-Match": seen})
    done(changed, 200)
    mine = {"display_name": "Mine", "password": "kept secret, too late"}
    detail(customer.put(path, mine, headers={"If-Match": seen}), 412)
    assert done(customer.get(path))["display_name"] == "Theirs"
    assert mail.can_login(box, hosting.PASSWORD)
    done(customer.put(path, mine, headers={"If-Match": changed.headers["ETag"]}), 200)
    detail(customer.put(f"/users/none-{box}", mine, headers={"If-Match": seen}), 404)


# -- DELETE ------------------------------------------------------------------------------


def test_users_delete_customer_with_the_mail_in_it(customer, box, mail, hosting):
    mail.from_outside(OUTSIDE, box, "to be deleted")
    mail.arrives(box, hosting.PASSWORD, "to be deleted")
    answer = customer.delete(f"/users/{box}")
    assert (answer.status_code, answer.content) == (204, b"")
    detail(customer.get(f"/users/{box}"), 404)
    detail(customer.delete(f"/users/{box}"), 404)
    assert not mail.can_login(box, hosting.PASSWORD)
    done(customer.post("/users/", {"email": box, "password": hosting.PASSWORD}), 201)
    assert mail.subjects(box, hosting.PASSWORD) == []


def test_users_delete_customer_refused_while_an_alias_needs_it(customer, name, box):
    alias = f"needs-{box}"
    done(customer.post("/aliases/", {"address": alias, "destinations": [box]}), 201)
    sentence = detail(customer.delete(f"/users/{box}"), 409)
    assert alias in sentence and box in sentence
    done(customer.get(f"/users/{box}"), 200)
    done(customer.delete(f"/aliases/{alias}"), 204)
    done(customer.delete(f"/users/{box}"), 204)


def test_users_delete_customer_takes_it_out_of_the_catch_all(customer, domains):
    name = domains(customer)
    for who in ("ann", "bob"):
        done(customer.post("/users/", {"email": f"{who}@{name}", "catch_all": True}), 201)
    done(customer.delete(f"/users/ann@{name}"), 204)
    path = f"/aliases/{in_path(f'@{name}')}"
    assert done(customer.get(path))["destinations"] == [f"bob@{name}"]
    done(customer.delete(f"/users/bob@{name}"), 204)
    detail(customer.get(path), 404)


# -- limits, quota -----------------------------------------------------------------------


def test_users_post_customer_over_the_mailboxes_of_a_domain_is_refused(customers, domains):
    customer = customers(mailbox_limit=2)
    name, other = domains(customer), domains(customer)
    for who in ("a", "b"):
        done(customer.post("/users/", {"email": f"{who}@{name}"}), 201)
    sentence = detail(customer.post("/users/", {"email": f"c@{name}"}), 409)
    assert "limit of 2 mailboxes" in sentence and name in sentence
    detail(customer.get(f"/users/c@{name}"), 404)
    done(customer.post("/users/", {"email": f"c@{other}"}), 201)
    done(customer.delete(f"/users/a@{name}"), 204)
    done(customer.post("/users/", {"email": f"c@{name}"}), 201)


def test_quota_put_customer_within_the_plan_and_not_above(customers, domains, master):
    customer = customers(mailbox_quota_limit_mb=10)
    path = f"/users/ann@{domains(customer)}"
    email = path.removeprefix("/users/")
    for quota in (10 * MEGABYTE + 1, 0):  # 0 means no limit
        body = {"email": email, "quota": quota}
        assert "10 MB at most" in detail(customer.post("/users/", body), 403)
    made = done(customer.post("/users/", {"email": email}), 201)
    assert 0 < made["quota"] <= 10 * MEGABYTE  # the default keeps to the plan
    for quota in (10 * MEGABYTE, MEGABYTE):
        assert done(customer.put(f"{path}/quota", {"quota": quota}), 200) == {
            "quota": quota, "used": 0, "messages": 0}
    for quota in (11 * MEGABYTE, 0):
        assert "10 MB at most" in detail(customer.put(f"{path}/quota", {"quota": quota}), 403)
        assert "10 MB at most" in detail(customer.put(path, {"quota": quota}), 403)
    assert done(customer.get(f"{path}/quota"), 200)["quota"] == MEGABYTE
    done(master.put(f"{path}/quota", {"quota": 99 * MEGABYTE}), 200)
    assert done(customer.get(path))["quota"] == 99 * MEGABYTE
    done(customer.put(path, {"display_name": "keeps what the operator gave"}), 200)
    assert done(customer.get(path))["quota"] == 99 * MEGABYTE


def test_quota_put_customer_bad_value_is_named(customer, box):
    before = done(customer.get(f"/users/{box}/quota"))
    for quota in (-1, "5", 1.5, None, 100 * 1024**4 + 1, 2**70):
        assert set(faults(customer.put(f"/users/{box}/quota", {"quota": quota}))) == {"quota"}
    assert done(customer.get(f"/users/{box}/quota")) == before


def test_quota_put_customer_is_what_the_mailbox_gets(customer, box, mail, hosting):
    seen = customer.get(f"/users/{box}/quota").headers["ETag"]
    done(customer.put(f"/users/{box}/quota", {"quota": 1}, headers={"If-Match": seen}), 200)
    assert done(customer.get(f"/users/{box}"))["quota"] == MEGABYTE  # rounded up
    detail(customer.put(f"/users/{box}/quota", {"quota": 0}, headers={"If-Match": seen}), 412)
    client = mail.imap(box, hosting.PASSWORD)
    answer, text = client.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"z" * 1_200_000)
    client.logout()
    assert answer == "NO" and b"OVERQUOTA" in text[0]


# -- POST /users/bulk --------------------------------------------------------------------


def test_users_bulk_customer_each_row_has_its_answer(customer, master, domains, name, box):
    own, foreign = domains(customer), domains(master)
    rows = {
        "good": ({"email": f"one@{own}", "password": "kept secret of bulk", "quota": MEGABYTE,
                  "catch_all": True}, 201, None),
        "upper case": ({"email": f"TWO@{own.upper()}"}, 201, None),
        "there already": ({"email": box}, 409, "exists already"),
        "twice in here": ({"email": f"one@{own}"}, 409, "exists already"),
        "foreign": ({"email": f"spy@{foreign}"}, 404, "Not found"),
        "missing": ({"email": f"spy@{new_name()}"}, 404, "Not found"),
        "weak": ({"email": f"weak@{own}", "password": "zq7#"}, 422, "too short"),
        "bad hash": ({"email": f"hash@{own}", "password_hash": "kept secret, no hash"}, 422,
                     "neither argon2id"),
        "bad character": ({"email": f"a!b@{own}"}, 422, "letters"),
        "another domain": ({"email": f"bulk@{name}"}, 201, None),
    }
    answer = customer.post("/users/bulk", {"users": [row for row, _s, _d in rows.values()]})
    body = done(answer, 200)
    assert (body["created"], body["failed"]) == (3, 7)
    for (what, (row, status, words)), item in zip(rows.items(), body["items"], strict=True):
        assert item["email"] == row["email"].lower(), what
        assert item["status"] == status, (what, item)
        if words:
            assert item["user"] is None and words in item["detail"], (what, item)
        else:
            assert item["detail"] is None, what
            assert done(customer.get(f"/users/{item['email']}")) == item["user"], what
    assert "zq7#" not in answer.text and "kept secret" not in answer.text
    assert done(customer.get("/users/", params={"domain": own}))["total"] == 2
    assert done(customer.get(f"/aliases/{in_path(f'@{own}')}"))["destinations"] == [f"one@{own}"]


def test_users_bulk_customer_a_thousand(customer, domains):
    name = domains(customer, "bulk")
    rows = [{"email": f"user{n:04}@{name}", "display_name": f"User {n}"} for n in range(1000)]
    for number in (3, 500, 999):  # and three of them are there already
        done(customer.post("/users/", {"email": rows[number]["email"]}), 201)
    body = done(customer.post("/users/bulk", {"users": rows}), 200)
    assert (body["created"], body["failed"]) == (997, 3)
    assert [item["email"] for item in body["items"]] == [row["email"] for row in rows]
    assert {n for n, item in enumerate(body["items"]) if item["status"] != 201} == {3, 500, 999}
    assert done(customer.get("/users/", params={"domain": name}))["total"] == 1000
    done(customer.delete(f"/domains/{name}?cascade=true"), 204)


def test_users_bulk_customer_too_many_or_none_is_refused(customer, name):
    before = done(customer.get("/users/"))["total"]
    for count in (0, 1001):
        rows = [{"email": f"many{n}@{name}"} for n in range(count)]
        assert set(faults(customer.post("/users/bulk", {"users": rows}))) == {"users"}
    rows = [{"email": f"ok@{name}"}, {"email": "no address", "password": "kept secret of row 2"}]
    answer = customer.post("/users/bulk", {"users": rows})
    assert set(faults(answer)) == {"users.1.email"} and "kept secret" not in answer.text
    assert done(customer.get("/users/"))["total"] == before


def test_users_bulk_customer_stops_at_the_limit(customers, domains):
    customer = customers(mailbox_limit=5)
    name = domains(customer)
    rows = [{"email": f"u{n}@{name}"} for n in range(8)]
    body = done(customer.post("/users/bulk", {"users": rows}), 200)
    assert (body["created"], body["failed"]) == (5, 3)
    assert [item["status"] for item in body["items"]] == [201] * 5 + [409] * 3
    assert all("limit of 5" in item["detail"] for item in body["items"][5:])
    assert done(customer.get("/users/"))["total"] == 5


def test_users_bulk_customer_above_the_plan_is_refused_by_row(customers, domains):
    customer = customers(mailbox_quota_limit_mb=10)
    name = domains(customer)
    body = done(customer.post("/users/bulk", {"users": [
        {"email": f"small@{name}", "quota": MEGABYTE},
        {"email": f"large@{name}", "quota": 11 * MEGABYTE}]}), 200)
    assert [item["status"] for item in body["items"]] == [201, 403]
