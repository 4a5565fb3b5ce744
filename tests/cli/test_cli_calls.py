# SPDX-License-Identifier: MIT
"""What usherctl asks of the broker, and how it says what came of it, before a broker that pretends."""
import json
import os
import re
import signal
import subprocess
import unittest

from fake_broker import now_us, pool, session
from test_cli import FakeTest, wait_until

HOLDER = {"session_id": "session_0000000000aa", "uid": 0, "pid": 77, "comm": "tra\x1bin", "systemd_unit": "t.service",
          "units": 2, "age_ms": 65000}
GRANTED = {"session_id": "session_0000000000ff", "request_id": "r", "pool": "gpu", "slots": [3, 4], "fence": 99,
           "metadata_bytes": 0, "existing": False}


class Create(FakeTest):
    def test_an_owner_is_required(self):
        self.fake()
        self.ctl("create", status=2)
        self.assertIn("--owner-pid PID (in a script: $$) or --detached is required", self.err)
        self.ctl("create", "--detached", "--owner-pid", 1, status=2)
        self.ctl("attach", "session_1", status=2)
        self.ctl("create", "--detached", "--priority", "10", status=2)
        self.ctl("create", "--detached", "--wait", "soon", status=2)
        self.assertEqual(self.broker.calls, [])

    def test_what_is_asked_for(self):
        self.fake().hooks["Create"] = lambda fake, parameters: [GRANTED]
        self.assertEqual(self.ctl("create", "--owner-pid", 4711, "-p", "gpu", "-u", 2), "session_0000000000ff\n")
        self.ctl("create", "--detached", "--wait", "infinity", "--priority", 9)
        out = self.ctl("create", "--owner-pid", 4711, "--wait", "1min", "--export")
        calls = self.called("Create")
        self.assertEqual(len({call.pop("request_id") for call in calls}), 3)
        self.assertEqual(calls, [
            {"pool": "gpu", "units": 2, "owner": "process", "pid": 4711},
            {"wait_ms": -1, "priority": 9, "owner": "detached"},
            {"wait_ms": 60000, "owner": "process", "pid": 4711}])
        self.assertIn("export USHER_SLOTS='3,4'\n", out)

    def waiting(self, fake, _):
        for position in (3, 2):
            yield {"_now": {"queued": {"position": position, "waiting": 12}}}
            fake.go_on.append(position)
            wait_until(lambda: len(fake.go_on) == 0, "the test")
        yield GRANTED

    def wait_on_terminal(self):
        self.fake().hooks["Create"] = self.waiting
        self.broker.go_on = []
        terminal = self.terminal("create", "--detached", "--wait", "infinity", "-p", "gpu")
        terminal.wait_for("waiting for pool gpu: 3rd of 12", "the place")
        return terminal

    def test_a_terminal_shows_the_place_in_the_queue(self):
        terminal = self.wait_on_terminal()
        self.broker.go_on.clear()
        terminal.wait_for("waiting for pool gpu: 2nd of 12", "the next place")
        self.broker.go_on.clear()
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(terminal.screen.lines()[:3], [
            "session_0000000000ff", "  new session of pool gpu, slot 3-4, fence 99",
            "  has no deadline: it ends when it is released"])
        self.assertNotIn("waiting", terminal.screen.text())

    def test_an_interrupt_ends_the_wait(self):
        terminal = self.wait_on_terminal()
        terminal.type("\x03")
        self.assertEqual(terminal.end(), -signal.SIGINT)  # 130 for a shell, which stops its script
        self.assertEqual(terminal.screen.text().strip(), "^C" if "^C" in terminal.screen.text() else "")

    def test_refusals_say_what_can_be_done(self):
        fake = self.fake()
        for error, parameters, status, sentence in (
                ("CapacityReached", {"pool": "gpu", "limit": 4, "used_units": 4, "requested_units": 2, "active_sessions": 3,
                                     "waiting_sessions": 1, "holders": [HOLDER], "retry_after_ms": 12000}, 10,
                 'pool "gpu" is full: 4 of 4 slots are taken, 2 were asked for, 1 waits already; try again in about '
                 '12s\n  held by session_0000000000aa of root, pid 77 (tra\\x1bin) in t.service, 2 slots, for 1min 5s\n'
                 "  and 2 more: 'usherctl who' shows all\n"),
                ("CapacityReached", {"pool": "gpu", "limit": 4, "used_units": 3, "requested_units": 1, "active_sessions": 0,
                                     "waiting_sessions": 2, "holders": []}, 10,
                 'pool "gpu" has slots free, but not for newcomers: 3 of 4 slots are taken, 2 wait already\n'),
                ("QuotaExceeded", {"pool": "gpu", "quota": "uid", "limit": 2, "used_units": 2, "requested_units": 1}, 14,
                 'you hold 2 of at most 2 slots in pool "gpu"; release one, or wait until one ends\n'),
                ("QuotaExceeded", {"pool": "gpu", "quota": "label", "limit": 1, "used_units": 0, "requested_units": 5}, 14,
                 'sessions of this label hold 0 of at most 1 slot in pool "gpu", and 5 can never be had\n'),
                ("QueueFull", {"pool": "gpu", "waiting": 7, "limit": 7, "scope": "user"}, 11,
                 'of your requests 7 wait for pool "gpu" already, and no more than 7 of one user may; try again later\n'),
                ("WaitTimeout", {"pool": "gpu", "waited_ms": 1500}, 12,
                 'no slot of pool "gpu" became free for you within 1s 500ms\n'),
                ("Cancelled", {"request_id": "r\n1"}, 13,
                 "the wait was ended by 'usherctl cancel', or the same request waits elsewhere now (request id \"r\\n1\")\n")):
            fake.errors["Create"] = (error, parameters)
            self.ctl("create", "--detached", status=status)
            self.assertEqual(self.err, "usherctl create: " + sentence)
            self.ctl("create", "--detached", "--wait", "1s", status=status)
            self.assertEqual(self.err, "usherctl create: " + sentence)


class Others(FakeTest):
    def test_cancel_and_attach(self):
        self.fake(1)
        self.ctl("cancel", "req_1")
        self.assertEqual(self.called("Cancel"), [{"request_id": "req_1"}])
        self.ctl("cancel", status=2)
        self.ctl("attach", "session_000000000000", "--owner-pid", 12)
        self.assertEqual(self.called("Attach"), [{"session_id": "session_000000000000", "owner": "process", "pid": 12}])

    def test_waiters_are_rows(self):
        self.fake(2, 2)
        rows = [line.split() for line in self.ctl("list", "--state", "waiting").splitlines()]
        self.assertEqual([row[2:4] for row in rows], [["waiting", "#1"], ["waiting", "#2"]])
        self.assertIn("#2 of 2 that wait", self.ctl("get", "session_000000000003"))

    def test_settings_of_pools(self):
        self.fake(2, 2)
        self.ctl("set-pool", "gpu", "--max-waiters", 5, "--per-uid-waiters", "none", "--per-uid-limit", 3,
                 "--per-process-limit", 2, "--per-label-limit", "none", "--fair-by", "label", "--age-step", "0",
                 "--starve-after", "infinity", "--enforce", "no")
        self.assertEqual(self.called("SetPool"), [{
            "max_waiters": 5, "per_uid_waiters": -1, "per_uid_limit": 3, "per_process_limit": 2, "per_label_limit": -1,
            "fair_by": "label", "age_step_ms": 0, "starve_after_ms": -1, "enforce": False, "pool": "gpu"}])
        shown = dict(line.split(None, 1) for line in self.ctl("pools", "gpu").splitlines())
        self.assertEqual([shown[k] for k in ("per_uid_limit", "per_label_limit", "fair_by", "starve_after", "enforce")],
                         ["3", "none", "label", "infinity", "no"])
        self.assertIn("user 3, process 2", self.ctl("pools"))
        self.assertEqual(json.loads(self.ctl("pools", "gpu", "--json"))["fair_by"], "label")
        for wrong in (["--fair-by", "size"], ["--enforce", "maybe"], ["--per-uid-limit", "many"], ["--max-waiters", "none"]):
            self.ctl("set-pool", "gpu", *wrong, status=2)

    def test_status_and_metrics_count_waiters(self):
        self.fake(2, 3)
        self.assertRegex(self.ctl("status"), r"gpu\t1/2\t.*\t3 waiting, the first for \d+s\t")
        text = self.ctl("metrics", "--openmetrics")
        for line in ("usher_waiting_sessions 3", 'usher_pool_waiting_sessions{pool="gpu"} 3',
                     'usher_sessions_rejected_total{reason="quota"} 0', "usher_sessions_queued_total 0",
                     'usher_sessions_unenforced_total{reason="capacity"} 0', "# TYPE usher_queue_wait_seconds histogram"):
            self.assertIn(line + "\n", text)


class Errors(FakeTest):
    def refuse(self, method, name, **parameters):
        self.fake().errors[method] = (name, parameters)

    def test_a_mistake_in_the_command_line_is_named(self):
        self.fake()
        for arguments, sentence in (
                (["call"], "METHOD is missing"), (["cancel"], "REQUEST_ID is missing"), (["set-pool"], "POOL is missing"),
                (["call", "Create", "{"], "call: PARAMETERS must be a JSON object: expected"),
                (["create", "--metadata", "foo"], "--metadata must be a JSON object, as {\"job\": 7}: it begins with 'foo'"),
                (["create", "--metadata", " "], "it is empty"), (["list", "--uid", "nobody here"], "there is no user 'nobody here'"),
                (["set-pool", "typo"], "give a setting"),
                (["set-pool", "gpu", "-l", 1 << 25], "whole number from 1 to 16777216"),
                (["set-pool", "gpu", "--max-metadata-bytes", "99M"], "'99M' is more than 16384K"),
                (["create", "--detached", "--export", "--json"], "--export and --json exclude each other"),
                (["list", "--call-timeout", "soon"], "--call-timeout: 'soon' is no time")):
            self.ctl(*arguments, status=2)
            self.assertIn(sentence, self.err)
        self.assertEqual(self.broker.calls, [])
        self.ctl("run", status=125)
        self.assertIn("COMMAND is missing", self.err)

    def test_one_letter_means_one_thing(self):
        self.fake(3)
        letters = {}
        for command in ("run create start renew update release cancel attach get list who top monitor history revoke "
                        "pools set-pool pause resume drain reload metrics reset-metrics verify call ping status").split():
            out = self.ctl(command, "--help")
            for letter, name in re.findall(r"^  -(\w), --([\w-]+)", out, re.M):
                self.assertEqual(letters.setdefault(letter, name), name, f"-{letter} of {command}")
            self.assertLessEqual(max(map(len, out.splitlines())), 79, command)
        self.assertLessEqual(max(map(len, self.ctl("--help").splitlines())), 79)
        self.assertEqual(len(self.ctl("list", "-l", 2).splitlines()), 2)

    def test_a_denial_says_what_it_takes(self):
        self.refuse("SetPool", "PermissionDenied")
        self.broker.errors["Pause"] = self.broker.errors["SetPool"]
        self.broker.prefix = "org.varlink.service."
        self.ctl("set-pool", "gpu", "-l", 3, status=44)
        self.assertIn("a member of its admin_group), and runtime_changes = yes in its configuration", self.err)
        self.ctl("pause", status=44)
        self.assertTrue(self.err.endswith("a member of its admin_group)\n"), self.err)

    def test_parameters_are_named_as_options(self):
        self.refuse("SetPool", "InvalidParameter", parameter="default_timeout_ms", expected="at least 1 ms, or -1 for none")
        self.broker.prefix = "org.varlink.service."
        self.ctl("set-pool", "gpu", "--default-timeout", "2h", status=43)
        self.assertIn("--default-timeout may not be longer than --max-timeout", self.err)
        self.refuse("Create", "InvalidParameter", parameter="message", expected="at most 65536 bytes before the NUL")
        self.broker.prefix = "org.varlink.service."
        self.ctl("create", "--detached", status=43)
        self.assertIn("too long for the broker, whatever its pools accept as metadata: its max_message is 65536 bytes\n", self.err)

    def test_a_pause_of_all_is_said(self):
        self.refuse("Create", "Paused", pool="default", reason="moving")
        self.broker.table.pools[1]["paused"] = True
        self.ctl("create", "--detached", status=23)
        self.assertIn('pool "default" is paused: moving', self.err)
        self.broker.table.pools[0]["paused"] = True
        self.ctl("create", "--detached", status=23)
        self.assertIn("all pools are paused: moving", self.err)

    def test_a_detached_session_without_a_deadline_is_refused_in_words(self):
        self.refuse("Create", "TimeoutOutOfRange", timeout_ms=-1, max_timeout_ms=-1)
        self.ctl("create", "--detached", "--timeout", "infinity", status=16)
        self.assertIn("a detached session must have a deadline", self.err)

    def test_a_store_that_is_in_the_way_is_said(self):
        self.refuse("Create", "StoreUnavailable", reason="No space left on device")
        self.ctl("create", "--detached", status=25)
        self.assertIn("the broker takes no new sessions while it cannot store them: No space left on device; 'usherctl"
                      " status' shows whether it can again", self.err)

    def test_an_unknown_pool_is_no_empty_list(self):
        self.fake(1)
        self.ctl("list", "-p", "nope", status=17)
        self.assertIn('there is no pool "nope"', self.err)
        self.assertEqual(self.ctl("list", "-p", "default"), "")

    def test_a_broker_that_is_silent_is_given_up(self):
        self.fake(1)
        self.broker.hooks["ListPools"] = lambda fake, parameters: []
        self.broker.hooks["Create"] = lambda fake, parameters: []
        self.ctl("pools", "--call-timeout", "100ms", status=3)
        self.assertIn("did not answer within 100ms: it is stopped or very busy", self.err)
        self.ctl("--call-timeout", "100ms", "create", "--detached", status=3)
        waiting = self.popen("--call-timeout", "100ms", "create", "--detached", "--wait", "infinity")
        drawn = self.popen("--call-timeout", "100ms", "call", "Create", '{"wait_ms":-1}')
        with self.assertRaises(subprocess.TimeoutExpired):
            waiting.wait(1)
        self.assertIsNone(drawn.poll())


class Words(FakeTest):
    """What is said on a terminal, and what a pipe gets."""

    def say(self, *arguments):
        terminal = self.terminal(*arguments)
        self.assertEqual(terminal.end(), 0)
        return [line for line in terminal.screen.lines() if line]

    def test_good_news_is_said_on_a_terminal_only(self):
        self.fake(1)
        for method in ("Pause", "Resume", "Reload", "ResetMetrics", "Update"):
            self.broker.hooks[method] = lambda fake, parameters: [{}]
        for arguments, sentence in ((["pause"], "all pools are paused: new sessions are refused"),
                                    (["pause", "gpu"], "gpu is paused: new sessions are refused"),
                                    (["resume", "gpu"], "gpu takes new sessions again"),
                                    (["reload"], "the configuration files are in force"),
                                    (["reset-metrics"], "the counters of 'usherctl metrics' begin anew"),
                                    (["update", "session_1", "-m", "{}"], "session_1 has the new metadata")):
            self.assertEqual(self.say(*arguments), [sentence])
            self.assertEqual(self.ctl(*arguments), "")

    def test_a_pipe_gets_tabs_and_words(self):
        self.fake(1)
        s = self.broker.table.sessions[0]
        s.update(overdue=True, orphaned=True, revoking=True, comm="a b", created_at=now_us() - 591 * 10 ** 6)
        row = self.ctl("list").rstrip("\n").split("\t")
        self.assertEqual(row[2], "processing,overdue,orphaned,revoking")
        self.assertEqual(self.ctl("who").split("\t")[8], "overdue,orphaned,revoking")
        self.assertEqual(row[6:8], ["a b", "9m51s"])
        self.broker.hooks["History"] = lambda fake, parameters: [{"sessions": [
            {**s, "ended_at": now_us(), "outcome": "error", "duration_ms": 591000}]}]
        row = self.ctl("history").split("\t")
        self.assertRegex(row[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}$")
        self.assertEqual(row[4], "9m51s")

    def test_the_maker_of_a_detached_session_is_not_its_process(self):
        self.fake(1)
        self.broker.table.sessions[0]["owner"] = "detached"
        self.assertEqual(self.ctl("list").split("\t")[5], "-")
        self.assertEqual(self.ctl("who").split("\t")[3], "-")
        self.assertIn("made by\t1000 (train)", self.ctl("get", "session_000000000000"))

    def test_orphans_are_told(self):
        self.fake(1)
        s = self.broker.table.sessions[0]
        s.update(owner="connection", orphaned=True)
        self.assertRegex(self.ctl("get", s["session_id"]), r"state\tprocessing,orphaned\n")
        self.assertIn("1 orphaned", self.ctl("status"))
        self.assertIn("1 orphaned", self.ctl("pools", "gpu"))
        text = self.ctl("metrics", "--openmetrics")
        for line in ("usher_orphaned_sessions 1", 'usher_pool_orphaned_sessions{pool="gpu"} 1', "usher_active_sessions 1"):
            self.assertIn(line + "\n", text)
        process = self.popen("monitor", "-p", "gpu")
        lines = [process.stdout.readline() for _ in range(3)]
        self.assertIn("\tprocessing, orphaned", lines[2])

    def test_trouble_with_the_store_is_told(self):
        self.fake(1)
        self.assertNotIn("STORE", self.ctl("status"))
        metrics = self.broker.table.metrics()
        self.broker.hooks["GetMetrics"] = lambda fake, parameters: [{"metrics": metrics}]
        metrics["totals"]["rejected_store"] = 4
        for state, error, sentence in (("full", "No space left on device", "STORE FULL: No space left on device; new"),
                                       ("failed", "Input/output error\x1b", "STORE FAILED: Input/output error\\x1b; new")):
            metrics.update(store=state, store_error=error)
            lines = self.say("status")
            self.assertEqual(lines[1], sentence + " sessions are refused")
            self.assertIn("refused: 3 full, 4 not stored", lines)
            terminal = self.terminal("metrics", rows=100)
            self.assertEqual(terminal.end(), 0)
            shown = dict(line.split(None, 1) for line in terminal.screen.lines() if len(line.split()) > 1)
            self.assertEqual((shown["store"], shown["store_used_bytes"], shown["store_size_bytes"]),
                             (state, "52.0K", "16.0M"))
            self.assertIn(error.rstrip("\x1b"), shown["store_error"])
        text = self.ctl("metrics", "--openmetrics")
        for line in ('usher_store_state{state="failed"} 1', 'usher_store_state{state="ok"} 0',
                     "usher_store_used_bytes 53248", "usher_store_size_bytes 16777216",
                     'usher_sessions_rejected_total{reason="store"} 4', "# TYPE usher_commit_seconds histogram"):
            self.assertIn(line + "\n", text)
        metrics.update(store="none")
        self.assertIn("state: not kept; all of it ends with the broker", self.ctl("status"))

    def test_the_bar_tells_a_part_from_a_whole(self):
        self.fake(pools=[pool("default", 200), pool("gpu", 20)])
        self.broker.table.sessions = [session(0, "default", [0]), session(1, "gpu", [0])]
        lines = self.say("status")
        self.assertTrue(lines[1].endswith("1/200  :...................  1 active"), lines[1])
        self.assertTrue(lines[2].endswith("1/20  #...................  1 active"), lines[2])
        self.broker.table.pools[0].update(paused=True)
        self.assertEqual([line.split()[-1] for line in self.say("status")[1:3]], ["paused", "active"])

    def test_status_fits_80_columns(self):
        self.fake(1)
        metrics = self.broker.table.metrics()
        metrics["totals"].update({name: 12345 for name in metrics["totals"] if name.startswith("rejected_")})
        self.broker.hooks["GetMetrics"] = lambda fake, parameters: [{"metrics": metrics}]
        terminal = self.terminal("status")
        self.assertEqual(terminal.end(), 0)
        text = terminal.raw.decode().replace("\r", "")
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertIn("12345 waited in vain", text)

    def test_run_leaves_stdout_to_the_command(self):
        self.fake().errors["Create"] = ("CapacityReached", {"pool": "gpu", "limit": 1, "used_units": 1})
        out = self.ctl("run", "--json", "-E", 0, "--", "echo", "no")
        self.assertEqual(json.loads(out)["error"], "io.usher.Broker.CapacityReached")
        self.ctl("run", "-E", 9, "--", "echo", "no", status=9)


class Metrics(FakeTest):
    def test_a_terminal_gets_groups_in_which_counters_say_since_when(self):
        self.fake(3, 2)
        metrics = self.broker.table.metrics()
        metrics.update(success_rate=0.24324324324324326, oldest_hold_ms=591000, bytes_sent=15546000, newer=7)
        self.broker.hooks["GetMetrics"] = lambda fake, parameters: [{"metrics": metrics}]
        terminal = self.terminal("metrics", rows=100)
        self.assertEqual(terminal.end(), 0)
        lines = terminal.screen.lines()
        titles = [line for line in lines if line.endswith(":")]
        self.assertEqual(titles, ["Now:", "Counted since the start or the last reset-metrics:",
                                  "The broker, counted since its start:",
                                  "Times since the start or the last reset-metrics:",
                                  "The pools, counted since the start:"])
        self.assertTrue(lines[1].startswith("total_sessions"))
        shown = dict(line.split(None, 1) for line in lines if line and not line.endswith(":"))
        self.assertEqual((shown["success_rate"], shown["oldest_hold_ms"], shown["bytes_sent"], shown["newer"]),
                         ("24.3%", "9m51s", "14.8M", "7"))
        self.assertRegex(shown["started_at"], r"ago\)$")

    def test_a_pipe_and_a_file_get_all_of_it(self):
        self.fake(3, 2)
        path = os.path.join(self.broker.directory, "metrics")
        out = self.ctl("metrics")
        self.ctl("metrics", "--output", path)
        shown = dict(line.split("\t") for line in out.splitlines())
        self.assertEqual(shown["active_sessions"], "3")
        self.assertEqual(shown["pools.gpu.waiting_sessions"], "2")
        for name in ("totals.created", "queue_wait.p99_ns", "pools.gpu.totals.session_duration.count"):
            self.assertIn(name, shown)
        with open(path) as file:
            self.assertEqual([line.split("\t")[0] for line in file], list(shown))

    def test_those_of_a_pool_are_its_own(self):
        self.fake(4, 2)
        metrics = self.broker.table.metrics()
        metrics["pools"] = [p for p in metrics["pools"] if p["pool"] == "gpu"]
        self.broker.hooks["GetMetrics"] = lambda fake, parameters: [{"metrics": metrics}]
        shown = dict(line.split("\t") for line in self.ctl("metrics", "-p", "gpu").splitlines())
        self.assertEqual((shown["pool"], shown["active_sessions"]), ("gpu", "2"))
        self.assertEqual(json.loads(self.ctl("metrics", "-p", "gpu", "--json"))["pool"], "gpu")
        text = self.ctl("metrics", "-p", "gpu", "--openmetrics")
        self.assertIn('usher_pool_active_sessions{pool="gpu"} 2\n', text)
        self.assertNotIn("usher_active_sessions", text)
        terminal = self.terminal("metrics", "-p", "gpu", rows=60)
        self.assertEqual(terminal.end(), 0)
        self.assertIn("active_sessions", terminal.screen.text())
        self.assertNotIn("total_sessions", terminal.screen.text())

    def test_the_table_of_pools_fits_80_columns(self):
        self.fake(3)
        metrics = self.broker.table.metrics()
        for p in metrics["pools"]:
            p["pool"] += "-with-a-long-name"
            p["limit"] = p["used_units"] = p["active_sessions"] = 16777216
            p["totals"].update(created=1234567, completed=1234567, timeout=123456, rejected_capacity=123456)
        self.broker.hooks["GetMetrics"] = lambda fake, parameters: [{"metrics": metrics}]
        terminal = self.terminal("metrics", rows=100)
        self.assertEqual(terminal.end(), 0)
        text = terminal.raw.decode().replace("\r", "")
        self.assertLessEqual(max(map(len, text.splitlines())), 80)


class Kill(FakeTest):
    """revoke --kill; the fake's session ends when its process does, as the broker's would."""

    def hold(self, *command, **more):
        worker = subprocess.Popen(command or ["sleep", "600"], stdout=subprocess.PIPE)
        self.addCleanup(lambda: (worker.poll() is None and worker.kill(), worker.communicate()))
        self.fake()
        self.broker.table.sessions.append(session(0, "gpu", [0], **{"uid": os.getuid(), "pid": worker.pid,
                                                                   "created_at": now_us() + 10 ** 6, **more}))
        self.broker.hooks["Get"] = lambda fake, p: self.get(worker, p)
        return worker

    def get(self, worker, parameters):
        if worker.poll() is not None and self.ends:
            self.broker.errors["Get"] = ("SessionEnded", {"session_id": "session_000000000000", "outcome": "abandoned"})
            self.broker.table.sessions.clear()
        return self.broker.on_Get(parameters)

    ends = True

    def revoke(self, *options, status=0):
        return self.ctl("revoke", "--kill", "session_000000000000", *options, status=status)

    def test_the_owner_gets_term(self):
        worker = self.hold()
        self.revoke("--reason", "upgrade")
        self.assertEqual(worker.wait(30), -signal.SIGTERM)
        self.assertEqual(self.called("Revoke"), [{"session_id": "session_000000000000", "reason": "upgrade"}])

    def test_one_that_does_not_let_go_gets_kill(self):
        worker = self.hold("sh", "-c", "trap '' TERM; echo; while :; do sleep 0.1; done")
        worker.stdout.readline()
        self.revoke("--grace", "300ms")
        self.assertEqual(worker.wait(30), -signal.SIGKILL)

    def test_one_that_lets_go_lives(self):
        worker = self.hold("sh", "-c", "trap 'echo told' TERM; echo; while :; do sleep 0.1; done")
        worker.stdout.readline()
        process = self.popen("revoke", "--kill", "session_000000000000")
        self.assertEqual(worker.stdout.readline(), b"told\n")
        self.broker.errors["Get"] = ("SessionEnded", {"session_id": "session_000000000000", "outcome": "completed"})
        self.assertEqual(process.wait(30), 0)
        self.assertIsNone(worker.poll())

    def test_a_session_that_outlives_its_process(self):
        self.hold()
        self.ends = False
        self.revoke(status=1)
        self.assertIn("a child of it has the connection", self.err)

    def test_none_but_the_right_process_is_signalled(self):
        for more, sentence in (({"pid": None}, "another pid namespace"), ({"owner": "detached"}, "no process holds it"),
                               ({"uid": 12345}, "does not run for user 12345"),
                               ({"created_at": now_us() - 10 ** 9, "owner": "connection"}, "may be another one")):
            worker = self.hold(**more)
            self.revoke(status=1)
            self.assertIn(sentence, self.err)
            self.assertEqual(self.called("Revoke"), [])
            self.assertIsNone(worker.poll())

    @unittest.skipIf(os.getuid() != 0, "needs another user")
    def test_another_users_process_is_left_alone(self):
        worker = self.hold()
        os.chmod(self.broker.directory, 0o755)
        os.chmod(self.broker.path, 0o666)
        process = self.popen("revoke", "--kill", "session_000000000000", user=65534)
        self.assertEqual(process.wait(30), 44)
        self.assertIn("you may not signal process", process.stderr.read())
        self.assertIsNone(worker.poll())

    def test_a_process_that_is_gone(self):
        worker = self.hold()
        worker.kill()
        worker.wait()
        self.ends = False
        self.revoke(status=1)
        self.assertIn("is gone", self.err)


if __name__ == "__main__":
    unittest.main()
