# SPDX-License-Identifier: MIT
"""usherctl run: waits, holds a session for a command, and looks after both."""
import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
import unittest

from broker import BrokerTest, state_of, wait_for

USHERCTL = os.environ["USHERCTL"]


class Run(BrokerTest):
    CONFIG = ("[pool gpu]\nlimit = 2\n[pool one]\nlimit = 1\n"
              "[pool short]\nlimit = 2\ndefault_timeout = 300ms\n")

    def environment(self):
        return {**os.environ, "USHER_SOCKET": str(self.broker.socket)}

    def run_ctl(self, *arguments, status=0):
        result = subprocess.run([USHERCTL, "run", *arguments], text=True, timeout=60, env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        self.err = result.stderr
        return result.stdout

    def start(self, *arguments, **more):
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
        process = subprocess.Popen([USHERCTL, "run", *arguments], env=self.environment(), **more)
        self.addCleanup(lambda: [f.close() for f in (process.stdout, process.stderr) if f])
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def hold(self, pool="one", units=1):
        """A command that runs until the test writes to its standard input."""
        process = self.start("-p", pool, "-u", str(units), "--", "sh", "-c", "echo $$; read line; exit 0",
                             stdin=subprocess.PIPE)
        self.addCleanup(lambda: process.stdin.closed or process.stdin.close())
        process.worker = int(process.stdout.readline())
        return process

    def pool(self, name):
        return {p["pool"]: p for p in self.client_once().call("ListPools")["pools"]}[name]

    def client_once(self):
        if not self.clients:
            self.client()
        return self.clients[0]

    def active(self):
        return self.client_once().metrics()["active_sessions"]

    # ---- waiting ----

    def test_it_waits_for_its_turn(self):
        first = self.hold()
        second = self.start("-p", "one", "--", "echo", "done")
        wait_for(lambda: self.pool("one")["waiting_sessions"] == 1, "the waiter")
        self.assertIsNone(second.poll())
        first.communicate("\n", timeout=60)
        self.assertEqual(second.communicate(timeout=60)[0], "done\n")
        self.assertEqual((first.returncode, second.returncode), (0, 0))

    def test_it_waits_no_longer_than_told(self):
        first = self.hold()
        self.run_ctl("-p", "one", "-w", "50ms", "--", "true", status=125)
        self.assertRegex(self.err, "within [0-9]+ms")
        self.run_ctl("-p", "one", "-w", "50ms", "-E", "75", "--", "true", status=75)
        self.run_ctl("-p", "one", "-n", "-E", "75", "--", "true", status=75)
        self.assertIn("pool \"one\" is full", self.err)
        first.communicate("\n", timeout=60)

    def test_a_signal_ends_the_wait_and_leaves_nothing(self):
        first = self.hold()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            waiter = self.start("-p", "one", "--", "echo", "never")
            wait_for(lambda: self.pool("one")["waiting_sessions"] == 1, "the waiter")
            waiter.send_signal(number)
            self.assertEqual(waiter.communicate(timeout=60)[0], "")
            self.assertEqual(waiter.returncode, 128 + number)
            wait_for(lambda: self.pool("one")["waiting_sessions"] == 0, "the end of the wait")
        first.communicate("\n", timeout=60)

    def test_a_waiting_usherctl_that_is_killed_leaves_nothing(self):
        first = self.hold()
        waiter = self.start("-p", "one", "--", "sleep", "60")
        wait_for(lambda: self.pool("one")["waiting_sessions"] == 1, "the waiter")
        waiter.kill()
        waiter.wait(60)
        wait_for(lambda: self.pool("one")["waiting_sessions"] == 0, "the end of the wait")
        self.assertEqual(waiter.stdout.read(), "")  # and its child has closed it
        first.communicate("\n", timeout=60)

    def on_terminal(self, *arguments):
        """In the foreground of a terminal of its own, whose other side is returned as well."""
        mine, theirs = pty.openpty()
        self.addCleanup(os.close, mine)
        process = self.start(*arguments, stdin=theirs, stderr=theirs, start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0))
        os.close(theirs)
        return process, mine

    def read_progress(self, mine):
        text = b""
        while b"\x1b[K" not in text:
            text += os.read(mine, 1000)
        return text

    def read_terminal(self, mine):
        """All that is left, after the end."""
        text = b""
        try:
            while piece := os.read(mine, 4096):
                text += piece
        except OSError:
            pass
        return text

    def test_a_key_ends_the_wait(self):
        first = self.hold()
        waiter, mine = self.on_terminal("-p", "one", "--", "echo", "never")
        self.read_progress(mine)
        os.write(mine, b"\x03")
        self.assertEqual((waiter.wait(60), waiter.stdout.read()), (130, ""))
        self.assertTrue(self.read_terminal(mine).endswith(b"\r\x1b[K"))
        wait_for(lambda: self.pool("one")["waiting_sessions"] == 0, "the end of the wait")
        first.communicate("\n", timeout=60)

    def test_it_stops_and_goes_on_with_its_command(self):
        # In a group of its own, as a shell's job is: the kernel does not stop orphaned groups, which
        # that of a test may be.
        process = self.start("--", "sh", "-c", "echo $$; while :; do sleep 0.01; done",
                             preexec_fn=os.setpgrp)
        worker = int(process.stdout.readline())
        process.send_signal(signal.SIGTSTP)
        wait_for(lambda: state_of(worker) == "T" and state_of(process.pid) == "T", "the stop")
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: state_of(worker) in "SR" and state_of(process.pid) in "SR", "the end of the stop")
        process.terminate()
        self.assertEqual(process.wait(60), 143)

    def test_the_progress_is_shown_on_a_terminal(self):
        first = self.hold()
        waiter, mine = self.on_terminal("-p", "one", "--", "true")
        text = self.read_progress(mine)
        self.assertRegex(text.decode(), "^\rwaiting for pool one: 1st of 1, 0.*\x1b\\[K$")
        first.communicate("\n", timeout=60)
        self.assertEqual(waiter.wait(60), 0)
        self.assertTrue((text + self.read_terminal(mine)).endswith(b"\r\x1b[K"))

    # ---- holding ----

    def test_the_command_has_its_session(self):
        out = self.run_ctl("-p", "gpu", "-u", "2", "--", "sh", "-c",
                           "echo $USHER_SESSION $USHER_POOL $USHER_SLOT $USHER_SLOTS $USHER_FENCE $USHER_SOCKET")
        self.assertRegex(out, rf"^session_\w+ gpu 0 0,1 \d+ {self.broker.socket}\n$")
        self.run_ctl("--", "sh", "-c", "exit 7", status=7)
        self.run_ctl("--", "/nonexistent/program", status=127)
        self.run_ctl("--", "/etc/passwd", status=126)
        self.run_ctl("--", "sh", "-c", "kill -KILL $$", status=137)
        wait_for(lambda: self.active() == 0, "the slots")

    def test_how_the_command_ended_is_in_the_history(self):
        self.run_ctl("--", "sh", "-c", "exit 7", status=7)
        ended = self.client_once().call("History")["sessions"][0]
        self.assertEqual((ended["outcome"], ended["result"]), ("error", "exit 7"))

    def test_the_session_belongs_to_the_commands_process(self):
        held = self.hold()
        session = self.client_once().call("List")["sessions"][0]
        self.assertEqual((session["owner"], session["pid"], session["comm"]), ("process", held.worker, "sh"))
        wait_for(lambda: self.client_once().call("List")["sessions"][0]["state"] == "processing", "Start")
        held.kill()
        held.wait(60)
        time.sleep(0.2)  # what must not happen has no readiness to wait for
        self.assertEqual(self.active(), 1)
        os.kill(held.worker, signal.SIGKILL)
        wait_for(lambda: self.active() == 0, "the slot")

    def test_signals_reach_the_command(self):
        process = self.start("--", "sh", "-c", 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done')
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        self.assertEqual(process.wait(60), 5)

    def test_deadlines_are_renewed(self):
        self.run_ctl("-p", "short", "--", "sleep", "1")
        self.assertEqual(self.client_once().metrics()["lifetime_total_timeout"], 0)

    # ---- ends ----

    def test_a_time_limit_ends_the_command(self):
        self.run_ctl("--time-limit", "50ms", "--", "sleep", "60", status=143)
        self.run_ctl("--time-limit", "50ms", "--", "sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.01; done',
                     status=124)
        self.run_ctl("--time-limit", "50ms", "--kill-after", "100ms", "--", "sh", "-c",
                     'trap "" TERM; while :; do sleep 0.01; done', status=137)

    def test_a_revoked_session_ends_the_command(self):
        for force in (False, True):
            held = self.hold()
            wait_for(lambda: self.client_once().metrics()["watchers"] == 1, "the watcher")
            session = self.client_once().call("List")["sessions"][0]["session_id"]
            self.client_once().call("Revoke", session_id=session, reason="up\x1bgrade", force=force)
            self.assertEqual(held.wait(60), 143)
            err = held.stderr.read()
            self.assertIn("revoked", err)
            self.assertNotIn("\x1b", err)
            wait_for(lambda: self.active() == 0, "the slot")

    def test_the_command_outlives_the_broker(self):
        held = self.hold()
        wait_for(lambda: self.client_once().metrics()["watchers"] == 1, "the watcher")
        for client in self.clients:
            client.close()
        self.clients.clear()
        self.broker.process.kill()
        self.broker.process.wait(60)
        self.assertRegex(held.stderr.readline(), "lost the broker .*: the command goes on")
        _, err = held.communicate("\n", timeout=60)
        self.assertEqual((held.returncode, err), (0, ""))
        self.broker.start()

    def test_slots_are_never_shared(self):
        """Ten on a pool of two, some usherctl killed: the commands themselves check with lock files."""
        script = (f"exec 9>{self.broker.directory}/lock.$USHER_SLOT; flock -n 9 || echo clash; "
                  "[ $USHER_SLOT -lt 2 ] || echo wrong; sleep 0.1")
        processes = [self.start("-p", "gpu", "--", "sh", "-c", script) for _ in range(10)]
        time.sleep(0.15)
        for process in processes[::3]:
            process.kill()
        for process in processes:
            self.assertEqual(process.communicate(timeout=60)[0], "")
        wait_for(lambda: self.active() == 0, "the slots")
        self.assertEqual(self.pool("gpu")["waiting_sessions"], 0)


unittest.main()
