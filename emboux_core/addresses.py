# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Domain names and mail addresses, normalised at the border.

Everything that comes from a form, a file or the REST API passes here once; behind it a domain is
always a lower-case A-label (``xn--...``) without trailing dot, and an address is always lower-case
ASCII. RFC 1035 (lengths), RFC 1123 (host names), RFC 5321/5322 (addresses), RFC 5891-5893 and
UTS #46 (international names).
"""

import ipaddress
import re
import unicodedata
from contextlib import suppress

import idna

MAX_DOMAIN = 253  # RFC 1035 2.3.4: 255 octets on the wire are 253 in text
MAX_LABEL = 63
MAX_LOCAL_PART = 64  # RFC 5321 4.5.3.1.1
MAX_ADDRESS = 254  # RFC 5321 4.5.3.1.3: a path of 256 octets holds "<" and ">"
MAX_DESTINATIONS = 100

_WHITE_SPACE = " \t\r\n\u00a0\u3000"  # what copy and paste leaves at either end
_MAX_INPUT = 1000  # nothing longer can be valid; keeps the IDNA tables from long work
_LDH = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]")  # RFC 5322 3.2.3, and the dot
# Code points that nobody sees and that UTS #46 would drop without a word. The joiners U+200C and
# U+200D are not here: IDNA knows in which words they are legitimate.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_JOINERS = "\u200c\u200d"


class AddressError(ValueError):
    """An unusable name or address; ``str()`` is one sentence for a person."""


def normalise_domain(text: str) -> str:
    """Return the A-label of a domain: lower-case ASCII, no trailing dot.

    Accepts Unicode, mixed case, white space around and one trailing dot. RFC 5891 (non-transitional
    UTS #46 mapping first), RFC 1035 and RFC 1123.

    :raises AddressError: names the fault.
    """
    if not isinstance(text, str):
        raise AddressError(f"{text!r} is not text: give a domain name such as example.com.")
    stripped = text.strip(_WHITE_SPACE)
    quoted = _quote(text)
    if not stripped:
        raise AddressError("The domain name is empty: give one such as example.com.")
    if len(stripped) > _MAX_INPUT:
        raise AddressError(f"The domain name {quoted} is longer than {MAX_DOMAIN} characters.")
    _refuse_invisible(stripped, f"The domain name {quoted}")
    try:
        mapped = idna.uts46_remap(stripped, std3_rules=False, transitional=False)
    except UnicodeError as error:
        raise AddressError(
            f"The domain name {quoted} contains a character that domain names cannot have."
        ) from error
    mapped = mapped.removesuffix(".")
    _refuse_other_things(mapped, quoted)
    labels = mapped.split(".")
    if "" in labels:
        raise AddressError(f"The domain name {quoted} has an empty part: two dots or one in front.")
    if len(labels) < 2:
        raise AddressError(
            f"The domain name {quoted} has one part only: give a name below a top-level domain, "
            "such as example.com."
        )
    encoded = [_encode_label(label, quoted) for label in labels]
    _refuse_bidi_mix(encoded, quoted)
    if encoded[-1].isdigit():
        raise AddressError(
            f"The domain name {quoted} ends in a number, which no top-level domain does."
        )
    name = ".".join(encoded)
    if len(name) > MAX_DOMAIN:
        raise AddressError(
            f"The domain name {quoted} has {len(name)} characters in its ASCII form, "
            f"at most {MAX_DOMAIN} are possible."
        )
    return name


def display_domain(alabel: str) -> str:
    """Return the Unicode form of an A-label for people; the A-label itself if it has none."""
    try:
        return ".".join(
            idna.ulabel(label) if label.startswith("xn--") else label for label in alabel.split(".")
        )
    except UnicodeError:  # every error of idna: not an A-label, so it is shown as stored
        return alabel


def normalise_local_part(text: str, plus: bool = False) -> str:
    """Return the part before the @ in lower case: a dot-atom of at most 64 octets (RFC 5321 4.1.2).

    :param plus: allow "+"; off for mailboxes and aliases, on for destinations elsewhere.
    :raises AddressError: names the fault.
    """
    if not isinstance(text, str):
        raise AddressError(f"{text!r} is not text: give the part before the @, such as info.")
    what = f"The part before the @, {_quote(text)},"
    if not text:
        raise AddressError("The part before the @ is empty: give one such as info.")
    if '"' in text or "\\" in text:
        raise AddressError(
            f"{what} is a quoted string, which is not supported: use letters, digits, "
            "dots and hyphens."
        )
    if any(char.isspace() for char in text):
        raise AddressError(f"{what} contains white space: leave it out.")
    _refuse_invisible(text, what)
    if not text.isascii():
        raise AddressError(
            f"{what} contains letters outside ASCII, which are not supported before the @: "
            "use a to z, digits, dots and hyphens."
        )
    for char in text:
        if not _ATEXT.fullmatch(char):
            raise AddressError(f'{what} contains "{char}", which an address cannot have there.')
    if len(text) > MAX_LOCAL_PART:
        raise AddressError(
            f"{what} has {len(text)} characters, at most {MAX_LOCAL_PART} are possible."
        )
    if text.startswith(".") or text.endswith(".") or ".." in text:
        raise AddressError(
            f"{what} begins or ends with a dot or has two in a row: put dots between "
            "other characters only."
        )
    if text.startswith("-"):
        raise AddressError(
            f"{what} begins with a hyphen, to which mail servers deliver nothing: begin it with a "
            "letter or a digit."
        )
    if "+" in text and not plus:
        raise AddressError(
            f'{what} contains "+": what follows it is a tag that reaches the same mailbox, '
            "so create the address without it."
        )
    return text.lower()


def split_address(text: str) -> tuple[str, str]:
    """Return (local part, domain) of an address, split at its last @ and otherwise untouched.

    :raises AddressError: no @, or nothing on one side of it.
    """
    if not isinstance(text, str):
        raise AddressError(f"{text!r} is not text: give an address such as info@example.com.")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError(
            f"The address {_quote(text)} has no @: give one such as info@example.com."
        )
    if not local or not domain:
        side = "before" if not local else "after"
        raise AddressError(f"The address {_quote(text)} has nothing {side} the @.")
    return local, domain


def normalise_address(text: str, plus: bool = False) -> str:
    """Return ``local@domain``, both normalised, at most 254 octets (RFC 5321 4.5.3.1.3).

    White space around the whole address is dropped.

    :param plus: allow "+" before the @, see :func:`normalise_local_part`.
    :raises AddressError: names the fault.
    """
    if isinstance(text, str):
        text = text.strip(_WHITE_SPACE)
        if not text:
            raise AddressError("The address is empty: give one such as info@example.com.")
        if "<" in text or ">" in text:
            raise AddressError(
                f"The address {_quote(text)} has angle brackets: give the address alone, "
                "without a name and without < and >."
            )
    local, domain = split_address(text)
    address = f"{normalise_local_part(local, plus)}@{normalise_domain(domain)}"
    if len(address) > MAX_ADDRESS:
        raise AddressError(
            f"The address {_quote(text)} has {len(address)} characters, "
            f"at most {MAX_ADDRESS} are possible."
        )
    return address


def display_address(address: str) -> str:
    """Return a normalised address with its domain in Unicode, for people."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{display_domain(domain)}"


def normalise_reported(text: str) -> str:
    """Return the one spelling of an address that mail was sent to, as others report it.

    For bounces, complaints and the suppression list.  Nothing is refused for its form: a server
    that had mail for ``ab..cd@docomo.example`` or ``y@my_host.example`` can say that it wants no
    more of it.  What is created here goes through :func:`normalise_address` instead, whose
    results this function leaves as they are; its own results too.

    - A display name, a comment at the end, angle brackets and a source route go (RFC 5322 3.4,
      4.4; RFC 5321 4.1.2).
    - The domain is in lower case, without final dot; each label that IDNA can encode is an
      A-label, the others stay as they are, such as ``my_host``.
    - The local part is in lower case (NFC) and without quotes where its characters need none:
      ``"ab..cd"@x`` is ``ab..cd@x``.  Otherwise it is quoted, with a backslash before ``"`` and
      ``\\`` alone, also where it came without quotes, as mail servers hold it inside.
    - A tag after ``+`` stays: whoever looks an address up asks for it without its tag too.

    :param text: what stood in the report; white space around it does not matter.
    :raises AddressError: there is no address in it: no @, nothing on one side of it, a control
        character, or more than 1000 octets.
    """
    if not isinstance(text, str):
        raise AddressError(f"{text!r} is not text: give an address such as info@example.com.")
    text = text.strip(_WHITE_SPACE)
    if len(text.encode(errors="surrogatepass")) > _MAX_INPUT:
        raise AddressError(f"The address {_quote(text)} is longer than {_MAX_INPUT} characters.")
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs"):
            raise AddressError(
                f"The address {_quote(text)} contains the invisible character U+{ord(char):04X}."
            )
    local, domain = split_address(_without_name(text))
    domain = _reported_domain(domain)
    content = _unquoted(local.strip(_WHITE_SPACE))
    content = unicodedata.normalize("NFC", unicodedata.normalize("NFC", content).lower())
    if not content or not domain:
        raise AddressError(f"The address {_quote(text)} has nothing on one side of the @.")
    if not all(_ATEXT.fullmatch(c) or not (c.isascii() or c.isspace()) for c in content):
        content = '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'
    return f"{content}@{domain}"


def reported_without_tag(address: str) -> str:
    """Return what stops mail to an address of :func:`normalise_reported` by its base.

    ``anna+shop@x`` is ``anna@x``; an address without tag, or with nothing before it, is itself.
    """
    local, _at, domain = address.rpartition("@")
    base = _unquoted(local).partition("+")[0]
    if not base or "+" not in local:
        return address
    quoted = re.sub(r'(["\\])', r"\\\1", base)
    return normalise_reported(f'"{quoted}"@{domain}')


def _without_name(text: str) -> str:
    """The bare address out of what a header field or an SMTP command may hold."""
    if text.endswith(")"):
        text = re.sub(r"\s*\([^()]*\)$", "", text)
    if text.endswith(">"):
        quoted, start, at = False, None, 0
        while at < len(text):
            if text[at] == "\\":
                at += 1
            elif text[at] == '"':
                quoted = not quoted
            elif text[at] == "<" and not quoted:
                start = at
            at += 1
        # unclosed quotes, or brackets within them: the last bracket counts
        start = text.rfind("<") if start is None else start
        text = text[start + 1 : -1].strip(_WHITE_SPACE)
    if text.startswith("@") and ":" in text:
        text = text.partition(":")[2]
    return text


def _unquoted(local: str) -> str:
    """A local part without its quotes; unchanged if they are malformed."""
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


def _reported_domain(text: str) -> str:
    name = text.strip(_WHITE_SPACE)
    with suppress(AddressError):
        return normalise_domain(name)
    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except UnicodeError:
        mapped = ""
    # what would be another address, such as with a full-width @, is left as it is
    name = mapped if mapped and "@" not in mapped else unicodedata.normalize("NFC", name.lower())
    labels = []
    for label in name.rstrip(".").split("."):
        try:
            labels.append(idna.alabel(label).decode("ascii") if not label.isascii() else label)
        except UnicodeError:
            labels.append(label)
    return ".".join(labels).lower()


def parse_destinations(text: str) -> tuple[str, ...]:
    """Return the addresses of a list that a person typed: one per line, commas or semicolons.

    Each is normalised with "+" allowed; duplicates go, the order stays.

    :raises AddressError: names the bad address, an empty list, or more than 100 addresses.
    """
    if not isinstance(text, str):
        raise AddressError(f"{text!r} is not text: give addresses, one per line.")
    found: dict[str, None] = {}
    for part in re.split(r"[\n\r,;]", text):
        if part.strip(_WHITE_SPACE):
            found[normalise_address(part, plus=True)] = None
        if len(found) > MAX_DESTINATIONS:
            raise AddressError(
                f"The list has more than {MAX_DESTINATIONS} destinations: "
                "split it into several aliases."
            )
    if not found:
        raise AddressError("The list of destinations is empty: give at least one address.")
    return tuple(found)


def _refuse_other_things(name: str, quoted: str) -> None:
    """Refuse what people paste instead of a domain, each with its own sentence."""
    if "://" in name or "/" in name:
        raise AddressError(f"{quoted} is a URL: give the domain name alone, without http:// or /.")
    if "@" in name:
        raise AddressError(f"{quoted} is a mail address: give the part after the @ alone.")
    if "*" in name:
        raise AddressError(f"{quoted} is a wildcard: give one domain name without *.")
    if _is_ip_address(name.strip("[]").removeprefix("ipv6:")):
        raise AddressError(f"{quoted} is an IP address: give a domain name.")
    for char in name:
        if char.isascii() and not (char.isalnum() or char in "-."):
            raise AddressError(
                f'The domain name {quoted} contains "{char}": letters, digits, hyphens and dots '
                "only are possible."
            )


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _encode_label(label: str, quoted: str) -> str:
    """Return one label as ASCII after the checks of RFC 1123 and RFC 5891."""
    if label.startswith("-") or label.endswith("-"):
        raise AddressError(
            f"The domain name {quoted} has a part that begins or ends with a hyphen."
        )
    if len(label) > MAX_LABEL:
        raise AddressError(
            f"The domain name {quoted} has a part of more than {MAX_LABEL} characters."
        )
    if label.isascii() and not label.startswith("xn--"):
        # Not through idna: it refuses hyphens in 3rd and 4th place, which hosts do have.
        if _LDH.fullmatch(label):
            return label
        raise AddressError(f'The domain name {quoted} has a part that is not valid: "{label}".')
    try:
        encoded = idna.alabel(label).decode("ascii")
        round_trip = idna.alabel(idna.ulabel(encoded)).decode("ascii")
    except idna.IDNABidiError as error:
        raise AddressError(
            f"The domain name {quoted} mixes letters written from left to right and from right "
            "to left in a way that RFC 5893 does not allow."
        ) from error
    except UnicodeError as error:
        raise AddressError(
            f'The domain name {quoted} has a part that is not valid in IDNA: "{label}" ({error}).'
        ) from error
    if encoded != round_trip:  # not every release of idna checks this itself
        raise AddressError(
            f'The domain name {quoted} has a part that is no valid A-label: "{label}".'
        )
    return encoded


def _refuse_bidi_mix(labels: list[str], quoted: str) -> None:
    """Apply the Bidi rule to every label as soon as one is right-to-left (RFC 5893 section 1.4)."""
    decoded = [idna.ulabel(label) if label.startswith("xn--") else label for label in labels]
    if not any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in "".join(decoded)):
        return
    try:
        for label in decoded:
            idna.check_bidi(label, check_ltr=True)
    except UnicodeError as error:
        raise AddressError(
            f"The domain name {quoted} mixes parts written from left to right and from right to "
            "left in a way that RFC 5893 does not allow."
        ) from error


def _refuse_invisible(text: str, what: str) -> None:
    for char in text:
        hidden = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") or _INVISIBLE.match(
            char
        )
        if hidden and char not in _JOINERS:
            raise AddressError(
                f"{what} contains the invisible character U+{ord(char):04X}: type it again by hand."
            )


def _quote(text: str) -> str:
    """Quote what was typed, short and with invisible characters made visible."""
    shown = text if len(text) <= 80 else text[:77] + "..."
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown) + '"'
