# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The daemon that Postfix asks (``check_policy_service``): sockets, signals, log."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import time
from dataclasses import dataclass, field

from .engine import Engine
from .metrics import Metrics
from .protocol import LARGEST_BLOCK, Parser, ProtocolError

_logger = logging.getLogger(__name__)

BACKLOG = 1024  # a hundred smtpd of each Postfix may come at once
IDLE_SECONDS = 1200  # Postfix keeps a connection for 300 s of idleness and 1000 s in all
STOP_SECONDS = 10
HOUSE_SECONDS = 60  # from one look at idle connections to the next
MOST_SESSIONS = 4000
SAMPLE = 1000  # of the messages that pass, one in so many is logged


@dataclass(frozen=True)
class Options:
    """``listen``: ``host:port`` or the path of a Unix socket.

    ``database``: psycopg2's keywords.  ``when_down``: closed or open.  ``wait``: seconds that a
    question waits for PostgreSQL; less than Postfix' own time-out for the policy service.
    ``dry_run``: decide, count and log, and let everything pass.
    """

    database: dict
    listen: str = "127.0.0.1:10040"
    when_down: str = "closed"
    wait: float = 4.0
    dry_run: bool = False
    sample: int = field(default=SAMPLE)


class DecisionLog:
    """One line for each decision but the many that pass, of which some are shown."""

    def __init__(self, sample):
        self._sample, self._passed = sample, 0

    def decided(self, turn, verdict, seconds):
        if not verdict.rule:
            self._passed += 1
            if self._passed % self._sample:
                return
        query, settings = turn.query, turn.settings
        _logger.info(
            "decision=%s wanted=%s rule=%s stage=%s login=%s domain=%s recipient=%s n=%d used=%d"
            " limit=%d queue_id=%s instance=%s ms=%.1f",
            verdict.action, verdict.wanted, verdict.rule or "none", query.stage, query.login,
            settings.domain if settings else "", query.recipient, query.recipients, verdict.used,
            verdict.limit, query.queue_id, query.instance, 1000 * seconds)

    def unavailable(self, turn, passed, error):
        query = turn.query
        _logger.warning(
            "decision=%s rule=unavailable stage=%s login=%s recipient=%s n=%d queue_id=%s"
            " instance=%s why=%s", "accept" if passed else "defer", query.stage, query.login,
            query.recipient, query.recipients, query.queue_id, query.instance, error)


class Session(asyncio.Protocol):
    """One connection of Postfix.  Its questions are answered one after the other."""

    def __init__(self, daemon):
        self._daemon, self._engine = daemon, daemon.engine
        self._parser = Parser()
        self._transport = None
        self._asked = self._full = self._ending = self._running = self._paused = False
        self.touched = time.monotonic()

    @property
    def idle(self):
        return not self._asked

    def connection_made(self, transport):
        self._transport = transport
        if len(self._daemon.sessions) >= MOST_SESSIONS:
            _logger.warning("more than %d connections: one is closed", MOST_SESSIONS)
            transport.close()
        self._daemon.sessions.add(self)

    def connection_lost(self, exc):
        self._ending = True
        self._daemon.sessions.discard(self)

    def data_received(self, data):
        self._parser.feed(data)
        self._go_on()
        if self._parser.waiting > LARGEST_BLOCK and not self._ending:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self):
        """The other side sends no more; it may still want its answers."""
        self._ending = True
        return self._asked

    def pause_writing(self):
        self._full = True

    def resume_writing(self):
        self._full = False
        self._go_on()

    def end(self):
        """Answer what is being worked on, then close."""
        self._ending = True
        if not self._asked:
            self._transport.close()

    def _go_on(self):
        if self._running:
            return  # an answer that came at once; the loop below goes on
        self._running = True
        try:
            while not self._asked and not self._full and not self._transport.is_closing():
                query = self._parser.next()
                if query is None:
                    break
                self._asked = True
                self.touched = time.monotonic()
                self._engine.ask(query, self._reply)
        except ProtocolError as error:
            self._daemon.malformed(error, self._transport.get_extra_info("peername"))
            self._transport.abort()
            return
        finally:
            self._running = False
        if self._ending and not self._asked:
            self._transport.close()

    def _reply(self, answer):
        self._asked = False
        self._transport.write(answer)
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._go_on()


class Daemon:
    """``await run()`` until SIGTERM or SIGINT; returns the exit code.

    ``watch``: a ``watch.Watch``, which is started and stopped with it.
    """

    def __init__(self, options, watch):
        self.options, self.watch = options, watch
        self.metrics = Metrics()
        self.engine = Engine(options, self.metrics, DecisionLog(options.sample))
        self.sessions = set()
        self.metrics.sessions, self.metrics.engine = self.sessions, self.engine
        watch.vitals.reports(self.metrics.families, self.metrics.figures, self.metrics.problem)
        self._stopping = asyncio.Event()
        self._told = 0.0

    async def run(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._forget)
        self.engine.start()
        server = await _listen(self.options.listen, lambda: Session(self))
        self.watch.start()
        _logger.info("listening on %s, without PostgreSQL %s%s", self.options.listen,
                     self.options.when_down, ", dry run" if self.options.dry_run else "")
        idle = asyncio.create_task(self._close_idle())
        await self._stopping.wait()
        _logger.info("stopping: %d connections", len(self.sessions))
        idle.cancel()
        server.close()
        await self._end_sessions()
        await self.engine.stop()
        self.watch.stop()
        if not _is_address(self.options.listen):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.options.listen)
        _logger.info("stopped")
        return 0

    def malformed(self, error, peer):
        self.metrics.malformed()
        now = time.monotonic()
        if now - self._told > 1:  # garbage must not fill the disk
            self._told = now
            _logger.warning("connection of %s closed: %s", peer or "a Unix socket", error)

    def _forget(self):
        _logger.info("SIGHUP: all settings are read anew")
        self.engine.settings.drop("*")

    async def _close_idle(self):
        while True:
            self.watch.vitals.lives(HOUSE_SECONDS)
            await asyncio.sleep(HOUSE_SECONDS)
            long_ago = time.monotonic() - IDLE_SECONDS
            for session in [s for s in self.sessions if s.idle and s.touched < long_ago]:
                session.end()

    async def _end_sessions(self):
        for session in list(self.sessions):
            session.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while self.sessions or self.engine.busy:
                    await asyncio.sleep(0.01)


def _is_address(text):
    return "/" not in text


def _address(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"{text} is no address: give host:port, such as 127.0.0.1:10040")
    return host.strip("[]"), int(port)


async def _listen(where, factory):
    loop = asyncio.get_running_loop()
    if _is_address(where):
        return await loop.create_server(factory, *_address(where), backlog=BACKLOG)
    if os.path.exists(where):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            if not probe.connect_ex(where):
                raise OSError(errno.EADDRINUSE, f"another daemon listens on {where}")
        os.unlink(where)  # of one that was killed
    server = await loop.create_unix_server(factory, where, backlog=BACKLOG)
    os.chmod(where, 0o660)
    return server


def run(options, watch):
    """Run until a signal; returns the exit code."""
    return asyncio.run(_run(options, watch))


async def _run(options, watch):
    # a question makes no cycles, and a full collection over the caches stops all of them
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    return await Daemon(options, watch).run()
