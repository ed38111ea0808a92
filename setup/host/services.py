"""Systemd's units: which ones a host has, and what has to be started anew when a file changes."""

import os
import subprocess

from parts import system

from . import machine, plan
from .findings import bad, good, note

_DAEMONS = {f"emboux-{name}" for name in plan.DAEMONS}
EMBOUX = (*plan.SIGNERS, *(f"emboux-{name}" for name in plan.DAEMONS))
#: In the order of their start: Postfix defers what it cannot ask about.
UNITS = ("rsyslog", *EMBOUX, "dovecot", "postfix")
#: Debian starts one of its own, which nobody asks.
DEBIANS = "opendkim"


def is_there():
    """Whether systemd runs this machine."""
    return os.path.isdir("/run/systemd/system")


def touched(paths):
    """The units that have to read the changed files anew."""
    found = set()
    for path in paths:
        found |= _readers(path)
    return [unit for unit in UNITS if unit in found]


def _readers(path):
    folder, _slash, name = path.rpartition("/")
    if folder == plan.UNITS:
        return {name.removesuffix(".service")}
    if folder.startswith(f"{plan.UNITS}/"):
        return {folder.rpartition("/")[2].removesuffix(".service.d").rstrip("@")}
    if name.endswith(".password"):
        return {f"emboux-{name.removesuffix('.password')}"}
    return {
        "/etc/postfix": {"postfix"},
        "/etc/dovecot": {"dovecot"},
        "/etc/opendkim": set(plan.SIGNERS),
        "/etc/rsyslog.d": {"rsyslog"},
    }.get(folder, _DAEMONS if path in ("/etc/emboux/odoo.conf", plan.CODE) else set())


def not_running():
    """Those that are not active, or would not be after a restart of the machine."""
    return [unit for unit in UNITS
            if _fails("is-active", unit) or _fails("is-enabled", unit)]


def unused():
    """What is on and not asked by anybody."""
    return [] if _fails("is-enabled", DEBIANS) else [DEBIANS]


def are_up():
    """Whether all run and listen."""
    taken = machine.listeners()
    return not not_running() and all(port in taken for port in plan.PORTS.values())


def start(restart):
    """Enable and start all of them; those in ``restart`` anew."""
    _systemctl("daemon-reload")
    for unit in unused():
        _systemctl("disable", "--now", unit)
    for unit in UNITS:
        _systemctl("enable", unit)
        _systemctl("restart" if unit in restart else "start", unit)


def stop():
    """Stop and disable what is Emboux' own."""
    for unit in reversed(EMBOUX):
        if not _fails("is-enabled", unit) or not _fails("is-active", unit):
            _systemctl("disable", "--now", unit)


def back(has_postfix, switched_off):
    """After our files are gone: the others read those that are there now.

    :param has_postfix: whether there is a configuration for it.
    :param switched_off: what was on before.
    """
    _systemctl("daemon-reload")
    for unit in switched_off:
        _systemctl("enable", "--now", unit)
    for unit in ("rsyslog", "dovecot"):
        _systemctl("try-restart", unit)
    if has_postfix:
        _systemctl("try-restart", "postfix")
    else:
        _systemctl("stop", "postfix")


def check(installed):
    """Do they run?"""
    if not is_there():
        return [note("Systemd does not run here: nothing was started, and nothing will be.",
                     "Start by hand what the units' ExecStart= says, in this order: "
                     + ", ".join(UNITS))]
    if not installed:
        return []
    stopped = not_running()
    return [bad(f"{unit} does not run, or is not enabled.",
                f"journalctl -u {unit} says why; then: systemctl enable --now {unit}")
            for unit in stopped] or [good("All services run.")]


def _fails(*arguments):
    return subprocess.run(["systemctl", "--quiet", *arguments], capture_output=True,
                          check=False).returncode != 0


def _systemctl(*arguments):
    system.run(["systemctl", *arguments])
