# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""System parameters (``ir.config_parameter``): each is declared once, and read by this alone."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

_logger = logging.getLogger(__name__)

DECLARED = {}  # key to Setting, of all add-ons
_WARNED = set()  # (database, key, text): once in each process
_FLAGS = {"True": True, "true": True, "1": True, "False": False, "false": False, "0": False}


@dataclass(frozen=True)
class Setting:
    """A system parameter with its type, default and bounds.

    :param kind: ``bool``, ``int``, ``float``, ``Decimal`` or ``str``; or a function that makes the
        value from the text, and raises ``ValueError`` for one that it cannot read.
    :param default: the value, or its text, that counts where none is set that can be read.
    :param help: one sentence for ``readme/CONFIGURE.md``.
    :param minimum: the least number allowed.
    :param maximum: the greatest number allowed.  SQL reads whole numbers of nine digits.
    :param choices: the only texts allowed; for a function: what they look like.
    """

    key: str
    kind: Callable
    default: object
    help: str
    minimum: int = 0
    maximum: int = 999_999_999
    choices: tuple[str, ...] = ()

    def __post_init__(self):
        DECLARED[self.key] = self

    def read(self, env):  # pylint: disable=method-required-super
        """The value that counts in the database of ``env``, whoever asks.

        One that cannot be read counts as the default, with a warning in the log.
        """
        # as superuser: system parameters are readable by administrators alone
        text = (env["ir.config_parameter"].sudo().get_param(self.key) or "").strip()
        if text:
            try:
                return self.parse(text)
            except ValueError:
                what = env.cr.dbname, self.key, text
                if what not in _WARNED:
                    _WARNED.add(what)
                    _logger.warning(
                        "%s cannot be %r, the default counts: %s", self.key, text, self.default
                    )
        return self.parse(str(self.default))

    def parse(self, text):
        """:raises ValueError: it is of another type, or not allowed."""
        if self.kind in _READERS:
            value = _READERS[self.kind](text)
            if self.kind is not bool and not self.minimum <= value <= self.maximum:
                raise ValueError(text)
            return value
        if self.kind is str and self.choices and text not in self.choices:
            raise ValueError(text)
        return self.kind(text)


def _flag(text):
    if text not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text]


def _whole(text):
    # as ``emboux_mail.parameter`` reads it in SQL, and below zero too
    if not re.fullmatch("-?[0-9]{1,9}", text):
        raise ValueError(text)
    return int(text)


def _exact(text):
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not number.is_finite():
        raise ValueError(text)
    return number


_READERS = {bool: _flag, int: _whole, float: float, Decimal: _exact}


def name_servers(text):
    """((host, port), ...) of ``host[:port]``, comma-separated; none for ``system``."""
    if text == "system":
        return ()
    # [2001:db8::53]:53 as in a URL
    servers = [urlsplit(f"//{part.strip()}") for part in text.split(",")]
    if not all(server.hostname for server in servers):
        raise ValueError(text)
    return tuple((server.hostname, server.port or 53) for server in servers)


CLAIM_DAYS = Setting(
    "emboux_core.claim_days", int, 14,
    "Days for which an unproven claim to a domain stands.", maximum=99_999,
)
BACKEND_ALLOW_PRIVATE = Setting(
    "emboux_core.backend_allow_private", bool, False,
    "True lets backends and providers be on private and loopback addresses.",
)
DNS_NAMESERVERS = Setting(
    "emboux_core.dns_nameservers", name_servers, "system",
    "Name servers that the DNS check asks, separated by commas, or the system's resolver.",
    choices=("system", "host[:port]"),
)
DNS_PORT = Setting(
    "emboux_core.dns_port", int, 53, "Port of authoritative name servers.",
    minimum=1, maximum=65_535,
)
DNS_ALLOW_PRIVATE = Setting(
    "emboux_core.dns_allow_private", bool, False,
    "True lets the DNS check ask, and DNS servers be, on private and loopback addresses.",
)
DOMAIN_CONNECT_TEMPLATE = Setting(
    "emboux_core.domain_connect_template", str, "",
    "Your Domain Connect template (JSON), as it is registered with DNS providers.",
)
DOMAIN_CONNECT_KEY_HOST = Setting(
    "emboux_core.domain_connect_key_host", str, "",
    "Name at which the public key of signed Domain Connect links is published.",
)
DOMAIN_CONNECT_PRIVATE_KEY = Setting(
    "emboux_core.domain_connect_private_key", str, "",
    "Private key (RSA, PEM) that signs Domain Connect links.",
)
