# SPDX-License-Identifier: MIT
"""Waiting: queues, fairness, priorities, time-outs, cancels, pauses and drains with waiters."""
import os
import random
import unittest

from broker import BrokerTest, Refused, wait_for

SMALL = "[pool p]\nlimit = 1\n[pool three]\nlimit = 3\n"


class Queue(BrokerTest):
    CONFIG = SMALL + "[pool short]\nlimit = 1\nmax_waiters = 2\nper_uid_waiters = 1\n"
    OPTIONS = ("--workers", "2")

    def waiting(self, client, pool="p"):
        pools = {p["pool"]: p for p in client.call("ListPools")["pools"]}
        return pools[pool]["waiting_sessions"]

    def queue(self, n, pool="p", **parameters):
        """A holder, and N connections that wait, in the order of their coming."""
        holder = self.client()
        held = holder.create(pool=pool)
        waiters = []
        for i in range(n):
            waiters.append(self.client())
            waiters[-1].wait(pool=pool, request_id=f"w{i}", **parameters)
            wait_for(lambda: self.waiting(holder, pool) == i + 1, "the queue")
        return holder, held["session_id"], waiters

    def test_a_release_grants_to_the_one_that_came_first(self):
        holder, held, waiters = self.queue(3)
        holder.call("Release", session_id=held)
        first = waiters[0].result()
        self.assertEqual((first["slots"], first["existing"]), ([0], False))
        self.assertFalse(waiters[1].has_reply() or waiters[2].has_reply())
        waiters[0].close()  # its session ends with it
        self.assertGreater(waiters[1].result()["fence"], first["fence"])

    def test_a_wait_that_is_over_is_refused(self):
        holder, held, _ = self.queue(0)
        self.assertRefused("WaitTimeout", holder, "Create", {"pool": "p", "wait_ms": 50}, pool="p")
        self.assertEqual(holder.metrics()["sessions_rejected_wait_timeout"], 1)
        holder.call("Release", session_id=held)

    def test_no_wait_is_refused_while_others_wait(self):
        holder, held, waiters = self.queue(1, pool="three", units=3)
        told = self.assertRefused("CapacityReached", holder, "Create", {"pool": "three"},
                                  waiting_sessions=1, used_units=1, limit=3)
        self.assertEqual(told["holders"][0]["session_id"], held)

    def test_a_small_request_does_not_pass_the_one_whose_turn_it_is(self):
        holder, held, waiters = self.queue(1, pool="three", units=3)
        small = self.client()
        small.wait(pool="three")
        wait_for(lambda: self.waiting(holder, "three") == 2, "the queue")
        self.assertFalse(small.has_reply())
        holder.call("Release", session_id=held)
        self.assertEqual(waiters[0].result()["slots"], [0, 1, 2])
        self.assertFalse(small.has_reply())

    def test_a_priority_is_a_head_start(self):
        holder, held, waiters = self.queue(2)
        urgent = self.client()
        urgent.wait(pool="p", priority=9)
        wait_for(lambda: self.waiting(holder) == 3, "the queue")
        holder.call("Release", session_id=held)
        self.assertEqual(urgent.result()["slots"], [0])

    def test_a_full_queue_refuses(self):
        self.skip_unless_root()
        holder, _, waiters = self.queue(1, pool="short")
        self.assertRefused("QueueFull", self.client(), "Create", {"pool": "short", "wait_ms": -1},
                           scope="user", limit=1, waiting=1)
        os.chmod(self.broker.socket, 0o666)
        other = self.client(1001)
        other.wait(pool="short")
        wait_for(lambda: self.waiting(holder, "short") == 2, "the queue")
        self.assertRefused("QueueFull", self.client(1002), "Create",
                           {"pool": "short", "wait_ms": 100}, scope="pool", limit=2, waiting=2)
        self.assertEqual(holder.metrics()["sessions_rejected_queue_full"], 2)

    def test_a_close_ends_the_wait(self):
        holder, held, waiters = self.queue(3)
        waiters[0].close()
        waiters[1].send_raw(b"{")  # behind the wait, and then the end
        waiters[1].close()
        wait_for(lambda: self.waiting(holder) == 1, "the ends")
        holder.call("Release", session_id=held)
        self.assertEqual(waiters[2].result()["slots"], [0])
        self.assertEqual(holder.metrics()["totals"]["wait_cancelled"], 2)

    def test_cancel_ends_the_wait_from_another_connection(self):
        holder, held, waiters = self.queue(2)
        holder.call("Cancel", request_id="w0")
        self.assertRaisesRefused("Cancelled", waiters[0], request_id="w0")
        self.assertRefused("NoSuchSession", holder, "Cancel", {"request_id": "w0"})
        self.assertEqual(self.waiting(holder), 1)
        holder.call("Release", session_id=held)
        waiters[1].result()
        self.assertRefused("InvalidState", holder, "Cancel", {"request_id": "w1"}, state="idle")

    def assertRaisesRefused(self, name, client, **wanted):
        with self.assertRaises(Refused) as caught:
            client.result()
        self.assertEqual(caught.exception.name, name)
        for key, value in wanted.items():
            self.assertEqual(caught.exception.parameters.get(key), value)

    def test_a_retry_takes_the_place_over(self):
        holder, held, waiters = self.queue(2)
        again = self.client()
        again.wait(pool="p", request_id="w0")
        self.assertRaisesRefused("Cancelled", waiters[0])
        self.assertEqual(self.waiting(holder), 2)
        holder.call("Release", session_id=held)
        self.assertTrue(again.result()["session_id"])
        self.assertFalse(waiters[1].has_reply())
        last = self.client()
        last.wait(pool="p", request_id="w0")
        self.assertTrue(last.result()["existing"])

    def test_places_are_told_with_more(self):
        holder, held, waiters = self.queue(1)
        told = self.client()
        told.send("Create", {"pool": "p", "wait_ms": -1}, more=True)
        first = told.receive()
        self.assertEqual(first, {"parameters": {"queued": {"position": 2, "waiting": 2}},
                                 "continues": True})
        waiters[0].close()
        self.assertEqual(told.receive()["parameters"]["queued"], {"position": 1, "waiting": 1})
        holder.call("Release", session_id=held)
        last = told.receive()
        self.assertNotIn("continues", last)
        self.assertEqual(last["parameters"]["slots"], [0])

    def test_waiters_are_rows(self):
        holder, held, waiters = self.queue(3, metadata={"a": 1})
        rows = holder.call("List", state="waiting")["sessions"]
        self.assertEqual([r["queued"]["position"] for r in rows], [1, 2, 3])
        self.assertEqual({r["state"] for r in rows}, {"waiting"})
        self.assertEqual(rows[0]["slots"], [])
        self.assertNotIn("fence", rows[0])
        row = holder.call("Get", request_id="w1")["session"]
        self.assertEqual(row["queued"], {"position": 2, "waiting": 3})
        self.assertRefused("InvalidState", holder, "Release", {"session_id": row["session_id"]},
                           state="waiting")
        self.assertEqual(holder.metrics()["waiting_sessions"], 3)
        self.assertEqual(holder.metrics()["current_metadata_bytes"], 0)

    def test_a_revoked_wait_is_cancelled(self):
        holder, held, waiters = self.queue(1)
        row = holder.call("Get", request_id="w0")["session"]
        holder.call("Revoke", session_id=row["session_id"])
        self.assertRaisesRefused("Cancelled", waiters[0])

    def test_a_pause_keeps_waiters_and_newcomers_join_them(self):
        admin = self.client()
        admin.call("Pause", pool="p")
        waiter = self.client()
        waiter.wait(pool="p")
        wait_for(lambda: self.waiting(admin) == 1, "the queue")
        self.assertRefused("Paused", admin, "Create", {"pool": "p"})
        admin.call("Resume", pool="p")
        self.assertEqual(waiter.result()["slots"], [0])

    def test_a_pause_that_ends_by_itself_grants(self):
        admin, waiter = self.client(), self.client()
        admin.call("Pause", for_ms=200)
        waiter.wait(pool="p")
        self.assertEqual(waiter.result()["slots"], [0])

    def test_a_drain_ends_waits(self):
        holder, held, waiters = self.queue(2)
        holder.send("Drain", {"timeout_ms": 0})
        self.assertTrue(holder.result()["timeout_reached"])
        for waiter in waiters:
            self.assertRaisesRefused("ShuttingDown", waiter)
        holder.call("Resume")

    def test_limits_that_change_grant_or_refuse(self):
        holder, held, waiters = self.queue(2)
        big = self.client()
        holder.call("SetPool", pool="p", limit=3)
        for waiter in waiters:
            waiter.result()
        big.wait(pool="p", units=3)
        wait_for(lambda: self.waiting(holder) == 1, "the queue")
        holder.call("SetPool", pool="p", limit=2)
        self.assertRaisesRefused("InvalidParameter", big, parameter="units")
        pool = [p for p in holder.call("ListPools")["pools"] if p["pool"] == "p"][0]
        self.assertEqual((pool["over"], pool["used_units"], pool["source"]), (1, 3, "runtime"))

    def test_settings_of_nothing_are_refused(self):
        admin = self.client()
        for parameter in ("per_uid_limit", "per_process_limit", "per_label_limit",
                          "starve_after_ms"):
            self.assertRefused("InvalidParameter", admin, "SetPool", {"pool": "p", parameter: 0},
                               parameter=parameter)
        told = admin.call("SetPool", pool="p", per_uid_limit=-1, starve_after_ms=-1)["pool"]
        self.assertEqual((told["per_uid_limit"], told["starve_after_ms"]), (-1, -1))

    def test_cancel_takes_no_ones_wait_for_anothers(self):
        self.skip_unless_root()
        os.chmod(self.broker.socket, 0o666)
        admin, one, two = self.client(), self.client(1001), self.client(1002)
        admin.create(pool="p")
        for waiter in (one, two):
            waiter.wait(pool="p", request_id="job")
        wait_for(lambda: self.waiting(admin) == 2, "the queue")
        self.assertRefused("InvalidParameter", admin, "Cancel", {"request_id": "job"},
                           parameter="request_id")
        rows = {r["uid"]: r for r in admin.call("List", state="waiting")["sessions"]}
        admin.call("Revoke", session_id=rows[1002]["session_id"])
        self.assertRaisesRefused("Cancelled", two, request_id="job")
        admin.call("Cancel", request_id="job")
        self.assertRaisesRefused("Cancelled", one, request_id="job")

    def test_the_log_says_what_an_admin_did(self):
        admin = self.client()
        admin.call("SetPool", pool="p", enforce=False)
        admin.call("Pause", pool="p", for_ms=700, reason="check")
        admin.call("Resume", pool="p")
        log = self.broker.log.read_text()
        self.assertRegex(log, r'uid \d+ pid \d+ set a pool: .*"enforce": false')
        self.assertRegex(log, r'paused a pool: .*"for_ms": 700')

    def test_a_pool_that_is_removed_ends_its_waits(self):
        holder, held, waiters = self.queue(1)
        self.broker.config.write_text("")
        holder.call("Reload")
        self.assertRaisesRefused("NoSuchPool", waiters[0], pool="p")


class Crowd(BrokerTest):
    """500 waiters of 5 users and 7 labels, with everything that can happen to them; the stream of
    events, which is in the order of the lock, is held against the rules."""
    CONFIG = "[broker]\nsocket_mode = 0666\nmax_output = 16M\n[pool p]\nlimit = 3\nage_step = 1s\n"
    OPTIONS = ("--workers", "2")
    USERS = [1001, 1002, 1003, 1004, 1005]

    def test_500_waiters_are_served_by_the_rules(self):
        self.skip_unless_root()
        seed = int(os.environ.get("USHER_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}")
        self.random = random.Random(seed)
        watcher = self.client()
        watcher.send("Monitor", {"pool": "p"}, more=True)
        while watcher.result()["event"]["type"] != "ready":
            pass
        waiting, holding = self.arrive(500), []
        admin = self.client()
        while waiting or holding:
            self.step(admin, waiting, holding)
        wait_for(lambda: admin.metrics()["active_sessions"] == 0, "the last ends")
        self.check_events(watcher)

    def arrive(self, n):
        waiters = []
        for i in range(n):
            client = self.client(self.random.choice(self.USERS))
            client.name = f"r{i}"
            client.wait(pool="p", request_id=client.name, units=self.random.randint(1, 3),
                        priority=self.random.randint(0, 9),
                        label=f"label{self.random.randrange(7)}")
            waiters.append(client)
        return waiters

    def step(self, admin, waiting, holding):
        for client in [c for c in waiting if c.has_reply()]:
            waiting.remove(client)
            try:
                client.session = client.result()["session_id"]
                holding.append(client)
            except Refused as refused:
                self.assertEqual(refused.name, "Cancelled")
                client.close()
        what = self.random.random()
        if waiting and what < 0.1:
            try:
                admin.call("Cancel", request_id=self.random.choice(waiting).name)
            except Refused as refused:
                self.assertIn(refused.name, ("InvalidState", "NoSuchSession"))  # decided just now
        elif waiting and what < 0.2:
            waiting.pop(self.random.randrange(len(waiting))).close()
        elif holding and what < 0.3:
            holding.pop(self.random.randrange(len(holding))).close()
        elif holding:
            client = holding.pop(self.random.randrange(len(holding)))
            client.call("Release", session_id=client.session)
            client.close()

    def check_events(self, watcher):
        """Replay: each grant must be to the one that the rules choose, and fit."""
        self.waiting, self.live, self.granted = {}, {}, 0
        ended = 0
        while ended < 500:
            event = watcher.result()["event"]
            session = event["session"]
            if event["type"] == "queued":
                self.waiting[session["session_id"]] = session
            elif event["type"] in ("granted", "created"):
                self.check_grant(session)
            elif event["type"] == "ended":
                ended += 1
                self.waiting.pop(session["session_id"], None)
                self.live.pop(session["session_id"], None)
        self.assertEqual((self.waiting, self.live), ({}, {}))
        self.assertGreater(self.granted, 100)

    def held(self, uid):
        return sum(s["units"] for s in self.live.values() if s["uid"] == uid)

    def check_grant(self, session):
        order = list(self.waiting)
        if session["session_id"] in self.waiting:
            chosen = order.index(session["session_id"])
            for place, other in enumerate(order):
                self.check_order(
                    self.waiting[session["session_id"]], self.waiting[other], place < chosen)
            del self.waiting[session["session_id"]]
        else:
            self.assertEqual(self.waiting, {})  # created at once: nobody was passed
        self.live[session["session_id"]] = session
        self.assertLessEqual(sum(s["units"] for s in self.live.values()), 3)
        self.granted += 1

    def check_order(self, session, other, is_before):
        held, others_held = self.held(session["uid"]), self.held(other["uid"])
        self.assertLessEqual(held, others_held)
        if held < others_held:
            return
        if session["priority"] == other["priority"]:
            self.assertFalse(is_before)
        else:  # each worker reads the time of day itself
            self.assertLess(self.rank(session), self.rank(other) + 1000)

    def rank(self, session):
        return session["created_at"] - session["priority"] * 1000000


if __name__ == "__main__":
    unittest.main()
