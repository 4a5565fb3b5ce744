# SPDX-License-Identifier: MIT
"""SIGSTOP, to the broker and to clients, for $USHER_STOPPED_S seconds (3). What is promised: while the
broker is stopped no time passes for deadlines and waits, once it was for longer than a second and a half,
nor for what its clients are given time for; what came meanwhile is read before any deadline is looked at. A stopped client is not excused: its deadlines pass. Nobody else
notices it."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import starved  # noqa: F401: knows where broker.py is
from broker import INTERFACE, BrokerTest, stop, wait_for

STOPPED_S = float(os.environ.get("USHER_STOPPED_S", 3))
CONFIG = "[pool default]\nlimit = 1000\n[pool one]\nlimit = 1\n[pool hold]\nlimit = 1\non_timeout = hold\n"
# Says the reply to each call that it is given, a line each.
CLIENT = """
import socket, sys
broker = socket.socket(socket.AF_UNIX)
broker.connect(sys.argv[1])
for line in sys.stdin:
    broker.sendall(line.rstrip().encode() + b"\\0")
    reply = b""
    while not reply.endswith(b"\\0"):
        reply += broker.recv(65536) or sys.exit("closed")
    print(reply[:-1].decode(), flush=True)
"""


class OtherProcess:
    """A client that is a process of its own."""

    def __init__(self, path):
        self.process = subprocess.Popen([sys.executable, "-c", CLIENT, str(path)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, method, **parameters):
        call = {"method": INTERFACE + method, "parameters": parameters}
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()

    def receive(self):
        return json.loads(self.process.stdout.readline())

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.receive()

    def end(self):
        self.process.kill()
        self.process.communicate()


class TheBroker(BrokerTest):
    CONFIG = CONFIG

    def stop_for_a_while(self):
        stop(self.broker.process.pid)
        time.sleep(STOPPED_S)

    def go_on(self):
        self.broker.process.send_signal(signal.SIGCONT)

    def test_all_goes_on_and_no_deadline_has_passed(self):
        client, waiter = self.client(), self.client()
        brief = client.create(timeout_ms=2000, owner="detached")["session_id"]
        held = client.create(pool="one")["session_id"]
        waiter.wait(pool="one", wait_ms=2500)
        wait_for(lambda: client.metrics()["waiting_sessions"] == 1, "the wait")
        self.stop_for_a_while()
        client.send("Release", {"session_id": held})
        self.go_on()
        client.result()
        self.assertEqual(waiter.result()["slots"], [0])
        client.call("Renew", session_id=brief, timeout_ms=3600000)
        self.assertEqual(client.metrics()["lifetime_total_timeout"], 0)

    def test_those_who_come_meanwhile_are_served_afterwards(self):
        self.stop_for_a_while()
        clients = [self.client() for _ in range(20)]
        for client in clients:
            client.send("Create")
        self.go_on()
        self.assertEqual(sorted(client.result()["slots"][0] for client in clients), list(range(20)))

    def half_sent(self):
        """A client in the midst of a call that ends its session, and the rest of that."""
        client = self.client()
        call = {"method": INTERFACE + "Release", "parameters": {"session_id": client.create()["session_id"]}}
        text = json.dumps(call).encode() + b"\0"
        client.send_raw(text[:20])
        return client, text[20:]

    def test_half_a_message_may_be_finished(self):
        self.limit("frame_timeout = 1s")
        (meanwhile, its_rest), (later, the_rest) = self.half_sent(), self.half_sent()
        time.sleep(0.5)
        self.stop_for_a_while()
        meanwhile.send_raw(its_rest)
        self.go_on()
        time.sleep(0.2)
        later.send_raw(the_rest)
        for client in meanwhile, later:
            self.assertIn("duration_ms", client.result())

    def test_who_did_not_read_may_go_on_reading(self):
        self.limit("io_timeout = 1s")
        meanwhile, later = self.client(), self.client()
        for client in meanwhile, later:
            client.create()
            for _ in range(40):  # more than the socket takes
                client.send("org.varlink.service.GetInterfaceDescription", {"interface": "io.usher.Broker"})
        time.sleep(0.3)
        self.stop_for_a_while()
        meanwhile.result()
        self.go_on()
        time.sleep(0.2)
        for client, n in (later, 40), (meanwhile, 39):
            for _ in range(n):
                client.result()
        self.assertEqual(self.look.metrics()["active_sessions"], 2)

    def test_time_begins_anew_for_those_who_do_nothing(self):
        self.limit("frame_timeout = 1s")
        client, _ = self.half_sent()
        self.stop_for_a_while()
        self.go_on()
        wait_for(client.is_closed, "its end")
        self.assertIn("it does not finish its message", self.broker.log.read_text())

    def limit(self, setting):
        self.broker.config.write_text("[broker]\n" + setting + "\n" + CONFIG)
        self.look = self.client()
        self.look.call("Reload")

    def test_those_who_leave_meanwhile_have_left(self):
        clients = [self.client() for _ in range(20)]
        for client in clients:
            client.create()
        self.stop_for_a_while()
        for client in clients:
            client.close()
        self.go_on()
        watcher = self.client()
        wait_for(lambda: watcher.metrics()["lifetime_total_abandoned"] == 20, "their sessions' end")
        self.assertEqual(watcher.metrics()["active_sessions"], 0)


class AClient(BrokerTest):
    CONFIG = CONFIG

    def setUp(self):
        super().setUp()
        self.stopped = OtherProcess(self.broker.socket)
        self.addCleanup(self.stopped.end)
        self.other = self.client()

    def go_on(self):
        self.stopped.process.send_signal(signal.SIGCONT)

    def test_it_keeps_what_has_no_deadline_and_others_are_served(self):
        held = self.stopped.call("Create", pool="one")["parameters"]["session_id"]
        stop(self.stopped.process.pid)
        end = time.monotonic() + STOPPED_S
        while time.monotonic() < end:
            session = self.other.create()["session_id"]
            self.other.call("Release", session_id=session)
            time.sleep(0.02)
        self.assertRefused("CapacityReached", self.other, "Create", {"pool": "one"})
        self.go_on()
        self.assertIn("duration_ms", self.stopped.call("Release", session_id=held)["parameters"])

    def test_its_deadline_passes_and_the_slot_goes_to_who_waits(self):
        held = self.stopped.call("Create", pool="one", timeout_ms=1000)["parameters"]["session_id"]
        stop(self.stopped.process.pid)
        self.other.wait(pool="one")
        self.assertEqual(self.other.result()["slots"], [0])
        self.go_on()
        self.assertIn("SessionEnded", self.stopped.call("Release", session_id=held)["error"])

    def test_its_slot_stays_its_own_in_a_pool_that_holds(self):
        held = self.stopped.call("Create", pool="hold", timeout_ms=200)["parameters"]["session_id"]
        stop(self.stopped.process.pid)
        wait_for(lambda: self.other.call("Get", session_id=held)["session"]["overdue"], "the deadline")
        self.assertRefused("CapacityReached", self.other, "Create", {"pool": "hold"})
        self.go_on()
        self.assertIn("duration_ms", self.stopped.call("Release", session_id=held)["parameters"])

    def test_a_grant_waits_for_it(self):
        """It has been granted: nobody else is, before it takes note of that and releases."""
        held = self.other.create(pool="one")["session_id"]
        self.stopped.send("Create", pool="one", wait_ms=-1)
        wait_for(lambda: self.other.metrics()["waiting_sessions"] == 1, "the wait")
        stop(self.stopped.process.pid)
        self.other.call("Release", session_id=held)
        self.assertRefused("CapacityReached", self.other, "Create", {"pool": "one"})
        self.go_on()
        self.assertEqual(self.stopped.receive()["parameters"]["slots"], [0])

    def test_killed_it_has_nothing_any_more(self):
        self.stopped.call("Create", pool="one", owner="process")
        stop(self.stopped.process.pid)
        self.stopped.end()
        self.other.wait(pool="one")
        self.assertEqual(self.other.result()["slots"], [0])


unittest.main()
