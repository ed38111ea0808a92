# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a log says of each message, for whom; lines as Postfix 3.7 and Dovecot 2.3 wrote them."""

import json
import random
from datetime import UTC, date, datetime

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..emboux_daemons.transfer import lines, story
from ..emboux_daemons.transfer.book import Book, Message
from ..emboux_daemons.transfer.lines import (
    Authored,
    Expired,
    Filed,
    Held,
    Labelled,
    Refused,
    Removed,
    Reported,
)
from ..emboux_daemons.transfer.store import _half, _json, _row, _state_of
from ..emboux_daemons.transfer.story import TOLD, Domain, Story

NOW = datetime(2026, 11, 26, 3, 5, tzinfo=UTC)
HEAD = "Nov 26 03:01:42 mail postfix"
ID = "4A1B2C3D4E"
DOMAINS = {
    "acme.example": Domain(1, 10, 1, 30), "branch.example": Domain(2, 10, 1, 7),
    "rival.example": Domain(3, 11, 1, 30),
}
SUBMITTED = (f"{HEAD}/submission/smtpd[1]: {ID}: client=laptop[192.0.2.7], sasl_method=PLAIN, "
             "sasl_username=ann@acme.example")
BROUGHT = f"{HEAD}/smtpd[1]: {ID}: client=mx.outside.example[198.51.100.4]"
NAMED = f"{HEAD}/cleanup[2]: {ID}: message-id=<one@acme.example>"
SIZED = f"{HEAD}/qmgr[2]: {ID}: from=<ann@acme.example>, size=1500, nrcpt=1 (queue active)"
SIZED_OUTSIDE = SIZED.replace("ann@acme.example", "joe@outside.example")
TAG = "abcdefghijklmnopqrstuvwxyz"
#: As Postfix writes them of a mailbox with a return address for each message.
AUTHORED = (f"{HEAD}/submission/smtpd[1]: {ID}: info: DATA from laptop[192.0.2.7]: own return "
            "address; from=<Ann@acme.example> proto=ESMTP helo=<laptop>")
SIZED_OWN = SIZED.replace("from=<ann@", f"from=<bounce+{TAG}@")
TLS = (f"{HEAD}/smtp[3]: Trusted TLS connection established to mx1.google.com[203.0.113.9]:25: "
       "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519")
REMOVED = f"{HEAD}/qmgr[2]: {ID}: removed"


def attempt(to, status="sent", text="250 2.0.0 OK", dsn="2.0.0", original="", program="smtp",
            relay="mx1.google.com[203.0.113.9]:25"):
    led = f"orig_to=<{original}>, " if original else ""
    return (f"{HEAD}/{program}[3]: {ID}: to=<{to}>, {led}relay={relay}, delay=1.5, "
            f"delays=0.1/0/0.4/1, dsn={dsn}, status={status} ({text})")


def label(text, header="X-Emboux-Extra-order: 4711", sender="ann@acme.example"):
    """What header_checks say; the header is cut after 200 letters."""
    return (f"{HEAD}/submission/cleanup[2]: {ID}: strip: header {header[:200]} from "
            f"laptop[192.0.2.7]; from=<{sender}> to=<joe@outside.example> proto=ESMTP "
            f"helo=<laptop>: emboux-extra {text}")


def stored(to, session="aB3+/x", original=""):
    return attempt(to, text=f"250 2.0.0 <{to}> {session} Saved", original=original,
                   program="lmtp", relay="mail.example[/run/dovecot/lmtp]")


FILED = ("Nov 26 03:01:42 lmtp(bob@rival.example)<77><aB3+/x>: Info: sieve: "
         "msgid=<one@acme.example>: stored mail into mailbox 'Lists/odoo'")


class LogCase(PlainTest):
    def events(self, *texts):
        return [event for text in texts if (event := lines.parse(text, NOW))]

    def tell(self, *texts, book=None, before=None):
        """The rows of a ``Story``, and it."""
        book = book or Book()
        known = before or Story({})
        told = Story(DOMAINS, known.sessions, known.connections)
        for event in self.events(*texts):
            message = book.enter(event)
            if type(event.what) in TOLD:
                told.enter(event, message)
        return list(told.rows.values()), told

    def kinds(self, row):
        return [event["kind"] for event in self.told(row)]

    def told(self, row):
        return json.loads(row.events)


class TestLinesOfMessages(PlainTest):
    def parse(self, line):
        event = lines.parse(line, NOW)
        return event and event.what

    def test_refusals(self):
        line = (f"{HEAD}/smtps/smtpd[1]: NOQUEUE: reject: RCPT from laptop[192.0.2.7]: 550 5.1.6 "
                "<gone@outside.example>: Recipient address rejected: gone@outside.example is on "
                "the suppression list: mail to it came back as undeliverable; "
                "from=<ann@acme.example> to=<gone@outside.example> proto=ESMTP helo=<[192.0.2.7]>")
        what = self.parse(line)
        self.assertEqual(
            (what.queue_id, what.service, what.sender, what.recipient, what.code, what.dsn),
            ("", "smtps", "ann@acme.example", "gone@outside.example", "550", "5.1.6"))
        self.assertTrue(what.text.startswith("<gone@outside.example>: Recipient address rejected"))
        line = (f"{HEAD}/inject/smtpd[1]: {ID}: reject: END-OF-MESSAGE from localhost[127.0.0.1]: "
                "450 4.7.1 <END-OF-MESSAGE>: End-of-data rejected: limit reached; "
                "from=<ann@acme.example> proto=ESMTP helo=<mail.example>")
        self.assertEqual(self.parse(line), Refused(
            ID, False, "localhost[127.0.0.1]", "inject", "", "ann@acme.example", "", "450",
            "4.7.1", "<END-OF-MESSAGE>: End-of-data rejected: limit reached"))
        line = (f"{HEAD}/cleanup[1]: {ID}: milter-reject: END-OF-MESSAGE from laptop[192.0.2.7]: "
                "5.7.1 Command rejected; from=<ann@acme.example> to=<joe@outside.example> "
                "proto=ESMTP helo=<laptop>")
        what = self.parse(line)
        self.assertEqual((what.code, what.dsn, what.text), ("", "5.7.1", "Command rejected"))

    def test_who_logged_in_is_known_where_the_sender_is_not_theirs(self):
        line = (f"{HEAD}/smtps/smtpd[1]: NOQUEUE: reject: RCPT from laptop[192.0.2.7]: 553 5.7.1 "
                "<eve@rival.example>: Sender address rejected: not owned by user ann@acme.example; "
                "from=<eve@rival.example> to=<joe@outside.example> proto=ESMTP helo=<laptop>")
        self.assertEqual(self.parse(line).login, "ann@acme.example")

    def test_newer_ones_say_who_had_logged_in(self):
        for said in ("sasl_method=PLAIN sasl_username=ann@acme.example",
                     "sasl_username=<ann@acme.example>"):
            line = (f"{HEAD}/smtps/smtpd[1]: NOQUEUE: reject: RCPT from laptop[192.0.2.7]: 450 "
                    "4.7.1 <joe@outside.example>: Recipient address rejected: limit; "
                    "from=<any@acme.example> to=<joe@outside.example> proto=ESMTP helo=<laptop> "
                    f"{said}")
            self.assertEqual(self.parse(line).login, "ann@acme.example")

    def test_whose_it_is_before_its_sender_is_replaced(self):
        self.assertEqual(self.parse(AUTHORED), Authored(ID, "ann@acme.example"))
        for other in (AUTHORED.replace("own return address", "something"),
                      AUTHORED.replace("<Ann@acme.example>", "<\"a b\"@acme.example>"),
                      AUTHORED.replace("info:", "warn:")):
            self.assertIsNone(self.parse(other))

    def test_labels(self):
        for text, name, value in (
            ("order=4711          ", "order", "4711"), ("a.b_C-1=", "a.b_C-1", ""),
            ("eq=a=b: emboux-extra c=d", "eq", "a=b: emboux-extra c=d"),
            ("word==?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?4oKsIDU=?=", "word", "Grüße€ 5"),
            ("odd==?utf-8?b?x?=", "odd", "=?utf-8?b?x?="),
            ("none==?x-none?q?a?=", "none", "=?x-none?q?a?="),
            ("line==?utf-8?q?a=0Ab=00?=", "line", "ab"), ("long=" + "x" * 500, "long", "x" * 500),
        ):
            header = f"x-emboux-extra-{name}: {text.partition('=')[2]}"
            self.assertEqual(self.parse(label(text, header)), Labelled(ID, name, value))
        forged = "a; from=<x@y.example>: emboux-extra z=1 >: emboux-extra x=2"
        self.assertEqual(self.parse(label(f"order={forged}", f"X-Emboux-Extra-order: {forged}")),
                         Labelled(ID, "order", forged))
        for text, header in (
            ("order=" + "x" * 501, "X-Emboux-Extra-order: x"),
            ("order==?utf-8?q?" + "=41" * 400 + "?=", "X-Emboux-Extra-order: x"),
            ("order=1", "X-Other: 1"), ("order=1", "X-Emboux-Extra-no name: 1"),
            (f"{'x' * 51}=1", f"X-Emboux-Extra-{'x' * 51}: 1"),
        ):
            self.assertIsNone(self.parse(label(text, header)), text)

    def test_what_happens_in_the_queue(self):
        for text, what in (
            (f"/qmgr[2]: {ID}: from=<a@b.example>, status=expired, returned to sender",
             Expired(ID)),
            (f"/postsuper[2]: {ID}: placed on hold", Held(ID, True)),
            (f"/postsuper[2]: {ID}: released from hold", Held(ID, False)),
            (f"/postsuper[2]: {ID}: removed", Removed(ID, True)),
            (f"/bounce[2]: {ID}: sender non-delivery notification: 5F1B2C3D4E",
             Reported(ID, "non-delivery", "5F1B2C3D4E")),
            (f"/bounce[2]: {ID}: sender delay notification: 5F1B2C3D4E",
             Reported(ID, "delay", "5F1B2C3D4E")),
        ):
            self.assertEqual(self.parse(HEAD + text), what)

    def test_what_sieve_does(self):
        self.assertEqual(
            self.parse(FILED), Filed("aB3+/x", "stored", "Lists/odoo", ""))
        head = FILED.partition("stored mail")[0]
        for text, what in (
            ("forwarded to <joe@outside.example>",
             Filed("aB3+/x", "forwarded", "joe@outside.example", "")),
            ("failed to store into mailbox 'INBOX': Quota exceeded (mailbox for user is full)",
             Filed("aB3+/x", "failed", "INBOX", "Quota exceeded (mailbox for user is full)")),
        ):
            self.assertEqual(self.parse(head + text), what)

    def test_a_line_of_days_to_come(self):
        line = f"9999-01-01T00:00:00+00:00 mail postfix/qmgr[2]: {ID}: removed"
        self.assertLess(lines.parse(line, NOW).moment.year, 2027)


class TestStory(LogCase):
    def test_out_with_a_second_try(self):
        [row], _story = self.tell(
            SUBMITTED, NAMED, SIZED, TLS,
            attempt("joe@outside.example", "deferred", "host said: 450 4.7.1 Greylisted", "4.7.1"),
            SIZED, attempt("joe@outside.example"), REMOVED)
        self.assertEqual((row.direction, row.status, row.attempts, row.receiver),
                         ("out", "delivered", 2, "google.com"))
        self.assertEqual((row.domain.number, row.login, row.client, row.message.message_id),
                         (1, "ann@acme.example", "laptop[192.0.2.7]", "one@acme.example"))
        self.assertEqual(self.kinds(row), ["delayed", "delivered"])
        self.assertEqual(self.told(row)[1]["tls"], "TLSv1.3 TLS_AES_256_GCM_SHA384 trusted")
        self.assertEqual(row.expires, date(2026, 12, 26))

    def test_in_and_where_it_was_stored(self):
        orders = ([BROUGHT, NAMED, SIZED_OUTSIDE, FILED, stored("bob@rival.example"), REMOVED],
                  [BROUGHT, NAMED, SIZED_OUTSIDE, stored("bob@rival.example"), REMOVED, FILED])
        for texts in orders:
            [row], told = self.tell(*texts)
            self.assertEqual((row.direction, row.status, row.login), ("in", "received", ""))
            self.assertEqual(set(self.kinds(row)), {"delivered", "filed"})
            [filed] = [event for event in self.told(row) if event["kind"] == "filed"]
            self.assertEqual((filed["what"], filed["where"]), ("stored", "Lists/odoo"))
            self.assertEqual(told.sessions, {})

    def test_between_two_of_one_customer(self):
        [row], _story = self.tell(SUBMITTED, NAMED, SIZED, stored("bob@branch.example"), REMOVED)
        self.assertEqual((row.direction, row.status, row.domain.number),
                         ("internal", "received", 1))

    def test_between_two_customers_each_has_a_side(self):
        rows, _story = self.tell(SUBMITTED, NAMED, SIZED, stored("bob@rival.example"), REMOVED)
        out, into = rows
        self.assertEqual((out.direction, out.status, out.domain.number), ("out", "delivered", 1))
        self.assertEqual((into.direction, into.status, into.domain.number), ("in", "received", 3))
        self.assertEqual((into.login, into.client), ("", ""), "where somebody else works from")
        self.assertNotIn("laptop", into.events)

    def test_where_somebody_elses_alias_leads_stays_theirs(self):
        rows, _story = self.tell(
            SUBMITTED, NAMED, SIZED,
            attempt("secret@outside.example", original="info@rival.example"),
            attempt("other@outside.example", original="info@rival.example"), REMOVED)
        out = [row for row in rows if row.domain.number == 1]
        theirs = [row for row in rows if row.domain.number == 3]
        [mine] = out
        self.assertEqual((mine.recipient, mine.original), ("info@rival.example", ""))
        self.assertEqual(
            [(row.recipient, row.original, row.direction) for row in theirs],
            [("secret@outside.example", "info@rival.example", "forwarded"),
             ("other@outside.example", "info@rival.example", "forwarded")])
        self.assertNotIn("outside.example", _json([mine.recipient, mine.original]) + mine.events)

    def test_an_alias_to_three_addresses_outside(self):
        rows, _story = self.tell(
            BROUGHT, NAMED, SIZED_OUTSIDE,
            attempt("a@one.example", "deferred", "450 4.7.1 later", "4.7.1", "info@acme.example"),
            attempt("b@two.example", "bounced", "550 5.1.1 no such user", "5.1.1",
                    "info@acme.example"),
            attempt("c@three.example", original="info@acme.example"),
            f"{HEAD}/bounce[2]: {ID}: sender non-delivery notification: 5F1B2C3D4E",
            SIZED_OUTSIDE, attempt("a@one.example", original="info@acme.example"), REMOVED)
        self.assertEqual([(row.recipient, row.status, row.attempts) for row in rows], [
            ("a@one.example", "delivered", 2), ("b@two.example", "failed", 1),
            ("c@three.example", "delivered", 1)])
        self.assertEqual({row.direction for row in rows}, {"forwarded"})
        self.assertEqual([("reported" in self.kinds(row)) for row in rows], [False, True, False])

    def test_on_hold_and_what_comes_of_it(self):
        hold = f"{HEAD}/postsuper[2]: {ID}: placed on hold"
        [row], _story = self.tell(SUBMITTED, NAMED, SIZED, hold)
        self.assertEqual((row.status, row.recipient), ("held", ""))
        [row], _story = self.tell(
            SUBMITTED, NAMED, SIZED, hold, f"{HEAD}/postsuper[2]: {ID}: released from hold",
            SIZED, attempt("joe@outside.example"), REMOVED)
        self.assertEqual((row.status, row.recipient), ("delivered", "joe@outside.example"))
        self.assertEqual(self.kinds(row), ["held", "released", "delivered"])
        [row], _story = self.tell(
            SUBMITTED, NAMED, SIZED, hold, f"{HEAD}/postsuper[2]: {ID}: removed")
        self.assertEqual(row.status, "canceled")

    def test_tried_for_too_long(self):
        [row], _story = self.tell(
            SUBMITTED, NAMED, SIZED,
            attempt("joe@outside.example", "deferred", "connection timed out", "4.4.1",
                    relay="none"),
            f"{HEAD}/qmgr[2]: {ID}: from=<ann@acme.example>, status=expired, returned to sender",
            REMOVED)
        self.assertEqual((row.status, row.receiver), ("failed", ""))
        self.assertEqual(self.kinds(row)[-1], "expired")

    def test_refused_at_the_door(self):
        reject = (f"{HEAD}/smtpd[1]: NOQUEUE: reject: RCPT from spam[203.0.113.5]: 550 5.1.1 "
                  "<no@acme.example>: Recipient address rejected: User unknown; "
                  "from=<x@spam.example> to=<no@acme.example> proto=ESMTP helo=<spam>")
        [row], _story = self.tell(reject)
        self.assertEqual((row.direction, row.status, row.dsn), ("in", "rejected", "5.1.1"))
        self.assertEqual(row.client, "spam[203.0.113.5]")
        self.assertEqual(self.tell(reject.replace("no@acme", "no@elsewhere"))[0], [],
                         "nobody's here: junk does not fill the log")
        suppressed = reject.replace("User unknown", "no@acme.example is on the suppression list: x")
        self.assertEqual(self.tell(suppressed)[0][0].status, "suppressed")

    def test_by_a_provider_it_is_delivered_when_they_say_so(self):
        [row], _story = self.tell(
            SUBMITTED, NAMED, SIZED, attempt("joe@outside.example", program="relay/smtp",
                                             relay="smtp.mailgun.org[203.0.113.9]:587"))
        self.assertEqual((row.status, self.kinds(row)[-1]), ("accepted", "relayed"))

    def test_what_sieve_sends_is_the_mailbox(self):
        [row], _story = self.tell(
            BROUGHT.replace("/smtpd", "/inject/smtpd"), NAMED, SIZED,
            attempt("joe@outside.example"), REMOVED)
        self.assertEqual((row.direction, row.domain.number, row.status), ("out", 1, "delivered"))

    def test_names_are_all_that_is_asked_for(self):
        events = self.events(
            BROUGHT.replace("/smtpd", "/inject/smtpd"), SIZED, SUBMITTED,
            attempt("joe@outside.example", original="info@rival.example"))
        self.assertEqual(story.names(events, {}), (
            {"acme.example", "outside.example", "rival.example"}, set()))

    def test_what_was_sent_by_http_has_a_row_already(self):
        tag = "abcdefghijklmnopqrstuvwxyz"
        texts = (SUBMITTED, NAMED, SIZED.replace("from=<ann@", f"from=<bounce+{tag}@"),
                 attempt("joe@outside.example"), REMOVED)
        self.assertEqual(story.names(self.events(*texts), {})[1], {tag})
        book, sent = Book(), {tag: story.Row(77, date(2026, 12, 26), "accepted", 0, "joe@x")}
        told = Story(DOMAINS, sent=sent)
        for event in self.events(*texts):
            message = book.enter(event)
            if type(event.what) in TOLD:
                told.enter(event, message)
        [row] = told.rows.values()
        self.assertEqual((row.number, row.fresh, row.status, row.queue_id),
                         (77, False, "delivered", ID))


class TestReturnAddress(LogCase):
    """Of a mailbox that has one for each message."""

    def test_all_recipients_have_it_and_the_sender_is_the_person(self):
        first, second = self.tell(
            SUBMITTED, AUTHORED, NAMED, SIZED_OWN, attempt("joe@outside.example"),
            attempt("bob@branch.example", program="lmtp"), REMOVED)[0]
        for row, direction in ((first, "out"), (second, "internal")):
            self.assertEqual((row.from_id, row.sender, row.login, row.direction, row.extra),
                             (TAG, "ann@acme.example", "ann@acme.example", direction, ""))

    def test_others_see_the_person_and_no_tag(self):
        mine, theirs = self.tell(SUBMITTED, AUTHORED, label("order=4711"), NAMED, SIZED_OWN,
                                 stored("bob@rival.example"), REMOVED)[0]
        self.assertEqual((mine.from_id, mine.extra), (TAG, '{"order": "4711"}'))
        self.assertEqual((theirs.direction, theirs.from_id, theirs.sender, theirs.extra),
                         ("in", "", "ann@acme.example", ""))

    def test_without_the_line_that_says_whose_it_is_it_is_the_logins(self):
        [row], _story = self.tell(
            SUBMITTED, NAMED, SIZED_OWN, attempt("joe@outside.example"), REMOVED)
        self.assertEqual((row.sender, row.from_id), ("ann@acme.example", TAG))

    def test_of_what_was_sent_by_http_the_stranger_sees_the_envelope(self):
        sent = {TAG: story.Row(77, date(2026, 12, 26), "accepted", 0, "bob@rival.example")}
        book, told = Book(), Story(DOMAINS, sent=sent)
        for event in self.events(SUBMITTED, NAMED, SIZED_OWN, stored("bob@rival.example")):
            message = book.enter(event)
            if type(event.what) in TOLD:
                told.enter(event, message)
        mine, theirs = told.rows.values()
        self.assertEqual((mine.number, mine.fresh), (77, False))
        self.assertEqual((theirs.sender, theirs.from_id), (f"bounce+{TAG}@acme.example", ""))

    def test_on_hold_as_it_comes_in_it_gets_the_tag_with_its_release(self):
        book = Book()
        held = (f"{HEAD}/submission/smtpd[1]: {ID}: hold: END-OF-MESSAGE from laptop[192.0.2.7]: "
                "<END-OF-MESSAGE>: End-of-data triggers HOLD action; from=<ann@acme.example> "
                "proto=ESMTP helo=<laptop>")
        [row], before = self.tell(
            SUBMITTED, AUTHORED, label("order=4711"), NAMED, held, book=book)
        self.assertEqual((row.status, row.sender, row.from_id, row.extra),
                         ("held", "ann@acme.example", "", '{"order": "4711"}'))
        row.number = 1
        # the reader is started anew
        book = Book({ID: Message.of(json.loads(_json(book.messages[ID].state())), _row)})
        [row], _story = self.tell(
            f"{HEAD}/postsuper[2]: {ID}: released from hold", SIZED_OWN,
            attempt("joe@outside.example"), REMOVED, book=book, before=before)
        self.assertEqual((row.number, row.status, row.from_id), (1, "delivered", TAG))

    def test_a_refusal_after_it_was_replaced(self):
        [row], _story = self.tell(SUBMITTED, AUTHORED, NAMED, (
            f"{HEAD}/submission/cleanup[1]: {ID}: milter-reject: END-OF-MESSAGE from "
            f"laptop[192.0.2.7]: 5.7.1 Command rejected; from=<bounce+{TAG}@acme.example> "
            "to=<joe@outside.example> proto=ESMTP helo=<laptop>"))
        self.assertEqual((row.status, row.sender), ("rejected", "ann@acme.example"))

    def test_the_first_twenty_labels_count_and_of_two_the_first(self):
        pairs = [("n0", "first"), *((f"n{number}", number) for number in range(25))]
        labels = [label(f"{name}={value}", f"X-Emboux-Extra-{name}: {value}")
                  for name, value in pairs]
        [row], _story = self.tell(
            SUBMITTED, *labels, NAMED, SIZED, attempt("joe@outside.example"))
        self.assertEqual(json.loads(row.extra), {"n0": "first"} | {
            f"n{number}": str(number) for number in range(1, 20)})

    def test_what_an_earlier_version_has_written(self):
        state = Message(NOW, "laptop[192.0.2.7]", "ann@acme.example").state()
        del state["author"], state["extra"]
        known = Message.of(json.loads(_json(state)), _row)
        self.assertEqual((known.author, known.extra), ("", {}))


class TestPieces(LogCase):
    """However the lines come in pieces, and the reader is started anew between them."""

    def whole_log(self):
        texts = []
        for number in range(60):
            ident = f"{number:010X}"
            kind = number % 5
            session = f"s{number}"
            parts = {
                0: [SUBMITTED, NAMED, SIZED, TLS, attempt("joe@outside.example"), REMOVED],
                1: [BROUGHT, NAMED, SIZED_OUTSIDE,
                    stored("bob@rival.example", session), REMOVED,
                    FILED.replace("aB3+/x", session)],
                2: [SUBMITTED, NAMED, SIZED,
                    attempt("joe@outside.example", "deferred", "450 later", "4.7.1"), SIZED, TLS,
                    attempt("joe@outside.example"), REMOVED],
                3: [SUBMITTED, SIZED, f"{HEAD}/postsuper[2]: {ID}: placed on hold",
                    f"{HEAD}/postsuper[2]: {ID}: released from hold",
                    attempt("joe@outside.example", "bounced", "550 no", "5.1.1"), REMOVED],
                4: [FILED.replace("aB3+/x", session), BROUGHT, NAMED, SIZED_OUTSIDE,
                    stored("bob@rival.example", session), REMOVED],
            }[kind]
            texts.append([text.replace(ID, ident) for text in parts])
        # woven into one another, each in its own order
        chance, woven = random.Random(15), []
        while texts := [text for text in texts if text]:
            woven.append(chance.choice(texts[:9]).pop(0))
        return woven

    def play(self, pieces):
        """What is stored in the end: number to [status, attempts, events], and the bytes moved."""
        table, moved, numbers = {}, {}, iter(range(1, 10_000))
        messages, sessions, connections = {}, {}, {}
        for piece in pieces:
            book = Book({key: Message.of(state, _row) for key, state in messages.items()})
            told = Story(DOMAINS, {key: _half(state) for key, state in sessions.items()},
                         {key: tuple(value) for key, value in connections.items()})
            for event in self.events(*piece):
                message = book.enter(event)
                if type(event.what) in TOLD:
                    told.enter(event, message)
            for row in told.rows.values():
                if row.fresh:
                    row.number = next(numbers)
                    table[row.number] = {"events": [], "sender": row.message.sender}
                kept = table[row.number]
                kept["events"] += self.told(row)
                kept |= {"status": row.status, "attempts": row.attempts, "to": row.recipient}
                row.settle()
            for key, sums in book.moved.items():
                before = moved.get(key, [0, 0])
                moved[key] = [a + b for a, b in zip(before, sums, strict=True)]
            # as JSON keeps it
            messages = {key: message.state() for key, message in book.messages.items()}
            sessions = {key: _state_of(half) for key, half in told.sessions.items()}
            connections = told.connections
        rows = sorted(
            _json([row["sender"], row["status"], row["attempts"], row["to"],
                   sorted(map(_json, row["events"]))]) for row in table.values())
        return rows, moved, messages, sessions

    def test_the_totals_are_the_same(self):
        log = self.whole_log()
        whole = self.play([log])
        self.assertEqual(len(whole[0]), 60)
        self.assertEqual(whole[2:], ({}, {}), "nothing is under way at the end")
        chance = random.Random(42)
        for _ in range(30):
            cuts = sorted(chance.sample(range(len(log)), chance.randint(1, 40)))
            ends = [0, *cuts, len(log)]
            pieces = [log[a:b] for a, b in zip(ends, ends[1:], strict=False)]
            self.assertEqual(self.play(pieces), whole)
