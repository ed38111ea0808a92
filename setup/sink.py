"""The outside world of the demo: an SMTP server that takes all mail and keeps it in a Maildir.

The envelope stands above each message as ``X-Envelope-From`` and ``X-Envelope-To`` (one line a
recipient).  Some local parts play trouble, in any domain:

    reject550@...   550, for good
    defer450@...    450, try again later
    greylist@...    450 twice for each sender and recipient, then it is taken
    slow@...        takes the message after five seconds
"""

import argparse
import asyncio
import mailbox
import signal
import ssl
from collections import Counter

from aiosmtpd.smtp import SMTP

FAULTS = {
    "reject550": "550 5.1.1 The sink refuses this recipient, as asked",
    "defer450": "450 4.2.1 The sink is not ready for this recipient, as asked",
}
SLOW_SECONDS = 5
GREYLISTED = 2  # attempts
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Sink:
    def __init__(self, folder):
        self.box = mailbox.Maildir(folder)
        self._tries = Counter()

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        fault = FAULTS.get(_local_part(address))
        if _local_part(address) == "greylist":
            pair = envelope.mail_from, address
            self._tries[pair] += 1
            if self._tries[pair] <= GREYLISTED:
                fault = "450 4.7.1 Greylisted, as asked"
        if fault:
            print(f"{fault[:3]} from=<{envelope.mail_from or ''}> to=<{address}>")
            return fault
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server, session, envelope):
        if any(_local_part(address) == "slow" for address in envelope.rcpt_tos):
            await asyncio.sleep(SLOW_SECONDS)
        lines = [f"X-Envelope-From: <{envelope.mail_from or ''}>"]
        lines += [f"X-Envelope-To: <{address}>" for address in envelope.rcpt_tos]
        head = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")
        name = self.box.add(head + envelope.content)
        to = ",".join(f"<{address}>" for address in envelope.rcpt_tos)
        tls = "TLS" if session.ssl else "plain"
        print(f"250 from=<{envelope.mail_from or ''}> to={to} "
              f"{len(envelope.content)} bytes, {tls}, kept as {name}")
        return "250 2.0.0 Kept"


def _local_part(address):
    return address.rpartition("@")[0].partition("+")[0].lower()


async def serve(arguments):
    handler = Sink(arguments.maildir)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(arguments.certificate, arguments.key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="sink.example", ident="Emboux sink", tls_context=tls,
                     data_size_limit=MAX_MESSAGE_BYTES, enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1", arguments.port,
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    print(f"listening on 127.0.0.1:{arguments.port}, keeps mail in {arguments.maildir}")
    await ended.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--maildir", required=True)
    parser.add_argument("--certificate", required=True, help="PEM file, for STARTTLS")
    parser.add_argument("--key", required=True, help="PEM file")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
