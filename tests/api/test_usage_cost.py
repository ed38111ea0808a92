"""The feed of changes costs in proportion to the changes, not to what is there."""

import base64
import json
from pathlib import Path

import pytest
from parts import odoo_server
from support.api_client import done
from support.feed import Feed
from support.mail_client import eventually


def nodes(plan):
    """A plan's steps, itself among them."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_read(plan):
    """Rows that were looked at in tables and indexes, used or not."""
    looked = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        node["Actual Loops"] * sum(node.get(kind, 0) for kind in looked)
        for node in nodes(plan) if "Relation Name" in node)


def settled(feed):
    """Whether its cursor was given while no transaction was under way.

    Else the next question has to look at all again that was written since that one began, and
    each of Odoo's jobs is one such for as long as it runs.
    """
    feed.read(limit=1000)
    packed = base64.urlsafe_b64decode(feed.since + "=" * (-len(feed.since) % 4))
    snapshot = json.loads(packed)[1]
    return snapshot.endswith(":")


@pytest.fixture(scope="module")
def few(master, customers, domains, grown_for_all):
    """A customer with ten thousand mailboxes, the domain, and what they and a master key have read:
    number of the key to its feed."""
    made = done(master.post("/api-keys/", {"name": "Few", "partner_ref": customers.partner()}))
    customer = master.with_key(made["secret"])
    name = domains(customer, "feed", verified=True)
    grown_for_all(name)
    root = done(master.post("/api-keys/", {"name": "All", "role": "master"}))
    feeds = {made["id"]: Feed(customer), root["id"]: Feed(master.with_key(root["secret"]))}
    for feed in feeds.values():
        assert len(feed.read(limit=1000)) > 10_000
    return customer, name, feeds


@pytest.mark.parametrize("what", ["nothing", "a change", "mail"])
def test_usage_get_costs_in_proportion_to_the_changes(few, connect, state, status, what):
    """Among ten thousand mailboxes; the very query, run as the customer and as a master."""
    customer, name, feeds = few
    for feed in feeds.values():
        eventually("an answer while nobody writes", lambda feed=feed: settled(feed), seconds=60)
    if what == "a change":
        done(customer.put(f"/users/n5000@{name}", {"display_name": "Changed"}))
    elif what == "mail":
        connect("odoo").cursor().execute(
            "UPDATE emboux_mail.usage SET messages = 2 WHERE username = %s", [f"n7@{name}"])
    cursors = {number: feed.since for number, feed in feeds.items()}
    printed = odoo_server.shell(
        state, Path(__file__).parents[1] / "support" / "explain_feed.py", status["odoo"]["db"],
        EMBOUX_CURSORS=json.dumps(cursors))
    plans = json.loads(printed.strip().splitlines()[-1])
    for number, feed in feeds.items():
        plan = plans[str(number)]
        items = feed.read()
        assert plan["Actual Rows"] == len(items) == (what != "nothing")
        scanned = [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
        large = {"emboux_change", "emboux_mailbox", "usage"} & set(scanned)
        assert not large, json.dumps(plan, indent=1)
        assert rows_read(plan) <= 60, json.dumps(plan, indent=1)
