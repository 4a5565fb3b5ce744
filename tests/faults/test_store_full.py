# SPDX-License-Identifier: MIT
"""The file system of the store is full, really: from the start, or filled by somebody else later. Only
root may mount one to fill."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from stateful import Refused, StateTest

SIZE_MIB = 48
PAD = "x" * 9000


def may_mount():
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["mount", "-t", "tmpfs", "none", directory], stderr=subprocess.DEVNULL)
        if done.returncode == 0:
            subprocess.run(["umount", directory], check=True)
        return done.returncode == 0


class Full(StateTest):
    def setUp(self):
        super().setUp()
        self.disk = pathlib.Path(tempfile.mkdtemp(prefix="usher-full."))
        self.addCleanup(self.disk.rmdir)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "none", self.disk], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", self.disk], check=True))
        self.addCleanup(self.end)  # before the file system can go
        self.victim.state = self.disk / "state"
        self.filler = self.disk / "filler"

    def fill(self):
        """Until not one byte more can be had."""
        with open(self.filler, "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass
        self.assertLess(os.statvfs(self.disk).f_bfree, 1)

    def make_room(self):
        self.filler.unlink()

    def create_until_refused(self):
        for n in range(10000):
            try:
                self.create('{"n":%d,"pad":"%s"}' % (n, PAD))
            except Refused as refusal:
                self.assertEqual(refusal.name, "StoreUnavailable")
                return
        self.fail("the store is never full")

    def test_full_from_the_start(self):
        self.fill()
        self.begin()
        self.assertNotCreating()
        self.assertEqual(self.listed(), {})
        self.assertRegex(self.status(), "(?i)stor")
        self.make_room()
        self.wait_until_creating()
        self.assertKept()
        self.crash()
        self.assertKept()

    def status(self):
        done = subprocess.run([os.environ["USHERCTL"], "--socket", self.victim.socket, "status"],
                              stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    def test_filled_by_somebody_else(self):
        self.begin()
        first = self.create('{"n":0}')
        self.fill()
        self.create('{"n":1}')  # what it has already is its own
        self.create_until_refused()
        self.assertGreater(len(self.expected), 500)
        self.assertNotCreating()
        self.assertServesAllElse(first)
        self.make_room()
        self.wait_until_creating()
        self.assertKept()
        self.crash()
        self.assertKept()

    def test_all_can_be_released_when_it_is_full(self):
        self.begin()
        self.fill()
        self.create_until_refused()
        for session in list(self.expected)[10:]:
            self.release(session)
        self.wait_until_creating()  # for there is room now
        self.assertKept()
        self.crash()
        self.assertKept()

    def test_killed_and_begun_again_when_it_is_full(self):
        self.begin()
        self.fill()
        self.create_until_refused()
        self.crash()
        self.assertKept()
        self.assertNotCreating()
        for session in list(self.expected)[:300]:
            self.release(session)
        self.crash()
        self.assertKept()
        self.make_room()
        self.wait_until_creating()
        self.assertKept()


if not may_mount():
    print("SKIPPED: a file system to fill can be mounted by root only")
    sys.exit(77)
unittest.main()
