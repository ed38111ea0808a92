#!/usr/bin/env python3
"""Memory of a message with 20 MB of attachments that is sent by HTTP, as JSON and as a form.

    ./setup/run --reset --detach && .state/venv/bin/python tests/benchmarks/send.py [--state DIR]

How much more Odoo's processes have while they serve it, at most, and how long it takes; three times
each, after a small one.
"""

import argparse
import base64
import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "setup"), str(PROJECT / "tests"), str(PROJECT / "emboux_mail_api")]

from conftest import Customers, Hosting  # noqa: E402
from parts import odoo_server, report  # noqa: E402
from parts.state import State  # noqa: E402
from support.api_client import Api, done  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

SIZE = 20 * 1024 * 1024  # bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", default=PROJECT / ".state")
    state = State(parser.parse_args().state, os.environ.get("EMBOUX_CODE"))
    status = report.read(state)
    odoo = Odoo(**status["odoo"])
    printed = odoo_server.run(
        state, "emboux_key", "--role", "master", "--name", "Benchmark",
        env=odoo_server.environment(state)
        | {"ODOO_RC": str(odoo_server.config(state, status["odoo"]["db"]))})
    master = Api(status["api"]["url"], printed.strip().splitlines()[-1])
    _domain, name, api = Customers(odoo, master).hosted(Hosting(odoo, state), "size", "ann")
    pid = json.loads(state.path("run", "pids.json").read_text())["odoo"][0]
    odoo_itself = psutil.Process(pid)
    content = os.urandom(SIZE)
    message = {"from": f"ann@{name}", "to": ["joe@outside.tests.example"], "text": "x"}

    def as_json():
        return api.post("/messages/send", message | {"attachments": [
            {"name": "a.bin", "content": base64.b64encode(content).decode()}]})

    def as_form():
        return api("POST", "/messages/send", files=[
            ("message", (None, json.dumps(message), "application/json")),
            ("attachments", ("a.bin", content, "application/octet-stream"))])

    done(api.post("/messages/send", message), 202)
    for what in (as_json, as_form) * 3:
        more, took = watched([odoo_itself, *odoo_itself.children(recursive=True)], what)
        print(f"{what.__name__}: {more / 2**20:.0f} MB more, {more / SIZE:.1f} times the "
              f"attachment, {took:.1f} s", flush=True)


def watched(processes, call):
    """(bytes that the processes have more while it is served, seconds)"""
    def resident():
        return sum(process.memory_info().rss for process in processes)

    before, ended = resident(), threading.Event()
    most = [before]

    def watch():
        while not ended.wait(0.005):
            most.append(max(most.pop(), resident()))

    thread = threading.Thread(target=watch)
    thread.start()
    began = time.monotonic()
    done(call(), 202)
    took = time.monotonic() - began
    ended.set()
    thread.join()
    return most[0] - before, took


if __name__ == "__main__":
    main()
