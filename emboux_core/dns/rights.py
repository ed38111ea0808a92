# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Ask a primary server what the key may do, changing nothing."""

import dns.name
import dns.update

from ..net.errors import NotAuthorised, Refused
from .client import plain
from .primary import Primary, Session, find_apex


def try_update(primary: Primary, zone: dns.name.Name | None) -> str:
    """Ask whether the key may change a zone, by an update that changes nothing.

    Returns the zone's name as the server has it; without a zone only whether a server answers is
    asked, which need not have looked at the signature.

    :raises BackendError: it may not, or nobody says.
    """
    with Session(primary) as session:
        if zone is None:
            try:
                session.ask(dns.name.root, "SOA")
            except Refused as error:
                # it need not answer for the root: it spoke
                if isinstance(error, NotAuthorised):
                    raise
            return ""
        apex = find_apex(session, zone)
        message = dns.update.UpdateMessage(apex)
        message.present(apex, "SOA")  # which a zone always has
        session.update(message)
        return plain(apex)
