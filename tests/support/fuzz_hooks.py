"""Loaded into schemathesis: makes some of its requests name what is there, and notes the answers.

Whatever it generates by itself names nothing that exists, so that nearly all would end at 404 and
422.  Of the requests that fit the schema two of three get names of a customer who has a domain, a
mailbox and an alias; what is deleted is made before.

``EMBOUX_FUZZ`` names a folder with ``known.json`` (see ``tests/api/test_schema.py``); each answer
is a line of ``answers.jsonl`` there.
"""

import json
import os
import threading
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
import schemathesis

OUTSIDE = "someone@outside.example"
_folder = Path(os.environ["EMBOUX_FUZZ"])
_known = json.loads((_folder / "known.json").read_text())
_lock = threading.Lock()
_session = requests.Session()
_session.trust_env = False


def _call(method, path, body):
    answer = _session.request(
        method, _known["url"] + path, json=body, timeout=120,
        headers={"Authorization": f"Bearer {_known['key']}"},
    )
    return answer.json() if answer.content else {}


def _victim(operation, number):
    """Make something that this operation may delete or rename; its path parameters."""
    name, short = _known["name"], number % 7
    if operation == "delete_domain":
        victim = f"victim{short}.{name}"
        _call("POST", "/domains/", {"name": victim})
        return {"name": victim}
    if operation in ("delete_user", "change_address"):
        victim = f"victim{short}@{name}"
        _call("POST", "/users/", {"email": victim})
        return {"email": victim}
    if operation == "delete_alias":
        victim = f"alias{short}@{name}"
        _call("POST", "/aliases/", {"address": victim, "destinations": [OUTSIDE]})
        return {"address": victim}
    if operation == "revoke_api_key":
        made = _call("POST", "/api-keys/", {"name": "Victim", "partner_ref": _known["ref"]})
        return {"key_id": made["id"]} if "id" in made else {}
    if operation == "cancel_message":
        _let_send()
        sent = _call("POST", "/messages/send", {
            "from": _known["sender"], "to": ["x@sandbox.invalid"], "text": "x",
            "send_at": (datetime.now(UTC) + timedelta(days=9)).isoformat()})
        return {"id": int(sent["recipients"][0]["id"])} if "recipients" in sent else {}
    if operation == "delete_hold_rule":
        made = _call("POST", "/hold-rules/", _hold_rule(number))
        return {"rule_id": made["id"]} if "id" in made else {}
    if operation in ("delete_route", "set_route"):
        if operation == "delete_route":
            _call("PUT", f"/routes/to{short}.{name}", {"host": "192.0.2.7"})
        return {"recipient_domain": f"to{short}.{name}"}
    if operation == "delete_webhook":
        # a customer may have twenty
        others = [hook["id"] for hook in _call("GET", "/webhooks/?limit=200", None).get("items", ())
                  if hook["id"] != _known["path"]["webhook_id"]]
        made = others[0] if others else _call("POST", "/webhooks/", _webhook(number)).get("id")
        return {"webhook_id": made} if made else {}
    if operation == "delete_suppression":
        return {"recipient": _known["suppressed"].pop()} if _known["suppressed"] else {}
    if operation == "register_subdomain":
        return {"name": f"sub{number}.{_known['parent']}"}
    return {}


def _hold_rule(number):
    """One that holds nothing: others send mail meanwhile."""
    return {"name": f"Rule {number}", "recipient_domain": f"rule{number}.tests.example"}


def _webhook(number):
    return {"name": f"Hook {number}", "url": f"https://hook{number}.tests.example/"}


def _let_send():
    """An answer may have named the domain that sends, and another request have suspended it."""
    _call("PUT", f"/domains/{_known['sender'].partition('@')[2]}/activate", None)


def _named(operation, number, body):
    """The body with names of what is there, or of what can be made there."""
    name = _known["name"]
    if operation == "create_domain":
        return body | {"name": f"fuzz{number}.{name}", "partner_ref": None}
    # most generated passwords are refused: these are taken, and looked for afterwards
    word = {"password": f"fuzz word {number}", "password_hash": None}
    if operation == "create_user":
        return body | {"email": f"user{number}@{name}"} | word
    if operation == "update_user":
        return body | (word if number % 2 else {})
    if operation == "change_address":
        return body | {"email": f"renamed{number}@{name}"}
    if operation == "create_users":
        rows = [row | {"email": f"user{number}.{at}@{name}"}
                for at, row in enumerate(body["users"])]
        return {"users": rows}
    if operation == "upsert_alias":
        return {"address": f"alias{number}@{name}", "destinations": [OUTSIDE]}
    if operation == "upsert_aliases":
        return {"aliases": [{"address": f"alias{number}.{at}@{name}", "destinations": [OUTSIDE]}
                            for at in range(len(body["aliases"]))]}
    if operation.startswith("send_message"):
        _let_send()
    message = {"from": _known["sender"], "to": ["x@sandbox.invalid"], "text": f"Number {number}"}
    if operation == "send_message":
        return message | {name: body[name] for name in ("extra", "tags") if body.get(name)}
    if operation == "send_messages":
        return {"messages": [message] * len(body["messages"])}
    if operation == "create_webhook":
        return _webhook(number)
    if operation == "create_hold_rule":
        return _hold_rule(number)
    if operation == "act_on_queue":
        return {"act": ("deliver", "hold", "fail", "drop")[number % 4]}
    if operation == "update_webhook":
        return {"name": f"Hook {number}"}
    if operation == "create_api_key":
        return {"name": f"Fuzz {number}", "partner_ref": _known["ref"]}
    if operation == "set_domain_owner":
        return {"partner_ref": _known["ref"]}
    if operation == "set_domain_parent":
        return body | {"parent": None}
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw["operationId"]
    path = case.path_parameters or {}
    if operation.startswith(("delete_", "revoke_")):
        # an answer may have named what later requests need, of this key or of the other
        for parameter, value in path.items():
            if str(value).lower() in _known["kept"]:
                path[parameter] = 2**31 - 1 if parameter == "key_id" else f"not-{value}"
    if (operation == "create_hold_rule" and isinstance(case.body, dict)
            and case.body.get("recipient_domain") is None):
        # a rule without any limit would hold the mail of all other tests
        case.body = {**case.body, "recipient_domain": "rule.tests.example"}
    as_declared = case.method.upper() == case.operation.method.upper()
    if not as_declared or case.meta is None or case.meta.generation.mode.is_negative:
        return
    number = zlib.crc32(repr((path, case.body)).encode(errors="replace"))
    if number % 3 == 0:
        return
    known = _known["path"] | _victim(operation, number)
    for parameter in path:
        path[parameter] = known[parameter]
    if operation == "get_usage" and case.query:
        case.query.pop("since", None)  # a generated cursor is none
    if isinstance(case.body, dict):
        case.body = _named(operation, number, case.body)


@schemathesis.hook
def after_call(context, case, response):
    text = response.content.decode(errors="replace")
    line = {
        "operation": case.operation.definition.raw["operationId"],
        "as_declared": case.method.upper() == case.operation.method.upper(),
        "status": response.status_code,
        "body": case.body if isinstance(case.body, (dict, list)) else None,
        "answer": text if response.status_code >= 400 or '"secret"' in text else "",
    }
    with _lock, (_folder / "answers.jsonl").open("a") as answers:
        answers.write(json.dumps(line, default=repr) + "\n")
