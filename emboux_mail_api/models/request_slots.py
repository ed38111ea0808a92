# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import os
import socket
import threading
from collections import Counter
from contextlib import contextmanager

from odoo import models
from odoo.exceptions import UserError
from odoo.http import request
from odoo.tools import config

UNLIMITED = 8  # waiting requests in a process without a thread limit
SHARE = 4  # of the threads or workers one in so many may wait
PAUSE = 5  # seconds until one may try again

_lock = threading.Lock()
_waiting = Counter()
_here = threading.local()


class Busy(UserError):
    """Too many requests wait for somebody outside; ``retry_after``: seconds."""

    http_status = 429
    retry_after = PAUSE


class RequestSlots(models.AbstractModel):
    """How many requests may block on others at once: on name servers, providers, slow clients.

    Each occupies an idle thread or worker for ten seconds or more, and there are few: a customer
    with dead name servers could otherwise take all of them.
    """

    _name = "emboux.request.slots"
    _description = "Requests That Wait for Others"

    @contextmanager
    def _slot(self):
        """A slot for a request of a key or a customer; staff, jobs and commands need none.

        :raises Busy: too many of one's own, or altogether
        """
        who = self._who()
        if who is None or getattr(_here, "waits", False):
            yield
            return
        name, own, all_ = self.env.cr.dbname, *self._slot_counts(who)
        mine, everybody = (name, who), (name, None)
        with _lock:
            if _waiting[mine] >= own:
                self._refuse(personal=True)
            if _waiting[everybody] >= all_:
                self._refuse(personal=False)
            _waiting.update((mine, everybody))
        _here.waits = True
        try:
            if config["workers"]:  # each a process with one request: count by the database
                self._take_slot(who, own, personal=True)
                self._take_slot(socket.gethostname(), all_, personal=False)
            yield
        finally:
            _here.waits = False
            with _lock:
                _waiting.subtract((mine, everybody))
                for key in (mine, everybody):
                    if not _waiting[key]:
                        del _waiting[key]

    def _who(self):
        if not request:
            return None
        if key := getattr(request, "emboux_key", None):
            return f"customer {key.partner_id}" if key.partner_id else f"key {key.id}"
        # of the request: what is done for it may be done as another
        user = request.env.user
        if not user:
            return "nobody"  # a webhook before its signature is looked at
        if user._is_internal():
            return None
        customer = user.emboux_partner_id
        return f"customer {customer.id}" if customer else f"user {user.id}"

    def _slot_counts(self, who):
        """For the caller, and for all: in this process, or with workers on this machine."""
        room = config["workers"]
        if not room and (limit := os.environ.get("ODOO_MAX_HTTP_THREADS")):
            # as Odoo reads it
            room = int(limit) if limit.isdigit() else (
                (config["db_maxconn"] - config["max_cron_threads"]) // 2)
        all_ = max(room // SHARE, 1) if room else UNLIMITED
        return max(all_ // (2 if who.startswith("key ") else SHARE), 1), all_

    def _take_slot(self, name, places, personal):
        """One of so many places for as long as the transaction lasts."""
        for number in range(places):
            self.env.cr.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"emboux waits {name} {number}"],
            )
            if self.env.cr.fetchone()[0]:
                return
        self._refuse(personal)

    def _refuse(self, personal):
        raise Busy(
            self.env._("Your last requests still wait for an answer from outside. Repeat this one.")
            if personal else
            self.env._("Many requests wait for answers from outside just now. Repeat this one.")
        )
