# SPDX-License-Identifier: MIT
"""A limit of 64 open files, and more connections than that: who is too many is told so or cut off, the
broker rests, and serves as ever once they are gone."""
import os
import resource
import subprocess
import time
import unittest

import starved  # noqa: F401: knows where broker.py is
from broker import Broker, BrokerTest, Refused, cpu_seconds_of, wait_for

LIMIT = 64
MANY = 200


class LimitedBroker(Broker):
    def start(self, *options):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["USHERD"], "--config", self.config, "--socket", self.socket, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)))
        wait_for(self.is_ready, "the broker")


class FewFiles(BrokerTest):
    def setUp(self):
        self.broker = LimitedBroker("[broker]\nworkers = 2\n[pool default]\nlimit = 1000\n")
        self.addCleanup(self.broker.kill)
        self.clients = []
        self.first = self.client()
        self.session = self.first.create()["session_id"]
        self.n_files = self.count_files()

    def count_files(self):
        return len(os.listdir(f"/proc/{self.broker.process.pid}/fd"))

    def crowd(self):
        """More than it can have; some wait to be accepted, for as long as it is full."""
        crowd = [self.client() for _ in range(MANY)]
        for client in crowd:
            try:
                client.send("Create")
            except ConnectionError:
                pass  # cut off already
        return crowd

    def outcome(self, client):
        """None: it waits to be accepted."""
        if not client.has_reply():
            return None
        try:
            client.result()
            return "granted"
        except Refused as refusal:
            return refusal.name
        except (EOFError, ConnectionError):
            return "closed"

    def test_who_is_too_many_is_told_so_and_the_others_are_served(self):
        crowd = self.crowd()
        wait_for(lambda: crowd[0].has_reply(), "the first answer")
        begin, end = cpu_seconds_of(self.broker.process.pid), time.monotonic() + 2
        while time.monotonic() < end:
            self.first.call("Renew", session_id=self.session)
            time.sleep(0.05)
        self.assertLess(cpu_seconds_of(self.broker.process.pid) - begin, 1, "it spins")
        self.assertLessEqual(self.count_files(), LIMIT)
        outcomes = [self.outcome(client) for client in crowd]
        self.assertLessEqual(set(outcomes), {"granted", "TooManyConnections", "closed", None})
        self.assertGreaterEqual(outcomes.count("granted"), 10)
        self.assertGreater(outcomes.count("TooManyConnections"), 0)
        self.assertEqual(self.first.metrics()["active_sessions"], 1 + outcomes.count("granted"))
        self.disperse(crowd)

    def disperse(self, crowd):
        for client in crowd:
            client.close()
        wait_for(lambda: self.count_files() <= self.n_files, "the descriptors")
        wait_for(lambda: self.first.metrics()["active_sessions"] == 1, "the end of their sessions")

    def serves_a_newcomer(self):
        """Not while some of the crowd, closed already, are still taken out of the listen queue."""
        newcomer = self.client()
        try:
            newcomer.create()
        except Refused as refusal:
            self.assertEqual(refusal.name, "TooManyConnections")
            return False
        except (EOFError, ConnectionError):
            return False
        finally:
            newcomer.close()
        return True

    def test_it_serves_as_ever_once_they_are_gone(self):
        for _ in range(5):
            self.disperse(self.crowd())
            wait_for(self.serves_a_newcomer, "a newcomer's session")
            wait_for(lambda: self.first.metrics()["active_sessions"] == 1, "the end of its session")
        self.assertEqual(self.first.call("Release", session_id=self.session).keys(), {"duration_ms"})

    def test_processes_are_watched_as_far_as_descriptors_go(self):
        sleepers = [subprocess.Popen(["sleep", "1000"]) for _ in range(MANY // 2)]
        told = []
        for sleeper in sleepers:
            try:
                told.append(self.first.create(owner="process", pid=sleeper.pid)["session_id"])
            except Refused as refusal:
                self.assertEqual(refusal.name, "TooManyConnections")
        self.assertGreater(len(told), 5)
        self.assertLess(len(told), LIMIT)
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
        wait_for(lambda: self.first.metrics()["lifetime_total_abandoned"] == len(told), "their end")
        self.first.create(owner="process")


unittest.main()
