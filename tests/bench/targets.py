# SPDX-License-Identifier: MIT
"""What usher promises of its speed, in the terms of the cases."""
from arithmetic import Target

ONE, DEEP, ALONE, STEADY = "50x1", "50x16", "1x1", "steady"
GROWTH = {"create": "Create", "release": "Release", "renew": "Renew", "expire": "a passed deadline",
          "list": "a session listed"}


def against(text, case, subject, peer, **bounds):
    return Target(text, (case, subject), ((1, case, peer),), **bounds)


def throughput():
    return [
        against("50 × 1: usherd to the libuv echo", ONE, "usherd", "echo-uv", at_least=0.65,
                aim=0.8),
        against("50 × 1: usherd to Redis with its log", ONE, "usherd", "redis-aof", at_least=5),
        against("50 × 16: usherd to the libuv echo", DEEP, "usherd", "echo-uv", at_least=0.3,
                aim=0.4),
        against("50 × 16: usherd without state to the libuv echo", DEEP, "usherd-none", "echo-uv",
                at_least=0.5),
        against("50 × 16: usherd to Redis with its log", DEEP, "usherd", "redis-aof", at_least=8),
        against("50 × 1: two loops to one", ONE, "usherd-2", "usherd", at_least=0.95),
        against("50 × 16: two loops to one", DEEP, "usherd-2", "usherd", at_least=0.95),
    ]


def latency():
    return [
        against("1 × 1: p50 of usherd to the libuv echo's", ALONE, "usherd", "echo-uv",
                at_most=1.2),
        against("half load: p99.9 of usherd to the libuv echo's", STEADY, "usherd", "echo-uv",
                at_most=2),
        against("release to grant, in round trips", "handover", "release_to_grant", "round_trip",
                at_most=1.3),
    ] + [
        Target(f"kill to grant, its {owner}: to 2 round trips and notice",
               ("handover", "kill_to_grant_" + owner),
               ((2, "handover", "round_trip"), (1, "handover", "kill_notice_" + owner)), at_most=1)
        for owner in ("process", "connection")
    ]


def commands():
    return [
        against("whole commands: usherctl run to flock", "command", "usherctl", "flock",
                at_most=1.5),
        against("whole commands: sem to usherctl run", "command", "sem", "usherctl", at_least=10),
    ]


def growth(largest):
    return [against(f"{title}: its cost at {int(largest):,} sessions to at 200",
                    "growth-" + name, largest, "200", at_most=1.5)
            for name, title in GROWTH.items()]


def memory():
    return [
        Target("memory of an idle connection", ("memory", "connection"), at_most=8192,
               unit="bytes"),
        Target("memory of a session beside its metadata", ("memory", "session"), at_most=400,
               unit="bytes"),
    ]


def targets(largest):
    """LARGEST: the most sessions that are measured, 1000000 unless it is quick."""
    return throughput() + latency() + commands() + growth(largest) + memory()
