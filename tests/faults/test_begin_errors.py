# SPDX-License-Identifier: MIT
"""System calls that fail while a broker begins, over the store that an earlier one has left: it serves
all that was there, or says why it does not; and the next one has it all."""
import errno
import unittest

from beginning import BeginTest
from shims import CallShim

PART = 0  # no error: half of it is done
MOST = 1000


class Begin(BeginTest):
    SHIM = CallShim

    def use(self):
        self.wait_until_creating()

    def fail_each(self, kind, *errors):
        """The first of this kind fails once, the second one, and so on until there is none left to fail."""
        self.fill_store()
        for error in errors:
            self.shim.choose(kind, error)
            n = 1
            while self.begin_failing(n):
                self.begin()
                self.assertAllKept()
                self.kill()
                n += 1
                self.assertLess(n, MOST)
            self.assertGreater(n, 1, "it makes no such call")

    def test_open(self):
        self.fail_each("open", errno.EMFILE, errno.ENOMEM)

    def test_map(self):
        self.fail_each("map", errno.ENOMEM)

    def test_write(self):
        self.fail_each("pwrite", errno.EIO, errno.ENOSPC, PART)

    def test_truncate(self):
        self.fail_each("truncate", errno.EIO)

    def test_allocate(self):
        self.fail_each("allocate", errno.ENOSPC, errno.EINTR)

    def test_rename(self):
        """Of a fresh store, which is made under another name: it is made later."""
        self.shim.choose("rename", errno.EIO)
        self.shim.arm(1, False)
        self.victim.spawn(**self.shim.environment())
        self.assertTrue(self.victim.wait_ready(), self.victim.tail())
        self.client = self.victim.client()
        self.wait_until_creating()
        self.assertEqual(self.shim.disarm(), 1)
        self.crash()
        self.assertKept()


unittest.main()
