# SPDX-License-Identifier: MIT
"""Waiting, owners and who holds what, as seen through usherctl on a real broker."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import unittest

from broker import BrokerTest, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from screen import Terminal  # noqa: E402

USHERCTL = os.environ["USHERCTL"]


class Queue(BrokerTest):
    CONFIG = "[pool gpu]\nlimit = 1\n"

    def environment(self):
        return {**os.environ, "USHER_SOCKET": str(self.broker.socket), "USHERCTL": USHERCTL}

    def ctl(self, *arguments, status=0):
        result = subprocess.run([USHERCTL, *map(str, arguments)], text=True, timeout=60, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        self.err = result.stderr
        return result.stdout

    def popen(self, *command):
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.environment())
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def worker(self):
        """A process of ours, to own sessions."""
        return self.popen("sleep", "600")

    def rows(self):
        return [line.split() for line in self.ctl("who", "-p", "gpu").splitlines()]

    def test_the_slot_of_a_dead_process_goes_to_the_one_that_waits(self):
        holder, next_one = self.worker(), self.worker()
        self.ctl("create", "-p", "gpu", "--owner-pid", holder.pid)
        waiter = self.popen(USHERCTL, "create", "-p", "gpu", "--wait", "infinity", "--owner-pid", next_one.pid)
        wait_for(lambda: len(self.rows()) == 2, "the waiter")
        self.assertEqual([row[1] for row in self.rows()], ["0", "#1"])
        self.assertEqual(self.rows()[0][3], str(holder.pid))
        holder.kill()
        session_id = waiter.stdout.readline().strip()
        self.assertEqual(waiter.wait(30), 0)
        self.assertEqual([(row[1], row[3], row[-1]) for row in self.rows()], [("0", str(next_one.pid), session_id)])
        self.assertIn("abandoned", self.ctl("history"))
        next_one.kill()
        wait_for(lambda: self.rows() == [], "the end")

    def test_a_wait_ends_by_cancel_and_by_an_interrupt(self):
        self.ctl("create", "-p", "gpu", "--detached")
        waiter = self.popen(USHERCTL, "create", "-p", "gpu", "--wait", "infinity", "--detached", "--request-id", "mine")
        wait_for(lambda: len(self.rows()) == 2, "the waiter")
        self.ctl("cancel", "mine")
        self.assertEqual(waiter.wait(30), 13)
        self.assertIn("the wait was ended by 'usherctl cancel'", waiter.stderr.read())
        waiter = self.popen(USHERCTL, "create", "-p", "gpu", "--wait", "infinity", "--detached")
        wait_for(lambda: len(self.rows()) == 2, "the waiter")
        waiter.send_signal(signal.SIGINT)
        waiter.wait(30)
        wait_for(lambda: len(self.rows()) == 1, "the end of the wait")
        self.ctl("create", "-p", "gpu", "--wait", "20ms", "--detached", status=12)
        self.assertIn('no slot of pool "gpu" became free for you within', self.err)

    def test_a_full_pool_tells_who_holds_and_how_many_wait(self):
        self.ctl("create", "-p", "gpu", "--detached")
        self.popen(USHERCTL, "create", "-p", "gpu", "--wait", "infinity", "--detached")
        wait_for(lambda: len(self.rows()) == 2, "the waiter")
        self.ctl("create", "-p", "gpu", "--detached", status=10)
        self.assertIn('pool "gpu" is full: 1 of 1 slots are taken, 1 waits already', self.err)
        self.assertIn("held by session_", self.err)

    def test_a_scripts_session_ends_with_the_script(self):
        script = 'eval "$("$USHERCTL" create -p gpu --owner-pid $$ --export)"; echo $USHER_SLOT $USHER_SESSION; read line'
        shell = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                 env=self.environment())
        slot, session_id = shell.stdout.readline().split()
        self.assertEqual((slot, self.rows()[0][-1]), ("0", session_id))
        shell.communicate("\n")
        wait_for(lambda: self.rows() == [], "the end")

    def test_revoke_kill_ends_the_holder(self):
        holder = self.worker()
        session_id = self.ctl("create", "-p", "gpu", "--owner-pid", holder.pid).strip()
        self.ctl("revoke", "--kill", session_id, "--reason", "upgrade")
        self.assertEqual(holder.wait(30), -signal.SIGTERM)
        self.assertEqual(self.rows(), [])
        detached = self.ctl("create", "-p", "gpu", "--detached").strip()
        self.ctl("revoke", "--kill", detached, status=1)
        self.assertEqual(len(self.rows()), 1)

    def test_monitor_replayed_is_what_list_shows(self):
        """The snapshot and the events, followed as the interface says, give the table."""
        monitor = self.popen(USHERCTL, "monitor", "--json")
        table, events = {}, []

        def follow():
            for line in monitor.stdout:
                event = json.loads(line)
                session = event.get("session")
                events.append(event["type"])
                if session and event["type"] == "ended":
                    table.pop(session["session_id"], None)
                elif session:
                    table[session["session_id"]] = session["state"]

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        wait_for(lambda: "ready" in events, "the snapshot")
        holder = self.ctl("create", "-p", "gpu", "--detached").strip()
        self.popen(USHERCTL, "create", "-p", "gpu", "--wait", "infinity", "--detached")
        wait_for(lambda: len(self.rows()) == 2, "the waiter")
        self.ctl("start", holder)
        self.ctl("create", "--detached")
        self.ctl("release", holder)
        wait_for(lambda: [row[1] for row in self.rows()] == ["0"], "the grant")
        listed = {s["session_id"]: s["state"] for s in map(json.loads, self.ctl("list", "--json").splitlines())}
        wait_for(lambda: table == listed, f"{listed}, not {table}")
        self.assertEqual([e for e in events if e not in ("snapshot", "pool")],
                         ["ready", "created", "queued", "started", "created", "ended", "granted"])
        monitor.send_signal(signal.SIGINT)
        self.assertEqual(monitor.wait(30), 0)
        follower.join(30)

    def test_top_shows_and_ends_sessions(self):
        holder = self.worker()
        self.ctl("create", "-p", "gpu", "--owner-pid", holder.pid)
        waiter = self.popen(USHERCTL, "create", "-p", "gpu", "--wait", "infinity", "--detached")
        terminal = Terminal([USHERCTL, "top", "-d", "100ms"], USHER_SOCKET=str(self.broker.socket))
        self.addCleanup(terminal.close)
        terminal.wait_for(lambda text: str(holder.pid) in text and "#1" in text, "the rows")
        terminal.type("Gry")
        self.assertEqual(waiter.wait(30), 13)
        terminal.wait_for("no longer waits", "the answer")
        terminal.type("grf")
        terminal.wait_for("nobody holds a slot, nobody waits", "the end")
        terminal.type("q")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.is_restored())


if __name__ == "__main__":
    unittest.main()
