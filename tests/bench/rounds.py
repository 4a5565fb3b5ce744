# SPDX-License-Identifier: MIT
"""What is measured, round by round: A B C A B C, so that what happens to the machine meanwhile
happens to all."""
import contextlib
import subprocess
import sys
from dataclasses import dataclass

import process


@dataclass(frozen=True)
class Step:
    """One measurement of one subject. MEASURE returns what it found: one or more of (case, subject,
    value, details)."""
    case: str
    subject: str
    measure: object


class Results:
    """The cases, in the terms of arithmetic.py, and what went wrong."""

    def __init__(self):
        self.cases = {}
        self.failures = []

    def declare(self, key, title, unit, better, yardstick, subjects):
        """A case; SUBJECTS: {name: title}."""
        self.cases[key] = {
            "title": title, "unit": unit, "better": better, "yardstick": yardstick,
            "subjects": {name: {"title": of, "values": [], "details": [], "not_measured": None}
                         for name, of in subjects.items()}}

    def add(self, number, case, subject, value, details=None):
        """The value of round NUMBER; rounds before it that have none have failed."""
        row = self.cases[case]["subjects"][subject]
        for values, one in ((row["values"], value), (row["details"], details)):
            values.extend([None] * (number - len(values)))
            values.append(one)

    def explain(self, case, subject, reason):
        """Why there will be no values."""
        self.cases[case]["subjects"][subject]["not_measured"] = reason

    def fail(self, number, step, error):
        self.failures.append(f"{step.case}, {step.subject}, round {number + 1}: {error}")

    def values(self, case, subject):
        return self.cases[case]["subjects"][subject]["values"]


class Progress:
    """One line on a terminal that tells what is going on; elsewhere, nothing."""

    def __init__(self, stream=sys.stderr):
        self.stream = stream
        self.is_shown = stream.isatty()

    def show(self, text):
        if self.is_shown:
            self.stream.write("\r\x1b[K" + text)
            self.stream.flush()

    def clear(self):
        self.show("")


def run(steps, rounds, results, progress, name):
    """All steps in turn, ROUNDS times. One that fails is noted, and the others go on."""
    for number in range(rounds):
        for step in steps:
            progress.show(f"{name}, round {number + 1} of {rounds}: {step.case}, {step.subject}")
            try:
                for case, subject, value, details in step.measure():
                    results.add(number, case, subject, value, details)
            except (process.Failed, OSError, ValueError, subprocess.SubprocessError) as error:
                results.fail(number, step, error)
    progress.clear()


@contextlib.contextmanager
def phase(results, name):
    """What fails before its first round ends only this phase."""
    try:
        yield
    except (process.Failed, OSError) as error:
        results.failures.append(f"{name}: {error}")
