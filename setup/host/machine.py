"""This machine: its ports, clock, memory, disk, and the way out on port 25."""

import os
import shutil
import socket
import struct
import time
from pathlib import Path

from .findings import bad, good, note

MEMORY = 1_500_000_000  # bytes; six daemons of 60 to 100 MB, Dovecot's password checks, Postfix
DISK = 5_000_000_000  # bytes free where mail goes
DRIFT = 30  # seconds; beyond it certificates, signatures and one-time passwords go wrong
NTP_SERVER = "2.debian.pool.ntp.org"  # systemd-timesyncd's of Debian
SINCE_1900 = 2_208_988_800  # seconds from NTP's epoch to Unix' (RFC 5905, 6)
#: Who receive most mail, so that one of them answers whoever may connect.
PROBES = ("gmail.com", "outlook.com")
#: As the processes that serve are called: Postfix is master.
OURS = ("master", "dovecot", "opendkim")


def check_ports(ports, served=False):
    """Is each one free, or ours?

    :param ports: name to number.
    :param served: whether something has to listen by now.
    """
    taken = listeners()
    found = []
    for name, port in ports.items():
        who = taken.get(port)
        if served and not who:
            found.append(bad(
                f"Nothing listens on port {port} ({name}).",
                "setup/server starts what does not run; the mail log says why it ended."))
        elif who and not _is_ours(*who):
            found.append(bad(
                f"Port {port} ({name}) is taken by {who[1] or 'a program'} (process {who[0]}).",
                f"End it and keep it from starting (systemctl disable --now ...): {name} has to "
                f"listen there.", True))
    return found or [good("The mail servers listen on their ports." if served else
                          "The ports are free, or in use by what is to listen there.")]


def _is_ours(pid, name):
    """Odoo's daemons are Python: their command line tells."""
    if name in OURS:
        return True
    try:
        return b"emboux_" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def listeners():
    """TCP port to (process, name of its program) of whoever listens there."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == "0A" and fields[9] != "0":  # LISTEN, and not just being closed
                sockets[fields[9]] = int(fields[1].rsplit(":", 1)[1], 16)
    found, opened = dict.fromkeys(sockets.values(), (0, "")), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            links = [os.readlink(link) for link in (folder / "fd").iterdir()]
            name = (folder / "comm").read_text().strip()
            started = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
        except OSError:  # it has ended meanwhile
            continue
        for link in links:
            port = sockets.get(link.removeprefix("socket:[").removesuffix("]"))
            # the oldest of those that share it: who opened it (process numbers begin anew at times)
            if port and started < opened.get(port, float("inf")):
                found[port], opened[port] = (int(folder.name), name), started
    return found


def check_clock(server=NTP_SERVER, port=123, seconds=3):
    """How far off is this clock, by the clock of a time server (RFC 4330)?"""
    request = b"\x1b" + 47 * b"\0"  # version 3, client
    try:
        with _udp(server, port, seconds) as connection:
            sent = time.time()
            connection.send(request)
            answer = connection.recv(512)
            received = time.time()
    except OSError as failed:
        return [note(f"The clock was not compared: {server} does not answer ({failed}).",
                     "See that timedatectl says 'System clock synchronized: yes'.")]
    if len(answer) < 48 or answer[1] in (0, 16):  # a refusal, or not synchronized itself
        return [note(f"The clock was not compared: {server} does not know the time either.")]
    whole, fraction = struct.unpack("!II", answer[40:48])
    off = (sent + received) / 2 - (whole - SINCE_1900 + fraction / 2**32)
    if abs(off) > DRIFT:
        return [bad(f"The clock of this machine is {abs(off):.0f} s "
                    f"{'ahead' if off > 0 else 'behind'}.",
                    "apt install systemd-timesyncd, and look at timedatectl.")]
    return [good(f"The clock is right ({abs(off):.1f} s off).")]


def _udp(server, port, seconds):
    family, kind, protocol, _name, address = socket.getaddrinfo(
        server, port, type=socket.SOCK_DGRAM)[0]
    connection = socket.socket(family, kind, protocol)
    connection.settimeout(seconds)
    connection.connect(address)
    return connection


def check_way_out(names, domains=PROBES, port=25, seconds=10):
    """Can this machine connect to other mail servers?"""
    tried = []
    for domain in domains:
        try:
            servers = names.mail_servers(domain)[:2]
            addresses = [(server, str(address)) for server in servers
                         for address in names.addresses(server)]
        except OSError:
            continue
        for server, address in addresses:
            tried.append(f"{server} [{address}]")
            if _greets(address, port, seconds):
                return [good(f"Port {port} out is open: {server} answers.")]
    who = ", ".join(tried) or f"the mail servers of {' and '.join(domains)}"
    return [bad(f"No mail server could be reached on port {port} ({who}).",
                "Most providers of machines block it until you ask them to open it. Until then no "
                "mail leaves: ask, or set a route by a relay in Odoo.")]


def _greets(address, port, seconds):
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            return connection.recv(512).startswith(b"220")
    except OSError:
        return False


def check_size(folder="/var", memory=None):
    """Memory and disk."""
    text = Path("/proc/meminfo").read_text()
    memory = memory or int(text.split("MemTotal:")[1].split()[0]) * 1024
    free = shutil.disk_usage(folder).free
    found = []
    if memory < MEMORY:
        found.append(bad(f"This machine has {memory / 1e9:.1f} GB of memory.",
                         f"Give it {MEMORY / 1e9:.1f} GB at least, and more where Odoo runs here "
                         f"too."))
    if free < DISK:
        found.append(bad(f"There are {free / 1e9:.1f} GB free in {folder}.",
                         f"Make room for the mail: {DISK / 1e9:.0f} GB to begin with."))
    return found or [good(f"There are {memory / 1e9:.1f} GB of memory, and {free / 1e9:.0f} GB "
                          f"free in {folder}.")]
