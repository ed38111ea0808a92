"""How often a key may call; failed keys are counted by ``emboux.api.failure``."""

import threading
import time

from .errors import too_many

DEFAULT_RATE = 100  # requests a second of one key, in each worker process
_LOCK = threading.Lock()
_BUCKETS = {}


def assert_rate(key, env):
    """A token bucket for each key that holds two seconds' worth.

    In the memory of the process: it protects this process from a client that loops, and a
    write to the database for each request would cost more than it saves.
    """
    # as superuser: system parameters are readable by administrators alone
    parameter = env["ir.config_parameter"].sudo().get_param("emboux_mail_api.requests_per_second")
    rate = float(parameter or DEFAULT_RATE)
    now = time.monotonic()
    with _LOCK:
        if len(_BUCKETS) > 10_000:
            _BUCKETS.clear()
        filled, since = _BUCKETS.get((env.cr.dbname, key.id), (2 * rate, now))
        filled = min(2 * rate, filled + (now - since) * rate)
        _BUCKETS[env.cr.dbname, key.id] = (max(filled - 1, 0), now)
    if filled < 1:
        raise too_many("Too many requests with this key, wait a moment", (1 - filled) / rate)
