"""Mailboxes: made, listed, changed, deleted; and what real mail says about it."""

import time
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest
from support.api_client import detail, done, faults, in_path, new_name, pages
from support.mail_client import eventually

OUTSIDE = "ann@outside.tests.example"
MEGABYTE = 1024 * 1024
SHOWN = {"email", "domain", "display_name", "quota", "size", "messages", "suspended",
         "suspended_by",
         "send_as_domain", "own_return_address", "catch_all", "has_password", "push_url",
         "webhook", "created_at",
         "forward_to", "forward_keep",
         "vacation_on", "vacation_subject", "vacation_text", "vacation_from", "vacation_until",
         "vacation_days"}
#: Of a mailbox that keeps its mail and answers nobody.
NO_RULES = {"forward_to": [], "forward_keep": True, "vacation_on": False, "vacation_subject": "",
            "vacation_text": "", "vacation_from": None, "vacation_until": None, "vacation_days": 7}
#: A password that was hashed by another server.
ELSEWHERE = "correct horse battery"
HASHES = {
    "argon2id": argon2.PasswordHasher(2, 19456, 1).hash(ELSEWHERE),
    "bcrypt": "$2b$10$abcdefghijklmnopqrstuuCj7fyLDJytXL.TfOiOeiv0fQvSOK1/2",
}


@pytest.fixture(scope="module")
def customer(customers):
    return customers()


@pytest.fixture(scope="module")
def name(customer, domains):
    """A verified domain that this file shares."""
    return domains(customer, "users", verified=True)


@pytest.fixture
def box(customer, name, hosting):
    """The address of a mailbox of the test's own."""
    address = f"{new_name('u').removesuffix('.example')}@{name}"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD}), 201)
    return address


# -- POST /users/ ------------------------------------------------------------------------


def test_users_post_customer_can_log_in_at_once(customer, name, mail):
    address, password = f"new@{name}", "kept secret: 'quotes' & \\"
    made = done(customer.post("/users/", {
        "email": address, "password": password, "display_name": "Änne Ö", "quota": 5 * MEGABYTE,
        "send_as_domain": True}), 201)
    assert set(made) == SHOWN
    assert made | {"created_at": ""} == {
        "email": address, "domain": name, "display_name": "Änne Ö", "quota": 5 * MEGABYTE,
        "size": 0, "messages": 0, "suspended": False, "suspended_by": [],
        "send_as_domain": True, "own_return_address": False, "catch_all": False,
        "has_password": True, "push_url": "", "webhook": None, "created_at": "",
    } | NO_RULES
    assert done(customer.get(f"/users/{address}"), 200) == made
    assert mail.can_login(address, password)


def test_users_post_customer_logs_in_and_sends_as_the_domain(customer, name, mail):
    address, password = f"sender@{name}", "kept secret of sender"
    done(customer.post("/users/", {"email": address, "password": password,
                                   "send_as_domain": True}), 201)
    assert mail.can_login(address, password)
    mail.submit(address, password, OUTSIDE, f"as anybody of {name}", sender=f"anybody@{name}")
    mail.outside(f"as anybody of {name}")


def test_users_post_customer_without_password_cannot_log_in(customer, name, mail):
    made = done(customer.post("/users/", {"email": f"nopass@{name}"}), 201)
    assert made["has_password"] is False
    assert not mail.can_login(f"nopass@{name}", "")
    assert not mail.can_login(f"nopass@{name}", "None")


def test_users_post_customer_catch_all_receives_in_the_same_call(customer, domains, mail, hosting):
    name = domains(customer, verified=True)
    address = f"ann@{name}"
    made = done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD,
                                          "catch_all": True}), 201)
    assert made["catch_all"] is True
    alias = done(customer.get(f"/aliases/{in_path(f'@{name}')}"), 200)
    assert (alias["kind"], alias["destinations"]) == ("catch_all", [address])
    mail.from_outside(OUTSIDE, f"whoever@{name}", f"to whoever {name}")
    mail.arrives(address, hosting.PASSWORD, f"to whoever {name}")


@pytest.mark.parametrize(("kind", "hashed"), HASHES.items())
def test_users_post_customer_hash_from_elsewhere_opens(customer, name, mail, kind, hashed):
    address = f"{kind}@{name}"
    made = done(customer.post("/users/", {"email": address, "password_hash": hashed}), 201)
    assert made["has_password"] is True
    assert mail.can_login(address, ELSEWHERE)
    assert not mail.can_login(address, hashed)


@pytest.mark.parametrize("hashed", [
    "$1$abcdefgh$irdeNKHmFrqj6Kf.0tMN4/", "{PLAIN}kept secret", "kept secret, plain",
    "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$VtZbYbeUQsDiKLYdyVwMaUoN0hXbR/qOe2wT8dVnGvw",
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzYWx0$VtZbYbeUQsDiKLYdyVwMaUoN0hXbR/qOe2wT8dVnGvw",
    "$argon2id$v=19$m=9999999,t=9,p=9$c29tZXNhbHRzYWx0$VtZbYbeUQsDiKLYdyVwMaUoN0hXbR/qOe2wT8dVnGvw",
    "$2b$04$abcdefghijklmnopqrstuuN8eEvhGYlhWVYmxsVaSYhVSRtgGYdPG",
    "$argon2id$v=19$m=262144,t=10,p=8$c29tZXNhbHRzYWx0$VtZbYbeUQsDiKLYdyVwMaUoN0hXbR/qOe2wT8dVnGvw",
    "$2b$14$abcdefghijklmnopqrstuuN8eEvhGYlhWVYmxsVaSYhVSRtgGYdPG",
])
def test_users_post_customer_bad_hash_is_named_and_not_told(customer, name, hashed):
    answer = customer.post("/users/", {"email": f"badhash@{name}", "password_hash": hashed})
    assert set(faults(answer)) == {"password_hash"}
    assert hashed not in answer.text
    detail(customer.get(f"/users/badhash@{name}"), 404)


def test_users_post_customer_costly_hashes_do_not_keep_others_waiting(
    customer, box, name, mail, hosting
):
    """Dovecot checks all passwords in one process: eight wrong ones took everybody 20 s."""
    costliest = {
        f"costly-memory@{name}": argon2.PasswordHasher(2, 102400, 8).hash(ELSEWHERE),
        f"costly-passes@{name}": argon2.PasswordHasher(4, 71680, 1).hash(ELSEWHERE),
        f"costly-bcrypt@{name}": "$2b$12$abcdefghijklmnopqrstuuE3j5FFjC71WyDL2KIK7ShSoj8tPD3m6",
    }
    for costly, hashed in costliest.items():
        done(customer.post("/users/", {"email": costly, "password_hash": hashed}), 201)
        assert mail.can_login(costly, ELSEWHERE)
    began = time.monotonic()
    for _ in range(5):
        argon2.PasswordHasher(5, 7168, 1).hash("how fast this machine is now")
    slower = max(1, (time.monotonic() - began) / 5 / 0.02)  # than 20 ms
    with ThreadPoolExecutor(8) as pool:
        wrong = [pool.submit(mail.can_login, list(costliest)[n % 3], f"wrong {n}")
                 for n in range(8)]
        began = time.monotonic()
        assert mail.can_login(box, hosting.PASSWORD)
        waited = time.monotonic() - began
        assert not any(one.result() for one in wrong)
    # 20 s at the time; how fast the machine is changes while the other parts of the suite run
    assert waited < 5 * slower, (waited, slower)


@pytest.mark.parametrize("password", ["zq7#", "x" * 257, "line one\nline two", "ababababab",
                                      "nul in\x00side it", "weak@{name}"])
def test_users_post_customer_bad_password_is_named_and_not_told(customer, name, password):
    password = password.replace("{name}", name)
    answer = customer.post("/users/", {"email": f"weak@{name}", "password": password})
    assert set(faults(answer)) == {"password"}
    assert password not in answer.text
    detail(customer.get(f"/users/weak@{name}"), 404)


@pytest.mark.parametrize("password", [12345678.75, ["kept secret 1"], {"kept secret 2": 1},
                                      "kept secret 3" * 100])
def test_users_post_customer_password_of_the_wrong_kind_is_not_told(customer, name, password):
    answer = customer.post("/users/", {"email": f"weak@{name}", "password": password})
    assert set(faults(answer)) <= {"password", "password.kept secret 2"}
    assert "kept secret" not in answer.text and "12345678" not in answer.text


def test_users_post_customer_password_and_hash_are_one_too_many(customer, name):
    answer = customer.post("/users/", {"email": f"two@{name}", "password": "kept secret four",
                                       "password_hash": "kept secret five"})
    [fault] = answer.json()["detail"]
    assert answer.status_code == 422
    assert "not both" in fault["message"]
    assert "kept secret" not in answer.text


@pytest.mark.parametrize("email", ["", "ann", "@{name}", "ann@", "a b@{name}", "ann+tag@{name}",
                                   '"ann@x"@{name}', "ännchen@{name}", ".ann@{name}", "a!b@{name}",
                                   "ann@a..example", "<ann@{name}>", "x" * 65 + "@{name}", 5, None])
def test_users_post_customer_bad_address_is_refused(customer, name, email):
    email = email.replace("{name}", name) if isinstance(email, str) else email
    before = done(customer.get("/users/"))["total"]
    assert faults(customer.post("/users/", {"email": email}))
    assert done(customer.get("/users/"))["total"] == before


def test_users_post_customer_address_is_split_at_the_last_at(customer, name):
    """With two, what is before the last one is the local part, which cannot have any."""
    found = faults(customer.post("/users/", {"email": f"ann@elsewhere.example@{name}"}))
    assert set(found) == {"email"} and '"@"' in found["email"]


def test_users_post_customer_idna_address(customer, domains):
    stem = new_name("idna").removesuffix(".example")
    name = domains(customer, name=f"{stem}.xn--bcher-kva.example")
    made = done(customer.post("/users/", {"email": f" Ann@{stem}.Bücher.Example "}), 201)
    assert (made["email"], made["domain"]) == (f"ann@{name}", name)
    shown = done(customer.get(f"/users/{in_path(f'ANN@{stem}.BÜCHER.example')}"), 200)
    assert shown == made
    assert done(customer.get("/users/", params={"domain": f"{stem}.bücher.example"}))["total"] == 1


def test_users_post_customer_taken_address_is_refused(customer, name, box):
    assert "exists already" in detail(customer.post("/users/", {"email": box.upper()}), 409)
    done(customer.post("/aliases/", {"address": f"taken@{name}", "destinations": [box]}), 201)
    assert "exists already" in detail(customer.post("/users/", {"email": f"taken@{name}"}), 409)


def test_users_post_customer_foreign_domain_is_not_there(customer, master, domains):
    missing = customer.post("/users/", {"email": f"ann@{new_name()}"})
    foreign = customer.post("/users/", {"email": f"ann@{domains(master)}"})
    assert (missing.status_code, missing.content) == (foreign.status_code, foreign.content)
    assert detail(foreign, 404) == "Not found"


def test_users_post_master_makes_one_anywhere(master, customer, name):
    done(master.post("/users/", {"email": f"bymaster@{name}"}), 201)
    done(customer.get(f"/users/bymaster@{name}"), 200)


# -- GET ---------------------------------------------------------------------------------


def test_users_list_customer_pages_and_filters(customers, master, domains):
    customer = customers()
    one, two = domains(customer), domains(customer)
    for address in (f"a@{one}", f"b@{one}", f"a@{two}"):
        done(customer.post("/users/", {"email": address, "display_name": f"Of {address}",
                                       "suspended": address.startswith("b@")}), 201)
    done(master.post("/users/", {"email": f"x@{domains(master)}"}), 201)
    everybody = sorted([f"a@{one}", f"b@{one}", f"a@{two}"])
    assert [item["email"] for item in pages(customer, "/users/")] == everybody

    def found(**params):
        return [item["email"] for item in done(customer.get("/users/", params=params))["items"]]

    assert found(domain=one) == [f"a@{one}", f"b@{one}"]
    assert found(suspended="true") == [f"b@{one}"]
    assert found(domain=two, suspended="false") == [f"a@{two}"]
    assert found(q=f"a@{one[:-8]}") == [f"a@{one}"]
    assert found(q=f"of b@{one[:6]}") == [f"b@{one}"]
    assert found(domain=new_name()) == []
    assert set(faults(customer.get("/users/?suspended=perhaps"))) == {"suspended"}
    assert set(faults(customer.get("/users/?domain=a b"))) == {"domain"}


def test_users_get_customer_counts_mail(customer, box, mail, hosting, odoo):
    mail.from_outside(OUTSIDE, box, "counted", "x" * 500 + "\n")
    mail.arrives(box, hosting.PASSWORD, "counted")
    odoo("emboux.mailbox").search_count([])
    [cron] = odoo("ir.cron").search([("cron_name", "like", "Fetch Mailbox Usage")])

    def counted():  # Dovecot writes it down a moment after the mail is there
        odoo("ir.cron").method_direct_trigger([cron])
        found = done(customer.get(f"/users/{box}"), 200)
        return found["messages"] == 1 and found

    shown = eventually("it to be counted", counted)
    assert shown["size"] > 500
    use = done(customer.get(f"/users/{box}/quota"), 200)
    assert (use["used"], use["messages"]) == (shown["size"], 1)


# -- forwarding and the reply while somebody is away -------------------------------------


def test_users_put_customer_forwards_and_replies(customer, box):
    wish = {"forward_to": ["friend@outside.tests.example"], "forward_keep": False,
            "vacation_on": True, "vacation_subject": "Away", "vacation_text": "Back\non Monday.",
            "vacation_from": "2026-01-01", "vacation_until": "2026-01-31", "vacation_days": 3}
    changed = done(customer.put(f"/users/{box}", wish), 200)
    assert {name: changed[name] for name in wish} == wish
    # what is left out stays, what is null is no date
    changed = done(customer.put(f"/users/{box}", {"vacation_until": None}), 200)
    assert {name: changed[name] for name in wish} == wish | {"vacation_until": None}
    changed = done(customer.put(f"/users/{box}", {"forward_to": [], "vacation_on": False}), 200)
    assert (changed["forward_to"], changed["vacation_on"]) == ([], False)


def test_users_post_customer_forwards_from_the_start(customer, name):
    address = f"{new_name('u').removesuffix('.example')}@{name}"
    made = done(customer.post("/users/", {
        "email": address, "forward_to": ["friend@outside.tests.example"]}), 201)
    assert (made["forward_to"], made["forward_keep"]) == (["friend@outside.tests.example"], True)


@pytest.mark.parametrize(("wish", "words"), [
    ({"forward_to": ["{box}"]}, "come back"),
    ({"forward_to": ["nobody@{name}"]}, "does not exist"),
    ({"vacation_on": True}, "Write the reply"),
    ({"vacation_on": True, "vacation_text": "x", "vacation_from": "2026-02-01",
      "vacation_until": "2026-01-01"}, "before the first"),
    ({"vacation_subject": "two\nlines"}, "line break"),
])
def test_users_put_rule_that_cannot_be_is_refused(wish, words, customer, box, name):
    if "forward_to" in wish:
        wish = {"forward_to": [a.format(box=box, name=name) for a in wish["forward_to"]]}
    answer = customer.put(f"/users/{box}", wish)
    assert 400 <= answer.status_code < 500
    assert words in answer.text
    assert done(customer.get(f"/users/{box}"))["forward_to"] == []


def test_users_put_customer_changes_an_address(customer, box, name):
    new = f"married@{name}"
    done(customer.put(f"/users/{box}", {"display_name": "Ann"}))
    shown = done(customer.put(f"/users/{box}/address", {"email": new}))
    assert (shown["email"], shown["display_name"]) == (new, "Ann")
    detail(customer.get(f"/users/{box}"), 404)
    assert done(customer.get(f"/aliases/{box}"))["destinations"] == [new]
    done(customer.put(f"/users/{new}/address", {"email": box, "keep": False}))
    detail(customer.get(f"/aliases/{new}"), 404)
    detail(customer.get(f"/users/{new}"), 404)


def test_users_put_an_address_that_cannot_be_is_refused(customer, box, name):
    other = f"other@{name}"
    done(customer.post("/users/", {"email": other}), 201)
    path = f"/users/{box}/address"
    assert "exists already" in detail(customer.put(path, {"email": other}), 409)
    assert set(faults(customer.put(path, {"email": "ann@elsewhere.example"}))) == {"email"}
    assert set(faults(customer.put(path, {"email": f"ann smith@{name}"}))) == {"email"}


def test_users_put_customer_has_mail_handed_over(customer, name):
    """To an Odoo of theirs; by https alone, and never to what is not on the internet."""
    email = f"pushed@{name}"
    done(customer.post("/users/", {"email": email}), 201)
    path = f"/users/{email}"
    url, secret = "https://odoo.example.com/emboux/inbound/12", "whsec_" + "QUJD" * 11
    shown = done(customer.put(path, {"push_url": url, "push_secret": secret}))
    assert shown["push_url"] == url and secret not in str(shown)
    for wrong in ("http://odoo.example.com/x", "https://u@odoo.example.com/x", "odoo", "x" * 600):
        done(customer.put(path, {"push_url": wrong, "push_secret": secret}), 422)
    done(customer.put(path, {"push_url": url}), 422)
    done(customer.put(path, {"push_url": url, "push_secret": "too short"}), 422)
    assert done(customer.get(path))["push_url"] == url
    assert done(customer.put(path, {"push_url": ""}))["push_url"] == ""
