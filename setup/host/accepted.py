"""Whether the programs themselves take the files that were written for them."""

import re
import shlex
import shutil
import subprocess

from . import plan
from .findings import bad, good, note

#: What Postfix' programs put before what is wrong.
COMPLAINT = re.compile(r"\b(warning|error|fatal|panic): ").search


def commands():
    """(name, command line) of each program's own check."""
    yield "Postfix", ["/usr/sbin/postfix", "-c", "/etc/postfix", "check"]
    yield "Dovecot", ["doveconf", "-n", "-c", "/etc/dovecot/dovecot.conf"]
    for unit in plan.SIGNERS:
        suffix = unit.removeprefix("emboux-signer")
        yield "OpenDKIM", ["/usr/sbin/opendkim", "-n", "-x", f"/etc/opendkim/opendkim{suffix}.conf"]
    yield "logrotate", ["logrotate", "-d", "/etc/logrotate.d/emboux"]
    yield "rsyslog", ["rsyslogd", "-N1"]
    units = [f"{plan.UNITS}/{unit}.service" for unit in plan.SIGNERS]
    units += [f"{plan.UNITS}/emboux-{name}.service" for name in plan.DAEMONS]
    yield "systemd", ["systemd-analyze", "--man=no", "verify", *units]


def check():
    """Ask each program that is installed."""
    found = []
    for name, argv in commands():
        if not shutil.which(argv[0]):
            found.append(note(f"{name} is not installed: its files were not checked."))
            continue
        code, said = _run(name, argv)
        # these two warn and go on; the others talk of what is well, too
        if code or (name in ("Postfix", "systemd") and said):
            found.append(bad(f"{name} does not take its files: {said}",
                             f"See what is wrong: {shlex.join(argv)}", serious=True))
    if any(finding.is_fault for finding in found):
        return found
    return [*found, good("The programs take the files that were written for them.")]


def _run(name, argv):
    """(exit code, what it complains of)"""
    if name == "Postfix":  # where its standard error is no terminal it tells syslog alone
        argv = ["script", "--quiet", "--return", "--command", shlex.join(argv), "/dev/null"]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False,
                          stdin=subprocess.DEVNULL)
    said = done.stderr.splitlines()
    if name == "Postfix":  # on Debian 13 it also tells which files it copies
        said = [line for line in done.stdout.splitlines() if COMPLAINT(line)]
    return done.returncode, "\n".join(dict.fromkeys(line.strip() for line in said if line.strip()))
