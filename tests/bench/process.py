# SPDX-License-Identifier: MIT
"""Processes that are measured: started so that they end with this one, however it ends, and read
from /proc."""
import contextlib
import ctypes
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 60
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """A measurement that did not work, and why."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **options):
    """In a session of its own: a Ctrl-C in the terminal is for this process, which ends others."""
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                            start_new_session=True, preexec_fn=die_with_parent, **options)


def end(process):
    """With SIGTERM, or what cannot be refused."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def output_of(command, seconds, **options):
    """What a command prints that may take so long; Failed if it fails."""
    process = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} takes more than {seconds} s") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode != 0:
        raise Failed(f"{command[0]} ended with {process.returncode}: {(err or out)[-2000:]}")
    return out


def raise_limits(files=150_000):
    """So many files may be open, or as many as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(files, hard), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            return


@contextlib.contextmanager
def directory_in(place):
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-bench.", dir=place))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Server:
    """A process that serves a Unix socket, or a port of 127.0.0.1; ends with its `with`."""

    def __init__(self, command, log, address, environment=None):
        self.address = address
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as file:
            self.process = spawn(command, stdout=file, stderr=file, env=environment)

    def __enter__(self):
        try:
            self.wait_until_ready()
        except BaseException:
            end(self.process)
            raise
        return self

    def __exit__(self, *_):
        status = self.process.poll()
        end(self.process)
        if status is not None:
            raise Failed(f"it ended with {status} while it was measured: " + self.last_words())

    def last_words(self):
        return self.log.read_text(errors="replace")[-2000:]

    def connect(self):
        family = socket.AF_INET if isinstance(self.address, tuple) else socket.AF_UNIX
        connection = socket.socket(family)
        try:
            connection.connect(self.address if family == socket.AF_INET else str(self.address))
        except OSError:
            connection.close()
            raise
        return connection

    def wait_until_ready(self):
        patience_ends = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                raise Failed("it ended: " + self.last_words())
            try:
                self.connect().close()
                return
            except OSError as error:
                if time.monotonic() > patience_ends:
                    raise Failed(f"it does not serve {self.address}: {error}") from error
            time.sleep(0.002)

    def cpu_ns(self):
        """Time that its threads have run."""
        return sum(int((task / "schedstat").read_text().split()[0])
                   for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir())

    def memory(self):
        """Bytes of its own, without what it maps from files."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        kib = next(line for line in status.splitlines() if line.startswith("RssAnon:")).split()[1]
        return int(kib) * 1024
