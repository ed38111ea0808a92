"""A database is created once and kept; the next one of the same code is a copy of it.

To have Odoo install the add-ons takes a minute or two, to copy what it made ten seconds.  The copy
is a dump, because each world has a PostgreSQL of its own, and Odoo's folder of attachments.
"""

import contextlib
import fcntl
import shutil

from . import postgres

DUMP, FILES = "database.dump", "filestore"


class Kept:
    """The copy of a database with these add-ons; ``code`` changes with what it is made of."""

    def __init__(self, state, addons, code):
        self._state, self.addons = state, addons
        self._folder = state.code / "made" / "+".join(addons)
        self._copy = self._folder / code
        self.log = self._folder / "install.log"  # what Odoo said when it was made

    @contextlib.contextmanager
    def being_made(self):
        """Keep others from creating one of the same code; they wait, and then copy."""
        # Odoo's secret for sessions is in it
        self._folder.parent.mkdir(mode=0o700, exist_ok=True)
        self._folder.mkdir(exist_ok=True)
        with self._folder.joinpath("lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def keep(self, database, files):
        """``files``: Odoo's folder of attachments, which need not be there."""
        for entry in self._folder.iterdir():  # of older code, and what a killed run left
            if entry.is_dir():
                shutil.rmtree(entry)
        work = self._folder / "work"
        work.mkdir()
        postgres.dump(self._state, database, work / DUMP)
        if files.exists():
            shutil.copytree(files, work / FILES)
        work.rename(self._copy)

    def restore(self, database, files):
        """Fill the empty database; returns whether there was a copy of that code."""
        if not self._copy.exists():
            return False
        print(f"Copying database {database} from one that was made before ...", flush=True)
        postgres.restore(self._state, database, self._copy / DUMP)
        if (self._copy / FILES).exists():
            shutil.copytree(self._copy / FILES, files)
        return True
