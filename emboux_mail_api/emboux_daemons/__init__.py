# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The daemons that run beside Odoo, each started by the command of its name in ``cli/``.

Nothing here imports a model, or anything else of the add-on, so that a command can import the
package by itself: it puts the folder above this one in ``sys.path``.  Odoo and its tests import the
same files as ``odoo.addons.emboux_mail_api.emboux_daemons``.

``options.py`` has the options that all commands take and is run in Odoo's command, which then
becomes ``__main__.py``, a process without Odoo; that calls ``run`` in the daemon's ``command.py``.
``store.py`` has the connection to Odoo's database, ``rounds.py`` the pauses after an error and the
end by a signal.  ``vitals.py`` knows how a daemon does, and ``watch.py`` lets others see it, in the
format of ``exposition.py``.
"""
