"""The message log over the REST API: what is found, how it is paged, who sees what."""

import json
import time

import pytest
from support.api_client import detail, done, faults, new_name

NOW = "2026-11-20 10:00:00"
COLUMNS = (
    "expires, at, changed_at, direction, status, domain_id, partner_id, company_id, host, queue_id,"
    " message_id, login, client, sender, recipient, original_recipient, size, attempts, relay,"
    " receiver, dsn, answer, events")


@pytest.fixture(scope="module")
def owner(customers, domains, connection):
    """A customer with two verified domains; returns (reference, API, first, second)."""
    ref = customers.partner()
    api = customers.key(ref)
    return ref, api, domains(api, "log", verified=True), domains(api, "log", verified=True)


@pytest.fixture(scope="module")
def log(connection, odoo):
    """Adds rows as the reader of the log would; returns their numbers."""
    rows = connection("odoo").cursor()

    def add(domain, count=1, **values):
        [found] = odoo("emboux.domain").search_read(
            [("name", "=", domain)], ["partner_id", "company_id"])
        row = {
            "expires": "2099-01-01", "at": NOW, "changed_at": NOW, "direction": "out",
            "status": "delivered", "domain_id": found["id"],
            "partner_id": found["partner_id"] and found["partner_id"][0],
            "company_id": found["company_id"][0], "host": "mail", "queue_id": "4A1B2C3D4E",
            "message_id": "", "login": f"ann@{domain}", "client": "laptop[192.0.2.7]",
            "sender": f"ann@{domain}", "recipient": "joe@outside.example",
            "original_recipient": "", "size": 1500, "attempts": 1,
            "relay": "mx.outside.example[203.0.113.9]:25", "receiver": "outside.example",
            "dsn": "2.0.0", "answer": "250 2.0.0 OK", "events": [],
        } | values
        row["events"] = json.dumps(row["events"])
        rows.execute("SELECT emboux_mail.message_days(ARRAY['2099-01-01'::date])")
        rows.execute(
            f"""INSERT INTO emboux_mail.message (id, {COLUMNS})
                SELECT nextval('emboux_mail.message_id') + n,
                       {', '.join(f'%({name})s' for name in row)}
                  FROM generate_series(1, %(count)s) n RETURNING id""", row | {"count": count})
        return [str(number) for (number,) in rows.fetchall()]

    yield add
    rows.execute("DELETE FROM emboux_mail.message WHERE expires = '2099-01-01'")
    rows.connection.close()


def numbers(api, **params):
    return [item["id"] for item in done(api.get("/messages", params=params), 200)["items"]]


def test_messages_list_customer_each_filter(owner, log):
    _ref, api, first, second = owner
    [one] = log(first, at="2026-11-20 10:00:01", message_id="one@acme.example",
                recipient="joe.filter@outside.example", queue_id="4AAAAAAAAA")
    [two] = log(second, at="2026-11-20 10:00:02", status="failed", direction="forwarded",
                sender="eve@outside.example", recipient="joe.filter@other.example",
                answer="550 5.1.1 nobody of that name", queue_id="4BBBBBBBBB")
    for params, found in (
        ({"recipient": "joe.filter"}, [two, one]), ({"recipient": "filter@OTHER"}, [two]),
        ({"sender": "eve@out", "recipient": "filter"}, [two]),
        ({"domain": first, "recipient": "filter"}, [one]),
        ({"message_id": "<one@acme.example>"}, [one]), ({"queue_id": "4BBBBBBBBB"}, [two]),
        ({"status": "failed", "recipient": "filter"}, [two]),
        ({"direction": "out", "recipient": "filter"}, [one]),
        ({"since": "2026-11-20T10:00:02Z", "recipient": "filter"}, [two]),
        ({"until": "2026-11-20T10:00:02Z", "recipient": "filter"}, [one]),
        ({"q": "nobody of that"}, [two]), ({"q": "filter@out"}, [one]),
        ({"recipient": "filter", "domain": new_name()}, []),
        ({"recipient": "100%"}, []), ({"recipient": "filter_"}, []),
    ):
        assert numbers(api, **params) == found, params


def test_messages_list_customer_pages_are_stable(owner, log):
    _ref, api, first, _second = owner
    known = set(log(first, 7, recipient="paged@outside.example"))
    seen, cursor = [], None
    while True:
        params = {"recipient": "paged@", "limit": 3} | ({"cursor": cursor} if cursor else {})
        page = done(api.get("/messages", params=params), 200)
        seen += [item["id"] for item in page["items"]]
        if cursor is None:  # meanwhile another one comes
            log(first, recipient="paged@outside.example", at="2026-11-20 10:00:30")
        cursor = page["next"]
        if cursor is None:
            break
    assert set(seen) == known and len(seen) == 7
    assert seen == sorted(seen, key=int, reverse=True)


def test_messages_list_customer_pages_by_some_of_the_letters(owner, log):
    """A long part is found by its rarest letters and then looked for as a whole: the pages are
    those of all that have it, and of nothing else."""
    _ref, api, first, second = owner
    code = str(time.time_ns())[-9:]
    known = []
    for number in range(8):
        moment = f"2026-11-20 11:00:0{number // 3}"
        known += log((first, second)[number % 2], at=moment, status="failed",
                     recipient=f"joe{number}@Part-of-{code}.example",
                     answer=f"550 no room: Quota of {code} exceeded")
        # what has many of these letters, between them
        log(first, at=moment, status="failed", recipient=f"part-of.{code}@joe.example",
            answer=f"550 no room: quota for {code} exceeded")
    for params in ({"recipient": f"@part-of-{code}.ex"}, {"q": f"@part-of-{code}.ex"},
                   {"q": f"QUOTA of {code} exceeded"}):
        seen, cursor = [], {}
        for _page in range(3):
            page = done(api.get("/messages", params=params | cursor | {"limit": 3}), 200)
            seen += [item["id"] for item in page["items"]]
            cursor = {"cursor": page["next"]}
        assert seen == known[::-1] and page["next"] is None, params


def test_messages_list_customer_bad_input(owner):
    _ref, api, _first, _second = owner
    for params, field in (
        ({"status": "lost"}, "status"), ({"direction": "up"}, "direction"),
        ({"since": "yesterday"}, "since"), ({"since": "2026-11-20T10:00:00"}, "since"),
        ({"limit": 0}, "limit"), ({"limit": 201}, "limit"), ({"cursor": "AAAA"}, "cursor"),
        ({"recipient": "a\0b"}, "recipient"), ({"colour": "red"}, "colour"),
    ):
        assert set(faults(api.get("/messages", params=params))) == {field}, params


def test_messages_read_customer_the_whole_story(owner, log):
    _ref, api, first, _second = owner
    [number] = log(first, at="2026-11-20 10:00:00", status="delivered", attempts=2, events=[
        {"at": "2026-11-20T10:10:00+00:00", "kind": "delivered", "text": "250 2.0.0 OK",
         "relay": "mx.outside.example[203.0.113.9]:25", "dsn": "2.0.0", "delay": 600.0,
         "tls": "TLSv1.3 trusted"},
        {"at": "2026-11-20T10:00:01+00:00", "kind": "delayed", "dsn": "4.7.1", "delay": 1.0,
         "relay": "mx.outside.example[203.0.113.9]:25",
         "text": "host mx.outside.example[203.0.113.9] said: 450 4.7.1 Greylisted"},
    ])
    story = done(api.get(f"/messages/{number}"), 200)
    assert [(event["at"], event["kind"], event["words"]) for event in story["events"]] == [
        ("2026-11-20T10:00:00Z", "accepted",
         f"ann@{first} submitted 1.46 Kb from laptop[192.0.2.7]."),
        ("2026-11-20T10:00:01Z", "delayed",
         "mx.outside.example put it off: 450 4.7.1 Greylisted"),
        ("2026-11-20T10:10:00Z", "delivered",
         "mx.outside.example took it: 250 2.0.0 OK (TLSv1.3 trusted)"),
    ]
    assert story["events"][1]["details"]["dsn"] == "4.7.1"
    assert (story["status"], story["attempts"], story["domain"]) == ("delivered", 2, first)
    assert story["message_id"] is None and story["original_recipient"] is None


def test_messages_nobody_sees_what_is_anothers(owner, log, customers, domains, master):
    _ref, api, first, _second = owner
    [mine] = log(first, recipient="isolated@outside.example")
    stranger_ref = customers.partner()
    stranger = customers.key(stranger_ref)
    theirs = domains(stranger, "log", verified=True)
    [other] = log(theirs, recipient="isolated@outside.example")
    assert numbers(api, recipient="isolated@") == [mine]
    assert numbers(stranger, recipient="isolated@") == [other]
    assert numbers(stranger, domain=first) == []
    for number in (mine, "0", "abc", "-1", "9" * 30, "1e3"):
        assert detail(stranger.get(f"/messages/{number}"), 404) == "Not found"
    assert set(numbers(master, recipient="isolated@")) == {mine, other}
    # a key for one domain
    narrow = customers.key(_ref, domain=_second)
    assert numbers(narrow, recipient="isolated@") == []
    assert narrow.get(f"/messages/{mine}").status_code == 404


def test_messages_stay_whose_they_were(owner, log, customers, domains, odoo):
    """A domain that is given to somebody else does not take its log along."""
    old_ref, new_ref = customers.partner(), customers.partner()
    old, new = customers.key(old_ref), customers.key(new_ref)
    name = domains(old, "log", verified=True)
    [number] = log(name, recipient="moved@outside.example")
    [row] = odoo("res.partner").search([("ref", "=", new_ref)])
    odoo("emboux.domain").write([domains.id(name)], {"partner_id": row})
    assert numbers(new, recipient="moved@") == []
    assert new.get(f"/messages/{number}").status_code == 404
    assert numbers(old, recipient="moved@") == [number]


def test_messages_of_a_domain_that_is_deleted(customers, domains, log):
    api = customers()
    name = domains(api, "log", verified=True)
    [number] = log(name)
    done(api.delete(f"/domains/{name}"), 204)
    assert done(api.get(f"/messages/{number}"), 200)["domain"] is None


def test_messages_whose_log_comes_after_the_end_of_their_domain(owner, log):
    _ref, api, first, _second = owner
    [number] = log(first, domain_id=2**31 - 1, queue_id="4AFTERTHEEND")
    shown = done(api.get(f"/messages/{number}"), 200)
    assert shown["domain"] is None
    [item] = done(api.get("/messages", params={"queue_id": "4AFTERTHEEND"}), 200)["items"]
    assert (item["id"], item["domain"]) == (number, None)


def test_messages_days_that_are_over_are_dropped(connect, odoo):
    rows = connect("odoo").cursor()
    rows.execute("SELECT emboux_mail.message_days(ARRAY['2020-01-01'::date, '2020-01-02'])")
    # an earlier run was killed between the two statements
    rows.execute("ALTER TABLE emboux_mail.message DETACH PARTITION emboux_mail.message_20200102")
    began = time.monotonic()
    [cron] = odoo("ir.cron").search([("code", "=", "model._cron_drop_days()")])
    odoo("ir.cron").method_direct_trigger([cron])
    assert time.monotonic() - began < 30
    rows.execute("SELECT count(*) FROM emboux_mail.message_parts() WHERE day < '2021-01-01'")
    assert rows.fetchone() == (0,)
