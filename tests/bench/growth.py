# SPDX-License-Identifier: MIT
"""What an operation costs the broker, in microseconds of its threads' time, while so many sessions
live. All sizes serve at once, and are measured in turn.

Sessions are detached and have a deadline in a day: so each is in every structure that there is."""
import contextlib
import json
import random
import statistics
import time

import peers
import process
import rounds
import usher

DAY_MS = 86400000
FILL = 256            # calls in a write while a broker is filled
SAMPLE = 4096         # sessions that are acted on, spread over all
PAGES = 10
METADATA = {"model": "large", "user": "someone", "purpose": "benchmark", "padding": "x" * 60}
METADATA_BYTES = len(json.dumps(METADATA, separators=(",", ":")))
OPERATIONS = {"create": "Create", "release": "Release", "renew": "Renew", "get": "Get",
              "expire": "A deadline passes", "list": "List, a session", "metrics": "GetMetrics"}
CREATE = usher.frame("Create", owner="detached", timeout_ms=DAY_MS, metadata=METADATA)


class Population:
    """A broker in which N sessions live."""

    def __init__(self, server, n, seed=1):
        self.n = n
        self.server = server
        self.client = usher.Client(server)
        self.random = random.Random(seed)
        memory = server.memory()
        self.sample = self.fill(n)
        self.session_bytes = (server.memory() - memory) / n - METADATA_BYTES

    def fill(self, n):
        sample, every = [], max(1, n // SAMPLE)
        for begin in range(0, n, FILL):
            replies = self.client.batch([CREATE] * min(FILL, n - begin))
            sample += [usher.session_of(replies[i])
                       for i in range(-begin % every, len(replies), every)]
        return sample

    def chosen(self, batch=usher.BATCH):
        return self.random.sample(self.sample, batch)

    def acted(self, method, **parameters):
        """The cost of one such call, on a session of the sample."""
        frames = [usher.frame(method, session_id=id, **parameters) for id in self.chosen()]
        return self.client.cost_us(lambda: self.client.batch(frames))[0] / len(frames)

    def renew(self):
        return {"renew": self.acted("Renew", timeout_ms=DAY_MS + self.random.randrange(DAY_MS))}

    def get(self):
        return {"get": self.acted("Get")}

    def replace(self):
        """Some of the sample end, and as many are created."""
        gone = self.chosen()
        frames = [usher.frame("Release", session_id=id) for id in gone]
        release, _ = self.client.cost_us(lambda: self.client.batch(frames))
        create, replies = self.client.cost_us(lambda: self.client.batch([CREATE] * len(gone)))
        self.sample = list(set(self.sample) - set(gone)) + [usher.session_of(r) for r in replies]
        self.sample.sort()  # a set's order is another in each process
        return {"release": release / len(gone), "create": create / len(gone)}

    def expire(self):
        """A batch of short-lived ones, from after their creation until they have ended."""
        for timeout_ms in (100, 400, 1600, 6400):  # a busy machine may need the longer ones
            cost = self.expired(timeout_ms)
            if cost is not None:
                return {"expire": cost / usher.BATCH}
        raise process.Failed("deadlines do not pass in time")

    def expired(self, timeout_ms):
        """None if some had ended before they were to be watched, or some have not after it."""
        create = usher.frame("Create", owner="detached", timeout_ms=timeout_ms, metadata=METADATA)
        before = self.ended()
        begin = time.monotonic()
        self.client.batch([create] * usher.BATCH)
        is_early = time.monotonic() - begin < timeout_ms / 2000
        cost, _ = self.client.cost_us(lambda: time.sleep(timeout_ms * 1.5 / 1000))
        is_all = self.ended() - before == usher.BATCH
        self.client.until(self.ended, lambda n: n - before >= usher.BATCH)
        return cost if is_early and is_all else None

    def ended(self):
        return self.client.metrics()["totals"]["timeout"]

    def page(self, cursor):
        reply = json.loads(self.client.batch([usher.frame("List", **cursor)])[0])["parameters"]
        return len(reply["sessions"]), {"cursor": reply["cursor"]} if reply.get("cursor") else None

    def walk(self):
        n, cursor, pages = 0, {}, 0
        while cursor is not None and pages < PAGES:
            listed, cursor = self.page(cursor)
            n, pages = n + listed, pages + 1
        return n

    def list(self):
        cost, n = self.client.cost_us(self.walk)
        return {"list": cost / n}

    def metrics(self):
        return {"metrics": self.client.cost_us(self.client.metrics)[0]}

    def measure(self, repeats):
        """{operation: the median of so many batches}"""
        costs = {}
        for act in (self.replace, self.renew, self.get, self.list, self.metrics, self.expire):
            for _ in range(min(repeats, 3) if act == self.expire else repeats):
                for name, cost in act().items():
                    costs.setdefault(name, []).append(cost)
        return {name: statistics.median(found) for name, found in costs.items()}


def declare(bench, sizes):
    for name, title in OPERATIONS.items():
        bench.results.declare("growth-" + name, f"{title}: cost while so many sessions live", "us",
                              "less", str(sizes[0]), {str(n): f"{n:,} sessions" for n in sizes})


def steps(populations, repeats):
    def measured(population):
        return [("growth-" + name, str(population.n), cost, None)
                for name, cost in population.measure(repeats).items()]

    return [rounds.Step("growth", str(p.n), lambda p=p: measured(p)) for p in populations]


def measure(bench):
    sizes = bench.options.sessions
    declare(bench, sizes)
    with contextlib.ExitStack() as stack:
        populations = []
        for n in sizes:
            bench.progress.show(f"growth: {n:,} sessions are created")
            server = stack.enter_context(peers.served(
                "usherd", bench.programs, bench.place, broker="max_pipelined = 1024"))
            populations.append(Population(server, n))
        bench.run(steps(populations, bench.options.repeats), "growth")
