"""The order of a restore.  Killed, it can be run again, and goes on with what is there."""

import os
import shutil

from .. import dovecot, postgres, system
from ..odoo_code import PROJECT, manifest
from ..world import MAIL_PARTS, World
from . import contents, database, filestore, further, mail
from .place import demo

MARK = ".being-restored"  # in folders that are being filled: from which backup
NOT_HERE = {"cluster"}  # facts of a state folder that are of its own machine


def restore(place, backup, replace, report):
    """Put all of it back; the backup was verified.

    :raises SystemExit: the backup is too new for what is here, or something is here already and
        ``replace`` is not set; then nothing is changed.
    """
    facts = contents.read(backup)
    _assert_not_newer(place, facts)
    for folder in (place.filestore, place.mail):
        if not folder.is_dir():
            raise SystemExit(f"{folder} is not there: make it, with the owner that it is to have; "
                             f"nothing was changed.")
    mark = f"being restored from {backup.name}, {facts['list']}"
    there = database.state_of(place, mark)
    folders = (place.filestore, place.mail)
    # the end of one that was killed is to be told from a world that is used
    begun = there == "restored" or all(_is_marked(folder, mark) for folder in folders)
    full = [] if begun else [folder for folder in folders if any(folder.iterdir())]
    if not begun and (there == "used" or full) and not replace:
        what = [f"the database {place.database}"] if there == "used" else []
        raise SystemExit(f"There is something already: {', '.join([*what, *map(str, full)])}. "
                         f"--replace deletes it; nothing was changed.")
    for folder in folders:
        _begin(folder, mark, empty=folder in full)
    if there != "restored":
        report.step(f"Database {place.database} ...")
        database.restore(place, backup, facts["database"], mark, report)
    report.step(f"{facts['attachments']} attachments ...")
    contents.put_back(backup, filestore.FOLDER, place.filestore, report)
    report.step(f"Mail of {len(facts['mailboxes'])} mailboxes ...")
    contents.put_back(backup, mail.FOLDER, place.mail, report)
    database.settle(place, facts["mailboxes"])
    os.sync()
    for folder in (place.filestore, place.mail):
        (folder / MARK).unlink(missing_ok=True)
    database.comment(place, None)
    report.step("Restored.")


def check(backup, report):
    """The manifest of a backup, all of whose files were read."""
    facts = contents.read(backup)
    report.step(f"Verifying {backup}: {facts['files']} files, {facts['bytes'] / 1e6:.1f} MB ...")
    contents.verify(backup, report)
    return facts


def prepare_demo(root, database_name, backup):
    """A demo world's PostgreSQL, started; where no world has been before, with the secrets,
    certificates and zone of the backup.  Where one has been, it keeps its own.

    Returns its place, the world, to be stopped, and whether it is new.
    """
    if not contents.read(backup)["demo"]:
        raise SystemExit("This is the backup of a real host: name --filestore, --mail-root and "
                         "--dovecot.")
    world = World(root, database=database_name, echo=False)
    state, place = world.state, demo(world.state, database_name)
    if not world.lock():
        raise SystemExit(f"The world in {state.root} runs: stop it first (./setup/run --stop).")
    if state.root.stat().st_uid != os.geteuid():
        raise SystemExit(f"{state.root} is not root's, as what is restored would be: take a new "
                         f"folder (--state).")
    system.release()
    system.install_packages(
        [*postgres.PACKAGES, *(name for part in MAIL_PARTS for name in part.PACKAGES)])
    system.system_user(dovecot.OWNER)
    is_new = not state.fact("cluster")
    if is_new:
        _demo_files(state, backup)
    world.start_database()
    state.folder("mail")
    system.own(place.mail, f"{dovecot.OWNER}:{dovecot.OWNER}", mode="700")
    place.filestore.mkdir(parents=True, exist_ok=True)
    return place, world, is_new


def settle_demo(place, is_new):
    """The next start brings the database to the code of then, and fits it to the ports of then."""
    name = f"database {place.database}"
    if not is_new or not place.state.fact(name):
        place.state.fact(name, "restored")
        place.state.forget(f"settled {place.database}")


def _demo_files(state, backup):
    work = state.folder("restoring")
    further.restore(backup, work)
    [root] = {path.parent for path in work.rglob("state.json")}
    state.take_over(root / "state.json", without=NOT_HERE)
    for part in (root / "tls", root / "dns"):  # not where it had no mail
        if part.exists():
            system.run(["cp", "-a", part, state.root])
    if state.path("dns").exists():
        system.run(["chown", "-R", "knot:knot", state.path("dns", "zones")])
    shutil.rmtree(work)


def _assert_not_newer(place, facts):
    newer = []
    if facts["database"]["postgresql"] > database.major_version(place):
        newer.append(f"PostgreSQL {facts['database']['postgresql']}")
    for name, version in facts["database"]["addons"].items():
        if _numbers(version) > _numbers(_here(name)):
            newer.append(f"{name} {version}")
    if newer:
        raise SystemExit(f"The backup is of {', '.join(newer)}, which is newer than what is here. "
                         f"Bring this host to the same versions first; nothing was changed.")


def _here(addon):
    """The version of an add-on in this checkout."""
    return manifest(addon)["version"] if (PROJECT / addon).is_dir() else "0"


def _numbers(version):
    return [int(number) for number in version.split(".")]


def _is_marked(folder, mark):
    path = folder / MARK
    return path.exists() and path.read_text() == mark


def _begin(folder, mark, empty):
    if empty:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    (folder / MARK).write_text(mark)

