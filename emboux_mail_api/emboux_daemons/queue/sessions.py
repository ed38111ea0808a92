# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Open sessions at Dovecot: who is logged in, and ending them, by ``doveadm`` as root.

A suspension keeps a mailbox from logging in; who is logged in already reads on for hours (IMAP
IDLE).  So the agent that holds a suspended mailbox's mail also ends its sessions.
"""

import logging
import subprocess
from dataclasses import dataclass

_logger = logging.getLogger(__name__)

SECONDS = 20  # for one command
WILDCARDS = frozenset("*?")


class SessionError(Exception):
    """``doveadm`` failed, took too long, or said what was not understood."""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """The Dovecot with the configuration file ``config``."""

    config: str
    programs: str = "/usr/bin"

    def users(self):
        """The logins that have a session.

        :raises SessionError: see there.
        """
        # not as JSON, which Dovecot 2.3 closes after the first user
        head, *rows = self._run("-f", "tab", "who").splitlines() or [""]
        if head.split("\t")[0] not in ("username", ""):
            raise SessionError(f"doveadm said what is no list of users: {head[:200]!r}")
        return {row.split("\t")[0] for row in rows if row}

    def end(self, users):
        """End their sessions; nobody else's, so not those of a user with a wildcard in the name."""
        for user in sorted(users):
            if WILDCARDS & set(user):
                _logger.warning("the sessions of %r stay open: doveadm takes that for many", user)
                continue
            self._run("kick", user)

    def _run(self, *arguments):
        argv = [f"{self.programs}/doveadm", "-c", self.config, *arguments]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=SECONDS, check=False, cwd="/")
        except subprocess.TimeoutExpired:
            raise SessionError(f"doveadm took more than {SECONDS} s") from None
        except OSError as error:
            raise SessionError(f"doveadm cannot be run: {error.strerror}") from error
        # 68: nobody is logged in any more
        if done.returncode not in (0, 68):
            said = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise SessionError(f"doveadm ended with {done.returncode}: {said[:300]}")
        return done.stdout.decode("utf-8", "replace")
