# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the index is asked for, of what somebody typed."""

import random
import re

from odoo.addons.emboux_core.tests.dns_server import PlainTest

from ..models.message_parts import pattern

SAMPLE = "\n".join(f"user{n % 7}@far{n}.example" for n in range(500))


def fits(like, text):
    """As ILIKE has it."""
    parts = re.findall(r"\\(.)|(%)|(_)|(.)", like, re.DOTALL)
    expression = "".join(
        ".*" if many else "." if one else re.escape(escaped or plain)
        for escaped, many, one, plain in parts)
    return re.fullmatch(expression, text, re.DOTALL | re.IGNORECASE) is not None


class TestMessageParts(PlainTest):
    def test_the_rarest_letters(self):
        for typed, wanted in (
            # neither what all have, nor letters that begin a word with less than three
            ("@zoe.example", "%zoe.%"), ("user1@zoe.ex", "%er1@%zoe.%"),
            ("@example.com", "%le.%com%"), ("@example", "%exampl%"),
            ("zoe+list@far", "%zoe+%list%"),
            ("far", "%far%"), ("@far", "%far%"), ("zo", "%zo%"), ("@z.", "%@z.%"), ("", "%%"),
            ("100%", r"%100\%%"), ("_zo_", r"%zo\_%"), ("\\", r"%\\%"),
        ):
            self.assertEqual(pattern(typed, SAMPLE), wanted, typed)

    def test_no_more_than_a_few(self):
        self.assertLess(len(pattern("supercalifragilistic@expialidocious.example", SAMPLE)), 20)

    def test_whatever_has_the_whole_fits(self):
        chance = random.Random(1)
        for _try in range(3000):
            typed = "".join(chance.choices("abjoeABJOE12@.-_%\\+ Éé", k=chance.randrange(12)))
            sample = "".join(chance.choices("abjoe12@.-_é\n", k=200))
            text = "".join(chance.choices("ab1@.", k=3)) + typed.swapcase() + "x"
            self.assertTrue(fits(pattern(typed, sample), text), (typed, sample))
            self.assertTrue(fits(pattern(typed, ""), text), typed)
