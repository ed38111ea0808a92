"""The SMTP relay of a mail provider on loopback: TLS from the start, and a login for each domain.

    relay = Relay(certificate, key, is_known=lambda login, password: ...).start()
    relay.port
    relay.taken     # the messages, in their order
    relay.stop()
"""

import asyncio
import ssl
import threading
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, AuthResult


@dataclass(frozen=True)
class Taken:
    login: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Relay:
    """``account_wide``: its logins may send as any domain, as those of Amazon."""

    def __init__(self, certificate, key, is_known, account_wide=False):
        self.taken: list[Taken] = []
        self._is_known, self._account_wide = is_known, account_wide
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self):
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _serve(self):
        return await self._loop.create_server(
            lambda: SMTP(self, hostname="relay.example", authenticator=self._authenticate,
                         auth_required=True, auth_require_tls=False, loop=self._loop),
            "127.0.0.1", 0, ssl=self._tls,
        )

    def _authenticate(self, _server, _session, _envelope, mechanism, data):
        login, password = data.login.decode(), data.password.decode()
        if mechanism not in ("PLAIN", "LOGIN") or not self._is_known(login, password):
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=login)

    async def handle_DATA(self, _server, session, envelope):
        login = session.auth_data
        domains = {envelope.mail_from.rpartition("@")[2], login.rpartition("@")[2]}
        if len(domains) > 1 and not self._account_wide:
            return "550 5.7.1 This login is another domain's"
        self.taken.append(
            Taken(login, envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content)
        )
        return "250 2.0.0 Queued"
