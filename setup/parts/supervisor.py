"""Starts servers in the foreground of ours, watches them, prefixes their logs, stops them."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import system

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)


@dataclass(frozen=True)
class Service:
    """A server that stays in the foreground and logs to its standard output."""

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    root: bool = False  # run as root (it drops its privileges itself)
    user: str | None = None  # or as this system user
    env: dict = field(default_factory=dict)
    cwd: str | None = None
    start_seconds: float = 30.0
    stop_seconds: float = 15.0
    stop_signal: str = "TERM"


def listening(port, host="127.0.0.1"):
    """A readiness check: something accepts TCP connections there."""

    def check():
        try:
            with socket.create_connection((host, port), timeout=1):
                return True
        except OSError:
            return False

    return check


class Supervisor:
    """Runs services in order; remembers their process ids so that leftovers can be ended."""

    def __init__(self, state, echo=True, pids="pids.json"):
        self.state = state
        self.echo = echo
        self.running = {}
        self._tails = {}
        self._pids = state.folder("run") / pids

    def start(self, service):
        argv = list(service.argv)
        if service.root:
            argv = system.as_root(argv)
        elif service.user:
            argv = system.as_user(service.user, argv)
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **service.env},
            cwd=service.cwd,
            start_new_session=True,
        )
        self.running[service.name] = (service, process)
        self._remember()
        self._tails[service.name] = deque(maxlen=25)
        colour = COLOURS[len(self.running) % len(COLOURS)]
        threading.Thread(
            target=self._follow, args=(service.name, process, colour), daemon=True
        ).start()
        self._await(service, process)

    def _await(self, service, process):
        deadline = time.monotonic() + service.start_seconds
        while not service.ready():
            if process.poll() is not None:
                time.sleep(0.2)  # the reader thread still holds the last lines
                self._fail(service, f"ended with exit code {process.returncode}")
            if time.monotonic() > deadline:
                self._fail(service, f"did not answer within {service.start_seconds:.0f} s")
            time.sleep(0.05)

    def _fail(self, service, what):
        tail = "\n".join(self._tails[service.name])
        raise SystemExit(f"{service.name} {what}. Its last lines:\n{tail}")

    def _follow(self, name, process, colour):
        log = self.state.folder("log") / f"{name}.log"
        prefix = f"{name:<9}| "
        if self.echo and sys.stdout.isatty():
            prefix = f"\033[{colour}m{prefix}\033[0m"
        with log.open("a", buffering=1) as file:
            for line in process.stdout:
                file.write(line)
                self._tails[name].append(line.rstrip())
                if self.echo:
                    print(prefix + line, end="", flush=True)

    def died(self):
        """The first service that ended by itself as ``(name, exit code)``, or None."""
        for name, (_service, process) in self.running.items():
            if process.poll() is not None:
                return name, process.returncode
        return None

    def stop(self, *names):
        """Stop the named services, or all, the last started first."""
        for name in [n for n in reversed(self.running) if not names or n in names]:
            service, process = self.running.pop(name)
            foreign = bool(service.root or service.user)
            _end_group(process.pid, foreign, service.stop_signal, service.stop_seconds, process)
        self._remember()

    def kill(self, name):
        """``kill -9`` of a service and its children, for tests of what survives it."""
        service, process = self.running.pop(name)
        _signal_group("KILL", process.pid, bool(service.root or service.user))
        process.wait()
        self._remember()

    def _remember(self):
        rows = {
            name: [
                process.pid,
                start_time(process.pid),
                bool(service.root or service.user),
                service.stop_signal,
            ]
            for name, (service, process) in self.running.items()
        }
        self._pids.write_text(json.dumps(rows))

    def end_leftovers(self):
        """End what a supervisor that was itself killed left running."""
        if not self._pids.exists():
            return
        leftovers = json.loads(self._pids.read_text() or "{}")
        for pid, started, foreign, stop_signal in reversed(leftovers.values()):
            if started and start_time(pid) == started:
                _end_group(pid, foreign, stop_signal, 10)
        self._pids.write_text("{}")


def _stat(pid):
    """The fields of ``/proc/<pid>/stat`` from the state on; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def start_time(pid):
    """The kernel's start time of a process: tells it from a later one with the same id."""
    return (_stat(pid) or [None] * 20)[19]


def is_alive(pid, started):
    """Whether the process that was started then still runs (and is not just unreaped)."""
    fields = _stat(pid)
    return bool(fields) and fields[19] == started and fields[0] not in "ZX"


def _signal_group(name, pgid, foreign):
    # the shell's own kill: a minimal Debian has no /bin/kill
    argv = ["sh", "-c", 'kill -s "$0" -- "-$1"', name, str(pgid)]
    subprocess.run(
        system.as_root(argv) if foreign else argv, capture_output=True, check=False
    )


def _group_alive(pgid):
    try:
        with contextlib.suppress(PermissionError):  # it is there, as somebody else's
            os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    # Dead processes whose parent is gone stay on where nobody reaps them, as in a container
    # without an init.
    stats = (_stat(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    states = [fields[0] for fields in stats if fields and fields[2] == str(pgid)]
    return not states or not set(states) <= {"Z", "X"}


def _end_group(pgid, foreign, stop_signal, seconds, process=None):
    _signal_group(stop_signal, pgid, foreign)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None:
            process.poll()  # reap it, else its group looks alive
        if not _group_alive(pgid):
            return
        time.sleep(0.05)
    _signal_group("KILL", pgid, foreign)
    if process is not None:
        process.wait()
