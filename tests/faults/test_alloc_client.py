# SPDX-License-Identifier: MIT
"""The library without memory."""
import errno
import unittest

from shims import AllocShim
from starved_library import LibraryTest


class Client(LibraryTest):
    SHIM = AllocShim

    def test_every_call_answers_as_ever_or_says_that_there_is_no_memory(self):
        self.play("always", errno.ENOMEM)


unittest.main()
