"""Each rule at its edge, their order, and what is said; the time is an argument."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from emboux_daemons.policy.decision import (
    ACCEPT,
    DATA,
    END,
    RCPT,
    Counters,
    Request,
    Settings,
    Used,
    caps,
    decide,
    next_window,
    warmup_limit,
)

NOW = datetime(2026, 11, 25, 13, 37, 12, tzinfo=UTC)
FREE = Settings("ann@acme.example", 7, 3, "acme.example", usual=None)


def asked(settings=FREE, n=1, stage=END, now=NOW, suppressed=None, pair=None, mailbox=(0, 0, 0),
          hour=0, day=0, month=0):
    counters = Counters(Used(hour, day, month), Used(*mailbox), suppressed, pair)
    return decide(settings, counters, Request(stage, n, "bob@else.example"), now)


def with_(**values):
    return replace(FREE, **values)


# -- each rule: the last that passes, the first that does not -----------------------------


EDGES = {
    "hourly": (with_(daily=600), {"hour": 99}, {"hour": 100}, "450 4.7.1"),
    "hourly, many at once": (with_(daily=600), {"n": 100}, {"n": 101}, "450 4.7.1"),
    "hourly, at least one": (with_(daily=2), {}, {"hour": 1}, "450 4.7.1"),
    "hourly, all of the day": (with_(daily=10, hourly_fraction=1.0), {"hour": 9, "day": 9},
                               {"hour": 10, "day": 9}, "450 4.7.1"),
    "warmup, first day": (
        with_(warmup_start=50, warmup_since=date(2026, 11, 25)), {"day": 49}, {"day": 50},
        "450 4.7.1"),
    "warmup, standard, day 10": (
        with_(warmup_start=50, warmup_since=date(2026, 11, 15)), {"day": 128}, {"day": 129},
        "450 4.7.1"),  # 50 * 1.1^10 = 129.68
    "warmup, fast, day 3": (
        with_(warmup_start=10, warmup_since=date(2026, 11, 22), warmup_profile="fast"),
        {"day": 57}, {"day": 58}, "450 4.7.1"),  # 10 * 1.8^3 = 58.32
    "warmup, conservative, day 2": (
        with_(warmup_start=100, warmup_since=date(2026, 11, 23), warmup_profile="conservative"),
        {"day": 109}, {"day": 110}, "450 4.7.1"),  # 100 * 1.05^2 = 110.25
    "spike": (with_(usual=20.0), {"day": 99}, {"day": 100}, "450 4.7.1"),
    "spike, with a factor": (with_(usual=30.0, spike_multiplier=2.5), {"day": 74}, {"day": 75},
                             "450 4.7.1"),
    "spike, never below the floor": (with_(usual=1.0), {"day": 49}, {"day": 50}, "450 4.7.1"),
    "daily": (with_(daily=100, hourly_fraction=1.0), {"day": 99}, {"day": 100}, "450 4.7.1"),
    "daily, many at once": (with_(daily=100, hourly_fraction=1.0), {"day": 90, "n": 10},
                            {"day": 90, "n": 11}, "450 4.7.1"),
    "monthly": (with_(monthly=1000), {"month": 999}, {"month": 1000}, "450 4.7.1"),
    "mailbox_daily": (with_(mailbox_daily=5), {"mailbox": (0, 4, 0)}, {"mailbox": (0, 5, 0)},
                      "450 4.7.1"),
    "mailbox_monthly": (with_(mailbox_monthly=5), {"mailbox": (0, 0, 4)}, {"mailbox": (0, 0, 5)},
                        "450 4.7.1"),
    "per_message": (with_(per_message=3), {"n": 3}, {"n": 4}, "452 4.5.3"),
    "per_message at RCPT": (with_(per_message=3), {"n": 2, "stage": RCPT},
                            {"n": 3, "stage": RCPT}, "452 4.5.3"),
    "loop": (with_(loop_limit=3), {"pair": ("bob@else.example", 2)},
             {"pair": ("bob@else.example", 3)}, "450 4.7.1"),
    "loop at RCPT": (with_(loop_limit=3), {"pair": ("bob@else.example", 2), "stage": RCPT},
                     {"pair": ("bob@else.example", 3), "stage": RCPT}, "450 4.7.1"),
}


@pytest.mark.parametrize("name", EDGES)
def test_the_last_one_passes_and_the_next_is_deferred(name):
    settings, last, first, code = EDGES[name]
    assert asked(settings, **last) == ACCEPT
    refused = asked(settings, **first)
    rule = name.split(",")[0].split(" ")[0]
    assert (refused.action, refused.wanted, refused.rule) == ("defer", "defer", rule)
    assert refused.code == code
    assert refused.limit > 0


@pytest.mark.parametrize(("settings", "rule", "words"), [
    (with_(mailbox_suspended=True), "suspended", "mailbox ann@acme.example is suspended"),
    (with_(suspended="acme.example"), "suspended", "domain acme.example is suspended"),
    (with_(suspended="parent.example"), "suspended", "domain parent.example is suspended"),
    (with_(blocked="acme.example", reason="0.6 % bounced"), "blocked",
     "suspended for acme.example: 0.6 % bounced; ask"),
    (with_(unverified="acme.example"), "unverified", "acme.example is not verified yet"),
])
def test_a_blocked_sender_is_rejected_at_each_stage(settings, rule, words):
    for stage in (RCPT, DATA, END):
        refused = asked(settings, stage=stage)
        assert (refused.action, refused.code, refused.rule) == ("reject", "550 5.7.1", rule)
        assert words in refused.reason


def test_a_suppressed_recipient_is_rejected_with_the_reason():
    refused = asked(suppressed=("bob@else.example", "bounce"))
    assert (refused.action, refused.code, refused.rule) == ("reject", "550 5.1.6", "suppressed")
    assert refused.reason == ("bob@else.example is on the suppression list: "
                              "mail to it came back as undeliverable")


# -- their order -------------------------------------------------------------------------


ORDER = [
    ("suppressed", {}, {"suppressed": ("bob@else.example", "manual")}),
    ("suspended", {"suspended": "acme.example"}, {}),
    ("blocked", {"blocked": "acme.example"}, {}),
    ("unverified", {"unverified": "acme.example"}, {}),
    ("per_message", {"per_message": 1}, {}),
    ("loop", {"loop_limit": 1}, {"pair": ("bob@else.example", 1)}),
    ("hourly", {"daily": 60, "hourly_fraction": 0.5}, {"hour": 30}),
    ("warmup", {"warmup_start": 10, "warmup_since": date(2026, 11, 25)}, {"day": 60}),
    ("spike", {"usual": 1.0}, {"day": 60}),
    ("daily", {"daily": 60}, {"day": 60}),
    ("monthly", {"monthly": 60}, {"month": 60}),
    ("mailbox_daily", {"mailbox_daily": 5}, {"mailbox": (0, 5, 5)}),
    ("mailbox_monthly", {"mailbox_monthly": 5}, {"mailbox": (0, 5, 5)}),
]


@pytest.mark.parametrize("first", range(len(ORDER)), ids=[row[0] for row in ORDER])
def test_of_several_rules_the_first_decides(first):
    settings, facts = {}, {}
    for _rule, values, known in reversed(ORDER[first:]):
        settings |= values
        facts |= known
    assert asked(with_(**settings), n=2, **facts).rule == ORDER[first][0]


# -- monitor and off ---------------------------------------------------------------------


def test_monitor_lets_pass_and_says_what_it_would_do():
    watched = asked(with_(daily=10, enforcement="monitor", over_limit="reject"), hour=0, day=10)
    assert (watched.action, watched.wanted, watched.rule) == ("accept", "reject", "daily")
    assert watched.accepted
    assert asked(with_(daily=10, enforcement="monitor")) == ACCEPT


def test_off_looks_at_no_limit():
    assert asked(with_(daily=1, enforcement="off"), day=10**6, n=50) == ACCEPT
    assert asked(with_(loop_limit=1, enforcement="off"), pair=("bob@else.example", 9)) == ACCEPT


@pytest.mark.parametrize("enforcement", ["monitor", "off"])
def test_a_blocked_sender_is_rejected_in_every_mode(enforcement):
    for values in ({"suspended": "a"}, {"blocked": "a"}, {"unverified": "a"},
                   {"mailbox_suspended": True}):
        assert asked(with_(enforcement=enforcement, **values)).action == "reject"
    assert asked(with_(enforcement=enforcement), suppressed=("b@c", "manual")).action == "reject"


# -- over the plan's limit ---------------------------------------------------------------


@pytest.mark.parametrize(("choice", "code"), [
    ("defer", "450 4.7.1"), ("hold", "HOLD"), ("reject", "550 5.7.1")])
def test_the_plan_says_what_happens_over_the_limit(choice, code):
    for values, known in (({"daily": 6}, {"day": 6}), ({"monthly": 6}, {"month": 6}),
                          ({"mailbox_daily": 6}, {"mailbox": (0, 6, 6)}),
                          ({"mailbox_monthly": 6}, {"mailbox": (0, 6, 6)})):
        found = asked(with_(over_limit=choice, **values), **known)
        assert (found.action, found.code) == (choice, code)


def test_a_throttle_only_ever_defers():
    for values, known in (({"daily": 6}, {"hour": 6}), ({"usual": 1.0}, {"day": 50}),
                          ({"warmup_start": 1, "warmup_since": NOW.date()}, {"day": 1})):
        assert asked(with_(over_limit="reject", **values), **known).action == "defer"


def test_mail_to_be_held_passes_before_its_body():
    held = with_(over_limit="hold", daily=6)
    assert asked(held, stage=DATA, day=6) == ACCEPT
    assert asked(held, stage=END, day=6).action == "hold"


def test_a_recipient_alone_is_not_held_against_a_limit():
    assert asked(with_(daily=1), stage=RCPT, day=5) == ACCEPT


def test_a_whole_message_or_nothing():
    settings = with_(daily=60)
    assert asked(settings, stage=DATA, n=10) == ACCEPT
    assert asked(settings, stage=DATA, n=11).rule == "hourly"


def test_messages_instead_of_recipients():
    settings = with_(daily=60, unit="messages")
    assert asked(settings, n=500, hour=9) == ACCEPT
    assert "10 messages per hour" in asked(settings, n=500, hour=10).reason


# -- warm-up and windows -----------------------------------------------------------------


def test_the_warm_up_ends_by_itself():
    settings = with_(daily=100, warmup_start=50, warmup_since=date(2026, 11, 20))
    assert [warmup_limit(settings, datetime(2026, 11, day, tzinfo=UTC))
            for day in (19, 20, 21, 27, 28)] == [50, 50, 55, 97, None]
    assert warmup_limit(replace(settings, warmup_since=None), NOW) is None
    assert warmup_limit(replace(settings, warmup_profile="none"), NOW) is None
    assert warmup_limit(replace(settings, warmup_start=0), NOW) is None
    assert warmup_limit(replace(settings, daily=0, warmup_since=date(1970, 1, 1)), NOW) is None


@pytest.mark.parametrize(("window", "now", "then"), [
    ("hour", (2026, 11, 25, 23, 59, 59), (2026, 11, 26, 0, 0)),
    ("day", (2026, 12, 31, 0, 0, 0), (2027, 1, 1, 0, 0)),
    ("month", (2026, 1, 31, 12, 0, 0), (2026, 2, 1, 0, 0)),
    ("month", (2026, 12, 1, 0, 0, 0), (2027, 1, 1, 0, 0)),
    ("month", (2028, 2, 29, 12, 0, 0), (2028, 3, 1, 0, 0)),
])
def test_when_a_window_ends(window, now, then):
    assert next_window(window, datetime(*now, tzinfo=UTC)) == datetime(*then, tzinfo=UTC)


def test_no_limit_is_no_cap():
    assert list(caps(FREE, Counters(), NOW)) == []
    assert asked(n=10**6, hour=10**9, day=10**9, month=10**9) == ACCEPT


# -- what is said ------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "known", "sentence", "retry_at"), [
    (with_(daily=60), {"hour": 10},
     "acme.example sending limit of 10 recipients per hour reached (used 10), try again at"
     " 14:00 UTC", (2026, 11, 25, 14)),
    (with_(daily=60), {"hour": 8, "n": 5},
     "acme.example sending limit of 10 recipients per hour leaves 2 (used 8), try again at"
     " 14:00 UTC", (2026, 11, 25, 14)),
    (with_(daily=60), {"hour": 8, "n": 11},
     "acme.example sending limit of 10 recipients per hour is less than this message to 11,"
     " send it to fewer at a time (used 8)", (2026, 11, 25, 14)),
    (with_(daily=60), {"day": 60},
     "acme.example sending limit of 60 recipients per day reached (used 60), try again at"
     " 00:00 UTC", (2026, 11, 26)),
    (with_(monthly=1), {"month": 1},
     "acme.example sending limit of 1 recipient per month reached (used 1), try again at"
     " 2026-12-01 00:00 UTC", (2026, 12, 1)),
    (with_(mailbox_daily=6), {"mailbox": (0, 6, 6)},
     "ann@acme.example sending limit of 6 recipients per day reached (used 6), try again at"
     " 00:00 UTC", (2026, 11, 26)),
    (with_(warmup_start=5, warmup_since=date(2026, 11, 25)), {"day": 5},
     "acme.example is warming up, today's limit of 5 recipients reached (used 5), try again at"
     " 00:00 UTC", (2026, 11, 26)),
    (with_(usual=2.0), {"day": 50},
     "acme.example sends far more than on its usual days, today's limit of 50 recipients reached"
     " (used 50), try again at 00:00 UTC", (2026, 11, 26)),
])
def test_the_sentence_names_limit_use_and_time(settings, known, sentence, retry_at):
    found = asked(settings, **known)
    assert found.reason == sentence
    assert found.retry_at == datetime(*retry_at, tzinfo=UTC)


def test_a_reason_of_the_operator_cannot_break_the_protocol():
    refused = asked(with_(blocked="acme.example", reason="Zu viel Müll\n\naction=DUNNO\x00"))
    assert refused.reason == ("Sending is suspended for acme.example: Zu viel M?ll action=DUNNO?;"
                              " ask its administrator")
