"""A real mox on loopback, in a folder of its own, for as long as a test needs it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from asking import Asking

#: What the fixture ``servers`` takes: a generation of the stand-in, or a program.
KINDS = ["new", "old", *filter(None, os.environ.get("EMBOUX_MOX", "").split(":"))]
_START_S = 20
_TRIES = 5  # somebody may take a port before mox does


class RealMox:
    """``program`` is the binary; its folder must not be there yet.  ``generation`` is known
    when it runs.  ``quota``: bytes that an account may hold without a quota of its own;
    ``transports``: names of transports that deliver as usual; ``limited``: it takes 1,000 calls in
    a minute, as mox usually does."""

    password = "moxadmin"

    def __init__(self, program: str, folder: Path, quota: int = 0,
                 transports: tuple[str, ...] = (), limited: bool = False):
        self.program, self.folder = os.path.abspath(program), Path(folder)
        self.quota, self.transports, self.limited = quota, transports, limited
        self.url = self.generation = ""
        self._process = None

    def start(self) -> "RealMox":
        self._run("-ip", "127.0.0.1", "-initonly")
        written = (self.folder / "mox.conf").read_text()
        try:
            for number in range(_TRIES):
                # the earlier generation neither has nor knows the switch
                self._write(written, unlimited=number % 2 == 0 and not self.limited)
                if self._started():
                    break
            else:
                raise RuntimeError(f"mox does not start: {self._log()[-1000:]}")
            client = Asking(self.url).log_in(self.password)
            known = [one["Name"] for one in client("_docs")["Functions"]]
            self.generation = "new" if "AliasAdd" in known else "old"
        except BaseException:
            self.stop()
            raise
        return self

    def port(self, service: str) -> int:
        """``Submissions`` or ``IMAPS``, for instance."""
        text = (self.folder / "mox.conf").read_text()
        return int(re.search(rf"\t\t{service}:\n.*?\t\t\tPort: (\d+)", text, re.DOTALL)[1])

    def restart(self) -> None:
        """Its sessions are gone."""
        self._end()
        if not self._started():
            raise RuntimeError(f"mox does not start again: {self._log()[-1000:]}")

    def _run(self, *options):
        subprocess.run([self.program, "localserve", "-dir", str(self.folder), *options],
                       check=True, capture_output=True, timeout=60)

    def _write(self, text, unlimited):
        listed = sorted(set(re.findall(r"^\t+Port: (\d+)$", text, re.MULTILINE)))
        free = dict(zip(listed, _free_ports(len(listed)), strict=True))
        text = re.sub(r"^(\t+Port: )(\d+)$", lambda found: f"{found[1]}{free[found[2]]}", text,
                      flags=re.MULTILINE)
        text = re.sub(r"^LogLevel: .*", "LogLevel: error", text, flags=re.MULTILINE)
        text = re.sub(r"^QuotaMessageSize: .*\n", "", text, flags=re.MULTILINE)
        if self.quota:
            text += f"QuotaMessageSize: {self.quota}\n"
        if self.transports:
            direct = [f"\t{name}:\n\t\tDirect:\n\t\t\tDisableIPv6: true\n"
                      for name in self.transports]
            text += "Transports:\n" + "".join(direct)
        if unlimited:
            text = re.sub(r"^(\t+)(WebserverHTTPS?:\n)", r"\1\2\1\tRateLimitDisabled: true\n",
                          text, flags=re.MULTILINE)
        (self.folder / "mox.conf").write_text(text)
        self.url = f"http://127.0.0.1:{self.port('AdminHTTP')}/admin/"

    def _started(self) -> bool:
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self.program, "localserve", "-dir", str(self.folder)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # it serves its working directory, so not ours
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url, timeout=5):  # noqa: S310 - our own
                    return True
            except OSError:
                time.sleep(0.05)
        self._end()
        return False

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _end(self) -> None:
        process, self._process = self._process, None
        if not process:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)  # mox waits three seconds for its connections
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "RealMox":
        return self.start()

    def __exit__(self, *_error) -> None:
        self.stop()

    def set_hook(self, url: str) -> None:
        """Let it tell that URL about the mail of its first account, and keep the history."""
        account = Asking(self.url)
        base = "/account/api/"
        account.log_in("mox@localhost", "moxmoxmox", base=base)
        account("OutgoingWebhookSave", url, "Bearer hooks", [], base=base)


def _free_ports(count: int) -> list[int]:
    """Held until all are found, so that no two are the same."""
    held = []
    try:
        for _number in range(count):
            held.append(socket.socket())
            held[-1].bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
