"""Names that people can give are names that Postfix and Dovecot take, with and without a tag."""

import smtplib
import time

import pytest
from support.odoo_client import OdooError

OUTSIDE = "ann@outside.tests.example"
NAMES = (
    "_x", "x-", "x_", "a-_b", "0", "1234567890", "x" * 64, "mailer-daemon", "double-bounce",
    "owner-x", "x-request", "root", "a.b-c_d", "nobody", "abuse", "noreply",
)  # fmt: skip
#: What RFC 5322 allows in a word; a destination elsewhere may have any of it.
ATEXT = "!#$%&'*/=?^_`{|}~"


@pytest.fixture(scope="module")
def domain(hosting):
    return hosting.domain("names")


def test_each_name_that_can_be_made_receives_and_sends(domain, hosting, mail):
    number, name = domain
    tags = ("", f"+{'t' * 60}", "+-t+u")
    for local in NAMES:
        hosting.mailbox(number, local)
    for at, local in enumerate(NAMES):
        for number, tag in enumerate(tags):
            mail.from_outside(OUTSIDE, f"{local}{tag}@{name}", f"name {at} tag {number}")
        mail.submit(f"{local}@{name}", hosting.PASSWORD, f"{NAMES[0]}@{name}", f"from name {at}")
    for at, local in enumerate(NAMES):
        for number in range(len(tags)):
            mail.arrives(f"{local}@{name}", hosting.PASSWORD, f"name {at} tag {number}")
        mail.arrives(f"{NAMES[0]}@{name}", hosting.PASSWORD, f"from name {at}")


def test_each_destination_that_can_be_given_is_delivered_to(domain, hosting, mail, odoo):
    number, name = domain
    wanted = [f"{where}{stamp()}@outside.tests.example"
              for char in ATEXT for where in (char, f"a{char}b")]
    for at, destination in enumerate(wanted):
        odoo("emboux.alias").create(
            {"domain_id": number, "local_part": f"to{at}", "destinations": destination})
        mail.from_outside(OUTSIDE, f"to{at}@{name}", f"to {destination}")
    failed = []
    for destination in wanted:
        try:
            mail.outside(f"to {destination}")
        except AssertionError:
            failed.append(destination)
    assert not failed


def stamp():
    return f"-{time.time_ns() % 10**9}"


def test_names_the_servers_refuse_cannot_be_created(domain, hosting, mail, odoo):
    number, name = domain
    for local in ("-dash", "-", "-a.b"):
        with pytest.raises(OdooError, match="begins with a hyphen"):
            hosting.mailbox(number, local)
        with pytest.raises(OdooError, match="begins with a hyphen"):
            odoo("emboux.alias").create(
                {"domain_id": number, "local_part": local, "destinations": OUTSIDE})
        with pytest.raises(OdooError, match="begins with a hyphen"):
            odoo("emboux.alias").create(
                {"domain_id": number, "local_part": "x", "destinations": f"{local}@far.example"})
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            mail.from_outside(OUTSIDE, f"{local}@{name}", "to a dash")
