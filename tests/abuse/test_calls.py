# SPDX-License-Identifier: MIT
"""Abuse 11 to 16: calls without end, ends in the midst of calls, and waits that are raced."""
import os
import select
import signal
import socket
import threading
import time
import unittest

from abuse import AbuseTest, Client, Refused, wait_for

LIST_POOLS = b'{"method":"io.usher.Broker.ListPools"}\0'
CREATE = b'{"method":"io.usher.Broker.Create","parameters":{"pool":"one"}}\0'
WAIT = b'{"method":"io.usher.Broker.Create","parameters":{"pool":"one","wait_ms":-1}}\0'


class Reading(AbuseTest):
    CONFIG = "[broker]\nio_timeout = 300ms\n"

    def test_11_ten_thousand_calls_without_reading_stop_being_read_and_are_closed(self):
        """Reading stops at the limit for output: most of them never get into the daemon. Served are as many
        as have their replies, of 400 bytes, in the socket and in what may be unsent."""
        self.look.create(pool="one")
        with self.abuse(), self.broker.client() as client:
            before = self.look.metrics()["sessions_rejected_capacity"]
            with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                for _ in range(10000):
                    client.send_raw(CREATE)
            self.assertEqual(self.look.metrics()["connections_dropped"], 1)
            served = self.look.metrics()["sessions_rejected_capacity"] - before
            self.assertGreater(served, 100)
            self.assertLess(served, 1500)


class Ends(AbuseTest):
    def test_12_who_ends_its_side_after_calls_gets_the_replies_and_the_end(self):
        def offend():
            with self.broker.client() as client:
                client.send_raw(LIST_POOLS * 20)
                client.socket.shutdown(socket.SHUT_WR)
                for _ in range(20):
                    self.assertIn("pools", client.result())
                self.assertTrue(client.is_closed())
        with self.abuse():
            self.again_and_again(offend)

    def test_13_an_end_amid_a_message_or_a_wait_leaves_no_waiter_and_loses_no_slot(self):
        holder = self.look.create(pool="one")

        def offend():
            for cut in (1, 30, len(WAIT) - 1, len(WAIT)):
                client = self.broker.client()
                client.send_raw(WAIT[:cut])
                client.close()
            waiter = self.broker.client()
            waiter.send_raw(WAIT)
            wait_for(lambda: self.look.metrics()["waiting_sessions"] == 1, "it to wait")
            waiter.socket.shutdown(socket.SHUT_WR)  # nobody is left who could take it
            self.assertTrue(waiter.is_closed())
            waiter.close()
            wait_for(lambda: self.look.metrics()["waiting_sessions"] == 0, "it to be gone")
        with self.abuse():
            self.again_and_again(offend)
        self.look.call("Release", session_id=holder["session_id"])
        self.look.create(pool="one")


class Queues(AbuseTest):
    CONFIG = "[pool queue]\nlimit = 1\nmax_waiters = 20\n"
    N = 100000

    def test_14_a_hundred_thousand_waits_are_queue_full(self):
        held = self.look.create(pool="queue")
        call = WAIT.replace(b'"one"', b'"queue"')
        with self.abuse():
            for _ in range(20):
                self.client().send_raw(call)
            wait_for(lambda: self.look.metrics()["waiting_sessions"] == 20, "the queue")
            flood = self.client()
            sender = threading.Thread(target=lambda: flood.send_raw(call * self.N))
            sender.start()
            self.assertEqual(self.count_refusals(flood), self.N)
            sender.join()
            self.assertEqual(self.look.metrics()["waiting_sessions"], 20)
        self.look.call("Release", session_id=held["session_id"])

    def count_refusals(self, client):
        refused = replies = 0
        rest = b""
        while replies < self.N:
            piece = client.socket.recv(1 << 18)
            self.assertTrue(piece)
            whole, _, rest = (rest + piece).rpartition(b"\0")
            refused += whole.count(b'"io.usher.Broker.QueueFull"')
            replies += piece.count(b"\0")
        return refused


class Races(AbuseTest):
    def test_15_a_release_that_races_the_time_out_of_a_wait_has_one_outcome(self):
        holder, waiter = self.client(), self.client()
        outcomes = {"granted": 0, "WaitTimeout": 0}

        def offend(delay):
            held = holder.create(pool="one")
            waiter.send("Create", {"pool": "one", "wait_ms": 5})
            time.sleep(max(0, delay))
            holder.call("Release", session_id=held["session_id"])
            try:
                session = waiter.result()["session_id"]
                outcomes["granted"] += 1
                waiter.call("Release", session_id=session)
            except Refused as refusal:
                outcomes[refusal.name] += 1
            pool = next(p for p in holder.call("ListPools")["pools"] if p["pool"] == "one")
            self.assertEqual((pool["used_units"], pool["waiting_sessions"]), (0, 0))
        with self.abuse():
            for i in range(60):
                offend(0.0035 + i % 20 * 0.0002)
            self.assertFalse(select.select([waiter.socket], [], [], 0)[0], "a second answer")
        self.assertEqual(sum(outcomes.values()), 60)
        print(f"  of 60: {outcomes}")

    def waiting_process(self):
        """A client of its own that waits for the only slot, until it is killed."""
        pid = os.fork()
        if pid == 0:
            try:
                client = Client(self.broker.socket)
                client.send_raw(WAIT)
                while True:
                    client.receive()
            finally:
                os._exit(0)
        return pid

    def test_16_who_is_killed_while_it_is_woken_passes_the_slot_on(self):
        def offend():
            held = self.look.create(pool="one")
            victim = self.waiting_process()
            wait_for(lambda: self.look.metrics()["waiting_sessions"] == 1, "it to wait")
            heir = self.broker.client()
            heir.send_raw(WAIT)
            wait_for(lambda: self.look.metrics()["waiting_sessions"] == 2, "the next one")
            self.look.send("Release", {"session_id": held["session_id"]})
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            self.look.result()
            session = heir.result()["session_id"]
            heir.call("Release", session_id=session)
            heir.close()
        with self.abuse():
            for _ in range(20):
                offend()


if __name__ == "__main__":
    unittest.main()
