# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The daemon that Postfix' transport ``inbound`` delivers to."""

import asyncio
import contextlib
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from .lmtp import Lmtp, announce
from .metrics import Metrics

_logger = logging.getLogger(__name__)

THREADS = 20  # messages at once, as many as Postfix has processes for (master.cf)
STOP_SECONDS = 30  # for what is being handed over
LIVES_SECONDS = 60  # from one sign of life to the next


class Handler:
    def __init__(self, handover, threads=THREADS):
        self._handover = handover
        self._pool = ThreadPoolExecutor(threads, "handover")
        self.busy = set()
        self.metrics = Metrics(self.busy)

    async def handle_EHLO(self, _server, session, _envelope, hostname, responses):
        session.host_name = hostname
        return announce(responses)

    async def handle_DATA(self, _server, _session, envelope):
        task = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(
            self._pool, self._handover.deliver, envelope.mail_from,
            list(zip(envelope.rcpt_tos, envelope.originals, strict=True)), envelope.content,
        ))
        self.busy.add(task)
        began = time.monotonic()
        try:
            replies = await asyncio.shield(task)
        except Exception:
            # the message stays in Postfix' queue
            _logger.exception("a message was not handed over")
            replies = ["451 4.3.0 Local error, see the log"] * len(envelope.rcpt_tos)
        finally:
            self.busy.discard(task)
        self.metrics.replied(replies, time.monotonic() - began)
        # a reply for each recipient (RFC 2033, 4.2); the library sends what it is given
        return "\r\n".join(replies)


def run(handover, listen, watch):
    """Serve until SIGTERM or SIGINT.  ``listen``: ``host:port``; ``watch``: a ``watch.Watch``,
    which is started and stopped with it."""
    return asyncio.run(_serve(handover, listen, watch))


async def _serve(handover, listen, watch):
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # the library's, of each command
    loop = asyncio.get_running_loop()
    host, _colon, port = listen.rpartition(":")
    handler = Handler(handover)
    watch.vitals.reports(handler.metrics.families, handler.metrics.figures)
    server = await loop.create_server(
        lambda: Lmtp(handler, data_size_limit=None, enable_SMTPUTF8=True, ident="Emboux",
                     hostname="emboux", loop=loop),
        host, int(port), backlog=128,
    )
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    watch.start()
    _logger.info("taking mail at %s", listen)
    while not ending.is_set():
        watch.vitals.lives(LIVES_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), LIVES_SECONDS)
    server.close()
    if handler.busy:
        await asyncio.wait(handler.busy, timeout=STOP_SECONDS)
        await asyncio.sleep(0.1)  # for the replies
    watch.stop()
    return 0
