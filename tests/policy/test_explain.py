"""``odoo emboux_policy --explain``: what would be said, and why; nothing is counted."""

from parts import odoo_server, policy


def explain(state, status, *arguments):
    database = status["postgres"]["db"]
    config = str(odoo_server.config(state, database))
    return odoo_server.run(
        state, "emboux_policy", "-c", config, "-d", database, "--explain", *arguments,
        env=policy.environment(state, database))


def test_each_rule_with_its_figures_and_the_verdict(state, status, sender, daemon, stored, odoo):
    domain, ann = sender(outbound_daily_limit=60, outbound_recipients_per_message=20,
                         mailbox={"outbound_daily_limit": 8})
    with daemon().asker() as ask:
        assert ask(login=ann, n=3) == "DUNNO"
    told = explain(state, status, ann.upper(), "bob@else.example", "--recipients", "6")
    name = ann.partition("@")[2]
    rows = {" ".join(line.split()) for line in told.splitlines()}
    assert "recipients per message 0 used of 20, this one 6: fits" in rows
    assert "this pair in this hour 0 used of 60, this one 1: fits" in rows
    assert any(row.startswith(f"hourly of {name} 3 used of 10, this one 6: fits, until")
               for row in rows), told
    assert any(row.startswith(f"mailbox_daily of {ann} 3 used of 8, this one 6: TOO MANY")
               for row in rows), told
    assert f"verdict: defer by rule mailbox_daily: 450 4.7.1 {ann} sending limit of 8" in told
    assert stored(domain) == (3, 3, 3)
    odoo("emboux.suppression").create({"email": f"gone@{name}", "reason": "bounce"})
    told = explain(state, status, ann, f"gone+x@{name}")
    assert "yes (bounce)" in told
    assert "verdict: reject by rule suppressed: 550 5.1.6" in told


def test_a_login_that_is_not_there(state, status):
    told = explain(state, status, "nobody@else.example", "bob@else.example")
    assert "reject by rule unknown: 550 5.7.1 nobody@else.example is no mailbox" in told
