# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The interface by which an account of the stand-in sends mail: ``/webapi/v0/METHOD``."""

import base64
import email.parser
import email.policy
import itertools
import json
import secrets
import urllib.parse

from . import names
from .checks import canonical, separators
from .docs import moment_of, now, now_ns

_FURTHEST_NS = 1440 * 3600 * 10**9
_USE_BASIC = "use http basic auth with email address as username"
_NAMES: list = []
_MESSAGE = {"From": _NAMES, "To": _NAMES, "CC": _NAMES, "BCC": _NAMES, "ReplyTo": _NAMES,
            "MessageID": "", "References": [], "Date": None, "Subject": "", "Text": "",
            "HTML": ""}  # fmt: skip
_FIELDS = {
    "Send": {**_MESSAGE, "Extra": {}, "Headers": [], "AlternativeFiles": [], "InlineFiles": [],
             "AttachedFiles": [], "RequireTLS": None, "FutureRelease": None, "SaveSent": False},
    "SuppressionList": {},
    "SuppressionAdd": {"EmailAddress": "", "Manual": False, "Reason": ""},
    "SuppressionRemove": {"EmailAddress": ""},
    "SuppressionPresent": {"EmailAddress": ""},
    "MessageGet": {"MsgID": 0},
}  # fmt: skip
_STRUCTURE = {"ContentType": "text/plain", "ContentTypeParams": {}, "ContentID": "",
              "ContentDisposition": "", "Filename": "", "DecodedSize": 0, "Parts": []}  # fmt: skip
_META = {"Size": 0, "DSN": False, "Flags": [], "MailFrom": "", "MailFromValidated": False,
         "RcptTo": "", "MsgFrom": "", "MsgFromValidated": False, "DKIMVerifiedDomains": [],
         "RemoteIP": "127.0.0.1", "MailboxName": "Inbox"}  # fmt: skip


def _json(value) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


class WebError(Exception):
    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def base_address(address: str) -> str:
    """The form in which addresses are suppressed: no tag, nothing after a dash, no dots."""
    part, domain = _parsed(address)
    return f"{part.split('+')[0].split('-')[0].replace('.', '').lower()}@{names.shown(domain)}"


def _parsed(address):
    try:
        return names.address(address)
    except names.BadName as error:
        raise WebError("badAddress", f'parsing address "{address}": {error}') from None


def _no_control(*texts):
    if any(one < " " for text in texts for one in text):
        raise WebError("user", "checking header values: control characters not allowed")


class WebApi:
    """``server.webapi``.  ``refusals`` are errors for the next sends, as (code, message): limits
    and full mailboxes are not counted here."""

    def __init__(self, server):
        self.server = server
        self.suppressed: dict[tuple[str, str], dict] = {}  # by account and base address
        self.messages: dict[int, tuple[str, dict]] = {}
        self.sent: list[tuple[str, dict]] = []  # account and request
        self.refusals: list[tuple[str, str]] = []
        self._numbers, self._suppressions = itertools.count(1), itertools.count(1)

    def put_message(self, account: str, meta: dict | None = None, **values) -> int:
        """A message that has come, for ``MessageGet``."""
        number = next(self._numbers)
        self.messages[number] = (account, {
            "Message": {**_MESSAGE, **values}, "Structure": dict(_STRUCTURE),
            "Meta": {**_META, **(meta or {})},
        })  # fmt: skip
        return number

    def forget(self, account: str) -> None:
        self.suppressed = {key: one for key, one in self.suppressed.items() if key[0] != account}

    def answer(self, method: str, headers, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a POST."""
        if method not in _FIELDS:
            return 404, {}, b"404 page not found\n"
        login, password = self._credentials(headers)
        account = self.account_of(login) if login else None
        config = self.server.config
        reason = None
        if not account or config.passwords.get(account) != password:
            reason = _USE_BASIC
        elif config.state.accounts[account].get("LoginDisabled"):
            reason = "login is disabled for this account"
        if reason:
            asked = {"WWW-Authenticate": "Basic realm=webapi"}
            return 401, asked, f"401 - unauthorized - {reason}\n".encode()
        as_json = {"Content-Type": "application/json; charset=utf-8"}
        try:
            request = self._request(method, headers, body)
            if method == "Send":
                result = self.Send(account, request, login)
            else:
                result = getattr(self, method)(account, request)
        except WebError as error:
            return 400, as_json, _json({"Code": error.code, "Message": error.message})
        return 200, as_json, _json(result)

    @staticmethod
    def _credentials(headers):
        kind, _space, value = (headers.get("Authorization") or "").partition(" ")
        if kind.lower() != "basic":
            return "", ""
        try:
            login, _colon, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return "", ""
        return login, password

    def account_of(self, address: str) -> str | None:
        """Whose address it is, by a catch-all too."""
        try:
            part, domain = names.address(address)
        except names.BadName:
            return None
        name, config = names.shown(domain), self.server.config
        if name not in config.state.domains or name in config.closed:
            return None
        full = names.packed(canonical(part, config.state.domains[name]), name)
        if full in config.derived.aliases:
            return None
        found = config.derived.destinations
        one = found.get(full) or found.get(f"@{name}")
        return one.account if one else None

    def _request(self, method, headers, body):
        text = self._field(headers, body)
        if not text:
            raise WebError("protocol", "missing/empty request")
        try:
            given = json.loads(text)
        except ValueError:
            raise WebError("protocol", "parsing request: invalid character") from None
        if not isinstance(given, dict):
            raise WebError("protocol", "parsing request: json: cannot unmarshal")
        fields = {name.lower(): name for name in _FIELDS[method]}
        request = dict(_FIELDS[method])
        for name, value in given.items():
            if name.lower() not in fields:
                raise WebError("protocol", f'parsing request: json: unknown field "{name}"')
            known = fields[name.lower()]
            empty = request[known]
            if value is None:
                continue
            if empty is not None and type(value) is not type(empty):
                raise WebError("protocol", f"parsing request: json: cannot unmarshal into {known}")
            request[known] = value
        return request

    @staticmethod
    def _field(headers, body):
        kind = headers.get("Content-Type") or ""
        if kind.lower().startswith("multipart/form-data"):
            head = f"Content-Type: {kind}\r\n\r\n".encode()
            parser = email.parser.BytesParser(policy=email.policy.HTTP)
            for part in parser.parsebytes(head + body).iter_parts():
                if part.get_param("name", header="content-disposition") == "request":
                    return part.get_payload(decode=True).decode()
            return ""
        if not kind.lower().startswith("application/x-www-form-urlencoded"):
            return ""
        return urllib.parse.parse_qs(body.decode(errors="replace")).get("request", [""])[0]

    # sending

    def Send(self, account, request, login):
        if not request["Text"] and not request["HTML"]:
            raise WebError("missingBody", "at least text or html body required")
        senders = request["From"] or [{"Address": login}]
        if len(senders) > 1:
            raise WebError("multipleFrom", "multiple from-addresses not allowed")
        people = [*request["To"], *request["CC"], *request["BCC"]]
        for one in [*senders, *people, *request["ReplyTo"]]:
            _no_control(one.get("Name") or "")
            _parsed(one.get("Address") or "")
        self._must_be_own(account, senders[0]["Address"])
        if not people:
            raise WebError("noRecipients", "no recipients")
        if self.refusals:
            raise WebError(*self.refusals.pop(0))
        _no_control(request["Subject"])
        message_id = request["MessageID"] or f"<{secrets.token_urlsafe(16)}@localhost>"
        if not message_id.startswith("<") or not message_id.endswith(">"):
            raise WebError("malformedMessageID", "missing <> in message-id")
        _no_control(message_id, *(text for pair in request["Headers"] for text in pair))
        values = {"MessageID": message_id, "Subject": request["Subject"],
                  "RequireTLS": request["RequireTLS"], "Extra": request["Extra"] or None}
        values.update(self._release(request["FutureRelease"]))
        self.sent.append((account, request))
        return {"MessageID": message_id,
                "Submissions": self._queue(account, login, senders[0], people, values)}  # fmt: skip

    def _must_be_own(self, account, address):
        part, domain = names.address(address)
        name, config = names.shown(domain), self.server.config
        settings = config.state.domains.get(name)
        if settings and settings.get("Disabled"):
            raise WebError("domainDisabled", "domain of from-address is temporarily disabled")
        full = names.packed(canonical(part, settings), name) if settings else ""
        alias = config.derived.aliases.get(full)
        if alias:
            allowed = config.state.domains[alias[0]]["Aliases"][alias[1]]["AllowMsgFrom"]
            members = [one.account for _full, one in config.derived.members[alias]]
            own = allowed and account in members
        else:
            own = self.account_of(address) == account
        if not own:
            raise WebError("badFrom", "from-address not configured for account")

    @staticmethod
    def _release(moment):
        if not moment:
            return {}
        try:
            wanted = moment_of(moment)
        except ValueError:
            raise WebError("protocol", f'parsing request: parsing time "{moment}"') from None
        if wanted - now_ns() > _FURTHEST_NS:
            raise WebError("user", "scheduling delivery: date/time can not be further than "
                                   "1440h0m0s in the future")  # fmt: skip
        return {"NextAttempt": moment, "FutureReleaseRequest": f"until;{moment}"}

    def _queue(self, account, login, sender, people, values):
        """Each recipient is a message of its own; those of one call share the first's number."""
        config = self.server.config.state.accounts[account]
        part, domain = names.address(sender["Address"])
        name = names.shown(domain)
        separator = (separators(self.server.config.state.domains[name]) or [""])[0]
        unique = login in (config["FromIDLoginAddresses"] or [])
        made, base = [], 0
        for one in people:
            from_id = secrets.token_urlsafe(16) if unique else ""
            mail_from = sender["Address"]
            if unique:
                mail_from = names.packed(part.split(separator)[0] + separator + from_id, name)
            number = self.server.queue.put(
                one["Address"], mail_from, account, BaseID=base, FromID=from_id, **values
            )
            if len(people) > 1 and not base and not unique:
                base = number
                self.server.queue.waiting.rows[number]["BaseID"] = base
            made.append({"Address": one["Address"], "QueueMsgID": number, "FromID": from_id})
        return made

    # what is not sent to

    def SuppressionList(self, account, _request):
        return {"Suppressions": [one for key, one in self.suppressed.items()
                                 if key[0] == account]}  # fmt: skip

    def SuppressionAdd(self, account, request):
        base = base_address(request["EmailAddress"])
        if (account, base) in self.suppressed:
            raise WebError("error", "updating indices for inserted value: not unique: "
                                    '"Account+BaseAddress"')  # fmt: skip
        part, domain = names.address(request["EmailAddress"])
        self.suppressed[account, base] = {
            "ID": next(self._suppressions), "Created": now(), "Account": account,
            "BaseAddress": base, "OriginalAddress": names.packed(part, names.shown(domain)),
            "Manual": request["Manual"], "Reason": request["Reason"],
        }  # fmt: skip
        return {}

    def SuppressionRemove(self, account, request):
        if not self.suppressed.pop((account, base_address(request["EmailAddress"])), None):
            raise WebError("error", "absent")
        return {}

    def SuppressionPresent(self, account, request):
        return {"Present": (account, base_address(request["EmailAddress"])) in self.suppressed}

    def MessageGet(self, account, request):
        owner, found = self.messages.get(request["MsgID"], (None, None))
        if owner != account:
            raise WebError("messageNotFound", "message not found")
        return found
