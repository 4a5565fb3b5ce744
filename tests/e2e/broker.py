# SPDX-License-Identifier: MIT
"""A broker of a test's own and a Varlink client without any library. $USHERD is the daemon."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PATIENCE = 60
INTERFACE = "io.usher.Broker."


class Refused(Exception):
    """An error reply: its short name and its parameters."""

    def __init__(self, name, parameters):
        super().__init__(name, parameters)
        self.name = name.rpartition(".")[2]
        self.parameters = parameters


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.rest = b""
        self.raw = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

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


class Broker:
    def __init__(self, config="", *options, **environment):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="usher-test."))
        self.socket = self.directory / "usher.sock"
        self.config = self.directory / "usherd.conf"
        self.config.write_text(config)
        self.log = self.directory / "log"
        self.start(*options, **environment)

    def start(self, *options, **environment):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["USHERD"], "--config", self.config, "--socket", self.socket, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment})
        wait_for(self.is_ready, "the broker")

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the broker ended: " + self.log.read_text())
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def client(self):
        return Client(self.socket)

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

    def client(self):
        client = self.broker.client()
        self.clients.append(client)
        return client

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
