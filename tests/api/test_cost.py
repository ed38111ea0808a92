"""SQL statements of whole requests, as Odoo counts them: as few at 10,000 rows as at few.

After a warm-up, because the first requests fill caches of the process.  What they are spent on,
of each request: the registry's signal, the key, and one for the clock where something is written.
"""

import re
import time

import pytest
from support.api_client import done, new_name
from support.mail_client import eventually

CREATE, PAGE = 15, 6
#: What a new domain needs beyond a mailbox: its turn and its counter, a DKIM key, a dozen DNS
#: records, the cron's trigger with its notice, and in the answer the counts and what DNS has to
#: say.
#: It is told to its provider, its DNS and its history as well; with emboux_saas its owner's plan
#: is looked at, and their usage is noted.
DOMAIN = 48
#: A page, and one statement for each of the two counts that it shows.
DOMAIN_PAGE = 8


@pytest.fixture
def statements(state):
    """Count the statements of one request, in the server's log."""

    def count(api, method, path, *bodies, **kwargs):
        """The fewest of a few tries: now and then a minute's or a cache's work comes along."""
        counts = []
        for body in bodies or (None, None):
            request = f"cost-{time.time_ns()}"
            sent = {} if body is None else {"json": body}
            answer = api(method, path, headers={"X-Request-ID": request}, **sent, **kwargs)
            assert answer.ok, answer.text
            line = eventually("the request in the log", lambda request=request: re.search(
                rf"request {request}, (\d+) statements",
                state.path("log", "odoo.log").read_text()))
            counts.append(int(line[1]))
        return min(counts)

    return count


class Costs:
    """The statements of each operation, for a domain of a customer's."""

    def __init__(self, statements, customer, name):
        self.customer, self.name, self._count = customer, name, statements

    def __call__(self):
        stamp, name, count = new_name("n")[:-8], self.name, self._count
        users = [{"email": f"{n}{stamp}@{name}", "password": "a password to hash"} for n in "abc"]
        inside = [{"address": f"in{n}{stamp}@{name}", "destinations": [f"a{stamp}@{name}"]}
                  for n in "abc"]
        outside = [{"address": f"out{n}{stamp}@{name}", "destinations": ["x@outside.example"]}
                   for n in "abc"]
        call = self.customer
        return {
            "create a mailbox": count(call, "POST", "/users/", *users),
            "create an alias": count(call, "POST", "/aliases/", *inside),
            "create an alias to outside": count(call, "POST", "/aliases/", *outside),
            "page of mailboxes": count(call, "GET", f"/users/?domain={name}"),
            "page of all mailboxes": count(call, "GET", "/users/"),
            "page of aliases": count(call, "GET", f"/aliases/?domain={name}"),
            "page of all aliases": count(call, "GET", "/aliases/"),
        }


# of an alias: how far it leads, whether to Odoo, and whether somebody closes a loop meanwhile
LIMITS = {"create a mailbox": CREATE, "create an alias": CREATE + 3,
          "create an alias to outside": CREATE + 1,
          # one more: what is in them, as Dovecot has counted by now
          "page of mailboxes": PAGE + 1, "page of all mailboxes": PAGE + 1}


def test_cost_of_creates_and_pages_at_few_and_at_10_000_rows(
    statements, customers, domains, grown
):
    customer = customers()
    costs = Costs(statements, customer, domains(customer, "cost"))
    costs()
    few = costs()
    for what, count in few.items():
        assert count <= LIMITS.get(what, PAGE), few
    grown(costs.name)
    assert done(customer.get(f"/users/?domain={costs.name}&limit=1"))["total"] > 10_000
    assert costs() == few
    page = done(customer.get(f"/users/?domain={costs.name}"))
    assert len(page["items"]) == 50


def test_cost_with_limits_is_a_few_statements_more(statements, customers, domains):
    """Waiting for the turn, meeting on the domain's row, and counting."""
    free, limited = customers(), customers(domain_limit=9, mailbox_limit=999, alias_limit=999)
    counts = []
    for customer in (free, limited):
        costs = Costs(statements, customer, domains(customer, "cost"))
        costs()
        counts.append(costs())
    assert counts[1]["create a mailbox"] <= counts[0]["create a mailbox"] + 5
    assert counts[1]["create an alias"] <= counts[0]["create an alias"] + 5
    assert counts[1]["page of mailboxes"] == counts[0]["page of mailboxes"]


def test_cost_of_domains_at_one_and_at_60(statements, customers, master):
    customer = customers(domain_limit=500)

    def costs():
        return (
            statements(customer, "POST", "/domains/", *({"name": new_name("cost")} for _ in "abc")),
            statements(customer, "GET", "/domains/"),
            statements(master, "GET", "/domains/"),
        )

    costs()
    few = costs()
    assert few[0] <= DOMAIN and max(few[1:]) <= DOMAIN_PAGE, few
    for _ in range(50):
        done(customer.post("/domains/", {"name": new_name("cost")}), 201)
    assert costs() == few
    assert len(done(customer.get("/domains/"))["items"]) == 50


def test_cost_of_repeating_a_bulk_of_aliases(statements, customers, domains):
    """What is as it was costs nothing, what leads elsewhere no savepoint of its own."""
    customer = customers()
    name = domains(customer, "cost")

    def rows(count, goal):
        return {"aliases": [{"address": f"a{n}@{name}", "destinations": [f"{goal}@outside.example"]}
                            for n in range(count)]}

    def bulk(*bodies):
        return statements(customer, "POST", "/aliases/bulk", *bodies)

    bulk(rows(200, "first"))
    assert bulk(*[rows(200, "first")] * 2) == bulk(*[rows(10, "first")] * 2)
    changed = [bulk(rows(count, f"goal{count}")) for count in (10, 110)]
    # the looks for loops, also those that others close at the same time, and for how far it leads,
    # and Odoo's tracking with its message; no savepoint for each
    assert (changed[1] - changed[0]) / 100 <= 7, changed
