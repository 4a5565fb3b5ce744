# SPDX-License-Identifier: MIT
"""A client that comes and goes for hours: churner.py SOCKET DIRECTORY NUMBER SEED RATE.

It holds a few sessions, checks what it was promised, and survives the broker's ends: what was
acknowledged to it must still be there, and a slot that it holds nobody else may. The latter it
checks outside of the broker: a holder locks a file that is named like the slot. What is wrong it
writes, one line each, to DIRECTORY/NUMBER.wrong at once, as it may be killed; what it did, at the end,
to NUMBER.done. It ends with SIGTERM, upon which it releases all."""
import fcntl
import json
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from broker import Client, Refused  # noqa: E402

HELD_MAX = 4
DETACHED_MS = 4000
LOCK_S = 5  # a killed holder's files are closed after its sockets
GONE = ("NoSuchSession", "SessionEnded")


class Held:
    def __init__(self, session_id, owner, lock):
        self.session_id, self.owner, self.lock = session_id, owner, lock


class Churner:
    def __init__(self, path, directory, number, seed, rate):
        self.path, self.directory, self.number = path, pathlib.Path(directory), number
        self.random = random.Random(seed)
        self.pause_s = 1 / rate
        self.parent = os.getppid()
        self.held = []
        self.done = {"calls": 0, "creates": 0, "reconnects": 0, "attached": 0, "refused": 0}
        self.is_ending = False
        self.client = self.connect()

    def is_over(self):
        return self.is_ending or os.getppid() != self.parent

    def wrong(self, text):
        with open(self.directory / f"{self.number}.wrong", "a") as file:
            file.write(text + "\n")

    # ---- the connection ----

    def connect(self):
        while os.getppid() == self.parent:
            try:
                return Client(self.path)
            except OSError:
                time.sleep(0.01)
        os._exit(1)

    def repeat(self, method, **parameters):
        """Call until it is answered, through however many ends of the broker."""
        while True:
            try:
                self.done["calls"] += 1
                return self.client.call(method, **parameters)
            except (EOFError, OSError):
                self.reconnect()

    def reconnect(self):
        while True:
            self.client.close()
            self.client = self.connect()
            try:
                self.claim()
                self.done["reconnects"] += 1
                return
            except (EOFError, OSError):
                pass

    def claim(self):
        """All that was acknowledged, and has no deadline that may have passed, is there."""
        for held in [h for h in self.held if h.owner != "detached"]:
            method = "Attach" if held.owner == "connection" else "Get"
            try:
                self.client.call(method, session_id=held.session_id)
                self.done["attached"] += 1
            except Refused as refusal:
                self.wrong(f"lost: {held.session_id} of {held.owner}: {refusal}")
                self.drop(held)

    # ---- slots ----

    def lock_slot(self, pool, slot):
        """Shut out whoever else believes that this slot is theirs."""
        file = open(self.directory / f"{pool}.{slot}", "a")
        end = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                if time.monotonic() > end:
                    self.wrong(f"twice: slot {slot} of {pool} has another holder")
                    return file
                time.sleep(0.005)

    def drop(self, held):
        self.held.remove(held)
        if held.lock:
            held.lock.close()

    # ---- what it does ----

    def create(self):
        self.done["creates"] += 1
        pool = self.random.choice(["small", "wide"])
        owner = self.random.choice(["connection"] * 3 + ["process", "detached"])
        parameters = {
            "request_id": f"c{self.number}.{os.getpid()}.{self.done['creates']}", "pool": pool,
            "owner": owner, "metadata": {"n": "x" * self.random.randrange(300)}}
        if owner == "detached":
            parameters["timeout_ms"] = DETACHED_MS
        if pool == "small":
            parameters["wait_ms"] = self.random.choice([20, 200, 1000])
        try:
            told = self.repeat("Create", **parameters)
        except Refused:
            self.done["refused"] += 1
            return
        lock = None if owner == "detached" else self.lock_slot(pool, told["slots"][0])
        self.held.append(Held(told["session_id"], owner, lock))

    def release(self, held):
        if held.lock:
            held.lock.close()  # before another can be granted it
            held.lock = None
        self.held.remove(held)
        try:
            self.repeat("Release", session_id=held.session_id)
        except Refused as refusal:
            if refusal.name not in GONE:
                self.wrong(f"not released: {refusal}")

    def renew(self, held):
        try:
            self.repeat("Renew", session_id=held.session_id)
        except Refused as refusal:
            if held.owner != "detached":
                self.wrong(f"lost: {held.session_id} of {held.owner}: {refusal}")
            if held in self.held:
                self.drop(held)

    def hang_up(self):
        """What the connection has ends with it."""
        for held in [h for h in self.held if h.owner == "connection"]:
            self.drop(held)
        self.client.close()
        self.client = self.connect()

    def step(self):
        if len(self.held) < HELD_MAX and self.random.random() < 0.5:
            self.create()
        elif self.random.random() < 0.02:
            self.hang_up()
        elif self.held:
            self.random.choice([self.release, self.renew])(self.random.choice(self.held))

    def run(self):
        signal.signal(signal.SIGTERM, self.on_term)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # blocked by who began it
        while not self.is_over():
            self.step()
            time.sleep(self.random.expovariate(1 / self.pause_s))
        for held in list(self.held):
            self.release(held)
        (self.directory / f"{self.number}.done").write_text(json.dumps(self.done))

    def on_term(self, *_):
        self.is_ending = True


if __name__ == "__main__":
    Churner(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])).run()
