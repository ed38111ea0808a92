# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""To which Odoo a mailbox' mail is handed."""

from dataclasses import dataclass, field

from ..store import BaseStore


@dataclass(frozen=True)
class Target:
    """``url``: of another Odoo; empty for the one of this database."""

    mailbox_id: int
    url: str
    secret: str = field(repr=False)
    may_be_private: bool = False


class Store(BaseStore):
    name = "emboux_inbound"
    statement_seconds = 10

    def target(self, address):
        """The ``Target`` of a mailbox; None where its mail is handed to nobody now.

        :raises psycopg2.Error: PostgreSQL is away.
        """
        rows = self._all(
            "SELECT mailbox_id, coalesce(url, ''), secret, may_be_private"
            "  FROM emboux_mail.pushed WHERE email = %s AND NOT suspended", [address])
        return Target(*rows[0]) if rows else None
