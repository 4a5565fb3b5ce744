# SPDX-License-Identifier: MIT
"""System calls that fail while the broker serves: those of its sockets, of the processes it watches,
and of its store. test_call_errors.py [TEST]..."""
import errno
import os
import signal
import time
import unittest

from shims import CallShim
from starved import StarvedTest, wait_for
from wire import encode
from broker import cpu_seconds_of, stop  # noqa: E402: starved knows where

PART = 0  # no error: less is done than was asked for
NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
ONCE = (False,)
LONG = "x" * 9000
LARGE = "x" * 60000


class CallTest(StarvedTest):
    SHIM = CallShim

    def fail_each(self, kind, errors, act, **how):
        """ACT with the calls of this KIND failing by each of ERRORS; at least one must be on its way."""
        for error in errors:
            before = self.failures
            self.shim.choose(kind, error)
            with self.subTest(kind=kind, error=errno.errorcode.get(error, "a part")):
                self.starve(act, **how)
            self.assertGreater(self.failures, before, "it makes no such call")

    def connect(self):
        with self.victim.client() as client:
            client.send("org.varlink.service.GetInfo")
            self.result(client)


class Sockets(CallTest):
    def test_an_accept_that_fails_once_costs_nobody_anything(self):
        self.EXCUSES = ()
        self.fail_each("accept", (*NO_FILES, errno.ENOBUFS, errno.ECONNABORTED, errno.EINTR, errno.EPERM),
                       self.see_connected, good=ONCE)

    def see_connected(self):
        try:
            self.connect()
        except ConnectionError as error:
            self.fail(f"closed: {error}")

    def test_without_descriptors_it_rests_and_serves_those_whom_it_has(self):
        for error in NO_FILES:
            self.shim.choose("accept", error)
            self.shim.arm(1, True)
            newcomer = self.victim.client()
            newcomer.send("GetMetrics")
            self.rest()
            self.assertFalse(newcomer.has_reply())
            self.assertGreater(self.shim.disarm(), 0)
            newcomer.result()
            newcomer.close()
        self.check_files("in the end")

    def rest(self):
        """For a second: it tries again now and then, and does not spin."""
        accepts, begin = self.shim.made("accept"), cpu_seconds_of(self.victim.process.pid)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            self.witness.metrics()
            time.sleep(0.05)
        self.assertLess(self.shim.made("accept") - accepts, 100)
        self.assertLess(cpu_seconds_of(self.victim.process.pid) - begin, 0.5)

    def test_a_read_that_is_to_be_repeated(self):
        self.EXCUSES = ()
        self.fail_each("read", (errno.EINTR, errno.EAGAIN), self.look, good=ONCE)

    def test_a_read_that_fails(self):
        self.fail_each("read", (errno.ECONNRESET, errno.ENOMEM, errno.EIO), self.look)

    def test_reads_of_a_byte_each(self):
        self.fail_each("read", (PART,), self.look, good=ONCE)
        self.shim.arm(1, True)
        self.witness.call("GetMetrics", pool="default")
        self.assertGreater(self.shim.disarm(), 50)

    def test_a_write_that_is_to_be_repeated(self):
        self.EXCUSES = ()
        self.fail_each("write", (errno.EINTR, errno.EAGAIN, errno.ENOBUFS), self.look, good=ONCE)

    def test_a_write_that_fails(self):
        self.fail_each("write", (errno.EPIPE, errno.ECONNRESET, errno.ENOMEM, errno.EIO), self.look)

    def test_a_write_of_a_grant_that_fails(self):
        self.fail_each("write", (errno.EPIPE, errno.ENOMEM), self.create)

    MANY = 100

    def say_much(self):
        """MANY calls, more than are served in a turn, with a first reply that cannot be written."""
        client = self.victim.client()
        client.send_raw(b"".join(encode("SetPool", {"pool": "one", "limit": i + 1}) for i in range(self.MANY)))
        return client

    def see_all_done(self):
        wait_for(lambda: self.limit_of("one") == self.MANY, "the last call")
        self.witness.call("SetPool", pool="one", limit=1)

    def limit_of(self, wanted):
        return next(pool["limit"] for pool in self.witness.call("ListPools")["pools"]
                    if pool["pool"] == wanted)

    def test_all_is_done_of_a_client_that_has_closed_when_a_write_fails(self):
        for error in (errno.EPIPE, errno.ECONNRESET):
            self.shim.choose("write", error)
            stop(self.victim.process.pid)
            self.shim.arm(1, False)
            self.say_much().close()
            os.kill(self.victim.process.pid, signal.SIGCONT)
            wait_for(lambda: self.shim.get(self.shim.FAILED), "the failure")
            self.see_all_done()

    def test_all_is_done_of_a_client_whose_close_is_not_seen_yet_when_a_write_fails(self):
        """It is looked for then, for a while."""
        self.shim.choose("write", errno.EPIPE)
        self.shim.arm(1, False)
        client = self.say_much()
        wait_for(lambda: self.shim.get(self.shim.FAILED), "the failure")
        self.see_all_done()
        client.socket.settimeout(10)
        while client.socket.recv(1 << 16):
            pass  # what was written after the failure
        client.close()

    def test_writes_of_a_byte_each(self):
        self.fail_each("write", (PART,), self.look, good=ONCE)
        self.shim.arm(1, True)
        self.witness.metrics()
        self.assertGreater(self.shim.disarm(), 1000)

    def look(self):
        self.call("GetMetrics")

    def test_a_peer_that_cannot_be_known_is_not_served(self):
        self.fail_each("getsockopt", (errno.ENOMEM, errno.ENOBUFS, errno.ENOPROTOOPT), self.connect)

    def test_a_peer_of_whom_proc_cannot_be_read_is_served(self):
        self.EXCUSES = ()
        self.fail_each("open", (*NO_FILES, errno.EACCES, errno.ENOENT), self.create)

    def test_a_process_that_cannot_be_looked_at_is_not_taken_for_gone(self):
        """Without a pidfd it is looked for in proc now and then."""
        session = self.take_for_process()
        self.victim.kill_now()
        self.shim.choose("pidfd_open", errno.EMFILE)
        self.shim.arm(1, True)
        self.live_again()
        self.assertGreater(self.shim.disarm(), 0)
        self.shim.choose("open", errno.EMFILE)
        self.shim.arm(1, True)
        wait_for(lambda: self.shim.get(self.shim.FAILED) >= 2, "two looks")
        self.assertGreater(self.shim.disarm(), 0)
        self.check("in the end")
        self.end_sleeper()
        wait_for(lambda: self.witness.metrics()["lifetime_total_abandoned"] > 0, "the end of the session")
        self.sure.discard(session)

    def live_again(self):
        """The holder's session is an orphan then, and the holder lives."""
        self.witness.close()
        self.holder.close()
        self.live()


class Processes(CallTest):
    """As in a lack of memory: refused, or there and watched."""

    def watch(self):
        self.sure.add(self.create(owner="process")["session_id"])

    def test_the_callers_own_process_cannot_be_opened(self):
        self.fail_each("getsockopt", NO_FILES, self.watch, tidy=self.end_all)

    def test_the_callers_own_process_is_gone(self):
        self.fail_each("getsockopt", (errno.EINVAL, errno.ENODATA, errno.ESRCH), self.watch,
                       tidy=self.end_all, refusals=["InvalidParameter"], is_refused=False)

    def test_the_kernel_cannot_tell_the_process_of_a_socket(self):
        """Then it is opened by its number."""
        self.EXCUSES = ()
        self.fail_each("getsockopt", (errno.ENOPROTOOPT,), self.watch, tidy=self.end_all)

    def test_another_process_cannot_be_opened(self):
        self.fail_each("pidfd_open", NO_FILES, self.take_for_process, tidy=self.end_all)

    def test_another_process_is_gone(self):
        self.fail_each("pidfd_open", (errno.ESRCH, errno.EINVAL), self.take_for_process,
                       tidy=self.end_all, refusals=["InvalidParameter"], is_refused=False)

    def test_another_process_may_not_be_opened(self):
        self.fail_each("pidfd_open", (errno.EPERM, errno.ENOSYS), self.take_for_process,
                       tidy=self.end_all, refusals=["PermissionDenied"], is_refused=False)

    def test_another_process_of_which_proc_cannot_be_read(self):
        self.fail_each("open", NO_FILES, self.take_for_process, tidy=self.end_all)

    def test_a_process_that_cannot_be_polled_counts_as_gone(self):
        self.shim.choose("epoll_ctl", errno.ENOSPC)
        self.shim.arm(1, False)
        session = self.create(owner="process", pid=self.sleeper.pid)["session_id"]
        self.assertEqual(self.shim.disarm(), 1)
        ended = self.witness.call("History")["sessions"][0]
        self.assertEqual((ended["session_id"], ended["outcome"]), (session, "abandoned"))
        self.check("in the end")
        self.check_files("in the end")


class Store(CallTest):
    """Of one that is there and works otherwise."""

    BROKEN = (errno.EIO, errno.ENOSPC, errno.ENOMEM, PART)

    def test_a_write_that_is_to_be_repeated(self):
        self.EXCUSES = ()
        self.fail_each("pwrite", (errno.EINTR,), lambda: self.create(metadata={"a": 1}), good=ONCE,
                       tidy=self.end_all)

    def test_create(self):
        self.fail_each("pwrite", self.BROKEN, lambda: self.create(metadata={"a": 1}), tidy=self.end_all)

    def test_release(self):
        self.fail_each("pwrite", self.BROKEN, self.ask_to_end, prepare=self.take, tidy=self.end_all)

    def test_update(self):
        self.fail_each("pwrite", self.BROKEN, self.update, prepare=lambda: self.take(metadata={"old": 1}),
                       tidy=self.end_all)

    def update(self, session):
        self.call("Update", session_id=session, metadata={"new": LONG})

    def test_set_pool(self):
        self.fail_each("pwrite", self.BROKEN, lambda: self.call("SetPool", pool="one", limit=1))

    def test_there_is_no_room_to_grow(self):
        self.fill_up("allocate", errno.ENOSPC)

    def test_growing_is_an_error_of_the_disk(self):
        self.fill_up("allocate", errno.EIO)

    def test_growing_takes_neither_descriptors_nor_mappings(self):
        self.offender = self.victim.client()
        for kind, error in (("map", errno.ENOMEM), ("open", errno.EMFILE)):
            self.shim.choose(kind, error)
            self.shim.arm(1, True)
            for _ in range(300):
                self.create(pool="big", metadata={"a": LARGE})
            self.shim.disarm()
        self.check("afterwards")
        self.offender.close()

    def fill_up(self, kind, error):
        """With more than a step of the store's. What is there stays, and it grows later."""
        self.offender = self.victim.client()
        self.shim.choose(kind, error)
        self.shim.arm(1, True)
        outcome = "answered"
        for _ in range(400):
            outcome = self.outcome_of(lambda: self.create(pool="big", metadata={"a": LARGE}), ())
            if outcome != "answered":
                break
        self.assertEqual(outcome, "StoreUnavailable")
        self.assertGreater(self.shim.disarm(), 0)
        wait_for(lambda: self.outcome_of(self.create, ()) == "answered", "the store to have grown")
        self.check("afterwards")
        self.offender.close()
        self.check_files("afterwards")


unittest.main()
