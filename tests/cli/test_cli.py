# SPDX-License-Identifier: MIT
"""usherctl's screens and lines before a broker that only pretends: any table, any reply."""
import grp
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from fake_broker import HARMFUL, Fake, Table, now_us, pool, session
from screen import Terminal

USHERCTL = os.environ["USHERCTL"]


def wait_until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.01)


class FakeTest(unittest.TestCase):
    def fake(self, *numbers, **more):
        self.broker = Fake(Table(*numbers, **more))
        self.addCleanup(self.broker.close)
        self.environment = {"USHER_SOCKET": self.broker.path}
        return self.broker

    def ctl(self, *arguments, status=0):
        result = subprocess.run([USHERCTL, *map(str, arguments)], text=True, timeout=60, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **self.environment})
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        self.assertIsNone(HARMFUL.search(result.stderr), repr(result.stderr))
        self.err = result.stderr
        return result.stdout

    def popen(self, *arguments, **more):
        process = subprocess.Popen([USHERCTL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env={**os.environ, **self.environment}, **more)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def terminal(self, *arguments, columns=80, rows=24, **environment):
        terminal = Terminal([USHERCTL, *map(str, arguments)], columns, rows, **self.environment, **environment)
        self.addCleanup(terminal.close)
        return terminal

    def called(self, method):
        return [parameters for name, parameters in self.broker.calls if name == method]


class Unreachable(unittest.TestCase):
    """Why there is no broker, and what is to be done about it."""

    NOBODY, DAEMON = 65533, 1

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="usher-test.")
        self.addCleanup(directory.cleanup)
        self.top = pathlib.Path(directory.name)
        self.top.chmod(0o755)
        self.directory = self.top / "run"
        self.directory.mkdir()
        self.path = self.directory / "usher.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)

    def ping(self, path, status=3, **more):
        result = subprocess.run([USHERCTL, "--socket", path, "ping"], text=True, timeout=60, stderr=subprocess.PIPE,
                                stdin=subprocess.DEVNULL, **more)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stderr

    def test_nobody_is_there(self):
        told = f"no broker listens at {self.path}; start one with: usherd --socket {self.path}\n"
        self.assertIn(told, self.ping(self.path))
        self.listener.bind(str(self.path))
        self.assertIn(told, self.ping(self.path))  # it does not listen

    def test_what_is_there_is_no_socket(self):
        told = f"no broker can listen at {self.path}: it is a %s, not a socket\n"
        self.path.write_text("")
        self.assertIn(told % "file", self.ping(self.path))
        self.assertIn(f"no broker listens at {self.path}/in; ", self.ping(self.path / "in"))
        self.path.unlink()
        self.path.mkdir()
        self.assertIn(told % "directory", self.ping(self.path))

    def test_what_cannot_be_a_path_of_one(self):
        self.assertIn("the socket's path is over 107 bytes", self.ping("/" + "x" * 107, status=2))
        self.path.symlink_to(self.path)
        self.assertIn(f"cannot connect to {self.path}: Too many levels of symbolic links", self.ping(self.path))

    @unittest.skipUnless(os.geteuid() == 0, "SKIPPED: another user can be played by root only")
    def test_who_may_connect_is_told(self):
        self.listener.bind(str(self.path))
        self.listener.listen()
        group = grp.getgrgid(self.DAEMON).gr_name
        cases = (
            (0o755, 0, 0o600, 0, "it is for user root only (mode 0600)"),
            (0o755, 0, 0o660, 0, "it is for user root only (mode 0660)"),  # a group that nobody joins
            (0o755, 0, 0o660, 54321, "it is for user root only (mode 0660)"),
            (0o755, 0, 0o660, self.DAEMON, f"it is for members of the group '{group}' (join it with: "
                                           f"sudo adduser $USER {group}, and log in again)"),
            (0o700, 0, 0o666, 0, f"{self.directory} is for user root only (mode 0700)"),
            (0o700, self.DAEMON, 0o666, 0, f"{self.directory} is for user root only (mode 0700)"),
            (0o710, self.DAEMON, 0o666, 0, f"its directory is for members of the group '{group}'"))
        for mode, gid, socket_mode, socket_gid, told in cases:
            with self.subTest(told=told):
                for path, (its_mode, its_gid) in {self.directory: (mode, gid),
                                                  self.path: (socket_mode, socket_gid)}.items():
                    os.chown(path, 0, its_gid)
                    path.chmod(its_mode)
                self.assertIn(f"you may not connect to {self.path}: {told}", self.ping(
                    self.path, user=self.NOBODY, group=self.NOBODY, extra_groups=[]))


class Who(FakeTest):
    def test_pools_have_a_headline_and_their_sessions(self):
        self.fake(3, 4)
        terminal = self.terminal("who")
        self.assertEqual(terminal.end(), 0)
        lines = terminal.screen.lines()
        at = lines.index("gpu: 2 of 2 slots in use, 4 waiting")
        self.assertRegex(lines[at + 1], r"^SLOTS +USER +PID +COMMAND +AGE +SESSION$")
        self.assertRegex(lines[at + 2], r"^0 +root +1000 +train +\d+s +session_000000000000$")
        self.assertEqual([line.split()[0] for line in lines[at + 4:at + 8]], ["#1", "#2", "#3", "#4"])
        self.assertIn("日本語コマンド", lines[at + 6])

    def test_a_pipe_gets_rows_without_headings(self):
        self.fake(3, 4)
        rows = [line.split() for line in self.ctl("who").splitlines()]
        self.assertEqual(len(rows), 7)
        self.assertEqual([row[:2] for row in rows[:3]], [["default", "0"], ["gpu", "0"], ["gpu", "1"]])
        self.assertEqual(rows[-1][-1], "session_000000000006")
        self.assertEqual(len(self.ctl("who", "-p", "default").splitlines()), 1)

    def test_json_is_what_the_broker_sent(self):
        fake = self.fake(3, 4)
        lines = [json.loads(line) for line in self.ctl("who", "--json").strip("\n").split("\n")]
        self.assertEqual([line["pool"]["pool"] for line in lines], ["default", "gpu"])
        self.assertEqual([len(line["holders"]) for line in lines], [1, 2])
        self.assertEqual([w["queued"]["position"] for w in lines[1]["waiters"]], [1, 2, 3, 4])
        self.assertEqual(lines[0]["holders"][0]["session_id"], fake.table.sessions[1]["session_id"])

    def test_hostile_names_stay_in_their_column(self):
        self.fake(500, 30)
        for columns, rows in ((80, 700), (200, 700)):
            terminal = self.terminal("who", columns=columns, rows=rows)
            self.assertEqual(terminal.end(), 0)
            self.assertIsNone(HARMFUL.search(terminal.raw.decode().replace("\r\n", "\n")))
            sessions = [line for line in terminal.screen.lines() if "session_" in line]
            self.assertEqual(len(sessions), 530)
            for line in sessions:
                self.assertRegex(line, r"session_[0-9a-f]{12}$")

    def test_an_unknown_pool_is_said(self):
        self.fake(1)
        self.ctl("who", "-p", "nope", status=17)
        self.assertIn('there is no pool "nope"', self.err)
        self.ctl("pools", "nope", status=17)

    def test_nobody_is_no_error(self):
        self.fake()
        self.assertEqual(self.ctl("who"), "")
        terminal = self.terminal("who")
        self.assertEqual(terminal.end(), 0)
        self.assertIn("gpu: 0 of 2 slots in use", terminal.screen.lines())


class Monitor(FakeTest):
    def line(self, process):
        return process.stdout.readline()

    def test_a_line_an_event_after_the_snapshot(self):
        fake = self.fake(2, 1)
        process = self.popen("monitor")
        lines = [self.line(process).rstrip("\n").split("\t") for _ in range(6)]
        self.assertEqual([line[1] for line in lines], ["snapshot"] * 5 + ["ready"])
        self.assertEqual({len(line) for line in lines}, {9})
        self.assertRegex(lines[0][0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}$")
        s = dict(fake.table.sessions[0])
        fake.table.events.append({"type": "ended", "sequence": 9, "at": now_us(), "session": s, "outcome": "timeout"})
        fields = self.line(process).rstrip("\n").split("\t")
        self.assertEqual(fields[1:8], ["ended", s["session_id"], "gpu", "0", "root", "1000", "train"])
        self.assertRegex(fields[8], r"^timeout after \d+s")
        fake.table.events.append({"type": "refused", "sequence": 10, "at": now_us(), "pool_name": "a\tb\x1b", "uid": 0,
                                  "pid": 77, "error": "io.usher.Broker.QueueFull"})
        self.assertEqual(self.line(process).rstrip("\n").split("\t")[1:],
                         ["refused", "-", "a\\tb\\x1b", "-", "root", "77", "-", "QueueFull"])
        fake.table.events.append({"type": "drain", "sequence": 11, "at": now_us(), "draining": True})
        self.assertIn("new sessions are refused", self.line(process))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), 0)

    def test_json_and_no_snapshot(self):
        fake = self.fake(2, 1)
        process = self.popen("monitor", "--json", "--no-snapshot", "-p", "gpu", "session_000000000000")
        wait_until(lambda: self.called("Monitor"), "the call")
        self.assertEqual(self.called("Monitor"), [{"pool": "gpu", "session_id": "session_000000000000"}])
        fake.table.events.append({"type": "drain", "sequence": 11, "at": 5, "draining": False})
        self.assertEqual(json.loads(self.line(process)), {"type": "drain", "sequence": 11, "at": 5, "draining": False})

    def test_it_ends_quietly_when_nobody_reads(self):
        fake = self.fake(1)
        for ignored in (False, True):
            process = self.popen("monitor", restore_signals=not ignored)  # python has SIGPIPE ignored
            self.line(process)
            process.stdout.close()
            fake.table.events += [{"type": "drain", "sequence": i, "at": 5} for i in range(3)]
            self.assertEqual(process.wait(30), 0)
            self.assertEqual(process.stderr.read(), "")

    def test_hostile_names_are_escaped_on_a_terminal(self):
        self.fake(12, 3)
        for arguments in (["monitor"], ["monitor", "--json"]):
            terminal = self.terminal(*arguments, columns=200, rows=50)
            terminal.wait_for("ready", "the end of the snapshot")
            terminal.process.terminate()
            self.assertEqual(terminal.end(), 0)
            self.assertIsNone(HARMFUL.search(terminal.raw.decode().replace("\r\n", "\n")))


class Top(FakeTest):
    def top(self, *arguments, **more):
        return self.terminal("top", "-d", "100ms", *arguments, **more)

    def quit(self, terminal, status=0):
        self.assertEqual(terminal.end(), status)
        self.assertTrue(terminal.is_restored())

    def test_the_screen_at_80x24_and_after_it_grew(self):
        self.fake(3, 4)
        terminal = self.top()
        terminal.wait_for(lambda text: "train" in text and re.search(r"new \d+\.\d/s", text), "the screen")
        lines = terminal.screen.lines()
        self.assertRegex(lines[0], r"^usherd 0\.1\.0, up .*: 3 active, 4 waiting +\d\d:\d\d:\d\d$")
        self.assertRegex(lines[4], r"^gpu +\[\|{10}\] +2/2 +4 ")
        self.assertRegex(lines[6], r"^SLOT  POOL +USER +PID +COMMAND +AGE +LEFT$")
        self.assertEqual([line.split()[0] for line in lines[7:14]], ["1", "0", "0", "#1", "#2", "#3", "#4"])
        self.assertIn("日本語コマンド", lines[12])
        terminal.resize(200, 50)
        terminal.wait_for(lambda text: "session_000000000006" in text and
                          terminal.screen.lines()[49].startswith("q quit"), "the larger screen")
        self.assertTrue(all(len(line) <= 200 for line in terminal.screen.lines()))
        terminal.type("q")
        self.quit(terminal)

    def test_keys_move_sort_and_choose_a_pool(self):
        self.fake(480, 20)
        terminal = self.top()
        terminal.wait_for("1-16 of 500", "the rows")
        terminal.type("  ")
        terminal.wait_for(lambda text: re.search(r"1[56]-3[01] of 500", text), "the next page")
        terminal.type("s")
        terminal.wait_for("sorted by user", "the order")
        terminal.type("p")
        terminal.wait_for("1-16 of 240", "the first pool")
        terminal.type("p")
        terminal.wait_for("1-16 of 260", "the second pool")
        terminal.type("G")
        terminal.wait_for("245-260 of 260", "the last row")
        terminal.type("?")
        terminal.wait_for("Any key goes back", "the help")
        terminal.type("x")
        terminal.wait_for("245-260 of 260", "the rows again")
        terminal.type("q")
        self.quit(terminal)

    def test_revoking_asks_first(self):
        self.fake(3, 1)
        terminal = self.top()
        terminal.wait_for("train", "the rows")
        terminal.type("r")
        terminal.wait_for("Revoke (y: ask its owner, f: force, n: no)? session_000000000002", "the question")
        terminal.type("n")
        terminal.wait_for("q quit", "the way back")
        self.assertEqual(self.called("Revoke"), [])
        terminal.type("ry")
        terminal.wait_for("is revoking", "the answer")
        self.assertEqual(self.called("Revoke"), [{"session_id": "session_000000000002"}])
        terminal.type("jrf")
        terminal.wait_for("session_000000000001 has ended", "the answer")
        self.assertEqual(self.called("Revoke")[1], {"session_id": "session_000000000001", "force": True})
        terminal.type("Gry")
        terminal.wait_for("no longer waits", "the answer")
        # By its id: a request id may be another user's, too.
        self.assertEqual(self.called("Cancel"), [])
        self.assertIn({"session_id": "session_000000000003"}, self.called("Revoke"))
        self.broker.errors["Revoke"] = ("NoSuchSession", {"session_id": "session_0"})
        terminal.type("gry")
        terminal.wait_for('there is no session "session_0"', "the refusal")
        terminal.type("q")
        self.quit(terminal)

    def test_a_lost_broker_comes_back(self):
        fake = self.fake(3)
        terminal = self.top()
        terminal.wait_for("train", "the rows")
        fake.cut()
        terminal.wait_for("no broker: reconnecting", "the loss")
        self.assertIn("train", terminal.screen.text())
        fake.open()
        terminal.wait_for(lambda text: "usherd 0.1.0" in text and "no broker" not in text, "the return")
        terminal.type("q")
        self.quit(terminal)

    def test_a_broker_that_hangs_leaves_the_keys_alive(self):
        fake = self.fake(3)
        terminal = self.top("-p", "nope")
        terminal.wait_for('there is no pool "nope"; these are all', "the rows")
        fake.hooks["GetMetrics"] = lambda fake, parameters: time.sleep(3600)
        terminal.wait_for("no broker: reconnecting (the broker at", "the hang")
        terminal.type("s")
        terminal.wait_for("sorted by user", "the order")
        terminal.type("q")
        self.quit(terminal)

    def test_a_terminal_that_goes_away_ends_it(self):
        self.fake(3)
        terminal = self.top()
        terminal.wait_for("train", "the rows")
        os.close(terminal.main)
        terminal.main = os.open("/dev/null", os.O_RDWR)
        self.assertEqual(terminal.process.wait(30), 129)

    def test_signals_leave_the_terminal_as_it_was(self):
        self.fake(3)
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 0), (signal.SIGHUP, 129)):
            terminal = self.top()
            terminal.wait_for("train", "the rows")
            self.assertFalse(terminal.is_restored())
            terminal.process.send_signal(number)
            self.quit(terminal, status)

    def stop(self, terminal):
        """As a person would: a key that does nothing is hit again. (On a busy machine one was seen to
        do nothing now and then, before it reached top.)"""
        for _ in range(10):
            terminal.type("\x1a")
            for _ in range(30):
                terminal.read(0.1)
                if "it has stopped" in terminal.screen.text():
                    return
        self.fail("it does not stop")

    def test_it_stops_and_goes_on(self):
        self.fake(3)
        shell = "\"$USHERCTL\" top; echo it has stopped; read line; fg >/dev/null; echo it has ended"
        terminal = Terminal(["bash", "-mc", shell], **self.environment)
        self.addCleanup(terminal.close)
        terminal.wait_for("train", "the rows")
        self.stop(terminal)
        self.assertTrue(terminal.is_restored())
        terminal.type("\n")
        terminal.wait_for("q quit", "the screen again")
        terminal.type("q")
        self.quit(terminal)

    def test_small_screens_and_none_do_no_harm(self):
        self.fake(20, 10, pools=[pool(f"p{i}", 3) for i in range(60)] + [pool("gpu", 20), pool("default", 9)])
        terminal = self.top()
        terminal.wait_for("and 56 more", "the pools")
        for columns, rows in ((1, 1), (5, 2), (30, 7), (80, 24), (79, 3), (300, 100)):
            terminal.resize(columns, rows)
            time.sleep(0.15)
            terminal.read(0.1)
        terminal.wait_for("train", "the rows")
        terminal.type("q")
        self.quit(terminal)

    def test_without_a_terminal_it_says_so(self):
        self.fake(1)
        self.ctl("top", status=2)
        self.assertIn("this needs a terminal", self.err)
        self.ctl("top", "--json", status=2)
        terminal = self.terminal("top", TERM="no-such-terminal")
        self.assertEqual(terminal.end(), 1)
        self.assertIn("TERM=no-such-terminal", terminal.screen.text())
        self.assertTrue(terminal.is_restored())

    def test_without_a_broker_it_does_not_begin(self):
        self.fake(1)
        self.broker.cut()
        terminal = self.top()
        self.assertEqual(terminal.end(), 3)
        self.assertIn("no broker listens", terminal.screen.text().replace("\n", ""))
        self.broker.open()


if __name__ == "__main__":
    unittest.main()
