# SPDX-License-Identifier: MIT
"""The library with something failing, before a broker that has what it needs: see starved_client.c."""
import os
import subprocess
import sys

import starved  # noqa: F401: knows where broker.py is
from broker import BrokerTest

# What a thread keeps of what it has freed would count as in use.
EXACT = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


class LibraryTest(BrokerTest):
    CONFIG = "[pool default]\nlimit = 1000\n[pool full]\nlimit = 1\n"
    SHIM = None

    def setUp(self):
        super().setUp()
        self.shim = self.SHIM()
        self.addCleanup(self.shim.close)
        self.client().create(pool="full")

    def play(self, how_often, *answers):
        """ANSWERS are what the library may say when something fails; what is printed."""
        done = subprocess.run([os.environ["STARVED_CLIENT"], self.broker.socket, self.shim.VARIABLE, how_often,
                               *map(str, answers)], timeout=300,
                              env={**os.environ, **self.shim.environment(), **EXACT}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        print(done.stdout, file=sys.stderr)
        self.assertEqual(done.returncode, 0)
        return done.stdout
