# SPDX-License-Identifier: MIT
"""What becomes of usher as more are connected, more wait, and as they come and go in storms."""
import collections
import contextlib
import resource

import growth
import peers
import process
import rounds
import throughput
import usher

LOOPS = {"usherd": "1 loop", "usherd-2": "2 loops", "usherd-4": "4 loops"}
OWN_FILES = 100       # of a broker, beside its connections
WAIT = usher.frame("Create", pool="crowded", owner="detached", wait_ms=-1)
CROWDED = "[pool crowded]\nlimit = 1\nmax_waiters = 1048576\n"
ENOUGH = "max_pipelined = 1024"


def crowd(bench, name, connections):
    with peers.served(name, bench.programs, bench.place) as server:
        found = throughput.load(bench, server, peers.PEERS[name].dialect, connections, 1)
        return [("connections", f"{name} {connections}", found["ops_per_s"],
                 throughput.brief(found))]


def measure_connections(bench):
    names = {"echo-uv": "bare libuv echo"} | {name: f"usherd, {loops}"
                                              for name, loops in LOOPS.items()}
    bench.results.declare(
        "connections", "So many connections, one call at a time on each", "ops/s", "more",
        "usherd 50", {f"{name} {n}": f"{title}, {n:,} connections" for name, title in names.items()
                      for n in bench.options.connections})
    files, steps = resource.getrlimit(resource.RLIMIT_NOFILE)[0], []
    for n in bench.options.connections:
        for name in names:
            if n + OWN_FILES > files:
                bench.results.explain("connections", f"{name} {n}",
                                      f"a process may open {files} files")
            else:
                steps.append(rounds.Step("connections", f"{name} {n}",
                                         lambda name=name, n=n: crowd(bench, name, n)))
    bench.run(steps, "connections")


def storm(bench, name):
    with peers.served(name, bench.programs, bench.place) as server:
        found = throughput.load(bench, server, "usher", 50, 1, operation="connect")
        return [("storm", name, found["ops_per_s"], throughput.brief(found))]


def measure_storms(bench):
    bench.results.declare("storm", "50 at once connect, Create, Release and close", "visits/s",
                          "more", "usherd",
                          {name: f"usherd, {loops}" for name, loops in LOOPS.items()})
    bench.run([rounds.Step("storm", name, lambda name=name: storm(bench, name)) for name in LOOPS],
              "storm")


# ---- waiting ----

class Queue:
    """A broker with one slot in a pool, which is held, and N that wait for it, each on a connection
    of its own: a call that waits lets none behind it pass."""

    def __init__(self, server, n):
        self.n = n
        self.server = server
        self.holder = usher.Client(server)
        grant = self.holder.batch([usher.frame("Create", pool="crowded", owner="detached")])[0]
        self.held = usher.session_of(grant)
        self.waiters = collections.deque(self.come() for _ in range(n))
        waiting = self.holder.until(
            lambda: self.holder.metrics()["waiting_sessions"], lambda all: all == n)
        if waiting != n:
            raise process.Failed(f"{waiting} of {n} wait")

    def come(self):
        client = usher.Client(self.server)
        client.send([WAIT])
        return client

    def hand_over(self):
        """One Release: the next one in the queue has the slot, and goes to the queue's end."""
        next_one = self.waiters.popleft()
        self.holder.send([usher.frame("Release", session_id=self.held)])
        self.held = usher.session_of(next_one.receive()[0])
        self.holder.receive()
        next_one.send([WAIT])
        self.waiters.append(next_one)

    def handover_us(self):
        def some():
            for _ in range(usher.BATCH):
                self.hand_over()
        return self.holder.cost_us(some)[0] / usher.BATCH


def waiting(bench, queue):
    found = throughput.load(bench, queue.server, "usher", 50, 1)
    return [("waiters-rate", str(queue.n), found["ops_per_s"], throughput.brief(found)),
            ("waiters-handover", str(queue.n), queue.handover_us(), None)]


def measure_waiters(bench):
    """The least queue has some, for there is no handover without one."""
    titles = {str(n): f"{n:,} waiting" for n in bench.options.waiters}
    least, files = str(min(bench.options.waiters)), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    bench.results.declare("waiters-rate", "50 x 1 in one pool while so many wait in another",
                          "ops/s", "more", least, titles)
    bench.results.declare("waiters-handover", "A handover to one of so many: the broker's time",
                          "us", "less", least, titles)
    with contextlib.ExitStack() as stack:
        queues = []
        for n in bench.options.waiters:
            if n + OWN_FILES > files:
                for case in ("waiters-rate", "waiters-handover"):
                    bench.results.explain(case, str(n), f"a process may open {files} files")
                continue
            bench.progress.show(f"waiters: {n:,} come")
            server = stack.enter_context(peers.served(
                "usherd", bench.programs, bench.place, broker=ENOUGH, pools=CROWDED))
            queues.append(Queue(server, n))
        bench.run([rounds.Step("waiters", str(queue.n), lambda queue=queue: waiting(bench, queue))
                   for queue in queues], "waiters")


# ---- memory ----

def idle_bytes(server, n):
    """Of one of N connections that have said nothing."""
    first = usher.Client(server)
    first.metrics()
    with contextlib.ExitStack() as stack:
        before = server.memory()
        for _ in range(n):
            stack.enter_context(server.connect())
        connected = first.until(lambda: first.metrics()["connections"], lambda all: all > n)
        if connected <= n:
            raise process.Failed(f"{connected - 1} of {n} connections are there")
        return (server.memory() - before) / n


def remembered(bench):
    n = bench.options.remembered
    with peers.served("usherd", bench.programs, bench.place, broker=ENOUGH) as server:
        connection = idle_bytes(server, n // 10)
    with peers.served("usherd", bench.programs, bench.place, broker=ENOUGH) as server:
        population = growth.Population(server, n)
        metrics = population.client.metrics()
        if metrics["current_metadata_bytes"] != n * growth.METADATA_BYTES:
            raise process.Failed("the broker counts other bytes of metadata than it was sent")
        store = metrics["store_used_bytes"] / n
    return [("memory", "connection", connection, {"connections": n // 10}),
            ("memory", "session", population.session_bytes, {"sessions": n}),
            ("memory", "store", store, {"sessions": n, "metadata_bytes": growth.METADATA_BYTES})]


def measure_memory(bench):
    bench.results.declare("memory", "What the broker's memory grows by (RssAnon)", "bytes", "less",
                          "session", {"connection": "an idle connection",
                                      "session": "a session, beside its metadata",
                                      "store": "a session in the store's file, as the broker says"})
    bench.run([rounds.Step("memory", "all", lambda: remembered(bench))], "memory")
