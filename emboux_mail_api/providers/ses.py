# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Amazon SES, over its API version 2.  Source: docs.aws.amazon.com/ses/latest/APIReference-V2.

Easy DKIM: SES makes the keys and wants three CNAME records, by which it verifies the domain too.
Bounces and complaints come by a configuration set, its event destination, an SNS topic and the
topic's subscription to our webhook; set and topic are the account's, so they outlive a domain.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from odoo.addons.emboux_core.net.answers import Fields, Unfit
from odoo.addons.emboux_core.net.errors import BackendError, Refused, UnknownOutcome, Unreachable
from odoo.addons.emboux_core.net.guard import Timeouts

from .base import IMPLICIT, VERIFIED, Credential, Provider, Registration, Relay
from .ses_answers import HAS_TO_RESTART, destinations_of, identity_of
from .ses_calls import AwsCalls, AwsRefused

CONFIGURATION_SET = "emboux"
_DESTINATION = "emboux-webhook"
_RSA_2048 = {"NextSigningKeyLength": "RSA_2048_BIT"}
_EVENTS = ("BOUNCE", "COMPLAINT")

T = TypeVar("T")


class Ses(Provider):
    """The account of an access key in ``region``, such as ``eu-west-1``.

    ``topic_arn``: SNS topic that gets the events, empty for none; its policy has to let SES
    publish. ``webhook_url``: what is subscribed to the topic. ``deliveries``: report those too.
    ``endpoint``: URL of SES and SNS in place of Amazon's, http to this machine with
    ``allow_private``. ``timeouts``: ``total`` is not used; boto3 makes three tries at most, so a
    call ends within 3 x (connect + read) and about 3 s of pauses.
    """

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        region: str,
        *,
        topic_arn: str = "",
        webhook_url: str = "",
        deliveries: bool = False,
        configuration_set: str = CONFIGURATION_SET,
        endpoint: str = "",
        smtp_host: str = "",
        allow_private: bool = False,
        timeouts: Timeouts = Timeouts(connect=5, read=15),  # noqa: B008 - frozen
    ):
        self._region = region
        self._topic_arn, self._webhook_url = topic_arn, webhook_url
        self._events = [*_EVENTS, *(("DELIVERY",) if deliveries else ())]
        self._set = configuration_set
        self._relay = Relay(smtp_host or f"email-smtp.{region}.amazonaws.com", 465, IMPLICIT)
        self._aws = AwsCalls(access_key, secret_key, region, endpoint, allow_private, timeouts)

    def check(self) -> str:
        def read(account: Fields) -> tuple[bool, bool]:
            return account.flag("ProductionAccessEnabled"), account.flag("SendingEnabled")

        production, sending = self._ask("get_account", read)
        if not sending:
            raise Refused(
                f"Amazon SES in {self._region} accepts the key, but has paused the account's "
                "sending: see the console of SES."
            )
        limits = "" if production else " It is in the sandbox: only proven recipients get mail."
        return f"Amazon SES in {self._region} answers, and the account may send.{limits}"

    # -- domains -------------------------------------------------------------------------

    def register(self, name: str, parent: str | None = None) -> Registration:
        """Under a parent nothing is made: SES lets its subdomains send, signed with d=parent.

        An identity of the subdomain's own would need CNAME records of its own and end that.
        """
        if parent:
            return self._under(name, parent)
        if self._topic_arn:
            self._ensure_events()
        attributes = {"ConfigurationSetName": self._set} if self._topic_arn else {}
        try:
            self._change(
                "create_email_identity", lambda made: made.flag("VerifiedForSendingStatus"),
                EmailIdentity=name, DkimSigningAttributes=_RSA_2048, **attributes,
            )  # fmt: skip
            made = True
        except AwsRefused as error:
            if error.code != "AlreadyExistsException":
                raise
            made = False
        try:
            return self._existing(name)
        except Unreachable as error:
            if made:
                raise UnknownOutcome(str(error)) from None
            raise

    def _under(self, name: str, parent: str) -> Registration:
        found = self.status(parent)
        if found is None or found.state != VERIFIED:
            raise Refused(f"{parent} is not verified at Amazon SES, so {name} cannot send by it.")
        reason = f"Amazon SES lets it send as a part of {parent}."
        return Registration(name, VERIFIED, reason, (), found.spf)

    def _existing(self, name: str) -> Registration:
        def read(answer: Fields) -> tuple[Registration, str | None]:
            try:
                configuration_set = answer.text_or_none("ConfigurationSetName")
            except Unfit:
                configuration_set = None  # left out when there is none
            return identity_of(answer, name)[0], configuration_set

        try:
            found, configuration_set = self._ask("get_email_identity", read, EmailIdentity=name)
        except AwsRefused as error:
            if error.code != "NotFoundException":
                raise
            # there a moment ago: SES is not everywhere the same at once, or somebody deletes it
            raise UnknownOutcome(
                f"Amazon SES has taken {name}, but does not show it yet."
            ) from None
        if self._topic_arn and configuration_set != self._set:
            self._change(
                "put_email_identity_configuration_set_attributes", _done,
                EmailIdentity=name, ConfigurationSetName=self._set,
            )  # fmt: skip
        return found

    def verify(self, name: str) -> Registration:
        """SES looks by itself for 72 hours; after that, or when it never began, it starts anew."""
        found, dkim = self._identity(name) or (None, "")
        if found is None:
            raise Refused(f"Amazon SES does not have the domain {name}: register it first.")
        if dkim not in HAS_TO_RESTART:
            return found
        self._change(
            "put_email_identity_dkim_signing_attributes", _done, EmailIdentity=name,
            SigningAttributesOrigin="AWS_SES", SigningAttributes=_RSA_2048,
        )  # fmt: skip
        found, _dkim = self._identity(name) or (None, "")
        if found is None:
            raise Refused(f"Amazon SES does not have the domain {name}: register it first.")
        return found

    def status(self, name: str) -> Registration | None:
        found = self._identity(name)
        return found[0] if found else None

    def _identity(self, name: str) -> tuple[Registration, str] | None:
        """The registration, and what SES says of its DKIM."""
        try:
            return self._ask(
                "get_email_identity", lambda answer: identity_of(answer, name), EmailIdentity=name
            )
        except AwsRefused as error:
            if error.code != "NotFoundException":
                raise
        return None

    def delete(self, name: str) -> None:
        try:
            self._change("delete_email_identity", _done, EmailIdentity=name)
        except AwsRefused as error:
            if error.code != "NotFoundException":
                raise

    # -- events --------------------------------------------------------------------------

    def _ensure_events(self) -> None:
        wished = {
            "Enabled": True,
            "MatchingEventTypes": self._events,
            "SnsDestination": {"TopicArn": self._topic_arn},
        }
        try:
            ours = self._ask(
                "get_configuration_set_event_destinations", destinations_of,
                ConfigurationSetName=self._set,
            ).get(_DESTINATION)  # fmt: skip
        except AwsRefused as error:
            if error.code != "NotFoundException":
                raise
            self._unless_there("create_configuration_set", ConfigurationSetName=self._set)
            ours = None
        target = {
            "ConfigurationSetName": self._set,
            "EventDestinationName": _DESTINATION,
            "EventDestination": wished,
        }
        if ours is None:
            self._unless_there("create_configuration_set_event_destination", **target)
        elif ours != (True, frozenset(self._events), self._topic_arn):
            self._change("update_configuration_set_event_destination", _done, **target)
        if self._webhook_url:
            # for an existing subscription SNS only says so
            self._change(
                "subscribe", lambda answer: answer.any_text("SubscriptionArn"), service="sns",
                TopicArn=self._topic_arn, Protocol=self._webhook_url.partition(":")[0],
                Endpoint=self._webhook_url, ReturnSubscriptionArn=True,
            )  # fmt: skip

    def _unless_there(self, operation: str, **parameters: Any) -> None:
        try:
            self._change(operation, _done, **parameters)
        except AwsRefused as error:
            if error.code != "AlreadyExistsException":
                raise

    # -- SMTP ----------------------------------------------------------------------------

    def relay(self) -> Relay:
        return self._relay

    def ensure_credential(self, name: str, password: str = "") -> Credential | None:
        """None: SMTP credentials of SES are the account's, for all of its domains."""
        return None

    def delete_credential(self, name: str) -> None:
        """There is none."""

    # -- calls ---------------------------------------------------------------------------

    def _ask(self, operation: str, read: Callable[[Fields], T], **parameters: Any) -> T:
        answer = self._aws.call("sesv2", operation, parameters, changes=False)
        return _read(answer, read, Unreachable)

    def _change(
        self, operation: str, read: Callable[[Fields], T], service: str = "sesv2", **parameters: Any
    ) -> T:
        answer = self._aws.call(service, operation, parameters, changes=True)
        return _read(answer, read, UnknownOutcome)


def _read(
    answer: Mapping[str, Any], read: Callable[[Fields], T], otherwise: type[BackendError]
) -> T:
    try:
        return read(Fields(dict(answer)))
    except Unfit as error:
        problem = f"It did not answer as Amazon SES does: {error}."
    raise otherwise(problem)


def _done(answer: Fields) -> None:
    """The response holds nothing of interest."""
