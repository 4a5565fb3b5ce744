# SPDX-License-Identifier: MIT
"""Abuse 1 to 10: messages that are too long, too deep, unfinished, or not what was asked for."""
import json
import re
import time
import unittest

from abuse import SERVICE, AbuseTest, Refused

BROKER = "io.usher.Broker"


def create(parameters):
    return b'{"method":"io.usher.Broker.Create","parameters":' + parameters + b"}\0"


class Messages(AbuseTest):
    def refuse_all(self, cases):
        with self.abuse():
            self.again_and_again(lambda: [self.offend_raw(*case) for case in cases])

    def test_01_a_frame_over_the_limit_or_without_an_end_is_refused_and_closed(self):
        start = b'{"method":"' + b"x" * 65600
        self.refuse_all([(start, "message"), (start + b'"}\0', "message")])

    def test_03_brackets_without_number_are_refused_and_closed(self):
        deep = b"[" * 33 + b"]" * 33
        self.refuse_all([
            (create(b'{"metadata":{"x":' + deep + b"}}"), "message"),
            (b"[" * 60000 + b"\0", "message"), (b'{"x":' * 12000 + b"\0", "message"),
            (b"[" * 100000, "message")])

    def test_05_a_member_of_the_envelope_twice_is_refused_and_closed(self):
        self.refuse_all([
            (b'{"method":"a.b","method":"a.b"}\0', "method"),
            (b'{"method":"a.b","m\\u0065thod":"a.b"}\0', "method"),
            (b'{"method":"a.b","parameters":{},"parameters":{}}\0', "parameters"),
            (b'{"method":"a.b","more":true,"more":true}\0', "more")])

    def test_06_a_nul_in_a_text_is_refused_and_closed(self):
        self.refuse_all([
            (create(b'{"request_id":"a\\u0000b"}'), "message"),
            (create(b'{"metadata":{"a":"\\u0000"}}'), "message"),
            (b'{"method":"io.usher.Broker.Get\\u0000"}\0', "message")])

    def test_07_bad_utf_8_is_refused_and_closed(self):
        bad = [b"\xff", b"\xc0\x80", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80",
               b"\\ud800", b"\\udc00\\ud800"]
        self.refuse_all([(create(b'{"label":"' + text + b'"}'), "message") for text in bad])

    def test_09_what_is_no_object_is_refused_and_closed(self):
        self.refuse_all([(text + b"\0", "message")
                         for text in (b"", b"null", b"[]", b"true", b"1", b'"x"', b"{} {}")])


class Slowness(AbuseTest):
    CONFIG = "[broker]\nframe_timeout = 300ms\n"

    def test_02_one_byte_now_and_then_is_closed_when_the_frame_is_overdue(self):
        """With 300 ms for a frame instead of 30 s, and a byte each 50 ms instead of 5 s."""
        with self.abuse():
            client = self.client()
            with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                for byte in create(b'{"label":"slow"}') * 1000:
                    client.send_raw(bytes([byte]))
                    time.sleep(0.05)
            self.assertTrue(client.is_closed())
            self.assertEqual(self.look.metrics()["connections_dropped"], 1)


class Values(AbuseTest):
    def test_04_64_kib_of_zeros_are_refused_at_once(self):
        zeros = b"[" + b"0," * 32000 + b"0]"

        def offend():
            self.offend_raw(zeros + b"\0", "message")
            with self.broker.client() as client:
                client.send_raw(create(b'{"metadata":{"a":' + zeros + b"}}"))
                with self.assertRaises(Refused) as caught:
                    client.result()
                self.assertEqual(caught.exception.name, "MetadataTooLarge")
        with self.abuse():
            self.again_and_again(offend)

    def test_08_numbers_are_exact_or_refused(self):
        client = self.client()

        def offend():
            for text in (b"1e400", b"-0.0", b"1.5", b"1e3", b"9223372036854775808", b'"1"'):
                client.send_raw(create(b'{"timeout_ms":' + text + b"}"))
                with self.assertRaises(Refused) as caught:
                    client.result()
                self.assertEqual(caught.exception.parameters["parameter"], "timeout_ms")
            session = client.create(timeout_ms=2**53 + 1)["session_id"]  # is no double
            seen = client.call("Get", session_id=session)["session"]
            self.assertEqual(seen["timeout_ms"], 2**53 + 1)
            client.call("Release", session_id=session)
            client.send_raw(create(b'{"timeout_ms":-0}'))
            with self.assertRaises(Refused) as caught:
                client.result()
            self.assertEqual(caught.exception.name, "TimeoutOutOfRange")
            client.send_raw(create(b'{"metadata":{"n":9007199254740993}}'))
            session = client.result()["session_id"]
            client.call("Get", session_id=session)
            self.assertIn(b'{"n":9007199254740993}', client.raw)
            client.call("Release", session_id=session)
        with self.abuse():
            self.again_and_again(offend)


WRONG = {
    "int": ["1", 1.5, True, [], {}], "string": [1, True, [], {}], "bool": [0, "true", [], {}],
    "object": [1, "x", True, []], "enum": [1, "nonesuch", True, [], {}],
    "array": [1, "x", True, {}],
}
VALID = {"int": 1, "string": "x", "bool": False, "object": {}, "enum": None, "array": []}
PARAMETERS = {"session_id": "session_000000000000", "pool": "innocent"}


def kind_of(text):
    if text.startswith("[]"):
        return "array"
    return text if text in VALID else "enum"


class Parameters(AbuseTest):
    def methods(self):
        """As the broker describes itself: (method, [(name, kind, optional)])."""
        text = self.look.call(SERVICE + "GetInterfaceDescription", interface=BROKER)["description"]
        text = re.sub("#.*", "", text)
        for name, parameters in re.findall(r"^method (\w+)\s*\(([^()]*)\)", text, re.M):
            yield name, [(parameter, kind_of(kind.lstrip("?")), kind.startswith("?"))
                         for parameter, kind in re.findall(r"(\w+)\s*:\s*([?\w\[\]]+)", parameters)]

    def offend(self, client, method, parameters, wrong):
        client.send(method, parameters, **({"more": True} if method == "Monitor" else {}))
        with self.assertRaises(Refused) as caught:
            client.result()
        told = (caught.exception.name, caught.exception.parameters.get("parameter"))
        self.assertEqual(told, ("InvalidParameter", wrong), f"{method} {json.dumps(parameters)}")

    def test_10_each_parameter_that_is_missing_or_of_a_wrong_type_is_named(self):
        client = self.client()
        n = 0
        with self.abuse():
            for method, parameters in self.methods():
                needed = {name: PARAMETERS.get(name, VALID[kind])
                          for name, kind, is_optional in parameters if not is_optional}
                for name in needed:
                    others = {k: v for k, v in needed.items() if k != name}
                    self.offend(client, method, others, name)
                for name, kind, _ in parameters:
                    for value in WRONG[kind]:
                        self.offend(client, method, {**needed, name: value}, name)
                        n += 1
                self.offend(client, method, {**needed, "nonesuch": 1}, "nonesuch")
        self.assertGreater(n, 150)


if __name__ == "__main__":
    unittest.main()
