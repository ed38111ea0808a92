# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""To which Odoo a mailbox' mail is handed."""

import re
from dataclasses import dataclass, field

from ..store import BaseStore

#: As emboux_mail.is_returning says (sql/address.sql).
IS_RETURNING = re.compile(r"bounce\+[a-z2-7]{26}@").match


@dataclass(frozen=True)
class Target:
    """``url``: of another Odoo; empty for the one of this database, which takes it at ``path``."""

    path: str
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
        if IS_RETURNING(address):
            rows = self._all("SELECT '/emboux/returned', '', secret FROM emboux_mail.returns")
            return Target(*rows[0]) if rows else None
        rows = self._all(
            "SELECT path, coalesce(url, ''), secret, may_be_private"
            "  FROM emboux_mail.pushed WHERE email = %s AND NOT suspended", [address])
        return Target(*rows[0]) if rows else None
