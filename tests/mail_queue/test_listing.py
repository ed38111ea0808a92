"""What waits is listed for Odoo, and what people wish is done with it."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from emboux_daemons.policy.holds import HoldRule, first_that_fits
from emboux_daemons.queue.postqueue import Postfix
from support.fake_postfix import Ended

OUT = "joe@outside.tests.example"


def rows(scene, *fields):
    fields = fields or ("queue_id", "queue", "login", "reason")
    return sorted(
        tuple(row[name] for name in fields)
        for row in scene.odoo("emboux.queue.message").search_read(
            [("host", "=", scene.host)], list(fields)))


def number(scene, queue_id):
    [found] = scene.odoo("emboux.queue.message").search(
        [("host", "=", scene.host), ("queue_id", "=", queue_id)])
    return found


@pytest.fixture(autouse=True)
def left_behind(scene, connect):
    yield
    connect("odoo").cursor().execute(
        "DELETE FROM emboux_mail.queue_message WHERE host = %s", [scene.host])


def test_listed_as_long_as_it_waits_whoevers_it_is(scene, sender):
    domain, ann = sender()
    fake = scene.fake
    ours = fake.add(ann, OUT)
    incoming = fake.add("", ann, sender="joe@far.example")
    report = fake.add("", "x@far.example", sender="")
    fresh = fake.add(ann, OUT, queue="active", tried=False, arrived=int(time.time()))
    scene.settle()
    assert rows(scene) == sorted([(ours, "deferred", ann, "later"),
                                  (incoming, "deferred", "", "later"),
                                  (report, "deferred", "", "later")])
    assert dict(rows(scene, "queue_id", "domain_id"))[incoming][0] == domain
    assert dict(rows(scene, "queue_id", "domain_id"))[report] is False
    fake.messages[fresh]["arrived"] -= 60
    del fake.messages[report]
    fake.messages[incoming]["queue"] = "hold"
    scene.settle()
    assert rows(scene, "queue_id", "queue") == sorted([
        (ours, "deferred"), (incoming, "hold"), (fresh, "active")])
    fake.messages.clear()
    scene.settle()
    assert rows(scene) == []


@pytest.mark.parametrize("before", [False, True])
def test_each_wish_whatever_ends_the_agent(scene, sender, before):
    """Ended at each of its commands, another agent goes on: each wish is fulfilled."""
    _domain, ann = sender()
    fake, odoo = scene.fake, scene.odoo("emboux.queue.message")
    for at in range(1, 40):
        tried, held, failed, dropped = (fake.add(ann, OUT) for _ in range(4))
        released = fake.add("", ann, sender="joe@far.example", queue="hold")
        scene.settle()
        for queue_id, act in ((tried, "deliver"), (held, "hold"), (failed, "fail"),
                              (dropped, "drop"), (released, "release")):
            getattr(odoo, f"action_{act}")([number(scene, queue_id)])
        fake.commands.clear()
        fake.die_at, fake.before, done = at, before, False
        try:
            scene.settle()
            done = True
        except Ended:
            fake.die_at = None
            scene.fresh()
            scene.settle()
        fake.die_at = None
        assert tried in fake.tried and failed in fake.failed and dropped in fake.deleted
        assert fake.queue_of(held) == "hold" and released in fake.delivered
        assert all(wish is False for _id, wish in rows(scene, "queue_id", "wish"))
        fake.messages.clear()
        scene.settle()
        if done:
            assert at > 5
            return
    raise AssertionError("no round came to its end")


def test_wishes_that_are_none(scene, sender, odoo):
    _domain, ann = sender()
    held = scene.fake.add("", ann, sender="joe@far.example", queue="hold")
    waits = scene.fake.add(ann, OUT)
    scene.settle()
    messages = odoo("emboux.queue.message")
    for queue_id, act in ((held, "deliver"), (held, "hold"), (waits, "release")):
        with pytest.raises(Exception, match="treated so"):
            getattr(messages, f"action_{act}")([number(scene, queue_id)])
    messages.action_drop([number(scene, waits)])
    messages.action_undo([number(scene, waits)])
    scene.settle()
    assert scene.fake.queue_of(waits) == "deferred"
    # there is no file of it to be put off
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
    for when, words in (("2020-01-01 00:00:00", "within the next"),
                        ("2099-01-01 00:00:00", "within the next")):
        wizard = odoo("emboux.queue.postpone").create({"until": when})
        with pytest.raises(Exception, match=words):
            odoo.execute("emboux.queue.postpone", "action_postpone", [wizard],
                         context={"active_ids": [number(scene, waits)]})
    wizard = odoo("emboux.queue.postpone").create({"until": until})
    odoo.execute("emboux.queue.postpone", "action_postpone", [wizard],
                 context={"active_ids": [number(scene, waits)]})
    scene.settle()
    assert dict(rows(scene, "queue_id", "note"))[waits].startswith("It is on hold")


def test_the_deferred_queue_as_files(tmp_path):
    spool = tmp_path / "spool"
    (spool / "deferred" / "4").mkdir(parents=True)
    file = spool / "deferred" / "4" / "4A1B2C3D4E"
    file.write_text("x")
    os.utime(file, (1_900_000_000, 1_900_000_000))
    postfix = Postfix("/fake", spool=str(spool))
    assert postfix.deferred() == {"4A1B2C3D4E": (str(file), 1_900_000_000)}
    assert postfix.postpone([str(file), str(file) + "9"], 1_950_000_000) == [str(file) + "9"]
    assert postfix.deferred()["4A1B2C3D4E"][1] == 1_950_000_000
    assert Postfix("/fake").deferred() == {}, "where the queue is not known"


@pytest.mark.parametrize(("rule", "fits"), [
    (("", "", ""), True), (("acme.example", "", ""), True), (("other.example", "", ""), False),
    (("", "ann@acme.example", ""), True), (("", "bob@acme.example", ""), False),
    (("", "", "far.example"), True), (("", "", "near.example"), True),
    (("", "", "else.example"), False), (("acme.example", "ann@acme.example", "far.example"), True),
    (("acme.example", "ann@acme.example", "else.example"), False)])
def test_what_a_hold_rule_fits(rule, fits):
    found = first_that_fits(
        [HoldRule(*rule, "why")], "ann@acme.example", "acme.example",
        ["joe@far.example", "eve@near.example"])
    assert bool(found) is fits
