"""What the benchmark of the REST API measures, how it is written down, and what it should be."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

CREATE, BARE, READ, PAGE = "create with password", "create without", "read one", "page of 50"
ROWS = (0, 100, 10_000)
CLIENTS = (1, 8)
#: Aims: creates a second with 8 clients by number of workers (0 is one process with threads), CPU
#: of a page in ms, growth of the median from no row to the most, mailboxes a minute in bulk.
LEAST_CREATES = {0: 40, 2: 60}
MOST_PAGE_CPU = 15
MOST_GROWTH = 1.2
LEAST_BULK = 3000


@dataclass(frozen=True)
class Hashing:
    """What a password's hash takes without anything else: ms of time by clients, ms of CPU."""

    wall: dict[int, float]
    cpu: float

    @classmethod
    def measured(cls, hash_one, clients, times=60):
        wall, cpu = {}, 0.0
        for threads in clients:
            started, spent = time.perf_counter(), time.process_time()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(hash_one, [f"password {n}" for n in range(times)]))
            wall[threads] = 1000 * (time.perf_counter() - started) / times
            if threads == min(clients):
                cpu = 1000 * (time.process_time() - spent) / times
        return cls(wall, cpu)


def servers(workers):
    return f"{workers} workers" if workers else "1 process"


@dataclass(frozen=True)
class Line:
    """One measurement; times in ms, ``cpu`` of all server processes for each request."""

    workers: int
    rows: int
    what: str
    clients: int
    rate: float
    p50: float
    p99: float
    cpu: float
    hash_wall: float = 0.0
    hash_cpu: float = 0.0

    HEAD = ("| servers | mailboxes | what | clients | a second | p50 ms | p99 ms | CPU ms "
            "| hashing of time | of CPU |\n|---|--:|---|--:|--:|--:|--:|--:|--:|--:|")

    def __str__(self):
        shares = (f"{100 * share:.0f} %" if share else "" for share in
                  (self.hash_wall, self.hash_cpu))
        return (f"| {servers(self.workers)} | {self.rows} | {self.what} | {self.clients}"
                f" | {self.rate:.1f} | {self.p50:.1f} | {self.p99:.1f} | {self.cpu:.1f}"
                f" | {' | '.join(shares)} |")


def aims(lines, bulks):
    """Each aim as (words, measured, whether it is met)."""
    for workers, least in LEAST_CREATES.items():
        for line in lines:
            if (line.workers, line.what, line.clients) == (workers, CREATE, 8):
                yield (f"{servers(workers)}, 8 clients, {line.rows} mailboxes: at least {least}"
                       " creates a second", f"{line.rate:.1f}", line.rate >= least)
    for line in lines:
        if line.what == PAGE and line.clients == 1:
            yield (f"{servers(line.workers)}, {line.rows} mailboxes: a page in at most"
                   f" {MOST_PAGE_CPU} ms of CPU", f"{line.cpu:.1f}", line.cpu <= MOST_PAGE_CPU)
    by_place = {(line.workers, line.what, line.clients, line.rows): line.p50 for line in lines}
    rows = sorted({line.rows for line in lines})
    for (workers, what, clients, at), p50 in by_place.items():
        if at == rows[-1] and at != rows[0]:
            growth = p50 / by_place[workers, what, clients, rows[0]]
            yield (f"{servers(workers)}, {clients} clients, {what}: p50({at}) / p50({rows[0]})"
                   f" at most {MOST_GROWTH}", f"{growth:.2f}", growth <= MOST_GROWTH)
    for workers, rate in bulks.items():
        yield (f"{servers(workers)}: at least {LEAST_BULK} mailboxes a minute in bulk",
               f"{rate:.0f}", rate >= LEAST_BULK)
