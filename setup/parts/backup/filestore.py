"""Odoo's attachments: files that are named by the SHA-1 of what is in them and never change."""

import hashlib
import os
import re

from . import contents

FOLDER = "filestore"
NAME = re.compile(r"[0-9a-f]{2,3}/[0-9a-f]{40}")  # also the three letters of old versions


def save(source, work, before, names, report):
    """Copy what the snapshot refers to, or link it to the copy of the backup ``before``.

    ``names``: as the database has them.
    """
    target = work / FOLDER
    target.mkdir(exist_ok=True)
    for done, name in enumerate(names):
        report.progress("attachments", done, len(names))
        if not NAME.fullmatch(name):
            report.problem(f"attachment {name!r}: not a name of Odoo's filestore")
            continue
        place, earlier = target / name, before and before / FOLDER / name
        if place.exists():
            continue
        place.parent.mkdir(exist_ok=True)
        if earlier and earlier.exists():
            os.link(earlier, place)
        else:
            _copy(source / name, place, report)
    wanted = set(names)
    for path in target.glob("*/*"):  # of a run that was cut off
        if str(path.relative_to(target)) not in wanted:
            path.unlink()


def _copy(source, target, report):
    try:
        data = source.read_bytes()
    except OSError as error:
        report.problem(f"attachment {source}: {error.strerror}")
        return
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() != source.name:
        report.problem(f"attachment {source}: its content is not what its name says")
        return
    contents.write(target, data)

