# SPDX-License-Identifier: MIT
"""tests/bench/run: that it measures all it says it does, judges what it found, and hides nothing.
How fast anything was is not looked at.

test_bench_run.py RUN BUILD"""
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop())
RUN = pathlib.Path(sys.argv.pop())
sys.path.insert(0, str(RUN.parent))
import arithmetic  # noqa: E402
import growth      # noqa: E402
import peers       # noqa: E402
import process     # noqa: E402
import rounds      # noqa: E402

BRIEF = ("--build", BUILD, "--quick", "--rounds", "1", "--seconds", "0.3")
CASES = {"50x1", "50x16", "1x1", "lock-wait", "steady", "steady-p50", "steady-p99", "handover",
         "command", "memory", "connections", "waiters-rate", "waiters-handover", "storm"} \
    | {"growth-" + name for name in growth.OPERATIONS}
ONE_AT_A_TIME = {"manager", "etcd"}


def found(case, **values):
    return {case: {"yardstick": "a", "subjects": {k: {"values": v} for k, v in values.items()}}}


class Arithmetic(unittest.TestCase):
    def test_a_ratio_is_that_of_the_medians_of_one_run(self):
        summary = arithmetic.summarise(found("c", a=[2, 4, 100], b=[2, 1, 1])["c"])
        self.assertEqual(summary["b"]["ratio_of_medians"], 1 / 4)
        self.assertEqual((summary["a"]["median"], summary["a"]["max"]), (4, 100))

    def test_a_round_that_failed_counts_for_nothing(self):
        summary = arithmetic.summarise(found("c", a=[None, 3, None, 5])["c"])
        self.assertEqual((summary["a"]["median"], summary["a"]["rounds"]), (4, 2))

    def test_a_target_at_its_bound_is_met_and_beyond_it_missed(self):
        for low, high, value, met in ((4, None, 4, True), (4, None, 3.9, False),
                                      (None, 4, 4, True), (None, 4, 4.1, False)):
            target = arithmetic.Target("t", ("c", "b"), ((1, "c", "a"),), low, high)
            judged = arithmetic.judge(target, found("c", a=[1], b=[value]))
            self.assertIs(judged["met"], met)

    def test_a_target_is_neither_met_nor_missed_if_anything_of_it_was_not_measured(self):
        target = arithmetic.Target("t", ("c", "b"), ((2, "c", "a"), (1, "c", "gone")), at_most=9)
        judged = arithmetic.judge(target, found("c", a=[1], b=[1]))
        self.assertIsNone(judged["met"])
        self.assertIsNone(judged["measured"])

    def test_percentiles_are_nearest_ranks(self):
        ordered = list(range(1, 101))
        self.assertEqual([arithmetic.percentile(ordered, p) for p in (0, 50, 99, 99.9, 100)],
                         [1, 50, 99, 100, 100])


class Run(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)

    def bench(self, *arguments, status=0, **environment):
        done = subprocess.run(
            [sys.executable, RUN, *BRIEF, "--json", self.home / "result.json", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment}, timeout=240)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.out = done.stdout
        return json.loads((self.home / "result.json").read_text()) if status == 0 else done.stderr

    def check_subject(self, result, key, name):
        subject = result["cases"][key]["subjects"][name]
        if subject["not_measured"]:
            self.assertEqual(subject["values"], [])
            self.assertIn(f"not measured: {subject['not_measured']}", self.out)
            return
        self.assertGreaterEqual(len(subject["values"]), 1, f"{key}, {name}")
        for value in subject["values"]:
            self.assertTrue(math.isfinite(value) and value >= 0, f"{key}, {name}: {value}")
        self.assertIn(subject["title"], self.out)

    def test_everything_is_measured_or_said_not_to_be(self):
        result = self.bench("--growth")
        self.assertEqual(result["failures"], [])
        self.assertEqual(set(result["cases"]), CASES)
        for key, case in result["cases"].items():
            for name in case["subjects"]:
                self.check_subject(result, key, name)
        self.check_absences(result)
        self.check_targets(result)
        self.assertIn("CAUTION: --quick", self.out)

    def check_absences(self, result):
        """Nothing that is here was left out."""
        missing = peers.missing()
        for shape in ("50x1", "50x16", "1x1"):
            absent = {name for name, subject in result["cases"][shape]["subjects"].items()
                      if subject["not_measured"]}
            self.assertEqual(absent, set(missing) | (ONE_AT_A_TIME if shape == "50x16" else set()))

    def check_targets(self, result):
        self.assertGreater(len(result["targets"]), 15)
        for target in result["targets"]:
            needs_redis = "Redis" in target["text"] and "redis" in peers.missing()
            needs_sem = "sem" in target["text"] and not shutil.which("sem")
            if needs_redis or needs_sem:
                self.assertIsNone(target["met"], target)
            else:
                self.assertIn(target["met"], (True, False), target)

    def test_who_is_not_installed_is_reported_and_so_is_a_plot_that_was_not_drawn(self):
        bare = self.home / "bin"
        bare.mkdir()
        (bare / "meson").symlink_to(shutil.which("meson"))
        result = self.bench("--only", "1x1", PATH=str(bare))
        for name in ("redis", "redis-aof", "etcd"):
            self.assertIn("not installed", result["cases"]["1x1"]["subjects"][name]["not_measured"])
        self.assertIn("not measured: not installed: apt install redis-server", self.out)
        self.assertIn("plot: not drawn: not installed", self.out)
        self.assertEqual(result["failures"], [])

    def test_the_plot_is_a_picture_of_every_case(self):
        result = self.bench("--only", "1x1", "--only", "memory", "--plot", self.home / "plot.svg")
        if not shutil.which("gnuplot"):
            self.assertIn("plot: not drawn: not installed", self.out)
            return
        picture = (self.home / "plot.svg").read_text()
        self.assertTrue(picture.rstrip().endswith("</svg>"))
        for case in result["cases"].values():
            self.assertTrue(case["title"] in picture, case["title"])

    def test_a_round_that_fails_is_told_and_the_others_go_on(self):
        def fail():
            raise process.Failed("so it is")

        results, values = rounds.Results(), iter((fail, lambda: [("c", "s", 7, None)]))
        results.declare("c", "a case", "us", "less", "s", {"s": "a subject"})
        step = rounds.Step("c", "s", lambda: next(values)())
        rounds.run([step], 2, results, rounds.Progress(), "phase")
        self.assertEqual(results.values("c", "s"), [None, 7])
        self.assertEqual(results.failures, ["c, s, round 1: so it is"])

    def test_a_directory_without_the_programs_is_refused(self):
        self.assertIn("tests/bench/run: ", self.bench("--build", self.home, status=1))

    def test_nothing_is_left_behind(self):
        place, _ = peers.memory_directory()
        pattern = "usher-bench.*"
        before = set(pathlib.Path(place or tempfile.gettempdir()).glob(pattern))
        self.bench("--only", "handover")
        after = set(pathlib.Path(place or tempfile.gettempdir()).glob(pattern))
        self.assertLessEqual(after, before)


unittest.main()
