#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A session manager inside one Python process, as programs have it that do not share: the semantics
of usher's Create and Release by a lock and a dict. It sees no other process, nothing in it survives
its process, and every thread of its users is on its interpreter's lock.

manager.py CONNECTIONS DURATION WARMUP measures it with so many threads, and prints JSON."""
import heapq
import itertools
import json
import pathlib
import secrets
import sys
import threading
import time

import arithmetic
import process

METADATA = {"model": "large", "user": "someone", "purpose": "benchmark"}


class Refused(Exception):
    pass


class Manager:
    def __init__(self, limits, max_metadata_bytes=10240):
        self.lock = threading.Lock()
        self.limits = limits
        self.max_metadata_bytes = max_metadata_bytes
        self.used = dict.fromkeys(limits, 0)
        self.sessions = {}
        self.deadlines = []  # a heap; entries of those that ended sooner are passed over
        self.fences = itertools.count(1)
        self.metrics = dict.fromkeys(("created", "completed", "error", "cancelled", "timeout",
                                      "rejected_capacity", "rejected_metadata_size", "peak",
                                      "metadata_bytes"), 0)

    def create(self, pool, metadata=None, timeout=None):
        text = json.dumps(metadata, separators=(",", ":")) if metadata is not None else ""
        now = time.monotonic()
        with self.lock:
            self.expire(now)
            self.admit(pool, text)
            session = {"session_id": "session_" + secrets.token_hex(6), "pool": pool,
                       "fence": next(self.fences), "created_at": now, "metadata": text,
                       "deadline": now + timeout if timeout else None}
            self.sessions[session["session_id"]] = session
            if timeout:
                heapq.heappush(self.deadlines, (session["deadline"], session["session_id"]))
            self.count_in(session)
        return session

    def admit(self, pool, text):
        if len(text) > self.max_metadata_bytes:
            self.metrics["rejected_metadata_size"] += 1
            raise Refused("MetadataTooLarge")
        if self.used[pool] >= self.limits[pool]:
            self.metrics["rejected_capacity"] += 1
            raise Refused("CapacityReached")

    def count_in(self, session):
        self.used[session["pool"]] += 1
        self.metrics["created"] += 1
        self.metrics["metadata_bytes"] += len(session["metadata"])
        self.metrics["peak"] = max(self.metrics["peak"], len(self.sessions))

    def end(self, session_id, outcome):
        session = self.sessions.pop(session_id, None)
        if session is None:
            raise Refused("NoSuchSession")
        self.used[session["pool"]] -= 1
        self.metrics[outcome] += 1
        self.metrics["metadata_bytes"] -= len(session["metadata"])
        return session

    def release(self, session_id, outcome="completed"):
        now = time.monotonic()
        with self.lock:
            self.expire(now)
            return now - self.end(session_id, outcome)["created_at"]

    def expire(self, now):
        while self.deadlines and self.deadlines[0][0] <= now:
            deadline, session_id = heapq.heappop(self.deadlines)
            if self.sessions.get(session_id, {}).get("deadline") == deadline:
                self.end(session_id, "timeout")


# ---- measured: here, by its threads, and from outside, by its process ----

def work(manager, ends_at, counts_from, latencies):
    """One client: the times of its calls, in ns."""
    create, release, clock = manager.create, manager.release, time.perf_counter_ns
    while (begin := clock()) < ends_at:
        session = create("default", METADATA)
        middle = clock()
        release(session["session_id"])
        if begin >= counts_from:
            latencies += (middle - begin, clock() - middle)


def load(threads, duration, warmup):
    manager = Manager({"default": 1 << 20})
    counts_from = time.perf_counter_ns() + int(warmup * 1e9)
    ends_at = counts_from + int(duration * 1e9)
    latencies = [[] for _ in range(threads)]
    workers = [threading.Thread(target=work, args=(manager, ends_at, counts_from, latencies[i]))
               for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    counted = list(itertools.chain(*latencies))
    if manager.sessions or not counted:
        raise process.Failed("the manager lost count, or did nothing")
    return arithmetic.load(counted, time.perf_counter_ns() - counts_from)


def measure(_place, connections, duration, warmup):
    command = [sys.executable, pathlib.Path(__file__), connections, duration, warmup]
    said = process.output_of(command, duration + warmup + process.PATIENCE)
    return json.loads(said)


if __name__ == "__main__":
    print(json.dumps(load(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))))
