"""Files that are put in place of others, so that those can be put back.

What was there before the first run is kept in ``/var/backups/emboux``, each later version that is
replaced beside it; ``/var/lib/emboux/files.json`` says which files are ours.
"""

import contextlib
import difflib
import grp
import hashlib
import json
import os
import pwd
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MANIFEST = "var/lib/emboux/files.json"
BACKUPS = "var/backups/emboux"
#: What is not shown of a file that is replaced: who wrote it may have their own secrets in there.
_WORD = r"(?:pass|password|passwd|secret|token)\b[\"']?\s*"
#: (With a colon it is prose where it stands in a comment.)
SECRETS = re.compile(rf"(?im)({_WORD}=\s*|^(?!\s*#).*?{_WORD}:\s+)[^\s,;]+")


@dataclass(frozen=True)
class Change:
    """A file that is not as it should be: written anew, or put back (``place`` None)."""

    path: str
    place: object | None
    before: bytes | None  # None: it is not there
    only_rights: bool = False


class Managed:
    """The files of ours below a root directory.

    :param root: ``/``, or the folder of an image that a machine will be started from.
    """

    def __init__(self, root):
        self.root = Path(root)
        self._file = self.root / MANIFEST
        self._ours = {"files": {}, "folders": [], "unread": [], "switched_off": []}
        if self._file.exists():
            self._ours = json.loads(self._file.read_text())

    def at(self, path):
        """Where a full path of the host lies here."""
        return self.root / path.lstrip("/")

    def is_empty(self):
        return not self._ours["files"]

    def unread(self):
        """The paths that have changed since ``were_read`` was last called."""
        return self._ours["unread"]

    def switched_off(self, units):
        """Remember which of systemd's units are on no more, for ``remove``."""
        self._ours["switched_off"] = sorted({*self._ours["switched_off"], *units})
        self._save()

    def were_read(self):
        """The programs have read all files as they are now."""
        self._ours["unread"] = []
        self._save()

    # -- what is to be done ----------------------------------------------------------------

    def changes(self, places):
        """What has to be written, and what is ours and among these no more."""
        wanted = {place.path: place for place in places}
        gone = sorted(set(self._ours["files"]) - set(wanted))
        return [change for _path, place in sorted(wanted.items())
                if (change := self.change(place))] + [
                Change(path, None, _content(self.at(path))) for path in gone]

    def change(self, place):
        """What has to be done for this file, or None."""
        before = _content(self.at(place.path))
        if before != place.text.encode():
            return Change(place.path, place, before)
        if not _has_rights(self.at(place.path), place.mode, place.owner):
            return Change(place.path, place, before, only_rights=True)
        return None

    def folders(self, folders):
        """Those that are not there, or with other rights."""
        return [folder for folder in folders
                if not self.at(folder.path).is_dir()
                or not _has_rights(self.at(folder.path), folder.mode, folder.owner)]

    # -- doing it --------------------------------------------------------------------------

    def make_folders(self, folders):
        for folder in folders:
            self._folder(self.at(folder.path))
            _give_rights(self.at(folder.path), folder.mode, folder.owner)
        self._save()

    def apply(self, changes):
        """Write and put back; returns the folder that keeps what was replaced, or None."""
        kept = None
        for change in changes:
            target = self.at(change.path)
            known = self._ours["files"].get(change.path)
            if change.before is not None and not change.only_rights:
                kept = kept or self._new_backup()
                copy = self._keep(target, kept)
            else:
                copy = None
            if change.path not in self._ours["unread"]:
                self._ours["unread"].append(change.path)
            if change.place is None:
                self._put_back(change.path)
                continue
            self._folder(target.parent)
            original = known["original"] if known else copy and str(copy.relative_to(self.root))
            if change.only_rights and not known:
                kept = kept or self._new_backup()
                original = str(self._keep(target, kept).relative_to(self.root))
            # remembered before it is written: a run that is cut off can be taken back too
            self._ours["files"][change.path] = {
                "original": original, "digest": _digest(change.place.text.encode())}
            self._save()
            _write(target, change.place)
        self._save()
        return kept

    def remove(self):
        """Put back what was there before the first run.

        Returns the folder that keeps what was removed, the paths of files that somebody has edited
        since, and which units were switched off.
        """
        edited = [path for path, known in self._ours["files"].items()
                  if (now := _content(self.at(path))) is None or _digest(now) != known["digest"]]
        kept = self._new_backup()
        for path in list(self._ours["files"]):
            if _content(self.at(path)) is not None:
                self._keep(self.at(path), kept)
            self._put_back(path)
        self._file.unlink()
        # the deepest first; what holds something of others stays
        for path in sorted(self._ours["folders"], key=len, reverse=True):
            with contextlib.suppress(OSError):
                self.at(path).rmdir()
        return kept, edited, self._ours["switched_off"]

    def _put_back(self, path):
        target, known = self.at(path), self._ours["files"].pop(path)
        if known["original"]:
            _copy(self.root / known["original"], target)
        else:
            target.unlink(missing_ok=True)
        self._save()

    def _new_backup(self):
        """A folder with the time as its name."""
        name = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        folder = self.root / BACKUPS / name
        number = 1
        while folder.exists():
            number += 1
            folder = folder.with_name(f"{name}-{number}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.chmod(0o700)  # there are passwords in it
        folder.mkdir()
        return folder

    def _keep(self, target, folder):
        copy = folder / target.relative_to(self.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy(target, copy)
        return copy

    def _folder(self, path):
        if not path.is_dir():
            self._folder(path.parent)
            path.mkdir(mode=0o755)
            self._ours["folders"].append("/" + str(path.relative_to(self.root)))

    def _save(self):
        self._folder(self._file.parent)
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(self._ours, indent=1, sort_keys=True) + "\n")
        temporary.replace(self._file)


def shown(change, secrets):
    """The change as a unified diff for people, without passwords."""
    if change.place is None:
        return f"no more of ours, what was there before is put back: {change.path}\n"
    if change.only_rights:
        return f"mode {change.place.mode}, owner {change.place.owner}: {change.path}\n"
    if change.before is None:
        return f"new: {change.path} ({change.place.text.count(chr(10))} lines)\n"
    old, new = (_without_secrets(text, secrets).splitlines(keepends=True)
                for text in (change.before.decode(errors="replace"), change.place.text))
    lines = list(difflib.unified_diff(old, new, f"{change.path} (now)", change.path))
    if not lines:
        return f"another password: {change.path}\n"
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _without_secrets(text, secrets):
    for secret in secrets:
        text = text.replace(secret, "********")
    return SECRETS.sub(r"\1********", text)


def _content(path):
    """What is there: of a link where it leads, so that it is no file of ours; None for nothing."""
    if path.is_symlink():
        return f"a link to {path.readlink()}\n".encode()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise SystemExit(f"{path} is a folder, and a file is to be written there: move it away.") \
            from None


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def _numbers(owner):
    """(uid, gid) of ``user:group``; None for one that is not there yet."""
    user, group = owner.split(":")
    try:
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def _has_rights(path, mode, owner):
    info = path.lstat()
    return info.st_mode & 0o7777 == int(mode, 8) and (info.st_uid, info.st_gid) == _numbers(owner)


def _give_rights(path, mode, owner):
    numbers = _numbers(owner)
    if numbers is None:
        raise SystemExit(f"{path} is to belong to {owner}, and there is no such user or group "
                         f"here: install the Debian packages first.")
    os.chown(path, *numbers)
    path.chmod(int(mode, 8))


def _write(target, place):
    """In one step, and never readable by more than its readers."""
    temporary = target.with_name(f".{target.name}.emboux")
    temporary.unlink(missing_ok=True)
    try:
        new = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(new, "w") as file:
            file.write(place.text)
        _give_rights(temporary, place.mode, place.owner)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source, target):
    """With its rights, its times, and as the link that it may be."""
    temporary = target.with_name(f".{target.name}.emboux")
    temporary.unlink(missing_ok=True)
    shutil.copy2(source, temporary, follow_symlinks=False)
    info = source.lstat()
    os.chown(temporary, info.st_uid, info.st_gid, follow_symlinks=False)
    temporary.replace(target)
