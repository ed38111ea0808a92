# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Which of a mailbox' folders is of which kind: Dovecot's own configuration says it.

A folder below another is of that one's kind (Trash/2019 is trash), except below the inbox: people
keep what matters to them there, so it is ``other``.
"""

import re
from dataclasses import dataclass, field

KINDS = {"sent": "sent", "drafts": "drafts", "archive": "archive", "trash": "trash",
         "junk": "junk"}
INBOX, OTHER = "inbox", "other"
_OPEN = re.compile(r"(namespace|mailbox)\s+(.+?)\s*\{$")
_SETTING = re.compile(r"(\w+)\s*=\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as Dovecot names it, with the id that stays its own when it is renamed."""

    name: str
    guid: str
    messages: int = 0


@dataclass(slots=True)
class Namespace:
    prefix: str = ""
    separator: str = ""
    is_private: bool = True
    has_inbox: bool = False
    kinds: dict = field(default_factory=dict)  # folder name, without the prefix, to kind


class Layout:
    """``namespaces``: those of the configuration; ``separator``: where they name none."""

    def __init__(self, namespaces, separator):
        self._namespaces = sorted(namespaces, key=lambda n: len(n.prefix), reverse=True)
        self._separator = separator

    def kind(self, name):
        """The kind of a folder; None for what is not the mailbox' own, such as a shared one."""
        space = self._space_of(name)
        if space is None or not space.is_private:
            return None
        if name.upper() == "INBOX":
            return INBOX
        separator = space.separator or self._separator
        own = name.removeprefix(space.prefix)
        while own:
            if own in space.kinds:
                return space.kinds[own]
            own = own.rpartition(separator)[0]
        return OTHER

    def _space_of(self, name):
        if name.upper() == "INBOX":
            return next((n for n in self._namespaces if n.has_inbox), None)
        return next((n for n in self._namespaces if name.startswith(n.prefix)), None)


def parse(text):
    """The layout in what ``doveconf mail_location mail_driver namespace`` prints.

    Dovecot 2.3 knows the first, 2.4 the second; what one does not know it passes over in silence.

    :raises ValueError: there is no namespace with an inbox, or neither setting is known.
    """
    namespaces, mail, space, mailbox = [], {}, None, None
    for line in map(str.strip, text.splitlines()):
        if opened := _OPEN.match(line):
            what, name = opened.groups()
            if what == "namespace":
                space = Namespace()
                namespaces.append(space)
            else:
                mailbox = _plain(name)
        elif line == "}":
            space, mailbox = (space, None) if mailbox is not None else (None, None)
        elif found := _SETTING.match(line):
            name, value = found[1], _plain(found[2])
            if space is None:
                mail[name] = value
            elif mailbox is None:
                _set(space, name, value)
            elif name == "special_use":
                for use in value.lower().replace("\\", " ").split():
                    if use in KINDS:
                        space.kinds[mailbox] = KINDS[use]
    if not any(n.has_inbox for n in namespaces):
        raise ValueError("Dovecot's configuration has no namespace with an inbox")
    if not mail:
        raise ValueError("Dovecot says neither mail_location nor mail_driver")
    # Dovecot's defaults: Maildir++ has dots, all else has slashes
    location = mail.get("mail_location") or mail.get("mail_driver", "") + ":"
    dots = location.startswith("maildir:") and "LAYOUT=fs" not in location
    return Layout(namespaces, "." if dots else "/")


def _set(space, name, value):
    if name == "prefix":
        space.prefix = value
    elif name == "separator":
        space.separator = value
    elif name == "type":
        space.is_private = value == "private"
    elif name == "inbox":
        space.has_inbox = value == "yes"


def _plain(value):
    """Without the quotes in which Dovecot prints what has blanks in it."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value
