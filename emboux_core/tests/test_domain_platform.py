# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a domain is here, where its platform judges: what the platform says, and nothing else."""

from dataclasses import replace
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..backends.base import DomainStatus
from ..dns import lookup
from ..dns.expected import ExpectedRecord, MailService, MxTarget
from ..dns.judge import Verdict
from ..net.errors import NotAuthorised, Refused
from .emboux_case import NOT_FOUND, SERVICE, EmbouxCase, domain
from .http_server import answer
from .remote_case import CUT, RemoteCase

NAME = "far.example"
WANTED = MailService(
    mx=(MxTarget(10, "mx.platform.example"),), spf=("include:provider.example",),
    imap_host="imap.platform.example", imaps_port=1993, imap_port=1143,
    smtp_host="smtp.platform.example", submissions_port=1465, submission_port=1587,
)  # fmt: skip
RECORDS = (
    ExpectedRecord("mx", "MX", NAME, "10 mx.platform.example.", "required", "For mail."),
    ExpectedRecord("spf", "TXT", NAME, "v=spf1 include:provider.example ~all", "required", ""),
    ExpectedRecord("dkim:k1", "CNAME", f"k1._domainkey.{NAME}", "k1.provider.example.",
                   "required", "Of the provider."),
)  # fmt: skip
VERIFIED = DomainStatus(
    NAME, "verified", True, WANTED, "Mailgun has verified the domain.", RECORDS,
    tuple(Verdict(record.key, "ok", record.value) for record in RECORDS), "Asked ns1.",
)
PENDING = replace(
    VERIFIED, state="pending", owned=False, reason="Missing or wrong in the DNS: MX",
    verdicts=tuple(Verdict(record.key, "missing", "", "Publish it.") for record in RECORDS),
)


@tagged("post_install", "-at_install")
class TestPlatform(RemoteCase):
    def setUp(self):
        super().setUp()
        for platform in (self.far, self.further):
            platform.verifies_domains = platform.names_hosts = True
        self.env["emboux.backend"].invalidate_model(["verifies_domains", "names_hosts"])
        self.far.standings[NAME] = PENDING
        # a local look-up finds all records in the DNS
        self.startPatcher(patch.object(lookup, "check_domains", self.all_right))

    @staticmethod
    def all_right(jobs, *_arguments, **_options):
        return {
            name: lookup.DomainCheck(
                name, tuple(Verdict(record.key, "ok", record.value) for record in records), "ns1"
            )
            for name, records in jobs
        }

    def run_check(self):
        self.env["emboux.domain"].sudo().search([]).next_check = self.now
        self.env.flush_all()
        with self.env.registry.cursor() as cr:
            self.env(cr=cr, user=1)["emboux.domain"]._cron_check_dns()
        self.env.invalidate_all()

    def check(self, domain):
        shown = domain.action_check_now()["params"]
        self.commit()
        return shown["type"], shown["message"]

    def test_what_is_found_here_decides_nothing(self):
        domain = self.make_domain()
        self.assertEqual(self.check(domain)[0], "warning")
        self.run_check()
        self.assertEqual((domain.state, domain.state_reason), ("pending", PENDING.reason))
        self.assertFalse(domain.owned_since)
        self.assertEqual(set(domain.dns_record_ids.mapped("state")), {"missing"})

    def test_check_now_asks_the_platform_and_takes_all_it_says(self):
        domain = self.make_domain()
        self.far.standings[NAME] = VERIFIED
        self.far.calls.clear()
        self.assertEqual(self.check(domain)[0], "success")
        self.assertEqual(self.far.calls, [("look", NAME)])
        self.assertEqual((domain.state, domain.state_reason), ("verified", VERIFIED.reason))
        self.assertTrue(domain.owned_since)
        self.assertEqual(
            [(r.key, r.record_type, r.name, r.expected, r.level, r.state, r.found)
             for r in domain.dns_record_ids],
            [(r.key, r.record_type, r.name, r.value, r.level, "ok", r.value) for r in RECORDS],
        )
        self.assertEqual(domain.check_message, "Asked ns1.")
        self.assertEqual(domain.dns_state, "ok")

    def test_the_daily_check_asks_the_platform_too(self):
        domain = self.make_domain()
        self.far.standings[NAME] = VERIFIED
        self.run_check()
        self.assertEqual(domain.state, "verified")
        self.far.standings[NAME] = replace(PENDING, state="failed", reason="Found on 3 days.")
        self.run_check()
        self.assertEqual((domain.state, domain.state_reason), ("failed", "Found on 3 days."))

    def test_records_that_are_right_are_not_all_that_a_platform_goes_by(self):
        domain = self.make_domain()
        self.far.standings[NAME] = replace(VERIFIED, state="pending", reason="Mailgun waits.")
        self.assertEqual(self.check(domain), ("warning", "Mailgun waits."))

    def test_hosts_are_taken_over_and_nobody_is_told_of_it(self):
        self.make_domain()
        backend = self.backend
        self.assertEqual(
            (backend.smtp_host, backend.imap_host, backend.mail_host),
            ("mail.memory.example",) * 3,
        )
        self.far.standings[NAME] = VERIFIED
        self.far.calls.clear()
        self.run_check()
        self.assertEqual(
            [backend[name] for name in (
                "mail_host", "smtp_host", "smtp_tls_port", "smtp_starttls_port", "imap_host",
                "imap_tls_port", "imap_starttls_port")],
            ["mx.platform.example", "smtp.platform.example", 1465, 1587, "imap.platform.example",
             1993, 1143],
        )
        self.assertEqual(self.far.calls, [("ask", NAME)])

    def test_a_subdomain_is_what_the_platform_says(self):
        """Of a parent that this Odoo does not know, and of one that it knows."""
        name = f"shop.{NAME}"
        self.far.standings[name] = replace(VERIFIED, name=name, reason="By its parent.")
        shop = self.make_domain(name)
        self.assertEqual((shop.state, shop.state_reason), ("verified", "By its parent."))
        parent = self.make_domain(is_wildcard=True)
        self.far.standings[NAME] = VERIFIED
        self.check(parent)
        self.far.standings[f"web.{NAME}"] = replace(PENDING, name=f"web.{NAME}")
        web = self.make_domain(f"web.{NAME}")
        self.assertEqual((web.parent_id, web.state), (parent, "pending"))
        self.assertNotIn("verified", web.state_history_ids.mapped("state"))
        self.assertFalse(web.owned_since)

    def test_nobody_says_verified_here(self):
        domain = self.make_domain()
        with self.assertRaisesRegex(AccessError, "Its mail platform says"):
            domain.state = "verified"
        domain.sudo()._change_state("verified", "because")
        domain.sudo()._apply_verification()
        self.assertEqual(domain.state, "pending")
        self.far.faults["ask"] = CUT
        born = self.make_domain("born.example", state="verified")
        self.assertEqual(born.state, "pending", "the platform has not said how it stands")

    def test_suspended_there_is_suspended_here_and_not_sent_back(self):
        domain = self.make_domain()
        self.far.standings[NAME] = VERIFIED
        self.check(domain)
        self.far.calls.clear()
        self.far.standings[NAME] = replace(VERIFIED, state="suspended", reason="Not paid.")
        self.run_check()
        self.assertEqual((domain.state, domain.state_reason), ("suspended", "Not paid."))
        self.far.standings[NAME] = VERIFIED
        self.run_check()
        self.assertEqual(domain.state, "verified")
        self.assertEqual({verb for verb, _name in self.far.calls}, {"ask"})

    def test_a_pending_change_here_is_kept(self):
        domain = self.make_domain()
        self.far.faults["ensure"] = CUT
        domain.action_suspend()
        self.commit()
        self.far.standings[NAME] = VERIFIED
        self.run_check()
        self.assertEqual((domain.state, domain.state_before), ("suspended", "verified"))

    def test_who_does_not_answer_changes_nothing(self):
        domain = self.make_domain()
        self.far.standings[NAME] = VERIFIED
        self.check(domain)
        for fault in (CUT, NotAuthorised("no such key"), Refused("with 502")):
            self.far.faults = {"look": fault}
            kind, message = self.check(domain)
            self.assertEqual(kind, "danger")
            self.assertIn(str(fault), message)
            self.assertEqual(domain.state, "verified")

    def test_what_the_platform_does_not_have_is_not_verified(self):
        domain = self.make_domain()
        self.far.standings[NAME] = VERIFIED
        self.check(domain)
        del self.far.standings[NAME]
        self.assertIn("does not have", self.check(domain)[1])
        self.assertEqual(domain.state, "failed")

    def test_one_silent_platform_is_asked_once_for_all(self):
        names = [f"d{number}.example" for number in range(12)]
        for name in names:
            self.make_domain(name)
        other = self.make_domain("other.example", self.other)
        self.further.standings["other.example"] = replace(VERIFIED, name="other.example")
        self.far.calls.clear()
        self.far.faults["ask"] = CUT
        self.run_check()
        self.assertLessEqual(len(self.far.calls), 8, "those that were under way")
        self.assertEqual(other.state, "verified")


@tagged("post_install", "-at_install")
class TestStanding(EmbouxCase):
    """How the platform's answer is read."""

    def verification(self, **fields):
        return {
            "name": "a.example", "state": "verified", "since": None, "reason": "Mailgun says so.",
            "steps": [], "verified": True, "checked_at": None, "next_check_at": None,
            "message": "Asked ns1.",
            "records": [{
                "key": "mx", "type": "MX", "name": "a.example", "level": "required",
                "expected": "10 one.example.\n20 two.example.", "found": "10 one.example.",
                "verdict": "wrong", "note": "Add two.", "purpose": None,
            }], **fields,
        }  # fmt: skip

    def test_state_records_reason_and_hosts(self):
        service = SERVICE | {"imap_port": 1143, "submission_port": 1587}
        self.server.script(
            answer(200, self.verification()),
            answer(200, domain(state="verified", owned_since="2026-01-01T00:00:00",
                               service=service)),
        )
        found = self.backend.domain_status("a.example", records=True, look=True)
        self.assertEqual(self.requests(), ["POST /domains/a.example/verify",
                                           "GET /domains/a.example"])
        self.assertEqual((found.state, found.owned, found.reason, found.asked),
                         ("verified", True, "Mailgun says so.", "Asked ns1."))
        self.assertEqual(found.service.submission_port, 1587)
        self.assertEqual(found.records[0].value, "10 one.example.\n20 two.example.")
        self.assertEqual(found.verdicts,
                         (Verdict("mx", "wrong", "10 one.example.", "Add two."),))

    def test_without_a_look(self):
        self.server.script(answer(200, self.verification()), answer(200, domain()),
                           answer(200, domain(reason="Because.")), answer(404, NOT_FOUND))
        self.backend.domain_status("a.example", records=True)
        self.assertEqual(self.backend.domain_status("a.example").reason, "Because.")
        self.assertIsNone(self.backend.domain_status("a.example"))
        self.assertEqual(self.requests(), [
            "GET /domains/a.example/verify-status", *["GET /domains/a.example"] * 3])

    def test_a_state_that_is_not_known_is_not_verified(self):
        self.server.script(answer(200, domain(state="reviewed")))
        self.assertEqual(self.backend.domain_status("a.example").state, "pending")

    def test_what_it_wants_in_somebody_elses_domain_is_not_taken(self):
        [row] = self.verification()["records"]
        for change in ({"name": "bank.example"}, {"expected": "no MX"}, {"name": "xa.example"}):
            self.server.script(answer(200, self.verification(records=[row | change])))
            with self.assertRaises(Exception) as caught:
                self.backend.domain_status("a.example", records=True)
            self.assertIn("did not answer as", str(caught.exception))
