import logging
from contextlib import contextmanager

from psycopg2 import errors

from odoo import api, models
from odoo.exceptions import LockError, UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

_logger = logging.getLogger(__name__)

TRIES = 3
# what a step of a job may answer:
OUT = "out"  # what others need too is away: a platform, a provider, a server
AGAIN = "again"  # there is more to be done, in another transaction
SWEPT = 1000  # rows that a transaction of the cleaning deletes


def each_apart(env, groups, do, failed=None, more=0, size=None):
    """For a job: ``do(item)`` for each item, each in a transaction of its own.

    What fails for one of them is taken back, logged, and holds up nobody else.  Whoever meets
    another transaction starts over a few times, and is then left for the next run.

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
            done, outcome = _do_apart(env, do, item, None if count > 1 else failed, count > 1)
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
                return False
            if skipped:
                break
    return True


def _slices(group, size):
    return [group[at : at + size] for at in range(0, len(group), size)]


def _do_apart(env, do, item, failed, divisible=False):
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
                _do_apart(env, lambda it, error=error: failed(it, error), item, None)
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


def swept(model, old, delete=lambda gone: gone.unlink()):
    """For an autovacuum: delete what matches, some of it at once.

    Returns (how many went, whether there are more), by which Odoo calls again until all is done.
    """
    found = model.search(old, limit=SWEPT + 1)
    gone = found[:SWEPT]
    count, more = len(gone), len(found) > SWEPT
    delete(gone)
    return count, more


class Apart(models.AbstractModel):
    """Rows that are written in transactions of their own, whatever becomes of the caller's."""

    _name = "emboux.apart"
    _description = "Written in Separate Transactions"

    @api.model
    def _apart(self, method, *arguments):
        """Run a method of this recordset in a transaction of its own, and commit it.

        The caller's transaction writes no such row: one that others wrote since it began
        it could not write (40001), and a rollback would forget what was done outside.
        """
        for last in (*[False] * (TRIES - 1), True):
            try:
                with self._own_transaction() as apart:
                    return getattr(apart, method)(*arguments)
            except (*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY, errors.UniqueViolation):
                if last:
                    raise
        return None

    @contextmanager
    def _own_transaction(self):
        """This recordset in a transaction of its own, which is committed at the end."""
        with self.env.registry.cursor() as cr:
            # as superuser: such rows are nobody's to write; without the caller's context,
            # whose defaults would be taken for the row's
            yield self.with_env(self.env(cr=cr, su=True, context={"lang": self.env.lang}))

    @contextmanager
    def _turn(self, what):
        """Be the only one who is at something, in all processes; gives whether that is so.

        Nobody waits for it, and it ends with the process, however that ends.
        """
        with self.env.registry.cursor() as cr:
            cr.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [what])
            [free] = cr.fetchone()
            yield free
