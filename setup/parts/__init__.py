"""The parts that ``setup/run``, ``setup/test`` and ``setup/odoo`` are put together from.

Each module has one job and can be read on its own: where state lies (``state``), how a program
is installed and started (``system``, ``supervisor``), and one module a server.  Python 3.11
and the standard library alone, because they run before anything is installed.
"""
