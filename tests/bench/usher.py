# SPDX-License-Identifier: MIT
"""A connection to usherd that sends calls in batches, and what the broker's own thread time says of
their cost: the client's is not in it, however slow the client."""
import json
import re
import time

import process

INTERFACE = "io.usher.Broker."
BATCH = 64
SETTLED = 0.0005  # seconds after the last reply in which the broker's turn ends, and it sleeps
SESSION = re.compile(rb'"session_id":"(session_[0-9a-f]{12})"')


def frame(method, **parameters):
    call = {"method": INTERFACE + method, "parameters": parameters}
    return json.dumps(call, separators=(",", ":")).encode() + b"\0"


class Client:
    def __init__(self, server):
        self.server = server
        self.socket = server.connect()
        self.socket.settimeout(process.PATIENCE)
        self.rest = []    # pieces of what came, of which no whole reply was taken yet
        self.whole = 0    # replies in them

    def close(self):
        self.socket.close()

    def send(self, frames):
        self.socket.sendall(b"".join(frames))

    def receive(self, n=1):
        """N replies, without their NULs. One that is an error is one too many."""
        while self.whole < n:
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise process.Failed("the broker closed a connection")
            self.rest.append(piece)
            self.whole += piece.count(b"\0")
        *replies, rest = b"".join(self.rest).split(b"\0", n)
        self.rest, self.whole = [rest], self.whole - n
        wrong = next((reply for reply in replies if b'"error":' in reply[:10]), None)
        if wrong:
            raise process.Failed(f"the broker answered {wrong[:300]!r}")
        return replies

    def batch(self, frames):
        self.send(frames)
        return self.receive(len(frames))

    def call(self, method, **parameters):
        return json.loads(self.batch([frame(method, **parameters)])[0])["parameters"]

    def metrics(self):
        return self.call("GetMetrics")["metrics"]

    def until(self, look, is_enough):
        """What look() gave last: once it is enough, or when patience has ended."""
        patience_ends = time.monotonic() + process.PATIENCE
        while not is_enough(found := look()) and time.monotonic() < patience_ends:
            time.sleep(0.01)
        return found

    def cost_us(self, act):
        """Microseconds that the broker's threads ran while ACT() was done, and what it returned."""
        time.sleep(SETTLED)
        begin = self.server.cpu_ns()
        value = act()
        time.sleep(SETTLED)
        return (self.server.cpu_ns() - begin) / 1000, value


def session_of(reply):
    return SESSION.search(reply).group(1).decode()


def metrics_of(server):
    client = Client(server)
    try:
        return client.metrics()
    finally:
        client.close()
