# SPDX-License-Identifier: MIT
"""System calls that fail while a broker begins, over the store that an earlier one has left: it serves
all that was there, or says why it does not; and the next one has it all."""
import errno
import unittest

from beginning import CONFIG, BeginTest
from shims import CallShim

PART = 0  # no error: half of it is done
MOST = 1000


class Begin(BeginTest):
    SHIM = CallShim
    aside = None  # where a test expects the store that cannot be read
    config = "[broker]\nworkers = 2\n" + CONFIG

    def use(self):
        self.shim.disarm()
        self.release(self.wait_until_creating())

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

    def test_read(self):
        self.fail_each("read_file", errno.EINTR, PART)

    def test_what_cannot_be_read_counts_as_damaged(self):
        """It is set aside as it is; or nothing of it was needed, or the broker says so and ends."""
        self.fill_store()
        store = self.victim.state / "state.journal"
        stored, self.aside = store.read_bytes(), store.with_name("state.journal.corrupt")
        self.shim.choose("read_file", errno.EIO)
        all_kept, n_set_aside = dict(self.expected), 0
        for n in range(1, MOST):
            self.expected = dict(all_kept)
            if not self.begin_failing(n):
                break
            if self.aside.exists():
                self.assertEqual(self.aside.read_bytes(), stored)
                self.aside.unlink()
                n_set_aside += 1
            store.write_bytes(stored)
        self.assertGreater(n_set_aside, 0)

    def assertAllKept(self):
        if self.aside and self.aside.exists():
            self.assertIn("damaged: set aside", self.victim.tail())
            self.expected = {}
            self.assertKept()
        else:
            super().assertAllKept()

    def test_stat(self):
        self.fail_each("stat", errno.EIO, errno.ENOMEM)

    def test_lock(self):
        self.fail_each("lock", errno.ENOLCK, errno.EINTR)

    def test_unlink(self):
        self.fail_each("unlink", errno.EIO, errno.EROFS)

    def test_mkdir(self):
        self.fail_each("mkdir", errno.ENOSPC, errno.EROFS)

    def test_chmod(self):
        self.fail_each("chmod", errno.EROFS)

    def test_socket(self):
        self.fail_each("socket", errno.EMFILE, errno.ENOBUFS)

    def test_bind(self):
        self.fail_each("bind", errno.ENOMEM, errno.EADDRINUSE)

    def test_listen(self):
        self.fail_each("listen", errno.ENOBUFS)

    def test_thread(self):
        self.fail_each("thread", errno.EAGAIN)

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
