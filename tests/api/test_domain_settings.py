"""What the operator grants a domain: outbound, retention, transfer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.api_client import detail, done, faults

MASTER_REQUIRED = "Master token required"
FOLDERS = ("inbox", "sent", "drafts", "archive", "trash", "junk", "other")
OUTBOUND = {
    "outbound_tier": "standard", "outbound_enforcement": "monitor", "outbound_status": "blocked",
    "daily_limit": 1000, "monthly_limit": 20000, "hourly_fraction": 0.25,
    "warmup_profile": "fast", "warmup_start": 50, "warmup_since": "2026-11-01",
    "spike_max_multiplier": 3.5, "inherit": False, "unit": "messages", "over_limit": "hold",
    "mailbox_daily_limit": 10, "mailbox_monthly_limit": 100, "recipients_per_message": 20,
    "alias_destination_limit": 40, "alias_depth_limit": 4,
}
FRESH = {
    "outbound_tier": "standard", "outbound_enforcement": "enforce", "outbound_status": "open",
    "outbound_reason": None, "daily_limit": 0, "monthly_limit": 0, "hourly_fraction": 0.1667,
    "warmup_profile": "standard", "warmup_start": 0, "warmup_since": None,
    "spike_max_multiplier": 5.0, "spike_multiplier": 5.0, "inherit": True,
    "unit": "recipients", "over_limit": "defer",
    "mailbox_daily_limit": 0, "mailbox_monthly_limit": 0, "recipients_per_message": 0,
    "alias_destination_limit": 100, "alias_depth_limit": 10,
    "flagged_at": None, "counters": {"today": 0, "this_month": 0},
    "room": {"left": 0, "again_at": None, "per_day": 0},  # not verified: nothing leaves
    "source": dict.fromkeys((
        "outbound_tier", "outbound_enforcement", "daily_limit", "monthly_limit", "hourly_fraction",
        "warmup_profile", "warmup_start", "warmup_since", "spike_multiplier",
        "spike_max_multiplier", "unit", "over_limit", "mailbox_daily_limit",
        "mailbox_monthly_limit", "recipients_per_message", "alias_destination_limit",
        "alias_depth_limit"), "default"),
}


@pytest.fixture(scope="module")
def customer(customers):
    return customers()


@pytest.fixture(scope="module")
def name(customer, domains):
    """A verified domain that this file shares."""
    return domains(customer, "settings", verified=True)


# -- outbound ----------------------------------------------------------------------------


def test_outbound_get_customer_sees_the_limits(customer, domains):
    assert done(customer.get(f"/domains/{domains(customer)}/outbound"), 200) == FRESH


def test_outbound_put_master_sets_everything(master, customer, domains):
    path = f"/domains/{domains(customer)}/outbound"
    for _ in range(2):
        shown = done(master.put(path, OUTBOUND), 200)
        assert {key: shown[key] for key in OUTBOUND} == OUTBOUND
    assert done(customer.get(path), 200) == shown


def test_outbound_put_master_leaves_what_is_not_named(master, customer, domains):
    path = f"/domains/{domains(customer)}/outbound"
    limited = FRESH | {"daily_limit": 7, "warmup_start": 50,
                       "source": FRESH["source"] | {"daily_limit": "own"}}
    assert done(master.put(path, {"daily_limit": 7}), 200) == limited
    assert done(master.put(path, {}), 200) == limited
    assert done(master.put(path, {"outbound_tier": None}), 200) == limited


@pytest.mark.parametrize(("field", "value"), [
    ("outbound_tier", ""), ("outbound_tier", "x" * 51), ("outbound_enforcement", "perhaps"),
    ("outbound_status", "shut"), ("daily_limit", -1), ("daily_limit", 2**31),
    ("monthly_limit", 1.5), ("hourly_fraction", 0), ("hourly_fraction", 1.01),
    ("warmup_profile", "slow"), ("warmup_start", "1"), ("warmup_since", "yesterday"),
    ("spike_multiplier", 0.9), ("inherit", "yes"), ("unit", "bytes"), ("over_limit", "drop"),
    ("mailbox_daily_limit", -1), ("recipients_per_message", -1), ("flagged_at", None),
    ("counters", {"today": 0}), ("outbound_reason", "x"),
])
def test_outbound_put_master_bad_value_is_named(master, name, field, value):
    path = f"/domains/{name}/outbound"
    before = done(master.get(path))
    found = faults(master.put(path, {"daily_limit": 99, field: value}
                              if field != "daily_limit" else {field: value}))
    assert set(found) == {field}
    assert done(master.get(path)) == before


@pytest.mark.parametrize("field", ["outbound_tier", "outbound_enforcement", "outbound_status",
                                   "daily_limit", "spike_max_multiplier"])
def test_outbound_put_customer_touches_nothing(customer, name, field):
    path = f"/domains/{name}/outbound"
    before = done(customer.get(path))
    assert detail(customer.put(path, {field: OUTBOUND[field]}), 403) == MASTER_REQUIRED
    assert done(customer.get(path)) == before


# -- outbound/increment ------------------------------------------------------------------


def test_outbound_increment_master_counts(master, customer, domains):
    path = f"/domains/{domains(customer, verified=True)}/outbound"
    first = done(master.post(f"{path}/increment", {"recipients": 3}), 200)
    assert set(first) == {"action", "wanted", "code", "reason", "rule", "limit", "used",
                          "retry_at", "today", "this_month"}
    assert (first["action"], first["today"], first["this_month"]) == ("accept", 3, 3)
    assert done(master.post(f"{path}/increment"), 200)["today"] == 4
    assert done(customer.get(path))["counters"] == {"today": 4, "this_month": 4}


def test_outbound_increment_master_repeated_with_a_key_counts_once(master, customer, domains):
    path = f"/domains/{domains(customer, verified=True)}/outbound"
    headers = {"Idempotency-Key": "message 1".replace(" ", "-") + path}
    first = master.post(f"{path}/increment", {"recipients": 3}, headers=headers)
    again = master.post(f"{path}/increment", {"recipients": 3}, headers=headers)
    assert done(first, 200) == done(again, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert done(customer.get(path))["counters"]["today"] == 3


def test_outbound_increment_master_rejects_and_counts_nothing(master, customer, domains):
    name = domains(customer, verified=True)
    path = f"/domains/{name}/outbound"
    done(master.put(path, {"outbound_status": "blocked"}))
    blocked = done(master.post(f"{path}/increment"), 200)
    assert (blocked["action"], blocked["today"]) == ("reject", 0)
    assert "suspended" in blocked["reason"]
    done(master.put(path, {"outbound_status": "open"}))
    done(master.put(f"/domains/{name}/suspend"))
    assert done(master.post(f"{path}/increment"))["action"] == "reject"
    done(master.put(f"/domains/{name}/activate"))
    assert done(master.post(f"{path}/increment"))["action"] == "accept"
    waiting = domains(customer)
    answer = done(master.post(f"/domains/{waiting}/outbound/increment"))
    assert (answer["action"], answer["today"]) == ("reject", 0)
    assert "not verified" in answer["reason"]


def test_outbound_increment_master_defers_over_a_limit(master, customer, domains):
    path = f"/domains/{domains(customer, verified=True)}/outbound"
    done(master.put(path, {"daily_limit": 10, "hourly_fraction": 1}))
    assert done(master.post(f"{path}/increment", {"recipients": 9}), 200)["action"] == "accept"
    over = done(master.post(f"{path}/increment", {"recipients": 2}), 200)
    assert (over["action"], over["code"], over["rule"]) == ("defer", "450 4.7.1", "hourly")
    assert (over["limit"], over["used"], over["today"]) == (10, 9, 9)
    assert over["retry_at"].endswith("Z") and "leaves 1 (used 9), try again at" in over["reason"]
    done(master.put(path, {"outbound_enforcement": "monitor", "over_limit": "reject"}))
    seen = done(master.post(f"{path}/increment", {"recipients": 2}), 200)
    assert (seen["action"], seen["wanted"], seen["today"]) == ("accept", "defer", 11)
    assert done(customer.get(path))["counters"] == {"today": 11, "this_month": 11}


def test_outbound_increment_master_of_a_mailbox_to_recipients(master, customer, domains, odoo):
    name = domains(customer, verified=True)
    path = f"/domains/{name}/outbound"
    done(customer.post("/users/", {"email": f"ann@{name}", "password": "a password"}), 201)
    done(master.put(path, {"mailbox_daily_limit": 3}))
    odoo("emboux.suppression").create({"email": f"gone@{name}", "reason": "complaint"})

    def increment(**body):
        return done(master.post(f"{path}/increment", {"login": f"ann@{name}", **body}), 200)

    refused = increment(to=[f"ok@{name}", f"gone@{name}"])
    assert (refused["action"], refused["rule"], refused["today"]) == ("reject", "suppressed", 0)
    assert increment(to=[f"a@{name}", f"b@{name}", f"A@{name}"])["today"] == 2
    over = increment(recipients=2)
    assert (over["action"], over["rule"]) == ("defer", "mailbox_daily")
    assert done(master.post(f"{path}/increment", {"recipients": 2}), 200)["today"] == 4
    assert "is no mailbox of" in detail(
        master.post(f"{path}/increment", {"login": "ann@else.example"}), 409)


def test_outbound_increment_master_twenty_at_once_are_exact(master, customer, domains):
    path = f"/domains/{domains(customer, verified=True)}/outbound"
    done(master.put(path, {"daily_limit": 12, "hourly_fraction": 1}))
    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(
            lambda _n: master.with_key(master.key).post(f"{path}/increment"), range(20)))
    actions = [done(answer, 200)["action"] for answer in said]
    assert (actions.count("accept"), actions.count("defer")) == (12, 8)
    assert done(customer.get(path))["counters"]["today"] == 12


def test_outbound_increment_master_bad_number_is_named(master, name):
    for value in (0, -1, 100_001, "1", 1.5):
        answer = master.post(f"/domains/{name}/outbound/increment", {"recipients": value})
        assert set(faults(answer)) == {"recipients"}
    for to in ([], ["nobody"], "a@b.example"):
        answer = master.post(f"/domains/{name}/outbound/increment", {"to": to})
        assert {field.partition(".")[0] for field in faults(answer)} == {"to"}


def test_outbound_put_master_the_older_name_of_the_spike(master, customer, domains):
    path = f"/domains/{domains(customer)}/outbound"
    for body in ({"spike_multiplier": 4}, {"spike_max_multiplier": 6},
                 {"spike_max_multiplier": 7, "spike_multiplier": 7}):
        shown = done(master.put(path, body), 200)
        assert {shown["spike_max_multiplier"], shown["spike_multiplier"]} == set(body.values())
    assert master.put(path, {"spike_max_multiplier": 7, "spike_multiplier": 8}).status_code == 422


def test_outbound_put_master_a_tier_is_one_of_a_list(master, customer, domains):
    path = f"/domains/{domains(customer)}/outbound"
    [fault] = faults(master.put(path, {"outbound_tier": "gold"})).items()
    assert fault[0] == "outbound_tier" and "standard" in fault[1]
    assert done(master.put(path, {"outbound_tier": "STANDARD"}))["outbound_tier"] == "standard"


def test_outbound_get_customer_of_a_subdomain_shows_what_decides(master, customer, domains, odoo):
    parent = domains.parent(master)
    done(master.put(f"/domains/{parent}/outbound", {
        "daily_limit": 900, "outbound_enforcement": "monitor"}))
    name = domains(customer, name=f"shop.{parent}")
    path = f"/domains/{name}/outbound"
    shown = done(customer.get(path), 200)
    assert (shown["daily_limit"], shown["outbound_enforcement"]) == (0, "monitor")
    assert shown["source"]["outbound_enforcement"] == "parent"
    done(master.put(path, {"daily_limit": 1, "hourly_fraction": 1}))
    done(master.put(f"/domains/{parent}/outbound", {"outbound_enforcement": "enforce"}))
    assert done(master.post(f"{path}/increment"))["action"] == "accept"
    assert done(master.post(f"{path}/increment"))["rule"] == "hourly"
    # a parent that is stopped shows on its child
    assert done(customer.get(f"/domains/{name}"))["stopped"] is None
    done(master.put(f"/domains/{parent}/outbound", {"outbound_status": "blocked"}))
    shown = done(customer.get(path))
    assert shown["outbound_status"] == "blocked" and parent in shown["outbound_reason"]
    done(master.put(f"/domains/{parent}/outbound", {"outbound_status": "open"}))
    done(master.put(f"/domains/{parent}/suspend"))
    assert parent in done(customer.get(f"/domains/{name}"))["stopped"]
    assert parent in done(customer.get(f"/domains/{name}/verify-status"))["reason"]
    assert done(customer.get(path))["outbound_status"] == "blocked"
    done(master.put(f"/domains/{parent}/activate"))
    assert done(customer.get(path))["outbound_status"] == "open"


def test_domain_delete_and_create_again_changes_no_block_and_no_counter(master, customer, domains):
    name = domains(customer, verified=True)
    path = f"/domains/{name}/outbound"
    done(master.put(path, {"daily_limit": 3, "hourly_fraction": 1}))
    done(master.post(f"{path}/increment", {"recipients": 3}))
    for stop, lift in (
        (lambda: master.put(path, {"outbound_status": "blocked"}),
         lambda: master.put(path, {"outbound_status": "open"})),
        (lambda: master.put(f"/domains/{name}/suspend"),
         lambda: master.put(f"/domains/{name}/activate")),
    ):
        done(stop())
        for api in (customer, master):
            for query in ("", "?cascade=true"):
                assert "neither deleted nor archived" in detail(
                    api.delete(f"/domains/{name}{query}"), 409)
        done(lift())
    done(customer.delete(f"/domains/{name}"), 204)
    domains(customer, name=name)
    shown = done(customer.get(path))
    assert (shown["counters"]["today"], shown["daily_limit"]) == (3, 3)
    domains.publish(name)
    assert done(customer.post(f"/domains/{name}/verify"))["verified"]
    assert done(master.post(f"{path}/increment"))["rule"] == "hourly"


def test_a_name_given_up_is_anothers_after_a_while(master, customer, customers, domains, odoo):
    parent, ref = domains.parent(master), customers.partner()
    rival = customers.key(ref)
    name = domains(customer, name=f"shop.{parent}")
    done(customer.delete(f"/domains/{name}"), 204)
    for answer in (rival.post("/domains/", {"name": name}),
                   rival.post(f"/domains/{name}/register-subdomain"),
                   master.post("/domains/", {"name": name, "partner_ref": ref})):
        assert "may reclaim it until" in detail(answer, 409)
    done(customer.post("/domains/", {"name": name}), 201)
    done(customer.delete(f"/domains/{name}"), 204)
    done(master.post("/domains/", {"name": name, "partner_ref": ref, "release": True}), 201)


def test_user_suspended_by_the_operator_is_not_the_customers_to_activate(master, customer, domains):
    name = domains(customer, verified=True)
    path = f"/users/ann@{name}"
    done(customer.post("/users/", {"email": f"ann@{name}", "password": "a password"}), 201)
    shown = done(master.put(path, {"suspended": True}))
    assert (shown["suspended"], shown["suspended_by"]) == (True, ["operator"])
    assert "by the operator" in detail(customer.put(path, {"suspended": False}), 409)
    assert "by the operator" in detail(customer.delete(path), 409)
    assert "by the operator" in detail(customer.delete(f"/domains/{name}?cascade=true"), 409)
    assert done(customer.put(path, {"suspended": True}))["suspended_by"] == ["operator", "customer"]
    assert done(master.put(path, {"suspended": False}))["suspended_by"] == ["customer"]
    assert "by its owner" in detail(master.put(path, {"suspended": False}), 409)
    shown = done(customer.put(path, {"suspended": False}))
    assert (shown["suspended"], shown["suspended_by"]) == (False, [])


# -- retention ---------------------------------------------------------------------------


def test_retention_get_customer_keeps_for_ever_at_first(customer, domains):
    shown = done(customer.get(f"/domains/{domains(customer)}/retention"), 200)
    assert shown == dict.fromkeys(FOLDERS, 0)


def test_retention_put_master_sets_each_folder(master, customer, domains):
    path = f"/domains/{domains(customer)}/retention"
    wanted = {folder: 10 * number for number, folder in enumerate(FOLDERS, 1)}
    for _ in range(2):
        assert done(master.put(path, wanted), 200) == wanted
    assert done(master.put(path, {"junk": 7, "trash": None}), 200) == wanted | {"junk": 7}
    assert done(customer.get(path), 200) == wanted | {"junk": 7}


def test_retention_put_customer_is_refused(customer, name):
    path = f"/domains/{name}/retention"
    before = done(customer.get(path))
    assert detail(customer.put(path, {"junk": 1}), 403) == MASTER_REQUIRED
    assert done(customer.get(path)) == before


@pytest.mark.parametrize("field", FOLDERS)
def test_retention_put_master_bad_days_are_named(master, name, field):
    for days in (-1, 36_501, "7", 1.5):
        assert set(faults(master.put(f"/domains/{name}/retention", {field: days}))) == {field}
    assert set(faults(master.put(f"/domains/{name}/retention", {"spam": 1}))) == {"spam"}


# -- transfer ----------------------------------------------------------------------------


def test_transfer_put_master_sets_the_limit(master, customer, domains):
    path = f"/domains/{domains(customer)}/transfer"
    assert done(customer.get(path), 200) == {
        "limit": 0, "over_limit": "enforce", "used": 0}
    largest = 2**53 - 1  # more than a 32-bit column would hold
    for limit in (largest, largest, 0, 5 * 10**9):
        assert done(master.put(path, {"limit": limit}), 200) == {
            "limit": limit, "over_limit": "enforce", "used": 0}
    shown = done(master.put(path, {"limit": 5 * 10**9, "over_limit": "warn"}), 200)
    assert shown == {"limit": 5 * 10**9, "over_limit": "warn", "used": 0}
    assert done(customer.get(path), 200) == shown
    assert done(master.put(path, {"limit": 7, "over_limit": "defer"}))["over_limit"] == "enforce"
    assert set(faults(master.put(path, {"limit": 7, "over_limit": "stop"}))) == {"over_limit"}


def test_transfer_put_master_what_is_used_is_counted_not_set(master, name):
    assert set(faults(master.put(f"/domains/{name}/transfer", {"limit": 1, "used": 0}))) == {"used"}
    assert set(faults(master.put(f"/domains/{name}/transfer", {}))) == {"limit"}


def test_transfer_put_customer_is_refused(customer, name):
    path = f"/domains/{name}/transfer"
    assert detail(customer.put(path, {"limit": 1}), 403) == MASTER_REQUIRED
    assert done(customer.get(path))["limit"] == 0


# -- a lost update -----------------------------------------------------------------------


@pytest.mark.parametrize(("what", "mine", "theirs"), [
    ("outbound", {"daily_limit": 5}, {"daily_limit": 6}),
    ("retention", {"junk": 5}, {"junk": 6}),
    ("transfer", {"limit": 5}, {"limit": 6}),
])
def test_settings_put_master_over_a_change_is_refused(master, customer, domains, what, mine,
                                                      theirs):
    path = f"/domains/{domains(customer)}/{what}"
    seen = master.get(path).headers["ETag"]
    made = master.put(path, theirs, headers={"If-Match": seen})
    now = done(made, 200)
    assert made.headers["ETag"] == master.get(path).headers["ETag"] != seen
    assert "has changed" in detail(master.put(path, mine, headers={"If-Match": seen}), 412)
    assert done(master.get(path)) == now
    for match in (f'"other", {made.headers["ETag"]}', "*"):
        done(master.put(path, theirs, headers={"If-Match": match}), 200)


def test_outbound_put_master_counting_is_no_change(master, name):
    path = f"/domains/{name}/outbound"
    seen = master.get(path).headers["ETag"]
    assert done(master.post(f"{path}/increment"))["action"] == "accept"
    done(master.put(path, {"daily_limit": 12}, headers={"If-Match": seen}), 200)


def test_outbound_get_customer_room_of_a_login(customer, name):
    """What may still be sent is told of the caller's own mailboxes alone."""
    path = f"/domains/{name}/outbound"
    done(customer.get(f"{path}?login=nobody@{name}"), 422)
    done(customer.get(f"{path}?login=somebody@elsewhere.example"), 422)
