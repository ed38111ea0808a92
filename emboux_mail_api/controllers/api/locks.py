# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Queueing before the work: whoever changes what a quota counts waits for those before.

Odoo's transactions are REPEATABLE READ: of two that change one counter the second fails and is
tried again, five times at most, after random waits.  That keeps the count right, for forms too, but
two hundred concurrent requests would mostly fail.  So an API request takes a lock first, and then
sees what the others have committed meanwhile.
"""

import threading
from collections import Counter

from psycopg2.errors import LockNotAvailable

from ...api_errors import too_many

WAIT_SECONDS = 30  # seconds

_guard = threading.Lock()
_queues = {}
_waiting = Counter()


def take_lock(env, name):
    """Wait for the lock called ``name``, then restart the transaction.

    The lock ends with the transaction.  Nothing may have been written before.
    :raises ApiError: 429, it took too long.
    """
    end_with_transaction(env, hold_lock(env, name))


def end_with_transaction(env, end):
    env.cr.postcommit.add(end)
    env.cr.postrollback.add(end)


def hold_lock(env, name):
    """As ``take_lock``, for longer than one transaction; returns what ends it."""
    # a cursor of its own: it waits, and holds on beyond this call, unlike ``advisory_lock``
    leave = _acquire_in_process(f"{env.cr.dbname} {name}")
    try:
        cr = env.registry.cursor()
    except BaseException:
        leave()
        raise

    def end():
        cr.close()
        leave()

    try:
        cr.execute(
            "SET LOCAL lock_timeout = %s; SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [1000 * WAIT_SECONDS, f"emboux {name}"],
            log_exceptions=False,
        )
    except LockNotAvailable as error:
        end()
        raise too_many(
            "Too many concurrent requests for the same data, repeat this one", 1
        ) from error
    except BaseException:
        end()
        raise
    env.cr.rollback()
    env.transaction.clear()
    return end


def _acquire_in_process(name):
    """First lock within this process, so that only one waiting thread takes another connection.

    Returns what releases the lock.
    """
    with _guard:
        queue = _queues.setdefault(name, threading.Lock())
        _waiting[name] += 1

    def forget():
        with _guard:
            _waiting[name] -= 1
            if not _waiting[name]:
                del _queues[name], _waiting[name]

    if not queue.acquire(timeout=WAIT_SECONDS):
        forget()
        raise too_many("Too many concurrent requests for the same data, repeat this one", 1)

    def leave():
        queue.release()
        forget()

    return leave
