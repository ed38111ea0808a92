# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Reports as mail servers and providers write them, each in its own shape; names are replaced."""

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..sending.returned import Returned, read

TO = "bounce+abcdefghijklmnopqrstuvwxyz@acme.example"


def report(groups, *, kind="message/delivery-status", sender="MAILER-DAEMON@mx.example",
           subject="Undelivered Mail Returned to Sender", words="It could not be delivered.",
           returned="message/rfc822", encoding=""):
    """A multipart/report (RFC 3462); ``groups``: the fields of the status, one group each."""
    status = "\r\n\r\n".join("\r\n".join(group) for group in groups)
    cte = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    return (
        f"From: {sender}\r\nTo: <{TO}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"B_1\"\r\n\r\n"
        f"--B_1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n"
        f"--B_1\r\nContent-Type: {kind}\r\n{cte}\r\n{status}\r\n\r\n"
        f"--B_1\r\nContent-Type: {returned}\r\n\r\nFrom: ann@acme.example\r\n"
        "Subject: 550 5.7.1 is a number of ours\r\n\r\nHello\r\n--B_1--\r\n").encode()


def plain(words, *, sender="MAILER-DAEMON@mx.example", subject="failure notice", head=""):
    return (f"From: {sender}\r\nTo: <{TO}>\r\nSubject: {subject}\r\n{head}"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n{words}").encode()


def fields(action, status, said="", **more):
    found = ["Final-Recipient: rfc822; joe@outside.example", f"Action: {action}",
             f"Status: {status}"]
    if said:
        found.append(f"Diagnostic-Code: smtp; {said}")
    return found + [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]


#: What wrote it: (the mail, envelope sender, kind, enhanced status, code, a part of the text)
SHAPES = {
    "Postfix": (report([
        ["Reporting-MTA: dns; mail.example", "X-Postfix-Queue-ID: 4A1B2C3D4E",
         "X-Postfix-Sender: rfc822; ann@acme.example", "Arrival-Date: Thu, 26 Nov 2026 03:01:42"],
        fields("failed", "5.1.1", "550 5.1.1 <joe@outside.example>: Recipient address rejected: "
               "User unknown", Remote_MTA="dns; mx.outside.example")]),
        "", "bounced", "5.1.1", "550", "User unknown"),
    "Postfix, delayed": (report([
        ["Reporting-MTA: dns; mail.example"],
        fields("delayed", "4.4.1", "connect to mx.outside.example[203.0.113.9]:25: Connection "
               "timed out", Will_Retry_Until="Tue, 1 Dec 2026 03:01:42 +0000 (UTC)")],
        subject="Delayed Mail (still being retried)"),
        "", "delayed", "4.4.1", "", "Connection timed out"),
    "Postfix, UTF-8 (RFC 6533)": (report([
        ["Reporting-MTA: dns; mail.example"],
        ["Final-Recipient: utf-8; j\u00f6e@outside.example", "Action: failed", "Status: 5.1.1",
         "Diagnostic-Code: smtp; 550 5.1.1 gibt es nicht: j\u00f6e"]],
        kind="message/global-delivery-status", encoding="8bit",
        returned="message/global-headers"), "", "bounced", "5.1.1", "550", "gibt es nicht"),
    "Postfix, delivered on request": (report([
        ["Reporting-MTA: dns; mail.example"],
        fields("relayed", "2.0.0", "250 2.0.0 OK")], subject="Successful Mail Delivery Report"),
        "", "arrived", "2.0.0", "", "OK"),
    "Exim 4.9": (report([
        ["Reporting-MTA: dns; exim.example"],
        ["Action: failed", "Final-Recipient: rfc822;joe@outside.example", "Status: 5.0.0",
         "Remote-MTA: dns; mx.outside.example",
         "Diagnostic-Code: smtp; 550 No Such User Here"]],
        subject="Mail delivery failed: returning message to sender"),
        "", "bounced", "5.0.0", "550", "No Such User Here"),
    "Exim before 4.89": (plain(
        "This message was created automatically by mail delivery software.\r\n\r\n"
        "A message that you sent could not be delivered to one or more of its\r\n"
        "recipients. This is a permanent error. The following address(es) failed:\r\n\r\n"
        "  joe@outside.example\r\n    SMTP error from remote mail server after RCPT TO:"
        "<joe@outside.example>:\r\n    host mx.outside.example [203.0.113.9]: 550 5.1.1 unknown "
        "user\r\n\r\n------ This is a copy of the message, including all the headers. ------\r\n"
        "Subject: 450 4.0.0 of ours\r\n", subject="Mail delivery failed: returning message to "
        "sender"), "", "bounced", "5.1.1", "550", "unknown user"),
    "Exim, warning": (plain(
        "This message was created automatically by mail delivery software.\r\nA message that you "
        "sent has not yet been delivered to one or more of its\r\nrecipients after more than 24 "
        "hours on the queue on exim.example.\r\nNo action is required on your part. Delivery "
        "attempts will continue for\r\nsome time\r\n",
        subject="Warning: message 1abcde-000001-2F delayed 24 hours"),
        "", "delayed", "", "", "not yet been delivered"),
    "Sendmail": (report([
        ["Reporting-MTA: dns; sendmail.example", "Received-From-MTA: DNS; mail.example"],
        fields("failed", "5.1.1", "550 5.1.1 <joe@outside.example>... User unknown",
               Last_Attempt_Date="Thu, 26 Nov 2026 03:01:42 GMT")],
        subject="Returned mail: see transcript for details",
        sender="Mail Delivery Subsystem <MAILER-DAEMON@sendmail.example>"),
        "", "bounced", "5.1.1", "550", "User unknown"),
    "Sendmail, warning": (report([
        ["Reporting-MTA: dns; sendmail.example"],
        fields("delayed", "4.2.0", Will_Retry_Until="Tue, 1 Dec 2026 03:01:42 GMT")],
        subject="Warning: could not send message for past 4 hours"),
        "", "delayed", "4.2.0", "", ""),
    "qmail (QSBMF)": (plain(
        "Hi. This is the qmail-send program at qmail.example.\r\nI'm afraid I wasn't able to "
        "deliver your message to the following addresses.\r\nThis is a permanent error; I've "
        "given up. Sorry it didn't work out.\r\n\r\n<joe@outside.example>:\r\n203.0.113.9 does "
        "not like recipient.\r\nRemote host said: 550 5.1.1 no mailbox here\r\nGiving up on "
        "203.0.113.9.\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n"
        "Return-Path: <ann@acme.example>\r\nSubject: 421 4.0.0\r\n"),
        "", "bounced", "5.1.1", "550", "no mailbox here"),
    "qmail, full": (plain(
        "Hi. This is the qmail-send program at qmail.example.\r\n\r\n<joe@outside.example>:\r\n"
        "User is over the quota. You can try again later. (#5.2.2)\r\n\r\n--- Below this line is "
        "a copy of the message.\r\n"), "", "bounced", "5.2.2", "", "over the quota"),
    "Exchange": (report([
        ["Reporting-MTA: dns;ex.corp.example", "Received-From-MTA: dns;mail.example",
         "Arrival-Date: Thu, 26 Nov 2026 03:01:42 +0000"],
        ["Final-Recipient: rfc822;joe@corp.example", "Action: failed", "Status: 5.1.10",
         "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient "
         "joe@corp.example not found by SMTP address lookup",
         "X-Display-Name: joe@corp.example"]],
        subject="Undeliverable: by HTTP", sender="postmaster@corp.example"),
        "<>", "bounced", "5.1.10", "550", "RecipientNotFound"),
    "Exchange Online, blocked": (report([
        ["Reporting-MTA: dns;AM0PR00.eurprd00.prod.outlook.com"],
        fields("failed", "5.7.606", "550 5.7.606 Access denied, banned sending IP")],
        subject="Undeliverable: by HTTP", sender="postmaster@corp.example"),
        "", "bounced", "5.7.606", "550", "banned sending IP"),
    "Exchange 2003, without Diagnostic-Code": (report([
        ["Reporting-MTA: dns;old.corp.example"],
        ["Final-Recipient: RFC822;joe@corp.example", "Action: failed", "Status: 5.1.1",
         "X-Supplementary-Info: <old.corp.example #5.1.1>"]],
        subject="Delivery Status Notification (Failure)"),
        "", "bounced", "5.1.1", "", ""),
    "Gmail": (report([
        ["Reporting-MTA: dns; googlemail.com", "Arrival-Date: Thu, 26 Nov 2026 03:01:42 -0800",
         "X-Original-Message-ID: <one@acme.example>"],
        fields("failed", "5.1.1", "550-5.1.1 The email account that you tried to reach does not "
               "exist. 550 5.1.1 gsmtp", Remote_MTA="dns; gmail-smtp-in.l.google.com.")],
        subject="Delivery Status Notification (Failure)",
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>"),
        "", "bounced", "5.1.1", "550", "does not exist"),
    "Gmail, over quota": (report([
        ["Reporting-MTA: dns; googlemail.com"],
        fields("failed", "4.2.2", "452-4.2.2 The recipient's inbox is out of storage space.")],
        subject="Delivery Status Notification (Failure)"),
        "", "bounced", "4.2.2", "452", "out of storage"),
    "Yahoo": (report([
        ["Reporting-MTA: dns; sonic000.consmr.mail.yahoo.example"],
        fields("failed", "5.0.0", "554 30 Sorry, your message to joe@yahoo.example cannot be "
               "delivered. This mailbox is disabled (554.30).")],
        subject="Failure Notice", sender="MAILER-DAEMON@yahoo.example"),
        "", "bounced", "5.0.0", "554", "mailbox is disabled"),
    "Yahoo, in words": (plain(
        "Sorry, we were unable to deliver your message to the following address.\r\n\r\n"
        "<joe@yahoo.example>:\r\n554: 30: Sorry, your message to joe@yahoo.example cannot be "
        "delivered.\r\n\r\n--- Below this line is a copy of the message.\r\n",
        sender="MAILER-DAEMON@yahoo.example", subject="Failure Notice"),
        "", "bounced", "", "", "cannot be delivered"),
    "Amazon SES": (report([
        ["Reporting-MTA: dns; a8-1.smtp-out.eu-west-1.amazonses.com"],
        fields("failed", "5.1.1", "550 5.1.1 user unknown", Remote_MTA="dns; mx.outside.example")],
        subject="Delivery Status Notification (Failure)",
        sender="MAILER-DAEMON@eu-west-1.amazonses.com"),
        "", "bounced", "5.1.1", "550", "user unknown"),
    "Courier": (report([
        ["Reporting-MTA: dns; courier.example", "Arrival-Date: Thu, 26 Nov 2026 03:01:42 +0000"],
        ["Final-Recipient: rfc822; joe@outside.example", "Action: failed", "Status: 5.0.0",
         "Remote-MTA: dns; mx.outside.example [203.0.113.9]",
         "Diagnostic-Code: smtp; 554 delivery error: dd This user doesn't have an account"]],
        subject="NOTICE: mail delivery status."), "", "bounced", "5.0.0", "554", "account"),
    "Domino": (report([
        ["Reporting-MTA: dns;domino.example"],
        ["Final-Recipient: rfc822;joe@outside.example", "Action: failed", "Status: 5.1.1",
         "Diagnostic-Code: X-Notes; User joe (joe@outside.example) not listed in Domino Directory"]
    ], subject="DELIVERY FAILURE: User joe not listed in Domino Directory"),
        "", "bounced", "5.1.1", "", "not listed"),
    "in German, without any number": (plain(
        "Ihre Nachricht konnte nicht zugestellt werden. Der Empf\u00e4nger ist unbekannt.\r\n",
        subject="Unzustellbar: by HTTP", sender="postmaster@firma.example"),
        "", "bounced", "", "", "unbekannt"),
    "one group for all": (report([
        ["Reporting-MTA: dns; odd.example", *fields("failed", "5.2.1", "550 mailbox disabled")]]),
        "", "bounced", "5.2.1", "550", "mailbox disabled"),
    "two recipients, one of them failed": (report([
        ["Reporting-MTA: dns; mail.example"], fields("relayed", "2.0.0"),
        fields("failed", "5.4.14", "554 5.4.14 Hop count exceeded")]),
        "", "bounced", "5.4.14", "554", "Hop count"),
    "status in Base64": (report([
        ["UmVwb3J0aW5nLU1UQTogZG5zOyBtYWlsLmV4YW1wbGUNCg0KRmluYWwtUmVjaXBpZW50OiB1dGYtODsgasO2ZUBv",
         "dXRzaWRlLmV4YW1wbGUNCkFjdGlvbjogZmFpbGVkDQpTdGF0dXM6IDUuMS4xDQo="]],
        kind="message/global-delivery-status", encoding="base64"), "", "bounced", "5.1.1", "", ""),
}


def complaint(lines, sender="complaints@feedback.example"):
    return (f"From: <{sender}>\r\nTo: <{TO}>\r\nSubject: FW: by HTTP\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=feedback-report; boundary=\"B_1\"\r\n\r\n"
            "--B_1\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n"
            "--B_1\r\nContent-Type: message/feedback-report\r\n\r\n"
            + "\r\n".join(lines) + "\r\n\r\n--B_1\r\nContent-Type: message/rfc822\r\n\r\n"
            "From: ann@acme.example\r\nSubject: Undeliverable\r\n\r\nHello\r\n--B_1--\r\n").encode()


class TestReturned(PlainTest):
    def test_delivery_reports_of_foreign_make(self):
        self.assertGreaterEqual(len(SHAPES), 20)
        for name, (raw, sender, kind, dsn, code, part) in SHAPES.items():
            with self.subTest(name):
                found = read(raw, sender)[0]
                self.assertEqual((found.kind, found.dsn, found.code), (kind, dsn, code), found)
                self.assertIn(part, found.text)
                self.assertTrue(found.by)

    def test_complaints(self):
        for lines, by, text in (
            (["Feedback-Type: abuse", "User-Agent: Yahoo!-Mail-Feedback/2.0", "Version: 0.1",
              "Original-Mail-From: <ann@acme.example>"], "Yahoo!-Mail-Feedback/2.0", "abuse"),
            (["Feedback-Type: fraud", "User-Agent: SomeGenerator/1.0", "Version: 1",
              "Original-Rcpt-To: <joe@outside.example>", "Incidents: 3"], "SomeGenerator/1.0",
             "fraud"),
            (["Version: 1"], "<complaints@feedback.example>", "abuse"),
            (["Feedback-Type: opt-out", "Version: 1"], "<complaints@feedback.example>", "opt-out"),
        ):
            [found] = read(complaint(lines), "complaints@feedback.example")
            self.assertEqual((found.kind, found.by, found.text), ("complained", by, text))
        [found] = read(
            complaint(["Feedback-Type: not-spam", "Version: 1"]), "x@feedback.example")
        self.assertEqual(found.kind, "answered")

    def test_answers_are_no_reports(self):
        for raw, sender in (
            (plain("I am away until Monday. My number is 550 12.", subject="Out of office",
                   sender="joe@outside.example", head="Auto-Submitted: auto-replied\r\n"), ""),
            (plain("Thank you!", subject="Re: by HTTP", sender="joe@outside.example"),
             "joe@outside.example"),
            (plain("550 5.1.1 is what your server told me yesterday", subject="Question",
                   sender="joe@outside.example"), "joe@outside.example"),
        ):
            [found] = read(raw, sender)
            self.assertEqual(found.kind, "answered")

    def test_whom_they_name(self):
        def names(raw, sender=""):
            return [[sorted(names) for names in found.names] for found in read(raw, sender)]

        self.assertEqual(names(report([
            ["Reporting-MTA: dns; mail.example"], fields("delayed", "4.4.1"),
            ["Original-Recipient: rfc822; Joan@Outside.example",
             "Final-Recipient: utf-8; j\\x{F6}an@outside.example", "Action: failed",
             "Status: 5.1.1"]])), [
            [["joan@outside.example"], ["j\u00f6an@outside.example"]],
            [[], ["joe@outside.example"]]])
        self.assertEqual(
            names(SHAPES["qmail (QSBMF)"][0]), [[[], ["joe@outside.example"]]],
            "not those of the copy of the message")
        self.assertEqual(names(plain(
            "It failed.", subject="Mail delivery failed",
            head="X-Failed-Recipients: joe@outside.example, joan@outside.example\r\n")),
            [[["joan@outside.example", "joe@outside.example"], []]])
        self.assertEqual(names(complaint(
            ["Feedback-Type: abuse", "Version: 1", "Original-Rcpt-To: <joe@outside.example>"])),
            [[["joe@outside.example"]]])
        self.assertEqual(names(complaint(["Feedback-Type: abuse", "Version: 1"])), [[[]]])
        self.assertEqual(names(plain(
            "I am away.", subject="Out of office", sender='"Joe, A" <joe@outside.example>',
            head="Auto-Submitted: auto-replied\r\n")), [[["joe@outside.example"]]])

    def test_what_is_broken_raises_nothing(self):
        good = SHAPES["Gmail"][0]
        for size in range(0, len(good), 7):
            self.assertIsInstance(read(good[:size], "")[0], Returned)
        for raw in (b"", b"\0\0", b"Content-Type: message/delivery-status\r\n\r\n",
                    b"Subject: =?utf-8?q?=ff?=\r\n\r\n", good.replace(b"boundary", b"other")):
            self.assertIsInstance(read(raw, "")[0], Returned)
