"""Commands of the system: as root or as another user, and Debian's packages."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# One set-up at a time, as root.  It cleans up after itself, even if whoever waits is killed.
INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
exec 9>/run/emboux-packages.lock
flock 9
policy=/usr/sbin/policy-rc.d
if ! [ -e $policy ] || grep -q emboux $policy; then
    # Debian starts what it installs; these servers are ours to start, on our ports
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\n# of emboux, for the time of an installation\\nexit 101\\n' >$policy
    chmod 755 $policy
fi
case " $* " in
*" postfix "*)
    echo postfix postfix/main_mailer_type select No configuration | debconf-set-selections
esac
# what an installation that was cut off has left
[ -z "$(ls /var/lib/dpkg/updates)" ] || dpkg --configure -a || true
apt-get -qq -o DPkg::Lock::Timeout=600 update
apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
"""


RELEASES = {"12": "bookworm", "13": "trixie"}  # of Debian, on which all of this has run


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


def enough_rights(root):
    """Go on as root where sudo asks for a password, or where the state is root's already.

    The servers are started where nobody could type a password, so it is asked for here, once.
    """
    if is_root():
        return
    if not shutil.which("sudo"):
        raise SystemExit("This needs root: run it as root, or install sudo and allow yourself.")
    roots_state = os.path.exists(root) and os.stat(root).st_uid == 0
    # without a terminal, as the servers will be
    asks = subprocess.run(["setsid", "-w", "sudo", "-n", "true"], capture_output=True, check=False)
    if not asks.returncode and not roots_state:
        return
    print("Mail servers are started as root: going on with sudo.", file=sys.stderr, flush=True)
    _go_on_as_root()


def be_root():
    """Go on as root, for what reads and writes everybody's files."""
    if not is_root():
        _go_on_as_root()


def _go_on_as_root():
    kept = [f"{name}={os.environ[name]}" for name in ("ODOO_SOURCE",) if name in os.environ]
    argv = as_root(["env", *kept, sys.executable, "-B", *sys.argv])
    os.execvp(argv[0], argv)


def as_user(user, argv):
    """The command line that runs ``argv`` as a system user (as yourself where that is enough)."""
    if user is None or user == pwd.getpwuid(os.geteuid()).pw_name:
        return list(argv)
    # setpriv becomes the program, so that signals reach it; su and runuser stay in between
    return as_root(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv])


def run(argv, log=None, **kwargs):
    """Run to the end, quietly.  Returns standard output; raises ``CommandFailed``.

    It ends with us even if we are killed, so that the next start does not meet it.

    :param log: the file that keeps what it wrote to standard error.
    """
    done = subprocess.run(
        _ending_with_us(argv),
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )
    if log:
        log.write_text(done.stderr)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        shown = " ".join(str(a) for a in argv)
        raise CommandFailed(f"Failed with exit code {done.returncode}: {shown}\n{tail}")
    return done.stdout


def _ending_with_us(argv):
    return ["setpriv", "--pdeathsig", "KILL", "--", *(str(a) for a in argv)]


def unpack(package, folder):
    """What ``dpkg -x`` does, without a ``tar`` of dpkg's that goes on when we are killed."""
    argv = _ending_with_us(["dpkg-deb", "--fsys-tarfile", package])
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as source:
        run(["tar", "-x", "-p", "-f", "-", "--warning=no-timestamp", "-C", folder],
            stdin=source.stdout)
    if source.returncode:
        raise CommandFailed(f"{package} cannot be read.")


def release(text=None):
    """The code name of this Debian.  ``text``: of /etc/os-release.

    :raises SystemExit: an unsupported system, or an untested release.
    """
    if text is None:
        text = Path("/etc/os-release").read_text() if os.path.exists("/etc/os-release") else ""
    facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    facts = {name: value.strip('"') for name, value in facts.items()}
    if facts.get("ID") != "debian" or facts.get("VERSION_ID") not in RELEASES:
        known = " and ".join(f"{number} ({name})" for number, name in RELEASES.items())
        raise SystemExit(
            f"This is {facts.get('PRETTY_NAME', 'an unknown system')}. The set-up installs Debian "
            f"packages and configures the versions in Debian {known}; use one of those, in a "
            f"container or a virtual machine if need be."
        )
    return RELEASES[facts["VERSION_ID"]]


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
    argv = as_root(["sh", "-c", INSTALL, "sh", *missing])
    with tempfile.TemporaryFile("w+") as output:
        # in a process group of its own and waited for, come what may: a dpkg that is stopped
        # half-way leaves the machine's packages broken
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, process_group=0)
        try:
            code = process.wait()
        except BaseException:
            process.wait()
            raise
        output.seek(0)
        tail = "\n".join(output.read().splitlines()[-25:])
    if code:
        raise CommandFailed(f"apt failed with exit code {code}:\n{tail}")


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


def secret_file(path, text):
    """A file for root alone, for what cannot be told by the environment: sudo passes none on."""
    run(as_root(["install", "-m", "600", "/dev/null", str(path)]))
    run(as_root(["tee", str(path)]), input=f"{text}\n")


def assert_no_blanks(path):
    """Postfix, OpenDKIM and Dovecot split their configuration at blanks."""
    if any(c.isspace() for c in str(path)):
        raise SystemExit(f"The mail servers cannot live in a path with blanks: {path}")
