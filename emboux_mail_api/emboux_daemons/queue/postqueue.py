# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Postfix' queue by its own commands: never through a shell, bounded in time and in output.

``postqueue -j`` lists it (JSON, one message a line), ``postcat -e`` shows an envelope with the
login that submitted the message, and ``postsuper`` holds, releases and deletes; ids go in on its
standard input.  ``postfix reload`` lets Postfix begin with fresh processes.  Only root may call the
latter two.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Short and long queue ids (``enable_long_queue_ids``).  "ALL" is a word of postsuper's, which is
#: shorter than any id.
QUEUE_ID = re.compile(r"[0-9A-Za-z]{6,30}")

SECONDS = 60  # for one command
LARGEST = 128 * 1024 * 1024  # bytes of one answer; a listing of some 400,000 messages
BATCH = 500  # messages in one command
ENVELOPES = 50  # messages in one command, of which each may have thousands of recipients
FLUSHED = 50  # messages that are tried at once after their release; the others by Postfix itself
LONGEST_REASON = 500  # characters
SHOWN = 20  # recipients of a message that are kept, unless all are asked for

_PROGRAMS = Path("/usr/sbin")


class QueueError(Exception):
    """A command of Postfix' failed, took too long, or said what was not understood."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A line of ``postqueue -j``.  ``arrived``: seconds since 1970; ``size``: bytes.

    ``tried``: a delivery was attempted, so the message was not held when it came in; ``reason``:
    what came of it for the first recipient that waits.  Ids are used again, hence ``key``.
    """

    queue: str  # incoming, active, deferred, hold; maildrop and corrupt are nobody's
    queue_id: str
    arrived: int
    sender: str
    size: int = 0
    tried: bool = False
    reason: str = ""

    @property
    def key(self):
        return self.queue_id, self.arrived

    @property
    def is_held(self):
        return self.queue == "hold"


@dataclass(frozen=True, slots=True)
class Envelope:
    """``login``: who submitted it, empty for mail from outside, bounces, and what Sieve sends.

    ``recipients``: as the client named them, before aliases; in lower case, each once.  ``count``
    is how many there are, also where only the first are kept.
    """

    login: str = ""
    recipients: tuple[str, ...] = ()
    count: int = 0


def run(argv, text="", largest=LARGEST):
    """Run a command of Postfix'; returns (exit code, output, errors).

    :raises QueueError: it takes more than ``SECONDS``, or says more than ``largest`` bytes.
    """
    # into files, so that a command that says too much does not fill the memory
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(argv, input=text.encode(), stdout=out, stderr=errors,
                                  timeout=SECONDS, check=False, cwd="/")
        except subprocess.TimeoutExpired:
            raise QueueError(f"{argv[0]} took more than {SECONDS} s") from None
        except OSError as error:
            raise QueueError(f"{argv[0]} cannot be run: {error.strerror}") from error
        if out.tell() > largest:
            raise QueueError(f"{argv[0]} said more than {largest} bytes")
        out.seek(0)
        errors.seek(0)
        return (done.returncode, out.read().decode("utf-8", "replace"),
                errors.read(10_000).decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Postfix:
    """The queue of the Postfix with the configuration folder ``config`` (an absolute path)."""

    config: str
    run: Callable = run
    spool: str = ""  # the queue directory

    def messages(self):
        """All messages.  A message that moves meanwhile may be there twice, or be missing."""
        said = self._call("postqueue", "-j")
        return [parse_message(line) for line in said.splitlines() if line.strip()]

    def envelopes(self, queue_ids, kept=SHOWN):
        """Id to ``Envelope`` with the first ``kept`` recipients (None: all), without those whose
        message has left."""
        left, found = list(queue_ids), {}
        while left:
            batch = _checked(left[:ENVELOPES])
            code, said, errors = self._run("postcat", "-e", "-q", *batch)
            shown = parse_envelopes(said, kept)
            found |= shown
            done = len(shown)
            if code and done < len(batch):
                if "No such file" not in errors and "open queue file" not in errors:
                    raise QueueError(f"postcat: {' '.join(errors.split())[:300]}")
                done += 1  # it stops at the first message that has left
            left = left[max(done, 1):]
        return found

    def hold(self, queue_ids):
        """Whatever of these is still waiting to be delivered is put on hold."""
        self._super("-h", queue_ids)

    def release(self, queue_ids):
        """Deliver these, which were on hold; the first ones at once."""
        self._super("-H", queue_ids)
        for queue_id in _checked(list(queue_ids)[:FLUSHED]):
            # its refusal is no failure: the queue manager finds the message by itself
            self._run("postqueue", "-i", queue_id)

    def discard(self, queue_ids):
        """Delete these, if they are on hold."""
        self._super("-d", queue_ids, "hold")

    def deliver(self, queue_ids):
        """Try these at once."""
        for queue_id in _checked(queue_ids):
            self._run("postqueue", "-i", queue_id)

    def fail(self, queue_ids):
        """Return these to their senders, also those on hold."""
        self._super("-f", queue_ids)
        self.deliver(queue_ids)

    def drop(self, queue_ids):
        """Delete these, wherever in the queue they are."""
        self._super("-d", queue_ids, "incoming", "active", "deferred", "hold")

    def postpone(self, paths, moment):
        """Let these files of the deferred queue be tried at that time, as seconds since 1970: the
        queue manager goes by the time of the file.  Returns those that were not there any more."""
        gone = []
        for path in paths:
            try:
                os.utime(path, (moment, moment))
            except FileNotFoundError:
                gone.append(path)
            except OSError as error:
                raise QueueError(f"{path} cannot be put off: {error.strerror}") from error
        return gone

    def deferred(self):
        """Id to (path, time of the next attempt) of what is in the deferred queue."""
        found = {}
        folders = [Path(self.spool, "deferred")] if self.spool else []
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        else:
                            found[entry.name] = entry.path, entry.stat().st_mtime
            except FileNotFoundError:
                continue  # it has moved meanwhile
            except OSError as error:
                raise QueueError(f"the deferred queue cannot be read: {error}") from error
        return found

    def reload(self):
        """Fresh processes for all that begins from now on; sessions and deliveries under way end
        in peace.  Returns before the last old process that was idle has gone."""
        code, _said, errors = self._run("postfix", "reload")
        if not code:
            return
        why = " ".join(errors.split())[:300]
        if os.geteuid():  # then Postfix says nothing at all
            why = ("only root may do that: run the agent as root, as emboux-queue.service does. "
                   + why).strip()
        raise QueueError(f"postfix reload: {why or f'exit code {code}'}")

    def _super(self, option, queue_ids, *queues):
        queue_ids = _checked(queue_ids)
        for start in range(0, len(queue_ids), BATCH):
            batch = queue_ids[start:start + BATCH]
            self._call("postsuper", option, "-", *queues, text="".join(f"{i}\n" for i in batch))

    def _call(self, program, *arguments, text=""):
        code, said, errors = self._run(program, *arguments, text=text)
        if code:
            raise QueueError(f"{program} {arguments[0]}: {' '.join(errors.split())[:300]}")
        return said

    def _run(self, program, *arguments, text=""):
        return self.run([str(_PROGRAMS / program), "-c", self.config, *arguments], text)


def spool_of(config):
    """The queue directory.  :raises QueueError: there is no such Postfix."""
    code, said, errors = run(["/usr/sbin/postconf", "-c", config, "-h", "queue_directory"])
    if code or not said.strip():
        raise QueueError(f"postconf: {' '.join(errors.split())[:300]}")
    return said.strip()


def _checked(queue_ids):
    for queue_id in queue_ids:
        if not QUEUE_ID.fullmatch(queue_id):
            raise QueueError(f"{queue_id!r} is no queue id")
    return list(queue_ids)


def parse_message(line):
    """
    :raises QueueError: not a line of ``postqueue -j``.
    """
    try:
        row = json.loads(line)
        reasons = [reason for recipient in row["recipients"]
                   if (reason := recipient.get("delay_reason"))]
        found = QueuedMessage(
            queue=str(row["queue_name"]),
            queue_id=str(row["queue_id"]),
            arrived=int(row["arrival_time"]),
            sender=str(row["sender"]).lower(),
            size=int(row["message_size"]),
            tried=bool(reasons),
            reason=str(reasons[0])[:LONGEST_REASON] if reasons else "",
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise QueueError(f"postqueue said what is no message: {line[:200]!r}") from error
    _checked([found.queue_id])
    return found


def parse_envelopes(text, kept=SHOWN):
    """Id to ``Envelope``, for each that is complete in the output of ``postcat -e``."""
    found, queue_id, login, original, recipients = {}, None, "", None, {}
    for line in text.split("\n"):
        if line.startswith("*** ENVELOPE RECORDS "):
            queue_id = line.split()[3].rpartition("/")[2]
            login, original, recipients = "", None, {}
        elif line.startswith("*** MESSAGE FILE END "):
            if queue_id:
                found[queue_id] = Envelope(login, tuple(recipients)[:kept], len(recipients))
            queue_id = None
        elif line.startswith("named_attribute: sasl_username="):
            # the first: what follows the sender record is not written by smtpd's log-in
            login = login or line.partition("=")[2].strip().lower()
        elif line.startswith("original_recipient: "):
            original = line.partition(": ")[2].strip().lower()
        elif line.startswith(("recipient: ", "done_recipient: ")):
            recipients[original or line.partition(": ")[2].strip().lower()] = None
            original = None
    return found
