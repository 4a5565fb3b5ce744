# SPDX-License-Identifier: MIT
"""usher-bench: what it tells agrees with itself and with the broker's own counters, what goes wrong
is told, and nothing is left behind. peer-bench: the same before servers that only pretend."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from broker import BrokerTest, wait_for

USHER_BENCH, PEER_BENCH = os.environ["USHER_BENCH"], os.environ["PEER_BENCH"]
QUICK = ("--connections", "4", "--warmup", "20ms", "--duration", "150ms")
PERCENTILES = ("min", "p50", "p90", "p99", "p99_9", "p99_99", "max")
KEYS = {"operation", "dialect", "connections", "depth", "metadata_bytes", "duration_s", "ops",
        "ops_per_s", "errors", "latency_us", "rate_asked", "rate_reached", "behind",
        "client_cpu_us_per_op"}


def run(program, *arguments, **more):
    return subprocess.run([program, *map(str, arguments)], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **more)


class Bench(BrokerTest):
    CONFIG = ("[broker]\nmax_connections_per_uid = 200\n[pool default]\nlimit = 20000\n"
              "[pool tight]\nlimit = 3\n[pool timed]\nlimit = 100\ndefault_timeout = 5min\n"
              "[pool shadow]\nlimit = 1\nenforce = no\n")

    def bench(self, *arguments, status=0):
        result = run(USHER_BENCH, "--socket", self.broker.socket, *arguments)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        self.err = result.stderr
        return result.stdout

    def start(self, *arguments, **more):
        """For a minute, or until it is interrupted."""
        more = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True, **more}
        bench = subprocess.Popen([USHER_BENCH, "--socket", self.broker.socket, "--duration", "1min",
                                  *arguments], **more)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.kill)
        return bench

    def interrupt(self, bench):
        bench.send_signal(signal.SIGINT)
        self.assertEqual(bench.wait(60), 130)

    def measured(self, *arguments, status=0):
        figures = json.loads(self.bench("--json", *arguments, status=status))
        self.assertLessEqual(KEYS, set(figures))
        return figures

    def metrics(self):
        if not self.clients:
            self.client()
        return self.clients[0].metrics()

    def assertConsistent(self, figures):
        latency = [figures["latency_us"][name] for name in PERCENTILES]
        self.assertEqual(latency, sorted(latency))
        self.assertGreater(latency[0], 0)
        self.assertEqual(figures["errors"], {})
        self.assertGreater(figures["ops"], 0)
        self.assertGreater(figures["client_cpu_us_per_op"], 0)
        told = figures["ops_per_s"] * figures["duration_s"]
        self.assertAlmostEqual(told, figures["ops"], delta=0.01)

    def assertNothingLeft(self, figures):
        metrics = self.metrics()
        self.assertEqual(metrics["active_sessions"], 0)
        self.assertEqual(metrics["waiting_sessions"], 0)
        self.assertEqual(figures["sessions_created"], figures["sessions_released"])

    # ---- operations ----

    def check_operation(self, operation, *arguments):
        """The counters of both agree. Returns the figures."""
        before = self.metrics()["totals"]
        figures = self.measured("--operation", operation, *QUICK, *arguments)
        self.assertEqual(figures["operation"], operation)
        self.assertConsistent(figures)
        self.assertNothingLeft(figures)
        after = self.metrics()["totals"]
        created = after["created"] - before["created"]
        self.assertEqual(created, figures["sessions_created"])
        self.assertEqual(after["completed"] - before["completed"], created)
        self.assertEqual(after["abandoned"], before["abandoned"])
        return figures

    def test_create_and_release_by_turns(self):
        figures = self.check_operation("create+release")
        self.assertGreaterEqual(figures["sessions_created"] * 2, figures["ops"])

    def test_connections_have_several_requests_in_flight(self):
        figures = self.check_operation("create+release", "--depth", 8, "--threads", 2)
        self.assertEqual((figures["depth"], figures["threads"]), (8, 2))

    def test_creates_are_counted_and_all_released_at_the_end(self):
        figures = self.check_operation("create", "--count", 321, "--duration", "1min")
        self.assertEqual((figures["ops"], figures["sessions_created"]), (321, 321))

    def test_sessions_can_be_held_meanwhile(self):
        figures = self.check_operation("get", "--sessions", 150)
        self.assertEqual(figures["sessions_created"], 150 + 4)

    def test_renew(self):
        self.assertEqual(self.check_operation("renew", "--pool", "timed")["sessions_created"], 4)

    def test_lists_and_metrics(self):
        for operation in ("list", "metrics"):
            with self.subTest(operation=operation):
                self.assertEqual(self.check_operation(operation)["sessions_created"], 0)

    def test_connections_are_made_for_one_session_each(self):
        before = self.metrics()["connections_total"]
        figures = self.check_operation("connect")
        made = self.metrics()["connections_total"] - before
        # One for its own calls, and one for what is held, beside them.
        self.assertEqual(made, figures["sessions_created"] + 2)

    def test_a_handover_is_from_a_session_to_one_that_waited(self):
        before = self.metrics()["totals"]["queued"]
        figures = self.check_operation("wait", "--pool", "tight", "--connections", 20)
        self.assertGreater(self.metrics()["totals"]["queued"], before)
        # Not the first three, which found free slots.
        self.assertLessEqual(figures["ops"], figures["sessions_created"] - 3)

    def test_owners(self):
        for owner in ("connection", "process", "detached"):
            with self.subTest(owner=owner):
                self.check_operation("create+release", "--owner", owner)

    def test_metadata_has_as_many_bytes_as_asked_for(self):
        client = self.client()
        bench = self.start("--operation", "get", "--metadata", "777", "--connections", "3")
        wait_for(lambda: client.metrics()["active_sessions"] == 3, "its sessions")
        self.assertEqual(client.metrics()["current_metadata_bytes"], 3 * 777)
        self.interrupt(bench)

    # ---- company ----

    def test_waiters_and_idle_connections_are_there_meanwhile(self):
        client = self.client()
        bench = self.start("--waiters", "20", "--waiters-pool", "tight", "--idle", "30",
                           "--connections", "2")
        wait_for(lambda: client.metrics()["waiting_sessions"] == 20, "the waiters")
        # Its own two and one that holds, one for its calls, and this client.
        everybody = 20 + 30 + 2 + 2 + 1
        wait_for(lambda: client.metrics()["connections"] == everybody, "all connections")
        self.interrupt(bench)
        wait_for(lambda: client.metrics()["connections"] == 1, "the end of the connections")
        self.assertEqual(client.metrics()["waiting_sessions"], 0)
        self.assertEqual(client.metrics()["active_sessions"], 0)

    # ---- a fixed rate ----

    def test_a_rate_that_can_be_had_is_reached(self):
        figures = self.measured(*QUICK, "--rate", 400, "--duration", "500ms")
        self.assertConsistent(figures)
        self.assertEqual(figures["rate_asked"], 400)
        self.assertEqual(figures["ops"] + figures["unsent"], 200)

    def test_a_rate_that_cannot_be_had_is_told(self):
        figures = self.measured(*QUICK, "--rate", 50000000)
        self.assertTrue(figures["behind"])
        self.assertGreater(figures["unsent"], 0)
        self.assertLess(figures["rate_reached"], figures["rate_asked"])
        self.assertIn("Behind: ", self.bench(*QUICK, "--rate", 50000000))

    # ---- for people ----

    def test_the_text_fits_into_eighty_columns_and_has_units(self):
        text = self.bench(*QUICK, "--rate", 1000)
        for line in text.splitlines()[1:]:  # the first one has the socket's path
            self.assertLessEqual(len(line), 80, line)
        for line in (
                r"throughput +\d+ ops/s: \d+ in 0\.\d+ s",
                r"latency +min +p50 +p90 +p99 +p99\.9 +p99\.99 +max\n( +[\d.]+(us|ms|s)){7}",
                r"rate +1000 ops/s asked, \d+ sent, each at most [\d.]+(us|ms|s) late",
                r"errors +none",
                r"client +[\d.]+ us of its own CPU time an op, busy for \d+ % of the time"):
            self.assertRegex(text, f"(?m)^{line}$")

    # ---- what goes wrong ----

    def check_complaint(self, status, words, *arguments):
        self.assertEqual(self.bench(*arguments, status=status), "")
        self.assertIn(words, self.err)
        self.assertTrue(self.err.startswith("usher-bench: "), self.err)

    def test_wrong_options_are_named(self):
        for words, *arguments in (
                ("--connections: expected a whole number from 1 to", "--connections", "0"),
                ("--operation: expected create+release, create, renew", "--operation", "walk"),
                ("--duration: expected a time", "--duration", "soon"),
                ("--rate: expected a number", "--rate", "-1"),
                ("--metadata: expected 0 for none", "--metadata", "1"),
                ("expected only options, not \"more\"", "more"),
                ("unrecognized option", "--loud"),
                ("--threads may not be more", "--threads", "9", "--connections", "8"),
                ("--depth must be 1", "--operation", "wait", "--depth", "2"),
                ("no --sessions", "--operation", "wait", "--sessions", "2"),
                ("--waiters-pool", "--waiters", "2")):
            with self.subTest(arguments=arguments):
                self.bench(*arguments, status=2)
                self.assertIn(words, self.err)
                self.assertIn("Try 'usher-bench --help'.", self.err)

    def test_a_pool_that_is_not_there_is_told_with_those_that_are(self):
        self.check_complaint(1, "there is no pool \"none\"; there are: default, ", "--pool", "none")

    def test_a_pool_without_room_is_not_loaded(self):
        before = self.metrics()["totals"]
        self.check_complaint(1, "3 of 3 slots are free, and it would take 50 at once",
                             "--pool", "tight")
        after = self.metrics()["totals"]
        self.assertEqual((after["created"], after["rejected_capacity"]),
                         (before["created"], before["rejected_capacity"]))

    def test_a_pool_that_refuses_nobody_hands_nothing_over(self):
        self.check_complaint(1, "does not enforce its limit",
                             "--pool", "shadow", "--operation", "wait")

    def test_refusals_are_counted_and_explained(self):
        self.client().call("SetPool", pool="default", per_process_limit=1)
        figures = self.measured(*QUICK, status=1)
        refused = self.metrics()["totals"]["rejected_quota"]
        self.assertEqual(figures["errors"], {"QuotaExceeded": refused})
        self.assertIn("this process holds 1 of at most 1 slot", figures["first_error"])
        self.assertIn("QuotaExceeded: this process holds 1", self.bench(*QUICK, status=1))

    def test_what_no_later_call_can_change_ends_it(self):
        self.check_complaint(1, "nothing was measured: the metadata has 30000 bytes, the pool ",
                             *QUICK, "--metadata", 30000, "--duration", "1min")

    def test_a_pause_ends_it_before_it_has_begun(self):
        self.client().call("Pause", reason="inventory")
        self.check_complaint(1, "inventory", *QUICK, "--operation", "get")

    def test_too_many_connections_are_explained(self):
        self.check_complaint(1, "may have no more", "--connections", 500, "--duration", "200ms")

    def test_no_broker_is_told_as_by_usherctl(self):
        nowhere = self.broker.directory / "nowhere"
        result = run(USHER_BENCH, "--socket", nowhere)
        self.assertEqual(result.returncode, 3)
        self.assertEqual(result.stderr, f"usher-bench: no broker listens at {nowhere}; start one"
                                        f" with: usherd --socket {nowhere}\n")

    def test_a_broker_that_ends_is_told(self):
        client = self.client()
        bench = self.start(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for(lambda: client.metrics()["totals"]["created"] > 100, "the load")
        self.broker.stop()
        text, _ = bench.communicate(timeout=60)
        self.assertEqual(bench.returncode, 1, text)
        self.assertRegex(text, "ConnectionClosed|ShuttingDown|the server closed a connection")

    def test_output_that_goes_nowhere_is_told(self):
        with open("/dev/full", "w") as full:
            bench = self.start(*QUICK, stdout=full, stderr=subprocess.PIPE)
            _, error = bench.communicate(timeout=60)
        self.assertEqual(bench.returncode, 1)
        self.assertIn("cannot write to standard output", error)

    def test_killed_it_leaves_nothing(self):
        client = self.client()
        bench = self.start("--operation", "create", "--count", "19000")
        wait_for(lambda: client.metrics()["active_sessions"] > 10, "sessions")
        bench.kill()
        bench.wait()
        wait_for(lambda: client.metrics()["active_sessions"] == 0, "their end")


class Pretender(threading.Thread):
    """A server of one connection: each frame is shown to ON_FRAME, and answered with REPLY."""

    def __init__(self, path, reply, on_frame=lambda n: None):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.reply, self.on_frame = reply, on_frame
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection:
            n, rest = 0, b""
            while piece := connection.recv(1 << 16):
                *frames, rest = (rest + piece).split(b"\0")
                for _ in frames:
                    n += 1
                    self.on_frame(n)
                    connection.sendall(self.reply)


class Peers(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="usher-test.")
        self.addCleanup(directory.cleanup)
        self.socket = pathlib.Path(directory.name) / "s"

    def run_one(self, *arguments):
        """On one connection, without a warm-up, unless told otherwise."""
        return run(PEER_BENCH, "--dialect", "echo", "--socket", self.socket, "--connections", 1,
                   "--warmup", 0, *arguments)

    def measured(self, *arguments, status=0):
        result = self.run_one("--json", *arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return json.loads(result.stdout)

    def pretend(self, *arguments):
        server = Pretender(self.socket, *arguments)
        self.addCleanup(server.join, 60)
        self.addCleanup(server.listener.close)

    def test_at_a_fixed_rate_a_stall_is_in_the_latency_of_all_that_it_held_up(self):
        """Ops are due every 2 ms; the reply to one takes 500 ms, so that some 250 wait for it."""
        self.pretend(b"x" * 89 + b"\0", lambda n: time.sleep(0.5 if n == 100 else 0))
        figures = self.measured("--rate", 500, "--duration", "2s")
        self.assertEqual(figures["ops"] + figures["unsent"], 1000)
        # A quarter was late, by 250 ms on average.
        self.assertGreater(figures["latency_us"]["p90"], 200000)
        self.assertGreaterEqual(figures["latency_us"]["max"], 499000)

    def test_in_a_closed_loop_a_stall_is_one_latency(self):
        self.pretend(b"x" * 89 + b"\0", lambda n: time.sleep(0.5 if n == 100 else 0))
        figures = self.measured("--count", 5000, "--duration", "50s")
        self.assertEqual(figures["ops"], 5000)
        self.assertGreaterEqual(figures["latency_us"]["max"], 500000)
        self.assertLess(figures["latency_us"]["p99"], figures["latency_us"]["max"])

    def test_a_reply_that_is_none_ends_it(self):
        self.pretend(b"short\0")
        figures = self.measured("--duration", "1min", status=1)
        self.assertEqual((figures["ops"], list(figures["errors"])), (0, ["BadReply"]))

    def test_the_echoes_answer_each_frame(self):
        for name in ("ECHO_EPOLL", "ECHO_UV"):
            for options in ([], ["--per-frame"], ["--reply-bytes", "5000"]):
                with self.subTest(name=name, options=options):
                    self.check_echo(os.environ[name], options)

    def check_echo(self, program, options):
        server = subprocess.Popen([program, "--socket", self.socket, *options])
        try:
            wait_for(self.socket.exists, "the echo")
            reply = options[1:] and ["--reply-bytes", options[1]]
            figures = self.measured("--depth", 16, "--connections", 5, "--duration", "60ms",
                                    *reply)
            self.assertEqual(figures["errors"], {})
            self.assertEqual(figures["sessions_created"], figures["sessions_released"])
            self.assertGreater(figures["ops"], 0)
        finally:
            server.kill()
            server.wait()
            self.socket.unlink()

    def test_what_a_peer_does_not_know_is_told(self):
        self.pretend(b"")
        result = self.run_one("--operation", "renew")
        with socket.socket(socket.AF_UNIX) as probe:  # so that the pretender ends, too
            probe.connect(str(self.socket))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "peer-bench: echo knows no renew\n")


unittest.main()
