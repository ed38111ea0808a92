"""Commands of the system: as root or as another user, and Debian's packages."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")


class CommandFailed(SystemExit):
    """A command ended with an error; the message shows it and the end of its output."""


def is_root():
    return os.geteuid() == 0


def as_root(argv):
    """The command line that runs ``argv`` as root."""
    if is_root():
        return list(argv)
    if not shutil.which("sudo"):
        raise SystemExit("This needs root: run it as root, or install sudo and allow yourself.")
    return ["sudo", "--", *argv]


def as_user(user, argv):
    """The command line that runs ``argv`` as a system user (as yourself where that is enough)."""
    if user is None or user == pwd.getpwuid(os.geteuid()).pw_name:
        return list(argv)
    # setpriv becomes the program, so that signals reach it; su and runuser stay in between
    return as_root(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv])


def run(argv, **kwargs):
    """Run to the end, quietly.  Returns standard output; raises ``CommandFailed``."""
    done = subprocess.run(
        [str(a) for a in argv],
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        shown = " ".join(str(a) for a in argv)
        raise CommandFailed(f"Failed with exit code {done.returncode}: {shown}\n{tail}")
    return done.stdout


def missing_packages(names):
    """Those of the Debian packages that are not installed."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {line.split()[0] for line in done.stdout.splitlines() if " ii" in line}
    return [name for name in names if name not in installed]


def install_packages(names):
    """Install what is missing, verified by apt, without starting any of its services."""
    missing = missing_packages(names)
    if not missing:
        return
    print(f"Installing Debian packages: {' '.join(missing)}", flush=True)
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    apt = [*environment, "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
    if "postfix" in missing:
        choice = "postfix postfix/main_mailer_type select No configuration\n"
        run(as_root(["debconf-set-selections"]), input=choice)
    held = not POLICY.exists()
    if held:  # Debian starts what it installs; these servers are ours to start, on our ports
        run(as_root(["tee", str(POLICY)]), input="#!/bin/sh\nexit 101\n")
        run(as_root(["chmod", "755", str(POLICY)]))
    try:
        run(as_root([*apt, "update"]))
        run(as_root([*apt, "install", "-y", "--no-install-recommends", *missing]))
    finally:
        if held:
            run(as_root(["rm", "-f", str(POLICY)]))


def system_user(name):
    """Make a system user without a home or login, where it is missing."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        run(as_root(["useradd", "--system", "--user-group", "--no-create-home",
                     "--shell", "/usr/sbin/nologin", name]))


def own(folder, owner, mode="755"):
    """Make a folder that belongs to ``owner`` (``user:group``), where it is not so already."""
    user, group = owner.split(":")
    run(as_root(["install", "-d", "-m", mode, "-o", user, "-g", group, str(folder)]))


def assert_no_blanks(path):
    """Postfix, OpenDKIM and Dovecot split their configuration at blanks."""
    if any(c.isspace() for c in str(path)):
        raise SystemExit(f"The mail servers cannot live in a path with blanks: {path}")
