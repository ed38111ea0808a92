"""Where everything lies: one folder with ports, secrets, data, configuration and logs.

The folder must be reachable by the system users of PostgreSQL, Postfix and Dovecot, and
its path short enough for a Unix socket (108 bytes).  A checkout below ``/root`` or a
private home folder is neither, so there the folder becomes a link into ``/var/lib``.
"""

import hashlib
import json
import os
import secrets
import socket
from pathlib import Path

from . import system

MAX_ROOT_LENGTH = 60  # leaves 47 bytes for the longest socket name below it
FIRST_PORT, LAST_PORT = 20000, 32000  # below Linux' ephemeral range


class State:
    """One world's folder.  ``code`` (Odoo, virtual environment) may be shared by several."""

    def __init__(self, root, code=None):
        wanted = Path(os.path.abspath(root))
        # the folder of the code first: it may be around ours, and has to become the link then
        self.code = State(code).root if code else None
        self.root = _reachable(wanted)
        self.code = self.code or self.root
        self._file = self.root / "state.json"
        self._data = {"ports": {}, "secrets": {}, "facts": {}}
        if self._file.exists():
            self._data.update(json.loads(self._file.read_text()))

    def save(self):
        temporary = self._file.with_suffix(".tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            json.dump(self._data, f, indent=1, sort_keys=True)
        temporary.replace(self._file)

    def path(self, *parts):
        return self.root.joinpath(*parts)

    def folder(self, *parts):
        """The path of a folder, made if it is not there."""
        path = self.path(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def secret(self, name):
        """A random secret (URL-safe text), the same on every call."""
        if name not in self._data["secrets"]:
            self._data["secrets"][name] = secrets.token_urlsafe(24).replace("-", "a")
            self.save()
        return self._data["secrets"][name]

    def password(self, name):
        """A random password that a person types: short, without letters that look alike."""
        letters = "abcdefghijkmnpqrstuvwxyz23456789"
        known = self._data["secrets"]
        if name not in known:
            known[name] = "-".join(
                "".join(secrets.choice(letters) for _ in range(4)) for _ in range(3)
            )
            self.save()
        return known[name]

    def fact(self, name, value=None):
        """Read a remembered fact, or remember it when a value is given."""
        if value is not None and self._data["facts"].get(name) != value:
            self._data["facts"][name] = value
            self.save()
        return self._data["facts"].get(name)

    def forget(self, name):
        """Forget a fact that is not so any more."""
        if self._data["facts"].pop(name, None) is not None:
            self.save()

    def take_over(self, file, without):
        """Secrets and facts of another state's file, as in a backup, but for the facts named."""
        other = json.loads(Path(file).read_text())
        self._data["secrets"] = other["secrets"]
        self._data["facts"] = {k: v for k, v in other["facts"].items() if k not in without}
        self.save()

    def port(self, name):
        """The port of a listener on 127.0.0.1, picked free once and remembered."""
        if name not in self._data["ports"]:
            self._data["ports"][name] = self._pick()
            self.save()
        return self._data["ports"][name]

    def renew_taken_ports(self):
        """Pick anew each remembered port that somebody else listens on by now.

        Only to be called while this world is stopped.  Returns the names that changed.
        """
        taken = [name for name, port in self._data["ports"].items() if not _is_free(port)]
        for name in taken:
            self._data["ports"][name] = self._pick()
        if taken:
            self.save()
        return taken

    def _pick(self):
        # Another checkout starts its search elsewhere, so two set-ups at once do not meet.
        span = LAST_PORT - FIRST_PORT
        start = int(hashlib.sha256(str(self.root).encode()).hexdigest(), 16) % span
        used = set(self._data["ports"].values())
        for step in range(span):
            port = FIRST_PORT + (start + step) % span
            if port not in used and _is_free(port):
                return port
        raise SystemExit(f"No free port between {FIRST_PORT} and {LAST_PORT} on 127.0.0.1.")


def _is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _reachable(wanted):
    if wanted.is_symlink():
        target = Path(os.path.realpath(wanted))
        if not target.exists():
            _make_shared(target)
        return target
    parent = wanted.parent
    while not parent.exists():
        parent = parent.parent
    closed = [p for p in (parent, *parent.parents) if not p.stat().st_mode & 0o001]
    if not closed and len(str(wanted)) <= MAX_ROOT_LENGTH:
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    name = hashlib.sha256(str(wanted).encode()).hexdigest()[:8]
    target = Path("/var/lib/emboux") / name
    why = f"{closed[0]} is closed to other users" if closed else "its path is too long for a socket"
    if wanted.exists():
        raise SystemExit(f"{wanted} cannot be used ({why}). Remove it, then start again.")
    print(f"The state lies in {target}, because {wanted} cannot be: {why}.", flush=True)
    _make_shared(target)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to(target)
    return target


def _make_shared(target):
    system.run(system.as_root(["mkdir", "-p", str(target)]))
    system.run(system.as_root(["chown", f"{os.getuid()}:{os.getgid()}", str(target)]))
