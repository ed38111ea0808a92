"""An inbound daemon of a test's own, spoken to as Postfix does, and killed at will."""

import contextlib
import smtplib
import time

from parts import inbound
from parts.supervisor import Service, Supervisor, listening


class InboundDaemon:
    """``odoo``: the URL of the Odoo that it hands mail to."""

    def __init__(self, state, database, odoo):
        self._state, self._database, self._odoo = state, database, odoo
        self._supervisor = Supervisor(state, echo=False, pids="pids-inbound.json")
        self.port = state.port("own_inbound")

    def start(self):
        self._supervisor.start(Service(
            "own_inbound",
            inbound.command(self._state, self._database, f"127.0.0.1:{self.port}", "none",
                            "--odoo", self._odoo, name="inbound-of-a-test"),
            ready=listening(self.port), env=inbound.environment(self._state, self._database),
        ))

    def kill(self):
        self._supervisor.kill("own_inbound")

    def stop(self):
        self._supervisor.stop()

    def once(self, mailbox, message, sender="customer@outside.tests.example", original=None):
        """(code, text) of one attempt; 0 where there was no answer."""
        try:
            with smtplib.LMTP("127.0.0.1", self.port, timeout=60) as lmtp:
                lmtp.ehlo_or_helo_if_needed()
                lmtp.mail(sender)
                lmtp.rcpt(mailbox, [f"ORCPT=rfc822;{original or mailbox}"])
                return lmtp.data(message)
        except (OSError, smtplib.SMTPException) as error:
            return 0, repr(error).encode()

    def keep_trying(self, mailbox, message, end=None, pause=0.2):
        """As Postfix does, until it is taken or refused, or the monotonic time is ``end``; returns
        the last (code, text)."""
        end = end or time.monotonic() + 60
        while True:
            code, text = self.once(mailbox, message)
            if code in (250, 550) or time.monotonic() > end:
                return code, text
            time.sleep(pause)


@contextlib.contextmanager
def running(daemon):
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
