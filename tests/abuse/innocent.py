# SPDX-License-Identifier: MIT
"""A client that does nothing wrong, in a process of its own: innocent.py SOCKET POOL PAUSE_S.

It creates and releases a session again and again, at a modest pace, and measures each call. For
each line on its standard input it prints what it measured since the last one; at "end" it ends.
When the broker goes away it comes back, and does not count the call that was cut off.

Innocent, below, is the handle of the process that asks."""
import contextlib
import json
import math
import pathlib
import select
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from broker import Client, Refused  # noqa: E402

GIVEN_UP_S = 60


def percentile(sorted_values, p):
    """By nearest rank."""
    return sorted_values[max(0, math.ceil(len(sorted_values) * p) - 1)]


class Round:
    """What was measured since someone asked."""

    def __init__(self):
        self.us = []
        self.refused = []
        self.cuts = 0

    def summary(self):
        values = sorted(self.us)
        return {
            "calls": len(values), "cuts": self.cuts, "refused": self.refused[:10],
            "p50_us": percentile(values, 0.5) if values else 0,
            "p99_us": percentile(values, 0.99) if values else 0,
            "max_us": values[-1] if values else 0,
        }


class Prober:
    def __init__(self, path, pool):
        self.path, self.pool = path, pool
        self.client = self.connect()
        self.round = Round()

    def connect(self):
        end = time.monotonic() + GIVEN_UP_S
        while True:
            try:
                return Client(self.path)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def timed(self, method, **parameters):
        begun = time.perf_counter_ns()
        reply = self.client.call(method, **parameters)
        self.round.us.append((time.perf_counter_ns() - begun) // 1000)
        return reply

    def probe(self):
        try:
            session = self.timed("Create", pool=self.pool)["session_id"]
            self.timed("Release", session_id=session)
        except Refused as refusal:
            self.round.refused.append(str(refusal))
        except (EOFError, OSError):
            self.round.cuts += 1
            self.client.close()
            self.client = self.connect()

    def run(self, pause_s):
        while True:
            self.probe()
            if select.select([sys.stdin], [], [], pause_s)[0]:
                if sys.stdin.readline() in ("", "end\n"):
                    return
                print(json.dumps(self.round.summary()), flush=True)
                self.round = Round()


class Innocent:
    def __init__(self, path, pool="innocent", pause_s=0.002):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(path), pool, str(pause_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.measured()  # it is connected, and warm

    def measured(self):
        """What it saw since the last time."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the innocent client has ended")
        return json.loads(line)

    def end(self):
        """Said, as the mere end of its input is not seen while a forked child has a copy."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("end\n")
            self.process.stdin.close()
        try:
            self.process.wait(GIVEN_UP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


if __name__ == "__main__":
    Prober(sys.argv[1], sys.argv[2]).run(float(sys.argv[3]))
