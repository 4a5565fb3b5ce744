# SPDX-License-Identifier: MIT
"""The life of sessions: owners, deadlines, rights, lists, pools."""
import collections
import grp
import os
import signal
import socket
import threading
import time
import unittest

from broker import BrokerTest, stop, wait_for

HOLD = "[pool held]\nlimit = 2\non_timeout = hold\n[pool short]\nmax_duration = 80ms\n" \
       "[pool ranged]\nmax_timeout = 1min\n"


class Life(BrokerTest):
    CONFIG = HOLD
    OPTIONS = ("--workers", "2")

    def test_transitions_are_strict(self):
        client = self.client()
        session_id = client.create()["session_id"]
        client.call("Start", session_id=session_id)
        self.assertRefused("InvalidState", client, "Start", {"session_id": session_id},
                           state="processing")
        client.call("Release", session_id=session_id, outcome="error", result="out of luck")
        self.assertRefused("SessionEnded", client, "Release", {"session_id": session_id},
                           outcome="error")
        self.assertRefused("NoSuchSession", client, "Get", {"session_id": "session_000000000000"})
        self.assertRefused("NoSuchSession", client, "Get", {"session_id": "what?"})
        self.assertEqual(client.call("History")["sessions"][0]["result"], "out of luck")

    def test_the_end_of_a_connection_abandons_its_sessions(self):
        owner, other = self.client(), self.client()
        for _ in range(20):
            owner.create()
        kept = owner.create(owner="detached")
        self.assertEqual(kept["slots"], [20])
        owner.close()
        wait_for(lambda: other.metrics()["lifetime_total_abandoned"] == 20, "the abandoned")
        self.assertEqual(other.call("Get", session_id=kept["session_id"])["session"]["owner"],
                         "detached")
        self.assertEqual(other.create()["slots"], [0])

    def test_attach_moves_a_session_to_another_connection(self):
        first, second = self.client(), self.client()
        session_id = first.create()["session_id"]
        self.assertEqual(second.call("Attach", session_id=session_id)["session"]["owner"],
                         "connection")
        first.close()
        second.call("Renew", session_id=session_id)
        detached = second.call("Attach", session_id=session_id, owner="detached")["session"]
        self.assertEqual(detached["timeout_ms"], 30000)
        second.close()
        self.assertEqual(self.client().call("Get", session_id=session_id)["session"]["owner"],
                         "detached")

    def test_hold_keeps_the_slot_and_marks_it_overdue(self):
        client = self.client()
        session_id = client.create(pool="held", timeout_ms=10)["session_id"]
        get = lambda: client.call("Get", session_id=session_id)["session"]
        wait_for(lambda: get()["overdue"], "overdue")
        self.assertEqual(client.metrics()["overdue"], 1)
        client.create(pool="held")
        self.assertRefused("CapacityReached", client, "Create", {"pool": "held"})
        client.call("Renew", session_id=session_id, timeout_ms=60000)
        self.assertFalse(get()["overdue"])
        client.call("Release", session_id=session_id)

    def test_max_duration_ends_a_session_whatever_is_renewed(self):
        client = self.client()
        session_id = client.create(pool="short", timeout_ms=60000)["session_id"]
        client.call("Renew", session_id=session_id, timeout_ms=60000)
        wait_for(lambda: client.metrics()["lifetime_total_timeout"] == 1, "max_duration")

    def test_timeouts_out_of_range_are_refused(self):
        client = self.client()
        for timeout_ms in (0, -2, 60001, -1):
            self.assertRefused("TimeoutOutOfRange", client, "Create",
                               {"pool": "ranged", "timeout_ms": timeout_ms},
                               timeout_ms=timeout_ms, max_timeout_ms=60000)
        session = client.create(pool="ranged")
        self.assertIn("expires_at", session)  # the default follows the maximum
        self.assertRefused("TimeoutOutOfRange", client, "Renew",
                           {"session_id": session["session_id"], "timeout_ms": 60001})
        self.assertRefused("TimeoutOutOfRange", client, "Create",
                           {"owner": "detached", "timeout_ms": -1})

    def test_a_stall_of_the_daemon_is_added_to_deadlines(self):
        client = self.client()
        session_id = client.create(timeout_ms=1500)["session_id"]
        stop(self.broker.process.pid)
        time.sleep(3)
        self.broker.process.send_signal(signal.SIGCONT)
        self.assertGreater(
            client.call("Get", session_id=session_id)["session"]["remaining_ms"], 0)
        wait_for(lambda: client.metrics()["lifetime_total_timeout"] == 1, "the deadline after all")

    def test_units_take_the_lowest_free_slots(self):
        client = self.client()
        a = client.create(units=3)
        b = client.create(units=2)
        self.assertEqual((a["slots"], b["slots"]), ([0, 1, 2], [3, 4]))
        client.call("Release", session_id=a["session_id"])
        self.assertEqual(client.create(units=4)["slots"], [0, 1, 2, 5])
        self.assertRefused("InvalidParameter", client, "Create", {"pool": "held", "units": 3},
                           parameter="units")
        self.assertGreater(b["fence"], a["fence"])

    def test_revoke_marks_and_with_force_ends(self):
        client = self.client()
        session_id = client.create()["session_id"]
        client.call("Revoke", session_id=session_id, reason="maintenance")
        self.assertTrue(client.call("Get", session_id=session_id)["session"]["revoking"])
        client.call("Revoke", session_id=session_id, force=True)
        self.assertRefused("SessionEnded", client, "Renew", {"session_id": session_id},
                           outcome="revoked")


class Rights(BrokerTest):
    """Another user sees, but may not act; unless a group lets it."""

    USER, DAEMON = 65533, 1  # a user of no group; a group that there is everywhere
    CONFIG = f"[broker]\nsocket_mode = 0666\nadmin_group = {grp.getgrgid(DAEMON).gr_name}\n" \
             f"[pool default]\n[pool theirs]\nallow = @{grp.getgrgid(DAEMON).gr_name}\n"

    def setUp(self):
        super().setUp()
        self.skip_unless_root()

    def test_another_user_sees_no_metadata_and_may_not_act(self):
        session_id = self.client().create(metadata={"secret": 1}, label="l", request_id="r")["session_id"]
        other = self.client(self.USER)
        seen = other.call("Get", session_id=session_id)["session"]
        self.assertFalse({"metadata", "label"} & set(seen))
        self.assertGreater(seen["metadata_bytes"], 0)
        for method in ("Start", "Renew", "Release", "Attach", "Revoke"):
            self.assertRefused("PermissionDenied", other, method, {"session_id": session_id})
        self.assertRefused("PermissionDenied", other, "Update", {"session_id": session_id, "metadata": {}})
        for method in ("ResetMetrics", "Drain", "Reload", "Pause", "Resume"):
            self.assertRefused("PermissionDenied", other, method)
        self.assertRefused("PermissionDenied", other, "SetPool", {"pool": "p"})
        self.assertRefused("NoSuchSession", other, "Get", {"request_id": "r"})
        self.assertEqual(other.call("List", where={"secret": 1})["sessions"], [])
        self.assertEqual(other.call("List", label="l")["sessions"], [])
        self.assertEqual(len(other.call("List")["sessions"]), 1)

    def test_members_of_the_admin_group_are_admins(self):
        session_id = self.client().create(metadata={"secret": 1})["session_id"]
        for groups in {"gid": self.DAEMON}, {"groups": [self.DAEMON]}, {"groups": [7, self.DAEMON, 9]}:
            with self.subTest(**groups):
                member = self.client(self.USER, **groups)
                self.assertEqual(member.call("Get", session_id=session_id)["session"]["metadata"], {"secret": 1})
                member.call("ResetMetrics")
        for groups in {"gid": 7}, {"groups": [7, 9]}:
            with self.subTest(**groups):
                self.assertRefused("PermissionDenied", self.client(self.USER, **groups), "ResetMetrics")

    def test_what_an_admin_does_to_others_sessions_is_logged(self):
        owner, admin = self.client(self.USER), self.client()
        ids = [client.create(pool="default", metadata={})["session_id"] for client in (owner, admin)]
        for session_id in ids:
            admin.call("Start", session_id=session_id)
            admin.call("Renew", session_id=session_id)
            admin.call("Update", session_id=session_id, metadata={"a": 1})
            admin.call("Attach", session_id=session_id, owner="detached")
            admin.call("Release", session_id=session_id)
        self.assertRefused("SessionEnded", admin, "Renew", {"session_id": ids[0]})
        log = self.broker.stop()
        for what in "started", "renewed", "updated", "attached", "released":
            self.assertRegex(log, rf"uid 0 pid \d+.* {what} {ids[0]} of uid {self.USER}\n")
        self.assertEqual(log.count(ids[0]), 5)
        self.assertNotIn(ids[1], log)

    def test_a_pool_may_be_for_a_group(self):
        for groups in {"gid": self.DAEMON}, {"groups": [7, self.DAEMON]}:
            with self.subTest(**groups):
                self.client(self.USER, **groups).create(pool="theirs")
        for groups in {}, {"gid": 7}, {"groups": [7, 9]}:
            with self.subTest(**groups):
                other = self.client(self.USER, **groups)
                self.assertRefused("PermissionDenied", other, "Create", {"pool": "theirs"})
                other.create()


class Lists(BrokerTest):
    CONFIG = "[pool default]\nlimit = 2000\n[pool other]\n"
    OPTIONS = ("--workers", "2")

    def stream(self, client, **parameters):
        client.send("List", parameters, more=True)
        found = []
        while True:
            reply = client.receive()
            if not reply.get("continues"):
                self.assertEqual(reply["parameters"], {})
                return found
            found.append(reply["parameters"]["session"])

    def test_pages_and_streams_give_every_session_in_order(self):
        client = self.client()
        made = [client.create(metadata={"n": n, "odd": n % 2 == 1}, label=f"l{n % 3}")["session_id"]
                for n in range(1234)]
        self.assertEqual([s["session_id"] for s in self.stream(client)], made)
        pages, cursor = [], {}
        while True:
            page = client.call("List", **cursor)
            self.assertLessEqual(len(page["sessions"]), 100)
            pages += page["sessions"]
            if "cursor" not in page:
                break
            cursor = {"cursor": page["cursor"]}
        self.assertEqual([s["session_id"] for s in pages], made)
        self.assertEqual([s["metadata"]["n"] for s in self.stream(client, where={"odd": True})],
                         list(range(1, 1234, 2)))
        self.assertEqual(len(self.stream(client, label="l0")), 412)
        self.assertEqual(len(self.stream(client, where={"n": 7.0, "odd": True})), 1)
        self.assertEqual(self.stream(client, pool="other"), [])
        self.assertEqual(len(self.stream(client, pid=os.getpid(), uid=os.getuid(), state="idle")), 1234)
        self.assertRefused("InvalidParameter", client, "List", {"cursor": "x"}, parameter="cursor")

    def test_a_cursor_whose_session_is_gone_goes_on(self):
        client = self.client()
        made = [client.create()["session_id"] for _ in range(150)]
        page = client.call("List")
        last = page["sessions"][-1]["session_id"]
        client.call("Release", session_id=last)
        rest = client.call("List", cursor=page["cursor"])["sessions"]
        self.assertEqual([s["session_id"] for s in rest], made[made.index(last) + 1:])


class Recounts(BrokerTest):
    """What looks at every session, in turns, while others begin and end some, on both loops."""
    CONFIG = "[pool default]\nlimit = 20000\n"
    OPTIONS = ("--workers", "2")
    SESSIONS = 5000

    def fill(self, client):
        for first in range(0, self.SESSIONS, 500):
            for n in range(first, first + 500):
                client.send("Create", {"metadata": {"n": n}})
            for n in range(500):
                client.result()

    def churn(self, client, stop, made):
        held = collections.deque()
        while not stop.is_set():
            for n in range(40):
                client.send("Create", {"metadata": {"more": made[0]}})
            held.extend(client.result()["session_id"] for n in range(40))
            made[0] += 40
            while len(held) > 300:
                client.call("Release", session_id=held.popleft())

    def test_counts_are_right_while_sessions_come_and_go(self):
        self.fill(self.client())
        stop, made = threading.Event(), [[0], [0]]
        threads = [threading.Thread(target=self.churn, args=(self.client(), stop, made[i]))
                   for i in range(2)]
        asking = self.client()
        for thread in threads:
            thread.start()
        try:
            for _ in range(25):
                asking.send("Verify")
                asking.send("GetMetrics")
                self.assertEqual(asking.result(), {"ok": True, "findings": []})
                metrics = asking.result()["metrics"]
                self.assertIdentity(metrics)
                self.assertGreaterEqual(metrics["active_sessions"], self.SESSIONS)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertGreater(min(made[0][0], made[1][0]), 40)

    def test_who_hangs_up_or_has_said_all(self):
        self.fill(self.client())
        for method in "Verify", "GetMetrics":
            gone, done = self.client(), self.client()
            gone.send(method)
            gone.close()
            done.send(method)
            done.socket.shutdown(socket.SHUT_WR)
            self.assertNotIn("error", done.receive())
            self.assertTrue(done.is_closed())
        listing = self.client()
        listing.send("List", more=True)
        listing.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(sum(1 for _ in iter(lambda: listing.receive().get("continues"), None)),
                         self.SESSIONS)

    def test_deadlines_pass_while_a_stream_with_a_call_behind_it_is_not_read(self):
        holder = self.client()
        self.fill(holder)
        for _ in range(4):  # each loop has some
            listing = self.client()
            listing.send("List", more=True)
            listing.send("ListPools")
            wait_for(listing.has_reply, "the stream")
        holder.call("SetPool", pool="one", limit=1)
        holder.create(pool="one", timeout_ms=20)
        waiter = self.client()
        waiter.send("Create", {"pool": "one", "wait_ms": 10000})
        self.assertEqual(waiter.result()["slots"], [0])


class Metadata(BrokerTest):
    TEXTS = [
        '{"n":9007199254740993}', '{"big":1e400,"small":-0,"x":1.0E+2}', '{"a":1,"a":2,"A":3}',
        '{ "spaced" : [ 1 ,\t2 ] }', '{"e":"\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e9 \\ud83d\\ude00"}',
        '{"raw":"é😀\u2028"}', '{}', '{"deep":' + "[" * 20 + "]" * 20 + "}",
    ]

    def test_metadata_comes_back_byte_for_byte(self):
        client = self.client()
        for text in self.TEXTS:
            client.send_raw(f'{{"method":"io.usher.Broker.Create","parameters":'
                            f'{{"metadata":{text}}}}}\0'.encode())
            created = client.result()
            self.assertEqual(created["metadata_bytes"], len(text.encode()))
            session_id = created["session_id"]
            for method in ("Get", "List"):
                client.call(method, **({"session_id": session_id} if method == "Get" else {}))
                self.assertIn(b'"metadata":' + text.encode() + b',"metadata_bytes":', client.raw)
            client.send_raw(f'{{"method":"io.usher.Broker.Update","parameters":{{"session_id":'
                            f'"{session_id}","metadata":{text}}}}}\0'.encode())
            self.assertEqual(client.result()["metadata_bytes"], len(text.encode()))


class Pools(BrokerTest):
    CONFIG = "[pool a]\nlimit = 3\n[pool b]\n"

    def pools(self, client):
        return {p["pool"]: p for p in client.call("ListPools")["pools"]}

    def test_a_shrunk_pool_is_over_until_it_has_drained(self):
        client = self.client()
        held = [client.create(pool="a") for _ in range(3)]
        changed = client.call("SetPool", pool="a", limit=1)["pool"]
        self.assertEqual((changed["over"], changed["source"]), (2, "runtime"))
        for session in held:
            self.assertRefused("CapacityReached", client, "Create", {"pool": "a"}, limit=1)
            client.call("Release", session_id=session["session_id"])
        self.assertEqual(client.create(pool="a")["slots"], [0])
        client.call("SetPool", pool="a", limit=1000)
        self.assertEqual(client.create(pool="a", units=999)["slots"], list(range(1, 1000)))

    def test_reload_lets_the_files_win_and_removes_pools_that_are_gone(self):
        client = self.client()
        client.call("SetPool", pool="a", limit=7)
        client.call("SetPool", pool="new", limit=7)
        held = client.create(pool="b")
        self.broker.config.write_text("[pool a]\nlimit = 4\n")
        client.call("Reload")
        pools = self.pools(client)
        self.assertEqual(set(pools), {"a", "b", "default"})
        self.assertEqual((pools["a"]["limit"], pools["a"]["source"]), (4, "file"))
        self.assertTrue(pools["b"]["removed"])
        self.assertRefused("NoSuchPool", client, "Create", {"pool": "b"}, pool="b")
        client.call("Release", session_id=held["session_id"])
        self.assertEqual(set(self.pools(client)), {"a", "default"})

    def test_a_wrong_reload_keeps_the_old_settings_and_says_where(self):
        client = self.client()
        self.broker.config.write_text("[pool a]\nlimit = 9\nlimt = 4\n")
        told = self.assertRefused("InvalidConfig", client, "Reload")
        self.assertIn(f'{self.broker.config}:3: unknown key "limt"', told["message"])
        self.assertEqual(self.pools(client)["a"]["limit"], 3)
        self.assertFalse(client.metrics()["last_reload_ok"])

    def test_pause_refuses_newcomers_until_resume(self):
        client = self.client()
        client.call("Pause", pool="a", reason="upgrade")
        self.assertRefused("Paused", client, "Create", {"pool": "a"}, pool="a", reason="upgrade")
        client.create(pool="b")
        client.call("Pause", for_ms=60000)
        self.assertIn("paused_until", self.assertRefused("Paused", client, "Create", {"pool": "b"}))
        client.call("Resume")
        client.create(pool="b")
        self.assertRefused("Paused", client, "Create", {"pool": "a"})  # by name stays
        client.call("Resume", pool="a")
        client.create(pool="a")
        client.call("Pause", for_ms=20)
        wait_for(lambda: not self.pools(client)["a"]["paused"], "the end of the pause")
        client.create(pool="a")
        self.assertRefused("NoSuchPool", client, "Pause", {"pool": "nope"}, pool="nope")

    def test_wrong_settings_are_refused(self):
        client = self.client()
        for settings, parameter in (({"limit": 0}, "limit"), ({"max_timeout_ms": 0}, "max_timeout_ms"),
                                    ({"default_timeout_ms": 5, "max_timeout_ms": 4},
                                     "default_timeout_ms"), ({"on_timeout": "x"}, "on_timeout")):
            self.assertRefused("InvalidParameter", client, "SetPool", {"pool": "a", **settings},
                               parameter=parameter)
        for name in ("", "-x", "a b", "x" * 41):
            self.assertRefused("InvalidParameter", client, "SetPool", {"pool": name}, parameter="pool")


class Log(BrokerTest):
    CONFIG = "[broker]\nlog_sessions = all\n[pool one]\nlimit = 1\n"

    def test_every_begin_refusal_and_end_is_logged(self):
        client = self.client()
        ids = [client.create(label="\x1b[31m")["session_id"] for _ in range(3)]
        one = client.create(pool="one")["session_id"]
        self.assertRefused("CapacityReached", client, "Create", {"pool": "one"})
        client.call("Release", session_id=ids[0], outcome="cancelled")
        client.call("Renew", session_id=ids[1], timeout_ms=1)
        client.call("Revoke", session_id=ids[2], force=True, reason="a\nb\x1b[2J")
        wait_for(lambda: client.metrics()["lifetime_total_timeout"] == 1, "the deadline")
        client.close()
        with self.broker.client() as look:
            wait_for(lambda: look.metrics()["active_sessions"] == 0, "the end of the last")
        log = self.broker.stop()
        for session_id, pool, end in ((ids[0], "default", "cancelled"), (ids[1], "default", "timeout"),
                                      (ids[2], "default", "revoked"), (one, "one", "abandoned")):
            for what in ("created", end):
                self.assertRegex(log, rf"{session_id} of pool {pool}, uid \d+ pid \d+: {what}\n")
        self.assertIn("refused a session of pool one to uid", log)
        self.assertIn("with force: a\\x0ab\\x1b[2J", log)
        self.assertNotIn("\x1b", log)


if __name__ == "__main__":
    unittest.main()
