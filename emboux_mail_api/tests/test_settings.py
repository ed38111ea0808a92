# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re
from pathlib import Path

from odoo.tests import TransactionCase, tagged

from odoo.addons.emboux_core.settings import DECLARED

_READ_IN_SQL = re.compile(r"emboux_mail\.parameter\(\s*'([a-z_.]+)', (\d+)\)")


@tagged("post_install", "-at_install")
class TestSettings(TransactionCase):
    def test_sql_reads_declared_settings_with_the_same_default(self):
        sources = Path(__file__).parent.parent.rglob("*")
        texts = [path.read_text() for path in sources if path.suffix in (".sql", ".py")]
        found = [match for text in texts for match in _READ_IN_SQL.findall(text)]
        self.assertEqual(
            {key.partition(".")[2] for key, _default in found},
            {"warmup_start", "alias_destinations", "alias_depth", "spike_floor", "loop_limit",
             "held_days", "message_days"},
        )
        for key, default in found:
            self.assertEqual(int(default), DECLARED[key].default, key)
