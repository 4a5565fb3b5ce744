# SPDX-License-Identifier: MIT
"""A broker of a test's own and a Varlink client without any library. $USHERD is the daemon."""
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PATIENCE = 60
INTERFACE = "io.usher.Broker."

# nohup(1) and shells without job control have these ignored, and who inherits that keeps to it.
for number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


class Refused(Exception):
    """An error reply: its short name and its parameters."""

    def __init__(self, name, parameters):
        super().__init__(name, parameters)
        self.name = name.rpartition(".")[2]
        self.parameters = parameters


def connect_as(path, uid, gid=None, groups=()):
    """A connection made by a process of another user (only root can), which lives as long as the
    socket that is returned beside it is open. GID is the user's own group, GROUPS are further ones."""
    mine, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.closerange(3, theirs.fileno())  # other clients' ends must not live on here
            os.closerange(theirs.fileno() + 1, 4096)
            os.setgroups(groups)
            os.setgid(uid if gid is None else gid)
            os.setuid(uid)
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(path))
            socket.send_fds(theirs, [b"x"], [connection.fileno()])
            connection.close()
            theirs.recv(1)
            os._exit(0)
        except BaseException:
            os._exit(1)
    theirs.close()
    _, fds, _, _ = socket.recv_fds(mine, 1, 1)
    return socket.socket(fileno=fds[0]), mine, pid


class Client:
    peer = None  # of another user's: what keeps its process alive

    def __init__(self, path, uid=None, **groups):
        if uid is None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(str(path))
        else:
            self.socket, self.peer, self.pid = connect_as(path, uid, **groups)
        self.socket.settimeout(PATIENCE)
        self.rest = b""
        self.raw = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()
        if self.peer:
            self.peer.close()
            os.waitpid(self.pid, 0)
            self.peer = None

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, **flags):
        method = method if "." in method else INTERFACE + method
        call = {"method": method, "parameters": parameters or {}, **flags}
        self.send_raw(json.dumps(call, ensure_ascii=False).encode() + b"\0")

    def receive(self):
        """The next reply; EOFError if the broker closed."""
        while b"\0" not in self.rest:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise EOFError
            self.rest += piece
        self.raw, _, self.rest = self.rest.partition(b"\0")
        return json.loads(self.raw)

    def result(self):
        reply = self.receive()
        if "error" in reply:
            raise Refused(reply["error"], reply["parameters"])
        return reply["parameters"]

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.result()

    def wait(self, **parameters):
        """Ask for a session and wait for it: the reply is for result(), later."""
        self.send("Create", {"wait_ms": -1, **parameters})

    def has_reply(self):
        """Whether something has come that has not been received yet."""
        return b"\0" in self.rest or bool(select.select([self.socket], [], [], 0)[0])

    def is_closed(self):
        """The broker closes, after whatever it still says."""
        try:
            while self.receive():
                pass
        except (EOFError, ConnectionResetError):
            return True
        return False

    def create(self, **parameters):
        return self.call("Create", **parameters)

    def metrics(self):
        return self.call("GetMetrics")["metrics"]


def wait_for(condition, what="the condition"):
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.005)


def stop(pid):
    """The process, which has come to a halt then."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T", "it to be stopped")


def stat_of(pid):
    """What proc(5) has behind its name, from the state on."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()


def state_of(pid):
    return stat_of(pid)[0]


def cpu_seconds_of(pid):
    return sum(map(int, stat_of(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


class Broker:
    def __init__(self, config="", *options, **environment):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="usher-test."))
        self.directory.chmod(0o755)
        self.socket = self.directory / "usher.sock"
        self.config = self.directory / "usherd.conf"
        self.config.write_text(config)
        self.log = self.directory / "log"
        self.start(*options, **environment)

    def start(self, *options, **environment):
        with open(self.log, "ab") as log:  # two loops: what goes wrong between them shows here
            self.process = subprocess.Popen(
                [os.environ["USHERD"], "--config", self.config, "--socket", self.socket,
                 "--workers", "2", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment})
        wait_for(self.is_ready, "the broker")

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the broker ended: " + self.log.read_text())
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def client(self, uid=None, **groups):
        return Client(self.socket, uid, **groups)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        text = self.log.read_text(errors="replace")
        shutil.rmtree(self.directory, ignore_errors=True)
        if status != 0:
            raise AssertionError(f"the broker ended with {status}: {text[-8000:]}")
        return text

    def kill(self):
        """For clean-up after a failed test."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class BrokerTest(unittest.TestCase):
    """A broker for each test; at its end the counts must add up and the broker end cleanly."""

    CONFIG = ""
    OPTIONS = ()

    def setUp(self):
        self.broker = Broker(self.CONFIG, *self.OPTIONS)
        self.addCleanup(self.broker.kill)
        self.clients = []

    def client(self, uid=None, **groups):
        client = self.broker.client(uid, **groups)
        self.clients.append(client)
        return client

    def skip_unless_root(self):
        if os.geteuid() != 0:
            self.skipTest("only root can act as several users")

    def tearDown(self):
        for client in self.clients:
            client.close()
        if self.broker.process.poll() is None:
            self.check_counts()
            self.broker.stop()

    def check_counts(self):
        with self.broker.client() as client:
            self.assertEqual(client.call("Verify"), {"ok": True, "findings": []})
            self.assertIdentity(client.metrics())

    def assertIdentity(self, metrics):
        ended = sum(metrics["lifetime_total_" + o] for o in
                    ("completed", "timeout", "error", "cancelled", "abandoned", "revoked"))
        self.assertEqual(metrics["lifetime_total_created"], metrics["active_sessions"] + ended)
        self.assertEqual(metrics["metadata_bytes_drift"], 0)

    def assertRefused(self, name, client, called, parameters=None, **wanted):
        """The call is refused with this error, whose parameters include WANTED."""
        with self.assertRaises(Refused) as caught:
            client.call(called, **(parameters or {}))
        self.assertEqual(caught.exception.name, name)
        for key, value in wanted.items():
            self.assertEqual(caught.exception.parameters.get(key), value, key)
        return caught.exception.parameters
