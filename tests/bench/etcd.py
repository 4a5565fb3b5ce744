# SPDX-License-Identifier: MIT
"""etcd as a keeper of leases: grant and revoke through its JSON gateway, on connections that are
kept.

What it is asked for is less than what usher does, for a lease counts against no limit; and this
client is Python, which takes a part of the time: both are told beside the figures."""
import re
import selectors
import socket
import time

import arithmetic
import process

GRANT = b'{"TTL":60}'
LEASE = re.compile(rb'"ID":"(\d+)"')
HEAD_END = b"\r\n\r\n"


def free_ports(n):
    """Ports that nobody has: all are taken before any is given back."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def command(home, client_port, peer_port):
    client, peer = (f"http://127.0.0.1:{port}" for port in (client_port, peer_port))
    return ["etcd", "--name", "usher-bench", "--data-dir", home / "data", "--log-level", "error",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", "usher-bench=" + peer]


def request(path, body):
    return b"POST /v3/lease/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" \
        % (path, len(body), body)


class Client:
    """One connection, on which calls are made in turn: grant, revoke, grant, ..."""

    def __init__(self, server):
        self.socket = server.connect()
        self.socket.settimeout(process.PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lease = None
        self.input = b""

    def call(self):
        body = b'{"ID":"%s"}' % self.lease if self.lease else GRANT
        self.began = time.perf_counter_ns()
        self.socket.sendall(request(b"revoke" if self.lease else b"grant", body))

    def reply(self):
        """What has come; None if it is not whole."""
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise process.Failed("etcd closed a connection")
        self.input += piece
        head, end, body = self.input.partition(HEAD_END)
        length = re.search(rb"content-length: *(\d+)", head, re.I)
        if not end or not length or len(body) < int(length.group(1)):
            return None
        self.input = b""
        if b" 200 " not in head[:16]:
            raise process.Failed(f"etcd answered {(head[:40] + body[:200])!r}")
        return body

    def answered(self):
        """Whether a whole reply has come, which then is taken."""
        body = self.reply()
        if body is None:
            return False
        self.lease = None if self.lease else LEASE.findall(body)[-1]
        return True


def run(clients, duration, warmup):
    """All at once until the time is over; the times of the calls that began after the warm-up."""
    selector = selectors.DefaultSelector()
    times = []
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.call()
    counts_from = time.perf_counter_ns() + int(warmup * 1e9)
    ends_at = counts_from + int(duration * 1e9)
    while time.perf_counter_ns() < ends_at:
        for key, _ in selector.select(1):
            client = key.data
            if client.answered():
                if client.began >= counts_from:
                    times.append(time.perf_counter_ns() - client.began)
                client.call()
    return arithmetic.load(times or [0], time.perf_counter_ns() - counts_from)


def wait_until_it_leads(server):
    """It listens before it can grant anything."""
    patience_ends = time.monotonic() + process.PATIENCE
    while time.monotonic() < patience_ends:
        client = Client(server)
        try:
            client.call()
            while not client.answered():
                pass
            return
        except (OSError, process.Failed):
            time.sleep(0.05)
        finally:
            client.socket.close()
    raise process.Failed("etcd grants nothing")


def measure(place, connections, duration, warmup):
    with process.directory_in(place) as home:
        ports = free_ports(2)
        address = "127.0.0.1", ports[0]
        with process.Server(command(home, *ports), home / "log", address) as server:
            wait_until_it_leads(server)
            clients = [Client(server) for _ in range(connections)]
            begun_ns = server.cpu_ns(), time.process_time_ns()
            result = run(clients, duration, warmup)
            ended_ns = server.cpu_ns(), time.process_time_ns()
            for client in clients:
                client.socket.close()
    result["server_cpu_share"], result["client_cpu_share"] = (
        (end - begin) / 1e9 / (duration + warmup) for begin, end in zip(begun_ns, ended_ns))
    return result
