"""Asks a policy daemon as Postfix does, and starts daemons."""

import itertools
import os
import signal
import socket
import subprocess
from collections import Counter

import requests
from parts import policy

from .mail_client import eventually

_INSTANCES, _RECIPIENTS = itertools.count(1), itertools.count(1)


class Asker:
    """One connection of Postfix."""

    def __init__(self, port, seconds=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._file = self.socket.makefile("rb")
        self._named = Counter()  # recipients by instance

    def close(self):
        self._file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, stage="END-OF-MESSAGE", login="", n=1, recipient="", instance=None, **more):
        self.socket.sendall(block(stage, login, n, recipient, instance, **more))

    def answer(self):
        """The action, None when the connection was closed instead."""
        line = self._file.readline()
        if not line:
            return None
        assert self._file.readline() == b"\n"
        return line.decode().removeprefix("action=").rstrip("\n")

    def __call__(self, stage="END-OF-MESSAGE", login="", n=1, recipient="", instance=None, **more):
        """The answer; of several recipients that were not named yet each is asked about first,
        as Postfix does.  A refusal of one of them is the answer then."""
        instance = instance or new_instance()
        if stage == "RCPT":
            self._named[instance] += 1
        elif n > 1:
            while self._named[instance] < n:
                to = f"r{next(_RECIPIENTS)}@else.example"
                if (said := self("RCPT", login, 1, to, instance, **more)) != "DUNNO":
                    return said
        self.send(stage, login, n, recipient, instance, **more)
        return self.answer()


def new_instance():
    return f"{os.getpid()}.{next(_INSTANCES)}"


def block(stage="END-OF-MESSAGE", login="", n=1, recipient="", instance=None, sender=None,
          context=""):
    instance = instance or new_instance()
    sender = login if sender is None else sender
    count = 0 if stage == "RCPT" else n
    return (f"request=smtpd_access_policy\nprotocol_state={stage}\nprotocol_name=ESMTP\n"
            f"sender={sender}\nrecipient={recipient}\nrecipient_count={count}\nqueue_id=\n"
            f"instance={instance}\nsize=1000\nsasl_method=PLAIN\nsasl_username={login}\n"
            f"policy_context={context}\nccert_subject=\n\n").encode()


class Daemon:
    """A daemon of the test's own on the world's database (or another)."""

    def __init__(self, state, database, name, options=(), environment=None):
        self.port, self.metrics = state.port(name), state.port(f"{name}_metrics")
        self.log = state.folder("log") / f"{name}-own.log"
        self.log.unlink(missing_ok=True)
        self._argv = policy.command(state, database, f"127.0.0.1:{self.port}",
                                    f"127.0.0.1:{self.metrics}", *options,
                                    name=policy.NAME if name == "policy" else name)
        self._environment = policy.environment(state, database) | (environment or {})
        self.process = None

    def start(self, ready=True):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self._argv, env=self._environment, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)
        eventually("the daemon", lambda: self.page("/ready" if ready else "/healthz"), seconds=60)
        return self

    def page(self, path):
        """The text of a page over HTTP; None if it is not there, or says no."""
        try:
            page = requests.get(f"http://127.0.0.1:{self.metrics}{path}", timeout=5)
        except requests.RequestException:
            return None
        return page.text if page.ok else None

    def figure(self, name):
        """The sum of one metric over its labels."""
        rows = [line.split() for line in self.page("/metrics").splitlines()]
        return sum(float(row[-1]) for row in rows if row[0].partition("{")[0] == name)

    def asker(self, **kwargs):
        return Asker(self.port, **kwargs)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=20):
        """SIGTERM; returns the exit code."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            return self.process.wait(seconds)
        return None
