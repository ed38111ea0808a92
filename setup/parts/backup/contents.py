"""The files of one backup: listed with checksums, verified, and put back.

``contents.jsonl`` has a line for each; ``manifest.json``, which is written last, has what the whole
is of, and the checksum of that list.
"""

import contextlib
import hashlib
import json
import os
import shutil
import stat
from pathlib import Path

MANIFEST, LIST = "manifest.json", "contents.jsonl"
FORMAT = 1


class Damaged(SystemExit):
    """The backup is not what it was when it was made, or never was whole; the message says why."""


def write(path, data):
    """All of it or nothing, for its owner alone."""
    temporary = path.with_name(f"{path.name}.part")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    temporary.replace(path)


def complete(work, known, facts, report):
    """Write the list, then the manifest: from now on the backup is whole.

    :param known: checksums of the backup before, as ``known`` gives them, which are not made again.
    """
    files = size = 0
    with work.joinpath(LIST).open("w") as target:
        for path in _walk(work):
            entry = _entry(work, path, known)
            target.write(json.dumps(entry) + "\n")
            files += entry["kind"] == "file"
            size += entry.get("size", 0)
            report.progress("files", files)
    facts = {"format": FORMAT, "files": files, "bytes": size, "list": _digest(work / LIST)} | facts
    os.sync()  # so that after a power failure a manifest means that the rest is there too
    write(work / MANIFEST, json.dumps(facts, indent=1).encode())
    return facts


def read(backup):
    """The manifest.

    :raises Damaged: there is none, it cannot be read, or it is of a newer version.
    """
    path = backup / MANIFEST
    try:
        facts = json.loads(path.read_bytes())
        written = facts["format"]
    except FileNotFoundError:
        raise Damaged(f"{backup} is no whole backup: it has no {MANIFEST}.") from None
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"{path} is damaged: {error}.") from None
    if written != FORMAT:
        raise Damaged(f"{backup} is of format {written}, this program reads {FORMAT}: "
                      f"restore it with the version of Emboux that made it, or a newer one.")
    return facts


def entries(backup):
    """What the list says, one after the other.  :raises Damaged: it is not the manifest's list."""
    path = backup / LIST
    if not path.exists() or _digest(path) != read(backup)["list"]:
        raise Damaged(f"{path} is missing or damaged: the backup cannot be trusted.")
    with path.open() as lines:
        yield from map(json.loads, lines)


def verify(backup, report):
    """Read each file.

    :raises Damaged: files are missing or are not what they were; up to ten are named.
    """
    wrong, done, total = [], 0, read(backup)["files"]
    for entry in entries(backup):
        done += entry["kind"] == "file"
        report.progress("files", done, total)
        if fault := _fault(backup, entry):
            wrong.append(f"{entry['path']}: {fault}")
    if wrong:
        more = f"\n  and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise Damaged(f"{backup} is damaged:\n  " + "\n  ".join(wrong[:10]) + more)


def put_back(backup, name, target, report):
    """Copy what the backup has in its folder ``name`` into ``target``, whose owner owns all of it.

    What is there of an earlier try is kept.
    """
    about, done = target.stat(), 0
    for entry in entries(backup):
        if entry["path"].startswith(f"{name}/"):
            _put(backup / entry["path"], target / Path(entry["path"]).relative_to(name), entry,
                 about.st_uid, about.st_gid)
            done += entry["kind"] == "file"
            report.progress("files", done)


def _put(source, target, entry, user, group):
    if entry["kind"] == "dir":
        target.mkdir(exist_ok=True)
        target.chmod(entry["mode"])
    elif entry["kind"] == "link":
        if not target.is_symlink():
            target.symlink_to(entry["target"])
    elif not target.exists():
        temporary = target.with_name(f"{target.name}.part")
        shutil.copy2(source, temporary)
        temporary.chmod(entry["mode"])
        os.chown(temporary, user, group)
        temporary.replace(target)
        return
    os.chown(target, user, group, follow_symlinks=False)


def known(backup):
    """(inode, size) to the checksum that the backup has of that file.

    :raises Damaged: its list cannot be read.
    """
    found = {}
    for entry in entries(backup):
        if entry["kind"] == "file":
            with contextlib.suppress(FileNotFoundError):
                about = (backup / entry["path"]).lstat()
                found[about.st_ino, about.st_size] = entry["sha256"]
    return found


def _walk(top):
    for folder, folders, names in os.walk(top):
        folders.sort()
        here = Path(folder)
        if here != top:
            yield here
        # a link to a folder is a link
        links = [name for name in folders if (here / name).is_symlink()]
        yield from (here / name for name in sorted([*names, *links])
                    if here != top or name not in (LIST, MANIFEST))


def _entry(top, path, known):
    about = path.lstat()
    entry = {"path": str(path.relative_to(top)), "mode": stat.S_IMODE(about.st_mode)}
    if stat.S_ISLNK(about.st_mode):
        return entry | {"kind": "link", "target": os.readlink(path)}
    if stat.S_ISDIR(about.st_mode):
        return entry | {"kind": "dir"}
    digest = known.get((about.st_ino, about.st_size)) or _digest(path)
    return entry | {"kind": "file", "size": about.st_size, "sha256": digest}


def _fault(backup, entry):
    path = backup / entry["path"]
    try:
        about = path.lstat()
        if entry["kind"] == "link":
            return "" if os.readlink(path) == entry["target"] else "leads elsewhere"
        if entry["kind"] == "dir":
            return "" if stat.S_ISDIR(about.st_mode) else "is no folder"
        if about.st_size != entry["size"]:
            return f"has {about.st_size} bytes instead of {entry['size']}"
        return "" if _digest(path) == entry["sha256"] else "has another checksum"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
