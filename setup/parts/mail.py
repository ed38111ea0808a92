"""The mail servers: Postfix (``postfix.py``) and Dovecot (``dovecot.py``)."""

from dataclasses import dataclass

from . import dovecot, postfix, system

PACKAGES = (*postfix.PACKAGES, *dovecot.PACKAGES)


@dataclass(frozen=True)
class Database:
    """Where the views of the schema ``emboux_mail`` are.

    ``sslmode`` as libpq knows it; ``authorities``: the file of those that may have signed the
    server's certificate.  On loopback there is nobody to hide from.
    """

    port: int
    name: str
    host: str = "127.0.0.1"
    sslmode: str = "disable"
    authorities: str = "/etc/ssl/certs/ca-certificates.crt"

    def words(self):
        """What the templates call it."""
        return {
            "DB_HOST": self.host,
            "DB_PORT": self.port,
            "DB_NAME": self.name,
            "DB_SSLMODE": self.sslmode,
            "DB_CA": self.authorities,
        }


def prepare(state, db, policy_port=None):
    """``policy_port``: where the outgoing policy daemon listens, if there is one."""
    system.assert_no_blanks(state.root)
    dovecot.prepare(state, db)
    postfix.prepare(state, db, policy_port)


def services(state):
    return [*dovecot.services(state), *postfix.services(state)]
