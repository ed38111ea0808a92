# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A daemon, without Odoo: what a command in ``cli/`` becomes (``options.py``).

    python -P emboux_daemons/__main__.py emboux_policy ...

What it is to do is one JSON object on standard input; the rest of the command line is for whoever
reads ``ps``.
"""

import importlib
import json
import logging
import os
import pwd
import sys


def main():
    given = json.load(sys.stdin)
    sys.path += [folder for folder in given["path"] if folder not in sys.path]
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # before it becomes the user, who need not be able to read our code
    command = importlib.import_module(f"emboux_daemons.{given['daemon']}.command")
    vitals = importlib.import_module("emboux_daemons.vitals")
    watch = importlib.import_module("emboux_daemons.watch")

    def watching(patience=vitals.PATIENCE):
        """The ``Watch`` over this daemon, which is to be started with it.  Seconds."""
        own = vitals.Vitals(given["daemon"], given["name"], given["version"], patience)
        return watch.Watch(own, given["database"], given["metrics"])

    if given["user"]:
        _become(given["daemon"], given["user"])
    sys.exit(command.run(given["database"], given["name"], watching, **given["options"]))


def _become(daemon, user):
    """Drop root's privileges for good."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        _end(daemon, f"there is no system user {user}")
    if os.geteuid() == found.pw_uid:
        return
    try:
        os.initgroups(user, found.pw_gid)
        os.setgid(found.pw_gid)
        os.setuid(found.pw_uid)
    except PermissionError:
        _end(daemon, f"only root can become {user}")
    os.environ["HOME"] = found.pw_dir


def _end(daemon, sentence):
    """As ``argparse`` does, whose parser was the command's."""
    sys.stderr.write(f"odoo emboux_{daemon}: error: {sentence}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
