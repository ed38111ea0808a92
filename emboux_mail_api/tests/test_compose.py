# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``email`` reads from a composed message is what the request said."""

import email
import email.policy
import smtplib
import string
from datetime import UTC, datetime
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..sending import submit
from ..sending.compose import Attachment, ComposeError, Draft, compose

NOW = datetime(2026, 11, 26, 3, 5, tzinfo=UTC)
#: Anything that people write in a line, and may write into a text.
LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf", "Co", "Cn")),
               max_size=120)
NAME = LINE.map(lambda text: " ".join(text.split()))
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0\x0b\x0c\x1c\x1d"
                             "\x1e\x85\u2028\u2029"), min_size=1, max_size=400)
LOCAL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
TOKEN = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20)


def read(composed):
    return email.message_from_bytes(composed.raw, policy=email.policy.default)


def spaces(text):
    """White space of a header is folded and unfolded (RFC 5322, 2.2.3)."""
    return " ".join(text.split())


class TestCompose(PlainTest):
    def draft(self, **values):
        return Draft(**({"sender": "ann@acme.example", "to": ["joe@outside.example"],
                         "text": "Hello.\n"} | values))

    @settings(max_examples=150, deadline=None)
    @given(LINE, NAME, TEXT, st.one_of(st.just(""), TEXT))
    def test_what_is_written_is_what_is_read(self, subject, name, text, html):
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        composed = compose(self.draft(
            subject=subject, sender=f'"{quoted}" <ann@acme.example>', text=text, html=html), NOW)
        got = read(composed)
        self.assertEqual(spaces(got["Subject"]), spaces(subject))
        self.assertEqual(got["From"].addresses[0].addr_spec, "ann@acme.example")
        self.assertEqual(spaces(got["From"].addresses[0].display_name), spaces(name))
        for kind, body in (("plain", text), *([("html", html)] if html else ())):
            there = got.get_body((kind,)).get_content().replace("\r\n", "\n")
            self.assertEqual(there.removesuffix("\n"), body.removesuffix("\n"))
        self.assertEqual(got.defects, [])

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(LINE.filter(str.strip), st.binary(max_size=300), st.booleans()),
                    max_size=4))
    def test_attachments(self, files):
        attachments = [
            Attachment(name, content, "image/png", f"cid{at}@x" if inline else "")
            for at, (name, content, inline) in enumerate(files)]
        got = read(compose(self.draft(html="<p>x</p>", attachments=attachments), NOW))
        parts = [part for part in got.walk() if part.get_content_disposition()]
        found = {(spaces(part.get_filename()), part.get_content(),
                  (part["Content-ID"] or "").strip("<>")) for part in parts}
        self.assertEqual(found, {
            (spaces(each.name), each.content, each.content_id) for each in attachments})

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(NAME, LOCAL), min_size=1, max_size=8), TOKEN, LINE)
    def test_recipients_and_headers(self, people, name, value):
        to = [f'"{each.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}" '
              f"<{local}@outside.example>" for each, local in people]
        composed = compose(self.draft(to=to, headers={f"X-{name}": value}), NOW)
        got = read(composed)
        self.assertEqual([each.addr_spec for each in got["To"].addresses],
                         [f"{local}@outside.example" for _each, local in people])
        self.assertEqual(spaces(got[f"X-{name}"]), spaces(value))
        self.assertEqual(composed.recipients, tuple(dict.fromkeys(
            f"{local}@outside.example" for _each, local in people)))

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(("subject", "message_id", "in_reply_to", "sender", "to", "headers",
                            "file", "cid")),
           st.text("\r\n\0\x0b\x1f\x7f", min_size=1, max_size=2), LINE, LINE)
    def test_no_line_is_smuggled_into_the_head(self, where, ends, before, after):
        bad = f"{before}{ends}Bcc: eve@evil.example{after}"
        values = {
            "to": {"to": [f"joe@outside.example{bad}"]}, "headers": {"headers": {"X-A": bad}},
            "file": {"attachments": [Attachment(bad, b"x")]},
            "cid": {"html": "x", "attachments": [Attachment("x", b"x", content_id=bad)]},
        }.get(where, {where: bad})
        with self.assertRaises(ComposeError):
            compose(self.draft(**values), NOW)

    def test_a_long_url_in_a_header_stays_whole(self):
        url = f"<https://acme.example/{'u' * 700}>"
        raw = compose(self.draft(headers={"List-Unsubscribe": url}), NOW).raw
        self.assertIn(url.encode(), raw)
        self.assertTrue(all(len(line) <= 998 for line in raw.split(b"\r\n")))

    def test_many_recipients_keep_to_the_length_of_lines(self):
        to = [f"Person Number {n} <person{n}@outside.example>" for n in range(100)]
        raw = compose(self.draft(to=to, references=[f"<{n}@x.example>" for n in range(100)]),
                      NOW).raw
        self.assertTrue(all(len(line) <= 998 for line in raw.split(b"\r\n")))

    def test_international_domains(self):
        composed = compose(self.draft(to=["joe@bücher.example"]), NOW)
        self.assertEqual(composed.recipients, ("joe@xn--bcher-kva.example",))
        with self.assertRaises(ComposeError):
            compose(self.draft(to=["jöe@outside.example"]), NOW)

    def test_what_is_seven_bit_stays_so(self):
        composed = compose(self.draft(text="Grüße\n" * 50, html="<p>Grüße</p>"), NOW)
        self.assertTrue(composed.raw.isascii())

    def test_lines_of_attachments_are_short(self):
        content = bytes(range(256)) * 1000
        raw = compose(self.draft(attachments=[
            Attachment("a.bin", content), Attachment("b.bin", content[:57]),
            Attachment("c.bin", b"")]), NOW).raw
        self.assertTrue(all(len(line) <= 78 for line in raw.partition(b"\r\n\r\n")[2].split(
            b"\r\n") if not line.startswith(b"Content-")))
        got = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual([part.get_content() for part in got.iter_attachments()],
                         [content, content[:57], b""])

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.sampled_from([b".", b"..", b"x", b"\r\n", b"\r\n.", b"." * 70, b"y" * 90])),
           st.integers(3, 40))
    def test_what_follows_data(self, pieces, size):
        """In pieces it is what smtplib sends as a whole."""
        raw = b"".join(pieces)
        whole = smtplib._quote_periods(raw)
        whole += b".\r\n" if whole.endswith(b"\r\n") or not whole else b"\r\n.\r\n"
        with patch.object(submit, "PIECE", size):
            self.assertEqual(b"".join(submit.stuffed(raw)), whole)
