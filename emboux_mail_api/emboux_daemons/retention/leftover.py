# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Deletes the folders of mailboxes that are deleted, below the folder where all mailboxes lie.

A row goes after its folder: what a killed run has left the next one finds.
"""

import logging
import re
import shutil
from pathlib import Path

_logger = logging.getLogger(__name__)
_FOLDER = re.compile(r"[0-9A-Za-z_-]{8,64}")  # as Odoo makes them: never a path


def remove(root, store, ended=lambda: False, dry_run=False):
    """Returns how many were deleted (with ``dry_run``: would be), and how many could not be."""
    done = failed = 0
    after = ""
    while folders := store.leftovers(after):
        for folder in folders:
            if ended():
                return done, failed
            if dry_run:
                done += 1
            elif _delete(Path(root), folder):
                store.forget(folder)
                done += 1
            else:
                failed += 1
        after = folders[-1]
    return done, failed


def _delete(root, folder):
    """Whether nothing is there any more."""
    if not _FOLDER.fullmatch(folder):
        _logger.error("%r is no folder of a mailbox, it stays", folder)
        return False
    if not root.is_dir():
        # a disk that is not mounted must not count as mail that is gone
        _logger.error("%s, where the mailboxes lie, is not there", root)
        return False
    try:
        shutil.rmtree(root / folder)
    except FileNotFoundError:
        return not (root / folder).exists()  # it never got mail, or it is deleted already
    except OSError as error:
        _logger.error("the mail in %s cannot be deleted: %s", folder, error.strerror)
        return False
    return True
