# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a log says, how it adds up, how a file is followed; limits, warnings, who sees what."""

import gzip
import os
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..emboux_daemons.transfer import lines, logs
from ..emboux_daemons.transfer.book import Book
from ..emboux_daemons.transfer.lines import Accepted, Attempt, Removed, Session, Sized
from ..emboux_daemons.transfer.logs import NOTHING_YET, Log
from .common import PlatformCase

NOW = datetime(2026, 11, 26, 3, 5, tzinfo=UTC)
TODAY = NOW.date()
POSTFIX = "Nov 26 03:01:42 mail postfix"
SUBMITTED = (f"{POSTFIX}/submission/smtpd[1]: 4A1B2C3D4E: client=localhost[127.0.0.1], "
             "sasl_method=PLAIN, sasl_username=ann@Acme.example")
SIZED = (f"{POSTFIX}/qmgr[2]: 4A1B2C3D4E: from=<ann@acme.example>, size=1500, nrcpt=2 "
         "(queue active)")
LMTP = (f"{POSTFIX}/lmtp[3]: 4A1B2C3D4E: to=<bob@other.example>, relay=mail.example"
        "[/srv/dovecot/run/lmtp], delay=0.1, delays=0.01/0.02/0.03/0.04, dsn=2.0.0, "
        "status=sent (250 2.0.0 <bob@other.example> abc Saved)")
REMOVED = f"{POSTFIX}/qmgr[2]: 4A1B2C3D4E: removed"
IMAP = ("Nov 26 03:01:43 imap(ann@acme.example)<77><nWy+KSVhgrF/AAAB>: Info: Disconnected: Logged "
        "out in=120 out=3400 deleted=0 expunged=0")


class TestLines(PlainTest):
    def parse(self, line, now=NOW):
        event = lines.parse(line, now)
        return event and event.what

    def login(self, line):
        what = self.parse(line)
        self.assertEqual((type(what), what.queue_id), (Accepted, "4A1B2C3D4E"), line)
        return what.login

    def mailbox(self, line):
        """Of a delivery to a mailbox; None of another line."""
        what = self.parse(line)
        fits = isinstance(what, Attempt) and what.local and what.status == "sent"
        return what.recipient if fits and what.dsn.startswith("2.") else None

    def test_lines_that_count(self):
        self.assertEqual(self.parse(SUBMITTED), Accepted(
            "4A1B2C3D4E", "localhost[127.0.0.1]", "ann@acme.example", "submission"))
        self.assertEqual(self.parse(SIZED), Sized("4A1B2C3D4E", 1500, "ann@acme.example"))
        self.assertEqual(self.parse(LMTP), Attempt(
            "4A1B2C3D4E", True, "", "lmtp[3]", "bob@other.example", "",
            "mail.example[/srv/dovecot/run/lmtp]", 0.1, "2.0.0", "sent",
            "250 2.0.0 <bob@other.example> abc Saved"))
        self.assertEqual(self.parse(REMOVED), Removed("4A1B2C3D4E"))
        self.assertEqual(self.parse(IMAP), Session("ann@acme.example", 120, 3400))

    def test_the_forms_of_syslog(self):
        for head in ("2026-11-26T03:01:42.123456+01:00 mail ", "Nov  6 03:01:42 mail "):
            line = head + "dovecot: imap(ann@acme.example)<7><s>: Logged out in=1 out=2"
            self.assertEqual(self.parse(line), Session("ann@acme.example", 1, 2))
            line = head + "dovecot[12]: pop3(ann@acme.example)<7><s>: Logged out in=1 out=2"
            self.assertEqual(self.parse(line), Session("ann@acme.example", 1, 2))
            self.assertEqual(self.parse(head + REMOVED.partition("mail ")[2]),
                             Removed("4A1B2C3D4E"))

    def test_lines_that_do_not_count(self):
        for line in (
            "", "nonsense", REMOVED.replace("qmgr", "smtp"),
            f"{POSTFIX}/smtpd[1]: connect from localhost[127.0.0.1]",
            f"{POSTFIX}/smtpd[1]: disconnect from localhost[127.0.0.1] ehlo=1 quit=1 commands=2",
            "Nov 26 03:01:42 imap-login: Info: Disconnected in=1 out=2",
            "Nov 26 03:01:43 lmtp(ann@acme.example)<7><s>: Info: in=5 out=6",
        ):
            self.assertIsNone(self.parse(line), line)
        for line in (
            LMTP.replace("status=sent", "status=deferred").replace("dsn=2.0.0", "dsn=4.2.2"),
            LMTP.replace("/lmtp[3]", "/smtp[3]"),
        ):
            self.assertIsNone(self.mailbox(line), line)
        self.assertEqual(self.login(SUBMITTED.replace(", sasl_username=ann@Acme.example", "")), "")

    def test_additional_fields_in_any_order(self):
        """Lines of Postfix 3.7.11 with AUTH=, XFORWARD, a reused connection; and as they may be."""
        sub, login = SUBMITTED.rpartition("sasl_method")[0], "sasl_username=ann@acme.example"
        for said in (
            f"sasl_method=PLAIN, {login}, sasl_sender=ann@acme.example",
            f"sasl_method=PLAIN, {login}, sasl_sender=<>",
            f"sasl_method=PLAIN, {login}, sasl_sender=a b, sasl_username=eve@other.example",
            f"sasl_method=PLAIN, {login}, sasl_sender=x, sasl_username=eve@other.example",
            f"sasl_method=PLAIN, {login}, sasl_sender=a b, orig_queue_id=4A1B2C3D4F, "
            "orig_client=unknown[192.0.2.1]",
            f"sasl_sender=eve@other.example, {login}, sasl_method=PLAIN, tls=TLSv1.3",
            login,
        ):
            self.assertEqual(self.login(sub + said), "ann@acme.example", said)
        qmgr = SIZED.partition("from=")[0]
        for text in (
            "from=<a@b.example>, size=1500, nrcpt=2, smtputf8=yes (queue active)",
            "from=<a@b.example>, nrcpt=2, size=1500 (queue active), x=y",
            "from=<a@b.example>, envid=x, size=1500, nrcpt=2 (queue active)",
        ):
            self.assertEqual(
                self.parse(qmgr + text), Sized("4A1B2C3D4E", 1500, "a@b.example"), text)
        lmtp = LMTP.partition("to=")[0]
        for text in (
            "to=<bob@other.example>, orig_to=<info@other.example>, relay=x[/run/lmtp], conn_use=2, "
            "delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Saved)",
            "to=<bob@other.example>, relay=x[/run/lmtp], tls=none/-, delays=0/0/0/0, delay=0.1, "
            "dsn=2.1.5, status=sent (250 ok), x=y",
            "to=<bob@other.example>, status=sent, dsn=2.0.0, relay=none (250 ok)",
        ):
            self.assertEqual(self.mailbox(lmtp + text), "bob@other.example", text)
        for text in ("Logged out out=3400 in=120", "Logged out bytes=9 in=120 deleted=0 out=3400",
                     "Closed (NOOP finished) in=1 out=2 x=1 in=120 out=3400 trashed=0"):
            self.assertEqual(self.parse(IMAP.partition("Disconnected")[0] + text),
                             Session("ann@acme.example", 120, 3400), text)

    def test_log_lines_cannot_be_forged(self):
        """Addresses, host names and other servers' answers are anybody's to choose."""
        fake = "imap(ann@acme.example)<7><s>: Info: Logged out in=9 out=9"
        for line in (
            f"{POSTFIX}/smtpd[1]: NOQUEUE: reject: RCPT from x[1.2.3.4]: 550 <{fake}>: no",
            f"{POSTFIX}/smtpd[1]: warning: {REMOVED}",
            f"{POSTFIX}/lmtp[3]: 4A1B2C3D4E: to=<a@b.example>, orig_to=<\"x, relay=y, delay=1, "
            "delays=1/1/1/1, dsn=2.0.0, status=sent (\"@b.example>, relay=none, delay=1, "
            "delays=1/1/1/1, dsn=4.0.0, status=deferred (no)",
            f"{POSTFIX}/lmtp[3]: 4A1B2C3D4E: to=<\"a> status=sent \"@b.example>, relay=none, "
            "delay=1, delays=1/1/1/1, dsn=4.0.0, status=deferred (no)",
        ):
            self.assertIsNone(self.parse(line), line)
        line = SIZED.replace("<ann@acme.example>",
                             '<"x>, size=9, nrcpt=1 (queue active)"@evil.example>')
        self.assertEqual(self.parse(line)[:2], ("4A1B2C3D4E", 1500))

    def test_when_it_was(self):
        def moment(line, now=NOW):
            return lines.parse(line, now).moment

        self.assertEqual(moment("2026-11-01T00:30:00+01:00 mail " + REMOVED.partition("mail ")[2]),
                         datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
        self.assertEqual(moment(REMOVED), datetime(2026, 11, 26, 3, 1, 42, tzinfo=UTC))
        new_year = datetime(2027, 1, 1, 0, 5, tzinfo=UTC)
        self.assertEqual(moment(REMOVED.replace("Nov 26", "Dec 31"), new_year).year, 2026)
        self.assertEqual(moment(REMOVED.replace("Nov 26", "Feb 31")), NOW)


class TestBook(PlainTest):
    def book(self, *texts, known=None):
        book = Book(known)
        for text in texts:
            if event := lines.parse(text, NOW):
                book.enter(event)
        return book

    def test_sender_once_and_each_mailbox(self):
        book = self.book(SUBMITTED, SIZED, LMTP, LMTP.replace("bob@", "eve@"), REMOVED)
        self.assertEqual(book.moved, {("acme.example", TODAY): [0, 1500],
                                      ("other.example", TODAY): [3000, 0]})
        self.assertEqual((book.messages, book.changed, book.gone), ({}, set(), set()))

    def test_a_retry_counts_nothing(self):
        book = self.book(SUBMITTED, SIZED, SIZED, LMTP, SIZED)
        self.assertEqual(book.moved[("acme.example", TODAY)], [0, 1500])

    def test_from_outside_only_the_mailbox_counts(self):
        book = self.book(SIZED, LMTP, REMOVED)
        self.assertEqual(book.moved, {("other.example", TODAY): [1500, 0]})

    def test_the_lines_of_a_message_come_in_several_pieces(self):
        first = self.book(SUBMITTED)
        second = self.book(SIZED, known=first.messages)
        third = self.book(LMTP, REMOVED, known=second.messages)
        self.assertEqual(first.moved, {})
        self.assertEqual(second.moved, {("acme.example", TODAY): [0, 1500]})
        self.assertEqual(third.moved, {("other.example", TODAY): [1500, 0]})
        self.assertEqual(third.gone, {"4A1B2C3D4E"})

    def test_an_id_that_is_used_again(self):
        book = self.book(SUBMITTED, SIZED, SUBMITTED.replace("ann@Acme", "eve@other"),
                         SIZED.replace("1500", "70"))
        self.assertEqual(book.moved, {("acme.example", TODAY): [0, 1500],
                                      ("other.example", TODAY): [0, 70]})


class TestLogs(PlainTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "mail.log")
        self.log = Log(self.path)

    def append(self, text, path=None):
        with (path or self.path).open("a") as file:
            file.write(text)

    def rest(self, position, at_once=logs.AT_ONCE):
        """(all lines there are, the position behind them)"""
        found = []
        while piece := self.log.next_piece(position, at_once):
            found += piece.lines
            position = piece.position
        return found, position

    def quiet(self, path):
        os.utime(path, (1, 1))

    def test_a_first_start_begins_with_what_is_new(self):
        self.append("old\nhalf a ")
        position = self.log.start()
        self.append("line\nnew\n")
        self.assertEqual(self.rest(position)[0], ["half a line", "new"])

    def test_a_log_that_is_not_there_yet_is_all_new(self):
        position = self.log.start()
        self.assertEqual(position, NOTHING_YET)
        self.assertIsNone(self.log.next_piece(position))
        self.append("first\n")
        self.assertEqual(self.rest(position)[0], ["first"])

    def test_only_whole_lines(self):
        position = self.log.start()
        self.append("one\ntw")
        found, position = self.rest(position)
        self.assertEqual(found, ["one"])
        self.assertIsNone(self.log.next_piece(position))
        self.append("o\n")
        self.assertEqual(self.rest(position)[0], ["two"])

    def test_piece_by_piece(self):
        position = self.log.start()
        self.append("".join(f"line {n}\n" for n in range(100)))
        self.assertEqual(len(self.rest(position, at_once=50)[0]), 100)

    def test_rotation(self):
        self.append("before\n")
        position = self.log.start()
        self.append("one\n")
        old = self.path.with_name("mail.log.1")
        self.path.rename(old)
        self.append("two\n", old)  # its writer has not been told yet
        self.assertEqual(self.rest(position)[0], ["one", "two"])
        _found, position = self.rest(position)
        self.append("three\n")
        self.assertIsNone(self.log.next_piece(position), "the old one may still grow")
        self.append("last\n", old)
        found, position = self.rest(position)
        self.assertEqual(found, ["last"])
        self.quiet(old)
        self.assertEqual(self.rest(position)[0], ["three"])

    def test_rotation_and_compression_while_nobody_reads(self):
        self.append("before\n")
        position = self.log.start()
        self.append("one\n")
        packed = self.path.with_name("mail.log.2.gz")
        packed.write_bytes(gzip.compress(self.path.read_bytes()))
        self.path.unlink()
        self.append("two\n")
        self.assertEqual(self.rest(position)[0], ["one", "two"])

    def test_a_log_that_was_cut_off(self):
        self.append("same\nlong enough to be cut off\n")
        position = self.log.start()
        self.path.write_text("same\nnew\n")
        with self.assertLogs(logs._logger, "WARNING"):
            self.assertEqual(self.rest(position)[0], ["same", "new"])

    def test_a_rotated_log_that_is_gone(self):
        self.append("before\n")
        position = self.log.start()
        self.path.unlink()
        self.append("another\n")
        with self.assertLogs(logs._logger, "WARNING"):
            self.assertEqual(self.rest(position)[0], ["another"])

    def test_a_line_without_an_end_is_passed_over(self):
        position = self.log.start()
        self.append("x" * (3 * logs.LARGEST_LINE) + "\nafter\n")
        self.assertEqual(self.rest(position, logs.LARGEST_LINE)[0], ["after"])


@tagged("post_install", "-at_install")
class TestTransfer(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.domain.sudo().owned_since = "2026-01-01"
        cls.box = cls.make_mailbox("ann")

    def add(self, bytes_in, bytes_out, day=None, name="unit.example"):
        self.rows(
            "SELECT emboux_mail.add_transfer(%s, %s::date[], %s::bigint[], %s::bigint[])",
            [name], [day or fields.Date.today()], [bytes_in], [bytes_out],
        )
        self.env.invalidate_all()

    def inbound(self):
        return [action for (action,) in self.rows(
            "SELECT action FROM emboux_mail.inbound WHERE key = 'unit.example'")]

    def outgoing(self):
        decision, _today, _month = self.domain._decide_outgoing(recipients=1)
        return decision.action, decision.rule

    def test_it_adds_up_by_day_and_month(self):
        self.add(10, 5)
        self.add(1, 2)
        self.add(1000, 1000, fields.Date.today().replace(day=1) - timedelta(days=1))
        self.add(7, 7, name="nobodys.example")
        self.assertEqual(self.domain.transfer_used, 18)
        rows = self.env["emboux.traffic"].search([("domain_id", "=", self.domain.id)])
        self.assertEqual(rows[0].day, fields.Date.today())
        self.assertEqual(rows.mapped("bytes_in"), [11, 1000])
        self.assertEqual(len(set(rows.ids)), 2)

    def test_over_the_limit_mail_waits_where_the_plan_says_so(self):
        self.domain.write({"transfer_limit": 100, "transfer_over_limit": "warn"})
        self.add(60, 40)
        self.assertEqual(self.inbound(), [])
        self.assertEqual(self.outgoing(), ("accept", ""))
        self.domain.transfer_over_limit = "defer"
        [action] = self.inbound()
        self.assertTrue(action.startswith("450 4.2.2 "), action)
        self.assertEqual(self.outgoing(), ("defer", "transfer"))
        self.domain.transfer_limit = 101
        self.assertEqual(self.inbound(), [])
        self.assertEqual(self.outgoing(), ("accept", ""))
        self.domain.transfer_limit = 0
        self.assertEqual(self.inbound(), [])

    def test_a_suspended_domain_says_that_it_is_suspended(self):
        self.domain.write({"transfer_limit": 1, "transfer_over_limit": "defer"})
        self.add(5, 5)
        self.domain.action_suspend()
        [action] = self.inbound()
        self.assertIn("suspended", action)

    def test_last_month_does_not_count(self):
        self.domain.write({"transfer_limit": 100, "transfer_over_limit": "defer"})
        self.add(500, 0, fields.Date.today().replace(day=1) - timedelta(days=1))
        self.assertEqual(self.inbound(), [])

    def warn(self):
        before = self.domain.message_ids
        domains = self.env["emboux.domain"].with_user(self.env.ref("base.user_root"))
        # a test never commits
        with patch.object(self.registry["ir.cron"], "_commit_progress", lambda *_, **__: 1):
            domains._cron_warn_transfer()
        return [str(message.body) for message in self.domain.message_ids - before]

    def test_each_level_is_told_once_a_month(self):
        self.domain.transfer_limit = 1000
        self.add(799, 0)
        self.assertEqual(self.warn(), [])
        self.add(1, 0)
        [told] = self.warn()
        self.assertIn("80 % of its traffic", told)
        self.assertEqual(self.warn(), [])
        self.add(0, 150)
        [told] = self.warn()
        self.assertIn("95 %", told)
        self.add(0, 1500)
        self.assertEqual(self.warn(), [])
        self.domain.sudo().transfer_warned_month = date(2020, 1, 1)
        [told] = self.warn()
        self.assertIn("95 %", told)

    def test_who_sees_it(self):
        self.add(5, 5)
        company = self.env["res.company"].sudo().create({"name": "Elsewhere"})
        stranger = new_test_user(self.env, "stranger", "emboux_core.group_manager",
                                 company_id=company.id, company_ids=[(6, 0, company.ids)])
        domain = [("domain_id", "=", self.domain.id)]
        self.assertTrue(self.env["emboux.traffic"].search(domain))
        self.assertFalse(self.env["emboux.traffic"].with_user(stranger).search(domain))
        user = new_test_user(self.env, "own", "emboux_core.group_user")
        with self.assertRaises(AccessError):
            self.env["emboux.traffic"].with_user(user).search(domain)
        with self.assertRaises(AccessError):
            self.domain.write({"transfer_warned": 0})

    def test_a_deleted_domain_takes_its_rows_along(self):
        domain = self.make_domain("leaving.example", state="verified")
        self.add(5, 5, name="leaving.example")
        number = domain.id
        domain.unlink()
        self.assertEqual(
            self.rows("SELECT * FROM emboux_mail.transfer WHERE domain_id = %s", number), [])
