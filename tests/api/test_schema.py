"""Generated requests against the whole document: no 5xx, and every answer as it says.

    ./setup/test tests/api/test_schema.py                           some thousand cases
    EMBOUX_FUZZ_CASES=20000 ./setup/test tests/api/test_schema.py   at least twenty thousand
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.api_client import Heard, done, new_name

LEAST_CASES = int(os.environ.get("EMBOUX_FUZZ_CASES", "2000"))  # of both keys together
FIRST = 2  # examples of each kind for each operation
MORE = 100  # in each further round, which generates at random alone
ROUNDS = 10  # at most, for what has not succeeded yet
SUPPRESSED = 200
#: Not asked: whether whatever fits the schema is also accepted, for names and references of
#: things that are not there fit too.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
    "unsupported_method", "missing_required_header", "ignored_auth",
)
#: Operations that never succeed here, though no key is refused.
NEVER_2XX = {
    "receive_ses": "signed by Amazon: no generated signature verifies",
    "receive_mailgun": "signed by Mailgun: no generated signature verifies",
}


@pytest.fixture
def unthrottled(odoo, connect):
    """Thousands of requests, many without a key, from one address."""
    names = ("failures_allowed", "requests_per_second")
    for name in names:
        odoo("ir.config_parameter").set_param(f"emboux_mail_api.{name}", "1000000")
    yield
    for name in names:
        odoo("ir.config_parameter").set_param(f"emboux_mail_api.{name}", False)
    # before whatever a next module makes, which may be before its tests' own fixtures
    connect("odoo").cursor().execute("DELETE FROM emboux_api_failure")


class Fuzz:
    """Runs schemathesis with one key, which knows the names of what its customer has.

    ``may`` holds the operations that the key may call.
    """

    def __init__(self, api, folder, known, may):
        self.api, self.folder, self.may, self.cases = api, folder, may, 0
        folder.mkdir()
        known |= {"url": api.url, "key": api.key}
        (folder / "known.json").write_text(json.dumps(known))

    def run(self, seed, examples, phases, only=()):
        report = self.folder / f"report{seed}.json"
        ended = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")), "run",
                f"{self.api.url}/openapi.json",
                "--header", f"Authorization: Bearer {self.api.key}",
                "--checks", ",".join(CHECKS), "--max-examples", str(examples),
                # one thread: Python's own parser, which hypothesis uses, fails in two at times
                "--phases", phases, "--workers", "1", "--continue-on-failure",
                "--seed", str(seed), "--warnings", "off", "--no-color",
                "--report-json-path", str(report),
                *(f"--include-operation-id={name}" for name in only),
            ],
            cwd=self.folder, capture_output=True, text=True, check=False, timeout=3 * 3600,
            env=os.environ | {"SCHEMATHESIS_HOOKS": "support.fuzz_hooks",
                              "EMBOUX_FUZZ": str(self.folder)},
        )
        assert not ended.returncode, ended.stdout[-8000:] + ended.stderr[-2000:]
        found = json.loads(report.read_text())
        assert not found["test_cases"]["errored"], found["errors"]
        self.cases += found["test_cases"]["generated"]

    def run_all(self):
        self.run(20261121, FIRST, "examples,coverage,fuzzing,stateful")
        seed = 1
        while self.cases < LEAST_CASES / 2:
            self.run(seed, MORE, "fuzzing")
            seed += 1
        for again in range(seed, seed + ROUNDS):
            # a few examples can all be values that are refused, such as bad passwords
            if failed := self.never_done():
                self.run(again, MORE, "fuzzing", failed)

    def answers(self):
        lines = (self.folder / "answers.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def never_done(self):
        """Operations that the key may call and that never succeeded, with what they answered."""
        seen = self.statuses()
        return {name: sorted(seen[name]) for name in sorted(self.may)
                if not any(200 <= status < 300 for status in seen[name])}

    def statuses(self):
        """Operation to the statuses that it has answered when called as it is declared."""
        seen = defaultdict(set)
        for answer in self.answers():
            if answer["as_declared"]:
                seen[answer["operation"]].add(answer["status"])
        return seen


@pytest.fixture
def queued(connect):
    """The number of a message in the queue of a mail server that is none."""
    rows = connect("odoo").cursor()
    rows.execute(
        """INSERT INTO emboux_mail.queue_message (host, queue_id, arrived, queue, login, sender,
                  recipients, recipient_count, size, reason)
           VALUES ('fuzz', '4A1B2C3D4E', 1, 'deferred', '', '', '', 0, 0, '') RETURNING id""")
    [(number,)] = rows.fetchall()
    yield number
    rows.execute("DELETE FROM emboux_mail.queue_message WHERE host = 'fuzz'")


def has(customers, odoo, master, domains, queued):
    """A customer with something to be found: their key's API, and the names for the hooks."""
    ref = customers.partner()
    made = done(master.post("/api-keys/", {"name": "Fuzz", "partner_ref": ref}))
    customer = master.with_key(made["secret"])
    name = domains(customer, "fuzz")
    # one that may send, of which no request knows
    sender = f"ann@{domains(customer, 'fuzz', verified=True)}"
    done(customer.post("/users/", {"email": sender}), 201)
    sent = done(customer.post("/messages/send", {
        "from": sender, "to": ["x@sandbox.invalid"], "text": "x"}), 202)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    done(customer.post("/aliases/", {"address": f"info@{name}", "destinations": [f"ann@{name}"]}))
    hook = done(customer.post("/webhooks/", {
        "name": "Fuzz", "url": "https://hook.tests.example/"}), 201)["id"]
    delivery = done(customer("POST", f"/webhooks/{hook}/test"), 202)["delivery"]
    suppressed = [f"r{number}@{name}" for number in range(SUPPRESSED)]
    odoo("emboux.suppression").create([{"email": address} for address in suppressed])
    return customer, {
        "name": name, "sender": sender, "ref": ref,
        "parent": domains.parent(master), "suppressed": suppressed,
        "path": {"name": name, "email": f"ann@{name}", "address": f"info@{name}",
                 "recipient": f"r0@{name}", "token": "self", "key_id": made["id"],
                 "id": int(sent["recipients"][0]["id"]), "webhook_id": hook,
                 "delivery_id": int(delivery), "queued_id": queued,
                 "recipient_domain": f"to.{name}", "rule_id": done(master.post("/hold-rules/", {
                     "name": "Fuzz", "recipient_domain": "fuzz.tests.example"}), 201)["id"]},
    }


def remember(answers):
    """What was sent and told in secret, for the search at the end of all tests.

    Not what hypothesis says elsewhere too, such as its own list of nasty texts, and not what may
    stand in any text by chance.
    """
    open_texts, secret_texts = set(), set()

    def walk(value, name=None):
        if isinstance(value, dict):
            for field, inner in value.items():
                walk(inner, field)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, name)
        elif isinstance(value, str):
            (secret_texts if name in Heard.FIELDS else open_texts).add(value)

    for answer in answers:
        walk(answer["body"])
        if answer["status"] >= 400:
            Heard.errors.add(answer["answer"])
        elif answer["answer"]:
            walk(json.loads(answer["answer"]))
    everything = "\n".join(open_texts)
    kept = {text for text in secret_texts
            if len(text) >= 12 and len(set(text)) >= 8 and text not in everything}
    Heard.secrets |= kept
    return kept


def test_schema_generated_requests_get_answers_that_conform(
    master, customers, odoo, domains, tmp_path, unthrottled, queued
):
    """With a master key and with a customer's; each operation that a key may call succeeds."""
    document = done(master.get("/openapi.json"))
    roles = {declared["operationId"]: declared["x-required-role"]
             for methods in document["paths"].values() for declared in methods.values()}
    assert set(NEVER_2XX) == {name for name, role in roles.items() if role == "signature"}
    (other, others), (customer, own) = (
        has(customers, odoo, master, domains, queued) for _ in range(2))
    keys = other, customer
    kept = {"kept": [str(value) for known in (others, own)
                     for value in (known["parent"], known["sender"],
                                   known["sender"].partition("@")[2], *known["path"].values())]}
    may = [{name for name, role in roles.items() if role in allowed}
           for allowed in ({"master", "customer", "nobody"}, {"customer", "nobody"})]
    runs = [Fuzz(master, tmp_path / "master", others | kept, may[0]),
            Fuzz(customer, tmp_path / "customer", own | kept, may[1])]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Fuzz.run_all, runs))
    assert sum(fuzz.cases for fuzz in runs) >= LEAST_CASES
    for fuzz in runs:
        seen = fuzz.statuses()
        assert set(seen) == set(roles), set(roles) - set(seen)
        failed = fuzz.never_done()
        assert not failed, f"{fuzz.folder.name}: never done, for all that was tried: {failed}"
        beyond = {name for name in set(roles) - fuzz.may - set(NEVER_2XX)
                  if any(200 <= status < 300 for status in seen[name])}
        assert not beyond
    for api in (master, *keys):
        done(api.get(f"/domains/?q={new_name()}"), 200)  # no key was revoked on the way
    assert remember([answer for fuzz in runs for answer in fuzz.answers()])
