# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""LMTP (RFC 2033) with the addresses that a message was sent to (ORCPT, RFC 3461).

Aliases lead to the mailbox that Odoo has, and Odoo has to know which of them was meant, also where
no header says so (Bcc).  Postfix tells, as ``ORCPT``, whoever announces DSN; and then leaves it to
us to report success, which we do not: what Odoo has filed answers for itself.
"""

import re
from collections import defaultdict

from aiosmtpd.lmtp import LMTP

LONGEST_COMMAND = 2048  # bytes

_ORCPT = re.compile(r"(?i) ORCPT=rfc822;(\S+)")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


class Lmtp(LMTP):
    """``handler``: its ``handle_DATA`` gets the envelope, whose ``originals`` has, for each
    of ``rcpt_tos``, the address before aliases were followed."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # parameters of DSN are long; and the library's limits are one object for all connections
        self.command_size_limits = defaultdict(lambda: LONGEST_COMMAND, RCPT=LONGEST_COMMAND)

    async def smtp_MAIL(self, arg):
        await super().smtp_MAIL(_without(arg, "RET", "ENVID"))
        self.envelope.originals = []

    async def smtp_RCPT(self, arg):
        found = _ORCPT.search(arg or "")
        known = len(self.envelope.rcpt_tos)
        await super().smtp_RCPT(_without(arg, "NOTIFY", "ORCPT"))
        if len(self.envelope.rcpt_tos) > known:
            address = self.envelope.rcpt_tos[-1]
            self.envelope.originals.append(_of_xtext(found[1]) if found else address)


def announce(responses):
    """The answer to LHLO, with DSN."""
    return [*responses[:-1], "250-DSN", responses[-1]]


def _without(arg, *names):
    return re.sub(rf"(?i) (?:{'|'.join(names)})=\S*", "", arg) if arg else arg


def _of_xtext(text):
    """RFC 3461, section 4."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)
