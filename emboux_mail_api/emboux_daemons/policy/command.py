# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_policy`` does by its options, which are explained in ``cli/``."""

import sys

from . import daemon
from .explain import explain as explained


def run(database, _name, watching, explain, recipients, **options):
    """Returns the exit code."""
    database["application_name"] = "emboux_policy"
    if explain:
        login, recipient = explain
        sys.stdout.write(f"{explained(database, login, recipient, recipients)}\n")
        return 0
    return daemon.run(daemon.Options(database=database, **options), watching())
