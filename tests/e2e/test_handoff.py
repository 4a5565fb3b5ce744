# SPDX-License-Identifier: MIT
"""Restarts that no client notices: everything goes through the service manager's fd store."""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

from broker import BrokerTest, Refused, wait_for
from service_manager import Notifications, Service

HAS_FAILPOINTS = b"USHER_FAILPOINTS_FILE" in pathlib.Path(os.environ["USHERD"]).read_bytes()

VERSION_AT, CONSUMED_AT = 8, 12  # of the memfd's header


class HandoffTest(BrokerTest):
    CONFIG = "[pool one]\nlimit = 1\n[pool hold]\nlimit = 5\non_timeout = hold\n"
    OPTIONS = ("--workers", "2")
    ACTIVATED = True

    def setUp(self):
        self.broker = Service(self.CONFIG, *self.OPTIONS, activated=self.ACTIVATED)
        self.addCleanup(self.broker.kill)
        self.clients = []

    def restart(self):
        self.broker.restart()
        self.assertEqual(self.broker.store.items, [])
        self.assertIn("took over", self.broker.text().rpartition("handed over")[2])

    def queue(self, look, clients, **parameters):
        """One after the other, so that their order is known."""
        for i, client in enumerate(clients):
            client.wait(request_id=f"w{i}", **parameters)
            wait_for(lambda: look.metrics()["waiting_sessions"] == i + 1, "it to wait")

    def left(self):
        """End the daemon; the memfd that it left."""
        self.assertEqual(self.broker.end(), 0)
        names = [name for name, _ in self.broker.store.items]
        self.assertEqual(names, ["handover"] * 3)
        [memfd] = [fd for _, fd in self.broker.store.items if self.is_file(fd)]
        self.assertEqual(os.pread(memfd, 8, 0), b"usher-fd")
        return memfd

    def is_file(self, fd):
        return os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:")

    def get(self, client, session):
        return client.call("Get", session_id=session["session_id"])["session"]


class Connections(HandoffTest):
    def test_they_stay_open_and_sessions_stay_theirs(self):
        clients = [self.client() for _ in range(50)]
        sessions = [client.create() for client in clients]
        self.restart()
        for client, session in zip(clients, sessions):
            self.assertEqual(self.get(client, session)["owner"], "connection")
        clients[0].close()
        look = self.client()
        wait_for(lambda: look.metrics()["lifetime_total_abandoned"] == 1, "the end of its owner")
        self.assertEqual(look.metrics()["active_sessions"], 49)

    def test_half_a_request_is_gone_on_with(self):
        client = self.client()
        text = b'{"method":"io.usher.Broker.Create","parameters":{"request_id":"half"}}\0'
        for cut in (1, 20, len(text) - 1):
            client.send_raw(text[:cut])
            wait_for(lambda: not self.unread(client), "the daemon to read it")
            self.restart()
            client.send_raw(text[cut:])
            self.assertEqual(client.result()["request_id"], "half")

    def unread(self, client):
        """Bytes that the daemon has not taken out of the socket yet."""
        import array
        import fcntl
        left = array.array("i", [0])
        fcntl.ioctl(client.socket, 0x5411, left)  # SIOCOUTQ
        return left[0]

    def test_requests_that_were_not_served_yet_are(self):
        """Behind a Create that waits they lie in the daemon, and some in the socket."""
        holder, client = self.client(), self.client()
        held = holder.create(pool="one")
        client.wait(pool="one", request_id="first")
        client.send_raw(b"".join(  # at once: each write costs a kilobyte of the socket's room
            b'{"method":"io.usher.Broker.Create","parameters":{"request_id":"behind-%d"}}\0' % i
            for i in range(150)))
        self.restart()
        self.restart()
        holder.call("Release", session_id=held["session_id"])
        self.assertEqual(client.result()["request_id"], "first")
        for i in range(150):
            self.assertEqual(client.result()["request_id"], f"behind-{i}")

    def test_megabytes_that_were_not_read_come_whole(self):
        client, reader = self.client(), self.client()
        for i in range(190):
            client.create(metadata={"i": i, "fill": "x" * 9000})
        for _ in range(20):
            reader.send("List", more=True)
        wait_for(lambda: reader.has_reply(), "the first replies")
        self.restart()
        for _ in range(20):
            seen = []
            while True:
                reply = reader.receive()
                if not reply.get("continues"):
                    break
                seen.append(reply["parameters"]["session"]["metadata"]["i"])
            self.assertEqual(seen, list(range(190)))

    def test_a_stream_goes_on_where_it_was(self):
        client, reader = self.client(), self.client()
        sessions = [client.create(metadata={"fill": "y" * 10000}) for _ in range(150)]
        reader.send("List", {"where": {}, "pool": "default"}, more=True)
        seen = [reader.result()["session"]["session_id"] for _ in range(10)]
        self.restart()
        client.call("Release", session_id=sessions[149]["session_id"])
        while True:
            reply = reader.receive()
            if not reply.get("continues"):
                break
            seen.append(reply["parameters"]["session"]["session_id"])
        self.assertEqual(seen, [s["session_id"] for s in sessions][:149])

    def test_a_refused_one_is_told_after_it(self):
        self.broker.config.write_text("[broker]\nmax_connections_per_uid = 3\n")
        client = self.client()
        client.call("Reload")
        self.client().create(), self.client().create()
        refused, silent = self.client(), self.client()
        wait_for(lambda: client.metrics()["connections_refused"] == 2, "the refusals")
        self.restart()
        self.assertRefused("TooManyConnections", refused, "GetMetrics", limit=3)
        self.assertTrue(refused.is_closed())
        self.assertTrue(silent.is_closed())  # after a while
        self.broker.config.write_text("")
        client.call("Reload")

    def test_one_that_has_hung_up_meanwhile_is_gone(self):
        client, gone = self.client(), self.client()
        gone.create()
        self.broker.end()
        gone.close()
        self.broker.run()
        wait_for(lambda: client.metrics()["lifetime_total_abandoned"] == 1, "its end")

    def test_those_who_connect_meanwhile_are_served(self):
        self.client().create()
        self.broker.end()
        late = [self.client() for _ in range(20)]
        for client in late:
            client.send("Create")
        self.broker.run()
        for client in late:
            self.assertIn("session_id", client.result())

    def test_a_message_that_is_too_long_is_still_refused(self):
        client = self.client()
        client.send_raw(b"x" * 50000)
        wait_for(lambda: not self.unread(client), "the daemon to read it")
        self.restart()
        client.send_raw(b"x" * 50000)
        with self.assertRaises(Refused):
            client.result()
        self.assertTrue(client.is_closed())


class Waits(HandoffTest):
    def test_waiters_keep_their_order(self):
        holder = self.client()
        held = holder.create(pool="one")
        waiters = [self.client() for _ in range(40)]
        for i, client in enumerate(waiters):
            client.send("Create", {"pool": "one", "wait_ms": -1, "request_id": f"w{i}",
                                   "priority": 0 if i % 4 else 3})
            wait_for(lambda: holder.metrics()["waiting_sessions"] == i + 1, "it to wait")
        places = self.places(holder)
        self.restart()
        self.assertEqual(self.places(holder), places)
        order = sorted(range(40), key=lambda i: (i % 4 != 0, i))
        for i in order:
            holder.call("Release", session_id=held["session_id"])
            held = waiters[i].result()
            self.assertEqual(held["request_id"], f"w{i}")
            holder = waiters[i]
            if i % 10 == 3:
                self.restart()
        self.assertEqual(holder.metrics()["waiting_sessions"], 0)

    def places(self, client):
        sessions = client.call("List", state="waiting")["sessions"]
        return [(s["request_id"], s["queued"]["position"], s["created_at"]) for s in sessions]

    def test_a_wait_ends_when_it_would_have(self):
        holder, client = self.client(), self.client()
        holder.create(pool="one")
        begun = time.monotonic()
        client.send("Create", {"pool": "one", "wait_ms": 700})
        time.sleep(0.2)
        self.restart()
        told = self.assertRaisesRefused("WaitTimeout", client)
        self.assertGreaterEqual(time.monotonic() - begun, 0.7)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertLess(told["waited_ms"], 5000)
        self.assertGreaterEqual(told["waited_ms"], 700)

    def assertRaisesRefused(self, name, client):
        with self.assertRaises(Refused) as caught:
            client.result()
        self.assertEqual(caught.exception.name, name)
        return caught.exception.parameters

    def test_progress_goes_on(self):
        holder, first, second = self.client(), self.client(), self.client()
        held = holder.create(pool="one")
        first.wait(pool="one")
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 1, "the first")
        second.send("Create", {"pool": "one", "wait_ms": -1}, more=True)
        self.assertEqual(second.result()["queued"], {"position": 2, "waiting": 2})
        self.restart()
        first.close()
        self.assertEqual(second.result()["queued"], {"position": 1, "waiting": 1})
        holder.call("Release", session_id=held["session_id"])
        self.assertIn("session_id", second.result())

    def test_one_can_be_cancelled_or_taken_over(self):
        holder, one, two, again = (self.client() for _ in range(4))
        holder.create(pool="one")
        one.wait(pool="one", request_id="a")
        two.wait(pool="one", request_id="b")
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 2, "both")
        self.restart()
        holder.call("Cancel", request_id="a")
        self.assertRaisesRefused("Cancelled", one)
        again.wait(pool="one", request_id="b")
        self.assertRaisesRefused("Cancelled", two)
        self.assertEqual(holder.metrics()["waiting_sessions"], 1)

    def test_a_slot_that_was_freed_just_before_goes_to_the_next(self):
        for _ in range(10):
            holder, client = self.client(), self.client()
            held = holder.create(pool="one")
            client.wait(pool="one")
            holder.send("Release", {"session_id": held["session_id"]})
            self.restart()
            session = client.result()
            client.call("Release", session_id=session["session_id"])

    def test_who_does_not_fit_the_new_configuration_is_told(self):
        holder, client = self.client(), self.client()
        holder.call("Pause", pool="hold")
        client.wait(pool="hold", units=4)
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 1, "the wait")
        self.broker.config.write_text("[pool hold]\nlimit = 3\non_timeout = hold\n")
        self.restart()
        self.assertRaisesRefused("InvalidParameter", client)

    def test_who_fits_by_the_new_configuration_is_granted(self):
        holder, client = self.client(), self.client()
        holder.create(pool="one")
        client.wait(pool="one")
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 1, "the wait")
        self.broker.config.write_text("[pool one]\nlimit = 2\n")
        self.restart()
        self.assertEqual(client.result()["slots"], [1])

    def test_a_drain_goes_on_for_who_waits_for_it(self):
        holder, drainer = self.client(), self.client()
        held = [holder.create() for _ in range(3)]
        drainer.send("Drain", {"timeout_ms": -1})
        wait_for(lambda: holder.metrics()["shutdown_requested"], "the drain")
        holder.call("Release", session_id=held[0]["session_id"])
        self.restart()
        self.assertRefused("ShuttingDown", holder, "Create")
        for session in held[1:]:
            holder.call("Release", session_id=session["session_id"])
        report = drainer.result()
        self.assertEqual((report["initial_active_sessions"], report["final_active_sessions"],
                          report["sessions_completed_during_shutdown"], report["timeout_reached"]),
                         (3, 0, 3, False))
        self.restart()  # nobody waits for it any more: a restart is a new beginning
        holder.create()

    def test_a_drain_that_takes_too_long_ends_in_time(self):
        holder, drainer = self.client(), self.client()
        holder.create()
        drainer.send("Drain", {"timeout_ms": 600})
        wait_for(lambda: holder.metrics()["shutdown_requested"], "the drain")
        self.restart()
        report = drainer.result()
        self.assertEqual(report["timeout_reached"], True)
        self.assertGreaterEqual(report["shutdown_duration"], 0.6)


class Watchers(HandoffTest):
    def watch(self, **parameters):
        client = self.client()
        client.send("Monitor", parameters, more=True)
        while client.result()["event"]["type"] != "ready":
            pass
        return client

    def test_they_miss_nothing_and_are_told_nothing_twice(self):
        client = self.client()
        watchers = [self.watch() for _ in range(5)] + [self.watch(pool="one"), self.watch(own=True)]
        wanted = []
        for n in range(30):
            session = client.create(pool="one")
            client.call("Release", session_id=session["session_id"])
            wanted += [("created", session["session_id"]), ("ended", session["session_id"])]
            if n % 10 == 5:
                self.restart()
        for watcher in watchers:
            told = [watcher.result()["event"] for _ in wanted]
            self.assertEqual([(e["type"], e["session"]["session_id"]) for e in told], wanted)
            sequences = [e["sequence"] for e in told]
            self.assertEqual(sequences, sorted(set(sequences)))
        self.assertEqual(client.metrics()["watchers"], 7)

    def test_one_in_its_snapshot_is_told_the_rest_of_it(self):
        client, watcher = self.client(), self.client()
        sessions = [client.create(metadata={"fill": "z" * 10000}) for _ in range(199)]
        watcher.send("Monitor", more=True)
        first = watcher.result()["event"]
        self.assertEqual(first["type"], "snapshot")
        last = client.create()
        self.restart()
        client.call("Release", session_id=last["session_id"])
        events, seen = [], []
        while len(events) < 2:
            event = watcher.result()["event"]
            if event["type"] == "snapshot" and "session" in event:
                seen.append(event["session"]["session_id"])
            elif event["type"] not in ("snapshot", "ready", "pool"):
                events.append((event["type"], event["session"]["session_id"]))
        self.assertEqual(seen[:199], [s["session_id"] for s in sessions])
        self.assertEqual(events, [("created", last["session_id"]), ("ended", last["session_id"])])

    def test_one_of_a_session_ends_with_it(self):
        client = self.client()
        session = client.create()
        watcher = self.watch(session_id=session["session_id"])
        self.restart()
        client.call("Release", session_id=session["session_id"])
        reply = watcher.receive()
        self.assertEqual(reply["parameters"]["event"]["type"], "ended")
        self.assertNotIn("continues", reply)
        watcher.call("GetMetrics")


class State(HandoffTest):
    """What the table knows."""

    STEADY = ("session_id", "request_id", "pool", "state", "slots", "units", "fence", "priority",
              "label", "owner", "uid", "pid", "comm", "created_at", "started_at", "expires_at",
              "timeout_ms", "overdue", "orphaned", "revoking", "metadata", "metadata_bytes")

    def steady(self, session):
        return {key: session.get(key) for key in self.STEADY}

    def close_to(self, before, after):
        """expires_at is calculated from two clocks that are not read at one instant."""
        for one, other in zip(before, after):
            if one["expires_at"]:
                self.assertLess(abs(one["expires_at"] - other["expires_at"]), 20000)
            one["expires_at"] = other["expires_at"] = None
        self.assertEqual(before, after)

    def test_every_field_of_every_session_stays(self):
        client = self.client()
        client.create(metadata={"a": 1, "text": "é😀"}, label="l", priority=3, units=4,
                      request_id="one", timeout_ms=500000)
        client.create(owner="process")
        client.create(owner="detached", timeout_ms=100000)
        started = client.create(timeout_ms=-1)
        client.call("Start", session_id=started["session_id"])
        revoked = client.create(pool="hold")
        client.call("Revoke", session_id=revoked["session_id"])
        client.create(pool="hold", timeout_ms=1, request_id="late")
        wait_for(lambda: client.metrics()["overdue"] == 1, "it to be overdue")
        before = [self.steady(s) for s in client.call("List")["sessions"]]
        self.assertEqual(len(before), 6)
        self.restart()
        after = [self.steady(s) for s in client.call("List")["sessions"]]
        self.close_to(before, after)

    def test_deadlines_are_exact(self):
        client = self.client()
        begun = time.monotonic()
        session = client.create(timeout_ms=3000)
        made = time.monotonic()
        later = client.create(timeout_ms=600000)
        self.restart()
        read = time.monotonic()
        left = self.get(client, session)["remaining_ms"]
        self.assertLessEqual(left, 3000 - (read - made) * 1000 + 1)
        self.assertGreaterEqual(left, 3000 - (time.monotonic() - begun) * 1000)
        self.restart()
        wait_for(lambda: client.metrics()["lifetime_total_timeout"] == 1, "the deadline")
        self.assertGreaterEqual(time.monotonic() - begun, 3)
        history = client.call("History")["sessions"]
        self.assertLess(history[0]["ended_at"] - history[0]["created_at"], 5000000)
        self.assertGreater(self.get(client, later)["remaining_ms"], 590000)

    def test_a_renewal_that_lies_in_the_socket_beats_the_deadline(self):
        client = self.client()
        session = client.create(timeout_ms=400)
        self.broker.end()
        client.send("Renew", {"session_id": session["session_id"], "timeout_ms": 60000})
        time.sleep(0.5)
        self.broker.run()
        client.result()
        self.assertEqual(self.get(client, session)["state"], "idle")

    def test_the_history_and_the_counters_go_on(self):
        client = self.client()
        for i in range(20):
            session = client.create(metadata={"i": i})
            client.call("Release", session_id=session["session_id"], result=f"r{i}",
                        outcome=("completed", "error", "cancelled")[i % 3])
        client.call("ResetMetrics")
        for _ in range(5):
            client.call("Release", session_id=client.create(pool="one")["session_id"])
        before, metrics = client.call("History")["sessions"], client.metrics()
        self.restart()
        self.assertEqual(client.call("History")["sessions"], before)
        after = client.metrics()
        for key in ("lifetime_total_created", "lifetime_total_completed", "peak_concurrent_sessions",
                    "average_session_duration", "session_duration", "totals"):
            if key == "totals":
                for kind in ("created", "completed", "error", "cancelled", "session_duration"):
                    self.assertEqual(after[key][kind], metrics[key][kind], kind)
            else:
                self.assertEqual(after[key], metrics[key], key)
        self.assertRefused("SessionEnded", client, "Release",
                           {"session_id": before[-1]["session_id"]}, outcome="completed")

    def test_a_create_that_is_repeated_is_known(self):
        client, again = self.client(), self.client()
        session = client.create(request_id="same", metadata={"k": [1, 2]}, label="x")
        self.restart()
        repeated = again.create(request_id="same", metadata={"k": [1, 2]}, label="x")
        self.assertTrue(repeated["existing"])
        self.assertEqual(repeated["session_id"], session["session_id"])
        self.assertRefused("RequestIdInUse", again, "Create", {"request_id": "same"})

    def test_pools_made_at_run_time_and_pauses_stay(self):
        client = self.client()
        client.call("SetPool", pool="made", limit=7, per_uid_limit=3, on_timeout="hold")
        client.call("Pause", pool="one", reason="repairs", for_ms=600000)
        pools = {p["pool"]: p for p in client.call("ListPools")["pools"]}
        self.restart()
        after = {p["pool"]: p for p in client.call("ListPools")["pools"]}
        for pool in (*pools.values(), *after.values()):
            until = pool.pop("paused_until", None)
            self.assertEqual(bool(until), pool["pool"] == "one")
        self.assertEqual(after, pools)
        self.assertRefused("Paused", client, "Create", {"pool": "one"}, reason="repairs")

    def test_fences_only_rise(self):
        client = self.client()
        last = 0
        for _ in range(5):
            fence = client.create()["fence"]
            self.assertGreater(fence, last)
            last = fence
            self.restart()


class Processes(HandoffTest):
    def hold(self, owner):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child, self.client().create(owner="process", pid=child.pid, request_id=owner)

    def test_their_exit_is_seen_after_it(self):
        child, session = self.hold("a")
        client = self.client()
        self.restart()
        self.assertEqual(self.get(client, session)["pid"], child.pid)
        self.assertEqual(client.metrics()["active_sessions"], 1)
        child.kill()
        wait_for(lambda: client.metrics()["lifetime_total_abandoned"] == 1, "its end")

    def test_their_exit_meanwhile_is_seen_too(self):
        child, _ = self.hold("a")
        client = self.client()
        self.broker.end()
        child.kill()
        child.wait()
        self.broker.run()
        wait_for(lambda: client.metrics()["lifetime_total_abandoned"] == 1, "its end")

    def test_a_wait_for_a_process_goes_on(self):
        child, _ = self.hold("a")
        holder, client = self.client(), self.client()
        held = holder.create(pool="one")
        client.wait(pool="one", owner="process", pid=child.pid)
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 1, "the wait")
        self.restart()
        holder.call("Release", session_id=held["session_id"])
        session = client.result()
        self.assertEqual(self.get(holder, session)["pid"], child.pid)
        child.kill()
        wait_for(lambda: holder.metrics()["lifetime_total_abandoned"] == 2, "the end of both")


class WithoutState(State):
    """All of it comes out of the description."""

    OPTIONS = ("--workers", "3", "--state", "none")


class OwnSocket(Connections):
    """Bound by the daemon itself: the socket and its lock go over, too."""

    ACTIVATED = False

    def test_the_socket_stays_the_same(self):
        inode = os.stat(self.broker.socket).st_ino
        client = self.client()
        self.restart()
        self.assertEqual(os.stat(self.broker.socket).st_ino, inode)
        other = subprocess.run([os.environ["USHERD"], "--socket", self.broker.socket, "--state",
                                "none"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertIn("another usherd serves this socket", other.stdout)
        client.create()

    def test_it_is_bound_anew_where_it_cannot_be_taken(self):
        """The lock and the socket that are still in the store are not in the way."""
        client = self.client()
        session = client.create(timeout_ms=60000)
        os.pwrite(self.left(), struct.pack("I", 99), VERSION_AT)
        self.broker.run()
        self.assertIn("it is of version 99", self.broker.text())
        self.assertTrue(client.is_closed())
        self.assertTrue(self.get(self.client(), session)["orphaned"])

    @unittest.skipUnless(HAS_FAILPOINTS, "this usherd is built without failpoints")
    def test_it_is_bound_anew_where_half_of_it_was_taken(self):
        client = self.client()
        session = client.create(timeout_ms=60000)
        self.left()
        self.broker.environment = {"USHER_FAILPOINTS": "handoff.end=eio"}
        self.broker.run()
        self.broker.environment = {}
        self.assertTrue(client.is_closed())
        self.assertTrue(self.get(self.client(), session)["orphaned"])

    def test_another_path_is_bound_anew(self):
        client = self.client()
        client.create()
        old, self.broker.socket = self.broker.socket, self.broker.directory / "other.sock"
        self.restart()
        self.assertEqual(client.metrics()["active_sessions"], 1)
        self.client().create()
        with socket.socket(socket.AF_UNIX) as probe:
            self.assertNotEqual(probe.connect_ex(str(old)), 0)


class Often(HandoffTest):
    def test_thirty_times_under_load_and_nothing_piles_up(self):
        clients = [self.client() for _ in range(300)]
        watcher = self.client()
        watcher.send("Monitor", {"pool": "one"}, more=True)
        held = [clients[i].create(timeout_ms=600000) for i in range(100)]
        one = clients[0].create(pool="one")
        self.queue(clients[0], clients[100:200], pool="one")
        counts = []
        for n in range(30):
            for i, client in enumerate(clients[200:]):
                client.send("Create", {"request_id": f"{n}.{i}"})
            self.restart()
            counts.append(self.broker.descriptors())
            for client in clients[200:]:
                client.call("Release", session_id=client.result()["session_id"])
        self.assertLessEqual(max(counts) - min(counts), 2)
        self.assertEqual(clients[0].metrics()["active_sessions"], 101)
        for session in held:
            self.assertEqual(self.get(clients[0], session)["orphaned"], False)
        holder = clients[0]
        for i in range(100):
            holder.call("Release", session_id=one["session_id"])
            holder = clients[100 + i]
            one = holder.result()
            self.assertEqual(one["request_id"], f"w{i}")

    def test_more_than_one_message_of_descriptors(self):
        clients = [self.client() for _ in range(700)]
        sessions = [c.create(owner="detached", timeout_ms=600000, pool="many")["slots"][0]
                    for c in clients]
        self.restart()
        self.assertEqual(sessions, list(range(700)))
        for client in clients:
            client.send("Create", {"pool": "many"})
        self.assertEqual(sorted(c.result()["slots"][0] for c in clients), list(range(700, 1400)))

    CONFIG = HandoffTest.CONFIG + "[pool many]\nlimit = 2000\n"


class Trouble(HandoffTest):
    """What cannot be taken is not taken, by halves least of all: sessions come out of the store."""

    def set_up(self):
        client = self.client()
        session = client.create(timeout_ms=600000)
        waiter = self.client()
        client.create(pool="one")
        waiter.wait(pool="one")
        wait_for(lambda: client.metrics()["waiting_sessions"] == 1, "the wait")
        self.count = self.broker.descriptors()
        return client, waiter, session

    def expect_recovery(self, client, waiter, session, why):
        self.broker.run()
        self.assertIn("cannot take over what the last usherd left: " + why, self.broker.text())
        self.assertTrue(client.is_closed())
        self.assertTrue(waiter.is_closed())
        self.assertEqual(self.broker.store.items, [])
        # Two connections less, and the process watched that had them.
        wait_for(lambda: self.broker.descriptors() <= self.count - 1, "all to be closed")
        look = self.client()
        found = self.get(look, session)
        self.assertTrue(found["orphaned"])
        self.assertEqual(look.metrics()["active_sessions"], 2)
        self.assertEqual(look.metrics()["waiting_sessions"], 0)
        self.restart()  # and from here on it works again
        self.assertEqual(self.get(look, session)["session_id"], session["session_id"])

    def overwrite(self, at, data):
        memfd = self.left()
        os.pwrite(memfd, data, at)

    def test_a_newer_version(self):
        things = self.set_up()
        self.overwrite(VERSION_AT, struct.pack("I", 99))
        self.expect_recovery(*things, "it is of version 99, and this usherd reads up to 1")

    def test_a_damaged_description(self):
        things = self.set_up()
        memfd = self.left()
        at = os.fstat(memfd).st_size - 100
        os.pwrite(memfd, bytes([os.pread(memfd, 1, at)[0] ^ 1]), at)
        self.expect_recovery(*things, "its description is damaged")

    def test_a_short_description(self):
        things = self.set_up()
        memfd = self.left()
        os.ftruncate(memfd, os.fstat(memfd).st_size - 1)
        self.expect_recovery(*things, "its description is cut short")

    def test_one_that_was_used(self):
        things = self.set_up()
        self.overwrite(CONSUMED_AT, struct.pack("I", 1))
        self.expect_recovery(*things, "it was taken before")

    def test_descriptors_that_are_not_there(self):
        things = self.set_up()
        memfd = self.left()
        for item in [item for item in self.broker.store.items if item[1] != memfd]:
            self.broker.store.items.remove(item)
            os.close(item[1])
        self.expect_recovery(*things, "its queue of descriptors is missing")

    def test_descriptors_that_are_missing_or_too_many(self):
        for change in (self.take_one_message, self.add_one_message):
            with self.subTest(change.__name__):
                things = self.set_up()
                self.left()
                change()
                self.expect_recovery(*things, "it")
                self.broker.stop()
                self.setUp()

    def ends(self):
        return [socket.socket(fileno=os.dup(fd)) for _, fd in self.broker.store.items
                if not self.is_file(fd)]

    def take_one_message(self):
        for end in self.ends():
            end.setblocking(False)
            try:
                _, fds, _, _ = socket.recv_fds(end, 8, 253)
                for fd in fds:
                    os.close(fd)
            except BlockingIOError:
                pass

    def add_one_message(self):
        with open("/dev/null", "rb") as other:
            for end in self.ends():
                socket.send_fds(end, [struct.pack("II", 3, 1)], [other.fileno()])

    def test_what_stays_in_the_store_is_not_in_the_way_of_what_comes(self):
        """Neither one that was taken, nor one that could not be."""
        things = self.set_up()
        self.broker.store.is_deaf = True
        self.broker.restart()
        os.pwrite(self.newest_memfd(), struct.pack("I", 99), VERSION_AT)
        self.broker.run()
        self.assertIn("it is of version 99", self.broker.text())
        session = things[2]
        look = self.client()
        look.call("Attach", session_id=session["session_id"])
        self.broker.store.room = 20
        self.broker.restart()
        self.assertEqual(self.get(look, session)["orphaned"], False)
        self.broker.store.is_deaf = False
        self.broker.restart()
        self.assertEqual(self.get(look, session)["orphaned"], False)
        self.assertEqual(self.broker.store.items, [])

    def newest_memfd(self):
        self.assertEqual(self.broker.end(), 0)
        return [fd for _, fd in self.broker.store.items if self.is_file(fd)][-1]

    def test_a_stranger_in_the_store(self):
        things = self.set_up()
        self.left()
        self.broker.store.close()
        with open("/dev/null", "rb") as other:
            self.broker.store.add("handover", [os.dup(other.fileno())])
        self.expect_recovery(*things, "its description is missing")

    def test_a_store_that_somebody_has_used_since(self):
        things = self.set_up()
        self.left()
        kept, self.broker.store.items = self.broker.store.items, []
        self.broker.run()
        self.client().create(owner="detached", timeout_ms=500)
        self.broker.end(signal.SIGINT)
        self.broker.store.items = kept
        client, waiter, session = things
        self.broker.run()
        self.assertIn("the stored state is not the one that it left", self.broker.text())
        self.assertTrue(client.is_closed())
        self.assertTrue(self.get(self.client(), session)["orphaned"])

    def test_a_store_that_is_gone_is_filled_again(self):
        client, waiter, session = self.set_up()
        self.left()
        for name in ("state.journal", "state.journal-last"):
            (self.broker.directory / "state" / name).unlink(missing_ok=True)
        self.broker.run()
        self.assertEqual(self.get(client, session)["orphaned"], False)
        self.assertEqual(client.call("Verify"), {"ok": True, "findings": []})
        self.broker.end(signal.SIGKILL)
        self.broker.run()
        self.assertTrue(self.get(self.client(), session)["orphaned"])

    def test_no_store_offered_is_the_plain_end(self):
        self.broker.stop()
        self.broker = Service(self.CONFIG, *self.OPTIONS, room=2)
        self.addCleanup(self.broker.kill)
        client = self.client()
        session = client.create(timeout_ms=60000)
        self.assertEqual(self.broker.end(), 0)
        self.assertNotIn("handed over", self.broker.text())
        self.broker.run()
        self.assertTrue(client.is_closed())
        self.assertTrue(self.get(self.client(), session)["orphaned"])

    def test_a_store_smaller_than_told_loses_connections_only(self):
        """systemd says so in its own log only: for us it is as if all was well."""
        client, waiter, session = self.set_up()
        self.broker.store.room = 2
        self.broker.end()
        self.broker.store.room = 9
        self.broker.run()
        self.assertTrue(client.is_closed())
        self.assertTrue(self.get(self.client(), session)["orphaned"])

    def test_a_manager_that_does_not_answer_is_the_plain_end(self):
        """What was served before is still answered, and nothing is left anywhere."""
        client, waiter, session = self.set_up()
        for _ in range(20):
            client.send("Create")
        with self.broker.client() as look:
            wait_for(lambda: look.metrics()["active_sessions"] == 22, "all to be served")
        self.broker.notifications.stop()
        self.assertEqual(self.broker.end(), 0)
        self.assertIn("cannot hand over to the next usherd", self.broker.text())
        self.assertEqual(self.broker.store.items, [])
        for _ in range(20):
            self.assertIn("session_id", client.result())
        self.assertTrue(client.is_closed())
        self.assertTrue(waiter.is_closed())
        (self.broker.directory / "notify").unlink()
        self.broker.notifications = Notifications(self.broker.directory / "notify",
                                                  self.broker.store)
        self.broker.notifications.start()
        self.broker.run()
        look = self.client()
        self.assertTrue(self.get(look, session)["orphaned"])
        self.assertEqual(look.metrics()["active_sessions"], 22)

    def test_too_few_descriptors_for_it(self):
        things = self.set_up()
        more = [self.client() for _ in range(200)]
        for client in more:
            client.call("GetMetrics")
        self.left()
        self.broker.limit_files = 100
        self.addCleanup(setattr, self.broker, "limit_files", None)
        self.expect_recovery(*things, "it has ")
        for client in more:
            self.assertTrue(client.is_closed())

    def test_no_listener_of_the_manager_s_is_taken_for_one_of_it(self):
        """A name decides, not what it is."""
        things = self.set_up()
        self.left()
        pair = socket.socketpair()
        self.broker.store.items.insert(0, ("handover", os.dup(pair[0].fileno())))
        client, waiter, session = things
        self.broker.run()
        self.assertEqual(self.get(client, session)["orphaned"], False)


@unittest.skipUnless(HAS_FAILPOINTS, "this usherd is built without failpoints")
class Killed(HandoffTest):
    """kill -9 anywhere between the two daemons loses nothing that the store has."""

    def fails_at(self, point):
        environment = {"USHER_FAILPOINTS": point + "=kill"}
        self.broker.environment = environment
        self.broker.spawn()
        self.assertEqual(self.broker.process.wait(60), -signal.SIGKILL)
        self.broker.environment = {}

    def test_in_mid_unpack_the_next_one_takes_it_all(self):
        holder, waiters = self.client(), [self.client() for _ in range(10)]
        held = holder.create(pool="one")
        self.queue(holder, waiters, pool="one")
        holder.send("Release", {"session_id": held["session_id"]})
        self.broker.end()
        for point in ("handoff.unpacked", "recovery.before-ready", "handoff.unpacked"):
            self.fails_at(point)
        self.broker.run()
        self.assertIn("duration_ms", holder.result())
        for i, client in enumerate(waiters):
            session = client.result()
            self.assertEqual(session["request_id"], f"w{i}")
            client.call("Release", session_id=session["session_id"])

    def test_nobody_is_granted_before_it_is_ready(self):
        """What the store would have of it the next one would not know."""
        holder, client = self.client(), self.client()
        holder.create(pool="one")
        client.wait(pool="one")
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 1, "the wait")
        self.broker.config.write_text("[pool one]\nlimit = 2\n")
        self.broker.end()
        self.fails_at("recovery.before-ready")
        self.broker.run()
        self.assertEqual(client.result()["slots"], [1])

    def test_after_the_push_the_next_one_takes_it_all(self):
        self.broker.end(signal.SIGINT)
        self.broker.environment = {"USHER_FAILPOINTS": "handoff.after-push=kill"}
        self.broker.run()
        client = self.client()
        session = client.create(timeout_ms=60000)
        self.assertEqual(self.broker.end(), -signal.SIGKILL)
        self.broker.environment = {}
        self.broker.run()
        self.assertEqual(self.get(client, session)["orphaned"], False)

    def test_before_the_push_it_is_as_after_a_crash(self):
        self.broker.end(signal.SIGINT)
        self.broker.environment = {"USHER_FAILPOINTS": "handoff.before-push=kill"}
        self.broker.run()
        client = self.client()
        session = client.create(timeout_ms=60000)
        self.assertEqual(self.broker.end(), -signal.SIGKILL)
        self.broker.environment = {}
        self.broker.run()
        self.assertTrue(client.is_closed())
        self.assertTrue(self.get(self.client(), session)["orphaned"])

    def test_what_could_not_be_stored_goes_over_all_the_same(self):
        """And the store, which is behind, begins anew."""
        self.broker.end(signal.SIGINT)
        failpoints = self.broker.directory / "failpoints"
        failpoints.write_text("")
        self.broker.environment = {"USHER_FAILPOINTS_FILE": str(failpoints)}
        self.broker.run()
        client = self.client()
        kept, released = client.create(timeout_ms=600000), client.create(timeout_ms=600000)
        (self.broker.directory / "fresh").write_text("store.commit=eio@1+")
        (self.broker.directory / "fresh").rename(failpoints)
        self.assertRefused("StoreUnavailable", client, "Create")
        client.call("Release", session_id=released["session_id"])
        self.broker.environment = {}
        self.restart()
        self.assertEqual(self.get(client, kept)["orphaned"], False)
        self.assertEqual(client.metrics()["active_sessions"], 1)
        more = client.create(owner="detached", timeout_ms=600000)
        self.assertEqual(client.call("Verify"), {"ok": True, "findings": []})
        self.broker.end(signal.SIGKILL)
        self.broker.run()
        look = self.client()
        self.assertEqual(look.metrics()["active_sessions"], 2)
        self.assertTrue(self.get(look, kept)["orphaned"])
        self.get(look, more)

    def test_half_a_failure_while_unpacking_leaves_no_trace(self):
        """The server that was half filled is thrown away, and made anew from the store."""
        client, waiter = self.client(), self.client()
        session = client.create(pool="one")
        waiter.wait(pool="one")
        child = self.client()
        owned = child.create(owner="process")
        wait_for(lambda: client.metrics()["waiting_sessions"] == 1, "the wait")
        self.broker.end()
        self.broker.environment = {"USHER_FAILPOINTS": "handoff.end=eio"}
        self.broker.run()
        self.broker.environment = {}
        self.assertIn("cannot take over", self.broker.text())
        look = self.client()
        self.assertTrue(client.is_closed())
        self.assertTrue(self.get(look, session)["orphaned"])
        self.assertEqual(self.get(look, owned)["owner"], "process")
        self.assertEqual(look.metrics()["active_sessions"], 2)
        self.assertEqual(look.metrics()["lifetime_total_abandoned"], 0)


if __name__ == "__main__":
    unittest.main()
