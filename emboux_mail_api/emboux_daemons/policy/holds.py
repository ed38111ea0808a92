# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Rules by which the operator has mail put on hold as it comes in."""

from typing import NamedTuple


class HoldRule(NamedTuple):
    """What is empty fits everything.  ``reason``: for the log of Postfix, and for people."""

    sender_domain: str
    login: str
    recipient_domain: str
    reason: str

    def fits(self, login, sender_domain, recipient_domain):
        """Names in lower case, domains as A-labels."""
        return (self.login in ("", login)
                and self.sender_domain in ("", sender_domain)
                and self.recipient_domain in ("", recipient_domain))


def first_that_fits(rules, login, sender_domain, recipients):
    """The first rule that fits one of the recipients, or None."""
    for rule in rules:
        if any(rule.fits(login, sender_domain, recipient.rpartition("@")[2])
               for recipient in recipients):
            return rule
    return None
