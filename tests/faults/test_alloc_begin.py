# SPDX-License-Identifier: MIT
"""Allocations that fail while a broker begins, over the store that an earlier one has left or with what
that hands over: it serves all that was there, or ends and says why; and the next one has it all."""
import signal
import time
import unittest

from beginning import CONFIG, ENDS, BeginTest
from shims import AllocShim
from stateful import HOUR_MS, wait_for
from service_manager import Service  # noqa: E402: stateful knows where

MOST = 20000
ABORTS = 3  # libuv's, which does so for want of room for its watchers, few as these allocations are


class Begin(BeginTest):
    SHIM = AllocShim

    def is_ready(self, before):
        if self.is_good:
            self.let_it_starve(before)
        is_ready = self.victim.wait_ready()
        self.shim.disarm()
        return is_ready

    def let_it_starve(self, before):
        """Until it has ended, or for a while; then there is memory again."""
        wait_for(lambda: self.shim.get(self.shim.FAILED) or self.has_begun(before), "it to begin")
        end = time.monotonic() + 0.02
        while self.victim.process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        self.shim.disarm()

    def has_begun(self, before):
        with open(self.victim.log, "rb") as log:
            log.seek(before)
            return b" serves " in log.read() or self.victim.process.poll() is not None

    def see_ended(self, before):
        if self.victim.process.returncode == -signal.SIGABRT:
            self.aborted += 1
        else:
            super().see_ended(before)

    def fail_each(self, is_good):
        self.fill_store()
        self.is_good, self.aborted, n = is_good, 0, 1
        while self.begin_failing(n):
            n += 1
            self.assertLess(n, MOST)
        self.assertGreater(n, 100)
        self.assertLessEqual(self.aborted, ABORTS, self.victim.tail())
        self.begin()
        self.assertAllKept()

    def test_one_fails(self):
        self.fail_each(False)

    def test_all_fail_from_one_on(self):
        self.fail_each(True)


class TakeOver(unittest.TestCase):
    """The next broker takes over what it can, all of a kind or none of it: what is stored is there in
    any case, and a client whose connection is still open has what it had."""

    def setUp(self):
        self.shim = AllocShim()
        self.addCleanup(self.shim.close)
        self.broker = Service("[broker]\nhistory = 0\n" + CONFIG, "--workers", "2")
        self.addCleanup(self.broker.kill)
        self.broker.wrapper = ["env", *(f"{name}={value}" for name, value in self.shim.environment().items())]
        self.clients, self.aborted = [], 0

    def client(self):
        self.clients.append(self.broker.client())
        self.addCleanup(self.clients[-1].close)
        return self.clients[-1]

    def set_up(self):
        """Some of everything that is handed over."""
        look = self.client()
        look.call("SetPool", pool="more", limit=2, per_label_limit=1)
        look.call("Pause", pool="more", reason="a reason")
        self.kept = [look.create(owner="detached", timeout_ms=HOUR_MS, metadata={"n": n})["session_id"]
                     for n in range(5)]
        self.connect()

    def connect(self):
        self.owner, self.waiter, self.watcher = (self.client() for _ in range(3))
        self.owned = self.owner.create(pool="one", label="a label")["session_id"]
        self.waiter.wait(pool="one", request_id="next", label="another")
        wait_for(lambda: self.owner.metrics()["waiting_sessions"] == 1, "the wait")
        if self.has_watcher:
            self.watcher.send("Monitor", {}, more=True)
            while self.watcher.result()["event"]["type"] != "ready":
                pass

    def take_over(self, n):
        """How many have failed."""
        self.assertEqual(self.broker.end(), 0, self.broker.text()[-8000:])
        self.shim.arm(n, False)
        before = len(self.broker.text())
        self.broker.spawn()
        is_ready = wait_for(lambda: self.broker.notifications.ready.is_set() or
                            self.broker.process.poll() is not None and "ended", "it to begin") is True
        failed = self.shim.disarm()
        if is_ready and self.has_sanitizer_given_up(before):
            self.broker.process.wait()
            self.broker.run()
        elif not is_ready:
            self.aborted += self.broker.process.returncode == -signal.SIGABRT
            self.assertIn(self.broker.process.returncode, (*ENDS, -signal.SIGABRT), self.broker.text()[-8000:])
            self.broker.run()
        return failed

    def has_sanitizer_given_up(self, before):
        """AddressSanitizer's own allocation for a new thread."""
        return "AddressSanitizer: CHECK failed: sanitizer_linux" in self.broker.text()[before:]

    def check(self):
        with self.broker.client() as look:
            wait_for(lambda: look.metrics()["store"] == "ok", "the store")
            sessions = {each["session_id"]: each for each in look.call("List")["sessions"]}
            self.assertLessEqual({*self.kept, self.owned}, sessions.keys())
            self.assertEqual(look.call("Verify"), {"ok": True, "findings": []})
            pools = {pool["pool"]: pool for pool in look.call("ListPools")["pools"]}
            self.assertEqual((pools["more"]["limit"], pools["more"]["pause_reason"]), (2, "a reason"))
            if sessions[self.owned].get("orphaned"):
                for client in self.owner, self.waiter, self.watcher:
                    self.assertTrue(client.is_closed())
                look.call("Revoke", session_id=self.owned, force=True)
                wait_for(lambda: look.metrics()["active_sessions"] == len(self.kept), "its end")
                return False
        self.owner.call("Renew", session_id=self.owned)
        self.assertFalse(self.waiter.has_reply())
        self.assertEqual(self.owner.metrics()["waiting_sessions"], 1)
        return True

    def fail_each(self, step):
        self.set_up()
        outcomes, n = [], 1
        while self.take_over(n):
            outcomes.append(self.check())
            if not outcomes[-1]:
                self.connect()
            n += step
            self.assertLess(n, MOST)
        self.assertTrue(self.check())
        self.assertGreater(n, 100)
        self.assertEqual({*outcomes}, {True, False})
        self.assertLessEqual(self.aborted, ABORTS, self.broker.text()[-8000:])

    def test_one_fails(self):
        self.has_watcher = False
        self.fail_each(1)

    def test_one_fails_with_a_watcher(self):
        """Most are room for its events, one like the other."""
        self.has_watcher = True
        self.fail_each(61)


unittest.main()
