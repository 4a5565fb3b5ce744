# SPDX-License-Identifier: MIT
"""Holds all rules against a history, again and again as it grows."""
import rules
from history import History

OVERLAP = 5 * 10**9  # ns: what ended earlier than this before the last check has met nothing new
KINDS = {"lost": ("lost",), "invented": ("invented",), "over-admissions": ("admission",)}


class Checker:
    def __init__(self, pools, grace_ms):
        self.history = History(pools, grace_ms)
        self.looks = []  # that no rule has seen yet
        self.last_metrics = {}
        self.known = set()
        self.violations = []  # (kind, text)

    def feed(self, worker, records):
        for record in records:
            self.history.feed(worker, record)

    def note(self, record):
        """What the oracle itself did or saw."""
        if record["k"] == "look":
            self.looks.append(record)
        else:
            self.history.note(record)

    def check(self):
        """All rules; then what is over is let go."""
        for look in self.looks:
            self.check_look(look)
        for rule in (rules.answers, rules.intervals, rules.fences, rules.order, rules.refusals):
            self.add(rule(self.history))
        if self.looks:
            self.history.forget(self.looks[-1]["t"] - OVERLAP)
        self.looks = []

    def check_look(self, look):
        if "rows" in look:
            self.add(rules.listed(self.history, look))
        elif "pools" in look:
            self.add(rules.pools(self.history, look))
        elif "metrics" in look:
            self.add(rules.metrics(self.history, look, self.last_metrics))
            self.last_metrics = look["metrics"]
        else:
            self.add(rules.verified(look))

    def add(self, found):
        for kind, key, text in found:
            if (kind, key) not in self.known:
                self.known.add((kind, key))
                self.violations.append((kind, text))

    def totals(self):
        count = {name: sum(kind in kinds for kind, _ in self.violations) for name, kinds in KINDS.items()}
        count["others"] = len(self.violations) - sum(count.values())
        return count
