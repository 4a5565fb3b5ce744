# SPDX-License-Identifier: MIT
"""A broker that takes over from another one, while something fails."""
import signal
import unittest

from beginning import CONFIG, ENDS
from stateful import HOUR_MS, wait_for
from service_manager import Service  # noqa: E402: stateful knows where


class TakeOverTest(unittest.TestCase):
    """The next broker takes over what it can, all of a kind or none of it: what is stored is there in
    any case, and a client whose connection is still open has what it had."""

    SHIM = None
    has_watcher = False
    is_giving = False  # the broker that hands over is it that something fails for

    def setUp(self):
        self.shim = self.SHIM()
        self.addCleanup(self.shim.close)
        self.broker = Service("[broker]\nhistory = 0\n" + CONFIG, "--workers", "2")
        self.addCleanup(self.broker.kill)
        self.broker.wrapper = ["env", *(f"{name}={value}" for name, value in self.shim.environment().items())]
        self.clients, self.aborted = [], 0
        if self.is_giving:
            self.broker.restart()  # with the shim

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

    def give(self, n):
        self.shim.arm(n, False)
        self.assertEqual(self.broker.end(), 0, self.broker.text()[-8000:])
        return self.shim.disarm()

    def take_over(self, n):
        """How many have failed."""
        failed = self.give(n if self.is_giving else 0)
        if not self.is_giving:
            self.shim.arm(n, False)
        before = len(self.broker.text())
        self.broker.spawn()
        is_ready = wait_for(lambda: self.broker.notifications.ready.is_set() or
                            self.broker.process.poll() is not None and "ended", "it to begin") is True
        failed = failed or self.shim.disarm()
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
