"""What an add-on carries besides its code: licence, README, pictures."""

import re

import lxml.html
import polib
import pytest
from parts.odoo_code import PROJECT, manifest

ADDONS = ("emboux_core", "emboux_mail_api", "emboux_saas", "emboux_mass_mailing")
HEADER = """\
# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""
TRANSLATIONS = sorted(PROJECT.glob("emboux_*/i18n/*.po"))
addons = pytest.mark.parametrize("addon", ADDONS)


def words(text):
    """Without addresses and the numbers of lists, which a page has as markup."""
    text = re.sub(r"\\|https?://\S+|^\s*\d+\. ", " ", text, flags=re.MULTILINE)
    return " ".join(re.findall(r"[^\W_]+", text))


def paragraphs(text):
    """The words of each, without those of tables, whose order is another in each format."""
    for block in re.split(r"\n\s*\n", text):
        if not block.lstrip().startswith(("..", "|", "+")) and words(block):
            yield words(block)


def lacking(text, other):
    found = f" {words(other)} "
    return [block for block in paragraphs(text) if f" {block} " not in found]


@addons
def test_each_python_file_names_its_licence(addon):
    files = [path for path in (PROJECT / addon).rglob("*.py") if path.stat().st_size]
    assert [str(path) for path in files if not path.read_text().startswith(HEADER)] == []


@addons
def test_readme_is_generated_from_its_fragments(addon):
    """It is out of date otherwise: DEVELOPERS.md says how it is made."""
    fragments = "\n\n".join(path.read_text() for path in (PROJECT / addon / "readme").glob("*.md"))
    fragments = re.sub(r"!\[(.*?)\]\(.*?\)", r"\1", fragments)
    readme = (PROJECT / addon / "README.rst").read_text()
    template = (PROJECT / "setup/templates/readme.rst.jinja").read_text()
    facts = " ".join(str(value) for value in manifest(addon).values())
    titles = "Maturity: {development_status}. Licence: {license}.".format(**manifest(addon))
    assert lacking(fragments, readme) == []
    assert lacking(readme, f"{fragments} {template} {facts} {titles}") == []
    page = lxml.html.parse(PROJECT / addon / "static/description/index.html").getroot()
    assert lacking(readme, page.text_content()) == []


@addons
def test_the_pictures_of_a_manifest_are_there(addon):
    for name in ("static/description/icon.png", *manifest(addon).get("images", ())):
        assert (PROJECT / addon / name).read_bytes().startswith(b"\x89PNG"), name


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.parts[-3])
def test_what_is_translated_is_still_said(path):
    """By this add-on: Odoo looks for a sentence's translation in the one whose code says it."""
    [template] = path.parent.glob("*.pot")
    said = {entry.msgid for entry in polib.pofile(template)}
    assert [entry.msgid for entry in polib.pofile(path) if entry.msgid not in said] == []
