# SPDX-License-Identifier: MIT
"""Abuse 21 to 25: pretending to be somebody else, being twice, and names that are weapons."""
import ctypes
import os
import re
import signal
import socket
import struct
import subprocess
import time
import unittest

from abuse import AbuseTest, Client, Refused, wait_for

OWNER_UID, OFFENDER_UID = 65532, 65533
SYS_CLONE3 = 435
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
TREACHEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


class Users(AbuseTest):
    CONFIG = "[broker]\nsocket_mode = 0666\n"

    def test_21_another_users_session_is_not_to_be_touched_nor_are_its_texts_shown(self):
        self.skip_unless_root()
        owner, offender = self.client(OWNER_UID), self.client(OFFENDER_UID)
        session = owner.create(pool="one", label="secret-label", metadata={"key": "secret-data"})
        owner.wait(pool="one", request_id="waits")
        wait_for(lambda: self.look.metrics()["waiting_sessions"] == 1, "it to wait")
        attempts = {
            "Start": {}, "Renew": {"timeout_ms": 1000}, "Update": {"metadata": {}}, "Release": {},
            "Attach": {}, "Revoke": {"force": True}}

        def offend():
            for method, parameters in attempts.items():
                self.assertRefused("PermissionDenied", offender, method,
                                   {"session_id": session["session_id"], **parameters})
            for method, parameters in (("Pause", {}), ("SetPool", {"pool": "one", "limit": 9}),
                                       ("ResetMetrics", {}), ("Reload", {}), ("Drain", {})):
                self.assertRefused("PermissionDenied", offender, method, parameters)
            self.assertRefused("NoSuchSession", offender, "Cancel", {"request_id": "waits"})
            seen = offender.call("Get", session_id=session["session_id"])["session"]
            self.assertEqual((seen.get("metadata"), seen.get("label")), (None, None))
            offender.call("List")
            self.assertNotIn(b"secret", offender.raw)
            for known in ({"label": "secret-label"}, {"where": {"key": "secret-data"}}):
                self.assertEqual(offender.call("List", **known)["sessions"], [])
        with self.abuse():
            self.again_and_again(offend)


class Forks(AbuseTest):
    def test_22_a_forked_child_that_uses_its_parents_handle_gets_an_error_and_does_no_harm(self):
        def offend():
            result = subprocess.run([os.environ["FORKED"]], stdout=subprocess.PIPE, text=True,
                                    timeout=60,
                                    env={**os.environ, "USHER_SOCKET": str(self.broker.socket)})
            self.assertEqual(result.returncode, 0)
            refused = [f"{call} No child processes"
                       for call in ("create", "renew", "release", "dispatch")]
            self.assertEqual(result.stdout.splitlines(), refused + ["parent ok"])
        with self.abuse():
            self.again_and_again(offend)


def clone_with_pid(pid):
    """fork(), the child's number given."""
    arguments = struct.pack("=11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    wanted = (ctypes.c_int * 1)(pid)
    arguments = bytearray(arguments)
    struct.pack_into("=2Q", arguments, 8 * 8, ctypes.addressof(wanted), 1)
    buffer = (ctypes.c_char * len(arguments)).from_buffer(arguments)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(SYS_CLONE3, buffer, len(arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return result


class Processes(AbuseTest):
    is_broker_killed = True

    def make_child(self, fork, act):
        """A process that runs ACT with a line to us, and its end of that line."""
        mine, theirs = socket.socketpair()
        pid = fork()
        if pid == 0:
            try:
                mine.close()
                act(theirs)
            finally:
                os._exit(0)
        theirs.close()
        self.addCleanup(mine.close)
        return pid, mine

    def end_child(self, pid):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def second_life(self):
        self.broker.process.kill()
        self.broker.process.wait()
        self.look.close()

    def begin_life(self):
        self.broker.start()
        self.look = self.broker.client()
        self.addCleanup(self.look.close)

    def test_23_a_recycled_pid_inherits_nothing(self):
        """The first one holds a slot and ends while the daemon is down; the second one has its pid
        when the daemon is back, and asks for the same."""
        parameters = {"pool": "one", "owner": "process", "request_id": "mine"}

        def first(line):
            client = Client(self.broker.socket)
            line.send(client.create(**parameters)["session_id"].encode())
            line.recv(1)

        def second(line):
            session = line.recv(100).decode()
            client = Client(self.broker.socket)
            try:
                client.call("Renew", session_id=session)
                line.send(b"inherited")
            except Refused as refusal:
                told = wait_for(lambda: self.try_create(client, parameters), "the slot")
                is_new = told["session_id"] != session
                line.send(f"{refusal.name} {told['existing']} {is_new}".encode())
        with self.abuse():
            pid, line = self.make_child(os.fork, first)
            session = line.recv(100)
            self.second_life()
            self.end_child(pid)
            time.sleep(0.05)  # start times are told in hundredths of a second
            try:
                heir, line = self.make_child(lambda: clone_with_pid(pid), second)
            except PermissionError:
                self.begin_life()
                self.skipTest("only root can choose a process's number")
            self.assertEqual(heir, pid)
            self.begin_life()
            wait_for(lambda: self.look.metrics()["lifetime_total_abandoned"] == 1, "its end")
            line.send(session)
            told = line.recv(100).decode()
            os.waitpid(heir, 0)
            self.assertIn(told, ("SessionEnded False True", "NoSuchSession False True"))

    def try_create(self, client, parameters):
        try:
            return client.create(**parameters)
        except Refused:
            return None

    def test_24_the_same_request_twice_and_across_a_crash_is_one_session_and_one_slot(self):
        parameters = {"pool": "one", "request_id": "once", "metadata": {"a": 1}}
        with self.abuse():
            first, second = self.client(), self.client()
            session = first.create(**parameters)
            again = second.create(**parameters)
            self.assertEqual((again["session_id"], again["existing"]),
                             (session["session_id"], True))
            self.assertRefused("RequestIdInUse", first, "Create", {**parameters, "units": 2})
            self.second_life()
            self.begin_life()
            third = self.client()
            again = third.create(**parameters)
            self.assertTrue(again["existing"])
            for key in ("session_id", "slots", "fence"):
                self.assertEqual(again[key], session[key])
            pool = next(p for p in self.look.call("ListPools")["pools"] if p["pool"] == "one")
            self.assertEqual((pool["used_units"], pool["active_sessions"]), (1, 1))


class Names(AbuseTest):
    CONFIG = "[broker]\nlog_sessions = all\nlog_level = debug\n"
    HOSTILE = "\x1b]0;owned\x07\x1b[2J\n\u202e\x9b31m\"} 1\n" \
              "usher_active_sessions{pool=\"forged\"} 9\n"

    def hostile_process(self):
        """Holds a session under names that would steer a terminal or forge a line."""
        mine, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            try:
                mine.close()
                with open("/proc/self/comm", "wb") as comm:
                    comm.write(b"\x1b[31m\na\"\xc2\x9b\\")
                client = Client(self.broker.socket)
                client.create(pool="one", label=self.HOSTILE[:40], metadata={"x\x1b": self.HOSTILE})
                theirs.send(b"x")
                theirs.recv(1)
            finally:
                os._exit(0)
        theirs.close()
        self.addCleanup(mine.close)  # which ends it
        self.assertEqual(mine.recv(1), b"x")
        return pid, mine

    def shown(self, *arguments):
        result = subprocess.run([os.environ["USHERCTL"], *arguments], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                                env={**os.environ, "USHER_SOCKET": str(self.broker.socket)})
        return result.stdout.decode()

    def test_25_hostile_names_are_escaped_on_the_terminal_in_the_log_and_in_metrics(self):
        with self.abuse():
            pid, line = self.hostile_process()
            session = self.look.call("List", pool="one")["sessions"][0]["session_id"]
            for command in (["list"], ["who"], ["get", session], ["pools"], ["status"],
                            ["list", "--json"], ["metrics"], ["metrics", "--openmetrics"],
                            ["create", "-p", "one", "--detached"]):
                text = self.shown(*command)
                # JSON is data, given back as it came, but for what JSON itself escapes.
                wrong = CONTROL if "--json" in command else TREACHEROUS
                self.assertIsNone(wrong.search(text), f"{command}: {text!r}")
                self.assertNotIn("\nusher_active_sessions{pool=\"forged\"", text)
            self.assertRefused("InvalidParameter", self.look, "SetPool",
                               {"pool": "p\"} 1\nx", "limit": 1}, parameter="pool")
            self.assertRefused("NoSuchPool", self.look, "Create", {"pool": "p\x1b[2J\nx"})
            self.look.call("Revoke", session_id=session, reason=self.HOSTILE[:60], force=True)
            line.close()
            os.waitpid(pid, 0)
        self.assertIsNone(TREACHEROUS.search(self.broker.log.read_text()))
        self.assertNotIn("\nusher_active", self.broker.log.read_text())


if __name__ == "__main__":
    unittest.main()
