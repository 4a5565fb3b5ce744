# SPDX-License-Identifier: MIT
"""The library with system calls that fail."""
import errno
import sys
import unittest

from shims import CallShim
from starved_library import LibraryTest

SESSION_ENDED, NO_SUCH_SESSION = 4106, 4105  # usher.h: with the connection that owned it
LOST = (errno.ECONNRESET, SESSION_ENDED, NO_SUCH_SESSION)


class Client(LibraryTest):
    SHIM = CallShim

    def break_calls(self, kind, error, *answers, how_often="always"):
        """Each call of that kind in turn."""
        print(kind, errno.errorcode.get(error, "short"), file=sys.stderr)
        self.shim.choose(kind, error)
        self.assertRegex(self.play(how_often, *answers), ": [1-9][0-9]* failures")

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
