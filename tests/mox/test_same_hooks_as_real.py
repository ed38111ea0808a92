"""The stand-in's webhooks are those of the real mox."""

import contextlib
import http.server
import json
import threading
import time

import pytest
from asking import send
from outcomes import has


class _Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.headers, json.loads(body)))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        self.send_header("Content-Length", "5")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"heard")

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    made.heard, made.statuses = [], []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def _wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)


def test_webhooks(held, server, receiver):
    server.set_hook(f"http://127.0.0.1:{receiver.server_port}/hook")
    receiver.statuses += [204]  # which is not 200
    [number] = send(held, ["one@hook.example"], Subject="Offer", Extra={"order": "7"})
    assert held("QueueFail", {"IDs": [number]}) == 1
    deliver = getattr(server, "hooks", None)
    if deliver:
        assert deliver.deliver_hook() == (204, "")
    _wait_for(lambda: receiver.heard and held("HookList", {}, {})[0]["Results"][-1]["Code"])
    headers, payload = receiver.heard[0]
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Authorization"] == "Bearer hooks"
    assert headers["X-Mox-Webhook-ID"] and headers["X-Mox-Webhook-Attempt"] == "1"
    assert headers["User-Agent"].startswith("mox/")
    assert headers["User-Agent"].endswith("(webhook)")
    assert payload.pop("MessageID") and payload.pop("WebhookQueued")
    assert payload == {
        "Version": 0, "Event": "failed", "DSN": False, "Suppressing": False, "QueueMsgID": number,
        "FromID": "", "Subject": "Offer", "SMTPCode": 0, "SMTPEnhancedCode": "",
        "Error": "delivery canceled by admin", "Extra": {"order": "7"}}
    [hook] = held("HookList", {"Event": "failed", "Account": "mox"}, {})
    assert has(QueueMsgID=number, Account="mox", OutgoingEvent="failed", Attempts=1,
                       IsIncoming=False, Authorization="Bearer hooks")(hook)
    assert json.loads(hook["Payload"])["Event"] == "failed"
    assert has(Success=False, Code=204)(hook["Results"][0])
    assert "expected 200 ok" in hook["Results"][0]["Error"]
    assert held("HookList", {"Event": "incoming"}, {}) == []
    assert held("HookNextAttemptSet", {"IDs": [hook["ID"]]}, 0) == 1
    if deliver:
        assert deliver.deliver_hook() == (200, "heard")
    _wait_for(lambda: held("HookQueueSize") == 0)
    assert receiver.heard[1][0]["X-Mox-Webhook-Attempt"] == "2"
    [retired] = held("HookRetiredList", {"IDs": [hook["ID"]]}, {})
    assert has(Success=True, Attempts=2, SupersededByID=0, Authorization=True)(retired)
    assert has(Success=True, Code=200, Response="heard", Error="")(retired["Results"][1])
