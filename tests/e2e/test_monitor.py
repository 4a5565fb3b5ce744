# SPDX-License-Identifier: MIT
"""Monitor: the events of a busy broker, replayed, give the table that List shows."""
import random
import threading
import unittest

from broker import BrokerTest, Refused, wait_for


class Watcher:
    """Follows a stream of events as the interface text says."""

    def __init__(self, client, **parameters):
        self.client = client
        self.sessions, self.pools, self.events = {}, {}, []
        self.sequence = 0
        client.send("Monitor", parameters, more=True)
        while self.take()["type"] != "ready":
            pass

    def take(self):
        event = self.client.result()["event"]
        if event["sequence"] < self.sequence:
            raise AssertionError("events out of order")
        if event["type"] not in ("snapshot", "ready"):
            self.sequence = event["sequence"]
            self.events.append(event)
        if "pool" in event:
            self.pools[event["pool"]["pool"]] = event["pool"]
        session = event.get("session")
        if session and event["type"] == "ended":
            self.sessions.pop(session["session_id"], None)
        elif session:
            self.sessions[session["session_id"]] = session
        return event

    def take_until(self, kind):
        while True:
            event = self.take()
            if event["type"] == kind:
                return event


def comparable(session):
    """What does not change by the mere passing of time."""
    return {k: v for k, v in session.items()
            if k not in ("remaining_ms", "queued", "expires_at")}


class Monitor(BrokerTest):
    CONFIG = ("[broker]\nsocket_mode = 0666\nmax_output = 8M\n"
              "[pool p]\nlimit = 3\n[pool hold]\non_timeout = hold\n")
    OPTIONS = ("--workers", "2")

    def test_it_needs_more(self):
        self.assertRefused("ExpectedMore", self.client(), "Monitor")

    def test_what_it_is_about_must_be_there(self):
        client = self.client()
        for parameters, name in (({"pool": "none"}, "NoSuchPool"),
                                 ({"session_id": "session_000000000000"}, "NoSuchSession"),
                                 ({"session_id": "nonsense"}, "NoSuchSession")):
            client.send("Monitor", parameters, more=True)
            with self.assertRaises(Refused) as caught:
                client.result()
            self.assertEqual(caught.exception.name, name)
        self.assertEqual(client.metrics()["watchers"], 0)

    def test_each_kind_of_event_is_told(self):
        client, other, admin = self.client(), self.client(), self.client()
        watcher = Watcher(self.client())
        a = client.create(pool="p", units=3)["session_id"]
        other.wait(pool="p")
        self.assertEqual(watcher.take_until("queued")["session"]["state"], "waiting")
        client.call("Start", session_id=a)
        client.call("Renew", session_id=a, timeout_ms=60000)
        admin.call("Revoke", session_id=a, reason="maintenance")
        client.call("Release", session_id=a, outcome="error")
        b = other.result()["session_id"]
        client.create(pool="hold", timeout_ms=20)
        watcher.take_until("overdue")
        self.assertRefused("NoSuchPool", client, "Create", {"pool": "none"})
        self.assertRefused("CapacityReached", client, "Create", {"pool": "p", "units": 3})
        admin.call("SetPool", pool="p", limit=2)
        admin.send("Drain", {"timeout_ms": 0})
        admin.result()
        admin.call("Resume")
        other.call("Release", session_id=b)
        while watcher.take_until("ended")["session"]["session_id"] != b:
            pass
        kinds = [e["type"] for e in watcher.events]
        self.assertEqual(kinds[:9], ["created", "queued", "started", "renewed", "revoking", "ended",
                                     "granted", "created", "overdue"])
        self.assertEqual([k for k in kinds[9:] if k not in ("pool", "overdue")],
                         ["refused", "refused", "drain", "drain", "ended"])
        by_kind = {e["type"]: e for e in watcher.events}
        self.assertEqual(by_kind["revoking"]["reason"], "maintenance")
        self.assertEqual(by_kind["refused"]["error"], "io.usher.Broker.CapacityReached")
        self.assertEqual(by_kind["refused"]["pool_name"], "p")
        self.assertEqual(watcher.pools["p"]["limit"], 2)
        ended = [e for e in watcher.events if e["type"] == "ended"]
        self.assertEqual([e["outcome"] for e in ended], ["error", "completed"])
        granted = by_kind["granted"]
        self.assertEqual(granted["sequence"], ended[0]["sequence"])  # one lock section
        self.assertEqual(granted["session"]["slots"], [0])

    def test_one_session_is_watched_to_its_end(self):
        client = self.client()
        a = client.create()["session_id"]
        b = client.create()["session_id"]
        watcher = Watcher(self.client(), session_id=a)
        self.assertEqual(list(watcher.sessions), [a])
        client.call("Start", session_id=b)
        client.call("Start", session_id=a)
        client.call("Release", session_id=a)
        self.assertEqual(watcher.take()["type"], "started")
        last = watcher.client.receive()
        self.assertEqual(last["parameters"]["event"]["type"], "ended")
        self.assertNotIn("continues", last)
        self.assertEqual(watcher.client.create()["slots"], [0])  # and the connection goes on

    def test_one_pool_is_watched(self):
        client = self.client()
        watcher = Watcher(self.client(), pool="p")
        self.assertEqual(list(watcher.pools), ["p"])
        client.create()
        client.create(pool="p")
        self.assertEqual(watcher.take()["session"]["pool"], "p")

    def test_own_sessions_only(self):
        self.skip_unless_root()
        watcher = Watcher(self.client(), own=True)
        self.client(1001).create()
        mine = self.client().create(owner="detached")["session_id"]
        self.assertEqual(watcher.take()["session"]["session_id"], mine)

    def test_others_secrets_are_not_told(self):
        self.skip_unless_root()
        watcher = Watcher(self.client(1002))
        secret = self.client(1001)
        session = secret.create(label="l", metadata={"a": 1})["session_id"]
        self.client().call("Revoke", session_id=session, reason="because")
        for event in (watcher.take(), watcher.take()):
            self.assertEqual(event["session"]["session_id"], session)
            self.assertFalse({"label", "metadata"} & set(event["session"]))
            self.assertNotIn("reason", event)

    def test_the_events_replayed_give_what_list_shows(self):
        """Three watchers that begin at different moments, four clients that do all sorts of things."""
        watchers = [Watcher(self.client())]
        for seed in range(3):
            workers = [threading.Thread(target=self.work, args=(seed * 10 + i,)) for i in range(4)]
            for worker in workers:
                worker.start()
            watchers.append(Watcher(self.client()))
            for worker in workers:
                while worker.is_alive():
                    for watcher in watchers:
                        while watcher.client.has_reply():
                            watcher.take()
        admin = self.client()
        admin.call("SetPool", pool="last", limit=1)  # what comes last
        for watcher in watchers:
            while "last" not in watcher.pools:
                watcher.take()
            listed = {}
            admin.send("List", more=True)
            while True:
                reply = admin.receive()
                if "continues" not in reply:
                    break
                session = reply["parameters"]["session"]
                listed[session["session_id"]] = comparable(session)
            self.assertEqual({k: comparable(v) for k, v in watcher.sessions.items()}, listed)
            self.assertGreater(len(listed), 10)

    def work(self, seed):
        rng = random.Random(seed)
        client, held, waiting = self.client(), [], []
        for _ in range(150):
            try:
                self.step(rng, client, held, waiting)
            except Refused:
                pass

    def step(self, rng, client, held, waiting):
        what = rng.random()
        if what < 0.3:
            held.append(client.create(pool=rng.choice(["p", "default"]), owner=rng.choice(
                ["connection", "detached", "process"]), timeout_ms=60000)["session_id"])
        elif what < 0.4:
            waiting.append(self.client())
            waiting[-1].wait(pool="p", units=rng.randint(1, 2))
        elif what < 0.5 and waiting:
            waiting.pop(rng.randrange(len(waiting))).close()
        elif what < 0.6 and held:
            client.call("Start", session_id=rng.choice(held))
        elif what < 0.7 and held:
            client.call("Renew", session_id=rng.choice(held))
        elif what < 0.8 and held:
            client.call("Update", session_id=rng.choice(held), metadata={"n": rng.random()})
        elif what < 0.85 and held:
            client.call("Attach", session_id=rng.choice(held))
        elif held:
            client.call("Release", session_id=held.pop(rng.randrange(len(held))))


class Bounds(BrokerTest):
    CONFIG = "[broker]\nmax_output = 64K\nio_timeout = 1s\n[pool default]\nlimit = 2000\n"
    OPTIONS = ("--workers", "2")

    def test_a_watcher_that_does_not_read_is_cut_off_and_slows_nobody(self):
        deaf, client = self.client(), self.client()
        deaf.send("Monitor", more=True)
        wait_for(lambda: client.metrics()["watchers"] == 1, "the watcher")
        watcher = Watcher(self.client())
        reader = threading.Thread(target=lambda: [watcher.take() for _ in range(4000)])
        reader.start()
        for _ in range(2000):
            client.call("Release", session_id=client.create()["session_id"])
        reader.join(60)
        self.assertFalse(reader.is_alive())
        self.assertEqual(client.metrics()["connections_dropped"], 1)
        self.assertTrue(deaf.is_closed())

    def test_a_burst_is_not_taken_for_deafness(self):
        watcher, client = Watcher(self.client()), self.client()
        for _ in range(1500):
            client.create(pool="default", owner="connection")
            watcher.take_until("created")
        client.close()  # 1500 ends at once
        for _ in range(1500):
            watcher.take_until("ended")

    def test_many_watchers_do_not_keep_others_waiting(self):
        watchers = [Watcher(self.client(), pool="default") for _ in range(100)]
        client = self.client()
        sessions = [client.create()["session_id"] for _ in range(20)]
        for session in sessions:
            client.call("Release", session_id=session)
        for watcher in watchers:
            for _ in sessions:
                watcher.take_until("ended")


if __name__ == "__main__":
    unittest.main()
