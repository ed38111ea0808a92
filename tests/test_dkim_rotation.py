"""Keys rotate while mail flows: each message verifies on the day it is sent, and later."""

import email
import re

import dkim
import dns.message
import dns.query
import dns.rdatatype
import pytest

OUTSIDE = "ann@outside.tests.example"
# Time passes for one domain alone: what happened then, happened some days earlier.
EARLIER = "UPDATE emboux_dkim_key SET {0} = {0} - %s WHERE domain_id = %s AND {0} IS NOT NULL"


@pytest.fixture
def txt(status):
    """The text of a TXT record in the world's DNS, or None."""

    def txt(name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        answer, _by_tcp = dns.query.udp_with_fallback(
            dns.message.make_query(name, "TXT"), status["dns"]["host"],
            port=status["dns"]["port"], timeout=timeout,
        )
        for rrset in answer.answer:
            if rrset.rdtype == dns.rdatatype.TXT:
                return b"".join(rrset[0].strings)
        return None

    return txt


class Signed:
    """A message that left, and its signatures: algorithm to (selector, domain)."""

    def __init__(self, raw, txt):
        self.raw, self._txt = raw, txt
        self.signatures = {}
        for header in email.message_from_bytes(raw).get_all("DKIM-Signature", []):
            tags = dict(re.findall(r"([a-z]+)=([^;]*)", re.sub(r"\s", "", header)))
            assert tags["a"] not in self.signatures, "one of each algorithm"
            self.signatures[tags["a"]] = (tags["s"], tags["d"])

    def verifies(self, raw=None):
        """One verdict for each signature, none left out."""
        message = dkim.DKIM(raw or self.raw)
        found = []
        for number in range(len(self.signatures)):
            try:
                found.append(message.verify(idx=number, dnsfunc=self._txt))
            except dkim.ValidationError:
                found.append(False)  # dkimpy's way to say that the body differs
        return found

    def selectors(self):
        return {selector for selector, _domain in self.signatures.values()}


@pytest.fixture
def sent(mail, hosting, txt):
    def sent(address, subject, **kwargs):
        mail.submit(address, hosting.PASSWORD, OUTSIDE, subject, **kwargs)
        return Signed(mail.outside(subject), txt)

    return sent


class Keys:
    """The keys of one domain, and the passing of time."""

    def __init__(self, odoo, connect, domain):
        self.odoo, self.domain = odoo, domain
        self._cursor = connect("odoo").cursor()

    def rows(self, **wanted):
        rows = self.odoo("emboux.dkim.key").search_read(
            [("domain_id", "=", self.domain)], ["selector", "key_type", "life"], order="id")
        return [r for r in rows if all(r[k] == v for k, v in wanted.items())]

    def selectors(self, **wanted):
        return {row["selector"] for row in self.rows(**wanted)}

    def in_records(self):
        rows = self.odoo("emboux.dns.record").search_read(
            [("domain_id", "=", self.domain), ("key", "like", "dkim:")], ["key"])
        return {row["key"].removeprefix("dkim:") for row in rows}

    def pass_days(self, field, days):
        """As if it had happened so many days earlier; then the day's cron."""
        self._cursor.execute(EARLIER.format(field), (days, self.domain))
        self._cursor.execute(
            "UPDATE emboux_domain SET dkim_next = NULL WHERE id = %s", (self.domain,))
        [cron] = self.odoo("ir.cron").search([("cron_name", "like", "Rotate DKIM")])
        self.odoo("ir.cron").method_direct_trigger([cron])


def test_a_rotation_in_the_flow_of_mail(hosting, odoo, connect, sent):
    domain, name = hosting.domain("rotated")
    hosting.mailbox(domain, "ann")
    address, keys = f"ann@{name}", Keys(odoo, connect, domain)
    old = keys.selectors()
    assert len(old) == 2 and keys.selectors(life="signing") == old

    first = sent(address, "signed by the first keys")
    assert first.selectors() == old
    assert {d for _s, d in first.signatures.values()} == {name}
    assert set(first.signatures) == {"rsa-sha256", "ed25519-sha256"}
    assert first.verifies() == [True, True]
    changed = first.raw.replace(b"Hello.", b"Hallo.")
    assert changed != first.raw
    assert first.verifies(changed) == [False, False]
    assert first.verifies(first.raw.replace(b"Subject: signed", b"Subject: forged")) == [
        False, False]

    keys.pass_days("made", 180)
    new = keys.selectors(life="waiting")
    assert len(new) == 2 and not new & old
    assert keys.in_records() == old | new
    before_dns = sent(address, "the next keys are not in the DNS yet")
    assert (before_dns.selectors(), before_dns.verifies()) == (old, [True, True])
    odoo("emboux.domain").action_check_now([domain])
    assert sent(address, "looked and found nothing").selectors() == old

    hosting.publish(domain)
    odoo("emboux.domain").action_check_now([domain])
    assert (keys.selectors(life="signing"), keys.selectors(life="retired")) == (new, old)
    after = sent(address, "signed by the next keys")
    assert (after.selectors(), after.verifies()) == (new, [True, True])
    assert after.verifies(after.raw.replace(b"Hello.", b"Hallo.")) == [False, False]
    assert first.verifies() == [True, True], "mail of before is still good"

    keys.pass_days("retired", 13)
    assert keys.in_records() == old | new
    keys.pass_days("retired", 1)
    assert keys.in_records() == new
    [row] = odoo("emboux.domain").read([domain], ["zone_text", "state", "dns_state"])
    assert not [s for s in old if f"{s}._domainkey" in row["zone_text"]]
    assert (row["state"], row["dns_state"]) == ("verified", "ok")
    assert sent(address, "and on").verifies() == [True, True]


def test_a_subdomain_follows_its_parents_keys(hosting, odoo, connect, sent):
    parent, name = hosting.domain("rotatedparent", is_wildcard=True)
    child, child_name = hosting.domain(name=f"shop.{name}", verified=False)
    hosting.mailbox(child, "ann")
    keys = Keys(odoo, connect, parent)
    assert sent(f"ann@{child_name}", "sub before").selectors() == keys.selectors(life="signing")
    odoo("emboux.domain").action_new_dkim_key([parent])
    hosting.publish(parent)
    odoo("emboux.domain").action_check_now([parent])
    after = sent(f"ann@{child_name}", "sub after")
    assert after.selectors() == keys.selectors(life="signing")
    assert after.selectors().isdisjoint(keys.selectors(life="retired"))
    assert {d for _s, d in after.signatures.values()} == {name}
    assert after.verifies() == [True, True]
    assert not Keys(odoo, connect, child).rows()


def test_without_an_ed25519_key_rsa_signs_alone(hosting, odoo, connect, sent):
    """A domain from before there were two types."""
    domain, name = hosting.domain("rsaalone")
    hosting.mailbox(domain, "ann")
    connect("odoo").cursor().execute(
        "DELETE FROM emboux_dkim_key WHERE domain_id = %s AND key_type = 'ed25519'", (domain,))
    alone = sent(f"ann@{name}", "by rsa alone")
    assert (set(alone.signatures), alone.verifies()) == ({"rsa-sha256"}, [True])


def test_a_key_that_does_not_sign_is_not_for_the_signer(hosting, odoo, connect):
    domain, name = hosting.domain("unread")
    odoo("emboux.domain").action_new_dkim_key([domain])
    cursor = connect("emboux_dkim").cursor()
    cursor.execute("SELECT selector FROM emboux_mail.dkim_keys WHERE domain = %s", (name,))
    signing = Keys(odoo, connect, domain).selectors(life="signing")
    assert {row[0] for row in cursor.fetchall()} == signing
    assert len(signing) == 2
