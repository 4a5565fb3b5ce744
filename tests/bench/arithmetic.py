# SPDX-License-Identifier: MIT
"""From what the rounds gave to medians, spreads, ratios, and targets met or missed. Pure: a result
is a tree of what JSON knows, and nothing here measures or prints.

A case is one thing measured of several subjects (peers, or sizes): {"title", "unit", "better":
"more" or "less", "yardstick": a subject, "subjects": {name: {"title", "values": one a round, None
where it failed}}}."""
import statistics
from dataclasses import dataclass


def known(values):
    return [v for v in values if v is not None]


def spread(values):
    """Median, least and largest, and the quartiles, of what is known; None of nothing."""
    values = sorted(known(values))
    if not values:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") \
        if len(values) > 1 else values * 3
    return {"median": statistics.median(values), "min": values[0], "max": values[-1],
            "q1": low, "q3": high, "rounds": len(values)}


def ratio_of_medians(values, yardstick):
    values, yardstick = known(values), known(yardstick)
    if not values or not yardstick or not statistics.median(yardstick):
        return None
    return statistics.median(values) / statistics.median(yardstick)


def median_of_ratios(values, yardstick):
    """Of the rounds in which both are known: what moves the whole machine moves neither."""
    ratios = [a / b for a, b in zip(values, yardstick) if a is not None and b]
    return statistics.median(ratios) if ratios else None


def summarise(case):
    """{subject: its spread and its two ratios to the yardstick, or None if nothing is known}"""
    yardstick = case["subjects"].get(case["yardstick"], {"values": []})["values"]
    summary = {}
    for name, subject in case["subjects"].items():
        figures = spread(subject["values"])
        if figures:
            figures["ratio_of_medians"] = ratio_of_medians(subject["values"], yardstick)
            figures["median_of_ratios"] = median_of_ratios(subject["values"], yardstick)
        summary[name] = figures
    return summary


@dataclass(frozen=True)
class Target:
    """The median of a subject, divided by the sum of others' (each times a factor), or by 1; at
    least or at most so much. AIM is what is hoped for beyond that."""
    text: str
    subject: tuple  # (case, subject)
    per: tuple = ()  # of (factor, case, subject)
    at_least: float = None
    at_most: float = None
    aim: float = None
    unit: str = ""

    def is_met_by(self, figure):
        return figure >= self.at_least if self.at_most is None else figure <= self.at_most


def median_of(cases, case, subject):
    values = cases.get(case, {}).get("subjects", {}).get(subject, {}).get("values", [])
    return statistics.median(known(values)) if known(values) else None


def judge(target, cases):
    """The target with the figure measured and whether it is met; both None if something that it
    takes was not measured."""
    figure = median_of(cases, *target.subject)
    per = [(factor, median_of(cases, case, subject)) for factor, case, subject in target.per]
    if any(median is None for _, median in per) or figure is None:
        figure = None
    elif per:
        figure /= sum(factor * median for factor, median in per)
    return {"text": target.text, "at_least": target.at_least, "at_most": target.at_most,
            "aim": target.aim, "unit": target.unit, "measured": figure,
            "met": None if figure is None else target.is_met_by(figure)}


def percentile(ordered, percent):
    """Of sorted values: the least that so many percent of them do not exceed."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def load(times_ns, elapsed_ns):
    """The times of all calls in the terms of the load generator's JSON."""
    ordered = sorted(times_ns)
    points = {"min": 0, "p50": 50, "p90": 90, "p99": 99, "p99_9": 99.9, "p99_99": 99.99, "max": 100}
    return {"ops": len(ordered), "ops_per_s": len(ordered) * 1e9 / elapsed_ns, "errors": {},
            "duration_s": elapsed_ns / 1e9,
            "latency_us": {name: percentile(ordered, p) / 1000 for name, p in points.items()}}
