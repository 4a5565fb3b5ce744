# SPDX-License-Identifier: MIT
"""A Varlink client for the tests in the guest, which has nothing but what comes with Python.

Run as a program it holds a session by its connection: prints the session's id, and stays; with the
argument until-closed until the connection is closed."""
import json
import select
import signal
import socket
import sys

SOCKET = "/run/usher/usher.sock"
PATIENCE = 20  # seconds


class Closed(Exception):
    """The broker has closed the connection."""


class Refused(Exception):
    """The reply is an error."""


def readable(connections, wait_ms):
    """Those that have input, or have been closed; select(2) cannot take as many."""
    poll = select.poll()
    by_fd = {c.fileno(): c for c in connections}
    for fd in by_fd:
        poll.register(fd, select.POLLIN | select.POLLRDHUP)
    return [by_fd[fd] for fd, _ in poll.poll(wait_ms)]


def frame(method, more=False, **parameters):
    """A call; methods are the broker's unless they have an interface's name before them."""
    call = {"method": method if "." in method else "io.usher.Broker." + method, "parameters": parameters}
    if more:
        call["more"] = True
    return json.dumps(call).encode() + b"\0"


class Connection:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(SOCKET)
        self.unparsed = b""

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def write(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def send(self, method, more=False, **parameters):
        self.write(frame(method, more, **parameters))

    def fill(self):
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            raise Closed from None
        if not data:
            raise Closed
        self.unparsed += data

    def reply(self):
        """The next reply's parameters."""
        while b"\0" not in self.unparsed:
            self.fill()
        text, _, self.unparsed = self.unparsed.partition(b"\0")
        reply = json.loads(text)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply.get("parameters", {})

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.reply()

    def has_input(self):
        return bool(self.unparsed) or bool(readable([self], 0))


if __name__ == "__main__":
    holder = Connection()
    print(holder.call("Create")["session_id"], flush=True)
    if sys.argv[1:] != ["until-closed"]:
        signal.pause()
    holder.socket.settimeout(None)
    try:
        holder.fill()
    except Closed:
        pass
