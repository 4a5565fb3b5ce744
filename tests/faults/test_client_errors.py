# SPDX-License-Identifier: MIT
"""The library with system calls that fail, before a broker whose do not: see starved_client.c."""
import errno
import os
import subprocess
import sys
import unittest

import starved  # noqa: F401: knows where broker.py is
from broker import BrokerTest
from shims import EXACT, CallShim

SESSION_ENDED, NO_SUCH_SESSION = 4106, 4105  # usher.h: with the connection that owned it
LOST = (errno.ECONNRESET, SESSION_ENDED, NO_SUCH_SESSION)


class Client(BrokerTest):
    CONFIG = "[pool default]\nlimit = 1000\n[pool full]\nlimit = 1\n"

    def setUp(self):
        super().setUp()
        self.shim = CallShim()
        self.addCleanup(self.shim.close)
        self.client().create(pool="full")

    def break_calls(self, kind, error, *answers, how_often="always"):
        """Each call of that kind in turn; ANSWERS are what the library may say then."""
        self.shim.choose(kind, error)
        done = subprocess.run([os.environ["STARVED_CLIENT"], self.broker.socket, self.shim.VARIABLE, how_often,
                               *map(str, answers)], timeout=300,
                              env={**os.environ, **self.shim.environment(), **EXACT}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        print(kind, errno.errorcode.get(error, "short"), done.stdout, sep="\n", file=sys.stderr)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, ": [1-9][0-9]* failures")

    def test_no_descriptors(self):
        for kind in "socket", "epoll_create", "timer_create":
            with self.subTest(kind=kind):
                self.break_calls(kind, errno.EMFILE, errno.EMFILE)

    def test_no_memory_in_the_kernel(self):
        for kind in "socket", "epoll_ctl", "poll":
            with self.subTest(kind=kind):
                self.break_calls(kind, errno.ENOMEM, errno.ENOMEM)

    def test_nobody_listens_for_a_moment(self):
        """For longer: tests/e2e/test_restart.py."""
        self.break_calls("connect", errno.ECONNREFUSED, errno.ECONNREFUSED, how_often="once")

    def test_a_connection_breaks(self):
        self.break_calls("send", errno.EPIPE, *LOST, how_often="once")
        self.break_calls("recv", errno.ECONNRESET, *LOST, how_often="once")

    def test_no_random_number(self):
        """A request id that another could have would be worse than none."""
        self.break_calls("random", 0, errno.EIO)

    def test_in_parts(self):
        for kind in "send", "recv":
            with self.subTest(kind=kind):
                self.break_calls(kind, 0)

    def test_after_a_signal(self):
        """The call is made again (signal(7))."""
        for kind in "connect", "send", "recv", "poll", "random":
            with self.subTest(kind=kind):
                self.break_calls(kind, errno.EINTR, how_often="once")


unittest.main()
