# SPDX-License-Identifier: MIT
"""Allocations that fail while a broker begins, over the store that an earlier one has left or with what
that hands over: it serves all that was there, or ends and says why; and the next one has it all."""
import signal
import time
import unittest

from beginning import BeginTest
from shims import AllocShim
from stateful import wait_for
from taking_over import TakeOverTest

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


class TakeOver(TakeOverTest):
    SHIM = AllocShim

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
        self.fail_each(1)

    def test_one_fails_with_a_watcher(self):
        """Most are room for its events, one like the other."""
        self.has_watcher = True
        self.fail_each(61)


unittest.main()
