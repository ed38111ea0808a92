# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One spelling of an address, for the look-ups, the counters and the loop brake.

What Postfix asks about is spelt as ``emboux_core.addresses.normalise_reported`` spells what others
report, which the suppression list holds; ``sql/address.sql`` says the same to Postfix and Dovecot.
That module is not used here, because the daemon loads no other add-on; the tests compare both.
"""

import re
import unicodedata

import idna

# what nearly all addresses are made of: nothing to unquote, to encode or to take off
_is_plain = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]+@[a-zA-Z0-9_.-]*[a-zA-Z0-9_-]").fullmatch
_SPECIAL = re.compile(r'[\s"(),:;<>@\[\]\\]')  # RFC 5322 3.2.3: only within quotes
_TAG = re.compile(r"\+.*(?=@[^@]*$)")


def normal_address(text):
    """An address in lower case, its domain as A-label (RFC 5890) without a final dot.

    A local part in quotes that needs none loses them (RFC 5321 4.1.2), one that needs them, as
    Postfix gives it without, gets them.  Takes anything, as others have sent to it.
    """
    if _is_plain(text):
        return text.lower()
    local, at, domain = text.rpartition("@")
    if not at:
        return text.lower()
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", _unquoted(local)).lower())
    if _SPECIAL.search(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local}@{normal_domain(domain)}"


def normal_domain(text):
    """A domain in lower case, without a final dot; each label that IDNA can say as A-label."""
    if text.isascii():
        return text.removesuffix(".").lower()
    try:
        text = idna.uts46_remap(text, std3_rules=False, transitional=False)
    except UnicodeError:
        text = unicodedata.normalize("NFC", text.lower())
    return ".".join(map(_label, text.removesuffix(".").split("."))).lower()


def without_tag(address):
    """ann+shop@x is ann@x (``recipient_delimiter`` in main.cf); ``address`` is normal."""
    return _TAG.sub("", address, count=1) if "+" in address[1:] else address


def _label(text):
    try:
        return text if text.isascii() else idna.alabel(text).decode("ascii")
    except UnicodeError:  # each error of idna: nothing that is hosted or could be reached
        return text


def _unquoted(local):
    """A local part without its quotes; one whose quotes are not in order stands for itself."""
    content, quoted, escaped = [], False, False
    for char in local:
        if escaped:
            content.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        else:
            content.append(char)
    return local if quoted or escaped else "".join(content)
