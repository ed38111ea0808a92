"""Open sessions at Dovecot: who is logged in, and ending them, by ``doveadm`` as root.

A suspension keeps a mailbox from logging in; who is logged in already reads on for hours (IMAP
IDLE).  So the agent that holds a suspended mailbox's mail also ends its sessions.
"""

import json
import logging
import subprocess
from dataclasses import dataclass

from .postqueue import QueueError

_logger = logging.getLogger(__name__)

SECONDS = 20  # for one command
WILDCARDS = frozenset("*?")


class SessionError(QueueError):
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
        text = self._run("-f", "json", "who")
        try:
            return {row["username"] for row in json.loads(text or "[]")}
        except (ValueError, KeyError, TypeError) as error:
            raise SessionError(f"doveadm said what is no list of users: {text[:200]!r}") from error

    def end(self, users):
        """End their sessions; nobody else's, so not of who has a wildcard in his name."""
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
