# SPDX-License-Identifier: MIT
"""The wall clock jumps, by minutes and by years: deadlines do not, no session is lost or kept for it."""
import time
import unittest

from shims import CallShim
from starved import HOUR_MS, StarvedTest, wait_for

DAY = 24 * 3600
JUMPS = (60, -60, DAY, -DAY, 3650 * DAY, -3650 * DAY)


class Clock(StarvedTest):
    SHIM = CallShim

    def setUp(self):
        super().setUp()
        self.offender = self.victim.client()
        self.addCleanup(self.offender.close)

    def remaining_ms(self, session):
        return self.witness.call("Get", session_id=session)["session"]["remaining_ms"]

    def assertLong(self, session):
        self.assertGreater(self.remaining_ms(session), HOUR_MS - 10 * 60 * 1000)
        self.assertLessEqual(self.remaining_ms(session), HOUR_MS)

    def test_no_deadline_moves(self):
        session = self.take()
        for seconds in JUMPS:
            with self.subTest(seconds=seconds):
                self.shim.move_clock(seconds)
                self.assertLong(session)
                self.assertLong(self.take())
                self.witness.call("Renew", session_id=session, timeout_ms=HOUR_MS)
                self.assertLong(session)
                self.check(seconds)

    def test_times_are_told_by_the_clock_as_it_is_then(self):
        for seconds in JUMPS:
            self.shim.move_clock(seconds)
            time.sleep(0.01)  # the broker keeps the time of day for a millisecond
            session = self.take()
            told = self.witness.call("Get", session_id=session)["session"]
            now_s = time.time() + seconds
            self.assertAlmostEqual(told["created_at"] / 1e6, now_s, delta=60)
            self.assertAlmostEqual(told["expires_at"] / 1e6, now_s + HOUR_MS / 1000, delta=60)

    def test_a_deadline_passes_although_the_clock_was_set_back(self):
        session = self.create(timeout_ms=300)["session_id"]
        self.shim.move_clock(-3650 * DAY)
        self.sure.discard(session)
        wait_for(lambda: self.witness.metrics()["lifetime_total_timeout"] == 1, "the deadline")

    def test_a_wait_goes_on_although_the_clock_was_set_forward(self):
        session = self.take(pool="one")
        with self.wait(self.victim.client(), pool="one", wait_ms=HOUR_MS) as waiter:
            self.shim.move_clock(3650 * DAY)
            self.assertEqual(self.witness.metrics()["waiting_sessions"], 1)
            self.ask_to_end(session)
            self.assertEqual(waiter.result()["slots"], [0])
        self.maybe.clear()
        self.wait_idle()

    def test_a_wait_times_out_although_the_clock_was_set_back(self):
        self.take(pool="one")
        with self.victim.client() as waiter:
            waiter.wait(pool="one", wait_ms=300)
            self.shim.move_clock(-3650 * DAY)
            with self.assertRaisesRegex(Exception, "WaitTimeout"):
                waiter.result()

    def test_fences_only_grow(self):
        last = 0
        for seconds in JUMPS:
            self.shim.move_clock(seconds)
            fence = self.create()["fence"]
            self.assertGreater(fence, last)
            last = fence

    def test_a_pause_ends_when_it_was_to(self):
        self.witness.call("Pause", pool="one", for_ms=300)
        self.shim.move_clock(-DAY)
        self.assertEqual(self.create(pool="one", wait_ms=-1)["slots"], [0])

    def test_a_broker_that_begins_at_another_time_keeps_all(self):
        """The holder's session is an orphan then, and the holder lives."""
        fence = 0
        for seconds in JUMPS:
            with self.subTest(seconds=seconds):
                told = self.create()
                self.assertGreater(told["fence"], fence)
                fence = told["fence"]
                self.victim.kill_now()
                self.shim.move_clock(seconds)
                self.live_again()
                self.assertLong(told["session_id"])
                self.check(seconds)

    def live_again(self):
        for client in (self.witness, self.holder, self.offender):
            client.close()
        self.live()
        self.offender = self.victim.client()

    def test_a_process_is_known_again_at_another_time(self):
        session = self.take_for_process()
        self.victim.kill_now()
        self.shim.move_clock(3650 * DAY)
        self.live_again()
        self.check("begun again")
        self.end_sleeper()
        wait_for(lambda: self.witness.metrics()["lifetime_total_abandoned"] == 1, "the end of the session")
        self.sure.discard(session)


unittest.main()
