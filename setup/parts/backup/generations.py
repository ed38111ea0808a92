"""One backup beside the other in a folder, each named after its time (UTC).

The one that is being made is in ``unfinished``, and gets its name when it is whole; the next run
goes on with what a killed one has left there.  Files that have not changed are hard links.
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from . import contents

WORK, REMOVING = "unfinished", "removing"
PASSABLE = 0o711  # the owner of all mail passes to its own and sees nothing else
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")


class Generations:
    def __init__(self, folder):
        self.folder = Path(folder).absolute()

    @contextlib.contextmanager
    def alone(self):
        """Make the folder; no other backup into it meanwhile."""
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self.folder.chmod(PASSABLE)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SystemExit(f"Another backup into {self.folder} runs just now.") from None
            self._finish_removing()
            yield

    def whole(self):
        """All backups that are whole, the oldest first."""
        return sorted(path for path in self.folder.iterdir()
                      if _NAME.fullmatch(path.name) and (path / contents.MANIFEST).exists())

    def latest(self):
        return next(reversed(self.whole()), None)

    def work(self):
        work = self.folder / WORK
        work.mkdir(exist_ok=True)
        work.chmod(PASSABLE)
        (work / contents.MANIFEST).unlink(missing_ok=True)
        return work

    def finish(self):
        while (target := self.folder / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")).exists():
            time.sleep(0.1)
        (self.folder / WORK).rename(target)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return target

    def prune(self, keep):
        """Remove the oldest ones beyond so many; returns their names."""
        old = self.whole()[:-keep]
        for path in old:
            # one that is half gone must not look whole
            path.rename(self.folder / REMOVING)
            self._finish_removing()
        return [path.name for path in old]

    def _finish_removing(self):
        if (self.folder / REMOVING).exists():
            shutil.rmtree(self.folder / REMOVING)


def find(folder):
    """The backup that ``folder`` is, or the latest of those in it.

    :raises SystemExit: there is none.
    """
    folder = Path(folder).absolute()
    if (folder / contents.MANIFEST).exists():
        return folder
    if not folder.is_dir():
        raise SystemExit(f"There is no folder {folder}.")
    latest = Generations(folder).latest()
    if latest:
        return latest
    cut_off = folder.name == WORK or (folder / WORK).exists()
    raise SystemExit(f"There is no whole backup in {folder}"
                     + (": one was cut off, make it again." if cut_off else "."))
