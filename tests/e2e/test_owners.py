# SPDX-License-Identifier: MIT
"""Owners and rights: processes that die, forks, other users, other pid namespaces; quotas and allow
lists; what hold and release mean for work that overruns."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import unittest

from broker import BrokerTest, Client, connect_as, wait_for

HOLD = """
import os, socket, sys, json, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def call(method, **parameters):
    s.sendall(json.dumps({"method": "io.usher.Broker." + method, "parameters": parameters}).encode() + b"\\0")
    data = b""
    while not data.endswith(b"\\0"):
        data += s.recv(65536)
    return json.loads(data[:-1])
"""


def is_served(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class Script:
    """A Python process that talks to the broker by itself: call() is there; say(x) is read by us."""

    def __init__(self, broker, text, *arguments, prefix=(), **options):
        script = HOLD + "def say(x): print(json.dumps(x), flush=True)\n" + text
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", script, str(broker.socket), *map(str, arguments)],
            stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, **options)

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the script ended")
        return json.loads(line)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()


class OwnerTest(BrokerTest):
    CONFIG = "[broker]\nsocket_mode = 0666\n[pool one]\nlimit = 1\n"
    OPTIONS = ("--workers", "2")

    def script(self, text, *arguments, **options):
        script = Script(self.broker, text, *arguments, **options)
        self.addCleanup(script.kill)
        return script

    def count(self, client, outcome):
        return client.metrics()["lifetime_total_" + outcome]


class Processes(OwnerTest):
    def test_a_session_ends_with_its_process_whoever_has_the_connection(self):
        client = self.client()
        holder = self.script("""
r = call("Create", owner="process")
if os.fork() == 0:
    time.sleep(1000)  # has the socket, and keeps it
say({"session": r["parameters"], "pid": os.getpid()})
time.sleep(1000)
""", start_new_session=True)
        told = holder.hear()
        session = client.call("Get", session_id=told["session"]["session_id"])["session"]
        self.assertEqual((session["owner"], session["pid"]), ("process", told["pid"]))
        os.kill(told["pid"], signal.SIGKILL)
        wait_for(lambda: self.count(client, "abandoned") == 1, "the end")
        os.killpg(told["pid"], signal.SIGKILL)

    def test_a_connection_session_lives_as_long_as_a_child_has_the_connection(self):
        client = self.client()
        holder = self.script("""
r = call("Create")
if os.fork() == 0:
    time.sleep(1000)
say(os.getpid())
time.sleep(1000)
""", start_new_session=True)
        pid = holder.hear()
        os.kill(pid, signal.SIGKILL)
        holder.process.wait()
        self.assertEqual(client.metrics()["active_sessions"], 1)
        os.killpg(pid, signal.SIGKILL)
        wait_for(lambda: self.count(client, "abandoned") == 1, "the end of the last one")

    def test_a_session_outlives_the_connection_that_made_it_for_a_process(self):
        client, maker = self.client(), self.client()
        worker = self.script("say(os.getpid())\ntime.sleep(1000)")
        pid = worker.hear()
        session = maker.create(owner="process", pid=pid)
        maker.close()
        seen = client.call("Get", session_id=session["session_id"])["session"]
        self.assertEqual((seen["pid"], seen["owner"]), (pid, "process"))
        self.assertEqual(client.metrics()["watched_processes"], 1)
        worker.kill()
        wait_for(lambda: self.count(client, "abandoned") == 1, "the end")
        wait_for(lambda: client.metrics()["watched_processes"] == 0, "the watch")

    def test_the_next_waiter_has_the_slot_of_a_holder_that_was_killed(self):
        holder = self.script('say(call("Create", pool="one", owner="process"))\ntime.sleep(1000)')
        holder.hear()
        waiter = self.client()
        waiter.wait(pool="one")
        wait_for(lambda: self.client().metrics()["waiting_sessions"] == 1, "the wait")
        holder.process.kill()
        self.assertEqual(waiter.result()["slots"], [0])

    def test_a_wait_for_a_process_ends_with_it(self):
        client = self.client()
        client.create(pool="one")
        worker = self.script("say(os.getpid())\ntime.sleep(1000)")
        waiter = self.client()
        waiter.wait(pool="one", owner="process", pid=worker.hear())
        wait_for(lambda: client.metrics()["waiting_sessions"] == 1, "the wait")
        worker.kill()
        self.assertIn("Cancelled", str(waiter.receive()["error"]))

    def test_a_maker_that_lives_may_say_how_it_ended(self):
        client, maker = self.client(), self.client()
        worker = subprocess.Popen(["sleep", "100"])
        session = maker.create(owner="process", pid=worker.pid)["session_id"]
        maker.close()  # by whatever connection
        worker.kill()
        worker.wait()
        client.call("Release", session_id=session, outcome="error", result="killed")
        self.assertEqual(self.count(client, "error"), 1)

    def test_one_users_processes_leave_descriptors_for_others(self):
        self.skip_unless_root()
        self.broker.config.write_text(self.CONFIG.replace(
            "[broker]", "[broker]\nmax_connections_per_uid = 3"))
        admin, user = self.client(), self.client(1001)
        admin.call("Reload")
        user.create(owner="process")
        workers = [connect_as(self.broker.socket, 1001) for _ in range(4)]
        for connection, keeper, pid in workers:
            self.addCleanup(os.waitpid, pid, 0)
            self.addCleanup(keeper.close)
            connection.close()
        user.create(owner="process", pid=workers[0][2])
        user.create(owner="process", pid=workers[1][2])
        self.assertRefused("TooManyConnections", user, "Create",
                           {"owner": "process", "pid": workers[2][2]})
        admin.create(owner="process")

    def test_many_sessions_share_one_watch(self):
        client = self.client()
        sessions = [client.create(owner="process")["session_id"] for _ in range(50)]
        wait_for(lambda: client.metrics()["watched_processes"] == 1, "one watch")
        for session in sessions:
            client.call("Release", session_id=session)
        wait_for(lambda: client.metrics()["watched_processes"] == 0, "the watch")

    def test_attach_gives_a_session_to_a_process_and_back(self):
        client = self.client()
        worker = self.script("say(os.getpid())\ntime.sleep(1000)")
        pid = worker.hear()
        session = client.create()["session_id"]
        told = client.call("Attach", session_id=session, owner="process", pid=pid)["session"]
        self.assertEqual((told["owner"], told["pid"]), ("process", pid))
        told = client.call("Attach", session_id=session)["session"]
        self.assertEqual((told["owner"], told["pid"]), ("connection", os.getpid()))
        worker.kill()
        client.call("Renew", session_id=session)

    def test_a_process_that_cannot_own_is_refused(self):
        client = self.client()
        ended = subprocess.Popen(["true"])
        ended.wait()
        self.assertRefused("InvalidParameter", client, "Create",
                           {"owner": "process", "pid": ended.pid}, parameter="pid")
        self.assertRefused("InvalidParameter", client, "Create", {"pid": os.getpid()},
                           parameter="pid")
        if os.geteuid() == 0:
            self.assertRefused("PermissionDenied", self.client(1001), "Create",
                               {"owner": "process", "pid": os.getpid()})
        wait_for(lambda: client.metrics()["watched_processes"] == 0, "the watches")

    def test_a_client_of_another_pid_namespace_is_no_process(self):
        if not shutil.which("unshare") or subprocess.run(
                ["unshare", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("SKIPPED: no pid namespaces here")
        inside = self.script("""
say([call("Create"), call("Create", owner="process"), call("Create", owner="process", pid=1)])
time.sleep(1000)
""", prefix=["unshare", "--pid", "--fork", "--kill-child"])
        own, process, other = inside.hear()
        # Seen from the broker, whose namespace is the outer one, it has a pid; but pids that it
        # says are others' here.
        self.assertIn("session_id", own["parameters"])
        self.assertIn("session_id", process["parameters"])
        self.assertEqual(other["error"], "org.varlink.service.PermissionDenied")

    def test_a_client_whose_pid_means_nothing_here_has_none(self):
        if not shutil.which("unshare") or subprocess.run(
                ["unshare", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("SKIPPED: no pid namespaces here")
        # The broker inside, the client outside: SO_PEERCRED says 0.
        inner = self.broker.directory / "inner.sock"
        broker = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", os.environ["USHERD"], "--socket", inner,
             "--state-dir", self.broker.directory / "inner"],
            stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (broker.kill(), broker.wait()))
        wait_for(lambda: is_served(inner), "the broker")
        with Client(inner) as client:
            session = client.call("Get", session_id=client.create()["session_id"])["session"]
            self.assertNotIn("pid", session)
            self.assertNotIn("comm", session)
            told = self.assertRefused("InvalidParameter", client, "Create", {"owner": "process"},
                                      parameter="owner")
            self.assertIn("namespace", told["expected"])
            self.assertRefused("PermissionDenied", client, "Create", {"owner": "process", "pid": 1})


class OtherUsers(OwnerTest):
    def test_another_user_sees_but_does_not_act_or_read(self):
        self.skip_unless_root()
        mine, other = self.client(1001), self.client(1002)
        session = mine.create(metadata={"secret": 1}, label="mine")["session_id"]
        seen = other.call("Get", session_id=session)["session"]
        self.assertEqual(seen["uid"], 1001)
        self.assertNotIn("metadata", seen)
        self.assertNotIn("label", seen)
        for method in ("Start", "Renew", "Release", "Attach", "Revoke"):
            self.assertRefused("PermissionDenied", other, method, {"session_id": session})
        self.assertRefused("PermissionDenied", other, "Update",
                           {"session_id": session, "metadata": {}})
        for method in ("ResetMetrics", "Pause", "Resume", "Drain", "Reload"):
            self.assertRefused("PermissionDenied", other, method)
        self.assertEqual(other.call("List", where={"secret": 1})["sessions"], [])
        self.client().call("Release", session_id=session)  # root may

    def test_another_users_wait_is_not_cancelled(self):
        self.skip_unless_root()
        self.client().create(pool="one")
        waiter = self.client(1001)
        waiter.wait(pool="one", request_id="r")
        admin = self.client()
        wait_for(lambda: admin.metrics()["waiting_sessions"] == 1, "the wait")
        self.assertRefused("NoSuchSession", self.client(1002), "Cancel", {"request_id": "r"})
        admin.call("Cancel", request_id="r")
        self.assertIn("Cancelled", waiter.receive()["error"])


class Quotas(OwnerTest):
    CONFIG = ("[broker]\nsocket_mode = 0666\n[pool u]\nper_uid_limit = 2\n"
              "[pool pr]\nper_process_limit = 1\n[pool l]\nper_label_limit = 1\n"
              "[pool closed]\nallow = 1001\n"
              "[pool shadow]\nlimit = 2\nper_uid_limit = 1\nenforce = no\n")

    def pool(self, client, name):
        return [p for p in client.call("ListPools")["pools"] if p["pool"] == name][0]

    def test_a_quota_refuses_and_one_over_it_blocks_nobody(self):
        self.skip_unless_root()
        mine, other = self.client(1001), self.client(1002)
        held = mine.create(pool="u", units=2)["session_id"]
        self.assertRefused("QuotaExceeded", mine, "Create", {"pool": "u"}, quota="uid", limit=2,
                           used_units=2, requested_units=1)
        self.assertRefused("QuotaExceeded", mine, "Create",
                           {"pool": "u", "units": 3, "wait_ms": -1}, quota="uid")
        waiter = self.client(1001)
        waiter.wait(pool="u")
        wait_for(lambda: self.pool(other, "u")["waiting_sessions"] == 1, "the wait")
        other.create(pool="u")
        mine.call("Release", session_id=held)
        self.assertTrue(waiter.result()["session_id"])
        self.assertEqual(other.metrics()["sessions_rejected_quota"], 2)

    def test_quotas_of_processes_and_labels(self):
        client = self.client()
        client.create(pool="pr")
        self.assertRefused("QuotaExceeded", self.client(), "Create", {"pool": "pr"},
                           quota="process")
        client.create(pool="l", label="a")
        client.create(pool="l", label="b")
        client.create(pool="l")
        client.create(pool="l")
        self.assertRefused("QuotaExceeded", client, "Create", {"pool": "l", "label": "a"},
                           quota="label", limit=1)

    def test_allow_lists(self):
        self.skip_unless_root()
        self.assertTrue(self.client(1001).create(pool="closed")["session_id"])
        self.assertRefused("PermissionDenied", self.client(1002), "Create", {"pool": "closed"})
        self.assertEqual(self.pool(self.client(), "closed")["allow"], ["1001"])

    def test_a_pool_that_does_not_enforce_counts_what_it_would_have_refused(self):
        client = self.client()
        slots = [client.create(pool="shadow")["slots"][0] for _ in range(5)]
        self.assertEqual(slots, [0, 1, 2, 3, 4])
        totals = client.call("GetMetrics", pool="shadow")["metrics"]["pools"][0]["totals"]
        self.assertEqual((totals["shadow_capacity"], totals["shadow_quota"]), (3, 4))
        self.assertEqual(self.pool(client, "shadow")["over"], 3)

    def test_settings_that_are_wrong_keep_the_old_ones(self):
        client = self.client()
        self.broker.config.write_text("[pool u]\nper_uid_limit = many\n")
        told = self.assertRefused("InvalidConfig", client, "Reload")
        self.assertRegex(told["message"], r"usherd.conf:2: .*per_uid_limit.*many")
        self.assertEqual(self.pool(client, "u")["per_uid_limit"], 2)


class Overruns(OwnerTest):
    """Real work that takes longer than its deadline: how much of it runs at once?"""
    CONFIG = ("[pool hold]\nlimit = 2\ndefault_timeout = 200ms\non_timeout = hold\n"
              "[pool release]\nlimit = 2\ndefault_timeout = 200ms\non_timeout = release\n")
    WORK = """
r = call("Create", pool=sys.argv[2], wait_ms=-1)
import fcntl
with open(sys.argv[3], "r+") as f:
    def add(n):
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0); now, most = map(int, f.read().split())
        f.seek(0); f.truncate(); f.write(f"{now + n} {max(most, now + n)}"); f.flush()
        fcntl.flock(f, fcntl.LOCK_UN)
    add(1)
    time.sleep(0.6)
    add(-1)
call("Release", session_id=r["parameters"]["session_id"])
"""

    def most_at_once(self, pool):
        path = self.broker.directory / pool
        path.write_text("0 0")
        workers = [self.script(self.WORK, pool, path) for _ in range(6)]
        for worker in workers:
            worker.process.wait(60)
        return int(path.read_text().split()[1])

    def test_hold_never_runs_more_than_the_limit(self):
        self.assertEqual(self.most_at_once("hold"), 2)

    def test_release_may(self):
        self.assertGreater(self.most_at_once("release"), 2)


if __name__ == "__main__":
    unittest.main()
