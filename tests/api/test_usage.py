"""The feed of changes: each once, none missed, whoever commits late."""

import threading
import time

import pytest
from support.api_client import detail, done, faults, mistyped
from support.feed import Feed
from support.mail_client import eventually

OUTSIDE = "ann@outside.tests.example"
MEGABYTE = 1024 * 1024


@pytest.fixture
def customer(customers):
    return customers()


# -- what it tells -----------------------------------------------------------------------


def test_usage_get_customer_tells_everything_at_first(customer, customers, domains):
    name = domains(customer)
    done(customer.post("/users/", {"email": f"ann@{name}", "suspended": True}), 201)
    foreign = customers()
    domains(foreign)
    items = Feed(customer).read()
    assert {item["kind"]: item for item in items} == {
        "domain": {"kind": "domain", "name": name, "domain": name, "gone": False,
                   "state": "pending", "size": 0, "messages": None},
        "mailbox": {"kind": "mailbox", "name": f"ann@{name}", "domain": name, "gone": False,
                    "state": "suspended", "size": 0, "messages": 0},
    }
    assert len(items) == 2


def test_usage_get_customer_each_change_once(customer, master, domains):
    feed = Feed(customer)
    assert feed.names() == []
    name = domains(customer)
    assert feed.names() == [("domain", name, False)]
    assert feed.names() == []
    for who in ("ann", "bob"):
        done(customer.post("/users/", {"email": f"{who}@{name}"}), 201)
    assert feed.names() == [("mailbox", f"ann@{name}", False), ("mailbox", f"bob@{name}", False)]
    for display_name in ("First", "Second", "Third"):
        done(customer.put(f"/users/ann@{name}", {"display_name": display_name}))
    done(customer.put(f"/users/bob@{name}", {"quota": 5 * MEGABYTE}))
    assert feed.names() == [("mailbox", f"ann@{name}", False), ("mailbox", f"bob@{name}", False)]
    done(master.put(f"/domains/{name}/suspend"))
    [item] = feed.read()
    assert (item["kind"], item["name"], item["state"]) == ("domain", name, "suspended")
    assert feed.names() == []


def test_usage_get_customer_in_the_order_of_the_changes_not_of_the_names(customer, domains):
    name = domains(customer)
    for who in ("ann", "bob", "cid"):
        done(customer.post("/users/", {"email": f"{who}@{name}"}), 201)
    feed = Feed(customer)
    feed.read()
    for who in ("cid", "bob", "ann"):
        done(customer.put(f"/users/{who}@{name}", {"display_name": f"{who} changed"}))
    told = [("mailbox", f"{who}@{name}", False) for who in ("cid", "bob", "ann")]
    assert feed.names(limit=1) == told
    assert feed.names() == []
    done(customer.put(f"/users/bob@{name}", {"display_name": "b"}))
    done(customer.put(f"/users/ann@{name}", {"display_name": "a"}))
    done(customer.put(f"/users/bob@{name}", {"display_name": "b again"}))
    # each once, where it was changed last
    assert feed.names(limit=1) == [("mailbox", f"ann@{name}", False),
                                   ("mailbox", f"bob@{name}", False)]


def test_usage_get_customer_what_is_gone_is_told(customer, domains):
    name = domains(customer)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    feed = Feed(customer)
    feed.read()
    done(customer.delete(f"/users/ann@{name}"), 204)
    [item] = feed.read()
    assert item == {"kind": "mailbox", "name": f"ann@{name}", "domain": name, "gone": True,
                    "state": None, "size": None, "messages": None}
    done(customer.delete(f"/domains/{name}"), 204)
    assert feed.names() == [("domain", name, True)]
    domains(customer, name=name)
    assert feed.names() == [("domain", name, False)]


def test_usage_get_customer_mail_that_came_is_told(customer, domains, mail, hosting):
    name = domains(customer, verified=True)
    address = f"ann@{name}"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD}), 201)
    feed = Feed(customer)
    feed.read()
    mail.from_outside(OUTSIDE, address, f"used {name}", "x" * 900 + "\n")
    mail.arrives(address, hosting.PASSWORD, f"used {name}")
    [item] = eventually("the use in the feed", lambda: [
        item for item in feed.read() if item["kind"] == "usage"])
    assert (item["name"], item["domain"], item["messages"]) == (address, name, 1)
    assert item["size"] > 900
    # the same figures wherever they are shown, without waiting for a job
    quota = done(customer.get(f"/users/{address}/quota"))
    assert (quota["used"], quota["messages"]) == (item["size"], 1)
    shown = done(customer.get(f"/users/{address}"))
    assert (shown["size"], shown["messages"]) == (item["size"], 1)


def test_usage_get_customer_owner_transfer_is_gone_here_and_new_there(
    master, customers, domains
):
    old_ref, new_ref = customers.partner(), customers.partner()
    old, new = customers.key(old_ref), customers.key(new_ref)
    name = domains(old)
    done(old.post("/users/", {"email": f"ann@{name}"}), 201)
    feeds = Feed(old), Feed(new)
    for feed in feeds:
        feed.read()
    done(master.put(f"/domains/{name}/owner", {"partner_ref": new_ref}), 200)
    assert sorted(feeds[0].names()) == [("domain", name, True), ("mailbox", f"ann@{name}", True)]
    assert sorted(feeds[1].names()) == [("domain", name, False), ("mailbox", f"ann@{name}", False)]
    done(new.put(f"/users/ann@{name}", {"display_name": "New owner's"}))
    assert feeds[0].names() == []
    assert feeds[1].names() == [("mailbox", f"ann@{name}", False)]
    done(master.put(f"/domains/{name}/owner", {"partner_ref": old_ref}), 200)
    assert sorted(feeds[0].names()) == [("domain", name, False), ("mailbox", f"ann@{name}", False)]


# -- nothing is missed -------------------------------------------------------------------


def test_usage_get_customer_late_commit_is_not_missed(customer, domains, connect):
    """It began before the question and ends after it, and others went by meanwhile."""
    name = domains(customer)
    for who in ("ann", "bob"):
        done(customer.post("/users/", {"email": f"{who}@{name}"}), 201)
    feed = Feed(customer)
    feed.read()
    late = connect("odoo")
    late.autocommit = False
    with late.cursor() as cr:
        cr.execute("UPDATE emboux_mailbox SET name = 'late' WHERE email = %s", [f"ann@{name}"])
    assert feed.names() == []
    done(customer.put(f"/users/bob@{name}", {"display_name": "meanwhile"}))
    assert feed.names() == [("mailbox", f"bob@{name}", False)]
    late.commit()
    assert feed.names() == [("mailbox", f"ann@{name}", False)]
    assert feed.names() == []


def test_usage_get_customer_rolled_back_is_not_told(customer, domains, connect):
    name = domains(customer)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    feed = Feed(customer)
    feed.read()
    other = connect("odoo")
    other.autocommit = False
    with other.cursor() as cr:
        cr.execute("UPDATE emboux_mailbox SET name = 'undone' WHERE email = %s", [f"ann@{name}"])
    other.rollback()
    assert feed.names() == []


def test_usage_get_customer_paging_while_others_write_misses_nothing(
    customer, domains, connect
):
    name = domains(customer)
    rows = [{"email": f"u{n:02}@{name}"} for n in range(30)]
    assert done(customer.post("/users/bulk", {"users": rows}))["created"] == 30
    emails = {row["email"] for row in rows}
    stop = threading.Event()
    connection = connect("odoo")

    def write():
        with connection.cursor() as cr:
            last = False
            while not last:
                last = stop.is_set()  # one whole round more
                for email in sorted(emails):
                    cr.execute("UPDATE emboux_mailbox SET name = %s WHERE email = %s",
                               [f"at {time.monotonic()}", email])

    feed, seen = Feed(customer), []
    writer = threading.Thread(target=write)
    writer.start()
    try:
        params = {"limit": 1}
        for _ in range(60):
            page = done(customer.get(feed.path, params=params), 200)
            seen += [item["name"] for item in page["items"]]
            params["since"] = page["next"]
    finally:
        stop.set()
        writer.join()
    assert len(set(seen)) > 1
    feed.since = params["since"]
    # the pass that was under way looks at the moment of its beginning, so the rest may come with
    # the next one
    last = [name for _ in range(2) for _kind, name, _gone in feed.names(limit=1)]
    assert set(last) == emails
    assert feed.names() == []


def test_usage_get_customer_pages_of_one_are_each_change_once(customer, domains):
    name = domains(customer)
    rows = [{"email": f"u{n:02}@{name}"} for n in range(20)]
    assert done(customer.post("/users/bulk", {"users": rows}))["created"] == 20
    one_by_one = Feed(customer).names(limit=1)
    assert len(one_by_one) == len(set(one_by_one)) == 21
    assert sorted(one_by_one) == sorted(Feed(customer).names())


def test_usage_get_customer_change_behind_the_page_comes_in_the_next_pass(customer, domains):
    name = domains(customer)
    for who in ("a", "b", "c"):
        done(customer.post("/users/", {"email": f"{who}@{name}"}), 201)
    feed = Feed(customer)
    page = done(customer.get(feed.path, params={"limit": 2}), 200)
    first = page["items"][1]["name"]
    assert page["more"] is True
    done(customer.put(f"/users/{first}", {"display_name": "behind"}))
    feed.since = page["next"]
    names = [item["name"] for item in feed.read(limit=2)]
    missing = {f"{who}@{name}" for who in "abc"} - {first}
    assert sorted(names) == sorted(missing)  # this pass looks at one moment ...
    assert feed.names() == [("mailbox", first, False)]  # ... and the next one at another
    assert feed.names() == []


# -- whose -------------------------------------------------------------------------------


def test_usage_get_customer_own_key_by_number_or_secret(customers, master, domains):
    made = done(master.post("/api-keys/", {"name": "Own", "partner_ref": customers.partner()}))
    customer = master.with_key(made["secret"])
    wanted = [("domain", domains(customer), False)]
    for token in ("self", made["id"], made["secret"]):
        assert Feed(customer, token).names() == wanted


def test_usage_get_customer_somebody_elses_key_is_not_found(customer, customers, master):
    other = done(master.post("/api-keys/", {"name": "Other", "partner_ref": customers.partner()}))
    for token in (other["id"], other["secret"], "999999999", "x", "emboux_x", other["secret"][:-1]):
        detail(customer.get(f"/api-keys/{token}/usage"), 404)


def test_usage_get_master_another_key_by_number_or_secret(master, customer, customers, domains):
    ref = customers.partner()
    made = done(master.post("/api-keys/", {"name": "Looked at", "partner_ref": ref}))
    name = domains(master.with_key(made["secret"]))
    domains(customer)
    for token in (made["id"], made["secret"]):
        assert Feed(master, token).names() == [("domain", name, False)]
    done(master.delete(f"/api-keys/{made['id']}"), 204)
    assert Feed(master, made["secret"]).names() == [("domain", name, False)]
    detail(master.get(f"/api-keys/{mistyped(made['secret'])}/usage"), 404)
    narrow = done(master.post("/api-keys/", {"name": "n", "role": "master", "area": "domains"}))
    detail(master.with_key(narrow["secret"]).get(f"/api-keys/{made['secret']}/usage"), 404)


def test_usage_get_customer_secret_in_the_url_is_not_logged(customer, state):
    done(customer.get(f"/api-keys/{customer.key}/usage"), 200)
    text = state.path("log", "odoo.log").read_text()
    assert customer.key not in text
    assert "emboux_***/usage" in text


# -- cursors -----------------------------------------------------------------------------


@pytest.mark.parametrize("since", ["x", "AAAA", "WzEsMiwzXQ", "W10", "bnVsbA", "a" * 8000,
                                   "WyIxOjE6IixudWxsLFtdXQ", "WyIyOjE6IixudWxsLG51bGxd",
                                   "WyI5OTk5OTk5OTk5OTk5OTk5OTk5OjE6IixudWxsLG51bGxd"])
def test_usage_get_customer_bad_cursor_is_named(customer, since):
    assert set(faults(customer.get("/api-keys/self/usage", params={"since": since}))) == {"since"}


def test_usage_get_customer_bounds_of_limit(customer):
    for limit in ("0", "1001", "-1", "x", "1.5"):
        answer = customer.get("/api-keys/self/usage", params={"limit": limit})
        assert set(faults(answer)) == {"limit"}
    for limit in (1, 1000):
        done(customer.get("/api-keys/self/usage", params={"limit": limit}), 200)


def test_usage_get_customer_foreign_cursor_shows_nothing_foreign(customer, customers, domains):
    """A cursor is a position in time, not a right."""
    other = customers()
    cursor = done(other.get("/api-keys/self/usage"))["next"]
    domains(other)
    mine = domains(customer)
    page = done(customer.get("/api-keys/self/usage", params={"since": cursor}))
    assert [item["name"] for item in page["items"]] == [mine]
