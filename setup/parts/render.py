"""Templates: files with ``@WORD@`` in them, so that configuration is read as configuration."""

import re
from pathlib import Path

from . import system

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
WORD = re.compile(r"@([A-Z][A-Z0-9_]*)@")


def render(template, target, values, mode="644", owner=None):
    """Write ``templates/<template>`` to ``target`` with each ``@WORD@`` replaced.

    A word without a value is an error.  ``owner`` (``user:group``) is set through root.
    Returns whether the file changed.
    """
    text = (TEMPLATES / template).read_text()
    unknown = set(WORD.findall(text)) - set(values)
    if unknown:
        raise KeyError(f"{template} wants {', '.join(sorted(unknown))}")
    text = WORD.sub(lambda match: str(values[match[1]]), text)
    target = Path(target)
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
