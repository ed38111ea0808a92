# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Transactions of their own: for the items of a cron job, and for what is written down whatever
becomes of the caller's transaction."""

import logging
from contextlib import contextmanager

from psycopg2.errors import UniqueViolation

from odoo import models
from odoo.exceptions import LockError, UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

_logger = logging.getLogger(__name__)

TRIES = 3
# what a step of a job may answer:
OUT = "out"  # what others need too is away: a platform, a provider, a server
AGAIN = "again"  # there is more to be done, in another transaction
BATCH = 1000  # rows that an autovacuum deletes in one transaction


def each_in_own_transaction(env, groups, do, failed=None, more=0, size=None):
    """For a cron job: ``do(item)`` for each item, each in a transaction of its own.

    One failure holds up nobody: what was done for that item is taken back, and logged.  Whoever
    meets another transaction starts over a few times, and is then left for the next run.

    :param groups: recordsets or lists of items.  Once ``do`` has returned ``OUT`` the rest of its
        group is left for the next run too: it counts as remaining no more, else the job would
        begin again at once.  After ``AGAIN`` the same item is done once more.
    :param failed: called with (item, error) after what ``do`` had done is taken back: to put the
        item off, or to tell somebody.  It is committed.
    :param more: how many are due besides.
    :param size: ``do`` takes so many at once, as a slice of the group; where that fails, each of
        them by itself.
    :return: whether the job has time for more.
    """
    groups = list(groups)
    remaining = sum(map(len, groups)) + more
    cron = env["ir.cron"]
    # a new transaction: it sees what others have committed meanwhile
    if not cron._commit_progress(remaining=remaining):
        return False
    for group in groups:
        left = len(group)
        waiting = _slices(group, size) if size else list(group)
        waiting.reverse()
        while waiting:
            item = waiting.pop()
            count = len(item) if size else 1
            done, outcome = _try(env, do, item, None if count > 1 else failed, count > 1)
            if not done and count > 1:
                waiting += reversed(_slices(item, 1))
                continue
            if outcome == AGAIN:
                waiting.append(item)
                count = 0
            left -= count
            skipped = left if outcome == OUT else 0
            remaining -= count + skipped
            if not cron._commit_progress(count or 1, remaining=remaining):
                if remaining:
                    _go_on(env)
                return False
            if skipped:
                break
    return True


def _go_on(env):
    """Resume the job as soon as the others have had their turn.

    Odoo 19 stops it after ten seconds, and looks for jobs a minute later unless it is notified.
    """
    if job := env.context.get("cron_id"):
        # as superuser: jobs are not for their users to trigger
        env["ir.cron"].sudo().browse(job)._trigger()
        env.cr.commit()


def _slices(group, size):
    return [group[at : at + size] for at in range(0, len(group), size)]


def _try(env, do, item, failed, divisible=False):
    """Returns (whether it is done, what ``do`` returned)."""
    if isinstance(item, models.BaseModel):
        item = item.with_prefetch()  # a commit empties the cache: not all are read anew
    for last in (*[False] * (TRIES - 1), True):
        try:
            if isinstance(item, models.BaseModel):
                item = item.exists()
                if not item:
                    return True, None
            outcome = do(item)
            env.cr.flush()
        except (*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY, LockError) as error:
            env.cr.rollback()
            if last:
                _logger.info("%s waits for the next run: %s", _say(item), error)
        except Exception as error:
            env.cr.rollback()
            # what is refused says why in words, anything else is a defect
            defect = not divisible and not isinstance(error, UserError)
            level = logging.ERROR if defect else logging.INFO if divisible else logging.WARNING
            _logger.log(level, "%s: %s", _say(item), error, exc_info=defect)
            if failed:
                # what is said of it must not end the job either
                _try(env, lambda it, error=error: failed(it, error), item, None)
            return False, None
        else:
            return True, outcome
    return False, None


def _say(item):
    """For the log."""
    if not isinstance(item, models.BaseModel):
        return item
    try:
        return f"{item._name} {', '.join(item.mapped('display_name'))}"
    except Exception:  # perhaps that is what is wrong with it
        return repr(item)


def delete_in_batches(model, domain, delete=lambda gone: gone.unlink()):
    """For an autovacuum: delete what matches the search domain, one batch.

    Returns (how many went, whether there are more), by which Odoo calls again until all is done.
    """
    found = model.search(domain, limit=BATCH + 1)
    gone = found[:BATCH]
    count, more = len(gone), len(found) > BATCH
    delete(gone)
    return count, more


@contextmanager
def own_transaction(records):
    """``records`` in a transaction of its own, as superuser, which is committed at the end.

    For rows that are written whatever becomes of the caller's transaction, which must not write
    them: one that others wrote since it began it could not write (40001), and a rollback would
    forget what was done outside.
    """
    with records.env.registry.cursor() as cr:
        # as superuser: such rows are not for users to write; without the caller's context, whose
        # defaults would be taken for the row's
        yield records.with_env(
            records.env(cr=cr, su=True, context={"lang": records.env.lang})
        )


def in_own_transaction(records, method, *arguments):
    """What this method of ``records`` returns, run as by ``own_transaction``.

    It is run anew, a few times, where it meets another transaction or somebody else has just made
    what it makes.  ``method``: its name.
    """
    for last in (*[False] * (TRIES - 1), True):
        try:
            with own_transaction(records) as own:
                return getattr(own, method)(*arguments)
        except (*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY, UniqueViolation):
            if last:
                raise
    return None


@contextmanager
def advisory_lock(env, *names):
    """Be the only one in all processes who is at these things; gives whether that is so.

    Nobody waits for it, and it ends with the process, however that ends.
    """
    with env.registry.cursor() as cr:
        cr.execute(
            "SELECT bool_and(pg_try_advisory_xact_lock(hashtextextended(name, 0)))"
            "  FROM unnest(%s) AS name", [list(names)])
        [free] = cr.fetchone()
        yield free


def known_to_be(env, name, asked, ask):
    """For each of these whether it is so, asked once in a transaction: nobody else can change it.

    Whoever changes it in this transaction calls ``forget_known``.

    :param name: of the question.
    :param ask: returns those of its argument, a list, of which it is so.
    """
    known = env.cr.cache.setdefault(name, {})
    if unknown := [item for item in dict.fromkeys(asked) if item not in known]:
        found = set(ask(unknown))
        known.update((item, item in found) for item in unknown)
    return {item: known[item] for item in asked}


def forget_known(env, name):
    """What ``known_to_be`` knows of this question may be so no more."""
    env.cr.cache.pop(name, None)
