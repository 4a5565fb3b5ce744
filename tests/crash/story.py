# SPDX-License-Identifier: MIT
"""Journals made by hand, to see what the rules make of them."""
import unittest

from checker import Checker
from history import MS
from pools import Pool

POOLS = {"one": Pool(1), "two": Pool(2), "gpu": Pool(2, holds=True)}
GRACE_MS = 2000
ROW = {"session_id": "x", "request_id": "r.x", "pool": "two", "slots": [0], "units": 1, "fence": 1,
       "priority": 0, "pid": 1001, "state": "idle", "owner": "connection", "timeout_ms": -1,
       "orphaned": False}


class Story:
    """Time is counted in ms and goes on by 10 with each thing that happens."""

    def __init__(self):
        self.checker = Checker(POOLS, GRACE_MS)
        self.time = 0
        self.n_calls = 0
        self.next_fence = 100
        self.rows = {}  # by session id: as a List would show it
        self.note("spawn")
        self.note("ready")

    def pass_time(self, ms=10):
        self.time += ms
        return self.time * MS

    def note(self, kind, **fields):
        self.checker.note({"t": self.pass_time(), "k": kind, **fields})

    def feed(self, worker, kind, **fields):
        self.checker.feed(worker, [{"t": self.pass_time(), "k": kind, **fields}])

    def begin(self, *workers):
        for worker in workers:
            self.feed(worker, "begin", w=worker, pid=1000 + worker)

    # ---- calls ----

    def intend(self, worker, method, metadata=None, **parameters):
        self.n_calls += 1
        said = {"metadata": metadata} if metadata else {}
        self.feed(worker, "intent", n=self.n_calls, m=method, p=parameters, **said)
        return self.n_calls

    def answer(self, worker, number, **told):
        self.feed(worker, "answer", n=number, a=told)

    def refuse(self, worker, number, error, **told):
        self.feed(worker, "error", n=number, x=error, a=told)

    def call(self, worker, method, session, **parameters):
        self.answer(worker, self.intend(worker, method, session_id=session, **parameters))
        if method == "Attach":
            self.rows[session]["orphaned"] = False

    def ask(self, worker, session, pool="two", **parameters):
        """Create is sent; the session will be called SESSION, its request r.SESSION."""
        given = {"owner": "connection", "timeout_ms": -1, "units": 1, **parameters}
        return self.intend(worker, "Create", request_id="r." + session, pool=pool, **given)

    def grant(self, worker, number, session, pool="two", slots=(0,), fence=None, existing=False):
        if fence is None:
            fence = self.next_fence = self.next_fence + 1
        self.answer(worker, number, session_id=session, request_id="r." + session, pool=pool,
                    slots=list(slots), fence=fence, existing=existing)
        parameters = self.checker.history.requests["r." + session].first.parameters
        self.rows[session] = {
            "session_id": session, "request_id": "r." + session, "pool": pool, "slots": list(slots),
            "units": len(slots), "fence": fence, "priority": 0, "pid": 1000 + worker, "state": "idle",
            "owner": parameters["owner"], "timeout_ms": parameters["timeout_ms"], "orphaned": False}

    def create(self, worker, session, pool="two", slots=(0,), fence=None, **parameters):
        number = self.ask(worker, session, pool, units=len(slots), **parameters)
        self.grant(worker, number, session, pool, slots, fence)

    def release(self, worker, session):
        self.call(worker, "Release", session, outcome="completed")
        self.rows.pop(session, None)

    # ---- the broker ----

    def crash(self):
        self.note("kill", how="random")
        self.note("dead")
        self.note("spawn")
        self.note("ready")
        for row in self.rows.values():
            row["orphaned"] = row["owner"] == "connection"

    def look(self, **what):
        self.checker.note({"t": self.pass_time(), "end": self.pass_time(), "k": "look", **what})

    def list(self, **changes):
        """What was granted and not released is there; CHANGES: session=row, None to leave it out."""
        rows = {**self.rows, **changes}
        self.look(rows=[row for row in rows.values() if row])

    def metrics(self, **changes):
        told = {"active_sessions": 0, "metadata_bytes_drift": 0}
        told.update({"lifetime_total_" + o: 0 for o in
                     ("created", "completed", "error", "cancelled", "timeout", "abandoned", "revoked")})
        self.look(metrics={**told, **changes})

    def kinds(self):
        """The kinds of what was violated, each once."""
        self.checker.check()
        return {kind for kind, _ in self.checker.violations}


class RulesTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.begin(1, 2, 3)

    def assertFinds(self, *kinds):
        self.assertEqual(self.story.kinds(), set(kinds), self.story.checker.violations)
