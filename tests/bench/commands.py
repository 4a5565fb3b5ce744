# SPDX-License-Identifier: MIT
"""Whole commands that hold something while `true` runs: how long each takes, from before its spawn
until it has been waited for. Spawned by this process directly, since a shell would be most of
it."""
import os
import shutil
import time

import peers
import process
import rounds

NEEDED = {"flock": "util-linux", "sem": "parallel"}
TITLES = {"true": "true, alone", "flock": "flock FILE true", "usherctl": "usherctl run -- true",
          "sem": "sem --fg true"}
NULL = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]


def missing():
    return {name: f"not installed: apt install {package}" for name, package in NEEDED.items()
            if not shutil.which(name)}


def lines(programs, home, server):
    """{name: (command, its environment)}"""
    environment = {**os.environ, "PARALLEL_HOME": str(home / "parallel"),
                   "USHER_SOCKET": str(server.address)}
    (home / "parallel").mkdir()
    (home / "parallel" / "will-cite").touch()  # or it asks its reader to
    commands = {
        "true": ["true"],
        "flock": ["flock", str(home / "lock"), "true"],
        "usherctl": [programs["usherctl"], "run", "--", "true"],
        "sem": ["sem", "--fg", "--id", "usher-bench", "true"],
    }
    return {name: ([shutil.which(line[0]), *line[1:]], environment)
            for name, line in commands.items() if shutil.which(line[0])}


def milliseconds(command, environment):
    begin = time.perf_counter_ns()
    pid = os.posix_spawn(command[0], command, environment, file_actions=NULL)
    _, status = os.waitpid(pid, 0)
    end = time.perf_counter_ns()
    if status != 0:
        raise process.Failed(f"{command[0]} ended with wait status {status}")
    return (end - begin) / 1e6


def steps(commands):
    return [rounds.Step("command", name, lambda name=name, line=line: [
        ("command", name, milliseconds(*line), None)]) for name, line in commands.items()]


def measure(bench):
    with process.directory_in(bench.place) as home, \
            peers.served("usherd", bench.programs, bench.place) as server:
        commands = lines(bench.programs, home, server)
        bench.results.declare(
            "command", "A whole command that holds a slot or a lock while true runs", "ms", "less",
            "flock", TITLES)
        for name, reason in missing().items():
            bench.results.explain("command", name, reason)
        for command in commands.values():  # what is read from disk the first time
            milliseconds(*command)
        bench.run(steps(commands), "commands", bench.options.commands)
