# SPDX-License-Identifier: MIT
"""What a client did and saw, written where no crash of the broker can undo it: one JSON object a
line, each appended by a single write before the next step is taken.

Times are CLOCK_MONOTONIC in ns, the same clock in all processes. An intent's is read before it is
sent, an answer's after it has come: what happened in between happened between the two."""
import json
import os
import time

now = time.monotonic_ns


class Journal:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, kind, **fields):
        self.write_at(now(), kind, **fields)

    def write_at(self, time_ns, kind, **fields):
        line = json.dumps({"t": time_ns, "k": kind, **fields}, ensure_ascii=False) + "\n"
        os.write(self.fd, line.encode())

    def close(self):
        os.close(self.fd)


class Reader:
    """The records that have been added since the last look."""

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.ahead = []

    def read(self, until):
        """Those up to the time UNTIL, when the first of all journals was begun to be read: of what
        came later, one journal could hold the effect and another not yet the cause."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data[:data.rfind(b"\n") + 1]  # a last line without its end is for the next time
        self.offset += len(whole)
        records = self.ahead + [json.loads(line) for line in whole.splitlines()]
        self.ahead = [r for r in records if r["t"] > until]
        return [r for r in records if r["t"] <= until]
