"""The mail of a deleted mailbox is deleted from the disk, and no other."""

import json
import subprocess

from parts import dovecot, system
from parts.odoo_code import PROJECT


def test_the_folder_of_a_deleted_mailbox_goes(hosting, odoo, mail, state, status, connect):
    domain, name = hosting.domain("gone")
    gone, kept = (hosting.mailbox(domain, local_part) for local_part in ("gone", "kept"))
    cursor = connect("odoo").cursor()
    folders = []
    for number, local_part in ((gone, "gone"), (kept, "kept")):
        mail.from_outside("ann@outside.tests.example", f"{local_part}@{name}", "to be erased")
        mail.arrives(f"{local_part}@{name}", hosting.PASSWORD, "to be erased")
        cursor.execute("SELECT mail_folder FROM emboux_mailbox WHERE id = %s", [number])
        folders.append(state.path("mail", "vmail", cursor.fetchone()[0]))
    assert all(map(is_there, folders))
    odoo("emboux.mailbox").write([gone], {"active": False})
    odoo("emboux.mailbox").unlink([gone])
    assert once(state, status) == [0, 0]
    assert all(map(is_there, folders)), "within the hour somebody may still be reading it"
    # the row of this one alone: others' hours are theirs
    cursor.execute("UPDATE emboux_mail.leftover SET since = since - interval '1 hour'"
                   " WHERE mail_folder = %s", [folders[0].name])
    assert once(state, status) == [1, 0]
    assert [is_there(folder) for folder in folders] == [False, True]
    mail.arrives(f"kept@{name}", hosting.PASSWORD, "to be erased")


def is_there(folder):
    return not subprocess.run(system.as_root(["test", "-d", str(folder)]), check=False).returncode


def once(state, status):
    """(deleted, failed) of a round with the rights of the purge."""
    wish = {
        "user": dovecot.OWNER,
        "root": str(state.path("mail", "vmail")),
        "database": {
            "host": "127.0.0.1", "port": status["postgres"]["port"],
            "dbname": status["postgres"]["db"], "user": "emboux_retention",
            "password": state.secret("emboux_retention"),
        },
    }
    return json.loads(system.run(system.as_root([
        "/usr/bin/env", f"PYTHONPATH={PROJECT / 'tests'}:{PROJECT / 'emboux_mail_api'}",
        "PYTHONDONTWRITEBYTECODE=1",
        str(state.code / "venv" / "bin" / "python"), "-m", "support.leftover_now",
        json.dumps(wish)]), cwd="/"))
