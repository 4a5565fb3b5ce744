# SPDX-License-Identifier: MIT
"""usherctl before a broker whose replies lack something, or have it of another type: each member in turn.
It says so, or shows what there is; it does not crash, hang or let through what steers a terminal.
$USHER_SEED chooses what each member becomes."""
import json
import os
import random
import subprocess
import unittest

from fake_broker import HARMFUL, Fake, Table, now_us, session

USHERCTL = os.environ["USHERCTL"]
SEED = int(os.environ.get("USHER_SEED", "1"))
ABSENT = object()
BECOMES = (ABSENT, None, -1, 2 ** 63 - 1, -2 ** 63, 1.5, "", "\x1b[2J\u202e", "x" * 5000, True, [], [[]], {}, {"": []})
MOST = 60  # of one command's

ID = "session_000000000001"
CREATED = {"session_id": ID, "request_id": "req_1", "pool": "gpu", "slots": [0], "fence": 17, "created_at": now_us(),
           "expires_at": now_us() + 10 ** 9, "existing": False}
ENDED = {**session(1, "gpu", [0]), "state": "ended", "outcome": "error", "result": "no", "ended_at": now_us(),
         "duration_ms": 1234, "queue_wait_ms": 7}
EVENT = {"type": "created", "sequence": 2, "at": now_us()}
REPLIES = {
    "Create": [CREATED], "Start": [{"expires_at": now_us()}], "Renew": [{"expires_at": now_us()}],
    "Update": [{"metadata_bytes": 2}], "Release": [{"duration_ms": 5}],
    "History": [{"sessions": [ENDED, {**ENDED, "session_id": "session_000000000002"}], "cursor": "1"}],
    "Verify": [{"ok": False, "findings": ["one", "two"]}], "Drain": [{"is_drained": True, "remaining": 0}],
    "org.varlink.service.GetInfo": [{"vendor": "v", "product": "p", "version": "1", "url": "u", "interfaces": ["i"]}],
    "Pause": [{}], "Resume": [{}], "Reload": [{}], "ResetMetrics": [{}],
    "Monitor": [{"event": {**EVENT, "type": "snapshot", "session": session(1, "gpu", [0])}},
                {"event": {**EVENT, "type": "ready"}},
                {"event": {**EVENT, "session": session(2, "gpu", [1])}},
                {"event": {**EVENT, "type": "ended", "session": ENDED, "reason": "r"}},
                {"event": {**EVENT, "type": "refused", "pool": "gpu", "error": "CapacityReached", "uid": 1, "pid": 2}}],
}
COMMANDS = (
    ("status",), ("ping",), ("create", "--detached"), ("create", "--detached", "--wait", "1s"), ("start", ID),
    ("renew", ID), ("update", ID, "--metadata", "{}"), ("release", ID), ("attach", ID, "--detached"), ("get", ID), ("list",),
    ("list", "--json"), ("who",), ("monitor",), ("history",), ("revoke", ID), ("pools",), ("pools", "gpu"),
    ("set-pool", "gpu", "--limit", "3"), ("pause",), ("resume",), ("drain",), ("reload",), ("metrics",),
    ("metrics", "--openmetrics"), ("metrics", "-p", "gpu"), ("reset-metrics",), ("verify",), ("call", "ListPools"))


def places(value, at=()):
    """Where there is something in VALUE; of lists the first two elements."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list):
        for n in range(min(2, len(value))):
            yield from places(value[n], (*at, n))


def changed(value, at, new):
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(at) == 1 and new is ABSENT:
        del copy[at[0]]
    else:
        copy[at[0]] = changed(value[at[0]], at[1:], new)
    return copy


class Liar(Fake):
    """Changes what PLACE, a number of a reply and where in that, has, into NEW; and notes all it says."""

    def begin(self, place=None, new=None):
        self.place, self.new, self.said = place, new, []

    def send(self, connection, message):
        number = len(self.said)
        self.said.append(message)
        if self.place and self.place[0] == number:
            parameters = changed(message["parameters"], self.place[1], self.new)
            message = {key: value for key, value in {**message, "parameters": parameters}.items()
                       if value is not ABSENT}
        connection.sendall(json.dumps(message).encode() + b"\0")


class Nonsense(unittest.TestCase):
    def setUp(self):
        self.broker = Liar(Table(4, 2))
        self.addCleanup(self.broker.close)
        for method, replies in REPLIES.items():
            self.broker.hooks[method] = lambda fake, parameters, replies=replies: replies

    def ctl(self, *command):
        try:
            result = subprocess.run([USHERCTL, "--call-timeout", "1s", *command], timeout=60, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env={**os.environ, "USHER_SOCKET": self.broker.path})
        except subprocess.TimeoutExpired:
            self.fail("it hangs")
        told, said = (text.decode() for text in (result.stderr, result.stdout))
        self.assertGreaterEqual(result.returncode, 0, told)
        self.assertNotIn("Sanitizer", told)
        self.assertNotIn("runtime error", told)
        self.assertIsNone(HARMFUL.search(told + ("" if "--openmetrics" in command else said)))
        if result.returncode:
            self.assertNotEqual(told, "")
        return result.returncode

    def test_each_member_of_each_reply_may_be_wrong(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                self.try_all(command, random.Random(SEED))

    def try_all(self, command, rng):
        self.broker.begin()
        self.ctl(*command)
        said = [(n, at) for n, message in enumerate(self.broker.said)
                for at in places(message.get("parameters", {}))]
        self.assertNotEqual(said, [])
        for place in rng.sample(said, min(MOST, len(said))):
            new = rng.choice(BECOMES)
            with self.subTest(place=place, new="absent" if new is ABSENT else new):
                self.broker.begin(place, new)
                self.ctl(*command)


unittest.main()
