"""The mail servers: Postfix (``postfix.py``) and Dovecot (``dovecot.py``)."""

from dataclasses import dataclass

from . import dovecot, postfix, system

PACKAGES = (*postfix.PACKAGES, *dovecot.PACKAGES)


@dataclass(frozen=True)
class Database:
    """Where the views of the schema ``emboux_mail`` are; the host is 127.0.0.1."""

    port: int
    name: str


def prepare(state, db, policy_port=None):
    """``policy_port``: where the outgoing policy daemon listens, if there is one."""
    system.assert_no_blanks(state.root)
    dovecot.prepare(state, db)
    postfix.prepare(state, db, policy_port)


def services(state):
    return [*dovecot.services(state), *postfix.services(state)]
