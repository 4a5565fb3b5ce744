# SPDX-License-Identifier: MIT
"""What is loaded into a daemon to make it short of something, and how it is told to: see shim.h."""
import mmap
import os
import pathlib
import struct
import tempfile


class Shim:
    """A library for LD_PRELOAD ($LIBRARY names it) and the file that it is told by: SIZE numbers of 64
    bits."""

    LIBRARY = VARIABLE = ""
    LEFT, IS_GOOD, FAILED = range(3)  # struct shim_turn
    SIZE = FAILED + 1

    def __init__(self):
        descriptor, path = tempfile.mkstemp(prefix="usher-shim.")
        self.path = pathlib.Path(path)
        os.truncate(descriptor, 8 * self.SIZE)
        self.map = mmap.mmap(descriptor, 8 * self.SIZE)
        os.close(descriptor)

    def environment(self):
        options = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": os.environ[self.LIBRARY], self.VARIABLE: str(self.path),
                "ASAN_OPTIONS": options + ":verify_asan_link_order=0"}

    def get(self, index):
        return struct.unpack_from("=q", self.map, 8 * index)[0]

    def set(self, index, value):
        struct.pack_into("=q", self.map, 8 * index, value)

    def arm(self, n, is_good):
        """The Nth allocation, or call of the chosen kind, fails; IS_GOOD: all later ones, too."""
        self.disarm()
        self.set(self.FAILED, 0)
        self.set(self.IS_GOOD, is_good)
        self.set(self.LEFT, n)

    def disarm(self):
        """How many have failed."""
        self.set(self.IS_GOOD, 0)
        self.set(self.LEFT, 0)
        return self.get(self.FAILED)

    def close(self):
        self.map.close()
        self.path.unlink()


class AllocShim(Shim):
    LIBRARY, VARIABLE = "ALLOC_SHIM", "USHER_ALLOC_SHIM"


KINDS = ("accept", "read", "write", "recvmsg", "sendmsg", "getsockopt", "epoll_ctl", "pidfd_open", "open",
         "pwrite", "sync", "truncate", "allocate", "map", "rename", "read_file", "write_file", "stat",
         "lock", "unlink", "mkdir", "chmod", "socket", "socketpair", "bind", "listen", "setsockopt", "memfd",
         "thread", "connect", "send", "recv", "poll", "epoll_create", "timer_create", "random")


class CallShim(Shim):
    LIBRARY, VARIABLE = "CALL_SHIM", "USHER_CALL_SHIM"
    WALL_NS, KIND, ERROR, MADE = range(Shim.FAILED + 1, Shim.FAILED + 5)
    SIZE = MADE + len(KINDS)

    def choose(self, kind, error):
        """What arm() is about. ERROR 0: the call does a part only of what it is asked to."""
        self.set(self.KIND, KINDS.index(kind))
        self.set(self.ERROR, error)

    def made(self, kind):
        """How many calls of that kind there were, all in all."""
        return self.get(self.MADE + KINDS.index(kind))

    def move_clock(self, seconds):
        self.set(self.WALL_NS, seconds * 10**9)
