"""Odoo is killed at each step of publishing and withdrawing: nothing is left that nobody owns."""

import urllib.error

import pytest
from support.mail_client import eventually
from support.zone import Zone
from test_publish import new_name, publish, published


@pytest.fixture(scope="module")
def zone(state, status):
    return Zone(state, status)


def dies(call, *arguments):
    """The process that does this is dead before it answers."""
    with pytest.raises((urllib.error.URLError, ConnectionError, TimeoutError)):
        call(*arguments)


def agreement(odoo, zone, name):
    """Zone and rows are the same; returns how many there are."""
    rows = published(odoo, name)
    assert {row["state"] for row in rows} <= {"published"}
    places = {f"{row['name']} {row['record_type']}" for row in rows}
    assert {" ".join(line.split()[:2]) for line in zone.records(name)} == places
    return len(rows)


@pytest.mark.parametrize("place", ["publish:claimed", "publish:sent"])
@pytest.mark.parametrize("then", ["publish", "delete"])
def test_killed_while_publishing(place, then, second_odoo, odoo, hosting, zone):
    domain, name = hosting.domain(name=new_name(), verified=False)
    victim = second_odoo.start(env={"EMBOUX_FAULT": place})
    wizard = victim("emboux.domain").action_publish([domain])["res_id"]
    dies(victim("emboux.publish").action_apply, [wizard])
    sent = place == "publish:sent"
    assert bool(zone.records(name)) == sent, "it died where it should"
    rows = published(odoo, name)
    assert {row["state"] for row in rows} == {"claimed"}, "known before it was sent"
    assert len(rows) > 5

    if then == "publish":
        # the same click again, on what is shown still
        odoo("emboux.publish").action_apply([wizard])
        [row] = odoo("emboux.publish").read([wizard], ["state", "kind"])
        assert (row["state"], row["kind"]) == ("done", "success")
        assert agreement(odoo, zone, name) == len(rows)
    odoo("emboux.domain").unlink([domain])
    assert not zone.records(name)
    assert not published(odoo, name)


def test_killed_while_withdrawing(second_odoo, odoo, hosting, zone):
    """After the deletion is committed: the cron finds what is gone and closes the rows."""
    domain, name = hosting.domain(name=new_name(), verified=False)
    publish(odoo, domain)
    assert agreement(odoo, zone, name) > 5
    victim = second_odoo.start(env={"EMBOUX_FAULT": "withdraw:sent"})
    dies(victim("emboux.domain").unlink, [domain])
    assert not odoo("emboux.domain").search([("name", "=", name)]), "the deletion is committed"
    # the living Odoo's cron was told of it in the deletion's own transaction
    eventually("the rows are closed", lambda: not published(odoo, name), seconds=180)
    assert not zone.records(name)


def test_killed_by_the_user_at_once_then_added_again(second_odoo, odoo, hosting, zone):
    domain, name = hosting.domain(name=new_name(), verified=False)
    victim = second_odoo.start(env={"EMBOUX_FAULT": "publish:sent"})
    wizard = victim("emboux.domain").action_publish([domain])["res_id"]
    dies(victim("emboux.publish").action_apply, [wizard])
    assert zone.records(name)
    again, _name = domain, name
    assert publish(odoo, again)["kind"] == "success"
    odoo("emboux.domain").unlink([again])
    new, _name = hosting.domain(name=name, verified=False)
    assert publish(odoo, new)["kind"] == "success"
    assert agreement(odoo, zone, name) > 5
