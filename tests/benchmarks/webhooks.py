#!/usr/bin/env python3
"""Speed of webhooks: events of 50 customers, each with an endpoint, on their way to a receiver.

    ./setup/run --reset --detach && .state/venv/bin/python tests/benchmarks/webhooks.py

For each latency of the receiver: so many events a second are written for some seconds, a
transaction each, as what happens writes them; then as many as in the last half at once, which are
there when the daemon starts.  Printed: how many arrive a second, and the time from the commit to
the POST (median, 95th and 99th percentile).  Beside it what a sender with one call at a time to
each URL, and ten in all, as mox has, would give for the same number of calls: calls of the same
client with nothing else to do, no database, no signature.  The world's own daemon sends; its
receiver is a process of its own on the same two cores.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import psycopg2
from aiohttp import web

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "setup"), str(PROJECT / "tests")]

from parts import report  # noqa: E402
from parts.state import State  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

ENDPOINTS = 50
WRITERS = 8


def receive(port, latency, arrived, stop):
    """A process: answers after so many seconds, and notes when what arrived."""
    found = {}

    async def take(request):
        now = time.time()
        body = await request.json()
        number = body["data"].get("n")
        if number is not None:
            found.setdefault(number, now)
        await asyncio.sleep(latency.value)
        return web.Response()

    async def main():
        app = web.Application()
        app.router.add_post("/{tail:.*}", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.value = runner.addresses[0][1]
        while not stop.is_set():
            await asyncio.sleep(0.1)
            if found:
                arrived.put(dict(found))
                found.clear()
        await runner.cleanup()

    asyncio.run(main())


class World:
    def __init__(self, root):
        self.state = State(root)
        self.status = report.read(self.state)
        self.odoo = Odoo(**self.status["odoo"])
        self.rows = self.connect().cursor()

    def connect(self):
        made = psycopg2.connect(
            host="127.0.0.1", port=self.status["postgres"]["port"],
            dbname=self.status["postgres"]["db"], user="odoo", password=self.state.secret("odoo"))
        made.autocommit = True
        return made

    def prepare(self, port):
        self.odoo("ir.config_parameter").set_param(
            "emboux_mail_api.webhook_networks", "127.0.0.1/32")
        partners = [self.odoo("res.partner").create({"name": f"Benchmark {n}"})
                    for n in range(ENDPOINTS)]
        for n, partner in enumerate(partners):
            self.odoo("emboux.webhook").create({
                "name": f"Benchmark {n}", "url": f"http://127.0.0.1:{port}/{n}",
                "partner_id": partner})
        return partners

    def clean(self, partners):
        hooks = self.odoo("emboux.webhook").search([("partner_id", "in", partners)])
        self.odoo("emboux.webhook").unlink(hooks)
        self.odoo("ir.config_parameter").set_param("emboux_mail_api.webhook_networks", False)

    def tell(self, cursor, partner, number):
        cursor.execute(
            "SELECT emboux_mail.tell('domain.verified', %s, 'benchmark.example', %s, NULL, NULL,"
            " %s::jsonb)", [f"benchmark {number}", partner, json.dumps({"n": number})])


def paced(world, partners, rate, seconds, first):
    """Write events at that rate; number to the time of its commit."""
    committed, lock, began = {}, threading.Lock(), time.time()

    def write(writer):
        cursor = world.connect().cursor()
        for at in range(writer, int(rate * seconds), WRITERS):
            pause = began + at / rate - time.time()
            if pause > 0:
                time.sleep(pause)
            number = first + at
            world.tell(cursor, partners[number % ENDPOINTS], number)
            with lock:
                committed[number] = time.time()
        cursor.connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    return committed


def gather(arrived, count, seconds):
    """What has arrived, once it is so much or the time is over."""
    found, until = {}, time.time() + seconds
    while len(found) < count and time.time() < until:
        try:
            for number, moment in arrived.get(timeout=0.5).items():
                found.setdefault(number, moment)
        except multiprocessing.queues.Empty:
            continue
    return found


async def one_at_a_time(port, count):
    """Calls a second of ten workers, never two to one URL."""
    locks = [asyncio.Lock() for _ in range(ENDPOINTS)]
    slots = asyncio.Semaphore(10)
    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(n):
            async with locks[n % ENDPOINTS], slots, session.post(
                f"http://127.0.0.1:{port}/{n % ENDPOINTS}", json={"data": {}}) as answer:
                await answer.read()

        began = time.monotonic()
        await asyncio.gather(*map(call, range(count)))
        return count / (time.monotonic() - began)


def percentiles(values):
    cut = statistics.quantiles(values, n=100)
    return f"{cut[49] * 1000:.0f} / {cut[94] * 1000:.0f} / {cut[98] * 1000:.0f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", default=str(PROJECT / ".state"))
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--latencies", type=float, nargs="*", default=[0.02, 0.2])
    arguments = parser.parse_args()
    world = World(arguments.state)
    port, latency = multiprocessing.Value("i", 0), multiprocessing.Value("d", 0)
    arrived, stop = multiprocessing.Queue(), multiprocessing.Event()
    receiver = multiprocessing.Process(target=receive, args=(port, latency, arrived, stop))
    receiver.start()
    while not port.value:
        time.sleep(0.1)
    partners = world.prepare(port.value)
    time.sleep(6)  # until the daemon has read the setting
    first = 0
    try:
        for seconds in arguments.latencies:
            latency.value = seconds
            committed = paced(world, partners, arguments.rate, arguments.seconds, first)
            got = gather(arrived, len(committed), 30)
            late = [got[n] - committed[n] for n in committed if n in got]
            lost = len(committed) - len(got)
            print(f"receiver {seconds * 1000:.0f} ms, {arguments.rate} events a second for "
                  f"{arguments.seconds} s: {len(got)} arrived, {lost} lost, "
                  f"p50 / p95 / p99 {percentiles(late)}", flush=True)
            first += len(committed)
            count = len(committed) // 2
            world.rows.execute("BEGIN")
            for n in range(first, first + count):
                world.tell(world.rows, partners[n % ENDPOINTS], n)
            world.rows.execute("COMMIT")
            began = time.time()
            got = gather(arrived, count, 120)
            took = max(got.values()) - began
            first += count
            theirs = asyncio.run(one_at_a_time(port.value, min(count, int(600 / seconds / 10))))
            print(f"receiver {seconds * 1000:.0f} ms, {count} at once: {count / took:.0f} a second;"
                  f" one at a time for each URL, ten in all: {theirs:.0f} a second", flush=True)
    finally:
        stop.set()
        receiver.join(5)
        world.clean(partners)


if __name__ == "__main__":
    main()
