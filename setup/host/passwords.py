"""The passwords of the database's roles, and the SQL that gives them these."""

import getpass
import re
import secrets

from parts import postgres

FILE = "/etc/emboux/passwords"
ROLES = tuple(role for role in postgres.ROLES if role.startswith("emboux_"))
#: What may stand in the configuration of all four programs without being quoted.
PASSWORD = re.compile(r"[A-Za-z0-9_.~-]{16,128}").fullmatch


class Passwords:
    """Password by role, of a file with lines ``role=password`` that root alone may read.

    :raises SystemExit: a file that others may read, or a password that could not be written down.
    """

    def __init__(self, path):
        self._known = _read(path) if path.exists() else {}
        # a complete one stays as its author wrote it
        self._text = path.read_text() if path.exists() and not self.missing() else None

    def __call__(self, role):
        """The password of a role; before ``complete`` it may be missing."""
        return self._known.get(role, "")

    def secrets(self):
        """All of them, so that they can be kept out of what is shown."""
        return [password for password in self._known.values() if password]

    def missing(self):
        return [role for role in ROLES if role not in self._known]

    def complete(self, ask):
        """Have one for each role: asked for at the terminal, or else a random one."""
        for role in self.missing():
            given = _asked(role) if ask else ""
            self._known[role] = given or secrets.token_urlsafe(24)

    def text(self):
        """What the file should hold."""
        if self._text is not None:
            return self._text
        lines = [f"{role}={self._known[role]}\n" for role in ROLES]
        return ("# Of the roles in PostgreSQL that the mail host's programs log in as;\n"
                "# ./setup/server --roles prints the SQL that gives them these.\n" + "".join(lines))

    def sql(self):
        """Makes the roles, or gives those that are there these passwords."""
        lines = ["\\set ON_ERROR_STOP on", "SET password_encryption = 'scram-sha-256';"]
        for role in ROLES:
            lines += [
                f"SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS"
                f" (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec",
                f"ALTER ROLE {role} WITH {postgres.ROLES[role]} PASSWORD '{self(role)}';",
            ]
        return "\n".join(lines) + "\n"


def _read(path):
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise SystemExit(f"{path} can be read by others than its owner (mode {mode:o}): "
                         f"chmod 600 {path}")
    known = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        role, _sign, password = line.partition("=")
        if role.strip() not in ROLES:
            raise SystemExit(f"{path}, line {number}: there is no role {role.strip()!r}; they are "
                             f"{', '.join(ROLES)}.")
        known[role.strip()] = _checked(password.strip(), f"{path}, line {number}")
    return known


def _checked(password, where):
    if not PASSWORD(password):
        raise SystemExit(f"{where}: a password here has 16 to 128 letters, digits, '_', '-', '.' "
                         f"and '~', because it becomes a part of several configuration files.")
    return password


def _asked(role):
    print(f"Password of the role {role} in PostgreSQL (nothing: a random one is made)")
    return (given := getpass.getpass("> ")) and _checked(given, role)
