# SPDX-License-Identifier: MIT
"""What must be true of a history: each rule is a function that yields (kind, key, text) for each
violation. A certain interval is one that no order of events could make shorter, so a violation is
never a matter of luck.

lost: what was acknowledged is not there. invented: what nobody asked for, or what has ended, is.
admission: more units, or the same slot, held at one time than there are."""
import bisect

from history import GONE, MS, NEVER

SLACK = 3000 * MS  # for what is to happen by itself, on a machine that has other things to do
ROOM_FOR = 50 * MS  # a waiter is granted what has been free for as long as this


# ---- single answers ----

def answers(history):
    for call in history.fresh_calls:
        if call.unanswered is not None:
            yield "unanswered", id(call), f"{call}: no answer"
        if call.lost is not None and not history.may_have_died(call.connected, call.lost):
            yield "hung up", id(call), f"{call}: the living broker closed the connection"
        if call.error:
            yield from refusal(history, call)
        elif call.is_ok and call.method == "Create":
            yield from grant(history, call)
        elif call.is_ok and not call.session:
            yield "invented", id(call), f"{call}: answered, but the session had gone long before"
        elif call.row:
            yield from row_of(history, call.session, call.row, call.row_metadata, call.intent, call.done)


def refusal(history, call):
    if call.method == "Create":
        if call.error not in ("CapacityReached", "WaitTimeout"):
            yield "unexpected", id(call), f"{call}: {call.error} {call.result}"
        for session in call.request.sessions:
            if session.acked < call.intent and certain_beside(history, session, call) > call.done:
                yield "lost", session.id, f"{call}: {call.error}, but {session.id} was certainly there"
    elif call.error not in GONE:
        yield "unexpected", id(call), f"{call}: {call.error} {call.result}"
    elif call.session and certain_beside(history, call.session, call) > call.done:
        yield "lost", call.session.id, f"{call}: {call.error}, but {call.session.id} was certainly there"
    elif call.session and call.result.get("outcome") in ("completed", "error", "cancelled"):
        if call.result["outcome"] not in [c.parameters["outcome"] for c in call.session.releases()]:
            yield "invented", call.session.id, f"{call}: {call.result}, but nobody released it so"


def certain_beside(history, session, call):
    return history.certain_until(session, but=call)


def grant(history, call):
    told, request, limit = call.result, call.request, history.pools[call.request.wants("pool")].limit
    if told["request_id"] != request.id or told["pool"] != request.wants("pool"):
        yield "altered", id(call), f"{call}: asked {call.parameters}, told {told}"
    slots = told["slots"]
    if len(set(slots)) != request.wants("units", 1) or not all(0 <= s < limit for s in slots):
        yield "admission", call.session.id, f"{call}: slots {slots} of {limit}"
    if (slots, told["fence"]) != (call.session.slots, call.session.fence):
        yield "altered", id(call), f"{call}: told {told}, earlier {call.session}"
    is_first = call is request.first
    if told.get("existing") and is_first:
        yield "invented", id(call), f"{call}: existing at the first request"
    for session in request.sessions:
        if session is not call.session and session.acked < call.intent and \
                history.certain_until(session) > call.done:
            yield "invented", call.session.id, f"{call}: a second session beside {session.id}"


# ---- what a look at the table showed ----

def listed(history, look):
    """LOOK: {"t", "end", "rows"}, of a List that began at t and had ended at end."""
    begin, end, rows = look["t"], look["end"], look["rows"]
    ids = {row["session_id"] for row in rows}
    for session in history.certain_sessions(begin, end):
        if session.id not in ids:
            yield "lost", session.id, f"{session.id} of {session.request.id} is not in the List " \
                f"{begin / 1e9:.3f}..{end / 1e9:.3f}; acknowledged at {session.acked / 1e9:.3f}"
    seen = set()
    for row in rows:
        if row["request_id"] in seen:
            yield "invented", row["session_id"], f"two sessions of request {row['request_id']}"
        seen.add(row["request_id"])
        yield from listed_row(history, row, begin, end)
    yield from shared_slots(history, rows, end)
    note_absent(history, ids, seen, begin, end)


def listed_row(history, row, begin, end):
    request, session = history.requests.get(row["request_id"]), history.sessions.get(row["session_id"])
    if request is None or request.first.intent > end:
        yield "invented", row["session_id"], f"nobody has asked for {row}"
    elif row["state"] == "waiting":
        yield from waiting(request, session, row, begin)
    elif session is None:
        yield from unacknowledged(history, request, row, begin)
    else:
        if history.possible_until(session) < begin:
            yield "invented", row["session_id"], f"{row['session_id']} of {request.id} has ended, but is listed"
        yield from row_of(history, session, row, row.get("metadata"), begin, end)
        yield from overstay(history, session, begin)


def waiting(request, session, row, begin):
    if "wait_ms" not in request.first.parameters:
        yield "invented", row["session_id"], f"{request.id} waits, but did not ask to"
    if session and session.acked < begin:
        yield "altered", row["session_id"], f"{row['session_id']} was granted, but waits"
    elif request.unresolved_until() < begin:
        yield "invented", row["session_id"], f"{request.id} was answered, but waits"


def unacknowledged(history, request, row, begin):
    """A session whose Create may have been answered by a reply that was lost."""
    if request.unresolved_until() < begin:
        yield "invented", row["session_id"], f"{request.id} was refused or has another session, but is listed: {row}"
    for name in ("pool", "owner", "timeout_ms"):
        if row[name] != request.wants(name):
            yield "altered", row["session_id"], f"{name} of {row}: asked for {request.first.parameters}"
    if row.get("metadata") != request.first.metadata:
        yield "altered", row["session_id"], f"metadata {row.get('metadata')} for {request.first.metadata}"
    if row["owner"] != "detached" and begin > settled(history, request.worker.killed) + SLACK:
        yield "overstayed", row["session_id"], f"{row['session_id']} outlives its process"


def row_of(history, session, row, metadata, begin, end):
    request = session.request
    fixed = {"session_id": session.id, "request_id": request.id, "pool": session.pool,
             "slots": session.slots, "units": session.units, "fence": session.fence,
             "priority": request.wants("priority", 0), "label": request.wants("label"),
             "pid": request.worker.pid}
    for name, value in fixed.items():
        if row.get(name) != value:
            yield "altered", (session.id, name), f"{name} of {session.id} is {row.get(name)}, not {value}"
    for name in ("state", "owner", "timeout_ms", "metadata"):
        value = metadata if name == "metadata" else row.get(name)
        if value not in session.values(name, begin, end):
            yield "altered", (session.id, name), \
                f"{name} of {session.id} is {value}, not one of {session.values(name, begin, end)}"
    if row["orphaned"] not in orphaned(history, session, begin, end):
        yield "altered", (session.id, "orphaned", begin), f"{session.id} is {'' if row['orphaned'] else 'not '}orphaned"


def orphaned(history, session, begin, end):
    """What may be told: a connection's session is an orphan from the broker's death until it is
    claimed."""
    owners = session.values("owner", begin, end)
    if "connection" not in owners:
        return {False}
    spawn = max(life.spawn for life in history.lives if life.spawn <= begin)
    claims = [c for c in session.calls + session.request.calls if c.method in ("Create", "Attach")
              and c.may_apply() and spawn <= c.intent <= end]
    if any(c.done and c.done < begin for c in claims):
        return {False}
    return {True, False} if claims or owners != ["connection"] else {True}


def shared_slots(history, rows, end):
    holders = {}
    for row in rows:
        for slot in row["slots"]:
            holders.setdefault((row["pool"], slot), []).append(row["session_id"])
    for (pool, slot), ids in holders.items():
        # The list is not of one moment: one may have gone before the other came.
        sure = [s for s in (history.sessions.get(i) for i in ids) if s and history.certain_until(s) > end]
        if len(ids) > 1 and sure:
            yield "admission", (pool, slot, *ids), f"slot {slot} of {pool} is held by {ids}"


def note_absent(history, ids, requests, begin, end):
    for session in history.sessions.values():
        if session.id not in ids and session.acked < begin:
            session.absent = min(session.absent, end)
    for request in history.requests.values():
        if request.id not in requests and request.worker.killed + SLACK < begin:
            request.absent = min(request.absent, end)


# ---- what is to end by itself ----

def settled(history, time):
    """When the broker that is there now could have seen what happened at TIME."""
    return max(time, history.lives[-1].ready)


def overstay(history, session, begin):
    latest = min(owner_latest(history, session), deadline_latest(history, session))
    if begin > latest + SLACK:
        yield "overstayed", session.id, f"{session.id} ({session.pool}, {session.values('owner', 0, NEVER)}) " \
            f"was to end by {latest / 1e9:.3f}, listed at {begin / 1e9:.3f}"


def owner_latest(history, session):
    owners = session.values("owner", session.proved(), NEVER)
    if "detached" in owners:
        return NEVER
    latest = settled(history, session.request.worker.killed)
    if owners == ["connection"] and not history.pools[session.pool].holds:
        latest = min(latest, connection_latest(history, session))
    return latest


def connection_latest(history, session):
    """Closed, or orphaned and not attached: the grace begins anew with each life of the broker."""
    claims = [c for c in session.calls if c.method in ("Create", "Attach") and c.may_apply()]
    lost = session.request.worker.first_close(claims[0].intent)
    orphaned = history.life_after(claims[-1].done or claims[-1].lost or NEVER)
    if orphaned:
        lost = min(lost, orphaned.spawn)
    if lost == NEVER:
        return NEVER
    return settled(history, lost) + history.grace


def deadline_latest(history, session):
    timeouts = [session.request.wants("timeout_ms", -1)]
    timeouts += [c.parameters["timeout_ms"] for c in session.calls
                 if c.method == "Renew" and "timeout_ms" in c.parameters and c.may_apply()]
    if history.pools[session.pool].holds or -1 in timeouts:
        return NEVER
    last = max(c.done or c.lost or c.unanswered or NEVER for c in session.calls)
    return settled(history, last) + max(timeouts) * MS


# ---- numbers ----

def pools(history, look):
    """LOOK: {"t", "end", "pools"} of ListPools."""
    sure = history.certain_sessions(look["t"], look["end"])
    wanted = history.wanted()
    for pool in look["pools"]:
        name = pool["pool"]
        if name not in history.pools:
            continue
        units = sum(s.units for s in sure if s.pool == name)
        if pool["used_units"] > history.pools[name].limit or pool["over"]:
            yield "admission", (name, look["t"]), f"{name} is over its limit: {pool}"
        if pool["used_units"] < units:
            yield "lost", (name, look["t"]), f"{name} uses {pool['used_units']}, {units} are certainly held"
        possible = wanted.units(name, look["t"], look["end"])
        if pool["used_units"] > possible:
            yield "invented", (name, look["t"]), f"{name} uses {pool['used_units']}, {possible} at most were asked for"


OUTCOMES = ("completed", "error", "cancelled", "timeout", "abandoned", "revoked")


def metrics(history, look, earlier):
    """LOOK: {"t", "end", "metrics"} of GetMetrics; EARLIER: the metrics of the one before, or {}."""
    told, begin, end = look["metrics"], look["t"], look["end"]
    created = told["lifetime_total_created"]
    ended = {o: told["lifetime_total_" + o] for o in OUTCOMES}
    if created != told["active_sessions"] + sum(ended.values()):
        yield "counters", begin, f"created {created} is not active {told['active_sessions']} + {ended}"
    if told["metadata_bytes_drift"]:
        yield "counters", begin, f"the metadata's sum drifts by {told['metadata_bytes_drift']}"
    yield from between("created", created, count(history.acks, begin), count(history.creates, end), begin)
    for outcome in ("completed", "error", "cancelled"):
        sent, answered = history.ends.get(outcome, ([], []))
        yield from between(outcome, ended[outcome], count(answered, begin), count(sent, end), begin)
    for name in ("lifetime_total_" + o for o in ("created", *OUTCOMES)):
        if told[name] < earlier.get(name, 0):
            yield "counters", (name, begin), f"{name} went back from {earlier[name]} to {told[name]}"


def count(times, until):
    return bisect.bisect_left(times, until)


def between(name, value, low, high, key):
    if not low <= value <= high:
        yield "counters", (name, key), f"{name} is {value}; {low} were acknowledged, {high} asked for"


def verified(look):
    if look["verify"] != {"ok": True, "findings": []}:
        yield "verify", look["t"], f"Verify: {look['verify']}"


# ---- over time ----

def intervals(history):
    """No pool over its limit, no slot held by two, by what was certainly held."""
    for name, pool in history.pools.items():
        held = [(s.acked, history.certain_until(s), s) for s in history.sessions.values() if s.pool == name]
        held = [h for h in held if h[0] < h[1]]
        yield from over_limit(name, pool.limit, held)
        yield from same_slot(name, held)


def over_limit(name, limit, held):
    edges = sorted([(end, -s.units, s) for _, end, s in held] + [(begin, s.units, s) for begin, _, s in held],
                   key=lambda e: e[:2])
    used = 0
    for time, units, session in edges:
        used += units
        if units > 0 and used > limit:
            yield "admission", ("limit", session.id), f"{used} of {limit} units of {name} held at {time / 1e9:.3f} " \
                f"with {session.id}"


def same_slot(name, held):
    ends = {}  # by slot: until when it is held, and by which session
    for begin, end, session in sorted(held, key=lambda h: h[:2]):
        for slot in session.slots:
            until, holder = ends.get(slot, (0, None))
            if begin < until:
                yield "admission", (slot, holder.id, session.id), \
                    f"slot {slot} of {name} held by {holder.id} and {session.id} at {begin / 1e9:.3f}"
            if end > until:
                ends[slot] = (end, session)


def granted(history):
    return [c for c in history.calls if c.is_ok and not c.result.get("existing")]


def fences(history):
    """What was asked for after a grant was acknowledged has a larger fence."""
    owners = {}
    for call in granted(history):
        other = owners.setdefault(call.result["fence"], call.session)
        if other is not call.session:
            yield "fence", call.session.id, f"{other.id} and {call.session.id} have the same fence"
    steps = [(c.done, 1, c) for c in history.calls if c.is_ok] + [(c.intent, 0, c) for c in granted(history)]
    highest, below = 0, {}
    for time, is_done, call in sorted(steps, key=lambda e: e[:2]):
        if time > history.floor_at:
            highest = max(highest, history.floor)
        if not is_done:
            below[id(call)] = highest
            continue
        fence = call.result["fence"]
        if fence <= below.get(id(call), 0):
            yield "fence", call.session.id, f"{call} got fence {fence}, {below[id(call)]} was given before"
        highest = max(highest, fence)


def order(history):
    """Between waiters of one user, the order of their coming holds within one life of the broker; a
    priority is only ever a head start."""
    new = granted(history)
    for first in history.calls:
        if first.queued is None or first.done is None or (first.is_ok and first.result.get("existing")):
            continue
        for later in new:
            if later.request.wants("pool") == first.request.wants("pool") and \
                    later.intent > first.queued and priority(later) <= priority(first) and \
                    is_passed(first, later):
                yield "order", (id(first), id(later)), f"{later} passed {first}"


def priority(call):
    return call.request.wants("priority", 0)


def is_passed(first, later):
    if first.is_ok:
        return later.result["fence"] < first.result["fence"]
    return first.error == "WaitTimeout" and later.done < first.intent + first.parameters["wait_ms"] * MS


def refusals(history):
    """Who was refused, or waited in vain, would not have fitted."""
    wanted = history.wanted()
    for call in history.fresh_calls:
        if call.error not in ("CapacityReached", "WaitTimeout") or call.method != "Create":
            continue
        begin, waiter = call.intent, None
        if call.error == "WaitTimeout":
            begin = max(call.queued or 0, call.intent + call.parameters["wait_ms"] * MS - ROOM_FOR)
            waiter = call
        name, units = call.request.wants("pool"), call.request.wants("units", 1)
        used = wanted.units(name, begin, call.done, but=call.request, waiter=waiter)
        if used + units <= history.pools[name].limit:
            yield "idle", id(call), f"{call}: {call.error} for {units} units of {name}, but at most {used} " \
                f"of {history.pools[name].limit} were in use"
