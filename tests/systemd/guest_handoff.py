# SPDX-License-Identifier: MIT
"""A crowd of clients through whatever an administrator does to a running broker: run in the guest as
root, guest_handoff.py STEP... with the steps in STEPS and then those in LOSSES. Each check is a
line, "ok   NAME" or "FAIL NAME" with what was wrong above it; gap: lines tell the longest time that a
client, one call after the other, had to wait for a reply, on its connection and with a new one each time.

Of 2000 connections 200 own a session, 500 wait in a known order, 20 watch, 100 have sent a part of a
request, 100 have replies that they have not read; one goes on to create and release, one to ask. All
others say nothing until it is over."""
import collections
import os
import signal
import subprocess
import sys
import threading
import time

from guest_client import Closed, Connection, Refused, frame, readable

POOL, PROBE, INSISTED = "handoff", "probe", "insisted"
TOTAL, HOLDERS, WAITERS, WATCHERS, HALVES, READERS = 2000, 200, 500, 20, 100, 100
EVERY_WITH_MORE = 10  # of the waiters
RELEASES = 40         # a step
BIG_READERS = 20      # that have more replies coming than a socket takes
GIVEN_UP = 5          # this many wrong things of a check are told
STEPS = {
    "restart": ["systemctl", "restart", "usherd.service"],
    "upgrade": ["dpkg", "-i", "/ci/newest.deb"],
    "reload": ["systemctl", "reload", "usherd.service"],
    "reexec": ["systemctl", "daemon-reexec"],
    # In between all connections are systemd's alone, which is started anew itself.
    "stop-start": ["sh", "-c", "systemctl stop usherd.service && test ! -e /proc/$BROKER && "
                   "systemctl daemon-reexec && systemctl start usherd.service"],
}
is_failed = False


def report(name, wrong):
    global is_failed
    for text in wrong[:GIVEN_UP]:
        print(f"    {text}")
    if len(wrong) > GIVEN_UP:
        print(f"    and {len(wrong) - GIVEN_UP} more")
    print(f"{'FAIL' if wrong else 'ok  '} handoff: {name}", flush=True)
    is_failed = is_failed or bool(wrong)


class Holder:
    def __init__(self, connection, reply):
        self.connection = connection
        self.id, self.request_id = reply["session_id"], reply["request_id"]
        self.slot, self.fence = reply["slots"][0], reply["fence"]


class Waiter:
    def __init__(self, number):
        self.request_id = f"wait-{number:03}"
        self.has_more = number % EVERY_WITH_MORE == 0
        self.connection = None
        self.position = WAITERS + 1

    def ask(self, admin):
        """Returns when it is in the queue."""
        before = pool_of(admin)["waiting_sessions"]
        self.connection = Connection()
        self.connection.send("Create", more=self.has_more, pool=POOL, request_id=self.request_id, wait_ms=-1)
        while pool_of(admin)["waiting_sessions"] == before:
            if not self.has_more and self.connection.has_input():
                raise Refused(f"{self.request_id} was answered at once: {self.connection.reply()}")

    def granted(self, wrong):
        """The reply that ends the wait; those before it tell of a place that gets better."""
        reply = self.connection.reply()
        while "session_id" not in reply:
            if reply["queued"]["position"] > self.position:
                wrong.append(f"{self.request_id} went back from {self.position} to {reply['queued']}")
            self.position = reply["queued"]["position"]
            reply = self.connection.reply()
        return reply


class Watcher:
    def __init__(self):
        self.connection = Connection()
        self.connection.send("Monitor", more=True, pool=POOL)
        self.sequence = 0
        while self.next()["type"] != "ready":
            pass

    def next(self):
        event = self.connection.reply()["event"]
        if event["sequence"] < self.sequence:
            raise Refused(f"event {event['sequence']} came after {self.sequence}")
        self.sequence = event["sequence"]
        return event

    def compare(self, expected):
        for wanted in expected:
            event = self.next()
            while event["type"] == "pool":  # a reload tells of each
                event = self.next()
            have = (event["type"], event["session"]["session_id"])
            if have != wanted:
                return [f"a watcher was told {have}, not {wanted}"]
        return []


def totals_of(admin, name):
    """Sessions created and completed so far, and live now."""
    metrics = admin.call("GetMetrics", pool=name)["metrics"]["pools"][0]
    return metrics["totals"]["created"], metrics["totals"]["completed"], metrics["active_sessions"]


def pool_of(admin, name=POOL):
    return next(p for p in admin.call("ListPools")["pools"] if p["pool"] == name)


class Prober(threading.Thread):
    """One call after the other; knows the longest time that one took."""

    def __init__(self):
        super().__init__(daemon=True)
        self.connection = Connection()
        self.is_over, self.wrong, self.worst_s = False, [], 0

    def turn(self):
        self.connection.call("org.varlink.service.GetInfo")

    def run(self):
        try:
            while not self.is_over:
                begin = time.monotonic()
                self.turn()
                self.worst_s = max(self.worst_s, time.monotonic() - begin)
        except (Closed, Refused, OSError, LookupError) as error:
            self.wrong.append(f"{type(self).__name__}: {error!r}")

    def finish(self):
        time.sleep(0.3)  # whatever comes late
        self.is_over = True
        self.join()


class Newcomer(Prober):
    """Has a new connection for each call."""

    def turn(self):
        self.connection.close()
        self.connection = Connection()
        super().turn()


class Worker(Prober):
    """Creates and releases, and counts both."""

    def __init__(self, connection):
        super().__init__()
        self.connection = connection
        self.done = 0

    def turn(self):
        session = self.connection.call("Create", pool=PROBE)["session_id"]
        self.connection.call("Release", session_id=session)
        self.done += 1


class Insister(Prober):
    """Creates and releases, too, and asks again when a connection is lost: with the same request id,
    so that a Create whose reply was lost takes one slot."""

    def __init__(self):
        super().__init__()
        self.created, self.repeated = 0, 0

    def turn(self):
        request_id = f"insist-{id(self)}-{self.created}"
        session = self.insist("Create", pool=INSISTED, request_id=request_id)["session_id"]
        self.created += 1
        before = self.repeated
        try:
            self.insist("Release", session_id=session)
        except Refused:
            if self.repeated == before:  # else it was released, and the reply was lost
                raise

    def insist(self, method, **parameters):
        while True:
            try:
                return self.connection.call(method, **parameters)
            except Closed:
                self.repeated += 1
                self.connection = Connection()


class Crowd:
    def __init__(self):
        self.slots, self.fence, self.created = set(), 0, 0
        self.admin, self.work = Connection(), Connection()
        self.before = totals_of(self.admin, POOL)
        self.holders = collections.deque(self.take(Connection()) for _ in range(HOLDERS))
        self.waiters = collections.deque()
        for number in range(WAITERS):
            waiter = Waiter(number)
            waiter.ask(self.admin)
            self.waiters.append(waiter)
        self.watchers = [Watcher() for _ in range(WATCHERS)]
        self.halves = [Connection() for _ in range(HALVES)]
        self.readers = [Connection() for _ in range(READERS)]
        others = HOLDERS + WAITERS + WATCHERS + HALVES + READERS + 3  # admin, work, the prober's
        self.idle = [Connection() for _ in range(TOTAL - others)]

    def everybody(self):
        yield from (self.admin, self.work, *self.halves, *self.readers, *self.idle)
        yield from (x.connection for x in (*self.holders, *self.waiters, *self.watchers))

    def held(self, connection, reply):
        """Count a grant; the pool may never have more than its slots, nor one twice."""
        holder = Holder(connection, reply)
        if holder.slot in self.slots or holder.slot >= HOLDERS or holder.fence <= self.fence:
            raise Refused(f"granted {reply}, with fence {self.fence} and slots {sorted(self.slots)} known")
        self.slots.add(holder.slot)
        self.fence = holder.fence
        return holder

    def take(self, connection):
        return self.held(connection, connection.call("Create", pool=POOL))

    def some_ids(self, start, count):
        return [self.holders[(start + i) % len(self.holders)].id for i in range(count)]

    # ---- before a step ----

    def send_halves(self):
        """What is kept back of each request, and the sessions asked for, of which every other
        connection has one in a request before that."""
        rest = []
        for number, connection in enumerate(self.halves):
            ids = self.some_ids(number, 1 + number % 2)
            *whole, last = (frame("Get", session_id=i) for i in ids)
            cut = 1 + number * 7 % (len(last) - 1)
            connection.write(b"".join(whole) + last[:cut])
            rest.append((connection, last[cut:], ids))
        return rest

    def send_unread(self):
        """Ten requests each; for each reply the session it is of, or None for a list."""
        sent = []
        for number, connection in enumerate(self.readers):
            ids = self.some_ids(number * 3, 10)
            if number < BIG_READERS:
                ids[::2] = [None] * 5
            connection.write(b"".join(frame("Get", session_id=i) if i else frame("List", pool=POOL) for i in ids))
            sent.append((connection, ids))
        return sent

    # ---- after it ----

    def check_open(self):
        silent = {*self.idle, *(w.connection for w in self.waiters if not w.has_more),
                  *(h.connection for h in self.holders)}
        wrong = [f"{len(found)} connections have unasked input, or are closed"
                 for found in [[c for c in readable(silent, 0)]] if found]
        for connection in self.idle if not wrong else ():
            connection.send("org.varlink.service.GetInfo")
        for connection in self.idle if not wrong else ():
            connection.reply()
        return wrong

    @staticmethod
    def check_replies(connection, ids):
        """Each once, in order: had one come twice, the next would be taken for another."""
        for wanted in ids:
            reply = connection.reply()
            have = reply["session"]["session_id"] if "session" in reply else None
            if have != wanted or (not wanted and len(reply["sessions"]) != 100):
                return [f"the reply to Get {wanted} is of {have}"]
        connection.send("org.varlink.service.GetInfo")
        return [] if "product" in connection.reply() and not connection.has_input() else ["a reply too many"]

    def check_halves(self, rest):
        wrong = []
        for connection, data, ids in rest:
            connection.write(data)
            wrong += self.check_replies(connection, ids)
        return wrong

    def check_work(self, worker):
        self.created += worker.done
        have = totals_of(self.admin, PROBE)
        wanted = (self.created, self.created, 0)
        return [] if have == wanted else [f"created, completed, active: {have}, not {wanted}"]

    def check_owners(self):
        wrong = []
        for holder in self.holders:
            session = holder.connection.call("Get", session_id=holder.id)["session"]
            have = (session["orphaned"], session["owner"], session["slots"], session["fence"])
            if have != (False, "connection", [holder.slot], holder.fence):
                wrong.append(f"{holder.id} is {have}")
        return wrong

    def release(self, count, events):
        """Release one after the other, and see the first who waits get the slot each time."""
        wrong = []
        for _ in range(count):
            holder = self.holders.popleft()
            holder.connection.call("Release", session_id=holder.id)
            events.append(("ended", holder.id))
            self.slots.remove(holder.slot)
            self.idle.append(holder.connection)
            if not self.waiters:
                continue
            waiter = self.waiters.popleft()
            granted = self.held(waiter.connection, waiter.granted(wrong))
            if (granted.slot, granted.request_id) != (holder.slot, waiter.request_id):
                wrong.append(f"slot {holder.slot} went to {granted.request_id} as {granted.slot}, "
                             f"not to {waiter.request_id}")
            events.append(("granted", granted.id))
            self.holders.append(granted)
        return wrong

    def check_watchers(self, events):
        wrong = [text for watcher in self.watchers for text in watcher.compare(events)]
        late = readable([w.connection for w in self.watchers], 0)
        return wrong + ([f"{len(late)} watchers were told more"] if late else [])

    def check_rest(self):
        """Nobody else was granted anything."""
        early = readable([w.connection for w in self.waiters if not w.has_more], 0)
        pool = pool_of(self.admin)
        have = (pool["active_sessions"], pool["used_units"], pool["orphaned"], pool["waiting_sessions"])
        wanted = (len(self.holders), len(self.holders), 0, len(self.waiters))
        wrong = [f"{len(early)} others who wait were answered"] if early else []
        return wrong + ([f"active, used, orphaned, waiting: {have}, not {wanted}"] if have != wanted else [])


def check(name, function, *arguments):
    try:
        report(name, function(*arguments))
    except (Closed, Refused, OSError, LookupError) as error:
        report(name, [repr(error)])


def run_step(crowd, step):
    halves, unread = crowd.send_halves(), crowd.send_unread()
    worker, prober, newcomer = Worker(crowd.work), Prober(), Newcomer()
    threads = [worker, prober]
    if step != "stop-start":  # a new connection would start it
        threads.append(newcomer)
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    result = subprocess.run(STEPS[step], capture_output=True, text=True, check=False,
                            env={**os.environ, "BROKER": main_pid()})
    seconds = time.monotonic() - begin
    for thread in threads:
        thread.finish()
    gaps = ", by a new connection ".join(f"{t.worst_s * 1000:.0f} ms" for t in threads[1:])
    print(f"    gap: {step} with {TOTAL} connections {gaps} (the command took {seconds:.1f} s)")
    report(f"{step} succeeds", [f"{result.stdout}{result.stderr}"] if result.returncode else [])
    check(f"{step} closes no connection", crowd.check_open)
    check(f"{step} loses or doubles no reply", lambda: worker.wrong + prober.wrong + newcomer.wrong + crowd.check_work(worker)
          + [text for c, ids in unread for text in crowd.check_replies(c, ids)])
    check(f"{step}: what was half sent is answered", crowd.check_halves, halves)
    check(f"{step}: all sessions have their owner", crowd.check_owners)
    events = []
    check(f"{step} keeps the order of those who wait", crowd.release, RELEASES, events)
    check(f"{step}: nobody else is granted a slot", crowd.check_rest)
    check(f"{step} keeps those who watch", crowd.check_watchers, events)
    prober.connection.close()
    newcomer.connection.close()


# ---- killed: connections go, sessions stay ----

def main_pid():
    return subprocess.run(["systemctl", "show", "-P", "MainPID", "usherd.service"], capture_output=True, check=True,
                          text=True).stdout.strip()


def stop_and_start():
    for verb in ("stop", "start"):
        subprocess.run(["systemctl", verb, "usherd.service"], check=True, capture_output=True)


LOSSES = {
    "kill -9": lambda: os.kill(int(main_pid()), signal.SIGKILL),
    "watchdog": lambda: os.kill(int(main_pid()), signal.SIGSTOP),
    "stop without a store": stop_and_start,
}


def lose_broker(how):
    """Until another one serves."""
    before = main_pid()
    begin = time.monotonic()
    LOSSES[how]()
    while True:
        try:  # what connects before it is dead is closed
            admin = Connection()
            admin.call("org.varlink.service.GetInfo")
            took = time.monotonic() - begin
        except Closed:
            continue
        if main_pid() != before:
            print(f"    gap: {how} with {TOTAL} connections {took * 1000:.0f} ms")
            return admin


def check_all_closed(crowd):
    wrong = []
    for connection in crowd.everybody():
        try:
            while True:
                connection.fill()
        except Closed:
            pass
        except OSError as error:
            wrong.append(repr(error))
        connection.close()
    return wrong


def check_none_lost(admin, crowd):
    admin.send("List", more=True, pool=POOL)
    found = {}
    while "session" in (reply := admin.reply()):
        found[reply["session"]["session_id"]] = reply["session"]
    wanted = {h.id: (h.slot, h.fence) for h in crowd.holders}
    have = {i: (s["slots"][0], s["fence"]) for i, s in found.items()}
    wrong = [] if have == wanted else [f"{len(wanted.keys() - have.keys())} sessions are lost, "
                                       f"{len(have.keys() - wanted.keys())} invented"]
    return wrong + [f"{i} is no orphan" for i, s in found.items() if not s["orphaned"]]


def check_attach(crowd):
    for holder in crowd.holders:
        holder.connection = Connection()
        session = holder.connection.call("Attach", session_id=holder.id)["session"]
        if session["orphaned"] or session["slots"] != [holder.slot]:
            return [f"attached to {session}"]
    return []


def check_wait_again(crowd):
    for waiter in crowd.waiters:
        waiter.position = WAITERS + 1
        waiter.ask(crowd.admin)
    return crowd.check_rest()


def check_drained(crowd):
    wrong = crowd.release(len(crowd.waiters) + HOLDERS, [])
    created, completed, _ = crowd.before
    have, wanted = totals_of(crowd.admin, POOL), (created + HOLDERS + WAITERS, completed + HOLDERS + WAITERS, 0)
    return wrong + ([f"created, completed, active: {have}, not {wanted}"] if have != wanted else [])


def check_insisted(admin, insisters, before):
    """As many sessions as were acknowledged. None stays: the owner of each is there, and has released it."""
    created = sum(insister.created for insister in insisters)
    wrong = [text for insister in insisters for text in insister.wrong]
    if not any(insister.repeated for insister in insisters):
        wrong.append("no connection was lost")
    have, wanted = totals_of(admin, INSISTED), (before[0] + created, before[1] + created, 0)
    return wrong + ([f"created, completed, active: {have}, not {wanted}"] if have != wanted else [])


def run_loss(crowd, how):
    before = totals_of(crowd.admin, INSISTED)
    insisters = [Insister() for _ in range(4)]
    for insister in insisters:
        insister.start()
    admin = lose_broker(how)
    for insister in insisters:
        insister.finish()
    check(f"{how}: what is asked again is done once", check_insisted, admin, insisters, before)
    check(f"{how} closes all connections", check_all_closed, crowd)
    crowd.admin, crowd.watchers, crowd.idle, crowd.halves, crowd.readers = admin, [], [], [], []
    check(f"{how} loses and invents no session", check_none_lost, admin, crowd)
    check(f"{how}: owners attach again", check_attach, crowd)
    check(f"{how}: those who waited ask again, and none exceeds the limit", check_wait_again, crowd)
    check(f"{how}: all have their turn, in order", check_drained, crowd)
    check(f"{how}: the broker's books are right", lambda: admin.call("Verify")["findings"])


def main(steps):
    crowd = Crowd()
    for step in steps:
        try:
            if step in STEPS:
                run_step(crowd, step)
            else:
                crowd = crowd or Crowd()
                run_loss(crowd, step)
                crowd = None  # all are served
        except (Closed, Refused, OSError) as error:
            report(f"{step} finds clients to be done to", [repr(error)])
    return is_failed


sys.exit(main(sys.argv[1:]))
