# SPDX-License-Identifier: MIT
"""usherctl around a broker that goes away and comes back, before one that pretends."""
import os
import signal
import time
import unittest

from fake_broker import session
from test_cli import FakeTest, wait_until

GRANTED = {"session_id": "session_0000000000ff", "request_id": "r", "pool": "gpu", "slots": [3, 4], "fence": 99,
           "metadata_bytes": 0, "existing": False}
QUEUED = {"_now": {"queued": {"position": 2, "waiting": 5}}}


class RestartTest(FakeTest):
    def setUp(self):
        self.fake()
        self.go_on = False
        hooks = self.broker.hooks
        hooks["Create"] = self.create
        hooks["Start"] = lambda fake, parameters: [{}]
        hooks["Release"] = lambda fake, parameters: [{"duration_ms": 1}]
        hooks["Get"] = self.get

    def create(self, fake, _):
        """Queues; grants when it may."""
        yield QUEUED
        here = len(fake.calls)
        wait_until(lambda: self.go_on or len(fake.calls) > here + 100 or fake.listener.fileno() < 0, "the test")
        if fake.listener.fileno() < 0:
            raise OSError("killed")
        yield GRANTED

    def get(self, fake, _):
        return [{"session": {**session(255, "gpu", [3, 4]), "session_id": GRANTED["session_id"]}}]

    def restart(self, seconds=0.1):
        """Killed, away for a while, and there again."""
        self.broker.cut()
        time.sleep(seconds)
        self.broker.open()

    def queue(self, *arguments):
        process = self.popen(*arguments)
        wait_until(lambda: self.called("Create"), "the request")
        return process

    def finish(self, process, status=0):
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, status, err)
        return out, err


class Create(RestartTest):
    def test_a_wait_goes_on_under_the_same_request_id(self):
        process = self.queue("create", "--detached", "-w", "1min", "-p", "gpu")
        self.restart()
        wait_until(lambda: len(self.called("Create")) == 2, "the second request")
        self.go_on = True
        out, err = self.finish(process)
        self.assertEqual(out, "session_0000000000ff\n")
        self.assertRegex(err, "lost the broker: still waiting for pool gpu, trying again\n"
                         ".*the broker is back: waiting for pool gpu\n$")
        first, second = self.called("Create")
        self.assertRegex(first["request_id"], r"^req_[0-9a-f]{16}_\d+$")
        self.assertEqual(first["wait_ms"], 60000)
        self.assertTrue(30000 < second["wait_ms"] <= 59900, second)
        self.assertEqual({**first, "wait_ms": 0}, {**second, "wait_ms": 0})

    def test_a_terminal_shows_that_it_reconnects(self):
        terminal = self.terminal("create", "--detached", "--wait", "infinity", "-p", "gpu")
        terminal.wait_for("waiting for pool gpu: 2nd of 5", "the place")
        self.broker.cut()
        terminal.wait_for("waiting for pool gpu: no broker, reconnecting", "the loss")
        self.broker.open()
        terminal.wait_for("waiting for pool gpu: 2nd of 5", "the place again")
        self.go_on = True
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn("waiting", terminal.screen.text())

    def test_a_broker_that_stays_away_ends_a_wait_that_has_an_end(self):
        process = self.queue("--call-timeout", "200ms", "create", "--detached", "-w", "200ms")
        self.broker.cut()
        _, err = self.finish(process, status=3)
        self.assertIn("no broker listens", err)
        self.broker.open()

    def test_an_interrupt_ends_it(self):
        process = self.queue("create", "--detached", "-w", "infinity")
        self.broker.cut()
        self.assertIn("trying again", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), -signal.SIGINT)
        self.broker.open()

    def test_one_whose_answer_is_lost_is_asked_for_again(self):
        def create(fake, _):
            if len(self.called("Create")) == 1:
                raise OSError("killed")
            return [{**GRANTED, "existing": True}]
        self.broker.hooks["Create"] = create
        terminal = self.terminal("create", "--detached")
        self.assertEqual(terminal.end(), 0)
        # The id was made by usherctl, so that the session is new for whoever called it.
        self.assertIn("new session of pool gpu", terminal.screen.text())
        first, second = self.called("Create")
        self.assertEqual(first, second)

    def test_a_request_that_the_broker_dies_of_is_given_up(self):
        def create(fake, _):
            raise OSError("killed")
        self.broker.hooks["Create"] = create
        for more in ((), ("-w", "infinity")):
            self.broker.calls.clear()
            self.ctl("create", "--detached", *more, status=3)
            self.assertEqual(len(self.called("Create")), 8)


class Monitor(RestartTest):
    def test_it_goes_on_with_a_new_snapshot(self):
        self.broker.table.add(1, "gpu", [0])
        process = self.popen("monitor")
        kinds = [process.stdout.readline().split("\t")[1] for _ in range(4)]
        self.assertEqual(kinds, ["snapshot", "snapshot", "snapshot", "ready"])
        self.restart()
        kinds = [process.stdout.readline().split("\t")[1] for _ in range(4)]
        self.assertEqual(kinds, ["snapshot", "snapshot", "snapshot", "ready"])
        process.terminate()
        _, err = self.finish(process)
        self.assertRegex(err, "lost the connection to the broker: trying again; .* not shown\n.*the broker is back\n$")

    def test_a_session_that_is_gone_then_is_an_error(self):
        self.broker.table.add(1, "gpu", [0])
        process = self.popen("monitor", "session_000000000001")
        process.stdout.readline()
        self.broker.errors["Monitor"] = ("NoSuchSession", {"session_id": "session_000000000001"})
        self.restart()
        self.finish(process, status=18)


class Run(RestartTest):
    WORK = ("sh", "-c", "echo $$; trap 'echo told' TERM; read line; echo done $line")

    def work(self):
        """A command that runs until it is told to go on, and is watched."""
        self.go_on = True
        process = self.popen("run", "-p", "gpu", "--", *self.WORK, stdin=-1)
        process.stdout.readline()
        wait_until(lambda: self.called("Start") and self.called("Monitor"), "the watch")
        return process

    def end_work(self, process, status=0):
        out, err = process.communicate("well\n", timeout=30)
        self.assertEqual(process.returncode, status, err)
        return out, err

    def test_it_keeps_waiting_for_one_slot(self):
        process = self.queue("run", "-p", "gpu", "--", "echo", "done")
        for i in range(2, 4):
            self.restart()
            wait_until(lambda: len(self.called("Create")) == i, "the next request")
        self.go_on = True
        out, err = self.finish(process)
        self.assertEqual(out, "done\n")
        self.assertEqual(len({p["request_id"] for p in self.called("Create")}), 1)
        self.assertEqual({p["wait_ms"] for p in self.called("Create")}, {-1})
        self.assertRegex(err, "lost the broker: still waiting for pool gpu, trying again\n"
                         ".*the broker is back: waiting for pool gpu, 2nd of 5\n")

    def test_a_terminal_shows_that_it_reconnects(self):
        terminal = self.terminal("run", "-p", "gpu", "--", "true")
        terminal.wait_for("waiting for pool gpu: 2nd of 5", "the place")
        self.broker.cut()
        terminal.wait_for("waiting for pool gpu: no broker, reconnecting", "the loss")
        self.broker.open()
        terminal.wait_for("waiting for pool gpu: 2nd of 5", "the place again")
        self.go_on = True
        self.assertEqual(terminal.end(), 0)

    def test_the_command_does_not_notice(self):
        process = self.work()
        for i in range(2, 4):
            self.restart()
            wait_until(lambda: len(self.called("Monitor")) >= i and len(self.called("Get")) >= i - 1, "the watch")
        out, _ = self.end_work(process)
        self.assertEqual(out, "done well\n")
        self.assertEqual(len(self.called("Create")), 1)
        self.assertEqual([p["outcome"] for p in self.called("Release")], ["completed"])

    def test_a_session_that_is_lost_ends_it(self):
        for error in (("NoSuchSession", {"session_id": "x"}), ("SessionEnded", {"session_id": "x", "outcome": "timeout"})):
            self.broker.calls.clear()
            self.broker.errors.pop("Get", None)
            process = self.work()
            self.broker.errors["Get"] = error
            self.restart()
            self.assertEqual(process.stdout.readline(), "told\n")
            out, err = self.end_work(process, status=125)
            self.assertIn("the session is lost", err)
            self.assertEqual(self.called("Release"), [])

    def test_start_is_made_when_the_broker_is_back(self):
        self.go_on = True
        process = self.popen("run", "-p", "gpu", "--", *self.WORK, stdin=-1)
        process.stdout.readline()
        self.broker.cut()
        time.sleep(0.3)
        self.assertEqual(self.called("Start"), [])
        self.broker.open()
        wait_until(lambda: self.called("Start"), "Start")
        self.end_work(process)

    def test_a_release_finds_the_broker_back(self):
        process = self.work()
        self.broker.cut()
        process.stdin.write("well\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "done well\n")
        time.sleep(0.5)
        self.broker.open()
        self.finish(process)
        self.assertEqual([p["outcome"] for p in self.called("Release")], ["completed"])

    def test_or_the_status_is_the_commands_all_the_same(self):
        process = self.work()
        self.broker.cut()
        began = time.monotonic()
        self.end_work(process)
        self.assertGreater(time.monotonic() - began, 2)
        self.broker.open()


if __name__ == "__main__":
    unittest.main()
