"""Rounds of the agent: the real database, and a fake queue instead of Postfix."""

import psycopg2
import pytest
from emboux_daemons.queue.postqueue import QueueError
from support.fake_postfix import Ended

OUT = "friend@outside.tests.example"
HOLDS = {"outbound_over_limit": "hold"}


def test_a_suspension_holds_what_its_logins_have_submitted_and_nothing_else(scene, sender, odoo):
    domain, ann = sender()
    _other, bob = sender("bob")
    fake = scene.fake
    mine = [fake.add(ann, OUT, queue=queue) for queue in ("incoming", "active", "deferred")]
    null_sender = fake.add(ann, OUT, sender="")
    as_mine = fake.add(bob, OUT, sender=ann)  # another login of ours sends by my domain
    others = [
        fake.add(bob, OUT),
        fake.add("", bob, sender=ann),  # from outside, with my address as its sender
        fake.add("", ann, sender="x@outside.tests.example"),  # to me
        fake.add("", ann, sender=""),  # a bounce
        fake.add("x@nowhere.example", OUT, sender=ann),  # a login that is none of ours
    ]
    before = {queue_id: fake.queue_of(queue_id) for queue_id in others}
    scene.settle()
    assert not scene.rows()
    odoo("emboux.domain").action_suspend([domain])
    scene.settle()
    assert {fake.queue_of(queue_id) for queue_id in [*mine, null_sender, as_mine]} == {"hold"}
    assert {queue_id: fake.queue_of(queue_id) for queue_id in others} == before
    assert {row[1:] for row in scene.rows()} == {("held", "suspended")}
    assert len(scene.rows()) == 5
    odoo("emboux.domain").action_activate([domain])
    scene.settle()
    assert sorted(fake.delivered) == sorted([*mine, null_sender, as_mine])
    assert {row[1] for row in scene.rows()} == {"released"}


@pytest.mark.parametrize("how", ["mailbox", "blocked", "parent"])
def test_every_reason_to_be_stopped(scene, sender, hosting, odoo, how):
    domain, ann = sender()
    if how == "parent":
        odoo("emboux.domain").write([domain], {"is_wildcard": True})
        child, name = hosting.domain(name=f"shop.{ann.partition('@')[2]}", verified=False)
        hosting.mailbox(child, "ann")
        ann = f"ann@{name}"
    queue_id = scene.fake.add(ann, OUT)
    if how == "mailbox":
        [box] = odoo("emboux.mailbox").search([("email", "=", ann)])
        stop, lift = (lambda: odoo("emboux.mailbox").action_suspend([box]),
                      lambda: odoo("emboux.mailbox").action_activate([box]))
    elif how == "blocked":
        stop, lift = (lambda: odoo("emboux.domain").write([domain], {"outbound_status": "blocked"}),
                      lambda: odoo("emboux.domain").write([domain], {"outbound_status": "open"}))
    else:
        stop, lift = (lambda: odoo("emboux.domain").action_suspend([domain]),
                      lambda: odoo("emboux.domain").action_activate([domain]))
    scene.settle()
    assert scene.fake.queue_of(queue_id) == "deferred"
    stop()
    scene.settle()
    assert scene.fake.queue_of(queue_id) == "hold"
    lift()
    scene.settle()
    assert scene.fake.delivered == [queue_id]


def test_what_an_operator_holds_by_hand_stays(scene, sender, odoo):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=100)
    fake = scene.fake
    tried = fake.add(ann, OUT, queue="hold")  # postsuper, before the agent was there
    seen = fake.add(ann, OUT, tried=False)
    scene.settle()
    fake.messages[seen]["queue"] = "hold"  # postsuper, and the agent saw it before
    scene.settle()
    odoo("emboux.domain").action_suspend([domain])
    scene.settle()
    odoo("emboux.domain").action_activate([domain])
    scene.settle()
    assert sorted(scene.rows()) == sorted((i, "held", "by_hand") for i in (tried, seen))
    assert not fake.delivered
    scene.wish(tried, "action_release")
    scene.wish(seen, "action_discard")
    scene.settle()
    assert (fake.delivered, fake.deleted) == ([tried], [seen])
    assert {row[1] for row in scene.rows()} == {"released", "discarded"}


def test_over_a_limit_the_oldest_go_first_as_far_as_the_limits_allow(scene, sender, odoo, sent):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=3)
    fake = scene.fake
    queue_ids = [fake.add(ann, f"a{n}@outside.tests.example", f"b{n}@outside.tests.example",
                          queue="hold", tried=False, arrived=1_795_000_000 - n) for n in range(3)]
    scene.settle()
    assert fake.delivered == [queue_ids[2]], "the oldest"
    assert sent(domain) == 2
    by_id = dict(scene.rows("queue_id", "note"))
    assert "sending limit of 3 recipients per month" in by_id[queue_ids[1]]
    for _ in range(3):
        scene.settle()
    assert sent(domain) == 2
    odoo("emboux.domain").write([domain], {"outbound_monthly_limit": 6})
    scene.settle()
    assert fake.delivered == [queue_ids[2], queue_ids[1], queue_ids[0]]
    assert sent(domain) == 6
    assert {row[1:] for row in scene.rows()} == {("released", "over_limit")}


def test_a_message_that_never_fits_holds_up_nobody(scene, sender):
    _domain, ann = sender(**HOLDS, outbound_monthly_limit=2)
    fake = scene.fake
    big = fake.add(ann, *(f"r{n}@outside.tests.example" for n in range(3)), queue="hold",
                   tried=False)
    small = fake.add(ann, OUT, queue="hold", tried=False)
    scene.settle()
    assert fake.delivered == [small]
    assert fake.queue_of(big) == "hold"


def test_a_decision_by_hand_counts_and_passes_the_limit(scene, sender, sent, odoo):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=1)
    fake = scene.fake
    first, second, third = (fake.add(ann, OUT, queue="hold", tried=False) for _ in range(3))
    scene.settle()
    assert fake.delivered == [first]
    scene.wish(second, "action_release")
    scene.wish(third, "action_discard")
    scene.settle()
    assert (fake.delivered, fake.deleted) == ([first, second], [third])
    assert sent(domain) == 2, "what was discarded does not count"
    trail = odoo("emboux.audit").search_read(
        [("model", "=", "emboux.held.message"), ("name", "in", [second, third])], ["changes"])
    assert sorted(entry["changes"] for entry in trail) == ["Wish: discard", "Wish: release"]


def test_a_decision_does_not_pass_a_suspension_or_the_suppression_list(scene, sender, odoo, sent):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=10)
    gone = f"gone@{ann.partition('@')[2]}.tests.example"
    odoo("emboux.suppression").create({"email": gone, "reason": "bounce"})
    queue_id = scene.fake.add(ann, OUT, gone, queue="hold", tried=False)
    scene.settle()
    scene.wish(queue_id, "action_release")
    scene.settle()
    [(note, wish)] = scene.rows("note", "wish")
    assert "suppression list" in note
    assert not wish
    odoo("emboux.domain").action_suspend([domain])
    scene.wish(queue_id, "action_release")
    scene.settle()
    assert scene.rows("note") == [("Its sender is suspended or blocked; lift that first.",)]
    assert scene.fake.queue_of(queue_id) == "hold"
    assert sent(domain) == 0


def test_what_has_expired_waits_for_a_decision(scene, sender, odoo, connect):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=1)
    first, second = (scene.fake.add(ann, OUT, queue="hold", tried=False) for _ in range(2))
    scene.settle()
    connect("odoo").cursor().execute(
        "UPDATE emboux_held_message SET expires_at = now() AT TIME ZONE 'UTC' - interval '1 s'"
        " WHERE host = %s", [scene.host])
    odoo("emboux.domain").write([domain], {"outbound_monthly_limit": 100})
    scene.settle()
    assert scene.fake.delivered == [first]
    assert (second, True) in scene.rows("queue_id", "is_expired")
    scene.wish(second, "action_release")
    scene.settle()
    assert scene.fake.delivered == [first, second]


@pytest.mark.parametrize("before", [True, False])
def test_an_agent_that_is_killed_anywhere_loses_and_charges_nothing_twice(
        scene, sender, odoo, sent, before):
    """One round has a suspension, its end, a limit and both wishes to work on; ended at each of
    its commands, another agent goes on."""
    fake = scene.fake
    for number in range(1, 40):
        domain, ann = sender(**HOLDS, outbound_monthly_limit=1)
        stopped, bob = sender("bob")
        lifted, carol = sender("carol")
        waits = fake.add(carol, OUT)
        odoo("emboux.domain").action_suspend([lifted])
        one, two, three = (fake.add(ann, OUT, queue="hold", tried=False) for _ in range(3))
        scene.settle()
        assert fake.delivered[-1] == one
        scene.wish(two, "action_release")
        scene.wish(three, "action_discard")
        held = fake.add(bob, OUT)
        odoo("emboux.domain").action_suspend([stopped])
        odoo("emboux.domain").action_activate([lifted])
        fake.commands.clear()
        fake.die_at, fake.before = number, before
        done = False
        try:
            scene.settle()
            done = True
        except Ended:
            fake.die_at = None
            scene.fresh()
            scene.settle()
        fake.die_at = None
        assert fake.queue_of(held) == "hold"
        assert fake.delivered.count(two) == 1
        assert fake.delivered.count(waits) == 1
        assert fake.deleted.count(three) == 1
        assert sent(domain) == 2, number
        states = dict(scene.rows("queue_id", "state"))
        assert [states[i] for i in (one, two, three, held, waits)] == [
            "released", "released", "discarded", "held", "released"]
        reasons = dict(scene.rows("queue_id", "reason"))
        assert reasons[held] == "suspended"
        if done:
            assert number > 4, "it was ended in some rounds"
            return
    raise AssertionError("no round came to its end")


def test_a_charge_and_its_mark_are_one_transaction(scene, sender, sent, monkeypatch):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=5)
    queue_id = scene.fake.add(ann, OUT, queue="hold", tried=False)
    store = scene.agent.store
    whole = type(store)._transaction

    def cut_off(self):
        """The connection is lost before COMMIT."""
        manager = whole(self)
        cursor = manager.__enter__()

        class Cut:
            def __enter__(self):
                return cursor

            def __exit__(self, *_):
                store._connection.close()

        return Cut()

    charge = type(store).charge

    def charge_cut_off(self, *args, **kwargs):
        monkeypatch.setattr(type(store), "_transaction", cut_off)
        try:
            return charge(self, *args, **kwargs)
        finally:
            monkeypatch.undo()

    monkeypatch.setattr(type(store), "charge", charge_cut_off)
    with pytest.raises(psycopg2.Error):
        scene.settle()
    assert sent(domain) == 0
    assert scene.fake.queue_of(queue_id) == "hold"
    scene.fresh()
    scene.settle()
    assert (sent(domain), scene.fake.delivered) == (1, [queue_id])


def test_a_message_is_charged_once_however_often_it_is_asked(scene, sender, sent):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=1)
    first, second = (scene.fake.add(ann, OUT, queue="hold", tried=False) for _ in range(2))
    scene.settle()
    assert scene.fake.delivered == [first]
    store = scene.agent.store
    [row] = store.rows()
    envelope = scene.agent.postfix.envelopes([second])[second]
    assert not store.charge(row, envelope).accepted, "the limit"
    assert store.charge(row, envelope, forced=True).accepted
    assert not store.charge(row, envelope, forced=True).accepted
    assert sent(domain) == 2


def test_an_id_that_postfix_uses_again_is_another_message(scene, sender, sent):
    domain, ann = sender(**HOLDS, outbound_monthly_limit=5)
    fake = scene.fake
    queue_id = fake.add(ann, OUT, queue="hold", tried=False)
    scene.settle()
    fake.messages[queue_id] |= {"arrived": 1_795_000_999, "queue": "hold"}
    scene.settle()
    assert fake.delivered == [queue_id, queue_id]
    assert sent(domain) == 2
    # the same one again on hold: somebody did that
    fake.messages[queue_id]["queue"] = "hold"
    scene.settle()
    assert fake.delivered == [queue_id, queue_id]
    assert sorted(row[1:] for row in scene.rows()) == [
        ("held", "by_hand"), ("released", "over_limit")]


def test_a_listing_that_fails_changes_nothing(scene, sender, odoo):
    domain, ann = sender()
    scene.fake.add(ann, OUT)
    odoo("emboux.domain").action_suspend([domain])
    scene.settle()
    before = scene.rows()
    scene.fake.failing = "postqueue"
    with pytest.raises(QueueError):
        scene.agent.round()
    assert scene.rows() == before == [(before[0][0], "held", "suspended")]


def test_there_is_one_agent_for_a_mail_server(scene):
    second = scene.second_store()
    with pytest.raises(psycopg2.OperationalError, match="another agent already serves"):
        second.open()


def test_what_the_role_may(connect):
    cursor = connect("emboux_queue").cursor()
    cursor.execute("SELECT count(*) FROM emboux_mail.held_messages")
    for statement in (
        "SELECT 1 FROM emboux_held_message", "SELECT 1 FROM emboux_domain",
        "SELECT 1 FROM emboux_mailbox", "SELECT 1 FROM emboux_mail.logins",
        "SELECT 1 FROM emboux_mail.dkim_keys", "SELECT emboux_mail.flag(1)",
        "UPDATE emboux_mail.held_messages SET domain_id = 1", "DELETE FROM emboux_mail.sent",
        "UPDATE emboux_mail.held_messages SET login = 'x'", "DELETE FROM emboux_mail.queue_agents",
        "DELETE FROM emboux_mail.held_messages", "SELECT 1 FROM res_users",
        "CREATE TABLE public.mine (x int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    for role in ("emboux_mail", "emboux_policy", "emboux_dkim", "emboux_usage"):
        for view in ("held_messages", "queue_agents"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                connect(role).cursor().execute(f"SELECT 1 FROM emboux_mail.{view}")
