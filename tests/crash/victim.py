# SPDX-License-Identifier: MIT
"""A broker that is killed and begun again: the same socket and state directory in all its lives."""
import os
import signal
import subprocess
import time

import wire  # noqa: F401: knows where broker.py is
from broker import PATIENCE, Broker


class Victim(Broker):
    """Broker makes the directory, and removes it at the end; its lives are begun here."""

    def start(self, *options, **environment):
        self.process = None
        self.state = self.directory / "state"
        self.failpoints = self.directory / "failpoints"

    def spawn(self, failpoints="", user=None, **environment):
        """Begin a life; nothing is armed that was armed in the last one."""
        self.arm(failpoints)
        environment = {**os.environ, "USHER_FAILPOINTS_FILE": str(self.failpoints), **environment}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["USHERD"], "--config", self.config, "--socket", self.socket,
                 "--state-dir", self.state],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, user=user)

    def live(self, **environment):
        """Begin a life, and see it serve."""
        self.spawn(**environment)
        if not self.wait_ready():
            raise AssertionError(f"the broker ended with {self.process.returncode}: " + self.tail())

    def arm(self, failpoints):
        """Replaced as a whole: the broker must not read half of it."""
        new = self.failpoints.with_suffix(".new")
        new.write_text(failpoints)
        new.rename(self.failpoints)

    def is_serving(self):
        """Whether it answers; None if it has died. It may listen long before it serves."""
        if self.process.poll() is not None:
            return None
        try:
            with self.client() as client:
                client.call("org.varlink.service.GetInfo")
        except (EOFError, OSError):
            return False
        return True

    def wait_ready(self):
        """False if it died first."""
        end = time.monotonic() + PATIENCE
        while not (serving := self.is_serving()):
            if serving is None:
                return False
            if time.monotonic() > end:
                raise AssertionError("the broker does not serve: " + self.tail())
            time.sleep(0.003)
        return True

    def wait_dead(self, seconds):
        """Whether it died within this time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if self.process.returncode != -signal.SIGKILL:
            raise AssertionError(f"the broker ended by itself with {self.process.returncode}: " + self.tail())
        return True

    def kill_now(self):
        self.process.kill()
        self.process.wait()

    def tail(self):
        """The end of its log, or what a sanitizer has to say."""
        text = self.log.read_text(errors="replace")
        complaint = text.find("==ERROR: ")
        return text[complaint:complaint + 8000] if complaint >= 0 else text[-1500:]
