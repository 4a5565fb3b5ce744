# SPDX-License-Identifier: MIT
"""The store answers with errors: nobody is told of a session that is not stored, everything else goes
on, and all is well once the store is."""
import os
import signal
import time
import unittest

from stateful import CONFIG, HOUR_MS, StateTest, encode, wait_for
from broker import stop  # noqa: E402: stateful knows where

FAILS = "store.commit={}@1+"
RETRIED_S = 1.5  # what was changed meanwhile has been tried to be stored, and not been


class Errors(StateTest):
    ACTION = "eio"

    def setUp(self):
        super().setUp()
        self.begin()

    def break_store(self):
        self.victim.arm(FAILS.format(self.ACTION))

    def heal_store(self):
        self.victim.arm("")

    def test_creates_are_refused_and_all_else_goes_on(self):
        kept, other = self.create('{"n":1}'), self.create()
        self.break_store()
        self.assertNotCreating()
        self.assertServesAllElse(kept)
        self.release(other)
        time.sleep(RETRIED_S)
        self.assertEqual(self.listed(), self.expected)
        self.heal_store()
        self.wait_until_creating()
        self.assertKept()
        self.crash()
        self.assertKept()

    def test_a_crash_before_the_store_works_again_loses_nothing(self):
        kept, released = self.create('{"n":1}'), self.create()
        before = dict(self.expected)
        self.break_store()
        self.assertNotCreating()
        self.release(released)
        self.crash()  # it may come back: less is granted then, never more
        self.assertEqual(self.listed(), before)
        self.assertSound()
        self.client.call("Release", session_id=kept)

    def test_one_failure_refuses_only_its_own_turn(self):
        self.create()
        self.victim.arm(FAILS.format(self.ACTION).replace("+", ""))
        self.assertRefused("StoreUnavailable", self.create)
        self.wait_until_creating()
        self.crash()
        self.assertKept()

    def test_who_waits_goes_on_waiting(self):
        holder = self.create(pool="one")
        waiter = self.victim.client()
        waiter.wait(pool="one", owner="detached", timeout_ms=10**6)
        wait_for(lambda: self.client.metrics()["waiting_sessions"] == 1, "the wait")
        self.break_store()
        self.assertNotCreating()
        self.release(holder)
        self.assertNotCreating()
        self.assertFalse(waiter.has_reply())
        self.heal_store()
        told = waiter.result()
        waiter.close()
        self.assertEqual(told["slots"], [0])
        self.crash()
        self.assertIn(told["session_id"], self.listed())

    def test_a_refused_request_may_be_repeated(self):
        self.break_store()
        self.assertRefused("StoreUnavailable", lambda: self.create(request_id="again"))
        self.heal_store()
        self.wait_until_creating()
        session = self.create(request_id="again")
        self.assertKept()
        self.crash()
        self.assertKept()
        self.assertEqual(self.create(request_id="again"), session)

    def test_fences_of_refused_sessions_are_not_used_again(self):
        before = self.expected[self.create()][2]
        self.break_store()
        self.assertRefused("StoreUnavailable", self.create)
        self.heal_store()
        after = self.expected[self.wait_until_creating()][2]
        self.assertGreater(after, before)

    def test_what_was_told_of_a_session_that_was_taken_back_has_been_true(self):
        """The turn that made it may show it to others: it has ended since, as cancelled."""
        kept = self.create()  # nothing else is to be stored any more
        self.break_store()
        self.client.send_raw(encode("Create", {"request_id": "r", "owner": "detached"})
                             + encode("Get", {"request_id": "r"}) + encode("List", {}))
        replies = [self.client.receive() for _ in range(3)]
        self.assertTrue(replies[0]["error"].endswith("StoreUnavailable"), replies)
        told = replies[1]["parameters"]["session"]["session_id"]
        self.assertEqual(set(self.listed()), {kept})
        ended = {row["session_id"]: row["outcome"] for row in self.client.call("History")["sessions"]}
        self.assertEqual(ended[told], "cancelled")
        self.assertEqual(self.client.call("GetMetrics")["metrics"]["sessions_rejected_store"], 1)
        self.heal_store()

    def test_who_wants_no_reply_leaves_those_of_its_other_calls_whole(self):
        silent, loud = encode("Create", {}, oneway=True), encode("Create", {})
        for calls in ([silent, "pools"], ["pools", silent], [silent, loud], [loud, silent, "pools"]):
            self.break_store()
            self.client.send_raw(b"".join(
                encode("ListPools", {}) if call == "pools" else call for call in calls))
            for call in calls:
                if call == loud:
                    self.assertTrue(self.client.receive()["error"].endswith("StoreUnavailable"))
                elif call == "pools":
                    self.assertIn("pools", self.client.receive()["parameters"])
            self.assertEqual(self.listed(), {})
            self.heal_store()
            self.release(self.wait_until_creating())

    def test_a_watcher_is_told_of_the_end_of_what_was_taken_back(self):
        watcher = self.victim.client()
        watcher.send("Monitor", more=True)
        wait_for(lambda: "ready" in str(watcher.receive()), "the snapshot")
        self.break_store()
        self.assertRefused("StoreUnavailable", self.create)
        self.heal_store()
        session = self.wait_until_creating()
        live = set()
        while session not in live:
            event = watcher.receive()["parameters"]["event"]
            self.follow(event, live)
        self.assertEqual(live, {session})
        watcher.close()

    @staticmethod
    def follow(event, live):
        if event["type"] == "ended":
            live.discard(event["session"]["session_id"])
        elif event.get("session"):
            live.add(event["session"]["session_id"])

    def test_of_many_that_race_with_the_errors_each_is_stored_or_refused(self):
        clients = [self.victim.client() for _ in range(4)]
        self.victim.arm(f"store.commit={self.ACTION}@20")
        for n, client in enumerate(clients):
            for i in range(100):
                client.send_raw(encode("Create", {"owner": "detached", "timeout_ms": 10**6,
                                                  "request_id": f"{n}.{i}"}))
        granted = set()
        for client in clients:
            for _ in range(100):
                reply = client.receive()
                if "error" in reply:
                    self.assertTrue(reply["error"].endswith("StoreUnavailable"), reply)
                else:
                    granted.add(reply["parameters"]["session_id"])
            client.close()
        self.assertEqual(set(self.listed()), granted)
        self.crash()
        self.assertEqual(set(self.listed()), granted)
        self.assertSound()


class OneLoop(StateTest):
    """Who waits and who makes room are served by the same loop."""
    config = "[broker]\nworkers = 1\n" + CONFIG

    def test_a_grant_that_cannot_be_stored_is_refused(self):
        """It is decided in the very turn that finds the store broken, and told in the next one."""
        self.begin()
        holder = self.create(pool="one")
        waiter = self.victim.client()
        waiter.wait(pool="one", owner="detached", timeout_ms=10**6)
        wait_for(lambda: self.client.metrics()["waiting_sessions"] == 1, "the wait")
        self.victim.arm(FAILS.format("eio"))
        self.release(holder)
        self.assertRefused("StoreUnavailable", waiter.result)
        waiter.close()
        self.victim.arm("")
        self.wait_until_creating()
        self.assertKept()

    CREATE = encode("Create", {"owner": "detached", "timeout_ms": HOUR_MS}, '{"a":"%s"}' % ("x" * 200))
    CREATES = 20
    CLIENTS = 15  # that create so many: many times what a watcher is written at once

    def clients(self, n):
        clients = [self.victim.client() for _ in range(n)]
        for client in clients:
            self.addCleanup(client.close)
            client.metrics()  # in their order
        return clients

    def watcher(self):
        watcher, = self.clients(1)
        watcher.send("Monitor", more=True)
        wait_for(lambda: "ready" in str(watcher.receive()), "the snapshot")
        return watcher

    def burst(self, failpoints, said):
        """(client, what it says) each; all in one turn."""
        stop(self.victim.process.pid)
        for client, text in said:
            client.send_raw(text)
        self.victim.arm(failpoints)
        os.kill(self.victim.process.pid, signal.SIGCONT)

    @staticmethod
    def told(client, most):
        """The sessions that it is told of."""
        told = set()
        try:
            for _ in range(most):
                reply = client.receive()["parameters"]
                session = reply["event"].get("session") if "event" in reply else reply
                if session:
                    told.add(session["session_id"])
        except (EOFError, ConnectionError):
            pass
        return told

    def expect_stored(self, clients):
        """What they are told of, until the broker is killed."""
        told = set.union(*(self.told(client, 10**6) for client in clients))
        self.victim.process.wait()
        self.client.close()
        self.begin()
        self.assertLessEqual(told, self.listed().keys())

    def test_a_watcher_is_told_of_nothing_that_is_not_stored(self):
        self.begin()
        watcher, clients = self.watcher(), self.clients(self.CLIENTS)
        self.burst("store.before-commit=kill", [(client, self.CREATE * self.CREATES) for client in clients])
        self.expect_stored([watcher, *clients])

    def test_nor_is_who_creates_and_then_watches(self):
        """The reply to the Create lies before a long snapshot, and many events of others follow."""
        self.begin()
        for _ in range(150):
            self.create('{"a":"%s"}' % ("x" * 200))
        first, *others = self.clients(self.CLIENTS)
        self.burst("store.before-commit=kill",
                   [(first, self.CREATE + encode("Monitor", {}, more=True)),
                    *((client, self.CREATE * self.CREATES) for client in others)])
        self.expect_stored([first, *others])

    def test_a_watcher_is_told_all_of_a_burst_that_is_stored(self):
        self.begin()
        watcher, clients = self.watcher(), self.clients(self.CLIENTS)
        self.burst("", [(client, self.CREATE * self.CREATES) for client in clients])
        created = set.union(*(self.told(client, self.CREATES) for client in clients))
        self.assertEqual(len(created), self.CLIENTS * self.CREATES)
        seen = set()
        while seen != created:
            seen |= self.told(watcher, 1)


class NoSpace(Errors):
    ACTION = "enospc"


unittest.main()
