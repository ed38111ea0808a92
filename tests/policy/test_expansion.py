"""What is decided about and charged is what really leaves: aliases, catch-alls, forwards."""

import itertools
import threading
import time

import pytest
from support.mail_client import eventually

OK = "DUNNO"
OUT = "outside.tests.example"
_NUMBERS = itertools.count(time.time_ns() % 10**6)


def suffix(login):
    return login.partition("@")[2]


@pytest.fixture
def alias(odoo):
    """Make an alias in a domain; returns its address."""

    def make(domain, name, destinations, local_part=None, **values):
        local_part = local_part or f"a{next(_NUMBERS)}"
        kind = "catch_all" if local_part == "@" else "forward"
        odoo("emboux.alias").create({
            "domain_id": domain, "kind": kind, "destinations": "\n".join(destinations),
            "local_part": False if kind == "catch_all" else local_part, **values})
        return f"{'anybody-else' if kind == 'catch_all' else local_part}@{name}"

    return make


def outside(count, name="x"):
    return [f"{name}{number}@{OUT}" for number in range(count)]


def say(ask, login, *recipients, **more):
    """A message as Postfix asks about it: the first refusal, or the answer at its end."""
    instance = f"exp.{next(_NUMBERS)}.{login}"
    for recipient in recipients:
        if (said := ask("RCPT", login, 1, recipient, instance, **more)) != OK:
            return said
    one = recipients[0] if len(recipients) == 1 else ""
    return ask("END-OF-MESSAGE", login, len(recipients), one, instance, **more)


# -- who has logged in ---------------------------------------------------------------------


def test_an_own_alias_counts_as_many_as_it_leads_to(daemon, sender, alias, stored):
    domain, ann = sender()
    inner = alias(domain, suffix(ann), outside(20, "inner"))
    address = alias(domain, suffix(ann), [*outside(10), inner, ann])
    with daemon().asker() as ask:
        assert say(ask, ann, address) == OK
        assert stored(domain) == (30, 30, 30)
        assert say(ask, ann, f"{address.replace('@', '+tag@')}", f"bob@{OUT}") == OK
        assert stored(domain) == (61, 61, 61)
        # to a mailbox of one's own it is one, as it always was
        assert say(ask, ann, ann) == OK
        assert stored(domain) == (62, 62, 62)


def test_a_limit_binds_what_an_alias_leads_to(daemon, sender, alias, stored):
    domain, ann = sender(outbound_daily_limit=40, outbound_hourly_fraction=1,
                         outbound_recipients_per_message=35)
    address, more = (alias(domain, suffix(ann), outside(n, f"n{n}-")) for n in (30, 36))
    with daemon().asker() as ask:
        assert say(ask, ann, address) == OK
        assert say(ask, ann, address).startswith("450 4.7.1")
        assert say(ask, ann, more).startswith("452 4.5.3")
        assert stored(domain) == (30, 30, 30)
        # without its RCPT, as after a restart of the daemon
        assert ask(login=ann, recipient=address).startswith("450 4.7.1")


def test_a_suppressed_destination_is_left_out_and_the_last_one_refuses(
        daemon, sender, alias, odoo, stored, connect):
    domain, ann = sender()
    name = suffix(ann)
    gone = [f"gone{n}@{name}.{OUT}" for n in range(2)]
    odoo("emboux.suppression").create([{"email": email, "reason": "bounce"} for email in gone])
    some = alias(domain, name, [*gone, *outside(3)])
    none = alias(domain, name, gone)
    catch_all = alias(domain, name, [gone[0]], "@")
    with daemon().asker() as ask:
        assert say(ask, ann, some) == OK
        assert stored(domain) == (3, 3, 3)
        for recipient in (none, catch_all):
            for login in (ann, ""):
                said = say(ask, login, recipient)
                assert said.startswith(f"550 5.1.6 {recipient} leads to nobody"), said
                assert "came back as undeliverable" in said
    assert stored(domain) == (3, 3, 3)
    cursor = connect("emboux_mail").cursor()

    def leads_to(address):
        cursor.execute("SELECT * FROM emboux_mail.aliases_of(%s)", [address])
        return sorted(found for (found,) in cursor.fetchall())

    assert leads_to(some) == outside(3)
    assert leads_to(none) == [none], "not to the catch-all"


def test_what_another_owners_alias_passes_on_is_charged_to_that_owner(
        daemon, sender, alias, stored, odoo):
    mine, ann = sender()
    partner = odoo("res.partner").create({"name": "Another Owner"})
    theirs, ben = sender(partner_id=partner, outbound_daily_limit=50, outbound_hourly_fraction=1)
    address = alias(theirs, suffix(ben), outside(30))
    with daemon().asker() as ask:
        assert say(ask, ann, address) == OK
        assert (stored(mine), stored(theirs)) == ((1, 1, 1), (30, 30, 30))
        said = say(ask, ann, address)
        assert said.startswith(f"450 4.7.1 {address} passes its mail on")
        assert " 50 " not in said, "their limits are nobody else's to read"
        assert (stored(mine), stored(theirs)) == ((1, 1, 1), (30, 30, 30))


# -- mail from outside ---------------------------------------------------------------------


def test_mail_from_outside_that_leaves_again_is_charged_to_who_passes_it_on(
        daemon, sender, alias, stored):
    domain, ann = sender(outbound_daily_limit=100, outbound_hourly_fraction=1)
    inner = [alias(domain, suffix(ann), outside(9, f"i{n}-")) for n in range(3)]
    address = alias(domain, suffix(ann), inner)
    with daemon().asker() as ask:
        for _ in range(3):
            assert say(ask, "", address, ann) == OK
        assert stored(domain) == (81, 81, 81)
        assert say(ask, "", address).startswith(f"450 4.7.1 {address} passes its mail on")
        assert say(ask, "", ann) == OK, "what stays here is not held up"
        assert say(ask, "", f"{inner[0]}") == OK
    assert stored(domain) == (90, 90, 90)


def test_two_aliases_of_one_message_count_together(daemon, sender, alias, stored):
    domain, ann = sender(outbound_daily_limit=50, outbound_hourly_fraction=1)
    one, two = (alias(domain, suffix(ann), outside(30, name)) for name in "ab")
    with daemon().asker() as ask:
        assert say(ask, "", one, two).startswith("450 4.7.1")
        assert say(ask, "", one) == OK
    assert stored(domain) == (30, 30, 30)


def test_many_at_once_never_let_more_than_the_limit_through(daemon, sender, alias, stored):
    domain, ann = sender(outbound_daily_limit=100, outbound_hourly_fraction=1)
    address, said = alias(domain, suffix(ann), outside(10)), []
    asked = [daemon(number=number) for number in range(2)]

    def fire(one, login):
        with one.asker() as ask:
            said.extend([say(ask, login, address) for _ in range(5)])

    threads = [threading.Thread(target=fire, args=(asked[n % 2], "" if n % 3 else ann))
               for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count(OK) == 10, said
    assert stored(domain) == (100, 100, 100)


@pytest.mark.parametrize("values", [{"outbound_status": "blocked"}, {"state": "suspended"}])
def test_a_domain_that_may_not_send_passes_nothing_on(
        daemon, sender, alias, odoo, connect, values):
    domain, ann = sender()
    name = suffix(ann)
    out, both = alias(domain, name, outside(2)), alias(domain, name, [*outside(2), ann])
    odoo("emboux.domain").write([domain], values)
    cursor = connect("emboux_mail").cursor()
    cursor.execute("SELECT * FROM emboux_mail.aliases_of(%s)", [both])
    assert cursor.fetchall() == [(ann,)]
    with daemon().asker() as ask:
        said = say(ask, "", out)
        assert said.startswith("550 5.7.1") and "may not send" in said, said
        assert say(ask, "", both) == OK


def test_a_circle_of_aliases_of_two_owners_is_refused_for_good(daemon, sender, alias, odoo):
    one, ann = sender()
    partner = odoo("res.partner").create({"name": "Another Owner"})
    two, ben = sender(partner_id=partner)
    there = alias(two, suffix(ben), [f"back@{suffix(ann)}"])
    alias(one, suffix(ann), [there], "back")
    with daemon().asker() as ask:
        for login in (ann, ben, ""):
            assert say(ask, login, there).startswith("554 5.4.6"), login


def test_an_address_leads_no_further_than_its_domain_allows(daemon, sender, alias, odoo):
    domain, ann = sender()
    name = suffix(ann)
    wide = alias(domain, name, [alias(domain, name, outside(40, f"w{n}-")) for n in range(2)])
    deep = ann
    for _ in range(4):
        deep = alias(domain, name, [deep])
    with daemon().asker() as ask:
        assert say(ask, "", wide) == say(ask, "", deep) == OK
        odoo("emboux.domain").write(
            [domain], {"alias_destination_limit": 79, "alias_depth_limit": 3})
        assert say(ask, "", wide).startswith(
            f"550 5.7.1 {wide} leads to more than the 79 addresses")
        assert say(ask, ann, deep).startswith(f"550 5.7.1 {deep} leads through more than 3 alias")


# -- what Sieve sends ----------------------------------------------------------------------


def test_forwarded_mail_is_charged_to_the_mailbox(daemon, sender, stored, odoo):
    domain, ann = sender(outbound_daily_limit=3, outbound_hourly_fraction=1,
                         mailbox={"outbound_daily_limit": 2})
    odoo("emboux.suppression").create({"email": f"gone@{suffix(ann)}.{OUT}", "reason": "manual"})
    with daemon().asker() as ask:
        sieve = {"sender": ann.replace("@", "+tag@").upper(), "context": "inject"}
        assert say(ask, "", f"bob@{OUT}", **sieve) == OK
        assert say(ask, "", f"gone@{suffix(ann)}.{OUT}", **sieve).startswith("550 5.1.6")
        assert say(ask, "", f"bob@{OUT}", **sieve) == OK
        assert say(ask, "", f"bob@{OUT}", **sieve).startswith(f"450 4.7.1 {ann} sending limit of 2")
        assert stored(domain) == (2, 2, 2)
        # no mailbox' message, such as a notice: the list holds for it all the same
        bounce = {"sender": "", "context": "inject"}
        assert say(ask, "", f"bob@{OUT}", **bounce) == OK
        assert say(ask, "", f"gone@{suffix(ann)}.{OUT}", **bounce).startswith("550 5.1.6")
        # whoever writes from outside pays for nothing in the name of the envelope sender
        assert say(ask, "", ann, sender=ann) == OK
    assert stored(domain) == (2, 2, 2)


# -- a daemon that has forgotten -----------------------------------------------------------


def test_a_message_whose_recipients_are_not_known_any_more_comes_again(daemon, sender, alias,
                                                                       stored):
    domain, ann = sender()
    address = alias(domain, suffix(ann), outside(30))
    first = daemon()
    with first.asker() as ask:
        assert ask("RCPT", ann, 1, address, f"{ann}.f") == OK
        assert ask("RCPT", ann, 1, f"bob@{OUT}", f"{ann}.f") == OK
    second = daemon(number=1)
    with second.asker() as ask:
        ask.send("END-OF-MESSAGE", ann, 2, "", f"{ann}.f")
        assert ask.answer().startswith("DEFER_IF_PERMIT 4.3.0 The recipients of this message")
        assert stored(domain) is None
        # of one recipient Postfix tells the address at the end, too
        assert ask(login=ann, recipient=address) == OK
    assert stored(domain) == (30, 30, 30)
    assert eventually("the line in the log", lambda: "not known" in second.log.read_text())


# -- one spelling ----------------------------------------------------------------------------


SPELLINGS = (
    "{local}@{domain}", "{local}@{domain}.", "{LOCAL}@{DOMAIN}", "{local}+tag@{domain}",
    '"{local}"@{domain}', "{local}@{unicode}", "{local}@{UNICODE}.", '"{LOCAL}+x"@{unicode}',
)


def spellings(local, domain, unicode):
    words = {"local": local, "LOCAL": local.upper(), "domain": domain, "DOMAIN": domain.upper(),
             "unicode": unicode, "UNICODE": unicode.upper()}
    return [text.format(**words) for text in SPELLINGS]


def test_all_spellings_of_a_recipient_give_one_decision(daemon, sender, odoo):
    _domain, ann = sender()
    number = next(_NUMBERS)
    unicode = f"müller{number}-out.example"
    domain = unicode.encode("idna").decode()
    odoo("emboux.suppression").create({"email": f"anna@{domain}", "reason": "complaint"})
    with daemon().asker() as ask:
        for address in spellings("anna", domain, unicode):
            said = say(ask, ann, address)
            assert said.startswith("550 5.1.6") and "complained" in said, (address, said)
        for address in spellings("berta", domain, unicode):
            assert say(ask, ann, address) == OK, address


def test_all_spellings_of_a_recipient_are_one_for_the_loop_brake(daemon, sender, odoo):
    _domain, ann = sender()
    params = odoo("ir.config_parameter")
    unicode = f"schleife{next(_NUMBERS)}ü.example"
    every = spellings("echo", unicode.encode("idna").decode(), unicode)
    params.set_param("emboux_mail_api.loop_limit", str(len(every) - 1))
    try:
        with daemon().asker() as ask:
            for address in every[:-1]:
                assert say(ask, ann, address) == OK, address
            assert say(ask, ann, every[-1]).startswith(f"450 4.7.1 {ann} has sent"), every[-1]
    finally:
        params.set_param("emboux_mail_api.loop_limit", False)


def test_all_spellings_of_an_address_of_ours_are_found(daemon, hosting, alias, connect, stored):
    number = next(_NUMBERS)
    unicode = f"bücher{number}-ours.example"
    domain, _name = hosting.domain(name=unicode, verified=False, state="verified")
    name = unicode.encode("idna").decode()
    hosting.mailbox(domain, "info")
    address = alias(domain, name, outside(3), "team")
    cursor = connect("emboux_mail").cursor()

    def one(function, *asked):
        cursor.execute(f"SELECT * FROM emboux_mail.{function}"
                       f"({', '.join(['%s'] * len(asked))})", asked)
        return sorted(found for (found,) in cursor.fetchall())

    for text in (name, f"{name}.", unicode, unicode.upper(), f"{unicode}."):
        assert one("domain_of", text) == [name], text
    for text in spellings("info", name, unicode):
        if "+" in text or '"' in text:
            continue  # Postfix takes tags and quotes off before it asks
        assert one("mailbox_of", text) == one("aliases_of", text) == [f"info@{name}"], text
        assert one("senders_of", text, text.partition("@")[2]) == [f"info@{name}"], text
    with daemon().asker() as ask:
        for count, text in enumerate(spellings("team", name, unicode), 1):
            assert say(ask, "", text) == OK
            assert stored(domain) == (3 * count,) * 3, (text, address)
        assert ask(login=f"Info@{unicode}.", recipient=f"bob@{OUT}") == OK
