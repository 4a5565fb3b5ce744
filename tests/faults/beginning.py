# SPDX-License-Identifier: MIT
"""A broker that begins over the store that an earlier one has left, while something fails: it serves all
that was there, or ends and says why; and the next one has it all."""
import subprocess

from stateful import HOUR_MS, StateTest, wait_for

CONFIG = """[pool default]
limit = 100000
[pool one]
limit = 1
[pool filed]
limit = 3
per_label_limit = 2
"""
ENDS = (1, 78)  # 78: the configuration could not be read


class BeginTest(StateTest):
    config = CONFIG
    SHIM = None
    is_good = False  # all later ones fail, too

    def setUp(self):
        super().setUp()
        self.shim = self.SHIM()
        self.addCleanup(self.shim.close)
        self.sleeper = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(self.end_sleeper)

    def end_sleeper(self):
        self.sleeper.kill()
        self.sleeper.wait()

    def fill_store(self):
        """Some of everything that is stored."""
        self.begin()
        for n in range(20):
            self.create('{"n":%d}' % n)
        self.create(pool="filed", label="a label", request_id="an id", units=2)
        self.create(owner="process", pid=self.sleeper.pid, timeout_ms=HOUR_MS)
        self.client.call("SetPool", pool="more", limit=7, per_label_limit=4)
        self.client.call("Pause", pool="more", reason="a reason")
        self.client.call("Pause", pool="one", for_ms=HOUR_MS, reason="another")
        self.kill()

    def assertAllKept(self):
        self.assertKept()
        pools = {pool["pool"]: pool for pool in self.client.call("ListPools")["pools"]}
        self.assertEqual(sorted(pools), ["default", "filed", "more", "one"])
        self.assertEqual((pools["more"]["limit"], pools["more"]["per_label_limit"]), (7, 4))
        self.assertEqual([pools[name]["pause_reason"] for name in ("more", "one")], ["a reason", "another"])

    def begin_failing(self, n):
        """How many have failed."""
        self.shim.arm(n, self.is_good)
        before = self.victim.log.stat().st_size
        self.victim.spawn(**self.shim.environment())
        if self.is_ready(before):
            self.client = self.victim.client()
            wait_for(lambda: self.client.metrics()["store"] == "ok", "the store")
            self.assertAllKept()
            self.use()
            self.kill()
        else:
            self.see_ended(before)
        return self.shim.disarm()

    def is_ready(self, before):
        """BEFORE: where the log of this run begins."""
        return self.victim.wait_ready()

    def use(self):
        pass

    def see_ended(self, before):
        self.assertIn(self.victim.process.returncode, ENDS, self.victim.tail())
        self.assertGreater(self.victim.log.stat().st_size, before, "it does not say why")
