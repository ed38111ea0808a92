"""The order of a backup."""

import os
from datetime import UTC, datetime

from . import contents, database, filestore, further, mail
from .generations import Generations


def make(place, folder, keep, report):
    """Make a backup of ``place`` in ``folder``; returns where it is.

    The database comes first.  All attachments that it refers to are there: Odoo keeps from
    removing any meanwhile.  Mail comes last and is newer than the database by as much as that took;
    what follows from it, the use of each mailbox, a restore counts anew.

    :raises SystemExit: there is none; the message says why.
    """
    generations = Generations(folder)
    os.umask(0o077)
    try:
        with generations.alone():
            return _make(place, generations, keep, report)
    except OSError as error:
        where = error.filename or generations.folder
        raise SystemExit(f"{where}: {error.strerror}. The next run goes on with what is there."
                         ) from error


def _make(place, generations, keep, report):
    began = datetime.now(UTC)
    work = generations.work()
    with database.Snapshot(place) as snapshot:
        facts, mailboxes = snapshot.facts(), snapshot.mailboxes()
        before, known = _before(generations, facts, report)
        report.step(f"Database {place.database} ...")
        snapshot.dump(work / database.DUMP, report)
        contents.write(work / database.ROLES, snapshot.roles().encode())
        names = snapshot.files()
        report.step(f"{len(names)} attachments ...")
        filestore.save(place.filestore, work, before, names, report)
    report.step(f"{len(mailboxes)} mailboxes ...")
    saved, dovecot = mail.save(place, work, before, mailboxes, report)
    further.save(work, place.further, report)
    report.step("Checksums ...")
    whole = contents.complete(work, known, {
        "begun": began.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "database": {"name": place.database} | facts, "dovecot": dovecot,
        "attachments": len(names), "mailboxes": saved, "demo": place.state is not None,
        "problems": report.problems, "notes": report.notes,
    }, report)
    made = generations.finish()
    messages = sum(mailbox["messages"] for mailbox in saved)
    report.step(f"{made}: {messages} messages of {len(saved)} mailboxes, "
                f"{len(names)} attachments, {whole['bytes'] / 1e6:.1f} MB")
    if report.problems:
        report.step("What is missing in it was named above; no older backup is removed.")
    elif removed := generations.prune(keep):
        report.step(f"Removed: {', '.join(removed)}")
    return made


def _before(generations, facts, report):
    """(the backup before, or None; its checksums).

    :raises SystemExit: it is of another database: they would replace each other.
    """
    before = generations.latest()
    if not before:
        return None, {}
    try:
        had, known = contents.read(before)["database"], contents.known(before)
    except contents.Damaged as error:
        report.note(f"{error} All is copied anew.")
        return None, {}
    if had["uuid"] != facts["uuid"]:
        raise SystemExit(f"{before.parent} has backups of another database ({had['name']}, "
                         f"{had['uuid']}). Take a folder for each.")
    return before, known
