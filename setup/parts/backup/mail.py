"""Mailboxes: copied by Dovecot itself (``doveadm backup``) into a Maildir each, put back as files.

Dovecot is not asked who has a mailbox, the database has said it: so a mailbox that is suspended is
copied too, a quota stops nothing, and Dovecot need not run.
"""

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from .. import dovecot, system
from . import database

FOLDER = "mail"
MAILDIR = "Maildir"
SIEVE = ("sieve", ".dovecot.sieve")  # where the templates have the users' scripts
TRIES = 3
FULL = ("No space left", "Not enough disk quota")  # as the system and Dovecot say it
AGAIN = 2  # doveadm's exit code: what came or went meanwhile is to be copied by another run


class Doveadm:
    """``config``: Dovecot's own, for its format of mail; ``owner``: the user who owns all mail."""

    def __init__(self, config, owner):
        self._config, self._owner = str(config), owner
        self.version = system.run(["/usr/sbin/dovecot", "--version"]).strip()
        # no limit, and no use that is written down for a copy
        if dovecot.series(self.version) == "2.3":
            known = system.run(["/usr/bin/doveconf", "-c", self._config, "-h", "mail_plugins"])
            other = [name for name in known.split() if not name.startswith("quota")]
            self._plain = ["-o", f"mail_plugins={' '.join(other)}"]
            self._as_copied = ["-o", f"mail_location=maildir:~/{MAILDIR}"]
            self._alone = []
        else:
            self._plain = ["-o", "mail_plugins/quota=no", "-o", "mail_plugins/quota_clone=no"]
            self._as_copied = ["-o", "mail_driver=maildir", "-o", f"mail_path=~/{MAILDIR}"]
            self._alone = ["--no-userdb-lookup"]

    def backup(self, home, name, target):
        """Make ``target``, a Maildir, what the mailbox at ``home`` is.  Returns what went wrong."""
        for _try in range(TRIES):
            done = self._run(home, name, "backup", *self._alone, "-f", f"maildir:{target}")
            if done.returncode != AGAIN:
                break
        return _trouble(done)

    def count(self, home, name):
        """(messages, bytes as a quota counts them, what went wrong) of a copy."""
        done = self._run(home, name, *self._as_copied,
                         "-f", "json", "mailbox", "status", *self._alone, "messages vsize", "*")
        if trouble := _trouble(done):
            return 0, 0, trouble
        folders = json.loads(done.stdout or "[]")
        return (sum(int(f["messages"]) for f in folders), sum(int(f["vsize"]) for f in folders), "")

    def _run(self, home, name, *arguments):
        argv = ["/usr/bin/doveadm", "-c", self._config, *self._plain,
                "-o", f"mail_home={home}", *arguments]
        return subprocess.run(
            system.as_user(self._owner, argv), capture_output=True, text=True, errors="replace",
            check=False, cwd="/", env={"PATH": os.environ["PATH"], "USER": name})


def save(place, work, before, mailboxes, report):
    """Copy each of the snapshot's mailboxes; ``before``: the backup before, or None.

    Returns the mailboxes that have mail, with ``messages`` and ``bytes``; and the version of
    Dovecot, None without mail.
    """
    if not place.mail.is_dir():
        if any(mailbox["counted"] for mailbox in mailboxes):
            raise SystemExit(f"{place.mail}, where the mailboxes lie, is not there.")
        return [], None  # a world without mail
    owner = pwd.getpwuid(place.mail.stat().st_uid)
    doveadm = Doveadm(place.dovecot, owner.pw_name)
    target = work / FOLDER
    target.mkdir(mode=0o700, exist_ok=True)
    os.chown(target, owner.pw_uid, owner.pw_gid)
    _assert_reachable(target, owner.pw_name)
    folders = {mailbox["folder"] for mailbox in mailboxes}
    for path in target.iterdir():  # of a run that was cut off
        if path.name not in folders:
            shutil.rmtree(path)
    saved = []
    for done, mailbox in enumerate(mailboxes):
        report.progress("mailboxes", done, len(mailboxes))
        home, copy = place.mail / mailbox["folder"], target / mailbox["folder"]
        earlier = before and before / FOLDER / copy.name
        trouble = ""
        if home.is_dir():
            trouble = _copy(doveadm, owner, home, mailbox["email"], copy, earlier)
        elif mailbox["counted"]:
            trouble = f"{home} is not there, and the last count was {mailbox['counted']}"
            if earlier and earlier.exists():
                trouble = _as(owner, _begin, copy, earlier) or trouble
        if trouble:
            _assert_room(work, trouble)
            if not database.has_mailbox(place, mailbox["folder"]):
                report.note(f"{mailbox['email']} was deleted while the backup ran")
            else:
                kept = f" (its copy of {before.name} is kept)" if (
                    earlier and earlier.exists()) else ""
                report.problem(f"mailbox {mailbox['email']}: {trouble}{kept}")
        if copy.is_dir():
            messages, size, trouble = doveadm.count(copy, mailbox["email"])
            if trouble:
                report.problem(f"the copy of mailbox {mailbox['email']}: {trouble}")
            saved.append({"email": mailbox["email"], "folder": mailbox["folder"],
                          "messages": messages, "bytes": size})
    return saved, doveadm.version


def _copy(doveadm, owner, home, name, copy, earlier):
    """Returns what went wrong; then the copy is as the backup before has it, ``earlier``."""
    trouble = _as(owner, _begin, copy, earlier)
    if trouble or not (trouble := doveadm.backup(home, name, copy / MAILDIR)):
        return trouble or _as(owner, _scripts, home, copy)
    # What it cannot make fit, doveadm deletes, but the inbox it cannot: after a restore, when a
    # number (UID) is another message's than in the copy, or where the copy has lost a file.
    if (_as(owner, _begin_anew, copy, None)
            or doveadm.backup(home, name, copy / MAILDIR) or _as(owner, _scripts, home, copy)):
        return _as(owner, _begin_anew, copy, earlier) or trouble
    return ""


def _as(owner, call, *arguments):
    """Do it with the rights of the owner of all mail, to whom these folders belong: root could be
    led elsewhere by a link.  Returns what went wrong."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.initgroups(owner.pw_name, owner.pw_gid)
            os.setgid(owner.pw_gid)
            os.setuid(owner.pw_uid)
            call(*arguments)
            code = 0
        except (OSError, shutil.Error) as error:
            os.write(writer, str(error).encode()[:1000])
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as said:
        text = said.read()
    _pid, status = os.waitpid(child, 0)
    return text or (f"its copying ended with {status}" if status else "")


def _begin(copy, before):
    """The copy as the backup before has it: linked where it is a message, which never changes."""
    if copy.exists():
        return
    part = copy.with_name(f"{copy.name}.part")
    if part.exists():
        shutil.rmtree(part)
    if before and before.is_dir():
        shutil.copytree(before, part, symlinks=True, copy_function=_link_or_copy)
    else:
        part.mkdir(mode=0o700)
    part.rename(copy)


def _begin_anew(copy, before):
    shutil.rmtree(copy)
    _begin(copy, before)


def _link_or_copy(source, target):
    if Path(source).parent.name in ("cur", "new"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _scripts(home, copy):
    """The user's Sieve scripts, and which of them is active."""
    for name in SIEVE:
        source, target = home / name, copy / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        if source.is_symlink():
            target.symlink_to(os.readlink(source))
        elif source.is_dir():
            shutil.copytree(source, target, symlinks=True,
                            ignore=shutil.ignore_patterns("*.svbin", "tmp"))
        elif source.is_file():
            shutil.copy2(source, target)


def _trouble(done):
    if not done.returncode:
        return ""
    return f"doveadm ended with {done.returncode}: {' '.join(done.stderr.split())[:300]}"


def _assert_reachable(folder, user):
    seen = subprocess.run(system.as_user(user, ["test", "-w", str(folder)]), check=False, cwd="/")
    if seen.returncode:
        raise SystemExit(f"{user}, who owns all mail, cannot write into {folder}: one of the "
                         f"folders above it is closed to others. Take another place, or open it "
                         f"to pass through (chmod o+x).")


def _assert_room(work, trouble):
    """A disk that is full fails every mailbox from now on: that is no backup with gaps.

    What was copied of the mailbox is removed by now, so that there may be room again.
    """
    if shutil.disk_usage(work).free < 1024 * 1024 or any(word in trouble for word in FULL):
        raise SystemExit(f"No space left for {work}. Make room and run it again: it goes on "
                         f"with what is there.")
