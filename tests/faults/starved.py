# SPDX-License-Identifier: MIT
"""Tests of a broker that is refused memory, or system calls, while it serves: whoever asks gets an
answer, an error or the end of the connection; others do not notice; and nothing is left behind."""
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crash"))
from victim import Victim  # noqa: E402
from wire import stream  # noqa: E402
from broker import PATIENCE, Refused, state_of, wait_for  # noqa: E402,F401
from shims import AllocShim  # noqa: E402,F401

CONFIG = """
[broker]
workers = 1
socket_mode = 0666
log_sessions = all
history = 20
[pool default]
limit = 100000
[pool one]
limit = 1
[pool none]
limit = 1
max_waiters = 1
[pool quota]
limit = 10
per_uid_limit = 1
[pool label]
limit = 10
per_label_limit = 1
[pool small]
max_metadata_bytes = 10
max_timeout = 10s
[pool big]
limit = 100000
max_metadata_bytes = 65000
[pool hold]
on_timeout = hold
[pool shadow]
limit = 1
enforce = no
[pool wide]
limit = 3
[pool private]
allow = root
"""
HOUR_MS = 3600 * 1000
ENDED = ("completed", "timeout", "error", "cancelled", "abandoned", "revoked")
MOST = 20000  # allocations of one request: far more than any needs


class Closed(Exception):
    """The broker has closed the connection instead of an answer."""


class StarvedTest(unittest.TestCase):
    SHIM = AllocShim
    OFFENDER_UID = None  # the witness's own
    EXCUSES = ("StoreUnavailable", "TooManyConnections")

    def setUp(self):
        self.shim = self.SHIM()
        self.addCleanup(self.shim.close)
        self.victim = Victim(CONFIG)
        self.addCleanup(self.end)
        self.sure = set()  # sessions that are there: acknowledged, and not ended
        self.maybe = set()  # sessions and request ids of which nobody knows
        self.number = 0
        self.failures = 0
        self.n_waiting = 0  # that are not the offender's
        self.sleeper = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(self.end_sleeper)
        self.live()

    def live(self):
        self.victim.live(**self.shim.environment())
        self.witness = self.victim.client()
        self.holder = self.victim.client()  # whose sessions nothing here is to touch
        self.held = self.holder.create(metadata={"kept": True}, pool="hold")["session_id"]
        self.sure.add(self.held)
        self.offender = self.witness
        self.count_baseline()

    def end_sleeper(self):
        self.sleeper.kill()
        self.sleeper.wait()

    def end(self):
        if self.victim.process:
            self.victim.kill()

    def tearDown(self):
        """All that was acknowledged outlives the broker, and the broker ends well."""
        if self.victim.process.poll() is None:
            self.holder.close()
            self.witness.close()
            self.victim.process.terminate()
            self.assertEqual(self.victim.process.wait(60), 0, self.victim.tail())
            self.sure.discard(self.held)
            self.victim.live()
            with self.victim.client() as self.witness:
                self.check_sessions()
                self.check_sound()
        if self.failures:
            print(f"{self.id()}: {self.failures} failures", file=sys.stderr)

    # ---- the broker as a process ----

    def count_files(self):
        return len(os.listdir(f"/proc/{self.victim.process.pid}/fd"))

    def count_baseline(self):
        """What is open now is open in the end."""
        self.wait_idle()
        self.n_files = self.count_files()

    def is_asleep(self):
        if self.victim.process.poll() is not None:
            self.fail(f"the broker ended with {self.victim.process.returncode}: {self.victim.tail()}")
        return state_of(self.victim.process.pid) == "S"

    def wait_idle(self):
        """It has only one thread; if that sleeps, all that was sent before has been served. It is looked
        at more often than wait_for() does: this is what the tests here do most."""
        end = time.monotonic() + PATIENCE
        while not self.is_asleep():
            self.assertLess(time.monotonic(), end, "the broker never rests")
            time.sleep(0.0002)

    # ---- calls of the offender's ----

    def call(self, method, **parameters):
        self.offender.send(method, parameters)
        return self.result(self.offender)

    @staticmethod
    def result(client):
        try:
            return client.result()
        except (EOFError, ConnectionError) as error:
            raise Closed from error

    def create(self, **parameters):
        """A detached session that nobody else ends, unless OWNER says something else."""
        self.number += 1
        request_id = parameters.setdefault("request_id", f"r{self.number}")
        owner = parameters.setdefault("owner", "detached")
        if owner == "detached":
            parameters.setdefault("timeout_ms", HOUR_MS)
        self.maybe.add(request_id)
        told = self.call("Create", **parameters)
        self.maybe.remove(request_id)
        if owner == "detached":
            self.sure.add(told["session_id"])
        return told

    def ask_to_end(self, session, method="Release", **parameters):
        self.sure.discard(session)
        self.maybe.add(session)
        told = self.call(method, session_id=session, **parameters)
        self.maybe.remove(session)
        return told

    # ---- what is done while there is memory ----

    def take(self, **parameters):
        """A session of the offender's, and sure to be there."""
        return self.create(**parameters)["session_id"]

    def take_for_process(self):
        told = self.create(owner="process", pid=self.sleeper.pid)
        self.sure.add(told["session_id"])
        return told["session_id"]

    def wait(self, client, **parameters):
        before = self.witness.metrics()["waiting_sessions"]
        client.wait(**parameters)
        wait_for(lambda: self.witness.metrics()["waiting_sessions"] > before, "the wait")
        return client

    def end_all(self, *_):
        for session in self.sure - {self.held}:
            self.witness.call("Release", session_id=session)
            self.sure.remove(session)

    # ---- starving ----

    def starve(self, act, prepare=None, refusals=(), tidy=None, good=(False, True),
               is_refused=True):
        """ACT with the first allocation, or call, failing, the second one, and so on until none does; then the same
        with all that follow failing, too. It is called with what PREPARE returned. REFUSALS are those that
        ACT meets anyway, or, not IS_REFUSED, for the failure. TIDY comes after what is checked each time."""
        for is_good in good:
            n = 1
            while self.starve_once(act, prepare, (n, is_good), refusals, tidy, is_refused):
                n += 1
                self.assertLess(n, MOST)

    def starve_once(self, act, prepare, when, refusals, tidy, is_refused):
        self.offender = self.victim.client(self.OFFENDER_UID)
        given = (prepare(),) if prepare else ()
        self.wait_idle()
        self.shim.arm(*when)
        outcome = self.outcome_of(act, given)
        self.wait_idle()
        failures = self.shim.disarm()
        with self.subTest(act=act.__name__, when=when, outcome=outcome):
            self.assertIn(outcome, ("answered", "closed", *self.EXCUSES, *refusals))
            if not failures:
                self.assertIn(outcome, refusals if refusals and is_refused else ("answered",))
        self.offender.close()
        self.wait_idle()
        self.check(when)
        if tidy:
            tidy(*given)
        self.check_files(when)
        self.failures += failures
        return failures

    @staticmethod
    def outcome_of(act, given):
        try:
            act(*given)
        except Refused as refusal:
            return refusal.name
        except (Closed, ConnectionError):
            return "closed"
        return "answered"

    # ---- what is to be so afterwards ----

    def check(self, when):
        with self.subTest(when=when):
            self.check_sessions()
            self.check_sound()
            with self.victim.client() as newcomer:
                newcomer.call("org.varlink.service.GetInfo")

    def check_files(self, when):
        self.wait_idle()
        with self.subTest(when=when):
            self.assertEqual(self.count_files(), self.n_files, "descriptors")

    def check_sessions(self):
        rows = {reply["session"]["session_id"]: reply["session"]["request_id"]
                for reply, _ in stream(self.witness, "List", {})
                if "session" in reply and reply["session"]["state"] != "waiting"}
        unsure = {id for id, request in rows.items() if id in self.maybe or request in self.maybe}
        self.assertEqual(set(rows) - unsure, self.sure)
        for session in unsure:
            self.witness.call("Revoke", session_id=session, force=True)
        self.maybe.clear()

    def check_sound(self):
        wait_for(lambda: self.witness.metrics()["store"] == "ok", "the store")
        self.assertEqual(self.witness.call("Verify"), {"ok": True, "findings": []})
        metrics = self.witness.metrics()
        ended = sum(metrics["lifetime_total_" + outcome] for outcome in ENDED)
        self.assertEqual(metrics["lifetime_total_created"], metrics["active_sessions"] + ended)
        self.assertEqual(metrics["metadata_bytes_drift"], 0)
        wait_for(lambda: self.witness.metrics()["waiting_sessions"] == self.n_waiting, "those who wait")
