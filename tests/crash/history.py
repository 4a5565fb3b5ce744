# SPDX-License-Identifier: MIT
"""What the journals say, put together: requests, the sessions they were granted, every call on them,
the lives of the broker, and for how long a session was certainly, and possibly, there."""
import bisect
import math
from dataclasses import dataclass, field

MS = 10**6
NEVER = math.inf
GONE = ("NoSuchSession", "SessionEnded")
DETACHED_MS = 30000  # the deadline that a detached session gets if it has none


@dataclass
class Call:
    worker: "Client"
    method: str
    intent: int
    parameters: dict
    metadata: str = None
    queued: int = None   # told that it waits
    done: int = None     # answered, with or without an error
    result: dict = None
    row: dict = None     # of answers that hold a session
    row_metadata: str = None
    error: str = None
    lost: int = None     # the connection ended before an answer
    connected: int = 0   # when that connection was made
    unanswered: int = None
    request: "Request" = None
    session: "Session" = None  # the one it names, or was granted

    @property
    def is_ok(self):
        return self.done is not None and self.error is None

    def may_apply(self):
        return self.error is None

    def __str__(self):
        return f"{self.method} of worker {self.worker.number} at {self.intent / 1e9:.3f}"


@dataclass
class Client:
    number: int
    pid: int = None
    open: dict = field(default_factory=dict)  # calls without an answer, by number
    connected: int = 0
    closes: list = field(default_factory=list)
    killing: float = NEVER  # just before the kill
    killed: float = NEVER   # it was reaped

    def first_close(self, after):
        return min((t for t in self.closes if t >= after), default=NEVER)


@dataclass
class Request:
    id: str
    worker: Client
    calls: list = field(default_factory=list)  # its Creates
    sessions: list = field(default_factory=list)
    absent: float = NEVER  # its process has gone, and no session of it was to be seen

    @property
    def first(self):
        return self.calls[0]

    def wants(self, name, default=None):
        return self.first.parameters.get(name, default)

    def was_turned_away(self):
        """It never held, nor waited for, anything."""
        return all(c.error == "CapacityReached" for c in self.calls)

    def unresolved_until(self):
        """Until when it may have, or get, a session that no answer told of: NEVER if it still may."""
        last = self.calls[-1]
        return self.absent if last.done is None else last.done


@dataclass
class Session:
    id: str
    request: Request
    acked: int
    slots: list
    fence: int
    calls: list = field(default_factory=list)  # in order, its Creates included
    absent: float = NEVER  # it was looked for, and was not there any more

    @property
    def pool(self):
        return self.request.wants("pool")

    @property
    def units(self):
        return self.request.wants("units", 1)

    def releases(self):
        return [c for c in self.calls if c.method == "Release"]

    def first_release(self, but=None):
        return min((c.intent for c in self.releases() if c is not but), default=NEVER)

    def proved(self):
        """The last moment at which an answer shows that it was there."""
        return max([self.acked] + [c.intent for c in self.calls if c.is_ok])

    def changes(self, what):
        """(value, call) for what was set after the Create."""
        for call in self.calls[1:]:
            value = changed_value(what, call)
            if value is not None:
                yield value, call

    def values(self, what, begin, end):
        """Those it may have had at some time from BEGIN to END."""
        values = [self.request.first_value(what)]
        for value, call in self.changes(what):
            if not call.may_apply():
                continue
            if call.intent > end:
                break
            is_settled = call.done is not None and call.done < begin
            values = [value] if is_settled else values + [value]
        return values


def first_value(request, what):
    if what == "metadata":
        return request.first.metadata
    if what == "state":
        return "idle"
    return request.wants(what, {"owner": "connection", "timeout_ms": -1}[what])


Request.first_value = first_value


def changed_value(what, call):
    if what == "metadata" and call.method == "Update":
        return call.metadata
    if what == "state" and call.method == "Start":
        return "processing"
    if what == "timeout_ms" and call.method == "Renew":
        return call.parameters.get("timeout_ms")
    if what == "owner" and call.method == "Attach":
        return call.parameters.get("owner", "connection")
    return None


@dataclass
class Life:
    """One run of the broker."""
    spawn: int
    ready: float = NEVER
    kill: float = NEVER  # it may be dead from here on
    dead: float = NEVER
    how: str = ""


class History:
    def __init__(self, pools, grace_ms):
        self.pools = pools
        self.grace = grace_ms * MS
        self.workers = {}
        self.lives = []
        self.requests = {}
        self.sessions = {}
        self.fresh_calls = []  # since the last check
        self.calls = []        # Creates that are recent enough to be compared with others
        self.floor = 0         # the largest fence that was acknowledged before floor_at
        self.floor_at = 0
        self.acks = []         # sorted times: of sessions acknowledged
        self.creates = []      # of Creates sent
        self.ends = {}         # by outcome: (times sent, times acknowledged)

    # ---- reading ----

    def feed(self, number, record):
        """A record of worker NUMBER's journal."""
        worker = self.workers.setdefault(number, Client(number))
        getattr(self, "on_" + record["k"])(worker, record)

    def on_begin(self, worker, record):
        worker.pid = record["pid"]

    def on_connected(self, worker, record):
        worker.connected = record["t"]

    def on_close(self, worker, record):
        worker.closes.append(record["t"])

    def on_intent(self, worker, record):
        call = Call(worker, record["m"], record["t"], record["p"], record.get("metadata"),
                    connected=worker.connected)
        worker.open[record["n"]] = call
        self.fresh_calls.append(call)
        if call.method == "Create":
            self.begin_create(call)
            return
        call.session = self.sessions.get(call.parameters["session_id"])  # None: over long ago
        if call.session:
            call.session.calls.append(call)
        if call.method == "Release":
            self.count_end(call, 0, call.intent)

    def begin_create(self, call):
        id = call.parameters["request_id"]
        call.request = self.requests.setdefault(id, Request(id, call.worker))
        call.request.calls.append(call)
        self.calls.append(call)
        bisect.insort(self.creates, call.intent)

    def on_queued(self, worker, record):
        worker.open[record["n"]].queued = record["t"]

    def on_answer(self, worker, record):
        call = worker.open.pop(record["n"])
        call.done, call.result = record["t"], record["a"]
        call.row, call.row_metadata = record.get("row"), record.get("metadata")
        if call.method == "Create":
            self.grant(call)
        elif call.method == "Release":
            self.count_end(call, 1, call.done)

    def grant(self, call):
        told = call.result
        session = self.sessions.get(told["session_id"])
        if session is None:
            self.note_absent(call)
            session = Session(told["session_id"], call.request, call.done, told["slots"], told["fence"])
            self.sessions[session.id] = session
            call.request.sessions.append(session)
            bisect.insort(self.acks, call.done)
        call.session = session
        session.calls.append(call)

    def note_absent(self, call):
        """A Create that was refused, or got a session of its own, shows that its request had none."""
        for session in call.request.sessions:
            session.absent = min(session.absent, call.done)

    def count_end(self, call, which, time):
        outcome = call.parameters.get("outcome", "completed")
        bisect.insort(self.ends.setdefault(outcome, ([], []))[which], time)

    def on_error(self, worker, record):
        call = worker.open.pop(record["n"])
        call.done, call.error, call.result = record["t"], record["x"], record["a"]
        if call.method == "Create":
            self.note_absent(call)

    def on_broken(self, worker, record):
        worker.open.pop(record["n"]).lost = record["t"]

    def on_unanswered(self, worker, record):
        worker.open.pop(record["n"]).unanswered = record["t"]

    # ---- what the oracle itself did ----

    def note(self, record):
        getattr(self, "note_" + record["k"])(record)

    def note_spawn(self, record):
        self.lives.append(Life(record["t"]))

    def note_ready(self, record):
        self.lives[-1].ready = record["t"]

    def note_kill(self, record):
        """From now on the broker may be dead."""
        self.lives[-1].kill = min(self.lives[-1].kill, record["t"])
        self.lives[-1].how = record["how"]

    def note_dead(self, record):
        self.lives[-1].dead = record["t"]

    def note_killing(self, record):
        self.workers.setdefault(record["w"], Client(record["w"])).killing = record["t"]

    def note_killed(self, record):
        self.workers[record["w"]].killed = record["t"]

    # ---- the broker's lives ----

    def may_have_died(self, begin, end):
        """Whether a broker that was there at BEGIN may have been dead at END."""
        return any(life.kill <= end and life.dead >= begin for life in self.lives)

    def life_after(self, time):
        """The one that followed the one of TIME, or None."""
        for life, following in zip(self.lives, self.lives[1:]):
            if life.dead >= time:
                return following
        return None

    # ---- for how long it was there ----

    def certain_until(self, session, but=None):
        """It was certainly there from session.acked to here: what frees it cannot have come before.
        BUT: a Release that is not to count."""
        promised = min(self.deadline(session), self.owner_end(session))
        return min(max(session.proved(), promised), session.first_release(but))

    def deadline(self, session):
        """The earliest at which a deadline may free it."""
        if self.pools[session.pool].holds and "detached" not in session.values("owner", 0, NEVER):
            return NEVER
        timeouts = [session.request.first_value("timeout_ms")]
        bound = after(session.request.first.intent, timeouts)
        for call in session.calls[1:]:
            if call.method not in ("Renew", "Start") or not call.may_apply():
                continue
            given = call.parameters.get("timeout_ms")
            new = timeouts if given is None else [given]
            if call.is_ok:
                timeouts, bound = new, after(call.intent, new)
            else:
                timeouts = timeouts + new
                bound = min(bound, after(call.intent, new))
        return bound

    def owner_end(self, session):
        """The earliest at which the loss of its owner may free it."""
        owners = session.values("owner", session.proved(), NEVER)
        bound = NEVER
        if owners != ["detached"]:
            bound = session.request.worker.killing
        if "connection" in owners:
            bound = min(bound, self.connection_end(session))
        return bound

    def connection_end(self, session):
        claim = max(c.intent for c in session.calls if c.is_ok and c.method in ("Create", "Attach"))
        bound = session.request.worker.first_close(claim)
        orphaned = self.life_after(claim)
        if orphaned and not self.pools[session.pool].holds:
            bound = min(bound, orphaned.spawn + self.grace)
        return bound

    def possible_until(self, session):
        """It was certainly not there any more after this."""
        ends = [session.absent]
        ends += [c.done for c in session.releases() if c.is_ok]
        ends += [c.done for c in session.calls if c.error in GONE]
        return min(ends)

    def certain_sessions(self, begin, end):
        """Those that were certainly there from BEGIN to END."""
        return [s for s in self.sessions.values()
                if s.acked < begin and self.certain_until(s) > end]

    def wanted(self):
        return Wanted(self)

    # ---- letting go ----

    def forget(self, before):
        """Drop what was over before BEFORE: it can have met nothing that is still to come."""
        self.fresh_calls = []
        over = [c for c in self.calls if (c.done or c.lost or NEVER) < before]
        self.calls = [c for c in self.calls if (c.done or c.lost or NEVER) >= before]
        self.floor = max([self.floor] + [c.result["fence"] for c in over if c.is_ok])
        self.floor_at = before
        for request in list(self.requests.values()):
            if request.unresolved_until() < before and \
                    all(self.possible_until(s) < before for s in request.sessions):
                del self.requests[request.id]
                for session in request.sessions:
                    del self.sessions[session.id]


class Wanted:
    """The most that can have been in use, or waited for."""

    def __init__(self, history):
        self.spans = {name: [] for name in history.pools}
        for request in history.requests.values():
            if request.was_turned_away():
                continue
            until = max([history.possible_until(s) for s in request.sessions] + [request.unresolved_until()])
            self.spans[request.wants("pool")].append((request.first.intent, until, request))

    def units(self, pool, begin, end, but=None, waiter=None):
        """At any time from BEGIN to END, without those of the request BUT; in front of WAITER, a
        call, if one is given."""
        return sum(r.wants("units", 1) for first, until, r in self.spans[pool]
                   if first <= end and until >= begin and r is not but and not is_behind(r, waiter))


def is_behind(request, waiter):
    """It came when WAITER waited already, so it holds nothing before that wait is over."""
    return waiter is not None and waiter.queued is not None and request.first.intent > waiter.queued and \
        request.wants("priority", 0) <= waiter.request.wants("priority", 0)


def after(time, timeouts_ms):
    return min((time + t * MS if t >= 0 else NEVER) for t in timeouts_ms)
