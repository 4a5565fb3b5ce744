# SPDX-License-Identifier: MIT
"""Tests of a broker whose store is in trouble: what was acknowledged, and whether it is still so."""
import json
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crash"))
from victim import Victim  # noqa: E402
from wire import encode, metadata_of, stream  # noqa: E402
from broker import Refused, wait_for  # noqa: E402,F401

CONFIG = "[pool default]\nlimit = 100000\n[pool one]\nlimit = 1\n"
HOUR_MS = 3600 * 1000


class StateTest(unittest.TestCase):
    config = CONFIG

    def setUp(self):
        self.victim = Victim(self.config)
        self.addCleanup(self.end)
        self.client = None
        self.expected = {}  # session id: (metadata text, slots, fence) as acknowledged

    def tearDown(self):
        """However else the test went: the broker did not end by itself."""
        if self.victim.process and self.victim.process.poll() not in (None, 0, 1, -signal.SIGKILL):
            print(f"the broker ended with {self.victim.process.returncode}: " + self.victim.tail(), file=sys.stderr)
            self.fail("the broker crashed")

    def end(self):
        if self.client:
            self.client.close()
        if self.victim.process:
            self.victim.kill()

    # ---- the broker ----

    def begin(self, **environment):
        self.victim.live(**environment)
        self.client = self.victim.client()

    def crash(self, **environment):
        self.kill()
        self.begin(**environment)

    def kill(self):
        self.victim.kill_now()
        self.client.close()

    # ---- sessions ----

    def create(self, metadata="{}", **parameters):
        """A detached session, which needs nobody to outlive the broker."""
        given = {"owner": "detached", "timeout_ms": HOUR_MS, **parameters}
        self.client.send_raw(encode("Create", given, metadata))
        told = self.client.result()
        self.expected[told["session_id"]] = (metadata, told["slots"], told["fence"])
        return told["session_id"]

    def update(self, session, metadata):
        self.client.send_raw(encode("Update", {"session_id": session}, metadata))
        self.client.result()
        self.expected[session] = (metadata, *self.expected[session][1:])

    def release(self, session):
        self.client.call("Release", session_id=session)
        del self.expected[session]

    def listed(self):
        rows = [(reply["session"], metadata_of(raw)) for reply, raw in stream(self.client, "List", {})
                if "session" in reply]
        return {row["session_id"]: (metadata, row["slots"], row["fence"]) for row, metadata in rows}

    # ---- what is to be so ----

    def assertRefused(self, name, call):
        with self.assertRaises(Refused) as caught:
            call()
        self.assertEqual(caught.exception.name, name)
        return caught.exception.parameters

    def assertKept(self):
        """All that was acknowledged is there, and nothing else, and the counts add up."""
        self.assertEqual(self.listed(), self.expected)
        self.assertSound()

    def assertSound(self):
        self.assertEqual(self.client.call("Verify"), {"ok": True, "findings": []})
        metrics = self.client.metrics()
        ended = sum(metrics["lifetime_total_" + o] for o in
                    ("completed", "timeout", "error", "cancelled", "abandoned", "revoked"))
        self.assertEqual(metrics["lifetime_total_created"], metrics["active_sessions"] + ended)
        self.assertEqual(metrics["active_sessions"], len(self.listed()))

    def assertNotCreating(self):
        told = self.assertRefused("StoreUnavailable", self.create)
        metrics = self.client.metrics()
        self.assertIn(metrics["store"], ("full", "failed"))
        self.assertEqual(metrics["store_error"], told["reason"])
        self.assertTrue(told["reason"])

    def wait_until_creating(self):
        """The broker comes to itself without being asked to."""
        def creates():
            try:
                return self.create()
            except Refused as refusal:
                self.assertEqual(refusal.name, "StoreUnavailable")
                return None
        session = wait_for(creates, "the store")
        self.assertEqual(self.client.metrics()["store"], "ok")
        return session

    def assertServesAllElse(self, session):
        """While nothing can be created, what is there can be seen, changed and released."""
        self.assertEqual(self.listed(), self.expected)
        self.assertEqual(self.client.call("Get", session_id=session)["session"]["session_id"], session)
        self.assertIn("default", json.dumps(self.client.call("ListPools")))
        self.update(session, '{"changed": true}')
        self.client.call("Renew", session_id=session, timeout_ms=2 * HOUR_MS)
        self.assertEqual(self.listed(), self.expected)
