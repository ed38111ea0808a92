"""Every operation of the OpenAPI document as everybody: who may, who may not, who learns nothing.

The operations, their roles and parameters are read from the running server's document; what this
file does not know yet makes it fail, so that nobody forgets to think about it.
"""

import json
import os
import re
import time

import pytest
import requests
from support.api_client import Api, done, in_path, mistyped, new_name

METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
ROLES = {"nobody", "customer", "master", "signature"}
NOT_FOUND = b'{"detail": "Not found"}'
OUTSIDE = "ann@outside.tests.example"
#: Path parameters that name something of a customer's; the others name what is for all.
OWNED = {"name", "email", "address", "token", "id", "webhook_id", "delivery_id"}
UNOWNED = {"recipient", "key_id", "queued_id", "rule_id", "recipient_domain"}
#: Bodies with which each operation succeeds; ``{...}`` is filled in. None is without body.
BODIES = {
    "create_domain": {"name": "{new}"},
    "verify_domain": None,
    "ses_verify_domain": None,
    "register_subdomain": None,
    "set_domain_parent": {"parent": None, "wildcard": False},
    "set_domain_owner": {"partner_ref": "{ref}"},
    "suspend_domain": None,
    "activate_domain": None,
    "set_outbound": {"daily_limit": 5},
    "increment_outbound": {"recipients": 1},
    "set_retention": {"junk": 5},
    "set_transfer": {"limit": 5},
    "create_user": {"email": "new@{name}"},
    "create_users": {"users": [{"email": "new@{name}"}]},
    "update_user": {"display_name": "Ann"},
    "change_address": {"email": "new@{name}"},
    "set_quota": {"quota": 1048576},
    "upsert_alias": {"address": "new@{name}", "destinations": [OUTSIDE]},
    "upsert_aliases": {"aliases": [{"address": "new@{name}", "destinations": [OUTSIDE]}]},
    "send_message": {"from": "ann@{name}", "to": [OUTSIDE], "text": "x"},
    "send_messages": {"messages": [{"from": "ann@{name}", "to": [OUTSIDE], "text": "x"}]},
    "create_webhook": {"name": "Matrix", "url": "https://hook.tests.example/", "domain": "{name}"},
    "update_webhook": {"name": "Matrix"},
    "rotate_webhook_secret": None,
    "test_webhook": None,
    "send_webhooks_again": {},
    "send_delivery_again": None,
    "act_on_queue": {"act": "hold"},
    "create_hold_rule": {"name": "Matrix", "recipient_domain": "{new}"},
    "set_route": {"host": "192.0.2.7"},
    "create_api_key": {"name": "Matrix", "partner_ref": "{ref}"},
    "reset_daily": None,
    "reset_monthly": None,
    "receive_mailgun": {"signature": {"timestamp": "1", "token": "t", "signature": "s"},
                        "event-data": {}},
    "receive_ses": {"Type": "Notification", "MessageId": "1", "TopicArn": "a", "Message": "m",
                    "Timestamp": "t", "SignatureVersion": "2", "Signature": "s",
                    "SigningCertURL": "https://x.example"},
}
#: What is refused for another reason than that it is not there: for the owner, for a stranger.
#: There is no parent above the name; its domain is not verified.
REFUSED = {"register_subdomain": (409, 409), "send_message": (409, 403)}
IGNORED_HEADERS = {"date", "x-request-id"}


def operations():
    """From the running server at collection; from the fixture it would be one test for all."""
    if "EMBOUX_STATE" not in os.environ:
        return []
    from parts import report
    from parts.state import State

    state = State(os.environ["EMBOUX_STATE"], os.environ["EMBOUX_CODE"])
    url = report.read(state)["api"]["url"]
    document = requests.get(f"{url}/openapi.json", timeout=60).json()
    found = []
    for path, methods in document["paths"].items():
        assert set(methods) <= set(METHODS), f"{path}: what is {set(methods) - set(METHODS)}?"
        found += [pytest.param(method.upper(), path, declared, id=declared["operationId"])
                  for method, declared in methods.items()]
    return found


OPERATIONS = operations()


@pytest.fixture(scope="module")
def log(connection):
    """Adds a message of a domain to the log, or one that waits for its time; returns its number."""
    rows = connection("odoo").cursor()

    def add(name, waits=False):
        rows.execute("SELECT emboux_mail.message_days(ARRAY['2099-01-01'::date])")
        rows.execute(
            """INSERT INTO emboux_mail.message (
                   id, expires, at, changed_at, direction, status, domain_id, partner_id,
                   company_id, host, queue_id, message_id, login, client, sender, recipient,
                   original_recipient, attempts, relay, receiver, dsn, answer, events)
               SELECT nextval('emboux_mail.message_id'), '2099-01-01', now(), now(), 'out',
                      'accepted', id, partner_id, company_id, '', '', '', 'ann@' || name, '',
                      'ann@' || name, 'x@far.example', '', 0, '', '', '', '', '[]'
                 FROM emboux_domain WHERE name = %s RETURNING id""", [name])
        [(number,)] = rows.fetchall()
        if waits:
            rows.execute(
                """INSERT INTO emboux_submission (mailbox_id, send_at, next_try, raw, rows)
                   SELECT id, '2099-01-01', '2099-01-01', 'x', %s FROM emboux_mailbox
                    WHERE email = 'ann@' || %s""",
                [json.dumps([{"id": number, "expires": "2099-01-01"}]), name])
        return number

    yield add
    rows.execute("DELETE FROM emboux_mail.message WHERE expires = '2099-01-01'")
    rows.connection.close()


@pytest.fixture(scope="module")
def keys(master, customers, odoo, log, connection):
    """One key of each sort; the owner's is created again for each operation."""
    ref, stranger_ref = customers.partner(), customers.partner()

    def key(owner, **options):
        return done(master.post("/api-keys/", {"name": "Matrix", "partner_ref": owner} | options))

    revoked, expired = key(ref), key(ref)
    done(master.delete(f"/api-keys/{revoked['id']}"), 204)
    odoo("emboux.api.key").write([expired["id"]], {"expires_at": "2020-01-01 00:00:00"})
    reader = done(master.post("/api-keys/", {"name": "Matrix", "role": "master",
                                             "read_only": True}))
    own = key(ref)

    made = {}

    def hook():
        """A webhook of the owner's and its one delivery: the same until a test deletes it."""
        if not made or not master.get(f"/webhooks/{made['webhook_id']}").ok:
            number = done(master.post("/webhooks/", {
                "name": "Matrix", "url": "https://hook.tests.example/", "partner_ref": ref}))["id"]
            delivery = done(master("POST", f"/webhooks/{number}/test"))["delivery"]
            made.update(webhook_id=number, delivery_id=int(delivery))
        return made

    numbers = {}

    def queued():
        """A message in the queue of a mail server that is none, and a hold rule."""
        if not numbers:
            rows = connection("odoo").cursor()
            rows.execute(
                """INSERT INTO emboux_mail.queue_message
                          (host, queue_id, arrived, queue, login, sender, recipients,
                           recipient_count, size, reason)
                   VALUES ('matrix', '4A1B2C3D4E', 1, 'deferred', '', '', '', 0, 0, '')
                       ON CONFLICT (host, queue_id, arrived) DO UPDATE SET reason = ''
                RETURNING id""")
            numbers["queued_id"] = rows.fetchone()[0]
            rows.connection.close()
        if not numbers.get("rule_id") or odoo("emboux.hold.rule").search_count(
            [("id", "=", numbers["rule_id"])]) == 0:
            numbers["rule_id"] = odoo("emboux.hold.rule").create(
                {"name": "Matrix", "recipient_domain": "nobody.tests.example"})
        return numbers

    return {
        "log": log, "hook": hook, "queued": queued, "ref": ref,
        "stranger_ref": stranger_ref, "own_id": own["id"],
        "nobody": Api(master.url), "master": master, "customer": Api(master.url, own["secret"]),
        "revoked": Api(master.url, revoked["secret"]),
        "expired": Api(master.url, expired["secret"]),
        "unknown": Api(master.url, mistyped(own["secret"])),
        "reader": key(ref, read_only=True), "master_reader": Api(master.url, reader["secret"]),
        "stranger": Api(master.url, key(stranger_ref)["secret"]),
    }


@pytest.fixture(scope="module")
def shared(keys):
    """What is looked at, or must not be changed by whoever tries."""
    return Target(keys, new_name("shared"))


def assert_untouched(target):
    """Nothing has happened to it, as its owner sees."""
    owner = target.keys["customer"]
    assert done(owner.get(f"/domains/{target.name}"))["state"] == "pending"
    assert done(owner.get(f"/users/?domain={target.name}"))["total"] == 1
    assert done(owner.get(f"/aliases/?domain={target.name}"))["total"] == 1
    assert done(owner.get(f"/users/{target.values['email']}"))["display_name"] == ""
    assert done(owner.get(f"/domains/{target.name}/transfer"))["limit"] == 0


class Target:
    """What an operation is tried on: a customer's domain with a mailbox and an alias."""

    def __init__(self, keys, name, present=True):
        self.keys, self.name, self.present = keys, name, present
        self.values = {"name": name, "email": f"ann@{name}", "address": f"info@{name}",
                       "recipient": f"r@{name}", "key_id": keys["own_id"],
                       "token": keys["own_id"], "id": 2**40, "new": new_name("new"),
                       "webhook_id": 2**31 - 1, "delivery_id": 2**40, "ref": keys["ref"],
                       "recipient_domain": f"to-{name}"} | keys["queued"]()
        if present:
            owner = keys["customer"]
            done(owner.post("/domains/", {"name": name}), 201)
            done(owner.post("/users/", {"email": self.values["email"]}), 201)
            done(owner.post("/aliases/", {"address": self.values["address"],
                                          "destinations": [OUTSIDE]}), 201)
            self.values["id"] = keys["log"](name)

    def call(self, api, method, path, declared):
        if self.present and "{webhook_id}" in path:
            self.values |= self.keys["hook"]()
        for part in re.findall(r"{(\w+)}", path):
            assert part in self.values, f"{path}: what is {part}?"
            path = path.replace(f"{{{part}}}", in_path(str(self.values[part])))
        kwargs = {}
        if "requestBody" in declared:
            kwargs["json"] = _filled(BODIES[declared["operationId"]], self.values)
        return api(method, path, **kwargs)


def _filled(body, values):
    if isinstance(body, dict):
        return {key: _filled(value, values) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, values) for value in body]
    if isinstance(body, str) and re.fullmatch(r".*{\w+}", body):
        return body.format_map(values)
    return body


def seen(answer):
    """All of an answer that somebody could learn from."""
    headers = {key.lower(): value for key, value in answer.headers.items()}
    assert int(headers["content-length"]) == len(answer.content)
    return answer.status_code, answer.content, {
        key: value for key, value in headers.items() if key not in IGNORED_HEADERS}


# -- the document ------------------------------------------------------------------------


def test_matrix_has_operations():
    """An empty matrix would pass."""
    assert len(OPERATIONS) >= 45


@pytest.mark.parametrize(("method", "path", "declared"), OPERATIONS)
def test_matrix_operation_is_known(method, path, declared):
    assert declared.get("x-required-role") in ROLES
    parts = set(re.findall(r"{(\w+)}", path))
    assert parts <= OWNED | UNOWNED, f"What are {parts - OWNED - UNOWNED}, and whose?"
    if method != "GET" and method != "DELETE":
        assert declared["operationId"] in BODIES, "Say in BODIES what it is called with."
    has_body = BODIES.get(declared["operationId"]) is not None
    assert has_body == ("requestBody" in declared)
    secured = declared["x-required-role"] in ("customer", "master")
    assert declared["security"] == ([{"key": []}] if secured else [])


# -- who may -----------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "declared"), OPERATIONS)
def test_matrix_who_has_no_valid_key(method, path, declared, keys):
    target = Target(keys, new_name("matrix"), present=False)
    role = declared["x-required-role"]
    expected = {"nobody": 200, "signature": 403, "customer": 401, "master": 401}[role]
    for who in ("nobody", "unknown", "expired", "revoked"):
        answer = target.call(keys[who], method, path, declared)
        assert answer.status_code == expected, (who, answer.text)
        if expected == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer", who
            assert set(answer.json()) == {"detail"}, who


@pytest.mark.parametrize(("method", "path", "declared"), OPERATIONS)
def test_matrix_read_only_key(method, path, declared, keys, shared):
    role, target = declared["x-required-role"], shared
    customers_reader = Api(keys["master"].url, keys["reader"]["secret"])
    for api, is_master in ((customers_reader, False), (keys["master_reader"], True)):
        answer = target.call(api, method, path, declared)
        if role in ("nobody", "signature"):
            assert answer.status_code == (200 if role == "nobody" else 403)
        elif role == "master" and not is_master:
            assert (answer.status_code, answer.json()) == (403, {"detail": "Master token required"})
        elif method == "GET":
            # the token of the path is another key of the same customer's
            expected = 404 if "{token}" in path and not is_master else 200
            assert answer.status_code == expected, answer.text
        else:
            assert answer.status_code == 403
            assert answer.json() == {"detail": "This key may only read"}
    if method != "GET":
        assert_untouched(shared)


@pytest.mark.parametrize(("method", "path", "declared"), OPERATIONS)
def test_matrix_own_resource(method, path, declared, keys, shared, odoo):
    role, name = declared["x-required-role"], declared["operationId"]
    if role in ("nobody", "signature"):
        for who in ("customer", "master"):  # a key makes no difference
            answer = shared.call(keys[who], method, path, declared)
            assert answer.status_code == (200 if role == "nobody" else 403)
        return
    for who in ("customer", "master"):
        reads = method == "GET" or (role == "master" and who == "customer")
        target = shared if reads else Target(keys, new_name("matrix"))
        if name == "revoke_api_key" and not reads:
            made = keys["master"].post("/api-keys/", {"name": "x", "partner_ref": keys["ref"]})
            target.values["key_id"] = done(made)["id"]
        if "{recipient}" in path and not reads:
            target.values["recipient"] = f"r@{new_name('matrix')}"
            odoo("emboux.suppression").create({"email": target.values["recipient"]})
        if name == "cancel_message" and not reads:
            target.values["id"] = keys["log"](target.name, waits=True)
        if name == "delete_route":
            done(keys["master"].put(f"/routes/{target.values['recipient_domain']}",
                                    {"host": "192.0.2.7"}))
        if name == "delete_domain":
            done(keys["master"].delete(f"/users/{target.values['email']}"), 204)
        answer = target.call(keys[who], method, path, declared)
        if role == "master" and who == "customer":
            assert (answer.status_code, answer.json()) == (403, {"detail": "Master token required"})
        elif name in REFUSED:
            assert answer.status_code == REFUSED[name][0], answer.text
        else:
            assert answer.ok, (who, answer.status_code, answer.text)
        assert str(answer.status_code) in declared["responses"]


# -- who learns nothing ------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "declared"), OPERATIONS)
def test_matrix_foreign_resource_is_like_none(method, path, declared, keys, shared):
    """The same bytes for what is somebody else's and for what is not there."""
    role, name = declared["x-required-role"], declared["operationId"]
    owned = set(re.findall(r"{(\w+)}", path)) & OWNED
    if method == "POST":  # the answer may hold the name: one name, before it is there and after
        target = Target(keys, new_name("matrix"), present=False)
        before = target.call(keys["stranger"], method, path, declared)
        Target(keys, target.name)
    else:
        target, missing = shared, Target(keys, new_name("matrix"), present=False)
        missing.values |= {"token": 2**31 - 1, "id": 2**40, "recipient": shared.values["recipient"]}
        before = missing.call(keys["stranger"], method, path, declared)
    if name == "create_domain":
        target.values["new"] = target.name
        after = target.call(keys["stranger"], method, path, declared)
        assert after.status_code == 201  # a claim, which keeps nobody out and tells nothing
        assert_untouched(target)
        return
    else:
        after = target.call(keys["stranger"], method, path, declared)
        assert seen(before) == seen(after)
    if role != "customer":
        assert after.status_code == {"master": 403, "nobody": 200, "signature": 403}[role]
    elif name in REFUSED:
        assert after.status_code == REFUSED[name][1]
    elif owned or name in ("create_user", "upsert_alias"):
        assert (after.status_code, after.content) == (404, NOT_FOUND)
    elif name in ("create_users", "upsert_aliases"):
        assert [item["status"] for item in after.json()["items"]] == [404]
    if method != "GET":
        assert_untouched(target)


#: ``POST``s of an address that is there already, and somebody else's.
EXISTING = {
    "create_user": {"email": "{email}"},
    "create_users": {"users": [{"email": "{email}"}, {"email": "{address}"}]},
    "upsert_alias": {"address": "{address}", "destinations": [OUTSIDE]},
    "upsert_aliases": {"aliases": [{"address": "{address}", "destinations": [OUTSIDE]},
                                   {"address": "{email}", "destinations": [OUTSIDE]}]},
}


@pytest.mark.parametrize("name", EXISTING)
def test_matrix_foreign_address_that_is_there_is_like_none(name, keys):
    """Neither made, nor changed, nor told: as where nobody has the domain."""
    [(method, path, declared)] = [
        param.values for param in OPERATIONS if param.values[2]["operationId"] == name]
    target = Target(keys, new_name("matrix"), present=False)
    body = _filled(EXISTING[name], target.values)
    before = keys["stranger"](method, path, json=body)
    Target(keys, target.name)
    after = keys["stranger"](method, path, json=body)
    assert seen(before) == seen(after)
    if "{" in path or name in ("create_user", "upsert_alias"):
        assert (after.status_code, after.content) == (404, NOT_FOUND)
    else:
        assert [item["status"] for item in after.json()["items"]] == [404, 404]
    assert_untouched(target)
    owner = keys["customer"]
    alias = done(owner.get(f"/aliases/{in_path(target.values['address'])}"))
    assert alias["destinations"] == [OUTSIDE]
    assert str(after.status_code) in declared["responses"]


def test_matrix_foreign_resource_takes_no_longer_than_none(keys):
    """Not to be told by the clock either: both are one look-up."""
    name = new_name("matrix")
    Target(keys, name)
    stranger, times = keys["stranger"], {name: [], new_name("matrix"): []}
    for _ in range(20):
        for asked, taken in times.items():
            start = time.monotonic()
            assert stranger.get(f"/domains/{asked}").status_code == 404
            taken.append(time.monotonic() - start)
    fastest = [min(taken) for taken in times.values()]
    assert max(fastest) < 2 * min(fastest), fastest
