# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_webhooks`` does by its options, which are explained in ``cli/``."""

# of emboux_core, whose folder the command has put in the path
from net.public import is_public
from net.signature import signed

from . import sender, store
from .post import Poster


def run(database, _name, watching, ca_file):
    """Returns the exit code."""
    with watching() as watch:
        return sender.run(lambda: sender.Sender(
            store.Store(database), store.Listener(database),
            Poster(signed, is_public, ca_file), watch.vitals))
