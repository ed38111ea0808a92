# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Dovecot by its own commands: never through a shell, bounded in time and in output.

Folders are named by their GUID.  Their names are the users' to choose, and ``doveadm`` takes a
``*`` in one for any folder: one that is called ``*`` would have the inbox emptied.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass

from . import folders
from .folders import Folder

SECONDS = 3600  # for one command; a folder of a million messages takes minutes
LARGEST = 256 * 1024 * 1024  # bytes of one answer; a line for each message that has expired
FOLDERS_AT_ONCE = 50  # in one search
NOBODY = (67, 68)  # exit codes: there is no such user, or no such folder (any more)
OLDEST = 1_000_000_000  # doveadm takes ten digits for a time; nobody's mail is from before 2001


class DoveadmError(Exception):
    """A command failed, took too long, or said what was not understood.

    ``is_gone``: because the mailbox, or its folder, has just been deleted.
    """

    def __init__(self, sentence, is_gone=False):
        super().__init__(sentence)
        self.is_gone = is_gone


@dataclass(frozen=True, slots=True)
class Dovecot:
    """The Dovecot with the configuration file ``config``."""

    config: str
    programs: str = "/usr/bin"

    def layout(self):
        """Which folders are of which kind.

        :raises DoveadmError: the configuration cannot be read, or says nothing about it.
        """
        text = self._run([f"{self.programs}/doveconf", "-c", self.config,
                          "mail_location", "mail_driver", "namespace"])
        try:
            return folders.parse(text)
        except ValueError as error:
            raise DoveadmError(str(error)) from error

    def folders(self, email):
        text = self._doveadm("-f", "json", "mailbox", "status", "-u", email,
                             "guid messages", "*")
        try:
            return [Folder(row["mailbox"], _guid(row["guid"]), int(row["messages"]))
                    for row in json.loads(text or "[]")]
        except (ValueError, KeyError, TypeError) as error:
            raise DoveadmError(f"doveadm said what is no list of folders: {text[:200]!r}"
                               ) from error

    def count(self, email, expired):
        """How many messages have expired.  ``expired``: GUIDs with a time (seconds since 1970)
        each; what was saved before it has."""
        return sum(
            len(self._doveadm("search", "-u", email, *query).splitlines())
            for query in queries(expired)
        )

    def expunge(self, email, expired):
        for query in queries(expired):
            self._doveadm("expunge", "-u", email, *query)

    def _doveadm(self, *arguments):
        return self._run([f"{self.programs}/doveadm", "-c", self.config, *arguments])

    def _run(self, argv):
        # into files, so that a command that says too much does not fill the memory
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            try:
                done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                                      timeout=SECONDS, check=False, cwd="/")
            except subprocess.TimeoutExpired:
                raise DoveadmError(f"{argv[0]} took more than {SECONDS} s") from None
            except OSError as error:
                raise DoveadmError(f"{argv[0]} cannot be run: {error.strerror}") from error
            errors.seek(0)
            said = " ".join(errors.read(10_000).decode("utf-8", "replace").split())
            if done.returncode:
                raise DoveadmError(f"{argv[0]} ended with {done.returncode}: {said[:300]}",
                                   done.returncode in NOBODY)
            if out.tell() > LARGEST:
                raise DoveadmError(f"{argv[0]} said more than {LARGEST} bytes")
            out.seek(0)
            return out.read().decode("utf-8", "replace")


def queries(expired):
    """The arguments of ``doveadm``'s searches: so many folders in each."""
    rows = [(guid, int(before)) for guid, before in expired if before >= OLDEST]
    for start in range(0, len(rows), FOLDERS_AT_ONCE):
        query = []
        for guid, before in rows[start:start + FOLDERS_AT_ONCE]:
            query += ["OR"] if query else []
            query += ["(", "mailbox-guid", guid, "savedbefore", str(before), ")"]
        yield query


def _guid(text):
    if len(text) != 32 or set(text) - set("0123456789abcdef"):
        raise ValueError(text)
    return text
