# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_inbound`` does by its options, which are explained in ``cli/``."""

from functools import partial

# of emboux_core, whose folder the command has put in the path
from net.push import Message, Pusher

from . import daemon
from .handover import Handover


def run(database, _name, watching, listen, odoo, ca_file):
    """Returns the exit code."""
    watch = watching()
    return daemon.run(
        Handover(
            database, partial(Pusher, ca_file=ca_file), Message, odoo.rstrip("/"),
            {"X-Odoo-Database": database["dbname"]}, watch.vitals,
        ),
        listen, watch,
    )
