# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""This database is the mail platform: the rows are the truth, SQL views publish them.

A change and its effect are one transaction.  So most *ensure* calls have nothing left to do:
when the caller's transaction commits, Postfix and Dovecot see the row.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from odoo.addons.emboux_core.backends.base import (
    AliasSpec,
    Backend,
    DomainSpec,
    MailboxSpec,
    Room,
    Usage,
    UsagePage,
)
from odoo.addons.emboux_core.dns.expected import DkimKey, MailService, MxTarget
from odoo.addons.emboux_core.net.errors import Refused

from ..providers.base import Registration

#: Runs a statement with parameters and returns its rows.
Query = Callable[..., list[tuple[Any, ...]]]


class LocalBackend(Backend):
    """``query`` runs SQL in the caller's transaction.

    ``dkim_keys``, ``token`` and ``elsewhere`` are asked with the number of a domain's row:
    several may claim a name.
    ``dkim_keys`` gives the keys that a domain has to publish, and makes its first ones if asked
    to.
    ``hosts`` is what mail programs and DNS are told: mail_host, smtp_host, imap_host,
    smtp_tls_port, imap_tls_port, smtp_starttls_port, imap_starttls_port, policy_host, mta_sts_id,
    tls_report_address.  ``elsewhere`` is
    what a provider that carries and signs a domain's mail wants its DNS to say, None where this
    server does it itself.  ``room``: how much a domain and a login may still send.
    """

    transactional: ClassVar[bool] = True
    pushes: ClassVar[bool] = True
    rules: ClassVar[bool] = True
    renames: ClassVar[bool] = True

    def __init__(
        self,
        query: Query,
        dkim_keys: Callable[[int, bool], tuple[DkimKey, ...]],
        token: Callable[[int], str],
        hosts: dict[str, Any],
        elsewhere: Callable[[int], Registration | None] = lambda _record: None,
        room: Callable[[str, str], Room | None] = lambda _domain, _login: None,
    ):
        self._query = query
        self._dkim_keys = dkim_keys
        self._token = token
        self._hosts = hosts
        self._elsewhere = elsewhere
        self._room = room

    def check(self) -> str:
        missing = self._query(
            "SELECT name FROM unnest(ARRAY['emboux_mail', 'emboux_usage', 'emboux_dkim',"
            " 'emboux_relay']) AS name"
            " WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)"
        )
        if missing:
            names = ", ".join(name for (name,) in missing)
            raise Refused(
                f"PostgreSQL has no role {names}. Create it as sql/grants.sql of emboux_mail_api "
                "shows, then press Test again."
            )
        [[may_read]] = self._query(
            "SELECT has_schema_privilege('emboux_mail', 'emboux_mail', 'USAGE')"
            " AND has_table_privilege('emboux_mail', 'emboux_mail.mailboxes', 'SELECT')"
        )
        if not may_read:
            raise Refused("The PostgreSQL role emboux_mail may not read the published views.")
        for field, label in (("mail_host", "mail host (MX)"), ("smtp_host", "SMTP host"),
                             ("imap_host", "IMAP host")):
            if not self._hosts.get(field):
                raise Refused(f"The {label} is not set, so domains cannot say where mail goes.")
        [[domains, mailboxes]] = self._query(
            "SELECT (SELECT count(*) FROM emboux_mail.hosted WHERE owned),"
            " (SELECT count(*) FROM emboux_mail.mailboxes)"
        )
        return (
            f"Published to Postfix and Dovecot: {domains} proven domains, {mailboxes} mailboxes."
        )

    def ensure_domain(self, domain: DomainSpec) -> MailService:
        return self.service(domain, make=True)

    def service(self, domain: DomainSpec, make: bool = False) -> MailService:
        """What the domain's DNS and its mail programs have to know; changes nothing, unless the
        keys that the domain does not have yet are to be made."""
        host = self._hosts["mail_host"]
        if not host:
            raise Refused(
                "it has no mail host yet, so a domain could not say where its mail goes. An "
                "administrator sets it under Configuration > Backends."
            )
        inherits = domain.parent is not None
        record = domain.record or self._record(domain.name)
        provider = self._elsewhere(record)
        return MailService(
            mx=(MxTarget(10, host),),
            spf=provider.spf if provider else (f"a:{host}",),
            dkim=() if inherits or provider else self._dkim_keys(record, make),
            verification="" if inherits else self._token(record),
            imap_host=self._hosts["imap_host"] or host,
            imaps_port=self._hosts["imap_tls_port"],
            smtp_host=self._hosts["smtp_host"] or host,
            submissions_port=self._hosts["smtp_tls_port"],
            imap_port=self._hosts["imap_starttls_port"],
            submission_port=self._hosts["smtp_starttls_port"],
            dkim_domain=domain.parent,
            records=provider.records if provider else (),
            mta_sts_host=self._hosts["policy_host"],
            mta_sts_id=self._hosts["mta_sts_id"],
            tls_report=self._hosts["tls_report_address"],
            autoconfig_host=self._hosts["policy_host"],
            wildcard=domain.wildcard,
        )

    def _record(self, name: str) -> int | None:
        """The row of the name's owner, or of the first claimant."""
        found = self._query(
            "SELECT d.id FROM emboux_domain d"
            " JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'"
            " WHERE d.name = %s ORDER BY d.owned_since, d.id LIMIT 1", name)
        return found[0][0] if found else None

    def delete_domain(self, name: str) -> None:
        """Its DKIM keys go with its row."""

    def ensure_mailbox(self, mailbox: MailboxSpec) -> None:
        """The row is published as it is."""

    def delete_mailbox(self, email: str) -> None:
        # what was counted is the owner's, if somebody who merely claims the name deletes theirs
        self._query(
            "DELETE FROM emboux_mail.usage WHERE username = %s"
            " AND NOT EXISTS (SELECT FROM emboux_mail.held WHERE email = username)", email)

    def ensure_alias(self, alias: AliasSpec) -> tuple[str, ...]:
        """The row is published as it is; Postfix delivers once to each mailbox."""
        return ()

    def delete_alias(self, address: str) -> None:
        """The row is deleted, and with it what it published."""

    def domains(self) -> Iterable[DomainSpec]:
        rows = self._query(
            "SELECT d.name, d.state = 'suspended', p.name, coalesce(d.is_wildcard, false)"
            " FROM emboux_domain d"
            " JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'"
            " LEFT JOIN emboux_domain p ON p.id = d.parent_id WHERE d.active"
        )
        return [DomainSpec(*row) for row in rows]

    def mailboxes(self, domain: str) -> Iterable[MailboxSpec]:
        rows = self._query(
            "SELECT u.email, u.quota_bytes,"
            " EXISTS (SELECT FROM emboux_mail.inbound i WHERE i.key = u.email),"
            " EXISTS (SELECT FROM emboux_mail.domain_senders s"
            "         WHERE s.domain = %(domain)s AND s.login = u.email)"
            " FROM emboux_mail.users u WHERE u.email LIKE '%%@' || %(domain)s",
            {"domain": domain},
        )
        return [MailboxSpec(*row) for row in rows]

    def aliases(self, domain: str) -> Iterable[AliasSpec]:
        rows = self._query(
            "SELECT address, array_agg(destination) FROM emboux_mail.aliases"
            " WHERE address LIKE '%%@' || %s AND address <> destination GROUP BY address",
            domain,
        )
        return [AliasSpec(address, tuple(destinations)) for address, destinations in rows]

    def room_to_send(self, domain: str, login: str) -> Room | None:
        return self._room(domain, login)

    def usage(self, since: str = "") -> UsagePage:
        # Everything written by a transaction that was still running, or not begun, when the
        # cursor was taken: a commit that comes late is seen the next time.
        rows = self._query(
            "SELECT username, bytes, messages FROM emboux_mail.usage"
            " WHERE written_by >= %(since)s::text::xid8"
            # a cursor from the future is of another cluster, before a dump and restore
            " OR %(since)s::text::xid8 > pg_snapshot_xmax(pg_current_snapshot())",
            {"since": since or "0"},
        )
        [[cursor]] = self._query("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
        return UsagePage(cursor, tuple(Usage(*row) for row in rows))
