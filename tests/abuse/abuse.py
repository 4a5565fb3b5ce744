# SPDX-License-Identifier: MIT
"""Somebody misbehaves, and somebody else must not notice.

A test offends inside `with self.abuse()`. Around that the module measures: an innocent client in a
process of its own, in peace and then during the offence, and of the daemon its memory, its
descriptors and its table, before and after. The latter must be what they were; the innocent one's
p99 should at most double, which is printed and not asserted, as the machine has its say in it:
asserted is a bound on each call of its that only a daemon which stands still would miss, and that
nothing was refused to it. What memory is lost the sanitizers' builds find when the daemon ends."""
import contextlib
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from broker import Broker, BrokerTest, Client, Refused, wait_for  # noqa: E402,F401
from innocent import Innocent  # noqa: E402

os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", "")

# Of peace, and at least of an offence that can be repeated. A p99 worth the name takes some seconds.
SECONDS = float(os.environ.get("USHER_ABUSE_SECONDS", "0.2"))
IS_MEASURED = "USHER_ABUSE_SECONDS" in os.environ
STANDSTILL_US = 2000000
# Allocators keep some of what they had; AddressSanitizer's keeps all for a while, in quarantine.
IS_SANITIZED = b"__asan_init" in pathlib.Path(os.environ["USHERD"]).read_bytes()
RSS_NOISE_KIB = 262144 if IS_SANITIZED else 16384
SERVICE = "org.varlink.service."
POOLS = "[pool innocent]\nlimit = 4\n[pool one]\nlimit = 1\n"


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the daemon has ended")


@contextlib.contextmanager
def stood_back(is_wanted):
    """Where it is measured, who offends takes only such time of the processors as nobody else wants: else
    the figures tell of who waits for a processor, 3 ms at a time, and not for the daemon. Only root can
    come back from that."""
    if not is_wanted or os.geteuid() != 0:
        yield
        return
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class AbuseTest(BrokerTest):
    CONFIG = ""  # beside POOLS

    def setUp(self):
        self.broker = self.make_broker(self.broker_config(), *self.OPTIONS)
        self.addCleanup(self.broker.kill)
        self.clients = []
        self.look = self.broker.client()  # from before the offence, which may shut others out
        self.addCleanup(self.look.close)

    make_broker = staticmethod(Broker)

    def broker_config(self):
        return self.CONFIG + POOLS

    # ---- before and after ----

    def table(self):
        """Who holds and waits, without the innocent one, and what is counted."""
        sessions, cursor = [], None
        while True:
            page = self.look.call("List", cursor=cursor)
            sessions += [(s["session_id"], s["state"]) for s in page["sessions"]
                         if s["pool"] != "innocent"]
            cursor = page.get("cursor")
            if not cursor:
                break
        pools = self.look.call("ListPools")["pools"]
        counts = [(p["pool"], p["active_sessions"], p["waiting_sessions"], p["used_units"])
                  for p in pools if p["pool"] != "innocent"]
        return sorted(sessions), counts, self.look.metrics()["connections"]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.broker.process.pid}/fd"))

    def wait_until(self, look, wanted, what):
        try:
            wait_for(lambda: look() == wanted, what)
        except AssertionError:
            self.assertEqual(look(), wanted, what)

    def check_restored(self, table, descriptors, rss):
        self.wait_until(self.table, table, "the table of before")
        self.wait_until(self.descriptors, descriptors, "the descriptors of before")
        self.assertLess(rss_kib(self.broker.process.pid), rss + RSS_NOISE_KIB, "memory")

    # ---- the offence ----

    is_broker_killed = False  # by the test itself: then the innocent one may be cut off

    @contextlib.contextmanager
    def abuse(self):
        innocent = Innocent(self.broker.socket)
        try:
            with stood_back(IS_MEASURED and not self.is_broker_killed):
                yield from self.measure(innocent)
        finally:
            innocent.end()

    def measure(self, innocent):
        n_innocent = len(self.clients)
        table, descriptors = self.table(), self.descriptors()
        rss = rss_kib(self.broker.process.pid)
        innocent.measured()
        time.sleep(SECONDS)
        quiet = innocent.measured()
        yield
        offended = innocent.measured()
        for client in self.clients[n_innocent:]:
            client.close()
        del self.clients[n_innocent:]
        self.check_restored(table, descriptors, rss)
        self.report(quiet, offended, rss)
        self.assertEqual(offended["refused"], [])
        self.assertTrue(self.is_broker_killed or not offended["cuts"])
        self.assertGreater(offended["calls"], 0)
        self.assertTrue(self.is_broker_killed or offended["max_us"] < STANDSTILL_US, "it stood still")

    def report(self, quiet, offended, rss):
        more = rss_kib(self.broker.process.pid) - rss
        ratios = [offended[p] / max(1, quiet[p]) for p in ("p50_us", "p99_us")]
        print(f"{self._testMethodName}: p50 and p99 {quiet['p50_us']} and {quiet['p99_us']} us in peace, "
              f"{offended['p50_us']} and {offended['p99_us']} us during it (x{ratios[0]:.1f}, x{ratios[1]:.1f}, "
              f"{offended['calls']} calls, {offended['max_us']} us at most); memory {more:+d} KiB", flush=True)

    def again_and_again(self, offend):
        """For long enough that it could be noticed."""
        end = time.monotonic() + SECONDS
        while True:
            offend()
            if time.monotonic() > end:
                return

    def offend_raw(self, data, parameter):
        """What each of these gets: the name of what was wrong, and the end of the connection."""
        with self.broker.client() as client:
            with contextlib.suppress(BrokenPipeError):  # closed before all of it was sent
                client.send_raw(data)
            reply = client.receive()
            self.assertEqual(reply["error"], SERVICE + "InvalidParameter", data[:60])
            self.assertEqual(reply["parameters"]["parameter"], parameter, data[:60])
            self.assertTrue(client.is_closed())
