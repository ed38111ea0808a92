# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The queue of outgoing messages of the stand-in, its hold rules, and what is retired from it.

Nothing is delivered by itself; a test says what becomes of a message, with ``queue.ends`` and
``queue.delays``.
"""

import copy
import itertools
import secrets

from . import names
from .checks import canonical
from .docs import Failure, now, user_error
from .listing import Listing, later, shift

_TIMES = {"Submitted": "Queued", "NextAttempt": "NextAttempt"}
_RETIRED_TIMES = {"Submitted": "Queued", "LastActivity": "LastActivity"}
_FIRST_WAIT_NS = 450 * 10**9
_CANCELED = "delivery canceled by admin"


def _addresses(filter_, row) -> bool:
    """One of both is enough, and an empty one matches nothing while the other is given."""
    asked = filter_["From"] or filter_["To"]
    sender = f"{row['SenderLocalpart']}@{row['SenderDomainStr']}"
    recipient = f"{row['RecipientLocalpart']}@{row['RecipientDomainStr']}"
    hits = (filter_["From"] and filter_["From"] in sender,
            filter_["To"] and filter_["To"] in recipient)  # fmt: skip
    return not asked or any(hits)


def _matches(filter_, row) -> bool:
    wanted = (("Account", "SenderAccount", ""), ("Hold", "Hold", None),
              ("Transport", "Transport", None), ("Success", "Success", None))  # fmt: skip
    for asked, field, empty in wanted:
        if filter_.get(asked, empty) != empty and filter_[asked] != row[field]:
            return False
    return _addresses(filter_, row)


class Queue:
    """``server.queue``."""

    def __init__(self, server, docs):
        self.server, self.docs = server, docs
        self.waiting = Listing(("NextAttempt", "Queued"))
        self.retired = Listing(("LastActivity", "Queued"))
        self.rules: dict[int, dict] = {}
        self._numbers, self._rule_numbers = itertools.count(1), itertools.count(1)

    # what tests say

    def put(self, recipient: str, sender: str = "mox@localhost", account: str = "mox",
            **values) -> int:  # fmt: skip
        """Queue a message and return its number; ``values`` are fields of ``Msg``."""
        sender_part, sender_domain = names.address(sender)
        part, domain = names.address(recipient)
        moment = now()
        message = self.docs.make(
            "Msg", **{
                "ID": next(self._numbers), "Queued": moment, "NextAttempt": moment,
                "SenderAccount": account, "SenderLocalpart": sender_part,
                "SenderDomain": {"IP": "", "Domain": sender_domain},
                "SenderDomainStr": names.shown(sender_domain), "RecipientLocalpart": part,
                "RecipientDomain": {"IP": "", "Domain": domain},
                "RecipientDomainStr": names.shown(domain), "Size": 800,
                "MessageID": f"<{secrets.token_urlsafe(16)}@localhost>", **values,
            },
        )  # fmt: skip
        message["Hold"] = message["Hold"] or any(
            self._holds_new(rule, message) for rule in self.rules.values()
        )
        self.waiting.rows[message["ID"]] = message
        return message["ID"]

    def ends(self, number: int, code: int = 0, secode: str = "", error: str = "",
             suppressing: bool = False) -> None:  # fmt: skip
        """The message is delivered, or has failed for good when there is an error."""
        message = self._attempt(number, code, secode, error)
        self._retire(message, "failed" if error else "delivered", code, secode, suppressing)

    def delays(self, number: int, code: int, secode: str, error: str) -> None:
        message = self._attempt(number, code, secode, error)
        wait = _FIRST_WAIT_NS * 2 ** (message["Attempts"] - 1)
        message["NextAttempt"] = later(message["LastAttempt"], wait)
        self.server.hooks.outgoing(message, "delayed", code, secode)

    def _attempt(self, number, code, secode, error):
        message = self.waiting.rows[number]
        message["LastAttempt"] = now()
        message["Attempts"] += 1
        self._add_result(message, Success=not error, Code=code, Secode=secode, Error=error)
        return message

    def _add_result(self, message, **values):
        result = self.docs.make("MsgResult", Start=now(), **values)
        message["Results"] = [*(message["Results"] or []), result]

    def _retire(self, message, event, code=0, secode="", suppressing=False):
        del self.waiting.rows[message["ID"]]
        account = self.server.config.state.accounts.get(message["SenderAccount"])
        keep = account["KeepRetiredMessagePeriod"] if account else 7 * 24 * 3600 * 10**9
        moment = now()
        if keep > 0:
            # the account's name for it, that of the history
            part, domain = message["RecipientLocalpart"], message["RecipientDomainStr"]
            self.retired.rows[message["ID"]] = self.docs.make(
                "MsgRetired", **{**message, "LastActivity": moment,
                                 "KeepUntil": later(moment, keep), "Success": event == "delivered",
                                 "RecipientAddress": names.packed(part, domain)},
            )  # fmt: skip
        self.server.hooks.outgoing(message, event, code, secode, suppressing)

    def senders(self, account: str) -> list[tuple[str, str]]:
        """The canonical senders of the messages of an account, with their domains."""
        found = []
        for row in self.waiting.rows.values():
            if row["SenderAccount"] == account:
                name = row["SenderDomainStr"]
                if name not in self.server.config.state.domains:
                    raise user_error("removing address: bad request: unknown sender domain "
                                     f'"{name}" in queued message')  # fmt: skip
                domain = self.server.config.state.domains[name]
                part = canonical(row["SenderLocalpart"], domain)
                found.append((names.packed(part, name), name))
        return found

    # hold rules

    @staticmethod
    def _parts(rule):
        return ((rule["Account"], "SenderAccount"), (rule["SenderDomainStr"], "SenderDomainStr"),
                (rule["RecipientDomainStr"], "RecipientDomainStr"))  # fmt: skip

    def _holds_new(self, rule, message) -> bool:
        """A new message is held when any part fits, one that waits only when all do."""
        parts = self._parts(rule)
        if not any(value for value, _field in parts):
            return True
        return any(value == message[field] for value, field in parts)

    def QueueHoldRuleList(self):
        return list(self.rules.values())

    def QueueHoldRuleAdd(self, rule):
        made = dict(rule)
        for kind in ("Sender", "Recipient"):
            written = rule[f"{kind}DomainStr"]
            try:
                made[f"{kind}Domain"] = names.domain(written)
            except names.BadName as error:
                raise user_error(f'parsing {kind.lower()} domain "{written}": {error}') from None
            made[f"{kind}DomainStr"] = names.shown(made[f"{kind}Domain"])
        made["ID"] = next(self._rule_numbers)
        self.rules[made["ID"]] = made
        for message in self.waiting.rows.values():
            if all(not value or value == message[field] for value, field in self._parts(made)):
                message["Hold"] = True
        return made

    def QueueHoldRuleRemove(self, number):
        """Releases nothing."""
        if not self.rules.pop(number, None):
            raise Failure("server:error", "removing queue hold rule: absent")

    # what is asked

    def _chosen(self, what, filter_, sort=None):
        return self.waiting.chosen(what, filter_, _TIMES, _matches, sort)

    def QueueSize(self):
        return len(self.waiting.rows)

    def QueueList(self, filter_, sort):
        return copy.deepcopy(self._chosen("listing messages in queue", filter_, sort))

    def RetiredList(self, filter_, sort):
        found = self.retired.chosen("listing retired messages", filter_, _RETIRED_TIMES, _matches,
                                    sort)  # fmt: skip
        return copy.deepcopy(found)

    # what is changed; an empty filter is all of them

    def _set(self, what, filter_, **values):
        found = self._chosen(what, filter_)
        for message in found:
            message.update(values)
        return len(found)

    def QueueHoldSet(self, filter_, hold):
        return self._set("changing onhold for matching messages in queue", filter_, Hold=hold)

    def QueueTransportSet(self, filter_, transport):
        what = "changing transport for messages in queue"
        return self._set(what, filter_, Transport=transport)

    def QueueRequireTLSSet(self, filter_, require):
        return self._set("update requiretls for messages in queue", filter_, RequireTLS=require)

    def QueueNextAttemptSet(self, filter_, minutes):
        what = "setting new next delivery attempt time for matching messages in queue"
        return shift(self._chosen(what, filter_), minutes, True)

    def QueueNextAttemptAdd(self, filter_, minutes):
        what = "adding duration to next delivery attempt for matching messages in queue"
        return shift(self._chosen(what, filter_), minutes, False)

    def QueueFail(self, filter_):
        return self._cancel(filter_, "failed")

    def QueueDrop(self, filter_):
        return self._cancel(filter_, "canceled")

    def _cancel(self, filter_, event):
        found = self._chosen("drop messages from queue", filter_)
        for message in found:
            self._add_result(message, Error=_CANCELED)
            if event == "failed":
                message["LastAttempt"] = message["LastAttempt"] or now()
            self._retire(message, event)
        return len(found)
