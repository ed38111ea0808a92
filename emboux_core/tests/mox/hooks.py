# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The webhooks of the stand-in: those that wait, those that are retired, and their sending.

A hook is sent when a test calls ``server.hooks.deliver_hook``, by HTTP to the account's URL.
"""

import copy
import http.client
import itertools
import json
import urllib.parse

from .docs import now
from .listing import Listing, later, shift

_TIMES = {"Submitted": "Submitted", "NextAttempt": "NextAttempt"}
_RETIRED_TIMES = {"Submitted": "Submitted", "LastActivity": "LastActivity"}
_MINUTE_NS = 60 * 10**9
_WAITS = (1, 2, 4, 7.5, 15, 30, 60, 120, 240, 480, 960)  # minutes between attempts
_KEPT = 512  # bytes of an answer
_TIMEOUT_S = 60
_INCOMING = {
    "Version": 0, "From": [], "To": [], "CC": [], "BCC": [], "ReplyTo": [], "Subject": "",
    "MessageID": "", "InReplyTo": "", "References": [], "Date": None, "Text": "", "HTML": "",
    "Structure": {"ContentType": "text/plain", "ContentTypeParams": {}, "ContentID": "",
                  "ContentDisposition": "", "Filename": "", "DecodedSize": 0, "Parts": []},
}  # fmt: skip
_META = {
    "MsgID": 0, "MailFrom": "", "MailFromValidated": False, "MsgFromValidated": False,
    "RcptTo": "", "DKIMVerifiedDomains": [], "RemoteIP": "127.0.0.1", "Received": "",
    "MailboxName": "Inbox", "Automated": False,
}  # fmt: skip


class _HookListing(Listing):
    less = 'must start with "<" for less or ">" for greater than a duration ago'


def _matches(filter_, row) -> bool:
    if filter_["Account"] and filter_["Account"] != row["Account"]:
        return False
    if filter_["Event"] == "incoming":
        return row["IsIncoming"]
    return not filter_["Event"] or filter_["Event"] == row["OutgoingEvent"]


class Hooks:
    """``server.hooks``."""

    def __init__(self, server, docs):
        self.server, self.docs = server, docs
        self.waiting = _HookListing(("NextAttempt", "Submitted"))
        self.retired = Listing(("LastActivity", "Submitted"))
        self._numbers = itertools.count(1)

    # what tests say

    def set_url(self, account: str, url: str, authorization: str = "",
                events: tuple[str, ...] = (), incoming_url: str = "") -> None:  # fmt: skip
        """The account's own settings, which the administrator's calls cannot change."""
        self.server.config.change_account(
            account, "saving account",
            OutgoingWebhook={"URL": url, "Authorization": authorization, "Events": list(events)},
            IncomingWebhook={"URL": incoming_url or url, "Authorization": authorization},
        )  # fmt: skip

    def outgoing(self, message: dict, event: str, code: int = 0, secode: str = "",
                 suppressing: bool = False, dsn: bool = False) -> int | None:  # fmt: skip
        """Queue what became of a message, if its account wants to know; returns the number."""
        wanted = self._settings(message["SenderAccount"], "OutgoingWebhook")
        if not wanted or wanted["Events"] and event not in wanted["Events"]:
            return None
        results = message["Results"] or []
        payload = {
            "Version": 0, "Event": event, "DSN": dsn, "Suppressing": suppressing,
            "QueueMsgID": message["ID"], "FromID": message["FromID"],
            "MessageID": message["MessageID"], "Subject": message["Subject"],
            "WebhookQueued": now(), "SMTPCode": code, "SMTPEnhancedCode": secode,
            "Error": results[-1]["Error"] if results else "", "Extra": message["Extra"] or {},
        }  # fmt: skip
        older = [one for one in self.waiting.rows.values() if one["QueueMsgID"] == message["ID"]]
        number = self._put(
            message["SenderAccount"], wanted, payload, QueueMsgID=message["ID"],
            FromID=message["FromID"], MessageID=message["MessageID"], OutgoingEvent=event,
            Subject=message["Subject"], Extra=message["Extra"] or {},
        )  # fmt: skip
        for hook in older:  # one of a message is enough, the last
            self._retire(hook, False, SupersededByID=number)
        return number

    def incoming(self, account: str, meta: dict | None = None, **values) -> int | None:
        """Queue the news of a message that has come; ``values`` as in the payload."""
        wanted = self._settings(account, "IncomingWebhook")
        if not wanted:
            return None
        moment = now()
        payload = {**copy.deepcopy(_INCOMING), **values,
                   "Meta": {**_META, "Received": moment, **(meta or {})}}  # fmt: skip
        return self._put(account, wanted, payload, IsIncoming=True, Subject=payload["Subject"],
                         MessageID=payload["MessageID"])  # fmt: skip

    def _settings(self, account, kind):
        config = self.server.config.state.accounts.get(account)
        return config[kind] if config and config[kind] and config[kind]["URL"] else None

    def _put(self, account, wanted, payload, **values):
        number, moment = next(self._numbers), now()
        self.waiting.rows[number] = self.docs.make(
            "Hook", ID=number, Account=account, URL=wanted["URL"],
            Authorization=wanted["Authorization"], Payload=json.dumps(payload),
            Submitted=moment, NextAttempt=moment, **values,
        )  # fmt: skip
        return number

    def deliver_hook(self, number: int | None = None) -> tuple[int, str]:
        """Send that hook, or the one that is first in turn: (status, first bytes of the answer).

        Nothing but 200 counts as delivered; the status is 0 when there was no answer."""
        with self.server.lock:
            rows = self.waiting.rows.values()
            hook = self.waiting.rows[number] if number else min(
                rows, key=lambda one: (one["NextAttempt"], one["ID"]))  # fmt: skip
            hook["Attempts"] += 1
            start = now()
        status, text, error = self._post(hook)  # unlocked: the receiver may ask us something
        with self.server.lock:
            result = self.docs.make("HookResult", Start=start, URL=hook["URL"], Code=status,
                                    Success=not error, Error=error, Response=text)  # fmt: skip
            hook["Results"] = [*(hook["Results"] or []), result]
            if not error or hook["Attempts"] > len(_WAITS):
                self._retire(hook, not error)
            else:
                wait = int(_WAITS[hook["Attempts"] - 1] * _MINUTE_NS)
                hook["NextAttempt"] = later(now(), wait)
        return status, text

    def _post(self, hook):
        headers = {
            "User-Agent": "mox/v0.0.17 (webhook)",
            "Content-Type": "application/json; charset=utf-8",
            "X-Mox-Webhook-Id": str(hook["ID"]), "X-Mox-Webhook-Attempt": str(hook["Attempts"]),
        }  # fmt: skip
        if hook["Authorization"]:
            headers["Authorization"] = hook["Authorization"]
        url = urllib.parse.urlsplit(hook["URL"])
        secure = url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(url.hostname, url.port, timeout=_TIMEOUT_S)
        try:
            path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
            connection.request("POST", path, hook["Payload"].encode(), headers)
            answer = connection.getresponse()
            text = answer.read(_KEPT).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, "", f"http transact: {error}"
        finally:
            connection.close()
        status = f'http status "{answer.status} {answer.reason}"'
        wrong = "" if answer.status == 200 else f"{status}, expected 200 ok"
        return answer.status, text, wrong

    def _retire(self, hook, success, **values):
        if not self.waiting.rows.pop(hook["ID"], None):
            return
        config = self.server.config.state.accounts.get(hook["Account"])
        keep = config["KeepRetiredWebhookPeriod"] if config else 0
        if keep > 0:
            moment = now()
            self.retired.rows[hook["ID"]] = self.docs.make(
                "HookRetired", **{**hook, "Authorization": bool(hook["Authorization"]),
                                  "Success": success, "LastActivity": moment,
                                  "KeepUntil": later(moment, keep), **values},
            )  # fmt: skip

    # what is asked

    def HookQueueSize(self):
        return len(self.waiting.rows)

    def HookList(self, filter_, sort):
        found = self._chosen("listing hook queue", filter_, sort)
        return copy.deepcopy(found)

    def _chosen(self, what, filter_, sort=None):
        return self.waiting.chosen(what, filter_, _TIMES, _matches, sort)

    def HookRetiredList(self, filter_, sort):
        found = self.retired.chosen("listing retired hooks", filter_, _RETIRED_TIMES, _matches,
                                    sort)  # fmt: skip
        return copy.deepcopy(found)

    def HookNextAttemptSet(self, filter_, minutes):
        what = "setting new next delivery attempt time for matching webhooks in queue"
        return shift(self._chosen(what, filter_), minutes, True)

    def HookNextAttemptAdd(self, filter_, minutes):
        what = "adding duration to next delivery attempt for matching webhooks in queue"
        return shift(self._chosen(what, filter_), minutes, False)

    def HookCancel(self, filter_):
        found = self._chosen("cancel hooks in queue", filter_)
        for hook in found:
            result = self.docs.make("HookResult", Start=now(), Error="canceled by admin")
            hook["Results"] = [*(hook["Results"] or []), result]
            self._retire(hook, False)
        return len(found)

