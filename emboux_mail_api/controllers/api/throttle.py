"""How often a key may call; failed keys are counted by ``emboux.api.failure``."""

import logging
import threading
import time
from contextlib import contextmanager

from .errors import too_many

_logger = logging.getLogger(__name__)

DEFAULT_RATE = 100  # requests a second of one key, in each worker process
BULKS = 2  # large requests that this process works on at once
_LOCK = threading.Lock()
_BUCKETS = {}
_BULKS = set()


def assert_rate(key, env):
    """A token bucket for each key that holds two seconds' worth.

    In the memory of the process: it protects this process from a client that loops, and a
    write to the database for each request would cost more than it saves.
    """
    rate = _rate(env)
    now = time.monotonic()
    with _LOCK:
        if len(_BUCKETS) > 10_000:  # those that have been full again for long say nothing
            for name in [n for n, (_filled, since) in _BUCKETS.items() if now - since > 10]:
                del _BUCKETS[name]
        filled, since = _BUCKETS.get((env.cr.dbname, key.id), (2 * rate, now))
        filled = min(2 * rate, filled + (now - since) * rate)
        _BUCKETS[env.cr.dbname, key.id] = (max(filled - 1, 0), now)
    if filled < 1:
        raise too_many("Too many requests with this key, wait a moment", (1 - filled) / rate)


def _rate(env):
    # as superuser: system parameters are readable by administrators alone
    parameter = env["ir.config_parameter"].sudo().get_param("emboux_mail_api.requests_per_second")
    try:
        return max(float(parameter or DEFAULT_RATE), 1.0)
    except ValueError:
        _logger.error("requests_per_second is %r, using %s", parameter, DEFAULT_RATE)
        return DEFAULT_RATE


@contextmanager
def one_bulk(key):
    """A large request keeps the processors busy: one of a key, few of a process.

    :raises ApiError: 429
    """
    with _LOCK:
        if key.id in _BULKS:
            raise too_many("Your last bulk request is still worked on, wait for its answer", 5)
        if len(_BULKS) >= BULKS:
            raise too_many("Other bulk requests are worked on just now, wait a moment", 5)
        _BULKS.add(key.id)
    try:
        yield
    finally:
        with _LOCK:
            _BULKS.discard(key.id)
