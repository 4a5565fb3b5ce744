#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A broker that only pretends: Varlink over a Unix socket with made-up pools and sessions, to look at
usherctl's screens and to test them.

By hand: tests/cli/fake_broker.py SOCKET [SESSIONS [WAITERS]], then USHER_SOCKET=SOCKET usherctl top.
In tests: Fake(...), whose table may be changed while it serves; `calls` has what was asked."""
import json
import os
import pathlib
import random
import re
import shutil
import socket
import sys
import tempfile
import threading
import time

INTERFACE = "io.usher.Broker."
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")  # to a terminal
HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J", "tab\there\nline", "\U0001f600\U0001f680 4-byte", "x" * 200,
    "\u202eright to left", "日本語コマンド", "e\u0301\u0301 combining", "back\\slash \"quoted\"", "\x7f\u0085C1", "-",
]


def now_us():
    return int(time.time() * 1e6)


def histogram(rng, scale_ns):
    count = rng.randrange(1, 10000)
    return {"count": count, "sum_ns": count * scale_ns, "p50_ns": scale_ns, "p90_ns": scale_ns * 3,
            "p99_ns": scale_ns * 20, "p999_ns": scale_ns * 50, "max_ns": scale_ns * 100,
            "buckets": [{"le_ns": 1 << 62, "count": count}]}


def pool(name, limit, **more):
    return {"pool": name, "source": "file", "limit": limit, "max_metadata_bytes": 10240, "default_timeout_ms": -1,
            "max_timeout_ms": 3600000, "max_duration_ms": -1, "on_timeout": "hold", "max_waiters": 1000,
            "per_uid_waiters": -1, "per_uid_limit": -1, "per_process_limit": -1, "per_label_limit": -1,
            "fair_by": "uid", "age_step_ms": 10000, "starve_after_ms": 300000, "allow": None, "enforce": True,
            "active_sessions": 0, "waiting_sessions": 0, "used_units": 0, "over": 0, "overdue": 0, "orphaned": 0,
            "paused": False, "removed": False, **more}


def session(number, pool_name, slots, comm="train", **more):
    """One that holds SLOTS, or waits if they are none."""
    return {"session_id": f"session_{number:012x}", "request_id": f"req_{number:016x}_1", "pool": pool_name,
            "state": "processing" if slots else "waiting", "slots": slots, "units": max(1, len(slots)),
            "fence": 1700000000000000 + number if slots else None, "priority": 0, "owner": "process",
            "uid": os.getuid(), "pid": 1000 + number, "comm": comm, "systemd_unit": None,
            "created_at": now_us() - 1000000 * (number + 1), "timeout_ms": -1, "overdue": False, "orphaned": False,
            "revoking": False, "metadata_bytes": 0, **more}


class Table:
    """Pools and sessions as the broker gives them."""

    def __init__(self, sessions=0, waiters=0, pools=None, seed=1):
        rng = random.Random(seed)
        self.pools = pools or [pool("default", 200), pool("gpu", max(2, sessions // 2), per_uid_limit=2)]
        self.sessions = []
        self.created = 0
        self.events = []  # given out by Monitor, after the snapshot
        self.random = rng
        for number in range(sessions):
            self.add(number, ("gpu", "default")[number % 2], [number // 2])
        for number in range(sessions, sessions + waiters):
            self.add(number, "gpu", [], queued={"position": number - sessions + 1, "waiting": waiters})

    def add(self, number, pool_name, slots, **more):
        comm = HOSTILE[number % len(HOSTILE)] if number % 3 == 2 else ("train", "python3", "job")[number % 3]
        left = self.random.randrange(1, 10 ** 7) if slots and number % 2 else None
        self.sessions.append(session(
            number, pool_name, slots, comm, uid=(0, 1, 65534, 4294967294)[number % 4], remaining_ms=left,
            systemd_unit=f"train@{number}.service" if number % 5 == 0 else None,
            pid=None if number % 7 == 6 else 1000 + number * 37, overdue=number % 11 == 10,
            orphaned=number % 17 == 16, revoking=number % 13 == 12, label=HOSTILE[(number + 3) % len(HOSTILE)] if number % 4 == 1 else None, **more))

    def counted(self):
        for p in self.pools:
            own = [s for s in self.sessions if s["pool"] == p["pool"]]
            held = [s for s in own if s["state"] != "waiting"]
            p.update(active_sessions=len(held), used_units=sum(len(s["slots"]) for s in held),
                     waiting_sessions=len(own) - len(held), overdue=sum(s["overdue"] for s in held),
                     orphaned=sum(s["orphaned"] for s in held))
            if len(own) > len(held):
                p["oldest_wait_ms"] = max(now_us() - s["created_at"] for s in own if s not in held) // 1000
        return self.pools

    def totals(self):
        names = ("completed error cancelled timeout abandoned revoked rejected_metadata_size rejected_creation_error "
                 "rejected_shutdown rejected_paused rejected_quota rejected_queue_full rejected_wait_timeout "
                 "rejected_store rejected_invalid queued wait_cancelled shadow_capacity shadow_quota").split()
        return {"created": self.created, "rejected_capacity": self.created // 3, **dict.fromkeys(names, 0),
                "creation_latency": histogram(self.random, 20000), "queue_wait": histogram(self.random, 30000000),
                "session_duration": histogram(self.random, 1500000000)}

    def metrics(self):
        pools = self.counted()
        active = sum(p["active_sessions"] for p in pools)
        totals = self.totals()
        return {"total_sessions": active, "active_sessions": active, "lifetime_total_created": self.created,
                "waiting_sessions": sum(p["waiting_sessions"] for p in pools), "used_units": active, "over": 0,
                "overdue": 0, "orphaned": sum(p["orphaned"] for p in pools), "shutdown_requested": False, "workers": 2,
                "connections": 7, "last_reload_ok": True, "store": "ok", "store_used_bytes": 53248,
                "store_size_bytes": 16777216, "commit": histogram(self.random, 40000),
                "metadata_bytes_drift": 0, "started_at": now_us() - 5 * 10 ** 9, "version": "0.1.0", "totals": totals,
                "creation_latency": totals["creation_latency"], "queue_wait": totals["queue_wait"],
                "session_duration": totals["session_duration"],
                "pools": [{"pool": p["pool"], "limit": p["limit"], "active_sessions": p["active_sessions"],
                           "waiting_sessions": p["waiting_sessions"], "used_units": p["used_units"], "over": p["over"],
                           "overdue": p["overdue"], "orphaned": p["orphaned"], "paused": p["paused"],
                           "current_metadata_bytes": 0, "totals": self.totals()} for p in pools]}


class Fake:
    """Serves a Table on a thread until close(). `errors` maps a method to the (name, parameters) of an error."""

    def __init__(self, table, path=None):
        self.table = table
        self.calls = []
        self.errors = {}
        self.prefix = INTERFACE  # of the names of errors
        self.hooks = {}  # method: function(fake, parameters) -> replies
        self.directory = None if path else tempfile.mkdtemp(prefix="usher-test.")
        self.path = path or str(pathlib.Path(self.directory) / "usher.sock")
        self.connections = []
        self.open()

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        """As if the broker were gone: nobody listens, all connections are closed."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections = []

    def close(self):
        self.cut()
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        rest = b""
        with connection:
            try:
                while piece := connection.recv(1 << 16):
                    rest += piece
                    while b"\0" in rest:
                        frame, _, rest = rest.partition(b"\0")
                        self.answer(connection, json.loads(frame))
            except OSError:
                pass

    def answer(self, connection, call):
        method = call["method"].removeprefix(INTERFACE)
        parameters = call.get("parameters") or {}
        self.calls.append((method, parameters))
        replies = [] if method in self.errors else self.replies(method, parameters)
        if method in self.errors:  # the hook may have just put it there
            name, details = self.errors[method]
            self.send(connection, {"error": self.prefix + name, "parameters": details})
            return
        last = None
        for reply in replies:
            if last is not None:
                self.send(connection, {"parameters": last, "continues": True})
            last = reply
            if reply.get("_now"):  # not the last one: goes out before the next is waited for
                self.send(connection, {"parameters": reply["_now"], "continues": True})
                last = None
        if last is not None:
            self.send(connection, {"parameters": last})

    def replies(self, method, parameters):
        if method in self.hooks:
            return self.hooks[method](self, parameters)
        return getattr(self, "on_" + method)(parameters)

    def send(self, connection, message):
        connection.sendall(json.dumps(prune(message), ensure_ascii=False).encode() + b"\0")

    # ---- methods ----

    def on_ListPools(self, _):
        return [{"pools": self.table.counted()}]

    def on_GetMetrics(self, _):
        self.table.created += 10
        return [{"metrics": self.table.metrics()}]

    def on_List(self, parameters):
        wanted = [s for s in self.table.sessions if parameters.get("pool") in (None, s["pool"])
                  and parameters.get("state") in (None, s["state"])]
        return [{"session": s} for s in wanted] + [{}]

    def on_Get(self, parameters):
        return [{"session": s} for s in self.table.sessions if s["session_id"] == parameters["session_id"]]

    def on_Revoke(self, parameters):
        for s in list(self.table.sessions):
            if s["session_id"] == parameters["session_id"]:
                s["revoking"] = True
                if parameters.get("force"):
                    self.table.sessions.remove(s)
        return [{}]

    def on_Cancel(self, _):
        return [{}]

    def on_Attach(self, parameters):
        return self.on_Get(parameters)

    def on_SetPool(self, parameters):
        p = next(p for p in self.table.pools if p["pool"] == parameters["pool"])
        p.update({k: v for k, v in parameters.items() if k in p}, source="runtime")
        return [{"pool": self.table.counted()[self.table.pools.index(p)]}]

    def on_Monitor(self, _):
        at = now_us()
        for p in self.table.counted():
            yield {"_now": {"event": {"type": "snapshot", "sequence": 1, "at": at, "pool": p}}}
        for s in self.table.sessions:
            yield {"_now": {"event": {"type": "snapshot", "sequence": 1, "at": at, "session": s}}}
        yield {"_now": {"event": {"type": "ready", "sequence": 1, "at": at}}}
        while True:
            while self.table.events:
                yield {"_now": {"event": self.table.events.pop(0)}}
            time.sleep(0.02)


def prune(value):
    """Without the members that are null, as the broker leaves them out."""
    if isinstance(value, dict):
        return {k: prune(v) for k, v in value.items() if v is not None}
    return [prune(v) for v in value] if isinstance(value, list) else value


def main():
    numbers = [int(a) for a in sys.argv[2:]]
    fake = Fake(Table(*numbers), sys.argv[1])
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        fake.close()


if __name__ == "__main__":
    main()
