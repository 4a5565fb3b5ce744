# SPDX-License-Identifier: MIT
"""A broker that is killed and started again on the same socket and state: programs with libusher, and
`usherctl run`, keep what they hold, and what they wait for takes one slot. $HOLDER is the program of
holder.c."""
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from broker import BrokerTest, stop, wait_for

USHERCTL, HOLDER = os.environ["USHERCTL"], os.environ["HOLDER"]
HAS_STATE = "--state-dir" in subprocess.run([os.environ["USHERD"], "--help"], stdout=subprocess.PIPE, text=True,
                                            check=True).stdout


class Holder:
    """The program: say() a command, see() what it prints."""

    def __init__(self, test, kind):
        self.process = subprocess.Popen([HOLDER, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=test.environment())
        self.lines = []
        self.seen = 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.split())

    def say(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()

    def next(self, *kinds):
        """The next line of one of these kinds that was not asked for yet."""
        def find():
            for i in range(self.seen, len(self.lines)):
                if self.lines[i][0] in kinds:
                    self.seen = i + 1
                    return self.lines[i]
            return None
        return wait_for(find, f"{kinds} of {self.lines}")

    def create(self, pool="gpu", owner="connection", timeout_ms=-1, wait_ms=0):
        self.say("create", pool, owner, timeout_ms, wait_ms)
        return self.next("session", "error")

    def ask(self, *words):
        self.say(*words)
        return self.next("ok", "error")

    def events(self, kind):
        return [line[2] for line in self.lines if line[:2] == ["event", kind]]

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(60)
        self.thread.join(60)
        self.process.stdout.close()


@unittest.skipUnless(HAS_STATE, "this usherd keeps no state: it has no --state-dir")
class Restart(BrokerTest):
    CONFIG = ("[pool gpu]\nlimit = 8\n[pool one]\nlimit = 1\n[pool many]\nlimit = 50\n"
              "[pool few]\nlimit = 3\n[pool work]\nlimit = 4\non_timeout = hold\n")

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="usher-test.")
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)
        self.OPTIONS = ("--state-dir", self.state)
        super().setUp()

    def environment(self):
        return {**os.environ, "USHER_SOCKET": str(self.broker.socket)}

    def kill(self):
        for client in self.clients:
            client.close()
        self.clients.clear()
        self.broker.process.kill()
        self.broker.process.wait(60)

    def restart(self, pause=0.0):
        """kill -9, a while without a broker, and a new one."""
        self.kill()
        time.sleep(pause)
        self.broker.start(*self.OPTIONS)

    def ask(self, method, **parameters):
        if not self.clients:
            self.client()
        return self.clients[0].call(method, **parameters)

    def sessions(self, **parameters):
        return {s["session_id"]: s for s in self.ask("List", **parameters)["sessions"]}

    def metrics(self):
        return self.ask("GetMetrics")["metrics"]

    def waiting(self, pool):
        return {p["pool"]: p for p in self.ask("ListPools")["pools"]}[pool]["waiting_sessions"]

    def run_ctl(self, *arguments, **more):
        process = subprocess.Popen([USHERCTL, "run", *arguments], env=self.environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, **more)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        self.addCleanup(lambda: [f.close() for f in (process.stdin, process.stdout, process.stderr)])
        return process

    # ---- holding ----

    def test_an_event_loop_keeps_its_sessions(self):
        holder = Holder(self, "loop")
        held = {session[1]: session for session in (holder.create() for _ in range(5))}
        for round_ in range(1, 4):
            self.restart(pause=0.2 * round_)
            wait_for(lambda: len(holder.events("reattached")) == 5 * round_, "the sessions")
            after = self.sessions(pool="gpu")
            self.assertEqual({(i, s["slots"][0], s["fence"], s["owner"]) for i, s in after.items()},
                             {(i, int(s[2]), int(s[3]), "connection") for i, s in held.items()})
            self.assertFalse(any(s.get("orphaned") for s in after.values()))
        self.assertEqual(holder.events("lost"), [])
        for session_id in held:
            self.assertEqual(holder.ask("release", session_id), ["ok"])
        self.assertEqual(self.metrics()["lifetime_total_completed"], 5)

    def test_calls_alone_keep_their_sessions(self):
        holder = Holder(self, "calls")
        session_id = holder.create()[1]
        for method in ("update", "start", "renew", "release"):
            self.restart()
            self.assertEqual(holder.ask(method, session_id), ["ok"])
        self.assertEqual(self.metrics()["lifetime_total_completed"], 1)

    def test_a_call_waits_for_the_broker(self):
        holder = Holder(self, "calls")
        session_id = holder.create()[1]
        self.kill()
        holder.say("release", session_id)
        time.sleep(0.5)
        self.broker.start(*self.OPTIONS)
        self.assertEqual(holder.next("ok", "error"), ["ok"])
        self.assertEqual(self.metrics()["active_sessions"], 0)

    def test_sessions_of_a_process_and_of_nobody_need_no_attach(self):
        holder = Holder(self, "loop")
        held = {holder.create(owner="process")[1]: "process",
                holder.create(owner="detached", timeout_ms=60000)[1]: "detached"}
        wait_for(lambda: self.metrics()["watchers"] == 1, "the watcher")
        self.restart(pause=0.3)
        wait_for(lambda: self.metrics()["watchers"] == 1, "the watcher")
        self.assertEqual({i: s["owner"] for i, s in self.sessions(pool="gpu").items()}, held)
        for session_id in held:
            self.assertEqual(holder.ask("update", session_id), ["ok"])
        self.assertEqual((holder.events("lost"), holder.events("reattached")), ([], []))
        for session_id in held:
            holder.ask("release", session_id)

    def test_deadlines_are_renewed_through_it(self):
        holder = Holder(self, "loop")
        session_id = holder.create("work", timeout_ms=1500)[1]
        for _ in range(4):
            self.restart(pause=0.4)
            time.sleep(0.4)
        self.assertEqual(self.sessions()[session_id]["overdue"], False)
        self.assertEqual((holder.events("overdue"), holder.events("lost")), ([], []))
        holder.ask("release", session_id)

    def test_a_revocation_that_was_made_before_is_told(self):
        holder = Holder(self, "loop")
        session_id = holder.create()[1]
        stop(holder.process.pid)
        self.ask("Revoke", session_id=session_id, reason="upgrade")
        self.restart()
        holder.process.send_signal(signal.SIGCONT)
        wait_for(lambda: holder.events("revoking"), "the revocation")
        holder.ask("release", session_id)

    def test_a_holder_that_is_gone_has_nothing_after_a_restart(self):
        holder = Holder(self, "loop")
        holder.create()
        self.kill()
        holder.process.kill()
        holder.process.wait()
        self.broker.start(*self.OPTIONS)
        wait_for(lambda: self.metrics()["active_sessions"] == 0, "the slot")
        self.assertEqual(self.metrics()["lifetime_total_abandoned"], 1)

    # ---- waiting ----

    def test_a_wait_goes_on_and_takes_one_slot(self):
        for kind in ("loop", "calls"):
            first, second = Holder(self, "loop"), Holder(self, kind)
            held = first.create("one")[1]
            second.say("create", "one", "connection", -1, -1)
            for _ in range(3):
                wait_for(lambda: self.waiting("one") == 1, "the wait")
                self.restart(pause=0.3)
            wait_for(lambda: self.waiting("one") == 1, "the wait")
            self.assertEqual(first.ask("release", held), ["ok"])
            got = second.next("session", "error")
            self.assertEqual((got[0], got[4]), ("session", "0"))
            self.assertEqual(list(self.sessions(pool="one")), [got[1]])
            self.assertEqual(second.ask("release", got[1]), ["ok"])

    def test_replies_that_are_lost_leave_no_slot_taken(self):
        """Programs that come and go while the broker is killed at any moment: in the end nothing is held, and what
        they were given was theirs alone."""
        stop = threading.Event()
        begun, failures = set(), []

        def work(kind):
            holder = Holder(self, kind)
            while not stop.is_set():
                session = holder.create("many", wait_ms=-1)
                if session[0] != "session":
                    failures.append(session)
                    continue
                begun.add(holder)
                result = holder.ask("release", session[1])
                if result != ["ok"]:
                    failures.append(result)
            failures.extend(holder.events("lost"))

        threads = [threading.Thread(target=work, args=(kind,)) for kind in ("loop", "calls") * 4]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(begun) == len(threads), "the first round of each")
        rng = random.Random(7)
        for _ in range(12):
            time.sleep(rng.uniform(0.05, 0.4))
            self.restart(pause=rng.uniform(0, 0.2))
        stop.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        self.assertEqual(self.sessions(pool="many"), {})
        self.assertGreater(self.metrics()["lifetime_total_completed"], 50)

    # ---- usherctl run ----

    WORK = ("sh", "-c", "echo $$; trap 'echo told' TERM INT HUP; read line; echo done $line")

    def test_a_command_does_not_notice(self):
        process = self.run_ctl("-p", "one", "--", *self.WORK)
        worker = int(process.stdout.readline())
        wait_for(lambda: self.metrics()["watchers"] == 1, "the watcher")
        before = self.sessions(pool="one")
        for pause in (0, 0.5, 2):
            self.restart(pause)
            wait_for(lambda: self.metrics()["watchers"] == 1, "the watcher")
        after = self.sessions(pool="one")
        self.assertEqual({i: (s["fence"], s["pid"]) for i, s in after.items()},
                         {i: (s["fence"], worker) for i, s in before.items()})
        out, err = process.communicate("well\n", timeout=60)
        self.assertEqual((process.returncode, out), (0, "done well\n"), err)
        self.assertEqual(self.metrics()["lifetime_total_completed"], 1)

    def test_a_command_that_ends_meanwhile_is_released(self):
        process = self.run_ctl("-p", "one", "--", *self.WORK)
        process.stdout.readline()
        wait_for(lambda: self.metrics()["watchers"] == 1, "the watcher")
        self.kill()
        process.stdin.write("well\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "done well\n")
        time.sleep(0.5)
        self.broker.start(*self.OPTIONS)
        self.assertEqual(process.wait(60), 0)
        wait_for(lambda: self.metrics()["active_sessions"] == 0, "the slot")

    def test_a_run_that_waits_gets_one_slot(self):
        first = self.run_ctl("-p", "one", "--", *self.WORK)
        first.stdout.readline()
        second = self.run_ctl("-p", "one", "--", *self.WORK)
        for pause in (0, 1):
            wait_for(lambda: self.waiting("one") == 1, "the wait")
            self.restart(pause)
        wait_for(lambda: self.waiting("one") == 1, "the wait")
        self.assertIsNone(second.poll())
        self.assertEqual(first.communicate("a\n", timeout=60)[0], "done a\n")
        worker = int(second.stdout.readline())
        self.assertEqual([s["pid"] for s in self.sessions(pool="one").values()], [worker])
        self.assertEqual(second.communicate("b\n", timeout=60)[0], "done b\n")
        wait_for(lambda: self.metrics()["active_sessions"] == 0, "the slot")

    def test_commands_never_share_a_slot(self):
        """Twelve on a pool of three, the broker killed meanwhile: the commands check with lock files."""
        script = (f"exec 9>{self.broker.directory}/lock.$USHER_SLOT; flock -n 9 || echo clash; "
                  "[ $USHER_SLOT -lt 3 ] || echo wrong; sleep 0.2")
        processes = [self.run_ctl("-p", "few", "--", "sh", "-c", script) for _ in range(12)]
        wait_for(lambda: self.metrics()["lifetime_total_created"] + self.waiting("few") >= 12, "all of them")
        for pause in (0, 0.1, 0.3):
            self.restart(pause)
            time.sleep(0.15)
        for process in processes:
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (0, ""), err)
        wait_for(lambda: self.metrics()["active_sessions"] == 0, "the slots")
        self.assertEqual(self.metrics()["lifetime_total_created"], 12)

    def test_create_waits_on(self):
        first = self.client()
        first.create(pool="one", owner="detached", timeout_ms=60000, request_id="first")
        process = subprocess.Popen([USHERCTL, "create", "--detached", "-p", "one", "-w", "infinity"], text=True,
                                   env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        for pause in (0, 0.5):
            wait_for(lambda: self.waiting("one") == 1, "the wait")
            self.restart(pause)
        wait_for(lambda: self.waiting("one") == 1, "the wait")
        self.ask("Release", session_id=self.ask("Get", request_id="first")["session"]["session_id"])
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(list(self.sessions(pool="one")), [out.strip()])
        self.ask("Release", session_id=out.strip())

    def test_a_session_that_was_taken_away_meanwhile_ends_the_command(self):
        process = self.run_ctl("-p", "one", "--", *self.WORK)
        process.stdout.readline()
        wait_for(lambda: self.metrics()["watchers"] == 1, "the watcher")
        session_id = next(iter(self.sessions(pool="one")))
        stop(process.pid)
        self.ask("Revoke", session_id=session_id, force=True)
        self.restart()
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.stdout.readline(), "told\n")
        out, err = process.communicate("well\n", timeout=60)
        self.assertEqual(process.returncode, 125, out)
        self.assertIn("the session is lost", err)


program = unittest.main(exit=False)
if not HAS_STATE:
    sys.exit(77)  # which meson shows as skipped
sys.exit(not program.result.wasSuccessful())
