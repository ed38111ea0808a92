# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The account API of a mox server, for whoever has a mailbox' password: its webhooks, and its
unique return paths.

Described for mox v0.0.17 (2026-08-19); one of before June 2024 has none of this, and says so.
"""

from typing import Any

from ..net.errors import Refused
from .mox_api import MoxApi, MoxNo
from .mox_directory import as_dict, as_list

_NANOSECONDS = 10**9
_OLDER = "This mox is too old for webhooks: they came with v0.0.11."


def root_of(url: str) -> str:
    """Where mox's pages are, from the address of its admin pages: a prefix of a proxy stays."""
    return (url or "").strip().rstrip("/").removesuffix("/admin")


class MoxAccount(MoxApi):
    """The API of the account that has the address ``email``, on the mox whose admin pages are at
    ``url``.  Thread-safe.

    mox serves it at ``/`` unless its configuration says otherwise; ``/account`` is what
    ``mox localserve`` says, and its own examples.
    """

    _cookies = "webaccount"
    _unknown = "Odoo does not know the password of this mailbox."
    _not_accepted = (
        "mox does not accept the password of the mailbox that Odoo has. Renew Odoo's outgoing "
        "server, which sets another one; after ten failures in a minute mox locks this machine out."
    )

    def __init__(self, url: str, email: str, password: str, **options: Any):
        super().__init__(url, password, **options)
        self._email = email

    def _addresses(self, url: str) -> list[str]:
        root = root_of(url)
        return [f"{root}/account", root]

    def _credentials(self) -> tuple[str, ...]:
        return self._email, self._password

    def set_incoming(self, url: str, authorization: str) -> None:
        """Tell this URL of each message that comes in; "" stops that.

        ``authorization``: the value of the header ``Authorization``, as it is to be sent.
        """
        self._set("IncomingWebhookSave", url, authorization, secret=authorization)

    def set_outgoing(self, url: str, authorization: str) -> None:
        """Tell this URL what becomes of each message that is sent; "" stops that."""
        # no events: all of them, those too that a newer mox knows
        self._set("OutgoingWebhookSave", url, authorization, [], secret=authorization)

    def use_from_ids(self, use: bool, keep: int) -> None:
        """Whether mail sent by who logs in with this address has a return path of its own for each
        recipient, so that what comes back to it is known.

        ``keep``: seconds for which mox has to remember sent mail; it may be more already.
        """
        config = as_dict(as_list(self.ask("Account"))[0])
        if "FromIDLoginAddresses" not in config:
            raise Refused(_OLDER)
        now = as_list(config["FromIDLoginAddresses"])
        wanted = [one for one in now if one != self._email] + [self._email] * use
        if use:
            messages, hooks = (
                max(int(config.get(name) or 0), keep * _NANOSECONDS)
                for name in ("KeepRetiredMessagePeriod", "KeepRetiredWebhookPeriod")
            )
            self._set("KeepRetiredPeriodsSave", messages, hooks)
        if wanted != now:
            self._set("FromIDLoginAddressesSave", wanted)

    def _set(self, function: str, *params: Any, secret: str = "") -> None:
        try:
            self.change(function, *params, secret=secret)
        except MoxNo as error:
            if error.code == "sherpa:badFunction":
                raise Refused(_OLDER) from None
            raise
