"""Where it all lies: a demo world in its state folder, or a real host, as options say."""

import os
from dataclasses import dataclass
from pathlib import Path

from .. import dovecot, odoo_server, postgres, system
from ..state import State

KEEP = 7
FURTHER = ("state.json", "tls", "dns/zones")  # of a demo world


@dataclass(frozen=True)
class Place:
    """``database``: its name; ``filestore``: Odoo's folder of its attachments; ``mail``: the folder
    of all mailboxes; ``further``: other files and folders; ``state``: of a demo world alone."""

    database: str
    filestore: Path
    mail: Path
    dovecot: Path
    further: tuple = ()
    state: State | None = None

    def client(self, program):
        """The command line of one of PostgreSQL's programs as a superuser, and its environment.

        On a real host libpq's variables (PGHOST, PGUSER, PGPASSFILE ...) say where; without them
        it is PostgreSQL of this host, by the system user postgres.
        """
        if self.state:
            argv, variables = postgres.client(self.state, program)
            return argv, {**os.environ, **variables}
        user = None if os.environ.get("PGHOST") else "postgres"
        return system.as_user(user, [program]), dict(os.environ)


def demo(state, database):
    return Place(
        database,
        odoo_server.filestore(state, database),
        state.path("mail", dovecot.OWNER),
        state.path("dovecot", "dovecot.conf"),
        tuple(path for name in FURTHER if (path := state.path(*name.split("/"))).exists()),
        state,
    )


def add_options(parser):
    """The same for both commands, so that a file of options serves both."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="of the backups")
    parser.add_argument("--database", metavar="NAME", default=odoo_server.DATABASE,
                        help=f"default {odoo_server.DATABASE}")
    parser.add_argument("--state", metavar="DIR", default=odoo_server.odoo_code.PROJECT / ".state",
                        help="a demo world's folder, default .state/")
    host = parser.add_argument_group("a real host (all three; @FILE reads options from a file)")
    host.add_argument("--filestore", metavar="DIR", type=Path,
                      help="Odoo's folder of the database's attachments")
    host.add_argument("--mail-root", metavar="DIR", type=Path, help="the folder of all mailboxes")
    host.add_argument("--dovecot", metavar="FILE", type=Path,
                      help="Dovecot's configuration, such as /etc/dovecot/dovecot.conf")
    saving = parser.add_argument_group("of a backup, without a meaning for a restore")
    saving.add_argument("--also", metavar="PATH", type=Path, action="append", default=[],
                        help="configuration or keys of a real host, as /etc/postfix; repeatable")
    saving.add_argument("--keep", metavar="N", type=int, default=KEEP,
                        help=f"how many backups to keep, default {KEEP}; at least 1")


def chosen(parser, arguments):
    """The place that the options name."""
    if arguments.keep < 1:
        parser.error("--keep takes a number from 1 on")
    host = [arguments.filestore, arguments.mail_root, arguments.dovecot]
    if not any(host):
        return demo(State(arguments.state), arguments.database)
    if not all(host):
        parser.error("a real host takes --filestore, --mail-root and --dovecot together")
    return Place(arguments.database, *(path.absolute() for path in host),
                 tuple(path.absolute() for path in arguments.also))
