# SPDX-License-Identifier: MIT
"""A client that creates, changes and releases sessions at random, logs each step before and after,
and comes back by itself when the broker has gone: it attaches what it holds and repeats, with the
same request id, what was not answered.

It runs in a process of its own, until SIGTERM, upon which it releases all it holds and ends, or
until it is killed."""
import os
import random
import signal
import time

from journal import Journal, now
from pools import POOLS
from wire import Client, encode, metadata_of

HELD_MAX = 4
PAUSE_S = 0.006
UNANSWERED_S = 5  # far longer than any wait asked for here, shorter than a round in peace
FORGET = 0.05      # of the sessions that a lost connection had
KEPT = ("session_id", "request_id", "pool", "slots", "fence", "existing", "duration_ms",
        "metadata_bytes")  # of answers


class Broken(Exception):
    """The connection has ended; whether the call was served is not known."""


class Held:
    """A session that was granted to this client."""

    def __init__(self, session, parameters):
        self.session = session
        self.parameters = parameters  # of its Create
        self.owner = parameters["owner"]
        self.is_started = False
        self.is_converted = False


class Worker:
    def __init__(self, number, socket_path, log_path, seed):
        self.number = number
        self.socket_path = socket_path
        self.random = random.Random(seed)
        self.parent = os.getppid()
        self.journal = Journal(log_path)
        self.client = None
        self.n_calls = 0
        self.n_requests = 0
        self.held = {}
        self.forgotten = []  # where nothing but this process's end would free it
        self.is_ending = False

    # ---- the connection ----

    def connect(self):
        while os.getppid() == self.parent:  # nobody is left to end this process
            begun = now()  # whoever is connected to lived then; afterwards it may have died already
            try:
                self.client = Client(self.socket_path)
                self.client.socket.settimeout(UNANSWERED_S)
                self.journal.write_at(begun, "connected")
                return
            except OSError:
                time.sleep(0.003)
        os._exit(1)

    def reconnect(self):
        self.client.close()
        while True:
            self.connect()
            try:
                self.claim()
                return
            except Broken:
                self.client.close()

    def claim(self):
        """Attach what the lost connection had; some is forgotten, and is to end by itself."""
        for held in [h for h in self.held.values() if h.owner == "connection"]:
            if self.random.random() < FORGET:
                self.forget(held)
            elif self.call("Attach", session=held.session)[1]:
                self.held.pop(held.session, None)

    def forget(self, held):
        del self.held[held.session]
        if POOLS[held.parameters["pool"]].holds:
            self.forgotten.append(held)

    def call(self, method, session=None, metadata=None, more=False, **parameters):
        """(reply, None) or (None, name of the error); raises Broken."""
        number = self.n_calls = self.n_calls + 1
        if session:
            parameters["session_id"] = session
        said = {"p": parameters}
        if metadata is not None:
            said["metadata"] = metadata
        self.journal.write("intent", n=number, m=method, **said)
        try:
            self.client.send_raw(encode(method, parameters, metadata, more=more))
            return self.answer(number)
        except TimeoutError:
            self.journal.write("unanswered", n=number)
            raise Broken from None
        except (EOFError, OSError):
            self.journal.write("broken", n=number)
            raise Broken from None

    def answer(self, number):
        while True:
            reply = self.client.receive()
            told = reply["parameters"]
            if "error" not in reply and "queued" not in told:
                break
            if "error" in reply:
                name = reply["error"].rpartition(".")[2]
                self.journal.write("error", n=number, x=name, a=told)
                return None, name
            self.journal.write("queued", n=number)
        self.log_answer(number, told)
        return told, None

    def log_answer(self, number, told):
        kept = {key: told[key] for key in KEPT if key in told}
        if "session" in told:
            row = {k: v for k, v in told["session"].items() if k != "metadata"}
            self.journal.write("answer", n=number, a=kept, row=row,
                               metadata=metadata_of(self.client.raw))
        else:
            self.journal.write("answer", n=number, a=kept)

    def try_call(self, method, **parameters):
        """What is not repeated if the answer is lost."""
        try:
            return self.call(method, **parameters)
        except Broken:
            self.reconnect()
            return None, "lost"

    def repeat_call(self, method, **parameters):
        while True:
            try:
                return self.call(method, **parameters)
            except Broken:
                self.reconnect()

    # ---- what it does ----

    def metadata(self):
        """Texts that a parser and a printer between would change."""
        n = self.random.randrange(10**6)
        return self.random.choice([
            '{"n":%d}',
            '{ "z":9007199254740993 , "a":%d,"a":0}',
            '{"text":"\\u00e9\u00e9\\/","n":[%d, 1.50e+1]}',
            '{"pad":"' + "x" * self.random.randrange(200) + '","n":%d}',
        ]) % n

    def timeout(self, owner):
        choices = [300, 800, 1500] if owner == "detached" else [-1, -1, 400, 1200, 60000]
        return self.random.choice(choices)

    def create(self):
        self.n_requests += 1
        owner = self.random.choice(["connection", "connection", "process", "detached"])
        pool = self.random.choice(list(POOLS))
        parameters = {
            "request_id": f"r{self.number}.{self.n_requests}", "pool": pool, "owner": owner,
            "timeout_ms": self.timeout(owner), "label": f"worker{self.number}",
            "units": min(self.random.choice([1, 1, 2, 3]), POOLS[pool].limit),
        }
        if self.random.random() < 0.5:
            parameters["wait_ms"] = self.random.randrange(60, 250)
        if self.random.random() < 0.2:
            parameters["priority"] = self.random.randrange(10)
        self.ask({**parameters, "metadata": self.metadata()})

    def ask(self, parameters):
        more = "wait_ms" in parameters and self.random.random() < 0.7
        reply, error = self.repeat_call("Create", more=more, **parameters)
        if not error:
            self.keep(reply, parameters)

    def keep(self, reply, parameters):
        self.held[reply["session_id"]] = Held(reply["session_id"], parameters)

    def start(self, held):
        if not held.is_started:
            held.is_started = True
            self.drop_if_gone(held, self.try_call("Start", session=held.session))

    def renew(self, held):
        parameters = {"timeout_ms": self.timeout(held.owner)} if self.random.random() < 0.6 else {}
        self.drop_if_gone(held, self.try_call("Renew", session=held.session, **parameters))

    def update(self, held):
        self.drop_if_gone(held, self.try_call("Update", session=held.session, metadata=self.metadata()))

    def look(self, held):
        self.drop_if_gone(held, self.try_call("Get", session=held.session))

    def again(self, held):
        """The same Create once more. What was converted is not asked for again: whose it would be
        then is not what this is about."""
        if not held.is_converted and held.session in self.held:
            reply, error = self.repeat_call("Create", **held.parameters)
            if error:
                self.held.pop(held.session, None)
            elif reply["session_id"] != held.session:  # that one had ended
                self.held.pop(held.session, None)
                self.keep(reply, held.parameters)

    def convert(self, held):
        """From the connection's to the process's own."""
        if held.owner == "connection":
            held.is_converted = True
            held.owner = "process"  # or nobody's, until this is answered
            result = self.repeat_call("Attach", session=held.session, owner="process")
            self.drop_if_gone(held, result)

    def release(self, held):
        outcome = self.random.choice(["completed", "completed", "error", "cancelled"])
        self.held.pop(held.session, None)
        self.repeat_call("Release", session=held.session, outcome=outcome)

    def hang_up(self, _):
        """End what the connection has by closing it."""
        self.journal.write("close")
        self.client.close()
        for held in [h for h in self.held.values() if h.owner == "connection"]:
            self.forget(held)  # if the broker died before it saw this, some may go on
        self.reconnect()

    def drop_if_gone(self, held, result):
        if result[1] not in (None, "lost"):
            self.held.pop(held.session, None)

    def step(self):
        if self.forgotten and self.random.random() < 0.01:
            self.recall(self.forgotten.pop())
        elif not self.held or (len(self.held) < HELD_MAX and self.random.random() < 0.4):
            self.create()
        else:
            act = self.random.choices(
                [self.release, self.renew, self.update, self.start, self.look, self.again,
                 self.convert, self.hang_up], [30, 15, 15, 10, 10, 10, 4, 1])[0]
            act(self.random.choice(list(self.held.values())))

    def recall(self, held):
        self.repeat_call("Release", session=held.session, outcome="completed")

    def settle(self):
        for held in [*self.held.values(), *self.forgotten]:
            self.release(held)
        self.held, self.forgotten = {}, []
        self.journal.write("close")
        self.client.close()

    def run(self):
        signal.signal(signal.SIGTERM, self.on_term)
        self.journal.write("begin", w=self.number, pid=os.getpid())
        self.connect()
        while not self.is_ending and os.getppid() == self.parent:
            self.step()
            time.sleep(self.random.expovariate(1 / PAUSE_S))
        self.settle()

    def on_term(self, *_):
        self.is_ending = True
