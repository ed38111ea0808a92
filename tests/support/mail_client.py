"""Plain SMTP and IMAP, and what the outside world received."""

import contextlib
import email
import email.policy
import imaplib
import mailbox
import smtplib
import ssl
import time
from email.message import EmailMessage

# Seconds until a message that should have arrived is missed: a server that has lost its connection
# to the database may defer it once, and Postfix tries again within twenty (queue_run_delay and
# minimal_backoff_time in main.cf).
PATIENCE = 30


def message(sender, recipient, subject, body="Hello.\n"):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, subject
    mail["Message-ID"] = f"<{subject.replace(' ', '.')}.{time.time_ns()}@tests.example>"
    mail.set_content(body)
    return mail


def eventually(what, probe, seconds=PATIENCE):
    """Ask until ``probe`` gives something true; fail with ``what`` is missing."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


class Mail:
    """The world's mail servers, as ``setup/run --status --json`` names them."""

    def __init__(self, status, ca_file=None):
        """``ca_file``: for those that log in."""
        self.status = status
        self.tls = ssl.create_default_context(cafile=ca_file)

    def from_outside(self, sender, recipient, subject, body="Hello.\n", **kwargs):
        """What another mail server does: no login, port 25."""
        self.send(message(sender, recipient, subject, body), sender, [recipient], **kwargs)

    def send(self, made, sender, recipients, **kwargs):
        """The same with a message of one's own."""
        with smtplib.SMTP("localhost", self.status["smtp"]["port"], timeout=30) as smtp:
            smtp.ehlo("outside.tests.example")
            smtp.send_message(made, sender, recipients, **kwargs)

    def raw_from_outside(self, sender, recipient, text):
        """The same with a whole message, as text or as bytes."""
        with smtplib.SMTP("localhost", self.status["smtp"]["port"], timeout=30) as smtp:
            smtp.ehlo("outside.tests.example")
            smtp.sendmail(sender, [recipient], text)

    @contextlib.contextmanager
    def login(self, address, password, tls=True):
        """A mail program that has logged in, by SSL/TLS or STARTTLS; strict about certificates."""
        if tls:
            smtp = smtplib.SMTP_SSL("localhost", self.status["smtps"]["port"], timeout=30,
                                    context=self.tls)
        else:
            smtp = smtplib.SMTP("localhost", self.status["submission"]["port"], timeout=30)
            smtp.starttls(context=self.tls)
        with smtp:
            smtp.login(address, password)
            yield smtp

    def submit(self, address, password, recipient, subject, sender=None, **kwargs):
        with self.login(address, password, **kwargs) as smtp:
            sender = sender or address
            smtp.send_message(message(sender, recipient, subject), sender, [recipient])

    def imap(self, address, password, tries=6):
        """A session that is logged in; raises ``imaplib.IMAP4.error`` if that is refused.

        Where it is *unavailable* (RFC 5530) it tries again, as mail programs do: Dovecot 2.4 finds
        out by a query that a connection to the database is dead, and fails it; 2.3 repeats it.
        """
        client = imaplib.IMAP4_SSL("localhost", self.status["imaps"]["port"],
                                   ssl_context=self.tls, timeout=30)
        try:
            client.login(address, password)
        except imaplib.IMAP4.error as error:
            if tries == 1 or "[UNAVAILABLE]" not in str(error):
                raise
            client.shutdown()
            return self.imap(address, password, tries - 1)
        return client

    def can_login(self, address, password):
        try:
            self.imap(address, password).logout()
        except imaplib.IMAP4.error:
            return False
        return True

    def subjects(self, address, password, folder="INBOX"):
        client = self.imap(address, password)
        try:
            client.select(folder, readonly=True)
            _ok, found = client.search(None, "ALL")
            subjects = []
            for number in found[0].split():
                _ok, parts = client.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
                header = email.message_from_bytes(parts[0][1], policy=email.policy.default)
                subjects.append(header["Subject"])
            return subjects
        finally:
            client.logout()

    def arrives(self, address, password, subject, folder="INBOX"):
        eventually(
            f"'{subject}' in {address}",
            lambda: subject in self.subjects(address, password, folder),
        )

    def outside(self, subject):
        """The raw message with that subject that reached the outside world."""

        def probe():
            box = mailbox.Maildir(self.status["sink"]["maildir"], create=False)
            for key, found in box.iteritems():
                if found["Subject"] == subject:
                    return box.get_bytes(key)
            return None

        return eventually(f"'{subject}' at the outside", probe)

    def received(self, address):
        """What reached somebody outside: the raw message, with the envelope above it."""

        def probe():
            box = mailbox.Maildir(self.status["sink"]["maildir"], create=False)
            for key, found in box.iteritems():
                if f"<{address}>" in found.get_all("X-Envelope-To", []):
                    return box.get_bytes(key)
            return None

        return eventually(f"mail to {address}", probe)

    def outside_subjects(self):
        return [m["Subject"] for m in mailbox.Maildir(self.status["sink"]["maildir"], create=False)]
