# SPDX-License-Identifier: MIT
"""Abuse 17 to 20: what a host has too little of, connections and descriptors."""
import os
import resource
import signal
import socket
import sys
import unittest

from abuse import AbuseTest, wait_for
from service_manager import Service

OTHER_UID = 65533


class Connections(AbuseTest):
    CONFIG = "[broker]\nmax_connections_per_uid = 12\nsocket_mode = 0666\n"

    def other_users_are_served(self):
        """Which only root can try; the innocent one, who was there before, is so in any case."""
        if os.geteuid() != 0:
            print("  not root: no other user to try it as", file=sys.stderr)
            return
        with self.broker.client(OTHER_UID) as client:
            client.call("Release", session_id=client.create()["session_id"])

    def test_17_a_connection_over_the_cap_of_its_user_is_told_so_and_closed(self):
        with self.abuse():
            for _ in range(10):  # beside those of the innocent one and the onlooker
                self.client().call("ListPools")

            def offend():
                with self.broker.client() as extra:
                    self.assertRefused("TooManyConnections", extra, "Create", limit=12,
                                       scope="user")
                    self.assertTrue(extra.is_closed())
            self.again_and_again(offend)
            self.other_users_are_served()

    def test_18_connecting_and_closing_at_full_speed_leaves_others_served(self):
        flooders = []

        def flood():
            pid = os.fork()
            if pid == 0:
                while True:
                    with socket.socket(socket.AF_UNIX) as connection:
                        connection.connect_ex(str(self.broker.socket))
            flooders.append(pid)

        def end_flood():
            while flooders:
                pid = flooders.pop()
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self.addCleanup(end_flood)
        with self.abuse():
            before = self.look.metrics()["connections_total"]
            flood(), flood()
            wait_for(lambda: self.look.metrics()["connections_total"] > before + 500, "a flood")
            self.again_and_again(self.look.metrics)
            end_flood()


class Descriptors(AbuseTest):
    @staticmethod
    def make_broker(config, *options):
        return Service(config, *options, WATCHDOG_USEC="400000")

    def limit_files(self, soft):
        _, hard = resource.prlimit(self.broker.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.broker.process.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def fed(self):
        return self.broker.notifications.messages.count("WATCHDOG=1")

    def test_19_a_daemon_without_descriptors_sheds_recovers_and_feeds_its_watchdog(self):
        soft, _ = resource.prlimit(self.broker.process.pid, resource.RLIMIT_NOFILE)
        with self.abuse():
            self.limit_files(self.descriptors() + 10)
            clients = [self.client() for _ in range(40)]  # the kernel takes them, the daemon cannot
            for client in clients:
                client.send("Create")
            wait_for(lambda: "cannot accept connections for now" in self.broker.text(), "the lack")
            fed = self.fed()
            wait_for(lambda: self.fed() >= fed + 2, "the watchdog's food")
            self.look.call("Release", session_id=self.look.create()["session_id"])
            self.limit_files(soft)
            for client in clients:
                self.assertIn("session_id", client.result())


class Passed(AbuseTest):
    def test_20_descriptors_that_nobody_asked_for_are_closed(self):
        """253 with one message, the most there can be: none stays open in the daemon."""
        call = b'{"method":"io.usher.Broker.ListPools"}\0'
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        with self.abuse():
            client = self.client()

            def offend():
                socket.send_fds(client.socket, [call], [writer] * 253)
                self.assertIn("pools", client.result())
            client.call("ListPools")  # it is there
            before = self.descriptors()
            self.again_and_again(offend)
            socket.send_fds(client.socket, [call[:10]], [writer] * 253)
            wait_for(lambda: self.descriptors() <= before, "their end")
            os.close(writer)
            client.send_raw(call[10:])
            self.assertIn("pools", client.result())
        self.assertEqual(os.read(reader, 1), b"")  # nobody has the other end


if __name__ == "__main__":
    unittest.main()
