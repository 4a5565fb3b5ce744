# SPDX-License-Identifier: MIT
"""System calls that fail while a broker begins, over the store that an earlier one has left, and while
one hands over and another takes over: it serves all that was there, or says why it does not; and the
next one has it all."""
import errno
import unittest

from beginning import CONFIG, BeginTest
from shims import CallShim
from taking_over import TakeOverTest

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

    def test_random_numbers(self):
        self.fail_each("random", errno.EINTR)

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


class Successor(TakeOverTest):
    SHIM = CallShim
    has_watcher = True

    def fail_each(self, kind, *errors):
        self.set_up()
        outcomes = set()
        for error in errors:
            self.shim.choose(kind, error)
            n = 1
            while self.take_over(n):
                is_had = self.check()
                outcomes.add(is_had)
                if not is_had:
                    self.connect()
                n += 1
                self.assertLess(n, MOST)
            self.assertGreater(n, 1, "it makes no such call")
            if not self.check():
                self.connect()
        self.assertEqual(self.aborted, 0)
        return outcomes


class TakeOver(Successor):
    def test_descriptors_cannot_be_received(self):
        self.assertIn(False, self.fail_each("recvmsg", errno.EMFILE, errno.ENOBUFS))

    def test_the_description_cannot_be_read(self):
        self.fail_each("read_file", errno.EINTR, PART)

    def test_what_is_passed_cannot_be_looked_at(self):
        self.fail_each("stat", errno.ENOMEM)

    def test_peers_cannot_be_known(self):
        self.fail_each("getsockopt", errno.ENOMEM)

    def test_options_cannot_be_set(self):
        self.fail_each("setsockopt", errno.ENOMEM)

    def test_threads_cannot_be_made(self):
        self.fail_each("thread", errno.EAGAIN)


class HandOver(Successor):
    is_giving = True

    def test_descriptors_cannot_be_queued(self):
        self.assertIn(False, self.fail_each("sendmsg", errno.ENOBUFS, errno.ETOOMANYREFS))

    def test_there_is_no_file_for_the_description(self):
        self.assertEqual(self.fail_each("memfd", errno.EMFILE), {False})

    def test_the_description_cannot_be_written(self):
        self.fail_each("write_file", errno.ENOSPC, errno.EINTR, PART)

    def test_there_is_no_queue_for_the_descriptors(self):
        self.assertEqual(self.fail_each("socketpair", errno.EMFILE), {False})


unittest.main()
