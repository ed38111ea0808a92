"""One spelling of an address, for the look-ups, the counters and the loop brake.

``sql/address.sql`` says the same to Postfix and Dovecot.
"""

import re

import idna

# what nearly all addresses are made of: nothing to unquote, to encode or to take off
_PLAIN = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]+@[a-zA-Z0-9_.-]*[a-zA-Z0-9_-]")
_SPECIAL = re.compile(r'[\s"(),:;<>@\[\]\\]')  # RFC 5322 3.2.3: only within quotes
_QUOTED_PAIR = re.compile(r"\\(.)")
_TAG = re.compile(r"\+.*(?=@[^@]*$)")


def normal_address(text):
    """An address in lower case, its domain as A-label (RFC 5890) without a final dot.

    A local part in quotes that needs none loses them (RFC 5321 4.1.2), one that needs them, as
    Postfix gives it without, gets them.  Takes anything, as others have sent to it.
    """
    if _PLAIN.fullmatch(text):
        return text.lower()
    local, at, domain = text.rpartition("@")
    if not at:
        return text.lower()
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    if _SPECIAL.search(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local.lower()}@{normal_domain(domain)}"


def normal_domain(text):
    """A domain in lower case, as A-label where IDNA can say it, without a final dot."""
    text = text.removesuffix(".")
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except UnicodeError:  # each error of idna: nothing that is hosted or could be reached
            return text.lower()
    return text.lower()


def without_tag(address):
    """ann+shop@x is ann@x (``recipient_delimiter`` in main.cf); ``address`` is normal."""
    return _TAG.sub("", address, count=1) if "+" in address[1:] else address
