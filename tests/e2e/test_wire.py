# SPDX-License-Identifier: MIT
"""The wire: Varlink's rules, bad requests of each kind, limits, and ends of all sorts."""
import json
import os
import signal
import socket
import time
import unittest

from broker import BrokerTest, Refused, stop, wait_for

SERVICE = "org.varlink.service."


class Varlink(BrokerTest):
    def test_service_information_lists_both_interfaces(self):
        client = self.client()
        info = client.call(SERVICE + "GetInfo")
        self.assertEqual(info["interfaces"], ["org.varlink.service", "io.usher.Broker"])
        self.assertEqual(set(info), {"vendor", "product", "version", "url", "interfaces"})
        for interface in info["interfaces"]:
            text = client.call(SERVICE + "GetInterfaceDescription", interface=interface)
            self.assertIn(f"interface {interface}\n", text["description"])

    def test_unknown_names_get_the_standard_errors(self):
        client = self.client()
        self.assertRefused("InterfaceNotFound", client, "com.example.X", interface="com.example")
        self.assertRefused("MethodNotFound", client, "Nope", method="io.usher.Broker.Nope")
        self.assertRefused("MethodNotFound", client, SERVICE + "Nope")
        self.assertRefused("InterfaceNotFound", client, SERVICE + "GetInterfaceDescription",
                           {"interface": "x.y"}, interface="x.y")

    def test_null_and_absent_parameters_are_the_same(self):
        client = self.client()
        for text in ('', ',"parameters":null', ',"parameters":{}', ',"more":false',
                     ',"oneway":false', ',"com.example.key":[1]'):
            client.send_raw(f' {{"method":"io.usher.Broker.ListPools"{text}}}\n\0'.encode())
            self.assertIn("pools", client.result())
        self.assertFalse(client.create(pool=None, units=None)["existing"])

    def test_a_oneway_call_has_no_reply_not_even_an_error(self):
        client = self.client()
        client.send("Create", oneway=True)
        client.send("Create", {"pool": "none"}, oneway=True)
        client.send("Create", {"pool": 3}, oneway=True)
        self.assertEqual(client.metrics()["active_sessions"], 1)

    def test_upgrade_is_not_offered(self):
        client = self.client()
        client.send("Create", upgrade=True)
        with self.assertRaises(Refused) as caught:
            client.result()
        self.assertEqual(caught.exception.name, "MethodNotImplemented")
        self.assertEqual(client.metrics()["active_sessions"], 0)

    def test_replies_come_in_the_order_of_pipelined_calls(self):
        client = self.client()
        for n in range(500):
            client.send("Create" if n % 2 else "Renew", {} if n % 2 else {"session_id": f"s{n}"})
        for n in range(500):
            reply = client.receive()
            if n % 2:
                self.assertIn("session_id", reply.get("parameters", {}) | {"session_id": 0})
            else:
                self.assertEqual(reply["parameters"], {"session_id": f"s{n}"})

    def test_frames_in_pieces_of_every_size(self):
        client = self.client()
        data = b'{"method":"io.usher.Broker.Create","parameters":{"label":"\\u00e9"}}\0'
        for size in (1, 2, 3, 7, 64):
            for i in range(0, len(data), size):
                client.send_raw(data[i:i + size])
            self.assertIn("session_id", client.result())


class BadRequests(BrokerTest):
    def test_a_broken_message_is_named_and_the_connection_closed(self):
        cases = [
            (b"", "message"), (b"null", "message"), (b"[]", "message"), (b"true", "message"),
            (b'{"method":}', "message"), (b'{"method":"a.b"', "message"), (b'{}', "method"),
            (b'{"method":1}', "method"), (b'{"method":"a.b","x":1}', "message"),
            (b'{"method":"a.b","method":"a.b"}', "method"),
            (b'{"method":"a.b","parameters":{},"parameters":{}}', "parameters"),
            (b'{"method":"a.b","parameters":[]}', "parameters"),
            (b'{"method":"a.b","more":1}', "more"), (b'{"method":"a.b","oneway":null}', "oneway"),
            (b'{"method":"a.b","more":true,"oneway":true}', "message"),
            (b'{"method":"a.b","parameters":{"x":"\xff"}}', "message"),
            (b'{"method":"a.b","parameters":{"x":"\\u0000"}}', "message"),
            (b'{"method":"a.b","parameters":{"x":"\\ud800"}}', "message"),
            (b'{"method":"' + b"x" * 256 + b'"}', "method"),
            (b'{"method":"a.b","parameters":{"x":' + b"[" * 33 + b"]" * 33 + b"}}", "message"),
            (b"[" * 60000, "message"), (b"\xef\xbb\xbf{}", "message"),
        ]
        for data, parameter in cases:
            with self.subTest(data=data[:60]):
                client = self.client()
                client.send_raw(data + b"\0")
                reply = client.receive()
                self.assertEqual(reply["error"], SERVICE + "InvalidParameter")
                self.assertEqual(reply["parameters"]["parameter"], parameter)
                self.assertTrue(reply["parameters"]["expected"])
                self.assertTrue(client.is_closed())
                client.close()

    def test_each_parameter_of_a_wrong_type_is_named(self):
        client = self.client()
        wrong = {"pool": 1, "request_id": [], "metadata": "x", "timeout_ms": "1", "label": {},
                 "units": 1.5, "owner": "me"}
        for parameter, value in wrong.items():
            told = self.assertRefused("InvalidParameter", client, "Create", {parameter: value},
                                      parameter=parameter)
            self.assertTrue(told["expected"])
        for method, parameter in (("Start", "session_id"), ("Renew", "session_id"),
                                  ("Update", "session_id"), ("Release", "session_id"),
                                  ("Attach", "session_id"), ("Get", "session_id"),
                                  ("Revoke", "session_id"), ("SetPool", "pool")):
            self.assertRefused("InvalidParameter", client, method, parameter=parameter)
        self.assertRefused("InvalidParameter", client, "Create", {"waits": 1}, parameter="waits")
        self.assertRefused("InvalidParameter", client, "History", {"limit": 0}, parameter="limit")
        self.assertEqual(client.metrics()["sessions_rejected_invalid"], 8)

    def test_numbers_are_exact_or_refused(self):
        client = self.client()
        for text in ("1e3", "1.0", "9223372036854775808", "1e400", "-0.0"):
            client.send_raw(f'{{"method":"io.usher.Broker.Create","parameters":'
                            f'{{"timeout_ms":{text}}}}}\0'.encode())
            with self.assertRaises(Refused) as caught:
                client.result()
            self.assertEqual(caught.exception.parameters["parameter"], "timeout_ms")
        client.send_raw(b'{"method":"io.usher.Broker.Create","parameters":{"timeout_ms":-0}}\0')
        with self.assertRaises(Refused) as caught:
            client.result()
        self.assertEqual(caught.exception.name, "TimeoutOutOfRange")
        client.create(timeout_ms=4611686018427387904 // 1000000)

    def test_texts_have_lengths(self):
        client = self.client()
        self.assertEqual(client.create(request_id="r" * 128)["request_id"], "r" * 128)
        for parameter, text in (("request_id", "r" * 129), ("request_id", ""), ("label", "l" * 129)):
            self.assertRefused("InvalidParameter", client, "Create", {parameter: text},
                               parameter=parameter)
        self.assertRefused("InvalidParameter", client, "Release",
                           {"session_id": "x", "result": "r" * 1025}, parameter="result")

    def test_escapes_in_names_are_decoded(self):
        client = self.client()
        client.send_raw(b'{"m\\u0065thod":"io.usher.Broker.Cr\\u0065ate",'
                        b'"parameters":{"\\u006cabel":"\\ud83d\\ude00\\n"}}\0')
        session_id = client.result()["session_id"]
        self.assertEqual(client.call("Get", session_id=session_id)["session"]["label"], "😀\n")


class Limits(BrokerTest):
    CONFIG = "[broker]\nframe_timeout = 300ms\nio_timeout = 300ms\nmax_connections = 12\n" \
             "reserved_connections = 2\nmax_connections_per_uid = 8\nlog_level = debug\n"

    def test_a_frame_over_the_limit_is_refused(self):
        for ending in (b"", b"\0"):
            client = self.client()
            client.send_raw(b'{"method":"' + b"x" * 65600 + ending)
            self.assertIn("at most 65536 bytes", client.receive()["parameters"]["expected"])
            self.assertTrue(client.is_closed())

    def test_a_frame_that_is_not_finished_in_time_closes(self):
        client, patient = self.client(), self.client()
        client.send_raw(b'{"method"')
        self.assertTrue(client.is_closed())
        patient.create()  # idle connections are fine
        self.assertEqual(patient.metrics()["connections_dropped"], 1)

    def test_a_client_that_does_not_read_is_closed(self):
        client, innocent = self.client(), self.client()
        client.socket.setblocking(False)
        call = b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":' \
               b'{"interface":"io.usher.Broker"}}\0'
        sent = 0
        try:
            while sent < 10000:
                client.socket.send(call)
                sent += 1
        except BlockingIOError:
            pass
        wait_for(lambda: innocent.metrics()["connections_dropped"] == 1, "the cut")
        innocent.create()

    def test_a_slow_reader_gets_every_reply(self):
        client = self.client()
        n = 30  # 14 KiB each: more than the socket holds
        for _ in range(n):
            client.send(SERVICE + "GetInterfaceDescription", {"interface": "io.usher.Broker"})
        for i in range(n):
            self.assertIn("description", client.result())
            if i % 5 == 0:
                time.sleep(0.1)

    def test_connections_over_the_cap_are_told_so(self):
        kept = [self.client()]
        wait_for(lambda: kept[0].metrics()["connections"] == 1, "the end of earlier ones")
        kept += [self.client() for _ in range(7)]
        kept[-1].create()
        extra = self.client()
        self.assertRefused("TooManyConnections", extra, "Create", limit=8, scope="user")
        self.assertTrue(extra.is_closed())
        silent = self.client()
        kept.pop().close()
        wait_for(lambda: kept[0].metrics()["connections_refused"] == 2, "the count")
        wait_for(lambda: self.can_create(), "room after a close")
        silent.close()
        for client in kept:
            client.close()
        wait_for(lambda: self.can_create(), "room")

    def can_create(self):
        with self.broker.client() as client:
            try:
                client.create()
                return True
            except Refused:
                return False

    def tearDown(self):
        for client in self.clients:
            client.close()
        wait_for(self.can_create, "room for the last look")
        super().tearDown()


class EndOfSpeech(BrokerTest):
    CONFIG = "[broker]\nmax_output = 4M\n"

    def test_half_close_during_a_wait_leaves_the_replies_before_it(self):
        """More than the socket takes at once."""
        holder, client = self.client(), self.client()
        for _ in range(50):
            holder.create(metadata={"fill": "x" * 1000})
        holder.call("SetPool", pool="default", limit=50)
        for _ in range(8):
            client.send("List")
        client.send("Create", {"wait_ms": -1})
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 1, "the wait")
        client.socket.shutdown(socket.SHUT_WR)
        wait_for(lambda: holder.metrics()["waiting_sessions"] == 0, "its end")
        for _ in range(8):
            self.assertEqual(len(client.result()["sessions"]), 50)
        self.assertTrue(client.is_closed())


class Ends(BrokerTest):
    OPTIONS = ("--workers", "2")

    def test_half_close_after_calls_gets_the_replies_then_close(self):
        client = self.client()
        client.send_raw(b'{"method":"io.usher.Broker.ListPools"}\0' * 300)
        client.socket.shutdown(socket.SHUT_WR)
        for _ in range(300):
            client.result()
        self.assertTrue(client.is_closed())

    def set_limits(self, client, n, **flags):
        calls = [{"method": "io.usher.Broker.SetPool",
                  "parameters": {"pool": "default", "limit": i + 1}, **flags} for i in range(n)]
        client.send_raw(b"".join(json.dumps(call).encode() + b"\0" for call in calls))

    def expect_limit(self, limit):
        admin = self.client()
        wait_for(lambda: admin.call("ListPools")["pools"][0]["limit"] == limit, "the last call")

    def test_all_that_was_said_before_a_close_is_done(self):
        client = self.client()
        self.set_limits(client, 300, oneway=True)
        client.close()
        self.expect_limit(300)

    def test_the_same_if_nobody_reads_the_replies(self):
        client = self.client()
        self.set_limits(client, 200)
        client.close()
        self.expect_limit(200)

    def test_the_same_if_some_are_there_but_not_read(self):
        client = self.client()
        client.send("ListPools")
        wait_for(client.has_reply, "the first reply")
        self.set_limits(client, 250)
        client.close()
        self.expect_limit(250)

    def test_the_same_if_it_passed_descriptors(self):
        """A read ends at each; the broker sees all of them and the close at once."""
        client = self.client()
        client.call("ListPools")
        stop(self.broker.process.pid)
        for limit in range(1, 11):
            call = {"method": "io.usher.Broker.SetPool", "oneway": True,
                    "parameters": {"pool": "default", "limit": limit}}
            socket.send_fds(client.socket, [json.dumps(call).encode() + b"\0"], [0])
        client.close()
        os.kill(self.broker.process.pid, signal.SIGCONT)
        self.expect_limit(10)

    def test_who_speaks_and_does_not_listen_is_closed(self):
        client, admin = self.client(), self.client()
        client.create()
        client.socket.shutdown(socket.SHUT_RD)
        client.send("ListPools")
        wait_for(lambda: admin.metrics()["lifetime_total_abandoned"] == 1, "the end of its owner")

    def test_half_close_during_a_drain_cancels_it(self):
        holder, client = self.client(), self.client()
        holder.create()
        client.send("Drain", {"timeout_ms": -1})
        wait_for(lambda: holder.metrics()["shutdown_requested"], "the drain")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertTrue(client.is_closed())
        holder.call("Resume")

    def test_a_close_behind_many_pipelined_calls_is_seen_during_a_wait(self):
        holder, client = self.client(), self.client()
        holder.create()
        client.send("Create")
        client.send("Drain", {"timeout_ms": -1})
        # In one piece: the broker stops reading behind the 16th, and the kernel bounds what may lie
        # in a socket by the number of pieces, too.
        client.send_raw(b'{"method":"io.usher.Broker.ListPools"}\0' * 100)
        wait_for(lambda: holder.metrics()["active_sessions"] == 2, "the session")
        client.close()
        wait_for(lambda: holder.metrics()["lifetime_total_abandoned"] == 1, "the end of its owner")

    def test_closes_at_every_moment_leave_nothing_behind(self):
        data = b'{"method":"io.usher.Broker.Create"}\0{"method":"io.usher.Broker.List","more":true}\0'
        for cut in range(0, len(data) + 1, 3):
            client = self.broker.client()
            client.send_raw(data[:cut])
            client.close()
        with self.broker.client() as client:
            wait_for(lambda: client.metrics()["connections"] == 1, "the closes")
            self.assertEqual(client.metrics()["active_sessions"], 0)

    def test_the_daemon_ends_with_clients_and_sessions_there(self):
        held = [self.client() for _ in range(20)]
        for client in held:
            client.create(metadata={"a": 1})
        held[0].send("Drain", {"timeout_ms": -1})
        held[1].send_raw(b'{"meth')
        wait_for(lambda: held[2].metrics()["shutdown_requested"], "the drain")
        self.assertIn("usherd has ended", self.broker.stop())


if __name__ == "__main__":
    unittest.main()
