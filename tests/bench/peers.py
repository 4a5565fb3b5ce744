# SPDX-License-Identifier: MIT
"""Who is measured: each served from a directory of its own, of which nothing is left."""
import contextlib
import os
import pathlib
import shutil
import sys
from dataclasses import dataclass, field

import etcd
import machine
import manager
import process

AS_THE_SERVICE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}

# No limit of usher's own must be what is measured.
CONFIG = """\
[broker]
log_level = warning
max_connections = 200000
max_connections_per_uid = 200000
max_state = 4G
{broker}
[pool default]
limit = 1048576
{pools}"""


@dataclass(frozen=True)
class Peer:
    title: str
    setup: str                 # what it is, for those who doubt the figures
    dialect: str = None        # that peer-bench speaks to it; None: it is measured by its module
    arguments: tuple = ()
    program: str = None        # of the system; None: of ours, or this interpreter
    package: str = None        # Debian's, which has it
    runs: str = None           # of our programs, if it is not named as the peer is
    has_depth: bool = True     # more than one call can be under way on a connection
    measure: object = field(default=None, repr=False)
    environment: dict = field(default_factory=dict)  # beside our own


def usherd(title, setup, *arguments):
    return Peer(title, setup, "usher", arguments, environment=AS_THE_SERVICE)


def redis(title, setup, *arguments):
    common = ("--port", "0", "--save", "", "--loglevel", "warning", "--maxclients", "10000")
    return Peer(title, setup, "redis", common + arguments, program="redis-server",
                package="redis-server")


PEERS = {
    "echo-epoll": Peer("bare epoll echo", "one thread, recv and send of the same byte counts",
                       "echo"),
    "echo-uv": Peer("bare libuv echo", "one loop, the same byte counts, one write for all that one "
                    "read gave: the limit", "echo"),
    "echo-uv-each": Peer("libuv echo, a write a call", "the same, but one write for each call",
                         "echo", ("--per-frame",), runs="echo-uv"),
    "usherd": usherd("usherd", "durable, state on tmpfs, 1 loop", "--workers", "1"),
    "usherd-2": usherd("usherd, 2 loops", "durable, state on tmpfs", "--workers", "2"),
    "usherd-4": usherd("usherd, 4 loops", "durable, state on tmpfs", "--workers", "4"),
    "usherd-none": usherd("usherd, no state", "--state none, 1 loop", "--workers", "1",
                          "--state", "none"),
    "redis": redis("Redis", "Lua acquire and release, sorted set and hash; no persistence",
                   "--appendonly", "no"),
    "redis-aof": redis("Redis, append-only file", "the same; appendfsync no, file on tmpfs",
                       "--appendonly", "yes", "--appendfsync", "no"),
    "manager": Peer("Python manager, in process", "lock and dict, a thread a client: no socket",
                    program=sys.executable, has_depth=False, measure=manager.measure),
    "etcd": Peer("etcd leases", "grant and revoke, no limit kept; JSON over HTTP/1.1 on loopback "
                 "with keep-alive, client in Python; data on tmpfs", program="etcd",
                 package="etcd-server", has_depth=False, measure=etcd.measure),
}


def missing():
    """{peer: why it cannot be measured here}"""
    return {name: f"not installed: apt install {peer.package}" for name, peer in PEERS.items()
            if peer.program and not shutil.which(peer.program)}


def versions():
    return {"redis": machine.first_line_of("redis-server", "--version"),
            "etcd": machine.first_line_of("etcd", "--version"),
            "libuv": machine.first_line_of("pkg-config", "--modversion", "libuv"),
            "flock": machine.first_line_of("flock", "--version"),
            "sem": machine.first_line_of("sem", "--version"),
            "gnuplot": machine.first_line_of("gnuplot", "--version")}


def memory_directory():
    """Where files are only memory, and whether that could be had."""
    mounts = [line.split()[1:3] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    places = {"/dev/shm", "/run", os.environ.get("XDG_RUNTIME_DIR", "/run")}
    for place in sorted(places):
        if [place, "tmpfs"] in mounts and os.access(place, os.W_OK):
            return place, True
    return None, False


def command_of(name, programs, home, broker="", pools=""):
    peer, socket = PEERS[name], home / "s"
    if peer.dialect == "usher":
        config = home / "usherd.conf"
        config.write_text(CONFIG.format(broker=broker, pools=pools))
        state = () if "--state" in peer.arguments else ("--state-dir", home / "state")
        return [programs["usherd"], "--config", config, "--socket", socket, *state, *peer.arguments]
    if peer.dialect == "redis":
        return [peer.program, "--unixsocket", socket, "--dir", home, *peer.arguments]
    return [programs[peer.runs or name], "--socket", socket, *peer.arguments]


@contextlib.contextmanager
def served(name, programs, place, **config):
    """A Server of the peer, with a socket."""
    with process.directory_in(place) as home:
        command = command_of(name, programs, home, **config)
        environment = {**os.environ, **PEERS[name].environment}
        with process.Server(command, home / "log", home / "s", environment) as server:
            yield server
