"""Concurrent and repeated requests: limits hold, work is done once, a crash leaves no half of
it."""

import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import requests
from support.api_client import done
from support.mail_client import eventually

PATIENCE = 300  # seconds: two hundred requests queue up before thirty threads


def at_once(calls):
    """Run all calls at the same moment, each in a thread of its own; returns their answers."""
    start = threading.Barrier(len(calls))

    def run(call):
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_domains_post_200_at_once_at_a_limit_of_100_give_exactly_100(customers, connect):
    customer = customers(domain_limit=100)
    stamp = time.time_ns() % 10**9
    answers = at_once([
        lambda n=n: customer.with_key(customer.key).post(
            "/domains/", {"name": f"many{n}-{stamp}.example"}, timeout=PATIENCE)
        for n in range(200)
    ])
    assert Counter(answer.status_code for answer in answers) == {201: 100, 409: 100}
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert "limit of 100 domains" in refused.json()["detail"]
    assert done(customer.get("/domains/?limit=1"))["total"] == 100
    with connect("odoo").cursor() as cr:
        cr.execute(
            "SELECT c.domains_used FROM emboux_customer c JOIN emboux_domain d USING (partner_id)"
            " WHERE d.name LIKE %s LIMIT 1", [f"many%-{stamp}.example"])
        assert cr.fetchone() == (100,)


def test_users_post_30_at_once_at_a_limit_of_10_give_exactly_10(customers):
    customer = customers(mailbox_limit=10)
    name = f"boxes{time.time_ns() % 10**9}.example"
    done(customer.post("/domains/", {"name": name}), 201)
    answers = at_once([
        lambda n=n: customer.with_key(customer.key).post(
            "/users/", {"email": f"box{n}@{name}", "password": f"password of {n}"},
            timeout=PATIENCE)
        for n in range(30)
    ])
    assert Counter(answer.status_code for answer in answers) == {201: 10, 409: 20}
    assert done(customer.get(f"/users/?domain={name}"))["total"] == 10


def test_aliases_post_30_at_once_at_a_limit_of_10_give_exactly_10(customers):
    customer = customers(alias_limit=10)
    name = f"aliases{time.time_ns() % 10**9}.example"
    done(customer.post("/domains/", {"name": name}), 201)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    answers = at_once([
        lambda n=n: customer.with_key(customer.key).post(
            "/aliases/", {"address": f"alias{n}@{name}", "destinations": [f"ann@{name}"]},
            timeout=PATIENCE)
        for n in range(30)
    ])
    assert Counter(answer.status_code for answer in answers) == {201: 10, 409: 20}
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert "limit of 10 aliases" in refused.json()["detail"]
    assert done(customer.get(f"/aliases/?domain={name}"))["total"] == 10


def test_aliases_bulk_and_single_at_once_at_a_limit_of_10_give_exactly_10(customers):
    """Two keys of one customer's: of one key only one bulk request is worked on."""
    ref = customers.partner(alias_limit=10)
    keys = [customers.key(ref) for _ in range(2)]
    name = f"bulks{time.time_ns() % 10**9}.example"
    done(keys[0].post("/domains/", {"name": name}), 201)
    done(keys[0].post("/users/", {"email": f"ann@{name}"}), 201)

    def row(alias):
        return {"address": f"{alias}@{name}", "destinations": [f"ann@{name}"]}

    bulks = [
        lambda n=n, key=key: key.post(
            "/aliases/bulk", {"aliases": [row(f"b{n}.{m}") for m in range(6)]}, timeout=PATIENCE)
        for n, key in enumerate(keys)
    ]
    singles = [
        lambda n=n: keys[0].with_key(keys[0].key).post(
            "/aliases/", row(f"s{n}"), timeout=PATIENCE)
        for n in range(6)
    ]
    answers = at_once(bulks + singles)
    made = sum(done(answer, 200)["created"] for answer in answers[:2])
    made += [answer.status_code for answer in answers[2:]].count(201)
    assert {answer.status_code for answer in answers[2:]} <= {201, 409}
    assert made == 10
    assert done(keys[0].get(f"/aliases/?domain={name}"))["total"] == 10


def test_users_limit_holds_for_odoos_own_interface_too(customers, odoo):
    """No turn is taken there: of two transactions the second fails and is tried again."""
    customer = customers(mailbox_limit=3)
    name = f"forms{time.time_ns() % 10**9}.example"
    done(customer.post("/domains/", {"name": name}), 201)
    [domain] = odoo("emboux.domain").search([("name", "=", name)])

    def make(number):
        try:
            odoo("emboux.mailbox").create({"domain_id": domain, "local_part": f"box{number}"})
        except Exception as error:  # noqa: BLE001 - what it says is asserted below
            return str(error)
        return "made"

    answers = at_once([lambda n=n: make(n) for n in range(6)])
    assert odoo("emboux.mailbox").search_count([("domain_id", "=", domain)]) == 3
    assert answers.count("made") == 3
    assert all("limit of 3" in answer for answer in answers if answer != "made"), answers


def test_two_updates_that_form_a_loop_together_are_not_both_taken(customers):
    """Each looks along its way before the other one is there: aliases, forwards, a catch-all."""
    customer = customers()
    for attempt in range(4):
        name = f"loops{attempt}-{time.time_ns() % 10**9}.example"
        done(customer.post("/domains/", {"name": name}), 201)
        for box in ("ann", "bob", "eve"):
            done(customer.post("/users/", {"email": f"{box}@{name}"}), 201)
        done(customer.post("/aliases/", {"address": f"@{name}", "destinations": [f"eve@{name}"]}))
        for alias in ("a", "b", "c"):
            _lead(customer, f"{alias}@{name}", f"ann@{name}")
        pairs = (
            # two aliases at each other
            (lambda api, n=name: _lead(api, f"a@{n}", f"b@{n}"),
             lambda api, n=name: _lead(api, f"b@{n}", f"a@{n}")),
            # an alias at a mailbox, which forwards to the alias
            (lambda api, n=name: _lead(api, f"c@{n}", f"bob@{n}"),
             lambda api, n=name: _forward(api, f"bob@{n}", f"c@{n}")),
            # two new ones, each of which finds the other at the catch-all
            (lambda api, n=name: _lead(api, f"x@{n}", f"y@{n}"),
             lambda api, n=name: _lead(api, f"y@{n}", f"x@{n}")),
        )
        for number, pair in enumerate(pairs):
            answers = at_once([
                lambda call=call: call(customer.with_key(customer.key)) for call in pair])
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses[0] in (200, 201) and statuses[1] == 422, (number, statuses)


def _lead(api, address, goal):
    return api.post("/aliases/", {"address": address, "destinations": [goal]}, timeout=PATIENCE)


def _forward(api, email, goal):
    return api.put(f"/users/{email}", {"forward_to": [goal]}, timeout=PATIENCE)


def test_one_sign_up_left_is_one_of_five_at_once(odoo, status, connect):
    """And each wrong key of twenty at once is counted."""
    product = odoo("product.product").create({"name": "Mail", "type": "service"})
    plan = odoo("emboux.plan").create({"name": "Race", "product_id": product, "price": 1})
    parameters = odoo("ir.config_parameter")
    before = parameters.get_param("emboux_saas.signups_per_hour")
    parameters.set_param("emboux_saas.signups_per_hour", "1")
    url, stamp = f"{status['odoo']['url']}/email/signup", time.time_ns() % 10**9
    sessions = []
    for _ in range(5):
        session = requests.Session()
        page = session.get(url, timeout=PATIENCE).text
        sessions.append((session, re.search(r'csrf_token" value="(\w+)"', page)[1]))
    with connect("odoo").cursor() as cr:
        cr.execute("DELETE FROM emboux_api_failure WHERE address LIKE 'sign-up %'")
        try:
            answers = at_once([
                lambda n=n, session=session, token=token: session.post(url, {
                    "csrf_token": token, "plan_id": plan, "kind": "own", "person": "Racer",
                    "name": f"race{n}-{stamp}.example", "local_part": "hello",
                    "login": f"race{n}-{stamp}@world.example"}, allow_redirects=False,
                    timeout=PATIENCE)
                for n, (session, token) in enumerate(sessions)
            ])
        finally:
            parameters.set_param("emboux_saas.signups_per_hour", before)
            odoo("emboux.plan").write([plan], {"is_public": False})
            cr.execute("DELETE FROM emboux_api_failure WHERE address LIKE 'sign-up %'")
    assert Counter(answer.status_code for answer in answers) == {303: 1, 200: 4}
    assert odoo("mail.mail").search_count([("email_to", "like", f"-{stamp}@world")]) == 1


def test_wrong_keys_at_once_are_all_counted(master, connect):
    wrong = master.with_key("emboux_nonsense")
    with connect("odoo").cursor() as cr:
        cr.execute("DELETE FROM emboux_api_failure WHERE address = '127.0.0.1'")
        answers = at_once([lambda: wrong.with_key(wrong.key).get("/domains/", timeout=PATIENCE)
                           for _ in range(20)])
        assert {answer.status_code for answer in answers} == {401}
        cr.execute("SELECT failures FROM emboux_api_failure WHERE address = '127.0.0.1'")
        assert cr.fetchone() == (20,)
        cr.execute("DELETE FROM emboux_api_failure WHERE address = '127.0.0.1'")


def test_users_post_the_same_idempotency_key_50_times_at_once_makes_one(customers):
    customer = customers()
    name = f"once{time.time_ns() % 10**9}.example"
    done(customer.post("/domains/", {"name": name}), 201)
    answers = at_once([
        lambda: customer.with_key(customer.key).post(
            "/users/", {"email": f"one@{name}", "password": "a password for one"},
            headers={"Idempotency-Key": f"fifty-{name}"}, timeout=PATIENCE)
        for _ in range(50)
    ])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert done(customer.get(f"/users/?domain={name}"))["total"] == 1


def test_users_bulk_killed_in_the_middle_leaves_nothing_and_the_retry_succeeds(
    second_odoo, customers, connect
):
    customer = customers()
    name = f"killed{time.time_ns() % 10**9}.example"
    done(customer.post("/domains/", {"name": name}), 201)
    second_odoo.start()
    there = customer.with_key(customer.key)
    there.url = f"{second_odoo.url}/emboux/v1"
    rows = [{"email": f"user{n}@{name}", "password": f"password of {n}"} for n in range(200)]
    fate = []

    def send():
        try:
            fate.append(there.post("/users/bulk", {"users": rows},
                                   headers={"Idempotency-Key": f"killed-{name}"}))
        except requests.ConnectionError:
            fate.append("no answer")

    sender = threading.Thread(target=send)
    sender.start()
    with connect("odoo").cursor() as cr:
        # it hashes two hundred passwords before
        eventually("the request writes", lambda: _is_writing(cr, second_odoo.pid), seconds=120)
        second_odoo.kill()
        sender.join()
        assert fate == ["no answer"]
        eventually("its connections end", lambda: not _connections(cr, second_odoo.pid))
        traces = {
            "emboux_mailbox": ("email", f"%@{name}"), "emboux_address": ("email", f"%@{name}"),
            "emboux_audit": ("name", f"%@{name}"), "emboux_change": ("name", f"%@{name}"),
            "emboux_idempotency": ("token", f"killed-{name}"),
        }
        for table, (column, like) in traces.items():
            cr.execute(f"SELECT count(*) FROM {table} WHERE {column} LIKE %s", [like])
            assert cr.fetchone() == (0,), table
    assert done(customer.get(f"/users/?domain={name}"))["total"] == 0
    answer = done(customer.post("/users/bulk", {"users": rows},
                                headers={"Idempotency-Key": f"killed-{name}"}), 200)
    assert (answer["created"], answer["failed"]) == (200, 0)
    assert done(customer.get(f"/users/?domain={name}"))["total"] == 200


def _connections(cr, pid):
    """How many connections to PostgreSQL an Odoo process has: it names them after itself."""
    cr.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
               [f"odoo-{pid}"])
    return cr.fetchone()[0]


def _is_writing(cr, pid):
    """Whether this Odoo process has uncommitted rows of mailboxes."""
    assert _connections(cr, pid)
    cr.execute(
        "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
        " WHERE l.relation = 'emboux_mailbox'::regclass AND l.mode = 'RowExclusiveLock'"
        " AND a.application_name = %s", [f"odoo-{pid}"]
    )
    return cr.fetchone()[0]
