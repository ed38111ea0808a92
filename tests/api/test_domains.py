"""Domains: made, listed, checked, deleted."""

import re

import pytest
from support.api_client import detail, done, faults, in_path, new_name, pages

OUTSIDE = "ann@outside.tests.example"
SHOWN = {"name", "unicode_name", "state", "owned_since", "parent", "wildcard", "partner_ref",
         "mailboxes", "aliases", "size", "created_at", "provider", "stopped"}
REQUIRED = {"mx", "verification"}


@pytest.fixture(scope="module")
def customer(customers):
    """Whom the tests of this file share."""
    return customers()


# -- POST /domains/ ----------------------------------------------------------------------


def test_domains_post_master_makes_the_operators_own(master):
    name = new_name()
    made = done(master.post("/domains/", {"name": name}), 201)
    assert set(made) == SHOWN | {"service", "reason"}
    assert made.pop("reason") == "Waiting for its DNS records."
    assert made | {"created_at": "", "service": {}} == {
        "name": name, "unicode_name": name, "state": "pending", "owned_since": None,
        "parent": None, "wildcard": False, "partner_ref": None, "mailboxes": 0, "aliases": 0,
        "size": 0, "created_at": "", "service": {}, "provider": "dkim",
        "stopped": None,
    }
    assert made["created_at"].endswith("Z")
    assert done(master.get(f"/domains/{name}"), 200) == made | {
        "reason": "Waiting for its DNS records."}


def test_domains_post_master_makes_it_a_customers(master, customers, used):
    ref = customers.partner()
    customer = customers.key(ref)
    name = new_name()
    made = done(master.post("/domains/", {"name": name, "partner_ref": ref}), 201)
    assert made["partner_ref"] == ref
    assert done(customer.get(f"/domains/{name}"), 200) == made
    assert used(ref) == 1


def test_domains_post_master_unknown_customer_is_refused(master):
    name = new_name()
    for ref in ("nobody has this", "id:999999999", "id:0", "id:x", "x" * 201, 7):
        found = faults(master.post("/domains/", {"name": name, "partner_ref": ref}))
        assert set(found) == {"partner_ref"}
    detail(master.get(f"/domains/{name}"), 404)


def test_domains_post_master_several_customers_of_one_reference_is_refused(master, odoo):
    ref = new_name("twice")
    odoo("res.partner").create([{"name": "One", "ref": ref}, {"name": "Two", "ref": ref}])
    found = faults(master.post("/domains/", {"name": new_name(), "partner_ref": ref}))
    assert "several customers" in found["partner_ref"]


def test_domains_post_customer_owns_it_whatever_partner_ref_says(customers, used):
    ref, other = customers.partner(), customers.partner()
    customer, name = customers.key(ref), new_name()
    for partner_ref in (other, "nobody has this"):
        name = new_name()
        made = done(customer.post("/domains/", {"name": name, "partner_ref": partner_ref}), 201)
        assert made["partner_ref"] == ref
    assert (used(ref), used(other)) == (2, 0)
    detail(customers.key(other).get(f"/domains/{name}"), 404)


def test_domains_post_customer_at_the_limit_is_refused(customers, used):
    ref = customers.partner(domain_limit=1)
    customer, name = customers.key(ref), new_name()
    done(customer.post("/domains/", {"name": new_name()}), 201)
    assert "limit of 1 domains" in detail(customer.post("/domains/", {"name": name}), 409)
    detail(customer.get(f"/domains/{name}"), 404)
    assert used(ref) == 1


def test_domains_post_master_at_the_customers_limit_is_refused(master, customers):
    ref = customers.partner(domain_limit=1)
    done(master.post("/domains/", {"name": new_name(), "partner_ref": ref}), 201)
    answer = master.post("/domains/", {"name": new_name(), "partner_ref": ref})
    assert "limit of 1 domains" in detail(answer, 409)


def test_domains_post_customer_may_again_after_deleting_one(customers, used):
    ref = customers.partner(domain_limit=1)
    customer, first, second = customers.key(ref), new_name(), new_name()
    done(customer.post("/domains/", {"name": first}), 201)
    done(customer.delete(f"/domains/{first}"), 204)
    done(customer.post("/domains/", {"name": second}), 201)
    assert used(ref) == 1


def test_domains_post_customer_a_name_of_somebody_else_is_a_claim_like_any(
    customers, master, hosting, odoo
):
    """Status, text and shape are the same whether the name is here; only its owner has the mail."""
    owner, name, free = customers(), new_name(), new_name()
    done(owner.post("/domains/", {"name": name}), 201)
    [domain] = odoo("emboux.domain").search([("name", "=", name)])
    hosting.publish(domain)
    assert done(owner.post(f"/domains/{name}/verify"))["state"] == "verified"
    customer = customers()
    said = []
    for asked in (name, free):
        made = customer.post("/domains/", {"name": asked})
        assert made.status_code == 201
        answers = [made] + [customer.get(f"/domains/{asked}{path}")
                            for path in ("", "/outbound")]
        texts = [re.sub(r"[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+Z|(rsa|ed25519)-[\w-]+"
                        r'|"public_key":"[^"]+"|p=[\w+/=]+', "", answer.text)
                 for answer in answers]
        said.append([text.replace(asked, "it") for text in texts])
    assert said[0] == said[1]
    done(customer.post("/users/", {"email": f"info@{name}", "password": "a password of a claim"}),
         201)
    done(owner.post("/users/", {"email": f"info@{name}", "password": "the owner's own one"}), 201)
    assert done(master.get(f"/users/info@{name}"))["created_at"] == done(
        owner.get(f"/users/info@{name}"))["created_at"]
    detail(master.post("/domains/", {"name": name}), 409)


def test_domains_the_first_proof_wins_and_mail_is_its(customers, hosting, odoo, mail, connect):
    name = new_name()
    first, second = customers(), customers()
    passwords = {first: "password of the first", second: "password of the second"}
    for customer, password in passwords.items():
        done(customer.post("/domains/", {"name": name}), 201)
        done(customer.post("/users/", {"email": f"info@{name}", "password": password}), 201)
        assert not mail.can_login(f"info@{name}", password), "a claim opens and holds nothing"
    domain = odoo("emboux.domain").search([("name", "=", name)], order="id")[1]
    hosting.publish(domain)
    assert done(second.post(f"/domains/{name}/verify"))["state"] == "verified"
    lost = done(first.post(f"/domains/{name}/verify"))
    assert (lost["state"], lost["verified"]) == ("failed", False)
    assert "Somebody else has proven" in lost["reason"]
    mail.from_outside("ann@outside.tests.example", f"info@{name}", f"to the owner of {name}")
    mail.arrives(f"info@{name}", passwords[second], f"to the owner of {name}")
    assert not mail.can_login(f"info@{name}", passwords[first])
    done(first.delete(f"/domains/{name}?cascade=true"), 204)
    assert mail.subjects(f"info@{name}", passwords[second]) == [f"to the owner of {name}"]
    with connect("odoo").cursor() as cr:
        cr.execute("SELECT messages FROM emboux_mail.usage WHERE username = %s", [f"info@{name}"])
        assert cr.fetchone() == (1,), "what is counted is the owner's"


def test_domains_post_customer_unicode_is_the_a_label(customer):
    stem = new_name("b").removesuffix(".example")
    made = done(customer.post("/domains/", {"name": f" {stem}.BÜCHER.example. "}), 201)
    name = f"{stem}.xn--bcher-kva.example"
    assert (made["name"], made["unicode_name"]) == (name, f"{stem}.bücher.example")
    for written in (name, f"{stem}.Bücher.example", name.upper(), f"{name}."):
        assert done(customer.get(f"/domains/{in_path(written)}"), 200) == made
    assert "already" in detail(customer.post("/domains/", {"name": name}), 409)
    assert done(customer.get("/domains/", params={"q": f"{stem}.bü"}))["total"] == 1
    done(customer.delete(f"/domains/{in_path(f'{stem}.bücher.example')}"), 204)
    detail(customer.get(f"/domains/{name}"), 404)


@pytest.mark.parametrize("name", ["", "example", "a..example", "-a.example", "a b.example",
                                  "https://a.example", "ann@a.example", "192.0.2.1", "*.a.example",
                                  "a_b.example", "x" * 64 + ".example", "a.\u202eexample",
                                  "a.example\u0000", "xn--\u00fc.example", 7, None, ["a.example"]])
def test_domains_post_customer_bad_name_is_refused(customer, name):
    before = done(customer.get("/domains/"))["total"]
    assert set(faults(customer.post("/domains/", {"name": name}))) == {"name"}
    assert done(customer.get("/domains/"))["total"] == before


def test_domains_post_customer_without_name_is_refused(customer):
    assert set(faults(customer.post("/domains/", {}))) == {"name"}


# -- GET ---------------------------------------------------------------------------------


def test_domains_list_customer_has_only_own_domains(customers, master, domains):
    customer = customers()
    mine = sorted(domains(customer) for _ in range(3))
    foreign = domains(master)
    assert [item["name"] for item in pages(customer, "/domains/")] == mine
    page = done(customer.get("/domains/"), 200)
    assert (page["total"], page["next"]) == (3, None)
    assert all(set(item) == SHOWN for item in page["items"])
    assert done(customer.get("/domains/", params={"q": foreign}))["items"] == []


def test_domains_list_master_filters(master, customers, domains):
    ref = customers.partner()
    names = [domains(master, "filter", partner_ref=ref) for _ in range(2)]
    done(master.put(f"/domains/{names[0]}/suspend"))

    def found(**params):
        page = done(master.get("/domains/", params={"limit": 200} | params), 200)
        assert page["total"] >= len(page["items"])
        return [item["name"] for item in page["items"]]

    assert found(partner_ref=ref) == sorted(names)
    assert found(partner_ref=ref, state="suspended") == [names[0]]
    assert found(partner_ref=ref, state="pending") == [names[1]]
    assert found(partner_ref=ref, state="verified") == []
    assert found(q=names[1][:-8]) == [names[1]]
    assert set(faults(master.get("/domains/?state=broken"))) == {"state"}
    assert set(faults(master.get("/domains/?partner_ref=nobody"))) == {"partner_ref"}
    assert set(faults(master.get("/domains/?colour=red"))) == {"colour"}


def test_domains_list_customer_partner_ref_is_ignored(customer, domains):
    name = domains(customer)
    page = done(customer.get("/domains/", params={"partner_ref": "nobody", "q": name}), 200)
    assert [item["name"] for item in page["items"]] == [name]


def test_domains_get_customer_counts_what_is_in_it(customer, domains):
    name = domains(customer)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    done(customer.post("/aliases/", {"address": f"info@{name}", "destinations": [f"ann@{name}"]}))
    shown = done(customer.get(f"/domains/{name}"), 200)
    assert (shown["mailboxes"], shown["aliases"], shown["size"]) == (1, 1, 0)
    assert done(customer.get("/domains/", params={"q": name}))["items"] == [
        {key: value for key, value in shown.items() if key not in ("service", "reason")}]


def test_domains_get_customer_tells_what_the_dns_needs(customer, domains):
    shown = done(customer.get(f"/domains/{domains(customer)}"), 200)["service"]
    assert set(shown) == {"mx", "spf", "dkim", "dkim_domain", "verification", "imap_host",
                          "imaps_port", "smtp_host", "submissions_port", "records",
                          "mta_sts_host", "mta_sts_id", "tls_report", "dmarc_report",
                          "autoconfig_host", "imap_port", "submission_port", "wildcard"}
    assert shown["mx"][0]["preference"] == 10 and shown["mx"][0]["host"]
    assert shown["dkim"][0]["key_type"] == "rsa" and len(shown["dkim"][0]["public_key"]) > 300
    assert len(shown["verification"]) == 32 and shown["dkim_domain"] is None
    assert shown["imaps_port"] and shown["submissions_port"]


# -- DELETE ------------------------------------------------------------------------------


def test_domains_delete_customer_empty_one_is_gone(customer, domains, odoo):
    name = domains(customer)
    done(customer.post("/aliases/", {"address": f"@{name}", "destinations": [OUTSIDE]}), 201)
    domain = domains.id(name)
    answer = customer.delete(f"/domains/{name}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    detail(customer.get(f"/domains/{name}"), 404)
    detail(customer.get(f"/aliases/{in_path(f'@{name}')}"), 404)
    detail(customer.delete(f"/domains/{name}"), 404)  # once more is harmless
    assert not odoo("emboux.dkim.key").search([("domain_id", "=", domain)])


def test_domains_delete_customer_refused_while_mailboxes_exist(customer, domains):
    name = domains(customer)
    done(customer.post("/users/", {"email": f"ann@{name}"}), 201)
    for query in ("", "?cascade=false"):
        sentence = detail(customer.delete(f"/domains/{name}{query}"), 409)
        assert "1 mailboxes" in sentence
    done(customer.get(f"/domains/{name}"), 200)
    done(customer.get(f"/users/ann@{name}"), 200)
    assert set(faults(customer.delete(f"/domains/{name}?cascade=perhaps"))) == {"cascade"}


def test_domains_delete_customer_cascade_takes_all_with_it(customer, domains, mail, hosting):
    name = domains(customer, verified=True)
    address = f"ann@{name}"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD,
                                   "catch_all": True}), 201)
    done(customer.post("/users/", {"email": f"bob@{name}", "suspended": True}), 201)
    done(customer.post("/aliases/", {"address": f"info@{name}", "destinations": [address]}), 201)
    mail.from_outside(OUTSIDE, address, f"kept for {name}")
    mail.arrives(address, hosting.PASSWORD, f"kept for {name}")
    done(customer.delete(f"/domains/{name}?cascade=true"), 204)
    detail(customer.get(f"/domains/{name}"), 404)
    detail(customer.get(f"/users/{address}"), 404)
    for path in ("/users/", "/aliases/"):
        assert done(customer.get(path, params={"domain": name}))["total"] == 0
    assert not mail.can_login(address, hosting.PASSWORD)
    domains(customer, name=name)  # created again it has no mail of before, and proves itself anew
    assert done(customer.get(f"/domains/{name}"))["state"] == "pending"
    done(customer.post("/users/", {"email": address, "password": hosting.PASSWORD}), 201)
    domains.publish(name)
    assert done(customer.post(f"/domains/{name}/verify"))["verified"]
    assert mail.subjects(address, hosting.PASSWORD) == []


def test_domains_delete_customer_made_anew_has_a_new_key(customer, domains):
    name = domains(customer)
    before = done(customer.get(f"/domains/{name}"))["service"]
    done(customer.delete(f"/domains/{name}"), 204)
    domains(customer, name=name)
    after = done(customer.get(f"/domains/{name}"))["service"]
    assert before["dkim"][0]["public_key"] != after["dkim"][0]["public_key"]
    assert before["verification"] != after["verification"]


def test_domains_delete_master_refused_while_subdomains_exist(master, domains):
    parent = domains.parent(master)
    child = domains(master, name=f"shop.{parent}")
    for query in ("", "?cascade=true"):
        assert "subdomains" in detail(master.delete(f"/domains/{parent}{query}"), 409)
    done(master.get(f"/domains/{child}"), 200)
    done(master.delete(f"/domains/{child}"), 204)
    done(master.delete(f"/domains/{parent}"), 204)


# -- verify ------------------------------------------------------------------------------


@pytest.mark.parametrize(("verify", "show"), [("verify", "verify-status"),
                                              ("ses-verify", "ses-status")])
def test_domains_verify_customer_before_and_after_publishing(customer, domains, verify, show):
    name = domains(customer)
    before = done(customer.get(f"/domains/{name}/{show}"), 200)
    assert (before["name"], before["state"], before["verified"]) == (name, "pending", False)
    seen = done(customer.post(f"/domains/{name}/{verify}"), 200)
    assert (seen["state"], seen["verified"]) == ("pending", False)
    by_key = {record["key"]: record for record in seen["records"]}
    assert set(by_key) >= REQUIRED
    assert all(by_key[key]["verdict"] == "missing" for key in REQUIRED)
    assert all(by_key[key]["expected"] and not by_key[key]["found"] for key in REQUIRED)
    domains.publish(name)
    seen = done(customer.post(f"/domains/{name}/{verify}"), 200)
    assert (seen["state"], seen["verified"]) == ("verified", True)
    assert all(record["verdict"] == "ok" and record["found"] for record in seen["records"]
               if record["level"] == "required")
    assert seen["checked_at"] and seen["message"]
    assert done(customer.get(f"/domains/{name}/{show}"), 200) == seen
    assert done(customer.get(f"/domains/{name}"))["owned_since"]


@pytest.mark.parametrize("show", ["verify-status", "ses-status"])
def test_domains_verify_customer_status_looks_when_what_it_knows_is_old(
    customers, domains, connect, show
):
    partner = customers.partner()
    customer, reader = customers.key(partner), customers.key(partner, read_only=True)
    name = domains(customer)
    assert not done(reader.get(f"/domains/{name}/{show}"), 200)["verified"]
    domains.publish(name)
    known = done(reader.get(f"/domains/{name}/{show}"), 200)
    assert not known["verified"], "a minute is not over"
    connect("odoo").cursor().execute(
        "UPDATE emboux_domain SET last_check = last_check - interval '61 s' WHERE name = %s",
        [name])
    seen = done(reader.get(f"/domains/{name}/{show}"), 200)
    assert (seen["state"], seen["verified"], seen["ready"]) == ("verified", True, True)
    # what is stored was made older by a minute; both looks may be in one second
    assert seen["checked_at"] >= known["checked_at"]


def test_domains_verify_customer_a_subdomain_is_ready_once_mail_to_it_arrives(
    master, customer, domains, connect
):
    parent = domains.parent(master)
    name = domains(customer, name=f"shop.{parent}")
    seen = done(customer.post(f"/domains/{name}/verify"), 200)
    assert (seen["verified"], seen["ready"]) == (True, False)
    domains.publish(parent)
    seen = done(customer.post(f"/domains/{name}/verify"), 200)
    assert (seen["verified"], seen["ready"]) == (True, True), seen
    by_key = {record["key"]: record for record in seen["records"]}
    assert (by_key["mx"]["verdict"], by_key["spf"]["verdict"]) == ("ok", "ok")


def test_domains_verify_master_asks_about_a_domain_that_is_not_here(master, domains, customer):
    gone = domains(customer, verified=True)
    done(customer.delete(f"/domains/{gone}"), 204)  # its records are still in the DNS
    for name in (gone, new_name("stranger")):
        answer = done(master.post(f"/domains/{name}/verify"), 200)
        assert (answer["name"], answer["state"]) == (name, None)
        assert {"mx", "spf"} <= {record["key"] for record in answer["records"]}
        assert answer["message"]
        detail(master.get(f"/domains/{name}"), 404)  # nothing was stored
        detail(customer.post(f"/domains/{name}/verify"), 404)


def test_domains_verify_master_sees_the_records_of_a_stranger(master, domains, customer):
    name = domains(customer, verified=True)
    done(customer.delete(f"/domains/{name}"), 204)
    records = {r["key"]: r for r in done(master.post(f"/domains/{name}/verify"))["records"]}
    assert (records["mx"]["verdict"], bool(records["mx"]["found"])) == ("ok", True)
    missing = done(master.post(f"/domains/{new_name('stranger')}/verify"))
    assert missing["verified"] is False
    assert {r["verdict"] for r in missing["records"] if r["key"] == "mx"} == {"missing"}


def test_domains_dns_check_customer_looks_and_stores_nothing(customer, domains):
    name = domains(customer)
    stored = done(customer.post(f"/domains/{name}/verify"))
    times = ("checked_at", "next_check_at")  # a job may look as well
    domains.publish(name)
    seen = done(customer.get(f"/domains/{name}/dns-check"), 200)
    records = {record["key"]: record for record in seen["records"]}
    assert records["mx"]["verdict"] == "ok" and records["mx"]["found"]
    kinds = {key.partition(":")[0] for key in records}
    assert {"verification", "mx", "spf", "dkim", "dmarc", "srv"} <= kinds
    after = done(customer.get(f"/domains/{name}/verify-status"))
    assert after | dict.fromkeys(times) == stored | dict.fromkeys(times)
