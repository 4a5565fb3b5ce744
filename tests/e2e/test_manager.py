# SPDX-License-Identifier: MIT
"""What users of the earlier in-process manager met, and what they rely on."""
import threading
import unittest

from broker import BrokerTest, Refused, wait_for


class Manager(BrokerTest):
    OPTIONS = ("--workers", "2")

    def in_parallel(self, n, work):
        """WORK with each of N connections at once; the results."""
        barrier, results = threading.Barrier(n), [None] * n
        clients = [self.client() for _ in range(n)]

        def run(i):
            barrier.wait()
            try:
                results[i] = work(clients[i])
            except Refused as refused:
                results[i] = refused

        threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return clients, results

    def test_sessions_at_once_from_as_many_connections(self):
        for n in (50, 100, 200):
            with self.subTest(n=n):
                clients, results = self.in_parallel(n, lambda c: c.create())
                self.assertEqual(sorted(r["slots"][0] for r in results), list(range(n)))
                self.assertEqual(len({r["fence"] for r in results}), n)
                for client, result in zip(clients, results):
                    client.call("Release", session_id=result["session_id"])
                    client.close()

    def test_the_201st_is_refused_and_counted(self):
        client = self.client()
        for _ in range(200):
            client.create()
        told = self.assertRefused("CapacityReached", client, "Create", pool="default", limit=200,
                                  used_units=200, requested_units=1, active_sessions=200)
        self.assertEqual(len(told["holders"]), 5)
        self.assertEqual(client.metrics()["sessions_rejected_capacity"], 1)

    def test_the_state_of_the_store_is_told(self):
        client = self.client()
        created = client.create()
        self.assertFalse(client.call("Get", session_id=created["session_id"])["session"]["orphaned"])
        metrics = client.metrics()
        self.assertIn(metrics["store"], ("none", "ok"))
        self.assertNotIn("store_error", metrics)
        self.assertLessEqual(metrics["store_used_bytes"], metrics["store_size_bytes"])
        self.assertGreaterEqual(metrics["commit"]["count"], 1 if metrics["store"] == "ok" else 0)
        self.assertEqual([metrics[name] for name in ("orphaned", "sessions_rejected_store")], [0, 0])
        self.assertEqual(metrics["totals"]["rejected_store"], 0)
        for pool in metrics["pools"]:
            self.assertEqual((pool["orphaned"], pool["totals"]["rejected_store"]), (0, 0))
        self.assertEqual({pool["orphaned"] for pool in client.call("ListPools")["pools"]}, {0})

    def test_ten_parallel_tries_at_a_full_pool_are_all_refused(self):
        holder = self.client()
        holder.call("SetPool", pool="fifty", limit=50)
        held = [holder.create(pool="fifty") for _ in range(50)]
        _, results = self.in_parallel(10, lambda c: c.create(pool="fifty"))
        self.assertEqual([r.name for r in results], ["CapacityReached"] * 10)
        self.assertEqual(holder.metrics()["sessions_rejected_capacity"], 10)
        for session in held[:7]:  # capacity is back after each release, the lowest slot first
            holder.call("Release", session_id=session["session_id"])
            self.assertEqual(holder.create(pool="fifty")["slots"], session["slots"])

    def test_metadata_of_the_limit_and_one_byte_more(self):
        client = self.client()
        for letter in ("x", "é", "😀"):
            overhead = len('{"k": ""}')
            width = len(letter.encode())
            text = letter * ((10240 - overhead) // width)
            text += "y" * (10240 - overhead - len(text.encode()))
            session = client.create(metadata={"k": text})
            self.assertEqual(session["metadata_bytes"], 10240)
            self.assertRefused("MetadataTooLarge", client, "Create",
                               {"metadata": {"k": text + "z"}}, size=10241, limit=10240)
            self.assertRefused("MetadataTooLarge", client, "Update",
                               {"session_id": session["session_id"], "metadata": {"k": text + "z"}},
                               size=10241, limit=10240)
        metrics = client.metrics()
        self.assertEqual(metrics["sessions_rejected_metadata_size"], 3)
        self.assertEqual(metrics["current_metadata_bytes"], 3 * 10240)

    def test_a_thousand_sessions_with_empty_metadata_leave_no_bytes(self):
        client = self.client()
        for _ in range(1000):
            session = client.create(metadata={})
            client.call("Release", session_id=session["session_id"])
        metrics = client.metrics()
        self.assertEqual(metrics["current_metadata_bytes"], 0)
        self.assertEqual(metrics["lifetime_total_completed"], 1000)

    def test_the_peak_stays_after_releases(self):
        client = self.client()
        held = [client.create() for _ in range(30)]
        for session in held:
            client.call("Release", session_id=session["session_id"])
        metrics = client.metrics()
        self.assertEqual((metrics["peak_concurrent_sessions"], metrics["active_sessions"]), (30, 0))

    def test_mixed_outcomes_give_the_exact_rates(self):
        client = self.client()
        for outcome, times in (("completed", 5), ("error", 2), ("cancelled", 4)):
            for _ in range(times):
                session = client.create()
                client.call("Release", session_id=session["session_id"], outcome=outcome)
        client.create(timeout_ms=1)
        wait_for(lambda: client.metrics()["lifetime_total_timeout"] == 1, "the time-out")
        metrics = client.metrics()
        self.assertEqual((metrics["success_rate"], metrics["error_rate"], metrics["timeout_rate"]),
                         (5 / 8, 2 / 8, 1 / 8))
        self.assertEqual(metrics["lifetime_total_cancelled"], 4)
        self.assertGreater(metrics["average_session_duration"], 0)

    def test_reset_counts_anew_from_what_is_live(self):
        client = self.client()
        live = [client.create(metadata={"a": 1}) for _ in range(3)]
        client.call("Release", session_id=live[0]["session_id"])
        before = client.metrics()
        client.call("ResetMetrics")
        after = client.metrics()
        self.assertEqual(after["lifetime_total_created"], 2)
        self.assertEqual(after["peak_concurrent_sessions"], 2)
        self.assertEqual(after["lifetime_total_completed"], 0)
        self.assertEqual(after["session_duration"]["count"], 0)
        self.assertEqual(after["current_metadata_bytes"], before["current_metadata_bytes"])
        self.assertEqual(after["totals"]["created"], 3)
        self.assertEqual(after["totals"]["session_duration"]["count"], 1)

    def test_a_never_started_session_ends_at_its_deadline(self):
        client = self.client()
        session = client.create(timeout_ms=30)
        wait_for(lambda: client.metrics()["active_sessions"] == 0, "the deadline")
        self.assertRefused("SessionEnded", client, "Release", {"session_id": session["session_id"]},
                           outcome="timeout")

    def test_a_completed_session_never_turns_into_a_timeout(self):
        client = self.client()
        session = client.create(timeout_ms=20)
        client.call("Release", session_id=session["session_id"])
        other = client.create(timeout_ms=60)
        wait_for(lambda: client.metrics()["lifetime_total_timeout"] == 1, "the other's deadline")
        history = client.call("History")["sessions"]
        self.assertEqual([(h["session_id"], h["outcome"]) for h in history],
                         [(other["session_id"], "timeout"), (session["session_id"], "completed")])

    def test_a_duplicate_request_id_takes_no_second_slot(self):
        client, again = self.client(), self.client()
        first = client.create(request_id="job-1", metadata={"n": 1})
        second = again.create(request_id="job-1", metadata={"n": 1})
        self.assertFalse(first["existing"])
        self.assertTrue(second["existing"])
        self.assertEqual(second["session_id"], first["session_id"])
        self.assertRefused("RequestIdInUse", client, "Create",
                           {"request_id": "job-1", "metadata": {"n": 2}}, request_id="job-1")
        self.assertEqual(client.metrics()["active_sessions"], 1)
        client.close()  # it belongs to the second connection now
        self.assertEqual(again.call("Get", request_id="job-1")["session"]["state"], "idle")
        again.close()
        with self.broker.client() as look:
            wait_for(lambda: look.metrics()["lifetime_total_abandoned"] == 1, "the end of its owner")


class Drain(BrokerTest):
    OPTIONS = ("--workers", "2")

    def drain(self, **parameters):
        return self.client().call("Drain", **parameters)

    def test_drain_with_none(self):
        report = self.drain()
        self.assertEqual((report["initial_active_sessions"], report["timeout_reached"]), (0, False))
        self.assertRefused("ShuttingDown", self.client(), "Create")
        metrics = self.client().metrics()
        self.assertTrue(metrics["shutdown_requested"])
        self.assertEqual(metrics["sessions_rejected_shutdown"], 1)

    def test_drain_with_some_that_end(self):
        holder, drainer = self.client(), self.client()
        held = [holder.create() for _ in range(3)]
        drainer.send("Drain", {"timeout_ms": -1})
        wait_for(lambda: holder.metrics()["shutdown_requested"], "the drain")
        for session in held:
            holder.call("Release", session_id=session["session_id"])
        report = drainer.result()
        self.assertEqual((report["initial_active_sessions"], report["final_active_sessions"],
                          report["sessions_completed_during_shutdown"], report["timeout_reached"],
                          report["total_sessions_at_shutdown"]), (3, 0, 3, False, 3))

    def test_drain_with_one_that_does_not_end(self):
        holder = self.client()
        holder.create()
        report = self.drain(timeout_ms=50)
        self.assertEqual((report["timeout_reached"], report["final_active_sessions"]), (True, 1))
        self.assertGreaterEqual(report["shutdown_duration"], 0.05)

    def test_a_second_drain_joins_and_resume_takes_it_back(self):
        holder, one, two = self.client(), self.client(), self.client()
        session = holder.create()
        one.send("Drain", {"timeout_ms": -1})
        wait_for(lambda: holder.metrics()["shutdown_requested"], "the drain")
        two.send("Drain", {"timeout_ms": -1})
        holder.call("Renew", session_id=session["session_id"])  # all else works
        self.client().call("Resume")
        for drainer in (one, two):
            self.assertEqual(drainer.result()["final_active_sessions"], 1)
        holder.create()

    def test_drain_with_exit_answers_and_ends(self):
        report = self.drain(exit=True)
        self.assertFalse(report["timeout_reached"])
        self.assertEqual(self.broker.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
