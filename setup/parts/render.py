"""Templates: files with ``@WORD@`` in them, so that configuration is read as configuration.

The same ones make the demo and a real host; what differs is in the words, and what the demo has
besides is in ``templates/demo``, which is put behind.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from . import system

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
WORD = re.compile(r"@([A-Z][A-Z0-9_]*)@")


@dataclass(frozen=True)
class File:
    """A file of a program's configuration, and of which templates it is made, one behind the other.

    ``name``: in the program's folder.  ``owner``: ``user:group``, set through root; None leaves the
    file yours.
    """

    name: str
    templates: tuple[str, ...]
    values: dict
    mode: str = "644"
    owner: str | None = "root:root"

    def text(self):
        """The content, with each ``@WORD@`` replaced; a word without a value is an error."""
        text = "".join((TEMPLATES / template).read_text() for template in self.templates)
        unknown = set(WORD.findall(text)) - set(self.values)
        if unknown:
            raise KeyError(f"{' and '.join(self.templates)} wants {', '.join(sorted(unknown))}")
        return WORD.sub(lambda match: str(self.values[match[1]]), text)

    def write(self, folder):
        """Write it into the folder; returns whether it changed."""
        return _write(folder / self.name, self.text(), self.mode, self.owner)


def render(template, target, values, mode="644", owner=None):
    """Write ``templates/<template>`` to ``target`` with each ``@WORD@`` replaced.

    A word without a value is an error.  ``owner`` (``user:group``) is set through root.
    Returns whether the file changed.
    """
    target = Path(target)
    return File(target.name, (template,), values, mode, owner).write(target.parent)


def _write(target, text, mode, owner):
    if owner is None:
        changed = not target.exists() or target.read_text() != text
        if changed:
            target.touch(mode=int(mode, 8))
            target.write_text(text)
        target.chmod(int(mode, 8))
        return changed
    # written where only its readers may look from the first byte on
    current = system.run(system.as_root(["sh", "-c", 'cat "$0" 2>/dev/null || true', str(target)]))
    if current == text:
        return False
    user, group = owner.split(":")
    system.run(system.as_root(
        ["install", "-m", mode, "-o", user, "-g", group, "/dev/null", str(target)]))
    system.run(system.as_root(["tee", str(target)]), input=text)
    return True
