# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import io
import re

import polib

from odoo.tests import tagged
from odoo.tools import file_path
from odoo.tools.translate import trans_export

from .portal_case import PortalCase

#: Where what a customer reads is written.
PORTAL = re.compile(
    r"arch_db:emboux_saas\.(portal_|login_)|static/src/portal/|/controllers/|"
    r"/models/(plan|customer|customer_billing|customer_portal|domain_plan|mailbox_plan|api_key)"
    r"\.py|mail\.template,(subject|body_html)"
)
TAGS = re.compile(r"</?\w+")
HOLES = re.compile(r"%\(\w+\)[sd]|%[sd]")


@tagged("post_install", "-at_install")
class TestPortalTerms(PortalCase):
    """The portal in another language."""

    def _terms(self):
        """What the code says to customers now."""
        with io.BytesIO() as buffer:
            trans_export(False, ["emboux_saas"], buffer, "po", self.env)
            found = polib.pofile(buffer.getvalue().decode())
        return {
            entry.msgid for entry in found
            if any(PORTAL.search(place) for place, _line in entry.occurrences)
            and not self._is_code(entry)
        }

    def _is_code(self, entry):
        """In a tuple the exporter takes a plain string before ``_()`` for a term too."""
        code = all(place.startswith("code:") for place, _line in entry.occurrences)
        return code and re.fullmatch(r"[a-z0-9_]+", entry.msgid)

    def test_german_is_complete(self):
        wanted = self._terms()
        self.assertGreater(len(wanted), 200)
        german = {e.msgid: e for e in polib.pofile(file_path("emboux_saas/i18n/de.po"))}
        missing = sorted(term for term in wanted
                         if term not in german or not german[term].translated())
        self.assertFalse(missing, "not in i18n/de.po")
        for term in wanted:
            self.assertEqual(sorted(HOLES.findall(term)),
                             sorted(HOLES.findall(german[term].msgstr)), term)
            self.assertEqual(TAGS.findall(term), TAGS.findall(german[term].msgstr), term)

    def test_the_template_is_complete(self):
        template = {e.msgid for e in polib.pofile(file_path("emboux_saas/i18n/emboux_saas.pot"))}
        self.assertFalse(sorted(self._terms() - template),
                         "export the template anew")

    def test_a_german_customer_reads_german(self):
        self.env["res.lang"]._activate_lang("de_DE")
        modules = ["emboux_saas", "emboux_mail_api", "emboux_core"]
        self.env["ir.module.module"]._load_module_terms(modules, ["de_DE"])
        self.acme.user.lang = "de_DE"
        self.log_in(self.acme)
        self.assertIn("Domain hinzufügen", self.text_of(self.url_open("/my/email")))
        at = f"/my/email/domains/{self.acme.domain.id}/mailboxes/new"
        faults = self.faults(at, local_part="", password="x", quota_mb="9999")
        self.assertEqual(faults["local_part"], "Bitte ausfüllen.")
        self.assertIn("anderes Passwort", faults["password"])
        faults = self.faults(at, local_part="bob", password="ein gutes 1", quota_mb="9999")
        self.assertIn("höchstens 1000 MB", faults["quota_mb"])
