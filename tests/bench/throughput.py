# SPDX-License-Identifier: MIT
"""Create and Release put on everybody in the same way: so many connections, so many calls under way
on each, and then at half of what each can do, by the clock."""
import json

import peers
import process
import rounds
import usher

SHAPES = {"50x1": (50, 1), "50x16": (50, 16), "1x1": (1, 1)}
TITLES = {"50x1": "50 connections, one call at a time on each",
          "50x16": "50 connections, 16 calls under way on each",
          "1x1": "One connection, one call at a time: p50 of a call"}
STEADY = ("echo-epoll", "echo-uv", "usherd", "usherd-none", "redis", "redis-aof")
AT_USHERS_RATE = "echo-uv-at-ushers"
ACCEPTED_A_SECOND = 2000  # at least, so that all are connected when the warm-up ends
LOOPS = ("usherd", "usherd-2", "usherd-4")
KEPT = ("ops", "ops_per_s", "duration_s", "latency_us", "rate_asked", "rate_reached", "behind",
        "client_cpu_us_per_op", "client_busy", "server_cpu_share", "client_cpu_share")


def load(bench, server, dialect, connections, depth, rate=None, operation="create+release"):
    """What the load generator tells; Failed if any call was refused."""
    options = bench.options
    warmup = max(options.warmup, connections / ACCEPTED_A_SECOND)
    command = [bench.programs["peer-bench"], "--json", "--dialect", dialect, "--socket",
               server.address, "--operation", operation, "--connections", connections, "--depth",
               depth, "--duration", f"{int(options.seconds * 1000)}ms", "--warmup",
               f"{int(warmup * 1000)}ms"] + (["--rate", f"{rate:.0f}"] if rate else [])
    begun_ns = server.cpu_ns()
    found = json.loads(process.output_of(command, options.seconds + warmup + process.PATIENCE))
    if found["errors"] or not found["ops"]:
        raise process.Failed(f"{found['ops']} calls went well, errors: {found['errors']}")
    found["server_cpu_share"] = \
        (server.cpu_ns() - begun_ns) / 1e9 / (options.seconds + warmup)
    return found


def brief(found):
    return {key: found[key] for key in KEPT if key in found}


def value_of(shape, found):
    return found["latency_us"]["p50"] if shape == "1x1" else found["ops_per_s"]


def lock_waits(name, shape, server):
    """How long a loop waited for the table's lock, as the broker says after the load."""
    if name not in LOOPS or shape == "1x1":
        return []
    metrics = usher.metrics_of(server)
    details = {key: metrics[key] for key in ("lock_acquisitions", "lock_contended")}
    return [("lock-wait", f"{name} {shape}", metrics["lock_wait"]["p99_ns"] / 1000, details)]


def measured(bench, name, shape):
    peer, (connections, depth) = peers.PEERS[name], SHAPES[shape]
    if peer.measure:
        found = peer.measure(bench.place, connections, bench.options.seconds, bench.options.warmup)
        return [(shape, name, value_of(shape, found), brief(found))]
    with peers.served(name, bench.programs, bench.place) as server:
        found = load(bench, server, peer.dialect, connections, depth)
        return [(shape, name, value_of(shape, found), brief(found))] + \
            lock_waits(name, shape, server)


def why_not(name, shape):
    if name in peers.missing():
        return peers.missing()[name]
    if SHAPES[shape][1] > 1 and not peers.PEERS[name].has_depth:
        return "it takes one call at a time of a client"
    return None


def declare(bench, shape):
    unit, better = ("us", "less") if shape == "1x1" else ("ops/s", "more")
    bench.results.declare(shape, TITLES[shape], unit, better, "echo-uv",
                          {name: peer.title for name, peer in peers.PEERS.items()})


def declare_lock_waits(bench, shape):
    if shape != "1x1" and "lock-wait" not in bench.results.cases:
        bench.results.declare(
            "lock-wait", "Waiting for the table's lock, p99", "us", "less", "usherd 50x1",
            {f"{name} {at}": f"{peers.PEERS[name].title}, {at}" for at in ("50x1", "50x16")
             for name in LOOPS})


def measure(bench, shape):
    declare(bench, shape)
    declare_lock_waits(bench, shape)
    steps = []
    for name in peers.PEERS:
        reason = why_not(name, shape)
        if reason:
            bench.results.explain(shape, name, reason)
        else:
            steps.append(rounds.Step(shape, name, lambda name=name: measured(bench, name, shape)))
    bench.run(steps, shape)


# ---- at half of what each can do ----

def steady(bench, name, rates):
    """At half of what this server was found to do a moment ago; usherd's rate is noted in RATES."""
    peer = peers.PEERS["echo-uv" if name == AT_USHERS_RATE else name]
    with peers.served("echo-uv" if name == AT_USHERS_RATE else name, bench.programs,
                      bench.place) as server:
        rate = rates.get("usherd") if name == AT_USHERS_RATE else \
            load(bench, server, peer.dialect, *SHAPES["50x1"])["ops_per_s"] / 2
        if not rate:
            raise process.Failed("the rate of usherd is not known")
        rates[name] = rate
        found = load(bench, server, peer.dialect, *SHAPES["50x1"], rate=rate)
    latency = found["latency_us"]
    return [("steady", name, latency["p99_9"], brief(found)),
            ("steady-p50", name, latency["p50"], None), ("steady-p99", name, latency["p99"], None)]


def measure_steady(bench):
    titles = {name: peers.PEERS[name].title for name in STEADY}
    titles[AT_USHERS_RATE] = "bare libuv echo, at usherd's rate"
    for key, point in (("steady-p50", "p50"), ("steady-p99", "p99"), ("steady", "p99.9")):
        bench.results.declare(key, f"50 connections, at half of what each can do: {point}", "us",
                              "less", "echo-uv", titles)
    rates, steps = {}, []
    for name in titles:
        if name in peers.missing():
            for key in ("steady", "steady-p50", "steady-p99"):
                bench.results.explain(key, name, peers.missing()[name])
        else:
            steps.append(
                rounds.Step("steady", name, lambda name=name: steady(bench, name, rates)))
    bench.run(steps, "steady")
