# SPDX-License-Identifier: MIT
"""The results for people, in the width of a terminal."""
import arithmetic

LABEL, FIGURE = 40, 12
UNITS = {"us": "microseconds", "ms": "milliseconds", "ops/s": "operations a second"}


def figure(value):
    """Three digits that say something, and thousands apart."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def head(case):
    unit = UNITS.get(case["unit"], case["unit"])
    yardstick = case["subjects"][case["yardstick"]]["title"]
    return [f"{case['title']}  ({unit}; {case['better']} is better)",
            " " * LABEL + "".join(f"{name:>{FIGURE}}" for name in ("median", "least", "most",
                                                                   "ratio"))
            + f"   to: {yardstick}"]


def row(subject, figures):
    title = "  " + subject["title"]
    if figures is None:
        reason = subject["not_measured"] or "it failed, see below"
        return f"{title:<{LABEL}}  not measured: {reason}"
    columns = (figures["median"], figures["min"], figures["max"], figures["ratio_of_medians"])
    failed = subject["values"].count(None)
    return f"{title:<{LABEL}}" + "".join(f"{figure(c):>{FIGURE}}" for c in columns) + \
        (f"   {failed} rounds failed" if failed else "")


def of_case(case):
    summary = arithmetic.summarise(case)
    return head(case) + [row(subject, summary[name]) for name, subject in case["subjects"].items()]


def bound(target):
    if target["at_most"] is None:
        return f">= {figure(target['at_least'])}"
    return f"<= {figure(target['at_most'])}"


def of_targets(targets):
    """Met, missed, or not measured: each is said."""
    lines = [f"{'Target':<62}{'wanted':>10}{'aim':>7}{'measured':>10}"]
    for target in targets:
        verdict = {True: "met", False: "MISSED", None: "not measured"}[target["met"]]
        lines.append(f"{target['text']:<62}{bound(target):>10}"
                     f"{figure(target['aim']) if target['aim'] else '':>7}"
                     f"{figure(target['measured']):>10}  {verdict}")
    met = [target["met"] for target in targets]
    lines.append(f"{met.count(True)} met, {met.count(False)} missed, {met.count(None)} not "
                 "measured")
    return lines


def of_machine(found):
    gib = (found["memory_bytes"] or 0) / (1 << 30)
    lines = [f"{found['cpu'] or 'unknown processor'}, {found['cores']} cores, {gib:.1f} GiB, "
             f"{'in a virtual machine' if found['hypervisor'] else 'on the metal'}",
             f"{found['system']}, {found['kernel']}; load before: {found['load_before'][0]}"]
    return lines + ([f"governor: {found['governor']}"] if found["governor"] else [])


def of_result(result):
    """All of it."""
    blocks = [[f"usher {result['commit'] or ''}: {result['rounds']} rounds of "
               f"{result['seconds']} s"] + of_machine(result["machine"]) + result["warnings"]]
    blocks += [of_case(case) for case in result["cases"].values()]
    blocks.append(of_targets(result["targets"]))
    if result["failures"]:
        blocks.append([f"{len(result['failures'])} measurements failed:"] +
                      ["  " + failure for failure in result["failures"]])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"
