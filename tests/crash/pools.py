# SPDX-License-Identifier: MIT
"""The pools that the oracle's clients compete for."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    limit: int
    holds: bool = False  # a deadline or a lost connection does not free its slots


POOLS = {
    "one": Pool(1),
    "few": Pool(3),
    "gpu": Pool(4, holds=True),
    "many": Pool(40),
}

GRACE_MS = 2000


def configuration():
    lines = ["[broker]", f"reattach_grace = {GRACE_MS}ms", "workers = 2"]
    for name, pool in POOLS.items():
        lines += [f"[pool {name}]", f"limit = {pool.limit}",
                  "on_timeout = " + ("hold" if pool.holds else "release")]
    return "\n".join(lines) + "\n"
