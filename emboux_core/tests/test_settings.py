# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re
from decimal import Decimal

from odoo.exceptions import ValidationError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import file_open

from .. import settings
from ..settings import DECLARED, Setting
from .setting_case import store_parameter

KEY = "emboux_core.test"


@tagged("post_install", "-at_install")
class TestSettings(TransactionCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(DECLARED.pop, KEY, None)
        self.addCleanup(settings._WARNED.clear)
        self.parameters = self.env["ir.config_parameter"].sudo()

    def test_good_values_are_read_as_what_they_are(self):
        for kind, default, text, value in (
            (int, 3, "0", 0), (int, 3, "50", 50), (float, 3, "1e1", 10.0), (float, 3, "2.5", 2.5),
            (Decimal, "0.5", "0.1", Decimal("0.1")), (bool, True, "False", False),
            (bool, False, "True", True), (bool, False, "1", True), (bool, True, "false", False),
            (str, "", "any words", "any words"),
            (settings.name_servers, "system", "192.0.2.1,[2001:db8::53]:54, ns.example:55",
             (("192.0.2.1", 53), ("2001:db8::53", 54), ("ns.example", 55))),
        ):  # fmt: skip
            with self.subTest(kind=kind, text=text):
                setting = Setting(KEY, kind, default, "", maximum=50)
                self.parameters.set_param(KEY, text)
                self.assertEqual(setting.read(self.env), value)
                self.assertIs(type(setting.read(self.env)), type(value))

    def test_without_one_the_default_counts(self):
        for kind, default, value in (
            (int, 3, 3), (float, 3, 3.0), (Decimal, "0.5", Decimal("0.5")), (bool, True, True),
            (bool, False, False), (str, "", ""), (settings.name_servers, "system", ()),
        ):  # fmt: skip
            for text in (None, "", " \n"):
                with self.subTest(kind=kind, text=text):
                    setting = Setting(KEY, kind, default, "")
                    self.parameters.set_param(KEY, False)
                    if text is not None:
                        store_parameter(self.env, KEY, text)
                    self.assertEqual(setting.read(self.env), value)

    def test_what_cannot_be_read_is_refused_and_where_it_is_stored_the_default_counts(self):
        for kind, default, choices, texts in (
            (int, 30, (), ("x", "29", "51", "-1", "30.5", "1_000", " 30", "1" * 5000)),
            (float, 30, (), ("x", "nan", "inf", "29.9", "51", "-1e1")),
            (Decimal, "30", (), ("x", "nan", "sNaN", "-Infinity", "1e99", "29.99")),
            (bool, True, (), ("no", "2", "FALSE")),
            (str, "keep", ("keep", "drop"), ("Keep", "burn", "keep ")),
            (settings.name_servers, "system", ("system",), (",", "a:b", "ns.example:99999", "[::")),
        ):
            settings._WARNED.clear()
            setting = Setting(KEY, kind, default, "", 30, 50, choices)
            self.parameters.search([("key", "=", KEY)]).unlink()
            known = self.parameters.create({"key": KEY, "value": str(default)})
            for text in texts:
                with self.subTest(kind=kind, text=text[:20]):
                    with self.assertRaisesRegex(ValidationError, f"{KEY} .*{default}"):
                        self.parameters.set_param(KEY, text)
                    with self.assertRaisesRegex(ValidationError, KEY):
                        known.write({"value": text})
            for text in {text.strip() for text in texts} - {"30", "keep"}:
                with self.subTest(kind=kind, stored=text[:20]):
                    store_parameter(self.env, KEY, text)
                    with self.assertLogs(settings.__name__, "WARNING") as logs:
                        self.assertEqual(setting.read(self.env), setting.parse(str(default)))
                        setting.read(self.env)
                    self.assertEqual(len(logs.output), 1, "once is enough")
                    self.assertIn(KEY, logs.output[0])

    def test_bounds_are_said(self):
        Setting(KEY, int, 7, "", 1, 9)
        with self.assertRaisesRegex(ValidationError, "from 1 to 9.* default is 7"):
            self.parameters.set_param(KEY, "10")
        other = self.parameters.create({"key": "other.key", "value": "10"})
        with self.assertRaisesRegex(ValidationError, "from 1 to 9"):
            other.key = KEY

    def test_anybody_reads_what_counts(self):
        user = new_test_user(self.env, "nobody.settings", groups="base.group_public")
        setting = Setting(KEY, int, 7, "")
        self.parameters.set_param(KEY, "8")
        self.assertEqual(setting.read(self.env(user=user)), 8)

    def test_parameters_of_others_are_not_looked_at(self):
        self.parameters.set_param("other.number", "x")
        self.assertEqual(self.parameters.get_param("other.number"), "x")

    def test_each_is_documented_with_its_default(self):
        """CONFIGURE.md has the rows below; where one is wrong, the failure says the right one."""
        for addon in {key.partition(".")[0] for key in DECLARED}:
            with file_open(f"{addon}/readme/CONFIGURE.md") as source:
                rows = re.findall(rf"^\| `{addon}.*", source.read(), re.MULTILINE)
            self.assertEqual(
                rows, [row(s) for key, s in DECLARED.items() if key.startswith(f"{addon}.")]
            )


def row(setting):
    allowed = ", ".join(setting.choices)
    if setting.kind is bool:
        allowed = "True, False"
    elif setting.kind is not str and not allowed:
        allowed = f"{setting.minimum} to {setting.maximum}"
    return f"| `{setting.key}` | {setting.default} | {allowed} | {setting.help} |"
