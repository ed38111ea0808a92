# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""From mailbox to mailbox: count what has expired, remove it, say how much it was.

Everything starts from what is there, so that it can be killed at any moment, ``kill -9`` included,
and restarted.  What a pass has found is written down before it removes the first message: the pass
that comes after a killed one goes on with it, by the same rule and moment, and so knows how much
both have removed.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta

import psycopg2

from ..rounds import BackOff, Ending
from . import leftover
from .doveadm import DoveadmError
from .metrics import Metrics

_logger = logging.getLogger(__name__)

LONGEST_PAUSE = 600.0
A_DAY = timedelta(hours=20)  # so that a round at the same hour of each day misses nobody


@dataclass(slots=True)
class Tally:
    """Of one domain, or of all."""

    mailboxes: int = 0
    found: int = 0
    removed: int = 0
    problems: int = 0


class Purge:
    """``dovecot``: a ``doveadm.Dovecot``; ``store``: a ``store.Store`` that is open;
    ``clock``: gives the aware time that mail's age is judged by."""

    def __init__(self, dovecot, store, clock=None):
        self.dovecot, self.store = dovecot, store
        self.clock = clock or store.now
        self.ended, self.metrics = Ending(), Metrics()
        self.lives = lambda: None  # called from mailbox to mailbox

    def round(self, since, dry_run=False, domain=None):
        """All mailboxes that were not purged since that time; returns domain to ``Tally``."""
        layout, tallies, after = self.dovecot.layout(), {}, 0
        while not self.ended.is_set():
            mailboxes = self.store.due(since, after, domain)
            if not mailboxes:
                break
            for mailbox in mailboxes:
                if self.ended.is_set():
                    break
                tally = tallies.setdefault(mailbox.domain, Tally())
                tally.mailboxes += 1
                self.lives()
                self._mailbox(mailbox, layout, dry_run, tally)
            after = mailboxes[-1].id
        return tallies

    def _mailbox(self, mailbox, layout, dry_run, tally):
        try:
            if dry_run:
                moment = self.clock()
                found = self._count(mailbox, layout, mailbox.rule, moment)
                self.store.counted(mailbox, moment, found)
                tally.found += found
            else:
                found, removed = self._purge(mailbox, layout)
                tally.found += found
                tally.removed += removed
                self.metrics.mailbox(removed)
        except DoveadmError as error:
            if error.is_gone or self.ended.is_set():  # then the command was killed too
                return
            tally.problems += 1
            self.metrics.failed()
            _logger.error("%s: %s", mailbox.email, error)
            self.store.fail(mailbox, str(error))

    def _purge(self, mailbox, layout):
        """(messages found, messages removed), those of a pass that was killed included."""
        rule, moment = self.store.rule(mailbox), self.clock()
        if not rule:
            return 0, 0
        before = 0  # removed by a pass that was killed
        if begun := self.store.begun(mailbox):
            before = max(0, begun.found - self._count(mailbox, layout, begun.rule, begun.as_of))
            if begun.rule == rule:
                moment = begun.as_of  # what has expired since is the next day's
        expired = self._expired(mailbox, layout, rule, moment)
        found = self.dovecot.count(mailbox.email, expired)
        if not self.store.begin(mailbox, rule, moment, before + found):
            return 0, 0
        if found:
            # a rule that was changed while the messages were counted keeps what it keeps
            if self.store.rule(mailbox) != rule:
                return self._purge(mailbox, layout)
            self.dovecot.expunge(mailbox.email, expired)
        left = self.dovecot.count(mailbox.email, expired) if found else 0
        removed = before + found - left
        self.store.finish(mailbox, removed)
        return before + found, removed

    def _count(self, mailbox, layout, rule, moment):
        return self.dovecot.count(mailbox.email, self._expired(mailbox, layout, rule, moment))

    def _expired(self, mailbox, layout, rule, moment):
        """[(folder's GUID, the time before which its mail has expired)]"""
        found = []
        for folder in self.dovecot.folders(mailbox.email):
            days = rule.get(layout.kind(folder.name), 0)
            if days and folder.messages:
                found.append((folder.guid, int((moment - timedelta(days=days)).timestamp())))
        return found


def run(purge, every=0, everything=False, dry_run=False, domain=None, mail_root=None, watch=None):
    """One round, or with ``every`` (seconds) one after the other; returns the exit code.

    ``everything``: also those mailboxes that were done within the last day. ``mail_root``: where
    the folders of mailboxes lie, to delete those of deleted ones. ``watch``: a ``watch.Watch``
    that has been started, where one goes on.
    """
    vitals = watch.vitals if watch else None
    store, back_off = purge.store, BackOff(5.0, LONGEST_PAUSE, _logger, vitals)
    if vitals:
        vitals.reports(purge.metrics.families)
        purge.lives = vitals.lives
    again = timedelta(0) if everything or dry_run else A_DAY
    purge.ended.on_signals()
    while True:
        try:
            store.open()
            with store.alone():
                tallies = purge.round(store.now() - again, dry_run, domain)
            _report(tallies, dry_run)
            failed = any(tally.problems for tally in tallies.values())
            if mail_root and not domain:
                failed |= _leftovers(purge, mail_root, dry_run)
            wait = every
            back_off.worked()
            if vitals:
                _tell(vitals, tallies, wait)
        except (psycopg2.Error, DoveadmError) as error:
            store.close()
            wait, failed = back_off.failed(error), True
        if not every or purge.ended.wait(wait):
            store.close()
            return int(failed and not every)


def _tell(vitals, tallies, wait):
    """Odoo's page has which mailboxes and why; here, that there are some."""
    if problems := sum(tally.problems for tally in tallies.values()):
        vitals.failed(f"The old mail of {problems} mailboxes could not be removed.", wait)
    else:
        vitals.lives(wait)


def _leftovers(purge, mail_root, dry_run):
    """Whether some could not be deleted."""
    done, failed = leftover.remove(mail_root, purge.store, purge.ended.is_set, dry_run)
    if not dry_run:
        purge.metrics.folders(done, failed)
    if done:
        text = "would be deleted" if dry_run else "deleted"
        _logger.info("the mail of %d deleted mailboxes %s", done, text)
    return bool(failed)


def _report(tallies, dry_run):
    for domain, tally in sorted(tallies.items()):
        if dry_run:
            text = f"{tally.found} messages would be removed"
        else:
            text = f"{tally.removed} messages removed"
        trouble = f", {tally.problems} with problems" if tally.problems else ""
        _logger.info("%s: %s from %d mailboxes%s", domain, text, tally.mailboxes, trouble)
    if not tallies:
        _logger.info("no mailbox is due")
