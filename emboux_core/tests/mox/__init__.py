# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A stand-in for the mox mail server: the calls an administrator's program makes, in memory.

    with MoxServer() as mox:  # of server.py
        mox.url  # "http://127.0.0.1:PORT/admin/"
"""
