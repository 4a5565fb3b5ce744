# SPDX-License-Identifier: MIT
"""The library without memory, before a broker that has enough: see starved_client.c."""
import errno
import os
import subprocess
import sys
import unittest

import starved  # noqa: F401: knows where broker.py is
from broker import BrokerTest
from shims import EXACT, AllocShim


class Client(BrokerTest):
    CONFIG = "[pool default]\nlimit = 1000\n[pool full]\nlimit = 1\n"

    def test_every_call_answers_as_ever_or_says_that_there_is_no_memory(self):
        shim = AllocShim()
        self.addCleanup(shim.close)
        holder = self.client()
        holder.create(pool="full")
        done = subprocess.run([os.environ["STARVED_CLIENT"], self.broker.socket, shim.VARIABLE, "always",
                               str(errno.ENOMEM)], timeout=300,
                              env={**os.environ, **shim.environment(), **EXACT}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        print(done.stdout, file=sys.stderr)
        self.assertEqual(done.returncode, 0)


unittest.main()
