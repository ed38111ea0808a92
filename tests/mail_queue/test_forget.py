"""When Postfix is made to forget: the real database, and a Postfix of the test's own."""

import psycopg2
import pytest
from emboux_daemons.queue import forget
from parts import postgres


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def forgetting(scene, clock):
    """One that has told Postfix already, long ago."""
    made = scene.forgetting(clock)
    made.step()
    assert scene.fake.reloads == 1, "what happened before it listened it cannot know"
    scene.fake.reloads = 0
    clock.now += 20
    return made


@pytest.fixture
def another_relay(odoo, hosted, connect):
    """Makes mail of a domain leave by another relay."""
    def change():
        provider = odoo("emboux.provider").create({
            "name": "Forget", "kind": "ses", "region": "eu-west-1",
            "relay_host": "one.tests.example"})
        connect("odoo").cursor().execute(
            "UPDATE emboux_domain SET provider_id = %s WHERE id = %s", [provider, hosted()])
    return change


@pytest.fixture
def hosted(hosting):
    """A domain that is ours, or is not yet; what becomes of it by SQL is what Odoo writes."""

    def make(owned=True):
        domain, _name = hosting.domain("forget", verified=False,
                                       **({"state": "verified"} if owned else {}))
        return domain

    return make


def test_each_way_a_relay_changes(forgetting, scene, clock, hosted, odoo, connect):
    cursor = connect("odoo").cursor()

    def write(domain, values):
        return lambda: cursor.execute(f"UPDATE emboux_domain SET {values} WHERE id = %s", [domain])

    def heard(what, happens):
        clock.now += forget.RELOAD_SECONDS
        scene.fake.reloads = 0
        assert forgetting.step() > 0
        assert scene.fake.reloads == 0, f"before: {what}"
        happens()
        forgetting.wait(0.5)  # it takes a moment to be heard
        forgetting.step()
        return scene.fake.reloads

    domain = hosted()
    provider = odoo("emboux.provider").create({
        "name": "Forget", "kind": "ses", "region": "eu-west-1", "relay_host": "one.tests.example"})
    for what, happens in (
        ("carried", write(domain, f"provider_id = {provider}")),
        ("another relay", lambda: cursor.execute(
            "UPDATE emboux_provider SET relay_host = 'two.tests.example' WHERE id = %s",
            [provider])),
        ("not carried", write(domain, "provider_id = NULL")),
    ):
        assert heard(what, happens) == 1, what
    for what, happens in (
        ("claimed", lambda: hosted(owned=False)),
        ("made owned", hosted),
        ("proven", write(hosted(owned=False), "owned_since = now()")),
        ("its limits", write(hosted(), "outbound_daily_limit = 5")),
    ):
        forgetting.wait(0.5)  # what came before
        clock.now += forget.RELOAD_SECONDS
        forgetting.step()
        assert heard(what, happens) == 0, what


def test_a_storm_costs_a_few_reloads_and_its_end_is_covered(forgetting, scene, clock, hosted,
                                                            connect, odoo):
    domain = hosted()
    cursor = connect("odoo").cursor()
    carrier = odoo("emboux.provider").create({
        "name": "Storm", "kind": "ses", "region": "eu-west-1", "relay_host": "one.tests.example"})
    cursor.execute("UPDATE emboux_domain SET provider_id = NULL WHERE id = %s", [domain])
    forgetting.wait(0.5)
    forgetting.step()
    scene.fake.reloads = 0
    clock.now += 10
    began = clock.now
    for number in range(1000):
        cursor.execute("UPDATE emboux_domain SET provider_id = %s WHERE id = %s",
                       [None if number % 2 else carrier, domain])
        forgetting.step()
        clock.now += 0.01
    assert scene.fake.reloads == 2, "at once, and five seconds later"
    forgetting.wait(0.5)  # the last words
    clock.now += forgetting.step()
    forgetting.step()
    assert scene.fake.reloads == 3
    assert clock.now - began <= 10 + forget.RELOAD_SECONDS
    clock.now += forget.RELOAD_SECONDS
    forgetting.step()
    assert scene.fake.reloads == 3


def test_a_lost_notification_is_found_by_polling(forgetting, scene, clock, another_relay):
    another_relay()
    forgetting.routing.wait(1)  # lost
    forgetting.step()
    assert scene.fake.reloads == 0
    clock.now += forget.POLL_SECONDS
    forgetting.step()
    assert scene.fake.reloads == 1


def test_the_database_comes_back(forgetting, scene, state):
    """Postfix' processes hold it for dead, so they are made to forget that too."""
    pid = forgetting.routing._connection.info.backend_pid
    postgres.sql(state, f"SELECT pg_terminate_backend({pid})")
    with pytest.raises(psycopg2.Error):
        for _ in range(3):
            forgetting.wait(5)
    forgetting.routing.close()
    forgetting.step()
    assert scene.fake.reloads == 1


def test_failures_are_retried_and_reported(forgetting, scene, clock, another_relay, odoo):
    agents = odoo("emboux.queue.agent")

    def told():
        [row] = agents.search_read([("name", "=", scene.host)], ["reload_problem", "reloaded_at"])
        return row

    before = told()
    assert not before["reload_problem"]
    assert before["reloaded_at"]
    scene.fake.failing = "postfix"
    another_relay()
    forgetting.wait(1)
    forgetting.step()
    assert "the queue is away" in told()["reload_problem"]
    assert scene.host in agents.warning()
    assert "postfix reload" in agents.warning()
    scene.fake.failing = None
    forgetting.step()
    assert scene.fake.reloads == 0, "not all the time"
    clock.now += forget.RELOAD_SECONDS
    forgetting.step()
    assert scene.fake.reloads == 1
    assert not told()["reload_problem"]
    assert scene.host not in agents.warning()


def test_by_cron_it_compares_with_the_time_before(scene, clock, another_relay):
    for change, reloads in ((None, 1), (None, 0), (another_relay, 1), (None, 0)):
        scene.fake.reloads = 0
        if change:
            change()
        forgetting = scene.forgetting(clock)
        forgetting.once()
        assert scene.fake.reloads == reloads, change
