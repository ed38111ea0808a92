"""The order of things: look around, install, get a certificate, write, have it checked, start.

Each step finds out whether there is anything to do, so that all of it can be run again.
"""

import os
import pwd
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from parts import dovecot, postfix, signer, system, tls

from . import accepted, certificate, database, machine, managed, names, odoo, plan, services
from .findings import bad, good, note, printed
from .passwords import FILE as PASSWORDS
from .passwords import Passwords
from .settings import Settings

PACKAGES = (
    *tls.PACKAGES, *signer.PACKAGES, *postfix.PACKAGES, *dovecot.PACKAGES, *database.PACKAGES,
    *names.PACKAGES, "rsyslog", "logrotate",
)
START_SECONDS = 30  # Odoo's commands take some to come up
LATER = f"""
What is left to do, in Odoo: Email Hosting > Configuration > Backends > This Odoo
  Mail Host, SMTP and IMAP: {{host}}, ports {plan.PUBLIC['submission']} (STARTTLS) and \
{plan.PUBLIC['smtps']} (TLS), {plan.PUBLIC['imap']} and {plan.PUBLIC['imaps']}; then press Test.
docs/server.md has the rest: DNS records, firewall, upgrades."""


@dataclass(frozen=True)
class Host:
    """What to do, where, and whom to ask.

    ``root`` is ``/``, or a folder into which the files alone are written.  ``nameserver``: of the
    checks, or None for the system's.
    """

    chosen: Settings
    root: Path
    yes: bool = False
    nameserver: str | None = None

    @property
    def is_image(self):
        return self.root != Path("/")

    @property
    def packages(self):
        return [*PACKAGES, *(certificate.PACKAGES if self.chosen.by_acme else ())]

    def managed(self):
        return managed.Managed(self.root)

    def passwords(self):
        return Passwords(self.root / PASSWORDS.lstrip("/"))

    def places(self, password):
        """The files, as they should be."""
        return plan.files(self.chosen, password, _dovecot(), _vmail_uid(), odoo.version())


def agreed(host, question):
    """Ask for a yes; ``--yes`` has said it.

    :raises SystemExit: a no, or nobody there to ask.
    """
    if host.yes:
        return
    if not sys.stdin.isatty():
        raise SystemExit(f"{question}  Nobody is there to answer: say --yes.")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise SystemExit("Nothing more was changed.")


def _dovecot():
    """Its series; where it is not installed yet, the one that this Debian has."""
    if os.path.exists("/usr/sbin/dovecot"):
        return dovecot.series(system.run(["/usr/sbin/dovecot", "--version"]))
    return {"bookworm": "2.3", "trixie": "2.4"}[system.release()]


def _vmail_uid():
    try:
        return pwd.getpwnam(dovecot.OWNER).pw_uid
    except KeyError:
        return "not yet"


# -- look around -----------------------------------------------------------------------------


def look_at_machine(served=False):
    """What needs no package; ``served``: whether the mail host has to be up by now."""
    system.release()
    return [*machine.check_size(), *machine.check_ports(plan.PORTS, served)]


def look_around(host):
    """What others see of it, the clock, and the certificate where there is one."""
    chosen, found = host.chosen, machine.check_clock()
    missing = system.missing_packages(names.PACKAGES)
    if missing:
        found.append(note("The DNS, port 25 out and the blocklists were not looked at.",
                          f"apt install {' '.join(missing)}"))
    else:
        asked = names.Names(host.nameserver)
        found += names.check(asked, chosen.host, names.sending_addresses())
        found += machine.check_way_out(asked)
    cert, key = map(Path, chosen.files_of_certificate())
    found += [bad(f"{path} lies in {odoo.hidden(path)}, where services cannot see it.",
                  "Move it, to /etc/ssl for example.", True)
              for path in (chosen.db_ca, cert, key) if odoo.hidden(path)]
    if chosen.by_acme and not cert.exists():
        return [*found, *certificate.check_way_in(chosen)]
    return found + certificate.check(cert, key, chosen.host)


def look_at_odoo(host, password):
    """The database and Odoo's code; the roles have to have passwords."""
    found = odoo.check(host.chosen.odoo)
    if system.missing_packages(database.PACKAGES):
        return [*found, note("The database was not asked.",
                             f"apt install {' '.join(database.PACKAGES)}")]
    return found + database.check(host.chosen, password)


def check(host):
    """Everything that can be seen without changing anything; returns the exit code."""
    if host.is_image:
        return _told(_files_as_they_should_be(host, host.passwords()))
    found = look_at_machine(served=not host.managed().is_empty()) + look_around(host)
    password = host.passwords()
    if password.missing():
        found.append(note(f"Roles without a password in {PASSWORDS}: the database was not asked.",
                          "setup/server without --check makes them."))
    else:
        found += look_at_odoo(host, password)
    missing = system.missing_packages(host.packages)
    if missing:
        found.append(bad(f"Debian packages are missing: {' '.join(missing)}.",
                         "setup/server without --check installs them."))
    else:
        found += _files_as_they_should_be(host, password)
        found += [] if host.managed().is_empty() else [
            *accepted.check(), *services.check(installed=True)]
    return _told(found)


def _told(found):
    faults = printed(found)
    print(f"\n{faults} fault{'s' * (faults != 1)}; nothing was changed." if faults
          else "\nNo faults; nothing was changed.")
    return 1 if faults else 0


def _files_as_they_should_be(host, password):
    ours = host.managed()
    if ours.is_empty():
        return [bad("This machine is no mail host yet.",
                    "setup/server without --check makes it one.")]
    changes = ours.changes(host.places(password))
    return [bad(f"{change.path} is not as setup/server writes it.",
                "Run setup/server, which shows the difference first.") for change in changes] or [
        good("All files are as setup/server writes them.")]


# -- make it a mail host ---------------------------------------------------------------------


def install(host):
    """All steps; returns the exit code."""
    done = False  # anything at all
    if not host.is_image:
        print("This machine:")
        _judge(look_at_machine())
        done |= _packages(host)
        print("\nWhat is around it:")
        _judge(look_around(host))
    password = host.passwords()
    if password.missing():
        print(f"\nThe roles of the database have no passwords yet ({PASSWORDS}).")
        password.complete(ask=not host.yes and sys.stdin.isatty() and input(
            "Make random ones?  (n: each is asked for) [Y/n] ").strip().lower() in ("n", "no"))
        done |= _write(host, [host.managed().change(plan.password_file(password))],
                       "Write this file?")
    if not host.is_image:
        done |= _code(host)
        print("\nOdoo and its database:")
        _database(host, password)
        done |= _certificate(host)
    else:
        print("Into a folder: no packages, certificate or database is looked at, nothing is "
              "started.")
    ours = host.managed()
    done |= _write(host, ours.changes(host.places(password)), "Write these files?",
                   ours.folders(plan.FOLDERS))
    if not host.is_image:
        found = accepted.check()
        if printed(found):
            raise SystemExit("Nothing was started. Correct it and run this again, or take all of "
                             "it back with --remove.")
        done |= _start(host)
    if not done:
        print("\nNothing to do: all is as it should be.")
    elif not host.is_image:
        print(LATER.format(host=host.chosen.host))
    return 0


def _judge(found):
    """Print the findings; go no further where one of them is serious."""
    printed(found)
    if any(finding.serious for finding in found):
        raise SystemExit("\nWith this no mail host comes up: see to it, and run this again.")


def _packages(host):
    missing = system.missing_packages(host.packages)
    if missing:
        agreed(host, f"\nInstall these Debian packages: {' '.join(missing)}?")
        system.install_packages(missing)
    before = _vmail_uid()
    system.system_user(dovecot.OWNER)
    return bool(missing) or before != _vmail_uid()


def _code(host):
    if not odoo.needs_code(host.chosen.odoo):
        return False
    agreed(host, f"\nFetch Odoo 19 and Python packages for the daemons to {odoo.HOME} (400 MB)?")
    odoo.fetch()
    return True


def _database(host, password):
    found = look_at_odoo(host, password)
    if host.chosen.is_one_machine and any("--roles" in f.remedy for f in found) and _has_postgres():
        agreed(host, "Make the roles in the PostgreSQL of this machine?")
        try:
            database.make_roles(host.chosen, password.sql())
        except system.CommandFailed as failed:
            print(f"They could not be made.  {failed}")
        else:
            found = look_at_odoo(host, password)
    _judge(found)


def _has_postgres():
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return False
    return True


def _certificate(host):
    cert, _key = map(Path, host.chosen.files_of_certificate())
    if not host.chosen.by_acme or cert.exists():
        return False
    agreed(host, f"\nHave certbot get a certificate for {host.chosen.host}? (You agree to the "
                 f"terms of the authority, Let's Encrypt if you have named no other.)")
    certificate.get(host.chosen)
    print(f"The certificate is in {cert.parent}; certbot renews it.")
    return True


def _write(host, changes, question, folders=()):
    """Show, ask, write; returns whether there was anything."""
    if not changes and not folders:
        return False
    print()
    known = host.passwords().secrets()
    for folder in folders:
        print(f"folder: {folder.path} (mode {folder.mode}, owner {folder.owner})")
    for change in changes:
        print(managed.shown(change, known), end="")
    agreed(host, f"\n{question}")
    ours = host.managed()
    ours.make_folders(folders)
    kept = ours.apply(changes)
    print(f"Written: {len(changes)} files."
          + (f" What they replace is kept in {kept}." if kept else ""))
    return True


def _start(host):
    if not services.is_there():
        printed(services.check(installed=True))
        return False
    # also of an earlier run, which ended before it came here
    restart = services.touched(host.managed().unread())
    if not restart and not services.not_running():
        return False
    print("Starting: " + ", ".join(services.UNITS))
    ours = host.managed()
    ours.switched_off(services.unused())
    services.start(restart)
    ours.were_read()
    # a daemon that cannot go on ends after a moment
    deadline = time.monotonic() + START_SECONDS
    while not services.are_up() and time.monotonic() < deadline:
        time.sleep(0.5)
    printed([*services.check(installed=True), *machine.check_ports(plan.PORTS, served=True)])
    return True


# -- and back --------------------------------------------------------------------------------


def remove(host):
    """Put back what was there before; returns the exit code."""
    ours = host.managed()
    if ours.is_empty():
        print("Nothing of setup/server is here.")
        return 0
    agreed(host, "Stop the mail host and put back the files that were there before?")
    acts = services.is_there() and not host.is_image
    if acts:
        services.stop()
    kept, edited, switched_off = ours.remove()
    for path in edited:
        print(f"It had been edited: {path}")
    print(f"Put back. What was removed is kept in {kept}.")
    if acts:
        services.back((host.root / "etc/postfix/main.cf").exists(), switched_off)
    elif not host.is_image:
        print("Systemd does not run here: stop Postfix, Dovecot, the signers and the daemons "
              "yourself.")
    print(f"Left alone: mail in {plan.MAIL_ROOT}, the user {dovecot.OWNER}, Debian's packages, the "
          f"certificate, the roles of the database, and {odoo.HOME}.")
    return 0
