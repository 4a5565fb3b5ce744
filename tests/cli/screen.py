# SPDX-License-Identifier: MIT
"""A program on a terminal of its own, and what stands on its screen: as much of a VT100 as curses uses
with TERM=vt100."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

PATIENCE = 30
SEQUENCE = re.compile(r"\x1b(?:\[([?>]?)([0-9;]*)([A-Za-z@`])|[()][0-9A-Za-z]|[=>78DMHc])")


class Screen:
    """The text of a grid; attributes are dropped."""

    def __init__(self, columns, rows):
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.grid = [[" "] * columns for _ in range(rows)]
        self.x = self.y = 0
        self.rest = ""

    def feed(self, text):
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = SEQUENCE.match(text, at)
                if not match:
                    self.rest = text[at:]
                    return
                self.control(match)
                at = match.end()
            else:
                self.put(text[at])
                at += 1

    def put(self, c):
        if c == "\r":
            self.x = 0
        elif c == "\n":
            self.y = min(self.y + 1, self.rows - 1)
        elif c == "\b":
            self.x = max(self.x - 1, 0)
        elif c == "\t":
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)
        elif unicodedata.combining(c):
            self.grid[self.y][max(self.x - 1, 0)] += c
        elif c >= " ":
            self.show(c, 2 if unicodedata.east_asian_width(c) in "WF" else 1)

    def show(self, c, width):
        if self.x + width > self.columns:
            self.x, self.y = 0, min(self.y + 1, self.rows - 1)
        self.grid[self.y][self.x] = c
        if width == 2:
            self.grid[self.y][self.x + 1] = ""
        self.x += width

    def control(self, match):
        numbers = [int(n) if n else 0 for n in (match[2] or "").split(";")]
        kind = match[3]
        first = numbers[0] or 1
        if match[1] or kind is None:
            return
        if kind in "Hf":
            self.y = min(first, self.rows) - 1
            self.x = min((numbers + [1])[1] or 1, self.columns) - 1
        elif kind in "ABCD":
            self.y = max(0, min(self.rows - 1, self.y + first * {"A": -1, "B": 1}.get(kind, 0)))
            self.x = max(0, min(self.columns - 1, self.x + first * {"D": -1, "C": 1}.get(kind, 0)))
        elif kind in "JK":
            self.erase(kind, numbers[0])

    def erase(self, kind, how):
        here, end = self.y * self.columns + self.x, self.rows * self.columns
        if kind == "K":
            begin_of_line = self.y * self.columns
            first, last = [(here, begin_of_line + self.columns), (begin_of_line, here + 1),
                           (begin_of_line, begin_of_line + self.columns)][how]
        else:
            first, last = [(here, end), (0, here + 1), (0, end)][how]
        for i in range(first, last):
            self.grid[i // self.columns][i % self.columns] = " "

    def lines(self):
        return ["".join(row).rstrip() for row in self.grid]

    def text(self):
        return "\n".join(self.lines())


class Terminal:
    """COMMAND on a terminal of COLUMNS x ROWS."""

    def __init__(self, command, columns=80, rows=24, **environment):
        self.main, self.side = pty.openpty()
        self.screen = Screen(columns, rows)
        self.raw = b""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a piece may end within a character
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(self.side)
        self.process = subprocess.Popen(command, stdin=self.side, stdout=self.side, stderr=self.side,
                                        env={**os.environ, "TERM": "vt100", **environment}, preexec_fn=self.own_terminal)

    def own_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def set_size(self, columns, rows):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """As a terminal's window: what stood on it is gone until it is painted anew."""
        self.screen.resize(columns, rows)
        self.set_size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def read(self, seconds):
        if select.select([self.main], [], [], seconds)[0]:
            try:
                piece = os.read(self.main, 1 << 16)
            except OSError:  # the other end is closed
                return False
            self.raw += piece
            self.screen.feed(self.decoder.decode(piece))
        return True

    def wait_for(self, condition, what):
        """Until CONDITION, a text or a function of the screen's text, holds."""
        holds = condition if callable(condition) else lambda text: condition in text
        end = time.monotonic() + PATIENCE
        while not holds(self.screen.text()):
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for {what}; the screen:\n{self.screen.text()}")
            if self.process.poll() is not None and not self.read(0):
                raise AssertionError(f"it ended with {self.process.returncode}; the screen:\n{self.screen.text()}")
            self.read(0.05)
        return self.screen.text()

    def type(self, text):
        os.write(self.main, text.encode())

    def end(self):
        """The exit status, once it has ended by itself."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise AssertionError(f"it does not end; the screen:\n{self.screen.text()}")
            self.read(0.05)
        while select.select([self.main], [], [], 0)[0] and self.read(0):
            pass
        return self.process.returncode

    def is_restored(self):
        return termios.tcgetattr(self.side) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)
        os.close(self.side)
